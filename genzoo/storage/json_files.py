"""Read JSON strictly and with limited memory; write it atomically."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from genzoo.config.explain import explain_validation_error
from genzoo.config.settings import SettingsT
from genzoo.errors import ArtifactError
from genzoo.storage.atomic import write_bytes
from genzoo.storage.paths import read_regular
from genzoo.version import version

_LARGEST_JSON = 32 * 2**20


_MOST_VALUES = 60_000


def to_json(content: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """Return content as JSON; NaN and infinity become `null`.

    Arguments:
        indent: number of spaces to indent by. Defaults to `None`: one line.
        ascii_only: escape all other characters, for terminals of any encoding. Defaults to false.

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


def read_json(path: Path, known: int = 1, name: str = "format", *, factor: int = 1) -> dict[str, Any]:
    """Read the object in a JSON file.

    Arguments:
        known: the newest format version that this genzoo reads. Defaults to 1. The caller checks for old versions.
        name: key of the format version. Defaults to "format".
        factor: how many times the usual size and memory the file may take. Defaults to 1.

    Raises:
        ArtifactError: the file is missing or too large, is not a JSON object, has a duplicate key, or has a newer or
            an invalid format version.
    """
    try:
        content = parse_json(read_regular(path, factor * _LARGEST_JSON), factor=factor)
    except ValueError as error:
        raise ArtifactError(f"{path} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise ArtifactError(f"{path} holds {type(content).__name__}, not an object.")
    written = content.get(name, known)
    if type(written) is not int:
        raise ArtifactError(f"{path} has a {name} that is not a whole number, so genzoo did not write it.")
    if written > known:
        raise ArtifactError(
            f"{path} has {name} {written}, which a newer genzoo wrote; genzoo {version()} reads up to {known}. "
            f"Upgrade it: pip install --upgrade genzoo."
        )
    return content


def refuse_crowded(path: Path, content: Mapping[str, Any]) -> None:
    """Check that settings do not hold too many values, because validation builds one error for each wrong value.

    The features of data are not counted: a table may have many, and they are validated one at a time.

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
    """Read settings from a JSON file.

    Arguments:
        upgrade: converts content from an earlier version to this one. Defaults to `None`.

    Raises:
        ArtifactError: the file cannot be read, or its content is not valid.
    """
    content = read_json(path, max(get_args(cls.model_fields["format"].annotation)))
    if "format" not in content:
        raise ArtifactError(f"{path} does not state its format, so genzoo did not write it.")
    refuse_crowded(path, content)
    if upgrade is not None:
        content = upgrade(content)
    try:
        return cls.model_validate(content)
    except ValidationError as error:
        raise ArtifactError(explain_validation_error(error, cls, str(path))) from error


_DEEPEST = 64


_LARGEST_NUMBER = 2**256


_MOST_MARKS = 1_500_000
"""Largest number of commas and opening brackets: enough to describe 100,000 columns. Their values take at most about
250 MB in CPython."""


def parse_json(content: bytes, *, factor: int = 1) -> Any:
    """Parse JSON text.

    Arguments:
        factor: how many times the usual memory it may take. Defaults to 1.

    Raises:
        ValueError: the text is not JSON in UTF-8, has a duplicate key, holds a number that is not finite or is absurdly
            large, is nested too deeply, or would take too much memory.
    """
    if sum(content.count(mark) for mark in (b",", b"[", b"{")) > factor * _MOST_MARKS:
        raise ValueError("it holds more values than any file that genzoo writes")
    try:
        value = json.loads(
            content.decode("utf-8", "surrogatepass"),
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_int=_whole,
            parse_float=_finite,
        )
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    level = [value]
    for _ in range(_DEEPEST):
        level = [part for inner in level if isinstance(inner, dict | list) for part in _parts(inner)]
    if any(isinstance(part, dict | list) for part in level):
        raise ValueError(_TOO_DEEP)
    return value


_TOO_DEEP = f"it is nested more than {_DEEPEST} deep"


def _parts(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key appears twice in one object")
    return content


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a number in JSON")


def _whole(text: str) -> int:
    number = int(text)  # raises by itself if there are thousands of digits
    if abs(number) >= _LARGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} digits is larger than any that genzoo writes")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number
