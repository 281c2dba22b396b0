# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Enough of Xet's storage on 127.0.0.1 for the real client, hf_xet, to upload to the test Hub.

What is uploaded cannot be put together again here, so the test says which files are expected; they count as stored once
their description (the "shard") has come.
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import hub_routes
from hub_http import Answer
from hub_server import HubServer


class XetStorage:
    """Give it the Hub and the contents to expect; read `received`, lines such as "POST /v1/xorbs/default/..."."""

    def __init__(self, hub: HubServer, expected: Iterable[bytes]):
        self.hub, self.received = hub, []
        self.expected = {hashlib.sha256(content).hexdigest(): content for content in expected}

    def __enter__(self) -> "XetStorage":
        handler = type("Handler", (_Handler,), {"storage": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.route = ("GET", re.compile(hub_routes.API + r"/xet-write-token/([^/]+)"), "xet_write_token")
        hub_routes.hub_routes.table.append(self.route)
        hub_routes.HubHandler.xet_write_token = lambda handler, *_: self._grant(handler)
        return self

    def __exit__(self, *_) -> None:
        hub_routes.hub_routes.table.remove(self.route)
        del hub_routes.HubHandler.xet_write_token
        self.server.shutdown()
        self.server.server_close()

    def _grant(self, handler) -> Answer:
        _, name = re.match(hub_routes.API, handler.path).groups()[:2]
        handler.repo_of("models", name, "write")
        expires = int(time.time()) + 3600
        headers = {"X-Xet-Cas-Url": self.url, "X-Xet-Access-Token": "x", "X-Xet-Token-Expiration": str(expires)}
        return Answer.json({"casUrl": self.url, "exp": expires, "accessToken": "x"}, **headers)


class _Handler(BaseHTTPRequestHandler):
    storage: XetStorage
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._read()
        self._send(404, {})  # no chunk is known yet

    def do_POST(self):
        self._read()
        if self.path.startswith("/v1/xorbs/"):
            self._send(200, {"was_inserted": True})
        elif self.path.startswith("/v1/shards"):
            self.storage.hub.lfs_store.update(self.storage.expected)
            self._send(200, {"result": 1})
        else:
            self._send(404, {})  # newer ways, which the client tries first

    def _read(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.storage.received.append(f"{self.command} {self.path}")

    def _send(self, status: int, content: dict) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
