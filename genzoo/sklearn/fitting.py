"""Check what scikit-learn hands over, make it a dataset, and train on it in memory."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from genzoo.config.resolve import resolve_config
from genzoo.data.dataset import Dataset
from genzoo.data.frames.kinds import is_frame
from genzoo.data.opening.given import given_data
from genzoo.data.table_source import check_twins
from genzoo.engine.em import EMEngine
from genzoo.errors import ConfigError, explain_out_of_memory
from genzoo.inference.trained_model import TrainedModel
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import blame
from genzoo.spec.entries import ModelSpec
from genzoo.spec.modality import MODALITIES
from genzoo.text import counted
from genzoo.training.run_training import train_in_memory
from genzoo.training.setup import TrainingSetup, build_setup
from genzoo.training.trainer import Step

_SEEDS = 2**63


@dataclass(frozen=True, slots=True)
class FitOutcome:
    """A model that was trained in memory.

    Arguments:
        model: the model.
        options: options of the model.
        training: how it was trained, for its model card.
        steps: number of passes of EM of the best start, or of updates by gradients.
        converged: whether EM converged; `None` for other trainings.
        lower_bound: mean log-likelihood of the training rows at EM's end, nats per row; `None` for other trainings.
    """

    model: TrainedModel
    options: Mapping[str, Any]
    training: Mapping[str, Any]
    steps: int
    converged: bool | None = None
    lower_bound: float | None = None


def checked_events(estimator: Any, x: Any, spec: ModelSpec, *, reset: bool, framed: bool) -> Any:
    """Check events as scikit-learn does, and set or compare `n_features_in_` and `feature_names_in_`.

    Arguments:
        x: a table of pandas, polars or pyarrow, an array `(N, C)` or what makes one, or images.
        reset: whether the estimator is being fitted.
        framed: whether it was fitted to a table with named columns, so that tables stay tables.

    Returns:
        A table as it is, or an array.

    Raises:
        DataError: two columns of a table have one name.
        ValueError: the events are no table, or their columns are not as in `fit`.
    """
    table = is_frame(x)
    if table:  # scikit-learn itself fails in a library below it
        names: Any = getattr(x, "column_names", None) or getattr(x, "columns", ())
        check_twins("The table", () if callable(names) else names)
    if table and (reset or framed):
        return validate_data(estimator, x, reset=reset, skip_check_array=True)
    images = getattr(x, "ndim", 2) > 2 and any(MODALITIES[name].rank > 1 for name in spec.modalities)
    return validate_data(
        estimator,
        x,
        reset=reset,
        ensure_all_finite="allow-nan" if spec.missing and not images else True,
        ensure_min_samples=2 if reset else 1,
        allow_nd=images,
        dtype="numeric",
    )


def seed_of(random_state: Any) -> int:
    """Return the seed that `random_state` stands for: a whole number itself, or one drawn from a generator.

    Raises:
        ConfigError: the number is negative, or too large for a seed; or it is neither.
    """
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        if not 0 <= random_state < _SEEDS:
            raise ConfigError(f"random_state is {random_state}; it must be at least 0 and below 2**63.")
        return int(random_state)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    try:
        return int(check_random_state(random_state).randint(2**31))
    except ValueError as error:
        wanted = "a whole number, a Generator or RandomState of NumPy, or None"
        raise ConfigError(f"random_state is {random_state!r}; it must be {wanted}.") from error


def fit_in_memory(model: str, settings: dict[str, Any], x: Any, sample_weight: Any, random_state: Any) -> FitOutcome:
    """Train a model on events in memory. Nothing is printed, and nothing is written.

    Arguments:
        model: id of the model.
        settings: layer of settings, as `genzoo.config.resolve.layer` returns it.
        x: events, as `checked_events` returns them.
        sample_weight: weight of each event, `(N,)`; `None` if all count once.

    Raises:
        GenzooError: see `genzoo.errors`; those for settings and data are also `ValueError`s.

    Warns:
        ConvergenceWarning: EM did not converge, or not to a proper maximum of the likelihood.
    """
    weights = None if sample_weight is None else np.asarray(sample_weight, np.float64)
    dataset, named = given_data(x, weights)
    assert isinstance(dataset, Dataset)
    config = resolve_config(get_registry(), model, settings, {"data": named, "seed": seed_of(random_state)})
    lower = "lower the size of the model or batch_size, or use fewer rows"
    with explain_out_of_memory(f"model {model!r} was fitted", lower), blame(f"Model {model!r}"):
        setup = build_setup(config, dataset)
        return _trained(setup)


def _trained(setup: TrainingSetup) -> FitOutcome:
    taken = 0

    def count(step: Step) -> None:
        nonlocal taken
        taken = step.number

    model = train_in_memory(setup, [count])
    config, engine = setup.config, setup.engine
    record = {
        "objective": config.objective.name,
        "data": setup.dataset.name,
        "rows": len(setup.split.train),
        "steps": taken,
        "flip": config.flip,
        "seed": config.seed,
        "precision": setup.runtime.precision,
        "average": config.ema,
    }
    if not isinstance(engine, EMEngine):
        return FitOutcome(model, config.options, record, taken)
    kept = engine.kept
    assert kept is not None
    _warn(kept)
    bound = float(kept["log_likelihood"] - setup.offset)
    return FitOutcome(model, config.options, record, kept["passes"], bool(kept["converged"]), bound)


def _warn(kept: Mapping[str, Any]) -> None:
    """Warn if the best start of EM, whose facts are given, did not reach a proper maximum."""
    if not kept["converged"]:
        passes = counted(kept["passes"], "pass")
        text = f"EM has not converged after {passes}. Raise max_iter or tol, or scale the columns."
    elif kept["fault"] is not None:
        text = f"The fit is no proper maximum of the likelihood: {kept['fault']}."
    else:
        return
    warnings.warn(text, ConvergenceWarning, stacklevel=6)
