"""What the caller of the Python API says about the split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from torch import Tensor

from genzoo.data.splits.groups import groups_of
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.typing import Array


def given_split(
    split: str | Mapping[str, Any] | None, split_by: str | Sequence[str] | Array | None
) -> tuple[dict[str, Any], Array | None]:
    """Return the settings of a split, and the groups of rows that are in memory.

    Arguments:
        split: a method, such as `"contiguous"`, or settings.
        split_by: names of columns, or one group for each row, `(N,)`, of any type.

    Raises:
        DataError: `split_by` is neither.
    """
    settings = {"method": split} if isinstance(split, str) else dict(split or {})
    if split_by is None:
        return settings, None
    if isinstance(split_by, str) or (isinstance(split_by, list | tuple) and all(isinstance(n, str) for n in split_by)):
        return {**settings, "by": split_by}, None
    given = split_by.detach().cpu().numpy() if isinstance(split_by, Tensor) else split_by
    try:
        values = pa.chunked_array([pa.array(given if hasattr(given, "__arrow_array__") else np.asarray(given))])
        return settings, groups_of(values)[0]
    except (pa.ArrowException, TypeError, ValueError) as error:
        pass_out_of_memory(error)
        raise DataError(f"split_by takes names of columns, or one group for each row: {error}.") from error
