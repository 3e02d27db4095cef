"""Read idx files, the format of MNIST."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset, check_values
from genzoo.data.images import bytes_spec
from genzoo.data.readers.unpacked import check_unpacked
from genzoo.data.value_range import Values, found_spec
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.typing import Array

_UNSIGNED_BYTE = 0x08


def read_idx_array(path: Path) -> Array:
    """Read the array of unsigned bytes in one idx file.

    Raises:
        DataError: the file is not an idx file of bytes, or is shorter or longer than its header says.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            magic = file.read(4)
            if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] != _UNSIGNED_BYTE or not 1 <= magic[3] <= 4:
                raise DataError(f"{path} is not an idx file of unsigned bytes (its first bytes are {magic.hex()}).")
            rank = magic[3]
            shape = struct.unpack(f">{rank}I", file.read(4 * rank))
            size = math.prod(max(1, length) for length in shape)
            remedy = "unpack it with gunzip first" if path.suffix == ".gz" else "write it again"
            check_unpacked(path, path.stat().st_size, size, remedy)
            count = math.prod(shape)
            content = file.read(count + 1)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        pass_out_of_memory(error)
        raise DataError(f"{path} cannot be read as an idx file: {error}.") from error
    if len(content) != count:
        held = "more" if len(content) > count else f"only {len(content)}"
        raise DataError(f"{path} declares an array of shape {shape}, {count} values, and holds {held}.")
    return np.frombuffer(content, np.uint8).reshape(shape)


def read_idx(path: Path, _settings: DataSettings | None = None) -> Dataset:
    """Read the images of one idx file, with labels if the file of labels lies beside it.

    Raises:
        DataError: as `read_idx_array`; or the file holds no images.
    """
    images, labels = _read_pair(path)
    check_values(str(path), images)
    spec = found_spec(images, Values.of(images))
    return Dataset(path.name.split("-")[0], spec, images, labels, range_from="data")


def read_idx_pair(name: str, train: Path, test: Path) -> Dataset:
    """Read training and test images as one dataset; its last rows are its own test set."""
    (images, labels), (test_images, test_labels) = _read_pair(train), _read_pair(test)
    events = np.concatenate([images, test_images])
    both = None if labels is None or test_labels is None else np.concatenate([labels, test_labels])
    return Dataset(name, bytes_spec(events), events, both, test_rows=len(test_images))


def _read_pair(path: Path) -> tuple[Array, Array | None]:
    images = read_idx_array(path)
    if images.ndim != 3:
        raise DataError(f"{path} has shape {images.shape}; images are (N, H, W). Is it a file of labels?")
    beside = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
    if beside == path or not beside.exists():
        return images[:, None], None
    labels = read_idx_array(beside)
    if len(labels) != len(images):
        raise DataError(f"{path} holds {len(images)} images and {beside} {len(labels)} labels.")
    return images[:, None], labels
