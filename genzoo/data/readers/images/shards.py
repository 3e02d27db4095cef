"""Read images that are packed in files: tar files in the layout of webdataset, and Parquet files.

In a tar file, the files `0001.jpg`, `0001.cls` and `0001.json` belong to one sample: their names are the same up to the
first dot. The class is in `.cls`. Nothing is unpacked to the disk, and links are left out. In a Parquet file, a column
of structs with `bytes` and `path` holds files of images, as in Hugging Face's datasets.

References:
    "High Performance I/O For Large Scale Deep Learning" (Aizman, Maltby and Breuel, 2019).
"""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset, category
from genzoo.data.partitions.files import PartFile
from genzoo.data.partitions.listing import plain_name
from genzoo.data.partitions.remote import explained
from genzoo.data.readers.images.decoding import check_crop, check_readable, decode, listed, remarks_of
from genzoo.data.readers.images.files import ImageFile
from genzoo.data.readers.images.in_parquet import image_column, label_names
from genzoo.data.readers.images.stack import Stack
from genzoo.data.readers.unpacked import HARMLESS, check_unpacked
from genzoo.data.value_range import found_spec
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.spec.modality import PICTURE_SUFFIXES

_LONGEST_LABEL = 2**10
"""Bytes of a file that holds a label."""

_LONGEST_NAME = 2**12
"""Letters of a file's name; in a tar file, a name may be as long as the file."""

_ROWS, _AT_ONCE = 256, 2**27
"""Rows of a Parquet file that are read at a time, and bytes of them, if a row has no more."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An image in a file of many, and its label; `None` if it has none."""

    image: ImageFile
    label: str | None


def read_shard(path: Path, settings: DataSettings) -> Dataset:
    """Read the images of one file, as `read_shards` does."""
    with explained(str(path)):
        file = PartFile.of(path)
    return read_shards(str(path), [file], settings)


def read_shards(shown: str, files: Sequence[PartFile], settings: DataSettings) -> Dataset:
    """Read the images of tar or Parquet files, as gray or RGB images of one size, as from a folder.

    Arguments:
        shown: what names the files, for messages.
        files: the files, in order.

    Raises:
        ConfigError: a value lies outside the stated range, or `crop` is set and `size` is not.
        DataError: there is no image, a file is damaged, or as `read_folder`.
    """
    check_crop(settings)
    labels: dict[Path, str | None] = {}

    def images() -> Iterator[ImageFile]:
        for file in files:
            for sample in samples_of(file):
                if sample.image.path in labels:
                    raise DataError(f"{file.shown} holds two files named {sample.image.path.name}. Write it again.")
                labels[sample.image.path] = sample.label
                yield sample.image

    pages, bad = decode(Path(shown), images(), None, settings)
    if not labels:
        raise DataError(f"{shown} holds no images. Known: {' '.join(sorted(PICTURE_SUFFIXES))}.")
    check_readable(Path(shown), len(pages), bad, settings)
    name = plain_name(shown)
    stack = Stack.of(name, pages, settings)
    remarks = Counter(remark for page in pages for remark in page.remarks)
    events = stack.filled()
    found = [labels[page.file] for page in pages]
    levels = _in_order({label for label in found if label is not None})
    labeled = None not in found and len(levels) > 1
    places = {level: place for place, level in enumerate(levels)}
    return Dataset(
        name,
        found_spec(events, stack.values),
        events,
        np.array([places[str(label)] for label in found]) if labeled else None,
        skipped=len(bad),
        unreadable=listed(Path(shown), bad),
        range_from="data",
        facts={"files": f"{len(files)}"},
        notes=tuple(remarks_of(remarks)),
        label=category("label", levels) if labeled else None,
    )


def _in_order(levels: set[str]) -> list[str]:
    """Return labels in order: numbers by their value."""
    return sorted(levels, key=lambda level: (0, int(level), "") if level.isdecimal() else (1, 0, level))


def samples_of(file: PartFile) -> Iterator[Sample]:
    """Yield the images of a tar file or of a Parquet file, in order.

    Raises:
        DataError: it is damaged, or cannot be reached.
    """
    with undamaged(file):
        yield from _in_tar(file) if file.name.lower().endswith(".tar") else _in_parquet(file)


