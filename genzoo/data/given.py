"""Data as a caller in Python gives them: by name, by settings, or in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from genzoo.config import DataSettings
from genzoo.data.array import array_dataset
from genzoo.data.dataset import Array, Dataset
from genzoo.errors import ConfigError


def given_data(
    data: str | Path | Array | Dataset | Mapping[str, Any] | None, weights: Array | None = None
) -> tuple[Dataset | None, dict[str, Any]]:
    """Data in memory, if that is what was given, and the settings that name them.

    Raises:
        ConfigError: weights in memory of data that are not.
    """
    dataset, settings = _named(data)
    if weights is None:
        return dataset, settings
    if dataset is None:
        raise ConfigError(
            "Weights in memory belong to data in memory; for data in a file, name the column that holds them, "
            "such as data={'source': 'a.csv', 'weight': 'w'}."
        )
    return dataclasses.replace(dataset, weights=np.asarray(weights)), settings


def _named(data: str | Path | Array | Dataset | Mapping[str, Any] | None) -> tuple[Dataset | None, dict[str, Any]]:
    if data is None:
        return None, {}
    if isinstance(data, str | Path):
        return None, {"source": str(data)}
    if isinstance(data, Mapping):
        return None, dict(data)
    if hasattr(data, "__arrow_c_stream__"):  # a table of pyarrow, pandas or polars
        # Arrays need no pyarrow.
        from genzoo.data.table import table_dataset
        from genzoo.data.tabular import ArrowTable

        data = table_dataset("table", ArrowTable.of(data), DataSettings(source="table"))
    if not isinstance(data, Dataset):
        array = data.detach().cpu().numpy() if isinstance(data, Tensor) else np.asarray(data)
        data = array_dataset("array", array)
    return data, {"source": data.name}
