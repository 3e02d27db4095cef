"""Read JSON strictly and within a bound of memory; write it atomically."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from genzoo.config.explain import explain_validation_error
from genzoo.config.settings import SettingsT
from genzoo.errors import ArtifactError
from genzoo.storage.atomic import write_bytes
from genzoo.storage.paths import read_regular
from genzoo.version import version

_LARGEST_JSON = 16 * 2**20


_MOST_VALUES = 60_000


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
    return json.dumps(_finite_or_none(content), indent=indent, ensure_ascii=ascii_only, allow_nan=False)


def _finite_or_none(content: Any) -> Any:
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {str(key): _finite_or_none(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite_or_none(value) for value in content]
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
        content = parse_json(read_regular(path, _LARGEST_JSON))
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


def read_settings(
    path: Path, cls: type[SettingsT], upgrade: Callable[[dict[str, Any]], dict[str, Any]] | None = None
) -> SettingsT:
    """The settings in a JSON file.

    Arguments:
        upgrade: turns what an earlier version wrote into what this one would have written.

    Raises:
        ArtifactError: it cannot be read, or does not hold what this version writes there.
    """
    content = read_json(path, max(get_args(cls.model_fields["format"].annotation)))
    if "format" not in content:
        raise ArtifactError(f"{path} does not say of what format it is, so genzoo did not write it.")
    refuse_crowded(path, content)
    if upgrade is not None:
        content = upgrade(content)
    try:
        return cls.model_validate(content)
    except ValidationError as error:
        raise ArtifactError(explain_validation_error(error, cls, str(path))) from error


_DEEPEST = 64


_LARGEST_NUMBER = 2**256


_MEMORY = 64 * 2**20


# What CPython takes for them, rounded up: an empty object in a list, a string or number that no other shares.
_CONTAINER, _SCALAR = 240, 72


# Up to the next bracket that stands in no string, or the end. Possessive, so that no text makes it go back.
_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+"?)*+([\[\]{}]|\Z)', re.DOTALL)


def parse_json(content: bytes) -> Any:
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
