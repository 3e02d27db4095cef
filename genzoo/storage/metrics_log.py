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
    """Append one line of JSON for each record, in a single write, so that a signal cannot split a line.

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
"""Number of bytes of damaged lines that are tolerated; a crash leaves a few."""


def read_log(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yield the complete lines of a log that belong to a step, each as bytes and as a dict.

    Raises:
        ArtifactError: the file is missing or leads out of its folder, or holds too much that is not lines of JSON.
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
                raise ArtifactError(
                    f"{path} is not a training log: it holds too much text that is not a line of JSON. Remove it."
                )


def _parsed(text: bytes) -> dict[str, Any] | None:
    if not text.endswith(b"\n"):
        return None
    try:
        line = parse_json(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and type(line.get("step")) is int else None


def keep_lines_until(path: Path, done: int, *, evaluated: bool) -> None:
    """Remove damaged lines, lines after step `done`, and repeated lines from a log.

    A step has at most one line of its loss and one of its evaluation; the first of each is kept.

    Arguments:
        path: the log.
        done: the last step to keep.
        evaluated: whether to keep the evaluation after step `done`.

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
