"""Describe what a run or a trained model says about data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from genzoo.data.dataset import Dataset
from genzoo.data.opening.given import AnyData
from genzoo.errors import GenzooError
from genzoo.inference.description.describe import UNLIKELY
from genzoo.inference.description.figures import Description
from genzoo.typing import Array
from genzoo.verbs.given import Asked, open_asked, read_for


def describe(
    asked: Asked,
    data: AnyData | None = None,
    *,
    weights: Array | None = None,
    rows: int = UNLIKELY,
    seed: int = 0,
    device: str | None = None,
) -> Description:
    """Describe what a model says about data: components, dependencies, the least likely rows, latent space.

    Arguments:
        asked: a run, a trained model, or the path of a run or model folder.
        data: as for `train`. Defaults to all data of the run, held-out rows included. If they have changed or cannot be
            found, samples of the model are described, and a note says so. Without a run, samples are described.
        weights: weights of the rows, `(N,)`. Defaults to the data's own, or equal weights.
        rows: number of least likely rows to explain. Defaults to 5.
        seed: seed of samples, and of draws of a lower bound.
        device: where the model computes. Defaults to the host.

    Raises:
        ArtifactError: weights of the run's own data are given, and these have changed.
        ConfigError: there are not as many weights as rows, or they are unusable; or `rows` is negative.
        DataError: the rows do not fit the model.
    """
    run, fitted = open_asked(asked, device)
    if data is None and run is None:
        return fitted.describe(weights=weights, rows=rows, seed=seed)
    if data is None and run is not None:
        try:
            dataset = run.open_data()
        except GenzooError as error:
            if weights is not None:  # they are of rows that cannot be opened
                raise
            found = fitted.describe(rows=rows, seed=seed)
            note = f"The data of the run are not available. Give data to describe. {error}"
            return dataclasses.replace(found, notes=(note, *found.notes))
    elif isinstance(data, str | Path | Mapping | Dataset):
        dataset = read_for(run, fitted, data)
    else:
        return fitted.describe(data, weights=weights, rows=rows, seed=seed)
    own = dataset.weights if weights is None else weights
    return fitted.describe(dataset.everything, weights=own, rows=rows, seed=seed)
