"""Read safetensors files after checking their headers; write them atomically.

The library writes these files but does not read them here: its reader maps a file into memory, so a file that is cut
short meanwhile kills the process, and a header of 70 MB takes it 1.8 GB.
"""

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

from genzoo.errors import ArtifactError, GenzooError, explain_out_of_memory
from genzoo.storage.atomic import ThingT, atomic_write
from genzoo.storage.json_files import parse_json
from genzoo.storage.paths import open_regular


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Write tensors to a safetensors file; tensors that share their memory are written once.

    Returns:
        The names of tied tensors, which were left out, each with the name of the tensor that was written.
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
        atomic_write(path, lambda temporary: _save(kept, temporary))
    except safetensors.SafetensorError as error:  # safetensors raises this if the disk is full
        raise GenzooError(f"{path} could not be written: {error}.") from error
    return tied


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    """Save tensors in a new file with the usual permissions; the library lets only its owner read it."""
    path.touch()
    mode = path.stat().st_mode
    save_file(tensors, path)
    if path.stat().st_mode != mode:
        path.chmod(mode)


def read_tensors(path: Path, tied: Mapping[str, str], sha256: str | None = None) -> dict[str, Tensor]:
    """Read what `write_tensors` wrote, with tied tensors under all their names.

    Arguments:
        path: the file.
        tied: the result of `write_tensors`.
        sha256: expected digest of the file. Defaults to `None`: not checked.

    Raises:
        ArtifactError: the file is missing or damaged, has another digest, or holds a number that is not finite.
    """
    return with_tied(path, read_numbers(path, sha256), tied)


def with_tied(path: Path, things: Mapping[str, ThingT], tied: Mapping[str, str]) -> dict[str, ThingT]:
    """Add the tied names to the content of a file of tensors.

    Raises:
        ArtifactError: a tied name is in the file, or the tensor it is tied to is not.
    """
    if len(tied) > len(things):
        raise ArtifactError(
            f"{path} holds {len(things)} tensors, and {len(tied)} are said to be tied to them, which are too many."
        )
    for name, owner in tied.items():
        if owner not in things or name in things:
            raise ArtifactError(f"{path}: tensor {name!r} should be tied to {owner!r}, but the file does not match.")
    return {**things, **{name: things[owner] for name, owner in tied.items()}}


def digest(path: Path) -> str:
    """Return the SHA-256 digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_digest(path: Path, expected: object) -> None:
    """Check that a file has the expected SHA-256 digest.

    Raises:
        ArtifactError: the digest differs, or the file is missing.
    """
    with open_regular(path) as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != expected:
        raise _changed(path, actual)


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
"""Largest size of an unreadable file to hash, just to report whether it has changed."""


CHUNK = 2**20
"""Number of values, or bytes, to process at a time."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Type, shape and byte range of one tensor in a file."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    end: int

    def outline(self) -> Tensor:
        """Return a tensor of that type and shape on the meta device, without values."""
        return torch.empty(self.shape, dtype=self.dtype, device="meta")


