"""Append to and read `metrics.jsonl`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from genzoo.errors import ArtifactError, GenzooError
from genzoo.storage.atomic import atomic_write
from genzoo.storage.json_files import parse_json, to_json
from genzoo.storage.paths import open_regular


def append_lines(descriptor: int, path: Path, records: list[Mapping[str, Any]]) -> None:
    """Append one line of JSON per record, in one piece that no signal divides.

    Raises:
        GenzooError: the disk is full.
    """
    try:
        left = b"".join(to_json(record).encode(errors="surrogatepass") + b"\n" for record in records)
        while left:
            left = left[os.write(descriptor, left) :]
    except OSError as error:
        raise GenzooError(f"{path} could not be written: {error.strerror or error}.") from error


_LONGEST_LINE = 2**20


_MOST_SPOILT = 2**26
"""Bytes that may stand between lines; a crash leaves a few."""


def read_log(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """The lines of a log that are whole and tell of a step, as they stand there and as what they hold.

    Raises:
        ArtifactError: it is no file of its folder, or holds far too much besides.
    """
    spoilt = 0
    with open_regular(path) as file:
        while text := file.readline(_LONGEST_LINE):
            line = _parsed(text)
            if line is not None:
                yield text, line
                continue
            spoilt += len(text)
            if spoilt > _MOST_SPOILT:
                raise ArtifactError(f"{path} is no log of a training: it holds far more than lines of JSON. Remove it.")


def _parsed(text: bytes) -> dict[str, Any] | None:
    if not text.endswith(b"\n"):
        return None
    try:
        line = parse_json(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) and type(line.get("step")) is int else None


def keep_lines_until(path: Path, done: int, *, evaluated: bool) -> None:
    """Drop from a log what is no whole line of a step up to `done`, and all but the first of its kind of each step.

    Arguments:
        evaluated: whether the evaluation after step `done` is to stay.

    Raises:
        ArtifactError: as `read_log`.
        GenzooError: the disk is full or read-only.
    """
    seen: set[tuple[int, bool]] = set()

    def is_kept(line: dict[str, Any]) -> bool:
        step, is_loss = line["step"], "loss" in line
        if (step, is_loss) in seen or step > done or not (step < done or is_loss or evaluated):
            return False
        seen.add((step, is_loss))
        return True

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.writelines(text for text, line in read_log(path) if is_kept(line))

    atomic_write(path, write)
