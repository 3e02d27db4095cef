"""Images in columns of Parquet files, as Hugging Face's datasets hold them."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from genzoo.data.partitions.files import PartFile


def holds_images(file: PartFile) -> bool:
    """Return whether a Parquet file has a column of image files; false if it cannot be read."""
    try:
        return image_column(parquet.read_schema(file.opened())) is not None
    except (pa.ArrowException, OSError, ValueError):
        return False  # the reader of tables says what is wrong


def image_column(schema: Any) -> str | None:
    """Return the name of the first column of image files; `None` if there is none."""
    return next(iter(image_columns(schema)), None)


def image_columns(schema: Any) -> list[str]:
    """Return the names of the columns of image files: structs with the fields `bytes` and `path`."""
    found = []
    for field in schema:
        parts = {part.name: part.type for part in field.type} if pa.types.is_struct(field.type) else {}
        if parts.keys() == {"bytes", "path"} and _is_binary(parts["bytes"]):
            found.append(str(field.name))
    return found


def _is_binary(kind: Any) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def label_names(schema: Any, column: str) -> list[str] | None:
    """Return the names of the classes of a column, if the file says that it holds class labels."""
    try:
        about = json.loads((schema.metadata or {})[b"huggingface"])
        names = about["info"]["features"][column]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None