def read_layout(path: Path, sha256: str | None = None) -> dict[str, Layout]:
    """Read the header of a file of tensors: a `Layout` for each name.

    Arguments:
        sha256: expected digest of the file. If the header is invalid and the file is not too large, the digest shows
            whether the file has changed. Defaults to `None`.

    Raises:
        ArtifactError: the file is missing, is not a safetensors file, or its header does not match its content.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            return _layout(file, size)
        except (ValueError, OSError) as error:
            if sha256 is not None and size <= _MOST_HASHED:
                file.seek(0)
                actual = hashlib.file_digest(file, "sha256").hexdigest()
                if actual != sha256:
                    raise _changed(path, actual) from error
            raise ArtifactError(f"{path} cannot be read as tensors: {error}.") from error


def read_numbers(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """Read the tensors of a file; they share one block of memory.

    Arguments:
        sha256: expected digest of the file. Defaults to `None`: not checked.

    Raises:
        ArtifactError: as `read_layout`; or the digest differs, or a number is not finite.
    """
    layout = read_layout(path, sha256)
    with open_regular(path) as file:
        content = _whole(path, file)
    if sha256 is not None and (actual := hashlib.sha256(content).hexdigest()) != sha256:
        raise _changed(path, actual)
    if max((place.end for place in layout.values()), default=0) > len(content):
        raise ArtifactError(f"{path} cannot be read as tensors: it changed while it was read.")
    tensors = {name: _numbers(content, place) for name, place in layout.items()}
    for name, tensor in tensors.items():
        if not is_finite(tensor):
            raise ArtifactError(f"{path}: tensor {name!r} holds numbers that are not finite.")
        if tensor.dtype == torch.bool and bool((tensor.view(torch.uint8) > 1).any()):
            raise ArtifactError(f"{path}: tensor {name!r} holds bytes that are neither true nor false.")
    return tensors


def _changed(path: Path, actual: str) -> ArtifactError:
    """Return the error for a file with another digest than the recorded one."""
    return ArtifactError(f"{path} has changed since it was written: its SHA-256 is {actual[:12]}…, not as recorded.")


def is_finite(tensor: Tensor) -> bool:
    """Return whether all values of a tensor are finite; checks a part at a time, to save memory."""
    if not tensor.is_floating_point():
        return True
    parts = torch.split(tensor.flatten(), CHUNK) if tensor.is_contiguous() else (tensor,)
    return all(bool(torch.isfinite(part).all()) for part in parts)


def _whole(path: Path, file: io.BufferedReader) -> bytearray:
    size = os.fstat(file.fileno()).st_size
    with explain_out_of_memory(f"the {size} bytes of {path} were read", "use a smaller model, or a machine with more"):
        content = bytearray(size)
    file.seek(0)
    if file.readinto(content) != size:
        raise ArtifactError(f"{path} cannot be read as tensors: it changed while it was read.")
    return content


def _numbers(content: bytearray, place: Layout) -> Tensor:
    count = math.prod(place.shape)
    if not count:
        return torch.empty(place.shape, dtype=place.dtype)
    tensor = torch.frombuffer(content, dtype=place.dtype, count=count, offset=place.start).view(place.shape)
    return tensor.clone() if tensor.data_ptr() % place.dtype.itemsize else tensor  # a copy is aligned


def _layout(file: io.BufferedReader, size: int) -> dict[str, Layout]:
    length = int.from_bytes(file.read(8), "little")
    if size < 10 or not 2 <= length <= min(size - 8, _LONGEST_HEADER):
        raise ValueError(f"its {size} bytes do not begin with a header of tensors")
    header = _header(file.read(length))
    if len(header) > _MOST_TENSORS:
        raise ValueError(f"its header describes {len(header)} tensors, and at most {_MOST_TENSORS} are read")
    places = {name: _place(name, entry, 8 + length) for name, entry in header.items() if name != "__metadata__"}
    # Tensors must fill the file without gaps or overlaps, so that nothing is hidden in it and no byte is read twice.
    end = 8 + length
    for name, place in sorted(places.items(), key=lambda item: (item[1].start, item[1].end)):
        if place.start != end:
            raise ValueError(f"the numbers of tensor {name!r} do not follow the tensor before it")
        end = place.end
    if end != size:
        raise ValueError(f"its header describes {end} bytes, and it holds {size}")
    return places


def _header(content: bytes) -> Mapping[str, Any]:
    """Parse a header. Errors do not quote invalid content, because the file may be private."""
    try:
        header = parse_json(content)
    except ValueError:
        header = None
    if not isinstance(header, Mapping):
        raise ValueError("its header is not JSON that describes tensors")
    notes = header.get("__metadata__", {})
    if not isinstance(notes, Mapping) or not all(isinstance(note, str) for note in notes.values()):
        raise ValueError("the __metadata__ of its header is not a mapping from text to text")
    return header


def _place(name: str, entry: Any, start: int) -> Layout:
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise ValueError(f"its header has an invalid name, which begins with {name[:40]!r}")
    if not isinstance(entry, Mapping) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"its header does not describe tensor {name!r}")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _TYPES:
        raise ValueError(f"tensor {name!r} has the unknown type {str(dtype)[:40]!r}")
    if not _are_whole(shape) or len(shape) > _MOST_SIDES or any(side > _LONGEST_SIDE for side in shape):
        raise ValueError(f"tensor {name!r} has an impossible shape")
    if math.prod(max(side, 1) for side in shape) > _MOST_NUMBERS:
        raise ValueError(f"tensor {name!r} has an impossible shape")
    if not _are_whole(offsets) or len(offsets) != 2:
        raise ValueError(f"tensor {name!r} does not have two offsets")
    if offsets[1] - offsets[0] != math.prod(shape) * _TYPES[dtype].itemsize:
        raise ValueError(f"the shape and the offsets of tensor {name!r} do not match")
    return Layout(_TYPES[dtype], tuple(shape), start + offsets[0], start + offsets[1])


def _are_whole(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(number) is int and number >= 0 for number in numbers)
