"""Some events of the author's own data, as many as a toy dataset has."""

from __future__ import annotations

import numpy as np

from genzoo.config.data import DataSettings
from genzoo.config.settings import validate
from genzoo.data.dataset import Dataset, usable
from genzoo.data.loading import open_dataset
from genzoo.data.opening.given import AnyData, given_data
from genzoo.plugins.manager import get_registry

_MOST = 240


def few_events(data: AnyData) -> Dataset:
    """Read data as a training does, and return at most 240 random events of them.

    Arguments:
        data: a built-in name, a path, an array, a table, a `Dataset`, or settings with a source.

    Raises:
        GenzooError: they cannot be found or read.
    """
    dataset, settings = given_data(data)
    if dataset is None:
        dataset = open_dataset(validate(DataSettings, settings, "Data"), get_registry())
    dataset = usable(dataset, dataset.name)
    rows = np.sort(np.random.default_rng(0).permutation(len(dataset))[:_MOST])
    conditions = None if dataset.conditions is None else dataset.conditions[rows]
    return Dataset(f"your data ({dataset.name})", dataset.spec, np.array(dataset.events[rows]), conditions=conditions)
