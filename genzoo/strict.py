"""JSON from anybody: read to the letter, and only where what it would become fits a bound of memory."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_DEEPEST = 64
_LARGEST_NUMBER = 2**256
_MEMORY = 64 * 2**20

# What CPython takes for them, rounded up: an empty object in a list, a string or number that no other shares.
_CONTAINER, _SCALAR = 240, 72

# Up to the next bracket that stands in no string, or the end. Possessive, so that no text makes it go back.
_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+"?)*+([\[\]{}]|\Z)', re.DOTALL)


def parse(content: bytes) -> Any:
    """The value that a text of JSON stands for.

    Raises:
        ValueError: it is no JSON in UTF-8, names a key twice, holds a number that is not finite or absurdly large,
            is nested too deeply, or would take too much memory.
    """
    _refuse_costly(content)
    return json.loads(
        content.decode("utf-8", "surrogatepass"),
        object_pairs_hook=_object,
        parse_constant=_refuse_constant,
        parse_int=_whole,
        parse_float=_finite,
    )


def _refuse_costly(content: bytes) -> None:
    width = 1 if content.isascii() and b"\\u" not in content else 4
    memory = 2 * width * len(content) + _SCALAR * content.count(b",")
    depth = 0
    for found in _BRACKET.finditer(content):
        if found[1] in (b"[", b"{"):
            memory += _CONTAINER
            depth += 1
            if depth > _DEEPEST:
                raise ValueError(f"it is nested more than {_DEEPEST} deep")
        elif found[1]:
            depth -= 1
        if memory > _MEMORY + 2 * len(content):
            raise ValueError("it holds more values than any file that genzoo writes")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number in JSON")


def _whole(text: str) -> int:
    number = int(text)  # refuses thousands of digits by itself
    if abs(number) >= _LARGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} digits is larger than any that genzoo writes")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number
