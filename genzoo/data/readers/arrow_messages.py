"""Sizes that the messages of an Arrow file declare, read before anything is unpacked.

pyarrow allocates what a compressed buffer declares and gives no access to that number. It is at the beginning of the
buffer, whose place is in the message: a FlatBuffer, as "Apache Arrow Columnar Format" describes it.
"""

from __future__ import annotations

import struct
from typing import Any

_DICTIONARY, _BATCH = 2, 3
"""Types of messages that have a body."""


class _Table:
    """A table of a FlatBuffer."""

    def __init__(self, content: bytes, place: int) -> None:
        self._content, self._place = content, place
        self._fields = place - self._read("<i", place)

    def _read(self, form: str, place: int) -> int:
        if place < 0:
            raise struct.error("a negative offset")
        return int(struct.unpack_from(form, self._content, place)[0])

    def _find(self, field: int) -> int:
        """Return the place of a field; 0 if it is left out."""
        entry = 4 + 2 * field
        known = entry < self._read("<H", self._fields)
        offset = self._read("<H", self._fields + entry) if known else 0
        return self._place + offset if offset else 0

    def number(self, field: int, form: str) -> int:
        place = self._find(field)
        return self._read(form, place) if place else 0

    def table(self, field: int) -> _Table | None:
        place = self._find(field)
        return _Table(self._content, place + self._read("<I", place)) if place else None

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """Return a vector of pairs of 64-bit numbers."""
        place = self._find(field)
        if not place:
            return []
        place += self._read("<I", place)
        end = place + 4 + 16 * self._read("<I", place)
        if end > len(self._content):
            raise struct.error("a vector beyond the end")
        return list(struct.iter_unpack("<qq", self._content[place + 4 : end]))


def declared(message: Any) -> tuple[int, int]:
    """Return the number of rows that a message declares, and of the bytes that its compressed buffers unpack to.

    Arguments:
        message: a `pyarrow.ipc.Message`.

    Raises:
        struct.error: the message is damaged.
    """
    content = message.metadata.to_pybytes()
    header = _Table(content, struct.unpack_from("<I", content)[0])
    kind, batch = header.number(1, "<B"), header.table(2)
    if batch is not None and kind == _DICTIONARY:
        batch = batch.table(1)
    if batch is None or kind not in (_DICTIONARY, _BATCH):
        return 0, 0
    rows = batch.number(0, "<q") if kind == _BATCH else 0
    if batch.table(3) is None:
        return rows, 0
    body = memoryview(message.body)
    places = [place for place, size in batch.pairs(2) if size >= 8]
    return rows, sum(max(0, struct.unpack_from("<q", body, place)[0]) for place in places)
