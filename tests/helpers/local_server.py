# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A web server on 127.0.0.1 that serves files from memory and misbehaves on request."""

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class ServedFile:
    """One file and the faults of its next answers; each fault is used once unless it says otherwise."""

    body: bytes
    etag: str | None = '"v1"'
    ranges: bool = True  # False: ignore Range, always send everything
    heed_if_range: bool = True  # False: continue even though the file is another one
    statuses: list[int] = field(default_factory=list)  # answer these first, one per request
    drop_after: list[int] = field(default_factory=list)  # close the connection after so many bytes of the body
    reset_after: list[int] = field(default_factory=list)  # the same, but with a TCP reset
    stall_after: list[int] = field(default_factory=list)  # the same, but silent instead of closed
    claimed_length: int | None = None  # always name this length, whatever is sent
    encoding: str | None = None  # always claim this Content-Encoding
    headers: dict[str, str] = field(default_factory=dict)


class LocalServer:
    """`with LocalServer({"/a": b"..."}) as server:` serves at `server.url`; `server.requests` lists (path, Range)."""

    def __init__(self, files: dict[str, bytes]):
        self.files = {path: ServedFile(body) for path, body in files.items()}
        self.requests: list[tuple[str, str | None]] = []
        self.released = threading.Event()

    def __enter__(self):
        outer = self

        class Handler(_Handler):
            server_state = outer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    server_state: LocalServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        state = self.server_state
        wanted = self.headers.get("Range")
        state.requests.append((self.path, wanted))
        file = state.files.get(self.path)
        if file is None or file.statuses:
            self._refuse(404 if file is None else file.statuses.pop(0), file)
            return
        start = 0
        if wanted and file.ranges:
            same = not file.heed_if_range or self.headers.get("If-Range") in (None, file.etag)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if same else 0
            if start >= len(file.body):
                self._refuse(416, file)
                return
        body = file.body[start:]
        self.send_response(206 if start else 200)
        length = file.claimed_length
        if start:
            total = len(file.body) if length is None else length
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            length = None if length is None else length - start
        self.send_header("Content-Length", str(len(body) if length is None else length))
        if file.etag:
            self.send_header("ETag", file.etag)
        if file.encoding:
            self.send_header("Content-Encoding", file.encoding)
        self.send_header("Connection", "close")
        self.end_headers()
        self._send(body, file)

    def _refuse(self, status, file):
        self.send_response(status)
        for name, value in (file.headers if file else {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def _send(self, body, file):
        for fault in ("drop_after", "reset_after", "stall_after"):
            waiting = getattr(file, fault)
            if waiting and waiting[0] < len(body):
                body = body[: waiting.pop(0)]
                break
        else:
            fault = ""
        with contextlib.suppress(OSError):
            self.wfile.write(body)
            self.wfile.flush()
        if fault == "reset_after":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif fault == "stall_after":
            self.server_state.released.wait(30)
        self.close_connection = True
