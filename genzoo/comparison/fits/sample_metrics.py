"""Compare samples of a candidate with the test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from genzoo.comparison.fits.job import FitJob
from genzoo.comparison.splits import SplitPlan
from genzoo.data.dataset import Dataset, Split
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.evaluation.choice import Chosen, find_extractor, find_metrics
from genzoo.metrics.evaluation.reference import make_reference
from genzoo.metrics.evaluator import MetricResults, compute_metrics
from genzoo.metrics.metric import Metric, Score
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Registry

MOST_EVENTS = 2_000
"""Largest number of real rows for sample metrics, and of samples. It is small because candidates can be many."""


def compare_samples(
    fitted: TrainedModel, dataset: Dataset, division: SplitPlan, trial: FitJob
) -> tuple[Mapping[str, Score], Mapping[str, str]]:
    """Compare samples with the test rows; return the scores, and why others are missing.

    Memorization is measured on the rows that every candidate trains on. Candidates with and without validation rows are
    then comparable.
    """
    common = division.split(everything=False, watched=True)
    found = _results(fitted, dataset, common, trial, sample_metrics(get_registry(), trial.features), "test")
    return found.scores, found.reasons


def compare_with_validation(
    fitted: TrainedModel, dataset: Dataset, split: Split, trial: FitJob
) -> tuple[Score | None, str]:
    """Compute the metric that judges a fit of a search from its validation rows.

    Returns:
        The score, or `None` and the reason why there is none.
    """
    name = trial.judge.metric or ""
    metrics = [metric for metric in sample_metrics(get_registry(), trial.features) if metric.name == name]
    found = _results(fitted, dataset, split, trial, metrics, "validation")
    return found.scores.get(name), found.reasons.get(name, "it gave no number")


def _results(
    fitted: TrainedModel,
    dataset: Dataset,
    split: Split,
    trial: FitJob,
    metrics: Sequence[Metric],
    part: Literal["test", "validation"],
) -> MetricResults:
    """Compute metrics from the rows of one part of a split, and from as many samples."""
    reference = make_reference(
        dataset,
        split.test if part == "test" else split.validation,
        metrics,
        find_extractor(get_registry(), trial.features, dataset.spec),
        trained_on=(dataset, split.train),
        split=part,
        most=MOST_EVENTS,
        device=fitted.device,
        target=trial.target,
    )
    return compute_metrics(fitted, reference, metrics, seed=trial.config.seed, average=trial.config.ema)


def prepare_features(chosen: Chosen, dataset: Dataset, device: str) -> dict[str, Any]:
    """Build the feature extractor of sample metrics once, and return its protocol.

    This happens before any fit. Weights that cannot be loaded are an error of the call, and not of one candidate.

    Raises:
        GenzooError: the extractor cannot be built.
    """
    return {
        "features": chosen.entry.spec.name,
        **chosen.build(dataset, np.asarray(dataset.events[:1]), device).protocol,
    }


def sample_metrics(zoo: Registry, features: str | None) -> tuple[Metric, ...]:
    """Return the metrics that a comparison computes from samples. Likelihoods have their own columns.

    Arguments:
        features: the extractor, `NAME` or `NAME=FILE`; `None` is plain pixels or columns.
    """
    found = find_metrics(zoo, features=None if features is None else features.partition("=")[0])
    return tuple(metric for metric in found if "likelihood" not in metric.needs)
