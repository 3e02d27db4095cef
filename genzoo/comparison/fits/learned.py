"""What a candidate learns: its columns, and how it is trained and scored given conditions."""

from __future__ import annotations

from genzoo.comparison.fits.job import FitJob
from genzoo.data.conditions import joint_dataset
from genzoo.data.dataset import Dataset, Split
from genzoo.errors import ConfigError
from genzoo.inference.conditional_view import as_conditional
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.base import Likelihood, scores_whole_only
from genzoo.plugins.manager import get_registry
from genzoo.training.setup import TrainingSetup, build_setup


def columns_of(trial: FitJob, dataset: Dataset) -> Dataset:
    """Return the columns that a candidate learns: a model that is not conditional learns conditions jointly.

    Raises:
        ConfigError: it cannot be scored given conditions.
    """
    if dataset.conditions is None or not trial.config.data.joint:
        return dataset
    spec = get_registry().models.get(trial.config.model).spec
    if not (spec.missing and "likelihood" in spec.capabilities):
        names = ", ".join(feature.name for feature in dataset.spec.condition)
        raise ConfigError(
            f"Model {spec.name!r} cannot be scored given {names}: it is not conditional, and has no exact likelihood "
            f"of some columns alone."
        )
    return joint_dataset(dataset)


def check_scored(setup: TrainingSetup, dataset: Dataset) -> None:
    """Check, before training, that a candidate can be scored given the conditions of a dataset.

    Raises:
        ConfigError: it learns them jointly, and its options make the density of some columns alone approximate.
    """
    if dataset.conditions is None or setup.dataset.conditions is not None:
        return
    generator = setup.engine.trained
    if isinstance(generator, Likelihood) and not scores_whole_only(generator):
        return
    names = ", ".join(feature.name for feature in dataset.spec.condition)
    raise ConfigError(
        f"Model {setup.config.model!r} cannot be scored given {names} with these options: it learns all columns "
        f"jointly, and has no exact likelihood of some columns alone. Let it learn the others given {names} instead, "
        f"or compare it without conditions."
    )


def given_conditions(fitted: TrainedModel, dataset: Dataset) -> TrainedModel:
    """Return a model as one of events given the conditions of a dataset, if it has any."""
    if dataset.conditions is None or fitted.data.condition:
        return fitted
    return as_conditional(fitted, dataset.spec)


def setup_of(trial: FitJob, dataset: Dataset, split: Split) -> TrainingSetup:
    config = trial.config
    if trial.repeat:
        config = config.model_copy(update={"seed": config.seed + trial.repeat})
    return build_setup(config, dataset, split)
