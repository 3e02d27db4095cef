"""A small server for tests: files over HTTP with ranges, and the part of S3's interface that reading needs."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "genzoo", "AWS_SECRET_ACCESS_KEY": "genzoo", "AWS_DEFAULT_REGION": "us-east-1"}
"""Environment in which s3fs may read from the server; anything else is denied."""


class ObjectStore(ThreadingHTTPServer):
    """Objects by their path, `bucket/key`, as bytes or as files of this machine.

    Arguments:
        objects: the objects; several may be one file.
        ranges: whether parts of objects can be read.
        private: whether only requests that are signed with `CREDENTIALS` are answered.

    Attributes:
        closed: whether no request is answered.
    """

    daemon_threads = True

    def __init__(self, objects: Mapping[str, bytes | Path], *, ranges: bool = True, private: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects = dict(objects)
        self.ranges, self.private, self.closed = ranges, private, False
        self.sent = 0
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def environment(self) -> dict[str, str]:
        """Return the environment in which s3fs finds the server."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url, "AWS_MAX_ATTEMPTS": "1"}

    def size(self, name: str) -> int:
        found = self.objects[name]
        return len(found) if isinstance(found, bytes) else found.stat().st_size

    def tag(self, name: str) -> str:
        found = self.objects[name]
        own = found if isinstance(found, bytes) else f"{found} {found.stat().st_mtime_ns}".encode()
        return f'"{hashlib.md5(own, usedforsecurity=False).hexdigest()}"'

    def part(self, name: str, start: int, stop: int) -> bytes:
        found = self.objects[name]
        if isinstance(found, bytes):
            return found[start:stop]
        with found.open("rb") as file:
            file.seek(start)
            return file.read(stop - start)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ObjectStore

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *words: object) -> None:
        self.server.requests.append(f"{self.command} {self.path}")

    def _answer(self, *, body: bool) -> None:
        address = urlsplit(self.path)
        name = unquote(address.path).strip("/")
        query = {key: values[0] for key, values in parse_qs(address.query, keep_blank_values=True).items()}
        if self.server.closed or (
            self.server.private and "Credential=genzoo/" not in self.headers.get("Authorization", "")
        ):
            self._send(403, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>", body=body)
        elif "list-type" in query:
            self._send(200, self._listing(name, query), body=body)
        elif name in self.server.objects:
            self._send_object(name, body=body)
        elif "/" not in name and any(other.startswith(f"{name}/") for other in self.server.objects):
            self._send(200, b"", body=body)  # a bucket
        else:
            self._send(404, b"<Error><Code>NoSuchKey</Code><Message>No such key</Message></Error>", body=body)

    def _send_object(self, name: str, *, body: bool) -> None:
        size, tag = self.server.size(name), self.server.tag(name)
        if self.headers.get("If-Match", tag) != tag:
            self._send(412, b"<Error><Code>PreconditionFailed</Code></Error>", body=body)
            return
        start, stop, code = 0, size, 200
        headers = {"ETag": tag, "Accept-Ranges": "bytes" if self.server.ranges else "none"}
        wanted = self.headers.get("Range")
        if wanted and self.server.ranges:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start = int(first) if first else size - int(last)
            stop, code = min(size, int(last) + 1) if first and last else size, 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        if body:
            content = self.server.part(name, start, stop)
            self.server.sent += len(content)
            self._send(code, content, headers)
        else:
            self._send(code, b"", headers, length=stop - start, body=False)

    def _send(
        self,
        code: int,
        content: bytes,
        headers: Mapping[str, str] | None = None,
        length: int | None = None,
        *,
        body: bool = True,
    ) -> None:
        self.send_response(code)
        for key, value in (headers or {"Content-Type": "application/xml"}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def _listing(self, bucket: str, query: Mapping[str, str]) -> bytes:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        files, folders = [], set()
        for name in sorted(self.server.objects):
            key = name.removeprefix(f"{bucket}/")
            if not name.startswith(f"{bucket}/") or not key.startswith(prefix):
                continue
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.partition(delimiter)[0] + delimiter)
                continue
            files.append(
                f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                f"<ETag>{escape(self.server.tag(name))}</ETag><Size>{self.server.size(name)}</Size>"
                "<StorageClass>STANDARD</StorageClass></Contents>"
            )
        names = (f"<Prefix>{escape(name)}</Prefix>" for name in sorted(folders))
        common = "".join(f"<CommonPrefixes>{name}</CommonPrefixes>" for name in names)
        count = len(files) + len(folders)
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{count}</KeyCount><MaxKeys>1000</MaxKeys>"
            f"<IsTruncated>false</IsTruncated>{''.join(files)}{common}</ListBucketResult>"
        ).encode()


@contextmanager
def serving(objects: Mapping[str, bytes | Path], **settings: bool) -> Iterator[ObjectStore]:
    """Yield a server of objects, which runs in a thread of this process."""
    server = ObjectStore(objects, **settings)
    thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
