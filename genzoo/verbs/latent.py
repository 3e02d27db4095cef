"""Walk through the latent space of a run or a trained model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from genzoo.data.dataset import Dataset
from genzoo.data.opening.given import AnyData
from genzoo.errors import ConfigError
from genzoo.inference import latent
from genzoo.inference.latent import LatentPath, Traversal
from genzoo.inference.trained_model import TrainedModel
from genzoo.typing import Array
from genzoo.verbs.given import Asked, open_asked, open_rows
from genzoo.wording import argument


def traverse(asked: Asked, *, steps: int = 7, most: int = 16, seed: int = 0, device: str | None = None) -> Traversal:
    """Decode events along single latent dimensions, from one end of the prior to the other.

    Arguments:
        asked: a run, a trained model, or the path of a run or model folder.
        steps: number of events along each dimension, at least 2. Defaults to 7.
        most: largest number of dimensions. If the model has more, those with the largest change are taken. Defaults
            to 16.
        seed: random seed for the draws that measure the prior. Defaults to 0.
        device: where the model computes. Defaults to the host.

    Raises:
        ConfigError: the model has no latent space, or there are too few steps.
    """
    return latent.traverse(open_asked(asked, device)[1], steps=steps, most=most, seed=seed)


def interpolate(
    asked: Asked,
    ends: tuple[int, int] | Array,
    data: AnyData | None = None,
    *,
    steps: int = 10,
    seed: int = 0,
    device: str | None = None,
) -> LatentPath:
    """Decode events on a path between two latent vectors: an arc if the prior is normal, else a line.

    Arguments:
        asked: a run, a trained model, or the path of a run or model folder.
        ends: numbers of two rows of the data; or of two of the model's own samples, if it has no encoder; or the two
            latent vectors, `(2, L)`.
        data: data to take the rows from, given as for `train`. Defaults to the run's own data.
        steps: number of events, both ends included; at least 2. Defaults to 10.
        seed: seed of the samples, and of the draws that measure the prior. Defaults to 0.
        device: where the model computes. Defaults to the host.

    Raises:
        ConfigError: the model has no latent space, there is no such row, or there are too few steps.
    """
    run, fitted = open_asked(asked, device)
    latent.check_decoder(fitted)
    if np.ndim(ends) == 2:
        return latent.interpolate(fitted, np.asarray(ends), steps=steps, seed=seed)
    vectors, _ = latent_ends(
        fitted, _pair(ends), lambda: open_rows(run, fitted, data).dataset, named=data is not None, seed=seed
    )
    return latent.interpolate(fitted, vectors, steps=steps, seed=seed)


def latent_ends(
    fitted: TrainedModel, ends: tuple[int, int], open_data: Callable[[], Dataset], *, named: bool, seed: int
) -> tuple[Array, str]:
    """Return the latent vectors `(2, L)` of two rows, or of two of the model's own samples, and what they are.

    Arguments:
        open_data: opens the data that the rows are from.
        named: whether the user named these data.
        seed: seed of the samples.

    Raises:
        ConfigError: there is no such row; or data were named, and the model has no encoder.
    """
    if latent.has_encoder(fitted):
        dataset = open_data()
        return latent.latent_of_rows(fitted, dataset, ends), f"rows {ends[0]} and {ends[1]} of {dataset.name}"
    if named:
        raise ConfigError(
            f"Model {fitted.model!r} has no encoder, so it cannot map rows of data to its latent space. Leave "
            f"{argument('data')} out: the two numbers are then of its own samples, drawn with {argument('seed')}."
        )
    found = latent.latent_of_samples(fitted, ends, seed=seed)
    return found, f"its own samples {ends[0]} and {ends[1]} with seed {seed}, as it has no encoder"


def _pair(ends: Any) -> tuple[int, int]:
    try:
        first, last = (int(end) if end == int(end) else None for end in ends)
    except (TypeError, ValueError):
        first = last = None
    if first is None or last is None:
        raise ConfigError(f"ends are the numbers of two rows, or two latent vectors (2, L), and not {ends!r}.")
    return first, last
