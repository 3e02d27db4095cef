"""The messages of an Arrow file, and the sizes that they declare, read before anything is unpacked.

pyarrow allocates what a compressed buffer declares and gives no access to that number. It is at the beginning of the
buffer, whose place is in the message: a FlatBuffer, as "Apache Arrow Columnar Format" describes it. So is the footer of
a file, which names the places of the messages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

MAGIC = b"ARROW1"
"""The first and the last bytes of Arrow's file format."""


_DICTIONARY, _BATCH = 2, 3
"""Types of messages that have a body."""


_BLOCK = "<qi4xq"
"""The place of a message in a file, and the sizes of its two parts."""


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

    def structs(self, field: int, form: str) -> list[tuple[int, ...]]:
        """Return a vector of structs of whole numbers."""
        place = self._find(field)
        if not place:
            return []
        place += self._read("<I", place)
        end = place + 4 + struct.calcsize(form) * self._read("<I", place)
        if end > len(self._content):
            raise struct.error("a vector beyond the end")
        return list(struct.iter_unpack(form, self._content[place + 4 : end]))


def listed(content: Any) -> Iterator[Any]:
    """Yield the messages that the footer of an Arrow file names: dictionaries, then batches.

    Messages need not follow each other, and the schema need not be among them.

    Arguments:
        content: a file that `pyarrow.ipc.open_file` opens, as a `pyarrow.Buffer`.

    Raises:
        struct.error, EOFError, OSError, pyarrow.ArrowException: the footer is damaged, or names what is no message.
    """
    end = content.size - len(MAGIC) - 4
    (size,) = struct.unpack("<i", content[end : end + 4].to_pybytes())
    footer = content[end - size : end].to_pybytes()
    index = _Table(footer, struct.unpack_from("<I", footer)[0])
    for place, *_ in index.structs(2, _BLOCK) + index.structs(3, _BLOCK):
        if not 0 <= place < end:
            raise struct.error("a message beyond the file")
        yield pa.ipc.read_message(content[place:end])


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
    places = [place for place, size in batch.structs(2, "<qq") if size >= 8]
    return rows, sum(max(0, struct.unpack_from("<q", body, place)[0]) for place in places)
