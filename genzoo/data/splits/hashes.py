"""Hash the keys of rows, so that further rows move none from training to test or back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genzoo.data.splits.buckets import BUCKETS
from genzoo.errors import DataError
from genzoo.typing import Array

_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]{0,19}))(?:\.0+)?")
"""Texts that are written as whole numbers are: 7 is one key in files of text and of numbers, and 007 is another."""

_END = r"(\.[0-9]*?)0+(Z?)$"
"""Zeros at the end of a fraction: how many there are depends on the type that stores a time."""

_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def buckets_of(columns: Iterable[Any], name: str, shown: str, where: Callable[[int], str]) -> Array:
    """Return the bucket of each row's key, 0 to `BUCKETS - 1`, `(N,)` uint16.

    It depends on nothing but the key: not on the type that stores it, other rows, or the machine.

    Arguments:
        columns: the keys, as `pyarrow.ChunkedArray`s, one after the other.
        name: name of their column.
        shown: name of the table, for messages.
        where: returns the position of a row, for messages.

    Raises:
        DataError: a row has no key, or keys are no whole numbers, texts, dates, times or booleans.
    """
    found: list[Array] = []
    done = 0
    for column in columns:
        gone = _missing(column)
        if gone.any():
            row = done + int(np.argmax(gone))
            raise DataError(
                f"{shown} has no {name!r} in {where(row)}, and rows are held out by a hash of it. Fill it in, or "
                f"divide the rows in another way."
            )
        found += [(_hashed(chunk, name, shown) >> np.uint64(48)).astype(np.uint16) for chunk in column.chunks]
        done += len(column)
    assert np.iinfo(np.uint16).max + 1 == BUCKETS
    return np.concatenate(found) if found else np.empty(0, np.uint16)


def _missing(column: Any) -> Array:
    """Return which keys are missing, `(n,)` bool: null, NaN, or null in a dictionary."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return np.asarray(column.is_null(nan_is_null=True))


def _hashed(keys: Any, name: str, shown: str) -> Array:
    kind = keys.type
    if pa.types.is_dictionary(kind) and _missing(keys.dictionary).any():
        return _hashed(keys.cast(kind.value_type), name, shown)
    if pa.types.is_dictionary(kind):
        own = _hashed(keys.dictionary, name, shown)
        codes: Array = keys.indices.cast(pa.int64()).to_numpy(zero_copy_only=False)
        return np.asarray(own[codes])
    if pa.types.is_boolean(kind):
        keys = keys.cast(pa.int8())
    elif pa.types.is_floating(kind):
        keys = _as_whole(keys, name, shown)
    elif pa.types.is_temporal(kind) or pa.types.is_decimal(kind):
        texts = pc.replace_substring_regex(keys.cast(pa.string()), _END, r"\1\2")
        keys = pc.replace_substring_regex(texts, r"\.(Z?)$", r"\1")
    if pa.types.is_integer(keys.type):
        return _mixed(keys.to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64))
    if not (pa.types.is_string(keys.type) or pa.types.is_large_string(keys.type)):
        raise _no_key(name, shown, str(kind))
    coded = keys.dictionary_encode()
    texts = np.array([_of_text(text) for text in coded.dictionary.to_pylist()], np.uint64)
    return np.asarray(texts[coded.indices.to_numpy(zero_copy_only=False)])


def _as_whole(keys: Any, name: str, shown: str) -> Any:
    """Return floating-point numbers as whole ones: a table whose column once had gaps may hold such."""
    try:
        return keys.cast(pa.int64())
    except pa.ArrowException as error:
        raise _no_key(name, shown, "numbers that are not whole") from error


def _no_key(name: str, shown: str, seen: str) -> DataError:
    return DataError(
        f"{shown}: column {name!r} holds {seen}, and rows are held out by a hash of a key: whole numbers, texts, "
        f"dates, times or booleans. Name another column."
    )


def _of_text(text: str) -> int:
    found = _WHOLE.fullmatch(text)
    if found and -(2**63) <= int(found[1]) < 2**64:
        return int(_mixed(np.array([int(found[1]) % 2**64], np.uint64))[0])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _mixed(words: Array) -> Array:
    """Mix 64-bit words as the end of SplitMix64 does, so that neighbors have nothing in common."""
    found = words + np.uint64(0x9E3779B97F4A7C15)
    found = (found ^ (found >> np.uint64(30))) * _FIRST
    found = (found ^ (found >> np.uint64(27))) * _SECOND
    mixed: Array = found ^ (found >> np.uint64(31))
    return mixed
