"""Read safetensors files whose headers are checked first; write them atomically."""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor

from genzoo.errors import ArtifactError, GenzooError
from genzoo.storage.atomic import ThingT, atomic_write
from genzoo.storage.json_files import parse_json
from genzoo.storage.paths import open_regular


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
        atomic_write(path, lambda temporary: save_file(kept, temporary))
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


_TYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "U16": torch.uint16,
    "I32": torch.int32,
    "U32": torch.uint32,
    "I64": torch.int64,
    "U64": torch.uint64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}


_LONGEST_HEADER = 16 * 2**20


_MOST_SIDES, _LONGEST_SIDE, _MOST_NUMBERS = 16, 2**40, 2**60


_LONGEST_NAME, _MOST_TENSORS = 1_000, 20_000


_MOST_HASHED = 2**27
"""Bytes of a file that is refused anyhow, for the sake of the reason."""


CHUNK = 2**20
"""Numbers, or bytes, that are looked at together."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One tensor of a file: its type and shape, and where its numbers stand."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    end: int

    def outline(self) -> Tensor:
        """A tensor of that type and shape without any numbers."""
        return torch.empty(self.shape, dtype=self.dtype, device="meta")


def read_layout(path: Path, sha256: str | None = None) -> dict[str, Layout]:
    """What a file of tensors holds, by name; none of its numbers is read.

    Arguments:
        sha256: what the file's has to be, which tells damage from a file that never was one, unless it is large.

    Raises:
        ArtifactError: it is missing, no such file, or its header does not describe the very bytes that follow it.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            return _layout(file, size)
        except (ValueError, RecursionError, OSError) as error:
            if sha256 is not None and size <= _MOST_HASHED:
                file.seek(0)
                _refuse_changed(path, hashlib.file_digest(file, "sha256").hexdigest(), sha256)
            raise ArtifactError(f"{path} cannot be read as tensors: {error}.") from error


def read_numbers(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """The tensors of a file, which share the one block of memory that it is read into.

    Arguments:
        sha256: what the file's has to be; anything without.

    Raises:
        ArtifactError: as `read_layout`; or its SHA-256 is another, or a number in it is not finite.
    """
    layout = read_layout(path, sha256)
    with open_regular(path) as file:
        content = _whole(path, file)
    if sha256 is not None:
        _refuse_changed(path, hashlib.sha256(content).hexdigest(), sha256)
    if max((place.end for place in layout.values()), default=0) > len(content):
        raise ArtifactError(f"{path} cannot be read as tensors: it changed while it was read.")
    tensors = {name: _numbers(content, place) for name, place in layout.items()}
    for name, tensor in tensors.items():
        if not is_finite(tensor):
            raise ArtifactError(f"{path}: tensor {name!r} holds numbers that are not finite.")
        if tensor.dtype == torch.bool and bool((tensor.view(torch.uint8) > 1).any()):
            raise ArtifactError(f"{path}: tensor {name!r} holds bytes that are neither true nor false.")
    return tensors


def _refuse_changed(path: Path, found: str, sha256: str) -> None:
    if found != sha256:
        raise ArtifactError(f"{path} has changed since it was written: its SHA-256 is {found[:12]}…, not as recorded.")


def is_finite(tensor: Tensor) -> bool:
    """Whether every number in a tensor is finite; a part of it at a time, as the answer takes memory."""
    if not tensor.is_floating_point():
        return True
    parts = torch.split(tensor.flatten(), CHUNK) if tensor.is_contiguous() else (tensor,)
    return all(bool(torch.isfinite(part).all()) for part in parts)


def _whole(path: Path, file: io.BufferedReader) -> bytearray:
    size = os.fstat(file.fileno()).st_size
    try:
        content = bytearray(size)
    except MemoryError as error:
        raise ArtifactError(f"{path} is larger than the memory of this machine.") from error
    file.seek(0)
    if file.readinto(content) != size:
        raise ArtifactError(f"{path} cannot be read as tensors: it changed while it was read.")
    return content


def _numbers(content: bytearray, place: Layout) -> Tensor:
    count = math.prod(place.shape)
    if not count:
        return torch.empty(place.shape, dtype=place.dtype)
    found = torch.frombuffer(content, dtype=place.dtype, count=count, offset=place.start).view(place.shape)
    return found.clone() if found.data_ptr() % place.dtype.itemsize else found


def _layout(file: io.BufferedReader, size: int) -> dict[str, Layout]:
    length = int.from_bytes(file.read(8), "little")
    if size < 10 or not 2 <= length <= min(size - 8, _LONGEST_HEADER):
        raise ValueError(f"no header of tensors is at the beginning of its {size} bytes")
    header = _header(file.read(length))
    if len(header) > _MOST_TENSORS:
        raise ValueError(f"its header describes {len(header)} tensors, and no more than {_MOST_TENSORS} are read")
    found = {name: _place(name, told, 8 + length) for name, told in header.items() if name != "__metadata__"}
    end = 8 + length
    for name, place in sorted(found.items(), key=lambda item: (item[1].start, item[1].end)):
        if place.start != end:
            raise ValueError(f"the numbers of tensor {name!r} do not follow those before them")
        end = place.end
    if end != size:
        raise ValueError(f"its header describes {end} bytes, and it holds {size}")
    return found


def _header(content: bytes) -> Mapping[str, Any]:
    """What a header says; of what is no header, nothing is told, as the file may be somebody's own."""
    try:
        header = parse_json(content)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, Mapping):
        raise ValueError("its header is no JSON that describes tensors")
    notes = header.get("__metadata__", {})
    if not isinstance(notes, Mapping) or not all(isinstance(note, str) for note in notes.values()):
        raise ValueError("the __metadata__ of its header are no texts by name")
    return header


def _place(name: str, told: Any, start: int) -> Layout:
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise ValueError(f"a name in its header begins with {name[:40]!r}")
    if not isinstance(told, Mapping) or set(told) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"its header does not describe tensor {name!r}")
    dtype, shape, offsets = told["dtype"], told["shape"], told["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _TYPES:
        raise ValueError(f"tensor {name!r} is of the unknown type {str(dtype)[:40]!r}")
    if not _are_whole(shape) or len(shape) > _MOST_SIDES or any(side > _LONGEST_SIDE for side in shape):
        raise ValueError(f"tensor {name!r} has no shape that a tensor can have")
    if math.prod(max(side, 1) for side in shape) > _MOST_NUMBERS:
        raise ValueError(f"tensor {name!r} has no shape that a tensor can have")
    if not _are_whole(offsets) or len(offsets) != 2:
        raise ValueError(f"tensor {name!r} has no two offsets")
    if offsets[1] - offsets[0] != math.prod(shape) * _TYPES[dtype].itemsize:
        raise ValueError(f"the shape and the offsets of tensor {name!r} do not agree")
    return Layout(_TYPES[dtype], tuple(shape), start + offsets[0], start + offsets[1])


def _are_whole(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(number) is int and number >= 0 for number in numbers)
