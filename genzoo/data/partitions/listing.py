"""Find the files that a folder, a pattern or a URL stands for, and the Hive partitions that they are in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from genzoo.data.partitions.files import Keys, PartFile
from genzoo.data.partitions.remote import explained, file_system, is_url, version_of
from genzoo.errors import DataError
from genzoo.runtime.threads import thread_pool
from genzoo.text import counted

_PATTERN = re.compile(r"[*?\[]")

_BRACES = re.compile(r"\{([^{}]*)\}")

_RANGE = re.compile(r"(\d+)\.\.(\d+)")

_MOST_FILES = 100_000
"""Files that a source may stand for."""

_NULL = "__HIVE_DEFAULT_PARTITION__"
"""What Hive writes for a missing value."""


def is_pattern(source: str) -> bool:
    """Return whether a source may stand for several files by a pattern: `part-*.csv`, `part-{000..010}.tar`."""
    return _PATTERN.search(source) is not None or _BRACES.search(source) is not None


def with_braces(pattern: str) -> list[str]:
    """Return the patterns that braces stand for: `a-{1,3}` for `a-1` and `a-3`, `a-{08..10}` for three.

    Raises:
        DataError: they stand for too many.
    """
    done: list[str] = []
    waiting = [pattern]
    while waiting:
        first = waiting.pop(0)
        found = _BRACES.search(first)
        if found is None:
            done.append(first)
            continue
        waiting += [f"{first[: found.start()]}{one}{first[found.end() :]}" for one in _alternatives(found[1])]
        if len(done) + len(waiting) > _MOST_FILES:
            raise DataError(f"{pattern} stands for more than {_MOST_FILES} files. Name fewer.")
    return done


def _alternatives(inside: str) -> Sequence[str]:
    ends = _RANGE.fullmatch(inside)
    if ends is None:
        return inside.split(",")
    first, last = int(ends[1]), int(ends[2])
    if abs(last - first) >= _MOST_FILES:
        raise DataError(f"{{{inside}}} stands for more than {_MOST_FILES} files. Name fewer.")
    return [str(number).zfill(len(ends[1])) for number in range(first, last + 1)]


def local_files(source: str) -> list[PartFile]:
    """Return the files of this machine that a folder or a pattern stands for, in the order of their paths.

    There may be none in a folder.

    Files and folders whose name begins with a dot or an underscore are left out: programs keep their own files there.

    Raises:
        DataError: there are too many, or none of a pattern, or they cannot be looked at.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        found: Iterable[Path] = _below(folder)
        root = folder
    else:
        patterns = with_braces(str(folder))
        root = Path(*_fixed(folder.parts))
        found = (path for pattern in patterns for path in _matching_here(root, pattern))
    with explained(source):
        # A link that leads nowhere counts, so that its rows are missed.
        kept = (path for path in found if not _is_own(path, root))
        files = sorted({path for path in kept if path.is_file() or (path.is_symlink() and not path.exists())})
    if files or not folder.is_dir():
        _check_count(source, len(files))
    return [_part(path, root) for path in files]


def _part(path: Path, root: Path) -> PartFile:
    with explained(str(path)):
        return PartFile.of(path, keys_of(path.parts[len(root.parts) : -1]))


def _matching_here(root: Path, pattern: str) -> Iterable[Path]:
    """Return the files of a pattern; a name in braces is one that must be there."""
    path = Path(pattern)
    if not _PATTERN.search(pattern):
        if not path.exists():
            raise DataError(f"{path} does not exist. Put it there, or leave it out of the braces.")
        return [path]
    return root.glob(str(path.relative_to(root)))


