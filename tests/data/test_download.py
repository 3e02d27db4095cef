"""Downloads are counted while they go on, and what they hold is checked."""

import hashlib
import io
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pooch
import pytest
from phases import Watcher

from genzoo.data.download import _fetch, without_fetching
from genzoo.data.sounds import builtin
from genzoo.data.sounds.files import wav
from genzoo.errors import DataError
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


def test_a_download_goes_to_the_folder_that_the_user_names(tmp_path, monkeypatch, served):
    folder, address = served
    (folder / "a.gz").write_bytes(b"content")
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "named"))
    place = _fetch("some", {"a.gz": hashlib.md5(b"content").hexdigest()}, address)
    assert place == tmp_path / "named" / "some"
    assert (place / "a.gz").read_bytes() == b"content"


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


def recordings():
    """Recordings of two digits by two speakers, takes 3 to 6, by their names."""
    rng = np.random.default_rng(0)
    names = [f"{digit}_{speaker}_{take}.wav" for digit in (3, 7) for speaker in ("ann", "bob") for take in range(3, 7)]
    return {name: wav(rng.integers(-999, 999, 4000), 8000) for name in names}


def packed(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in {
            "README.md": b"about",
            **{f"recordings/{name}": own for name, own in files.items()},
        }.items():
            member = tarfile.TarInfo(f"free-spoken-digit-dataset/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path, monkeypatch, served):
    """Where the archive of spoken digits is served from, in the place of its publisher."""
    folder, address = served
    lines = [f"{name} {hashlib.sha256(content).hexdigest()}\n" for name, content in sorted(recordings().items())]
    monkeypatch.setattr(builtin, "_DIGEST", hashlib.sha256("".join(lines).encode()).hexdigest())
    monkeypatch.setattr(builtin, "_BASE", address)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / name)
    monkeypatch.delenv("GENZOO_DATA", raising=False)
    (folder / builtin._VERSION).write_bytes(packed(recordings()))
    return folder / builtin._VERSION


def test_spoken_digits_are_fetched_once_and_divided_by_takes(archive):
    found = builtin.spoken_digits()
    assert (found.spec.rate, found.spec.event_shape, len(found), found.test_rows) == (8000, (8000,), 16, 8)
    assert (found.label.name, found.label.levels) == ("digit", ("3", "7"))
    assert found.labels.tolist() == 2 * [0, 0, 0, 0, 1, 1, 1, 1]
    for row, name in ((0, "3_ann_5.wav"), (8, "3_ann_3.wav"), (15, "7_bob_4.wav")):  # takes 3 and 4 are the test
        assert wav(found.events[row, :4000], 8000) == recordings()[name]
    archive.unlink()
    assert np.array_equal(builtin.spoken_digits().events, found.events)


def test_spoken_digits_in_a_folder_of_data_need_no_download(archive, tmp_path, monkeypatch):
    archive.unlink()
    (tmp_path / "data" / "spoken-digits").mkdir(parents=True)
    for name, content in recordings().items():
        (tmp_path / "data" / "spoken-digits" / name).write_bytes(content)
    monkeypatch.setenv("GENZOO_DATA", str(tmp_path / "data"))
    assert len(builtin.spoken_digits()) == 16
    (tmp_path / "data" / "spoken-digits" / "3_ann_3.wav").write_bytes(b"other")
    with pytest.raises(DataError, match="could not be downloaded"):
        builtin.spoken_digits()


def test_other_recordings_than_expected_are_an_error(archive):
    files = recordings()
    archive.write_bytes(packed({**files, "3_ann_3.wav": files["3_ann_4.wav"]}))
    with pytest.raises(DataError, match="holds other recordings than expected"):
        builtin.spoken_digits()


def test_a_damaged_archive_is_an_error(archive):
    archive.write_bytes(archive.read_bytes()[:2000])
    with pytest.raises(DataError, match="cannot be read as an archive"):
        builtin.spoken_digits()


def test_a_folder_from_a_stranger_downloads_no_spoken_digits(archive):
    with without_fetching(), pytest.raises(DataError, match="Download it with: genzoo data spoken-digits"):
        builtin.spoken_digits()
