"""Divide the rows of consecutive tables anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa


def in_blocks(parts: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """Yield the rows of consecutive tables again, `size` at a time; only the last table may have fewer."""
    waiting: list[pa.Table] = []
    for part in parts:
        waiting.append(part)
        while (rows := sum(one.num_rows for one in waiting)) >= size:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, size)
            waiting = [whole.slice(size)] if rows > size else []
    if waiting and any(one.num_rows for one in waiting):
        yield pa.concat_tables(waiting)