def _below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder.

    Raises:
        OSError: a folder cannot be looked into; its files would be missing.
    """
    for inside, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        # A link to a folder that it is in would lead round and round.
        above = Path(os.path.realpath(inside))
        folders[:] = [one for one in folders if not above.is_relative_to(os.path.realpath(Path(inside) / one))]
        yield from (Path(inside) / name for name in names)


def _raise(error: OSError) -> None:
    raise error


def _fixed(parts: Sequence[str]) -> Sequence[str]:
    """Return the folders of a pattern before the first part that stands for several."""
    return parts[: next((place for place, part in enumerate(parts) if is_pattern(part)), len(parts) - 1)]


def _is_own(path: PurePath, root: PurePath) -> bool:
    below = path.parts[len(root.parts) :]
    return any(part.startswith((".", "_")) and "=" not in part for part in below)


def remote_files(url: str) -> list[PartFile]:
    """Return the files that a URL stands for: a file, a folder or a pattern, in the order of their paths.

    Raises:
        ConfigError, DataError: there are none, or too many, or they cannot be reached.
    """
    system = file_system(url)
    with explained(url):
        found, root = _found(system, url)
        _check_count(url, len(found))
        with thread_pool() as pool:
            whole = dict(pool.map(lambda entry: _whole(system, *entry), found.items()))
    scheme = url.partition("://")[0]
    files = []
    for path, info in sorted(whole.items()):
        shown = path if is_url(path) else f"{scheme}://{path.lstrip('/')}"
        keys = keys_of(PurePosixPath(path).parts[len(PurePosixPath(root).parts) : -1])
        files.append(PartFile(path, shown, int(info.get("size") or 0), version_of(info), keys, system))
    return files


def _found(system: Any, url: str) -> tuple[dict[str, Any], str]:
    """Return what a file system knows of the files that a URL stands for, and the folder that holds all of them."""
    path = str(system._strip_protocol(url))
    # In the address of a web page, a question mark begins the query.
    several = _BRACES.search(path) or re.search(r"[*\[]" if url.startswith("http") else _PATTERN, path)
    if several:
        root = str(PurePosixPath(*_fixed(PurePosixPath(path).parts)))
        found = {name: info for one in with_braces(path) for name, info in _matching(system, one).items()}
    else:
        info = {"type": "directory"} if url.endswith("/") else system.info(path)
        if info.get("type") != "directory":
            return {path: info}, str(PurePosixPath(path).parent)
        root = path.rstrip("/")
        found = system.find(path, detail=True)
    above = PurePosixPath(root)
    # An object whose name ends with a slash is what some programs make for an empty folder.
    files = {name: info for name, info in found.items() if info.get("type") != "directory" and name[-1:] != "/"}
    kept = {name: info for name, info in files.items() if not _is_own(PurePosixPath(name), above)}
    return kept, root


def _matching(system: Any, path: str) -> dict[str, Any]:
    if re.search(r"[*?\[]", path):
        return dict(system.glob(path, detail=True))
    return {path: system.info(path)}


def _whole(system: Any, path: str, info: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return what a file system knows of a file; a listing may say less, and then its version would change."""
    return path, system.info(path) if info.get("size") is None or not version_of(info) else info


def _check_count(source: str, count: int) -> None:
    if not count:
        raise DataError(
            f"There is no file that {source!r} stands for. Files whose name begins with a dot or an underscore are "
            "left out."
        )
    if count > _MOST_FILES:
        raise DataError(f"{source!r} stands for {counted(count, 'file')}, and at most {_MOST_FILES} are read.")


def keys_of(folders: Iterable[str]) -> Keys:
    """Return the Hive partitions that folders name: `year=2024` is the value 2024 of a column `year`."""
    pairs = (folder.partition("=") for folder in folders if "=" in folder)
    return tuple((unquote(name), None if value == _NULL else unquote(value)) for name, _, value in pairs)


def key_columns(shown: str, files: Sequence[PartFile]) -> dict[str, list[Any]]:
    """Return the value of each Hive partition in each file: whole numbers if all of its values are, otherwise texts.

    Raises:
        DataError: files are in different partitions.
    """
    names = [name for name, _ in files[0].keys]
    for file in files:
        if [name for name, _ in file.keys] != names or len(set(names)) < len(names):
            seen = ", ".join(f"{name}=" for name, _ in file.keys) or "no partition"
            wanted = ", ".join(f"{name}=" for name in names) or "no partition"
            raise DataError(
                f"{shown} has files in different partitions: {files[0].shown} is in {wanted}, and {file.shown} in "
                f"{seen}. Name the files of one kind of partition, such as {shown.rstrip('/')}/*=*/*."
            )
    columns: dict[str, list[Any]] = {}
    for place, name in enumerate(names):
        texts = [file.keys[place][1] for file in files]
        whole = all(re.fullmatch(r"-?\d{1,18}", text) for text in texts if text is not None)
        columns[name] = [None if text is None else int(text) for text in texts] if whole else list(texts)
    return columns


def key_type(values: Sequence[Any]) -> Any:
    """Return the Arrow type of a Hive partition."""
    return pa.int64() if any(isinstance(value, int) for value in values) else pa.string()


def plain_name(source: str) -> str:
    """Return the name of data in several files or behind a URL: the last part of the path that is no pattern."""
    path = urlsplit(source).path if is_url(source) else str(source)
    where = urlsplit(source).netloc if is_url(source) else ""
    parts = [part for part in (where, *PurePosixPath(path).parts) if part.strip("/.~")]
    for part in reversed(parts):
        stem = re.split(r"[*?\[{]", part.partition(".")[0] if part != where else part)[0].strip("-_. ")
        if stem and "=" not in stem:
            return stem
    return "data"