@contextlib.contextmanager
def undamaged(file: PartFile) -> Iterator[None]:
    """Turn what goes wrong in the block, while a file is read, into one paragraph."""
    with explained(file.shown):
        try:
            yield
        except (tarfile.TarError, EOFError, pa.ArrowException, ValueError) as error:
            pass_out_of_memory(error)
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"{file.shown} is damaged: {str(error).rstrip('.') or type(error).__name__}. Write it again, or leave "
                f"the file out."
            ) from error


class _UpToItsEnd:
    """A file that never makes room for more bytes than it still has, however many a header declares.

    Arguments:
        file: the file, opened for reading.
    """

    name = None
    mode = "rb"

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._size = file, file.seek(0, io.SEEK_END)
        self.tell, self.seek = file.tell, file.seek
        file.seek(0)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most so many, or up to the end."""
        left = max(0, self._size - self._file.tell())
        return self._file.read(left if size < 0 else min(size, left))


def _archive(file: BinaryIO) -> tarfile.TarFile:
    return tarfile.open(fileobj=cast("BinaryIO", _UpToItsEnd(file)), mode="r:")


def _in_tar(file: PartFile) -> Iterator[Sample]:
    """Yield the samples of a tar file: neighbors whose names are the same up to the first dot."""
    file.check()
    images: list[ImageFile] = []
    key, label = "", None
    with file.local().open("rb") as packed, _archive(packed) as archive:
        for member in archive:
            if len(member.name) > _LONGEST_NAME:
                raise tarfile.ReadError(f"a name in it has {len(member.name)} letters")
            if member.issparse():
                raise tarfile.ReadError(f"{member.name} is stored with gaps, so that it may unpack to any size")
            path = PurePosixPath(member.name.lstrip("/"))
            if not member.isfile() or path.name.startswith("."):
                continue
            stem, _, ending = path.name.partition(".")
            own = str(path.with_name(stem))
            if own != key:
                yield from _labeled(images, label)
                key, images, label = own, [], None
            content = archive.extractfile(member)
            assert content is not None
            if f".{ending.rpartition('.')[2].lower()}" in PICTURE_SUFFIXES:
                images.append(ImageFile(Path(file.path) / path, content.read()))
            elif ending.lower() in ("cls", "txt.cls") and member.size <= _LONGEST_LABEL:
                label = content.read().decode("utf-8", "replace").strip()
        # A file that ends within a member or before the block of zeros is cut off, which tarfile does not always say.
        assert archive.fileobj is not None
        archive.fileobj.seek(archive.offset)
        if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it ends too early")
    yield from _labeled(images, label)


def _labeled(images: Sequence[ImageFile], label: str | None) -> Iterator[Sample]:
    for image in images:
        yield Sample(image, label)


def _in_parquet(file: PartFile) -> Iterator[Sample]:
    """Yield the images of a Parquet file, a few rows at a time."""
    with parquet.ParquetFile(file.opened(), pre_buffer=file.system is not None) as content:
        schema = content.schema_arrow
        column = image_column(schema)
        if column is None:
            raise DataError(f"{file.shown} has no column of images, which the first file has. Leave it out.")
        label = "label" if "label" in schema.names and _is_label(schema.field("label").type) else None
        names = None if label is None else label_names(schema, label)
        row = 0
        columns = [column] if label is None else [column, label]
        for batch in content.iter_batches(rows_at_once(file, content.metadata), columns=columns):
            batch.validate(full=True)
            labels = [None] * len(batch) if label is None else batch.column(label).to_pylist()
            for image, own in zip(batch.column(column).to_pylist(), labels, strict=True):
                if image is None or image["bytes"] is None:
                    raise DataError(f"{file.shown} holds no image in row {row}. Leave such rows out.")
                yield Sample(ImageFile(Path(file.path) / f"row {row}", image["bytes"]), _named(own, names))
                row += 1


def rows_at_once(file: PartFile, metadata: Any) -> int:
    """Return how many rows to read at a time: a value that is stored once may recur in all of them.

    Raises:
        DataError: the file unpacks to far more bytes than it has.
    """
    sizes = [metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)]
    remedy = "write it again without compression: images are compressed"
    check_unpacked(file.shown, file.size, sum(sizes), remedy, harmless=HARMLESS)
    return max(1, min(_ROWS, _AT_ONCE // int(max([1, *sizes]))))


def _named(label: int | str | None, names: Sequence[str] | None) -> str | None:
    """Return the name of a class, if the file names its classes, or else the label as it is."""
    if names and isinstance(label, int) and 0 <= label < len(names):
        return names[label]
    return None if label is None else str(label)


def _is_label(kind: object) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_string(kind))
