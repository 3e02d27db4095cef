"""Datasets that are found on this machine, or downloaded once into a verified cache."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from genzoo.data.dataset import Dataset
from genzoo.data.readers.images.idx import read_idx_pair
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.runtime.progress import Phase
from genzoo.storage.cache import find_cache

_TRAIN, _TEST = "train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"


_TRAIN_LABELS, _TEST_LABELS = "train-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte.gz"


# MD5 sums as the publishers of both datasets list them.
_MNIST = {
    _TRAIN: "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    _TRAIN_LABELS: "d53e105ee54ea40749a09fcbcd1e9432",
    _TEST: "9fb629c4189551a2d022fa330f9573f3",
    _TEST_LABELS: "ec29112dd5afa0611ce80d1b7f02629c",
}


_FASHION_MNIST = {
    _TRAIN: "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    _TRAIN_LABELS: "25c81989df183df01b3e8a0aad5dffbe",
    _TEST: "bef4ecab320f06d8554ea6380940ec79",
    _TEST_LABELS: "bb300cfdad3c16e7a12a480ee83cd310",
}


def mnist() -> Dataset:
    """70,000 handwritten digits, 28×28; the last 10,000 are its test set (LeCun et al., 1998)."""
    return _load("mnist", _MNIST, "https://ossci-datasets.s3.amazonaws.com/mnist/", ())


def fashion_mnist() -> Dataset:
    """70,000 articles of clothing, 28×28; the last 10,000 are its test set (Xiao et al., 2017)."""
    packaged = Path("/usr/share/datasets/fashion-mnist")  # where Debian's dataset-fashion-mnist puts it
    base = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    return _load("fashion-mnist", _FASHION_MNIST, base, (packaged,))


def _load(name: str, sums: dict[str, str], base: str, packaged: tuple[Path, ...]) -> Dataset:
    own = os.environ.get("GENZOO_DATA")
    places = [Path(own) / name] if own else []
    for folder in (*places, *packaged):
        found = {file: path for file in sums if (path := _find(folder, file)) is not None}
        if len(found) == len(sums):
            return read_idx_pair(name, found[_TRAIN], found[_TEST])
    folder = _fetch(name, sums, base)
    return read_idx_pair(name, folder / _TRAIN, folder / _TEST)


def find_file(name: str, file: str, digest: str, base: str, own: str) -> Path:
    """Return a dataset's only file, which is looked for on this machine and otherwise fetched.

    Arguments:
        name: name of the dataset, and of its folder in the folder that `GENZOO_DATA` names.
        file: name of the file there, in the cache, and after `base`.
        digest: digest that the file must have, such as `sha256:...`.
        base: address that it is fetched from, without `file`.
        own: name of the file if it lies in the folder that `GENZOO_DATA` names itself.

    Raises:
        DataError: it cannot be fetched.
    """
    folder = os.environ.get("GENZOO_DATA")
    for path in (Path(folder) / name / file, Path(folder) / own) if folder else ():
        if _is_cached(path, digest):
            return path
    return _fetch(name, {file: digest}, base) / file


def fetch_file(name: str, file: str, base: str) -> Path:
    """Return a file of a dataset that has no lasting digest. The caller checks what it holds.

    Arguments:
        name, file, base: as for `find_file`.

    Raises:
        DataError: it cannot be fetched.
    """
    return _fetch(name, {file: ""}, base) / file


def _find(folder: Path, file: str) -> Path | None:
    for path in (folder / file, folder / file.removesuffix(".gz")):
        if path.is_file():
            return path
    return None


_FETCHING = ContextVar("fetching", default=True)


@contextlib.contextmanager
def without_fetching() -> Iterator[None]:
    """Open only what is on this machine, and download nothing.

    A model folder from a stranger may name a dataset; only the user may ask for a download.
    """
    before = _FETCHING.set(False)
    try:
        yield
    finally:
        _FETCHING.reset(before)


def may_fetch() -> bool:
    """Return whether data that are not on this machine may be fetched."""
    return _FETCHING.get()


def _is_cached(path: Path, checksum: str) -> bool:
    import pooch  # as in `_fetch`

    kind, _, digest = checksum.rpartition(":")
    return path.is_file() and bool(digest) and pooch.file_hash(str(path), alg=kind or "md5") == digest


class _Counter:
    """What pooch takes for a progress bar; it counts bytes in a phase."""

    def __init__(self, phase: Phase) -> None:
        self._phase = phase

    @property
    def total(self) -> float:
        return 1000 * (self._phase.total or 0)

    @total.setter
    def total(self, size: float) -> None:
        self._phase.total = size / 1000

    def update(self, size: int) -> None:
        self._phase.advance(size / 1000)

    def reset(self) -> None:
        self._phase.done = 0

    def close(self) -> None:
        """The phase ends by itself."""


def _fetch(name: str, sums: dict[str, str], base: str) -> Path:
    import pooch  # slow to import, and needed only the first time

    folder = find_cache(name)
    if not may_fetch():
        if not all(_is_cached(folder / file, checksum) for file, checksum in sums.items()):
            raise DataError(f"Dataset {name!r} is not on this machine. Download it with: genzoo data {name}.")
        return folder
    pooch.get_logger().setLevel("WARNING")
    try:
        for file, checksum in sums.items():
            if not _is_cached(folder / file, checksum):
                with Phase(f"downloading {file}", unit="KB") as phase:
                    downloader = pooch.HTTPDownloader(progressbar=_Counter(phase))
                    known = checksum if ":" in checksum or not checksum else f"md5:{checksum}"
                    pooch.retrieve(
                        base + file, known_hash=known or None, fname=file, path=folder, downloader=downloader
                    )
    except Exception as error:
        pass_out_of_memory(error)
        raise DataError(
            f"Dataset {name!r} is not on this machine and could not be downloaded ({type(error).__name__}). Put "
            f"{', '.join(sums)} into {folder}, or into a folder {name} inside the folder that GENZOO_DATA names."
        ) from error
    return folder
