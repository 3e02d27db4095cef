"""Files that are whole or absent: atomic writes, JSON without surprises, tensors without pickles."""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import safetensors
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor

from genzoo.config import SettingsT, explain, version
from genzoo.errors import ArtifactError, GenzooError
from genzoo.regular import open_regular, read_regular
from genzoo.safetensor import read_numbers
from genzoo.strict import parse

ResultT = TypeVar("ResultT")
ThingT = TypeVar("ThingT")

_OLD, _NEW = ".old", ".tmp"

_BEGUN = re.compile(r"\..+\.\d+\.tmp(\.[^.]+)?|\.tmp[A-Za-z0-9]{6}")
"""Files that `write_with` and the tensor library fill before they are renamed."""

_LARGEST_JSON = 16 * 2**20
_MOST_VALUES = 60_000


def write_with(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, make it durable, and put it in place.

    Raises:
        GenzooError: the disk is full or read-only; nothing half-written is left.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
    try:
        temporary.unlink(missing_ok=True)  # a link of that name would be followed
        write(temporary)
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        raise GenzooError(f"{path} could not be written: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_folder(path: Path, fill: Callable[[Path], ResultT]) -> ResultT:
    """Let `fill` fill a new folder, and put it in the place of `path` when all of it is on the disk.

    Whoever is killed in between leaves hidden folders, of which `recover` makes the best.

    Raises:
        GenzooError: the disk is full or read-only; what was at `path` is there as it was.
    """
    fresh = path.with_name(f".{path.name}{_NEW}")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        result = fill(fresh)
        sync(fresh)
        put_in_place(fresh, path)
    except OSError as error:
        raise GenzooError(f"{path} could not be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return result


def put_in_place(fresh: Path, path: Path) -> None:
    """Rename a folder to `path`, in place of what is there."""
    old = path.with_name(f".{path.name}{_OLD}")
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)
        path.replace(old)
    try:
        fresh.replace(path)
        sync(path.parent)
    finally:
        recover_one(old)


def recover(folder: Path, *folders: str) -> None:
    """Put right what a process that was killed has left in `folder`: remove what it began, keep what it replaced.

    Whatever else is hidden there is not genzoo's to touch.

    Arguments:
        folders: what the folders are called that `write_folder` makes there, as patterns.
    """
    for left in folder.glob(".*"):
        name, _, end = left.name.removeprefix(".").rpartition(".")
        is_folder = f".{end}" in (_OLD, _NEW) and any(fnmatch.fnmatchcase(name, pattern) for pattern in folders)
        if left.is_symlink():
            if is_folder:
                left.unlink(missing_ok=True)
        elif is_folder:
            recover_one(left) if left.name.endswith(_OLD) else remove_folder(left)
        elif _BEGUN.fullmatch(left.name) and left.is_file():
            left.unlink(missing_ok=True)


def recover_one(old: Path) -> None:
    """Remove what was replaced, or put it back where nothing took its place."""
    path = old.with_name(old.name.removeprefix(".").removesuffix(_OLD))
    if old.exists() and not path.exists():
        old.replace(path)
    shutil.rmtree(old, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Remove a folder, which is whole or gone for whoever looks; as well as the disk allows."""
    hidden = path if path.name.startswith(".") else path.with_name(f".{path.name}{_NEW}")
    with contextlib.suppress(OSError):
        path = path.replace(hidden)
    shutil.rmtree(path, ignore_errors=True)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file's content atomically."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    write_with(path, write)


def append_lines(descriptor: int, path: Path, records: list[Mapping[str, Any]]) -> None:
    """Append one line of JSON per record, in one piece that no signal divides.

    Raises:
        GenzooError: the disk is full.
    """
    try:
        left = b"".join(to_json(record).encode(errors="surrogatepass") + b"\n" for record in records)
        while left:
            left = left[os.write(descriptor, left) :]
    except OSError as error:
        raise GenzooError(f"{path} could not be written: {error.strerror or error}.") from error


def to_json(content: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """JSON in which numbers that are not finite are `null`.

    Arguments:
        ascii_only: whether other characters are escaped, for a terminal of any encoding.

    Examples:
        >>> to_json({"loss": float("nan"), "step": 3})
        '{"loss": null, "step": 3}'
        >>> to_json({"unit": "µm"}, ascii_only=True)
        '{"unit": "\\\\u00b5m"}'
    """
    return json.dumps(_finite(content), indent=indent, ensure_ascii=ascii_only, allow_nan=False)


def _finite(content: Any) -> Any:
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {str(key): _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return content


def write_json(path: Path, content: Any) -> None:
    """Replace a JSON file atomically."""
    write_bytes(path, (to_json(content, indent=2) + "\n").encode(errors="surrogatepass"))


def read_json(path: Path, known: int = 1, name: str = "format") -> dict[str, Any]:
    """The object in a JSON file.

    Arguments:
        known: the newest version of its form that this genzoo reads; an older one is the caller's to refuse.
        name: of the key that says the version.

    Raises:
        ArtifactError: it is missing, too large, not JSON, no object, names a key twice, or is of a newer version
            or of what is no version.
    """
    try:
        content = parse(read_regular(path, _LARGEST_JSON))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise ArtifactError(f"{path} holds {type(content).__name__}, not an object.")
    found = content.get(name, known)
    if type(found) is not int:
        raise ArtifactError(f"{path} gives as its {name} what is no whole number, so genzoo did not write it.")
    if found > known:
        raise ArtifactError(
            f"{path} is of {name} {found}, which a newer genzoo wrote; genzoo {version()} reads up to {known}. "
            f"Upgrade it: pip install --upgrade genzoo."
        )
    return content


def refuse_crowded(path: Path, content: Mapping[str, Any]) -> None:
    """Refuse settings of so many values that telling what is wrong with each would take more memory than they do.

    The features of data may be many, and are looked at one by one.

    Raises:
        ArtifactError: there are more values than any settings have.
    """
    data = content.get("data")
    features = data.get("features") if isinstance(data, Mapping) else None
    count = 0
    left: list[Any] = [content]
    while left:
        value = left.pop()
        inner = value.values() if isinstance(value, Mapping) else value
        count += len(inner)
        if count > _MOST_VALUES:
            raise ArtifactError(f"{path} cannot be read: it holds more values than any file that genzoo writes there.")
        left += [part for part in inner if isinstance(part, Mapping | list) and part is not features]


def read_settings(path: Path, cls: type[SettingsT]) -> SettingsT:
    """The settings in a JSON file.

    Raises:
        ArtifactError: it cannot be read, or does not hold what this version writes there.
    """
    content = read_json(path, max(get_args(cls.model_fields["format"].annotation)))
    if "format" not in content:
        raise ArtifactError(f"{path} does not say of what format it is, so genzoo did not write it.")
    refuse_crowded(path, content)
    try:
        return cls.model_validate(content)
    except ValidationError as error:
        raise ArtifactError(explain(error, cls, str(path))) from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Write tensors to a safetensors file, each storage once.

    Returns:
        The names that were left out because they are tied to another, with that other's name.
    """
    owners: dict[tuple[Any, ...], str] = {}
    tied: dict[str, str] = {}
    kept: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        key = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if tensor.numel() and (owner := owners.setdefault(key, name)) != name:
            tied[name] = owner
        else:
            kept[name] = tensor.detach().cpu().contiguous().clone()
    try:
        write_with(path, lambda temporary: save_file(kept, temporary))
    except safetensors.SafetensorError as error:  # how a full disk is told there
        raise GenzooError(f"{path} could not be written: {error}.") from error
    return tied


def read_tensors(path: Path, tied: Mapping[str, str], sha256: str | None = None) -> dict[str, Tensor]:
    """What `write_tensors` wrote, tied tensors under all their names.

    Arguments:
        sha256: what the file's has to be; anything without.

    Raises:
        ArtifactError: the file is missing, damaged or another, or a number in it is not finite.
    """
    return with_tied(path, read_numbers(path, sha256), tied)


def with_tied(path: Path, things: Mapping[str, ThingT], tied: Mapping[str, str]) -> dict[str, ThingT]:
    """What a file of tensors holds by name, what was left out as tied to another along with it.

    Raises:
        ArtifactError: the other is not there, or the one is.
    """
    if len(tied) > len(things):
        raise ArtifactError(
            f"{path}: {len(tied)} tensors are tied to the {len(things)} that it holds, more than can be."
        )
    for name, owner in tied.items():
        if owner not in things or name in things:
            raise ArtifactError(f"{path}: tensor {name!r} is tied to {owner!r}, and the file does not hold it so.")
    return {**things, **{name: things[owner] for name, owner in tied.items()}}


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_digest(path: Path, expected: object) -> None:
    """Refuse a file that is not the one that was written.

    Raises:
        ArtifactError: its SHA-256 is another, or it is missing.
    """
    with open_regular(path) as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise ArtifactError(f"{path} has changed since it was written: its SHA-256 is {found[:12]}…, not as recorded.")
