"""Type aliases that several packages share."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


class Frame(Protocol):
    """A table in memory that exports Arrow columns, such as a DataFrame of pandas or polars."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any: ...
