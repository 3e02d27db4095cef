"""A server that answers what `huggingface_hub` asks the Hub to make a repository, commit to it and fetch from it."""

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hub:
    """Repositories by name, each a list of commits, and a commit a dict of files.

    Attributes:
        requests: methods and paths of everything that was asked.
        refuses: a status code to answer every request with; 0 for none.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, list[dict[str, bytes]]] = {}
        self.private: dict[str, bool] = {}
        self.objects: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.refuses = 0
        self.address = ""

    def files(self, name: str, revision: str = "main") -> dict[str, bytes] | None:
        """Return the files of a repository, in its newest state, or in the commit of that number."""
        commits = self.repositories.get(name)
        if not commits:
            return None
        if revision == "main":
            return commits[-1]
        numbers = [number for number in range(len(commits)) if sha(name, number) == revision]
        return commits[numbers[0]] if numbers else None

    def commit(self, name: str, lines: list[dict[str, Any]]) -> int:
        """Add a commit."""
        files = dict(self.repositories[name][-1]) if self.repositories[name] else {}
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.objects[value["oid"]]
        self.repositories[name].append(files)
        return len(self.repositories[name]) - 1


def sha(name: str, number: int) -> str:
    """Return the id of a commit."""
    return hashlib.sha1(f"{name} {number}".encode(), usedforsecurity=False).hexdigest()


@contextlib.contextmanager
def serving() -> Iterator[Hub]:
    """Yield a hub that a server on this machine answers for."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, content: object, status: int = 200) -> None:
        self._answer(status, json.dumps(content).encode(), Content_Type="application/json")

    def _missing(self, code: str) -> None:
        self._answer(404, b"{}", X_Error_Code=code)

    def _route(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        self.hub.requests.append(f"{self.command} {path}")
        if self.hub.refuses:
            self._answer(self.hub.refuses, b"{}")
            return
        for pattern, handle in _ROUTES:
            if found := re.fullmatch(pattern, f"{self.command} {path}"):
                handle(self, body, *found.groups())
                return
        self._answer(404, b"{}")

    def __getattr__(self, name: str) -> Any:
        """Answer all methods of HTTP in one way."""
        if name.startswith("do_"):
            return self._route
        raise AttributeError(name)

    def _create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
        self.hub.private.setdefault(name, asked.get("private") is True or asked.get("visibility") == "private")
        self.hub.repositories.setdefault(name, [])
        self._json({"url": f"{self.hub.address}/{name}", "name": name})

    def _info(self, _: bytes, name: str, revision: str = "main") -> None:
        files = self.hub.files(name, revision)
        if files is None:
            self._missing("RevisionNotFound" if self.hub.repositories.get(name) else "RepoNotFound")
            return
        head = sha(name, len(self.hub.repositories[name]) - 1) if revision == "main" else revision
        siblings = [{"rfilename": file, "size": len(content)} for file, content in files.items()]
        self._json({"_id": "1", "id": name, "modelId": name, "sha": head, "siblings": siblings})

    def _tree(self, _: bytes, name: str, revision: str) -> None:
        files = self.hub.files(name, revision) or {}
        self._json(
            [{"type": "file", "path": file, "size": len(data), "oid": _oid(data)} for file, data in files.items()]
        )

    def _preupload(self, body: bytes, name: str) -> None:
        files = json.loads(body)["files"]
        self._json(
            {
                "files": [
                    {
                        "path": one["path"],
                        "uploadMode": "lfs" if one["path"].endswith(".safetensors") else "regular",
                        "shouldIgnore": False,
                    }
                    for one in files
                ]
            }
        )

    def _batch(self, body: bytes, name: str) -> None:
        objects = json.loads(body)["objects"]
        upload = {"upload": {"href": f"{self.hub.address}/upload/{{}}"}}
        self._json(
            {
                "transfer": "basic",
                "objects": [
                    {
                        "oid": one["oid"],
                        "size": one["size"],
                        "actions": {"upload": {"href": upload["upload"]["href"].format(one["oid"])}},
                    }
                    for one in objects
                ],
            }
        )

    def _upload(self, body: bytes, oid: str) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.objects[oid] = body
        self._answer(200)

    def _commit(self, body: bytes, name: str) -> None:
        number = self.hub.commit(name, [json.loads(line) for line in body.splitlines() if line])
        address = f"{self.hub.address}/{name}/commit/{sha(name, number)}"
        self._json({"success": True, "commitOid": sha(name, number), "commitUrl": address})

    def _file(self, _: bytes, name: str, revision: str, file: str) -> None:
        files = self.hub.files(name, revision)
        if files is None or file not in files:
            self._missing("EntryNotFound")
            return
        number = len(self.hub.repositories[name]) - 1
        self._answer(200, files[file], ETag=f'"{_oid(files[file])}"', X_Repo_Commit=sha(name, number))


def _oid(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


_NAME = r"([\w.-]+/[\w.-]+)"
_ROUTES = (
    (r"POST /api/repos/create", _Handler._create),
    (rf"GET /api/models/{_NAME}", _Handler._info),
    (rf"GET /api/models/{_NAME}/revision/(.+)", _Handler._info),
    (rf"GET /api/models/{_NAME}/tree/([^/]+).*", _Handler._tree),
    (rf"POST /api/models/{_NAME}/preupload/.+", _Handler._preupload),
    (rf"POST /{_NAME}\.git/info/lfs/objects/batch", _Handler._batch),
    (r"PUT /upload/(\w+)", _Handler._upload),
    (rf"POST /api/models/{_NAME}/commit/.+", _Handler._commit),
    (r"POST /api/validate-yaml", lambda handler, body: handler._json({"errors": [], "warnings": []})),
    (rf"(?:GET|HEAD) /{_NAME}/resolve/([^/]+)/(.+)", _Handler._file),
)
