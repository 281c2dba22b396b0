# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Connections of the test Hub: reading requests, routes, faults, answers with bodies and ranges."""

import contextlib
import json
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from hub_repos import Refusal

if TYPE_CHECKING:
    from hub_server import HubServer


@dataclass
class User:
    name: str
    orgs: tuple[str, ...] = ()


@dataclass
class Token:
    """`role` is read or write; `only` limits writing to these repositories, as a fine-grained token."""

    user: User
    role: str = "write"
    expired: bool = False
    only: frozenset[str] | None = None


@dataclass
class Request:
    """One line of the log. `status` is None while unanswered, and for ever where the connection was cut."""

    method: str
    path: str  # unquoted, with the query
    user: str | None
    range: str | None = None
    status: int | None = None
    storage: bool = False  # came to the port of the large files


@dataclass
class Fault:
    method: str
    pattern: re.Pattern
    times: int
    kind: str
    seconds: float = 0.0
    action: Callable[[], object] | None = None


@dataclass
class Answer:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, content, status: int = 200, **headers: str) -> "Answer":
        return cls(json.dumps(content).encode(), status, {"Content-Type": "application/json", **headers})


class Routes:
    """`@routes.add("GET", r"/api/...")` names the method of a handler class that answers such a request."""

    def __init__(self):
        self.table: list[tuple[str, re.Pattern, str]] = []

    def add(self, methods: str, pattern: str):
        def keep(function):
            self.table.append((methods, re.compile(pattern), function.__name__))
            return function

        return keep


class Connection(BaseHTTPRequestHandler):
    hub: "HubServer"
    routes: Routes
    storage = False
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body leave together: a second small packet would wait 40 ms for the client's receipt
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        with self.hub.lock:
            self.hub.connections.add(self.connection)

    def finish(self):
        with self.hub.lock:
            self.hub.connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def handle(self):
        with contextlib.suppress(OSError):  # the client left, or the Hub was stopped
            super().handle()

    def do_GET(self):
        self._serve()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def _serve(self):
        address = urlsplit(self.path)
        self.query = {key: values for key, values in parse_qs(address.query, keep_blank_values=True).items()}
        told = unquote(address.path) + (f"?{unquote(address.query)}" if address.query else "")
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.token: Token | None = self.hub.tokens.get(bearer)
        self.request_log = Request(
            self.command,
            told,
            self.token.user.name if self.token else None,
            self.headers.get("Range"),
            storage=self.storage,
        )
        with self.hub.lock:
            self.hub.requests.append(self.request_log)
        fault = self.hub.take_fault(self.command, told) or Fault("", re.compile(""), 0, "none")
        cut = fault.kind in ("cut", "reset")
        expects_body = int(self.headers.get("Content-Length", 0)) > 0 or "Transfer-Encoding" in self.headers
        if cut and expects_body:
            self._read_body(half=True)
            self._close(fault)
            return
        self.body = self._read_body()
        if fault.kind == "slow":
            self.hub.stopped.wait(fault.seconds)
        elif fault.action is not None:
            fault.action()
        if fault.kind.isdigit():
            self._send(_failure(int(fault.kind)))
            return
        answer = self._answer(address.path, bearer)
        if fault.kind.endswith("-after"):
            answer = _failure(int(fault.kind[:3]))
        if fault.kind == "lost":
            self._close(fault)
        else:
            self._send(answer, fault if cut else None)

    def _read_body(self, half: bool = False) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
                if half:
                    break
            else:
                self.rfile.readline()
            return b"".join(parts)
        length = int(self.headers.get("Content-Length", 0))
        return self.rfile.read(length // 2 if half else length)

    def _answer(self, path: str, bearer: str) -> Answer:
        try:
            self.check_token(bearer)
            for methods, pattern, name in self.routes.table:
                found = pattern.fullmatch(path)
                if found and self.command in methods.split():
                    with self.hub.lock:
                        return getattr(self, name)(*(unquote(part) if part else part for part in found.groups()))
            raise Refusal(404, f"Sorry, we can't find the page you are looking for: {path}")
        except Refusal as refusal:
            headers = {"X-Error-Message": refusal.message.splitlines()[0]}
            if refusal.code:
                headers["X-Error-Code"] = refusal.code
            if refusal.commit:
                headers["X-Repo-Commit"] = refusal.commit
            return Answer.json({"error": refusal.message, **refusal.body}, refusal.status, **headers)

    def check_token(self, bearer: str) -> None:
        """Refuse tokens that are not good for anything."""

    def _send(self, answer: Answer, cut: Fault | None = None) -> None:
        body, status = answer.body, answer.status
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted and status == 200 and self.command in ("GET", "HEAD"):
            first, last = int(wanted[1]), min(int(wanted[2] or len(body)), len(body) - 1)
            status = 206 if first < len(body) else 416
            place = f"{first}-{last}" if status == 206 else "*"
            answer.headers["Content-Range"] = f"bytes {place}/{len(body)}"
            body = body[first : last + 1] if status == 206 else b""
        self.request_log.status = status
        with contextlib.suppress(OSError):
            self.send_response(status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if cut else body)
            self.wfile.flush()
        if cut:
            self._close(cut)

    def _close(self, fault: Fault) -> None:
        self.request_log.status = None
        if fault.kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            self.connection.close()
        self.close_connection = True


def _failure(status: int) -> Answer:
    return Answer.json({"error": "Internal Error - We're working hard to fix this as soon as possible!"}, status)
