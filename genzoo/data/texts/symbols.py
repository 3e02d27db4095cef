"""Symbols of texts: their codes, and texts as users have them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np

from genzoo.data.texts.flat import Texts, storage_of
from genzoo.errors import DataError
from genzoo.spec.events import MOST_SYMBOLS, DataSpec, Feature
from genzoo.typing import Array
from genzoo.wording import argument

BYTES = tuple(chr(code) if 32 <= code < 127 and code != 92 else f"\\x{code:02x}" for code in range(256))
"""Names of the 256 bytes, the symbols of texts from files and lists."""


BYTE_END = len(BYTES)
"""The code after the end of a text of bytes."""


_ONE_LINE = bytes.maketrans(b"\n\r", b"  ")


def byte_spec(longest: int, *, windows: bool = False) -> DataSpec:
    """Return the spec of texts, or of windows of long texts, of at most `longest` bytes."""
    features = (Feature("byte", "categorical", BYTES),)
    return DataSpec((longest,), "text", features, storage=storage_of(len(BYTES)), windows=windows)


def printed(character: str) -> str:
    """Return the name of a character: itself, or an escape such as `\\x0a` for one that is not printed.

    Examples:
        >>> printed("ä"), printed("\\n"), printed(chr(0x1F600)), printed(chr(92))
        ('ä', '\\\\x0a', '😀', '\\\\x5c')
    """
    if character.isprintable() and character != "\\":
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def is_inside(byte: int) -> bool:
    """Return whether a byte stands inside a character of UTF-8, and begins none."""
    return byte & 0xC0 == 0x80


def is_texts(data: object) -> TypeGuard[Sequence[str]]:
    """Return whether data are meant as texts: a list, tuple or array in one dimension that holds a `str`."""
    if isinstance(data, np.ndarray):
        return data.ndim == 1 and data.dtype.kind in "UO" and any(isinstance(text, str) for text in data)
    return isinstance(data, list | tuple) and any(isinstance(text, str) for text in data)


def of_bytes(data: DataSpec) -> bool:
    """Return whether events are texts, and their symbols are bytes."""
    return data.form.ended and data.features[0].levels == BYTES


def check_bytes(data: DataSpec) -> None:
    """Check that events are texts of bytes.

    Raises:
        DataError: they are not.
    """
    if not of_bytes(data):
        raise DataError(f"This transform is for texts of bytes, and not for {data.form.plural} such as these.")


def encoded(texts: Sequence[str], shown: str, data: DataSpec | None = None) -> Texts:
    """Return texts as codes: their UTF-8 bytes, or symbols that a model was trained on.

    Arguments:
        shown: name of the texts, for messages.
        data: describes the events that a model was trained on. Defaults to `None`: bytes, as long as the longest text.

    Raises:
        DataError: a text is too long, or holds what is no symbol.
    """
    levels = BYTES if data is None else data.features[0].levels or ()
    codes = [as_codes(text, row, shown, levels) for row, text in enumerate(texts)]
    longest = max(1, *map(len, codes)) if codes else 1
    if data is not None:
        return Texts.joined(codes, longest, len(levels)).as_long_as(data.event_shape[0], shown)
    if longest > MOST_SYMBOLS:
        row = next(row for row, text in enumerate(codes) if len(text) > MOST_SYMBOLS)
        raise too_long(shown, f"event {row}", len(codes[row]))
    return Texts.joined(codes, longest, len(levels))


def too_long(shown: str, where: str, size: int) -> DataError:
    """Return the error for a text with too many bytes."""
    return DataError(
        f"{shown}: {where} has {size} bytes, and a text has at most {MOST_SYMBOLS}. Cut long texts into windows with "
        f"{argument('window', 256)}, or divide it into shorter texts, such as one sentence a line."
    )


def as_codes(text: object, row: int, shown: str, levels: tuple[str, ...] = BYTES) -> Array:
    """Return a text as codes of its symbols, bytes by default, `(n,)`.

    Arguments:
        row: its number, for messages.
        shown: name of the texts, for messages.

    Raises:
        DataError: it is none, or holds what is no symbol.
    """
    if not isinstance(text, str):
        raise DataError(f"{shown}: event {row} is {text!r}, of type {type(text).__name__}, and texts are str.")
    if levels == BYTES:
        try:
            return np.frombuffer(text.encode("utf-8"), np.uint8)
        except UnicodeEncodeError as error:
            raise DataError(f"{shown}: event {row} is no valid text: {error.reason}.") from error
    known = {level: code for code, level in enumerate(levels)}
    if strange := [letter for letter in text if letter not in known]:
        raise DataError(
            f"{shown}: event {row} holds {strange[0]!r}, which is none of the {len(levels)} symbols of training."
        )
    return np.array([known[letter] for letter in text], storage_of(len(levels)))


def decoded(events: Any, data: DataSpec) -> list[str]:
    """Return texts as `str`. Bytes that are no valid UTF-8 become `�`, so that only the codes hold them exactly."""
    return [text.decode("utf-8", "replace") for text in as_bytes(events, data)]


def as_bytes(events: Any, data: DataSpec) -> list[bytes]:
    """Return texts as bytes, exactly as they are; the names of symbols that are no bytes are joined."""
    texts = as_texts(events, data, "The array")
    return [text if isinstance(text, bytes) else b"".join(text) for text in pieces_of(texts, data)]


def pieces_of(texts: Texts, data: DataSpec) -> Sequence[bytes | list[bytes]]:
    """Return each text as its bytes; if symbols are no bytes, as a list of their names."""
    if of_bytes(data):
        return texts.one_by_one()
    names = [name.encode("utf-8") for name in data.features[0].levels or ()]
    pieces = [names[code] for code in texts.codes.tolist()]
    return [pieces[start:end] for start, end in itertools.pairwise(texts.offsets.tolist())]


def as_lines(events: Any, data: DataSpec) -> bytes:
    """Return texts as lines of a file, each exactly as it is but for ends of lines within it, which become spaces."""
    return b"".join(text.translate(_ONE_LINE) + b"\n" for text in as_bytes(events, data))


def as_texts(x: Any, data: DataSpec, shown: str) -> Texts:
    """Return events as texts of at most as many symbols as in training.

    Arguments:
        x: a list of `str`, texts, or a block of codes `(n, L)`.
        shown: name of the events, for messages.

    Raises:
        DataError: they are none of these, or do not fit the data.
    """
    if is_texts(x) or (isinstance(x, list | tuple) and not x):
        return encoded(x, "The list", data)
    assert data.end is not None
    texts = x if isinstance(x, Texts) else Texts.of(x, data.end, shown)
    if texts.end != data.end:
        raise DataError(f"{shown} holds texts of {texts.end} symbols, and the model was trained on {data.end}.")
    return texts if texts.shape[1] == data.event_shape[0] else texts.as_long_as(data.event_shape[0], shown)
