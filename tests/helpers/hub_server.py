# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""A small Hub on 127.0.0.1 that speaks HTTP to the real clients, keeps everything in memory and fails on request.

    with HubServer() as hub:
        token = hub.add_user("anna", orgs=("org",))
        hub.fault("POST", r"/commit/", kind="500-after")
        subprocess.run(command, env=hub.environment(home, token))
        assert hub.files("org/name")["README.md"] == card

LFS only, no Xet: clients need HF_HUB_DISABLE_XET=1, which `environment` sets. Large files lie behind a second port,
as on the Hub, where they lie with another host.
"""

import contextlib
import os
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path

from hub_http import Fault, Request, Token, User
from hub_repos import Commit, File, HubRepo, goes_to_lfs
from hub_routes import HubHandler, StorageHandler

DISTURBING = ("HF_", "HUGGING", "TRANSFORMERS_", "PYTHONPATH", "PYTEST_")


@dataclass
class HubServer:
    """See the module. Read `requests`; change `page_size` and `part_size` to see paging and LFS in parts."""

    page_size: int = 1000  # rows of one page of a tree
    part_size: int | None = None  # LFS files above it are sent in parts of this size
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self):
        self.lock = threading.RLock()
        self.stopped = threading.Event()
        self.signature = secrets.token_hex(8)  # part of the addresses that work without a token
        self.repos: dict[tuple[str, str], HubRepo] = {}
        self.tokens: dict[str, Token] = {}
        self.orgs: set[str] = set()
        self.lfs_store: dict[str, bytes] = {}
        self.lfs_parts: dict[tuple[str, int], bytes] = {}
        self.faults: list[Fault] = []
        self.connections: set[socket.socket] = set()
        self._running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    # Life

    def __enter__(self) -> "HubServer":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self, port: int = 0) -> None:
        """Listen; give the port of before to bring the same Hub up again after `stop`."""
        self.stopped.clear()
        for handler, wanted in ((HubHandler, port), (StorageHandler, 0)):
            bound = type(handler.__name__, (handler,), {"hub": self})
            server = ThreadingHTTPServer(("127.0.0.1", wanted), bound)
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
            thread.start()
            self._running.append((server, thread))
        self.port, storage_port = (server.server_address[1] for server, _ in self._running)
        self.url = f"http://127.0.0.1:{self.port}"
        self.storage_url = f"http://127.0.0.1:{storage_port}"

    def stop(self) -> None:
        """Close both ports; connections are refused from now on. Repositories stay."""
        self.stopped.set()
        for server, thread in self._running:
            server.shutdown()
            with self.lock:
                open_now = list(self.connections)
            for connection in open_now:  # clients keep them for their next request
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            server.server_close()
            thread.join()
        self._running.clear()

    # Who

    def add_user(self, name: str, *, orgs: Iterable[str] = (), **token) -> str:
        """A user who may write to `orgs`, and a first token of theirs (see `add_token`)."""
        self.orgs |= set(orgs)
        return self._new_token(User(name, tuple(orgs)), **token)

    def add_token(self, name: str, *, role: str = "write", expired: bool = False, only: Iterable[str] = ()) -> str:
        """One more token of a user; `only` names the repositories a fine-grained one may write to."""
        user = next(token.user for token in self.tokens.values() if token.user.name == name)
        return self._new_token(user, role=role, expired=expired, only=only)

    def _new_token(self, user: User, role: str = "write", expired: bool = False, only: Iterable[str] = ()) -> str:
        token = f"hf_{user.name}{secrets.token_hex(14)}"
        self.tokens[token] = Token(user, role, expired, frozenset(only) or None)
        return token

    def environment(self, home: Path, token: str | None = None, *, offline: bool = False, **more: str) -> dict:
        """Variables of a child process that uses this Hub, with the cache, code and token of `home` alone."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(DISTURBING)}
        settings = {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_MODULES_CACHE": str(Path(home) / "modules"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
            "OMP_NUM_THREADS": "1",
        }
        if token is not None:
            settings["HF_TOKEN"] = token
        if offline:
            settings["HF_HUB_OFFLINE"] = "1"
        return kept | settings | more

    # Faults

    def fault(
        self,
        method: str = ".*",
        path_pattern: str = "",
        *,
        times: int = 1,
        kind: str = "500",
        seconds: float = 0.0,
        action: Callable[[], object] | None = None,
    ) -> None:
        """Disturb the next `times` requests whose method and path (unquoted, with the query) match.

        kind "500" (or any status) answers so and does nothing; "500-after" does the work, then answers so; "lost" does
        the work and closes without an answer; "cut" closes in the middle of the body, of the request where it has one
        or else of the answer; "reset" is "cut" by a TCP reset; "slow" waits `seconds` first; "action" calls `action`
        first, for instance to let somebody else commit in between.
        """
        if not re.fullmatch(r"\d{3}(-after)?|lost|cut|reset|slow|action", kind):
            raise ValueError(f"unknown kind of fault: {kind}")
        self.faults.append(Fault(method, re.compile(path_pattern), times, kind, seconds, action))

    def take_fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and re.fullmatch(fault.method, method) and fault.pattern.search(path):
                    fault.times -= 1
                    return fault
        return None

    # What is there

    def repo(self, name: str, kind: str = "models") -> HubRepo:
        return self.repos[kind, name]

    def create(self, name: str, *, private: bool = False, kind: str = "models") -> HubRepo:
        """A repository made without a client."""
        with self.lock:
            self.repos[kind, name] = HubRepo(name, name.partition("/")[0], private)
            return self.repos[kind, name]

    def commit(
        self,
        name: str,
        files: dict[str, bytes | None],
        *,
        revision: str = "main",
        title: str = "Somebody else's commit",
        author: str = "somebody",
    ) -> Commit:
        """A commit made without a client; None deletes the path."""
        with self.lock:
            repo = self.repo(name)
            head = repo.resolve(revision)
            snapshot = {path: file for path, file in head.files.items() if path not in files}
            for path, content in files.items():
                if content is not None:
                    file = File(content, goes_to_lfs(path, len(content), content[:512]))
                    snapshot[path] = file
                    if file.lfs:
                        self.lfs_store[file.sha256] = content
            return repo.write(repo.reference_of(revision) or "", head.oid, snapshot, title, "", author)

    def commits(self, name: str, revision: str = "main") -> list[Commit]:
        """Newest first; the last is the Hub's own "initial commit" with `.gitattributes` alone."""
        with self.lock:
            return self.repo(name).history(revision)

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        with self.lock:
            return self.repo(name).resolve(revision).contents

    def asked(self, method: str = ".*", path_pattern: str = "") -> list[Request]:
        """The requests so far whose method and path match."""
        with self.lock:
            return [
                request
                for request in self.requests
                if re.fullmatch(method, request.method) and re.search(path_pattern, request.path)
            ]
