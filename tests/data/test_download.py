"""Downloads are counted while they go on."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pooch
import pytest
from phases import Watcher

from genzoo.data.download import _fetch
from genzoo.runtime.progress import observed


class Silent(SimpleHTTPRequestHandler):
    """Serves files, and logs nothing."""

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def served(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_download_is_counted_and_not_repeated(tmp_path, monkeypatch, served):
    folder, address = served
    content = bytes(range(250)) * 200
    (folder / "a.gz").write_bytes(content)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / name)
    sums = {"a.gz": hashlib.md5(content).hexdigest()}
    watcher = Watcher()
    with observed(watcher):
        place = _fetch("some", sums, address)
        assert (place / "a.gz").read_bytes() == content
        (view,) = watcher.ended
        assert (view.name, view.fraction, view.detail) == ("downloading a.gz", 1.0, "50/50 KB")
        _fetch("some", sums, address)
    assert len(watcher.ended) == 1
