"""A stand-in for the Hugging Face hub on this machine: what `create_repo` and `upload_folder` ask of it, no more."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

TOKEN = "a-token-of-the-tests"


class Hub:
    """What the hub holds. repos: by name, private or not; files: by repository and path, their bytes. *refusal*: the
    status with which every commit is refused."""

    def __init__(self) -> None:
        self.repos: dict[str, bool] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.messages: list[str] = []
        self.blobs: dict[str, bytes] = {}
        self.refusal = 0
        self.url = ""

    def answer(self, path: str, body: bytes) -> tuple[int, Any]:
        """Status and JSON for a POST of *body* to *path*."""
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            known = name in self.repos
            if asked.get("organization") == "others":
                return 403, {"error": "You don't have the rights to create a model under the namespace others"}
            self.repos.setdefault(name, bool(asked.get("private") or asked.get("visibility") == "private"))
            return (409 if known else 200), {"url": f"{self.url}/{name}", "name": name, "id": "1",
                                             "error": "You already created this model repo"}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if "/preupload/" in path:
            files = json.loads(body)["files"]
            return 200, {"files": [{"path": f["path"], "shouldIgnore": False, "uploadMode":
                                    "lfs" if f["path"].endswith(".safetensors") else "regular"} for f in files]}
        if path.endswith("/info/lfs/objects/batch"):
            return 200, {"transfer": "basic", "objects": [
                {**o, "actions": {"upload": {"href": f"{self.url}/blob/{o['oid']}"}}}
                for o in json.loads(body)["objects"]]}
        if "/commit/" in path:
            return self._commit(path.removeprefix("/api/models/").partition("/commit/")[0], body)
        return 404, {"error": f"no {path} here"}

    def _commit(self, repo: str, body: bytes) -> tuple[int, Any]:
        if self.refusal:
            return self.refusal, {"error": "the card is not to the hub's taste"}
        held = self.files.setdefault(repo, {})
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                self.messages.append(value["summary"])
            elif line["key"] == "file":
                held[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                held[value["path"]] = self.blobs[value["oid"]]
        return 200, {"commitUrl": f"{self.url}/{repo}/commit/abc", "commitOid": "abc", "success": True}


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub that answers at `url` until the end."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def _reply(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def do_POST(self) -> None:
            body = self._body()
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._reply(401, {"error": "Invalid username or password."})
                return
            self._reply(*hub.answer(self.path.partition("?")[0], body))

        def do_PUT(self) -> None:
            body, oid = self._body(), self.path.removeprefix("/blob/")
            assert hashlib.sha256(body).hexdigest() == oid
            hub.blobs[oid] = body
            self._reply(200, {})

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
