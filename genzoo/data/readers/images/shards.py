"""Read images that are packed in files: tar files in the layout of webdataset, and Parquet files.

In a tar file, the files `0001.jpg`, `0001.cls` and `0001.json` belong to one sample: their names are the same up to the
first dot. The class is in `.cls`. In a Parquet file, a column of structs with
`bytes` and `path` holds files of images, as in Hugging Face's datasets.

References:
    "High Performance I/O For Large Scale Deep Learning" (Aizman, Maltby and Breuel, 2019).
"""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

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
from genzoo.data.value_range import found_spec
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.spec.modality import PICTURE_SUFFIXES

_LONGEST_LABEL = 2**10
"""Bytes of a file that holds a label."""

_ROWS = 256
"""Rows of a Parquet file that are read at a time."""


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
    with explained(file.shown):
        try:
            yield from _in_tar(file) if file.name.lower().endswith(".tar") else _in_parquet(file)
        except (tarfile.TarError, EOFError, pa.ArrowException, ValueError) as error:
            pass_out_of_memory(error)
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"{file.shown} is damaged: {str(error).rstrip('.') or type(error).__name__}. Write it again, or leave "
                f"the file out."
            ) from error


def _in_tar(file: PartFile) -> Iterator[Sample]:
    """Yield the samples of a tar file: neighbors whose names are the same up to the first dot."""
    file.check()
    images: list[ImageFile] = []
    key, label = "", None
    with tarfile.open(file.local(), "r:") as archive:
        for member in archive:
            path = PurePosixPath(member.name)
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
                images.append(ImageFile(Path(file.path) / member.name, content.read()))
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
        for batch in content.iter_batches(_ROWS, columns=[column] if label is None else [column, label]):
            batch.validate(full=True)
            labels = [None] * len(batch) if label is None else batch.column(label).to_pylist()
            for image, own in zip(batch.column(column).to_pylist(), labels, strict=True):
                if image is None or image["bytes"] is None:
                    raise DataError(f"{file.shown} holds no image in row {row}. Leave such rows out.")
                shown = Path(file.path) / f"row {row}"
                text = (
                    None
                    if own is None
                    else names[own]
                    if names and isinstance(own, int) and 0 <= own < len(names)
                    else str(own)
                )
                yield Sample(ImageFile(shown, image["bytes"]), text)
                row += 1


def _named(label: int | str | None, names: Sequence[str] | None) -> str | None:
    """Return the name of a class, if the file names its classes, or else the label as it is."""
    if names and isinstance(label, int) and 0 <= label < len(names):
        return names[label]
    return None if label is None else str(label)


def _is_label(kind: object) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_string(kind))
