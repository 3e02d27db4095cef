"""Groups of rows: rows that share a value in one of several columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Groups = np.ndarray[Any, np.dtype[np.int64]]


def groups_of(values: Any) -> tuple[Groups, int]:
    """Number the different values of a column; each missing value gets a number of its own.

    Arguments:
        values: a `pyarrow.ChunkedArray` of any type.

    Returns:
        Numbers from 0, `(N,)`, and how many values are missing.
    """
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)  # its dictionary may hold a value twice
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
    if pa.types.is_string(values.type):
        values = values.cast(pa.large_string())  # more than 2 GB of text in one piece
    if pa.types.is_null(values.type):
        return np.arange(len(values), dtype=np.int64), len(values)
    coded = values.dictionary_encode().combine_chunks()
    gone = np.asarray(coded.indices.is_null())
    groups = np.asarray(coded.indices.fill_null(0)).astype(np.int64)
    groups[gone] = len(coded.dictionary) + np.arange(int(gone.sum()))
    return groups, int(gone.sum())


def joined(one: Groups, other: Groups) -> Groups:
    """Join groups that share a row: rows in the same group of `one` or of `other` are in the same group of the result.

    Arguments:
        one, other: numbers of the groups, at least 0, `(N,)`.
    """
    # Imported here, because every command reads this file and few join groups.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first = int(one.max(initial=-1)) + 1
    size = first + int(other.max(initial=-1)) + 1
    # Older versions of scipy read these numbers as if they had 32 bits.
    ends = one.astype(np.int32), (other + first).astype(np.int32)
    links = coo_array((np.ones(len(one), bool), ends), shape=(size, size))
    components: Groups = connected_components(links, directed=False)[1].astype(np.int64)
    return components[one]
