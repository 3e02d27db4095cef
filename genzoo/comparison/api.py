"""`genzoo.compare`: check everything first, then fit, rank and keep the best."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genzoo.comparison.candidate import Candidate, candidates
from genzoo.comparison.comparison import Comparison, Watcher
from genzoo.comparison.fit import prepare_features, sample_metrics
from genzoo.comparison.splits import SplitPlan
from genzoo.comparison.store import ResultStore, StoreHeader
from genzoo.comparison.workers import available_cores
from genzoo.config.settings import EMTraining
from genzoo.data.dataset import Dataset, usable
from genzoo.data.loading import anchor, given_data, open_dataset
from genzoo.errors import ConfigError, did_you_mean
from genzoo.metrics.evaluator import find_extractor
from genzoo.metrics.information_criteria import CRITERIA
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Registry, refuse_without_extra
from genzoo.reports.result import Report
from genzoo.runs.format1 import current_metric
from genzoo.runtime.device import resolve_device
from genzoo.runtime.launch import require_single_process
from genzoo.typing import Array

RESTARTS = 5
"""EM starts of a candidate."""


TOLERANCE = 1e-5
"""Change of EM's mean log-likelihood, nats per event, at which a candidate has converged; about that of R's mclust."""


def compare(
    candidates: Sequence[str | Mapping[str, Any]],
    data: str | Path | Array | Dataset | Mapping[str, Any],
    *,
    by: str | None = None,
    folds: int = 0,
    seeds: int = 1,
    seed: int = 0,
    split: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    weights: Array | None = None,
    device: str = "auto",
    precision: str = "auto",
    jobs: int = 1,
    threads: int = 1,
    out: str | Path | None = None,
    features: str | None = None,
    watcher: Watcher | None = None,
) -> Report:
    """Fit models to the same data and rank them.

    Information criteria come from a fit to all rows; test figures from one without the test rows; cross-validation,
    where `folds` are asked for, from one without each fold. All candidates share rows and seeds.

    Arguments:
        candidates: models with their options and grids, such as `"gmm:n_components=1..9,covariance_type=full|tied"`, or
            mappings such as `{"model": "gmm", "n_components": 3}`.
        data: as for `train`.
        by: `bic | aic | aicc | icl | test | cv` or a metric's name; without, `bic` where every candidate with a
            likelihood has it, else `cv` or `test`.
        folds: of cross-validation; 0 for none.
        seeds: how many seeds the held-out fits are repeated under.
        seed: the first of them, and that of the rows' division.
        split: fractions of rows, such as `{"test": 0.3}`.
        training: settings of every candidate's training, below its own.
        weights: of data in memory, `(N,)`.
        device, precision: as for `train`.
        jobs: fits at a time, in processes of their own; the figures do not depend on it.
        threads: of each fit on a CPU.
        out: a folder for results, kept as they come; the same call goes on with it.
        features: what samples and events are compared by, `NAME` or `NAME=FILE`; by default events as they are.
        watcher: sees every finished fit.

    Raises:
        GenzooError: see `genzoo.errors`; what is wrong with one candidate alone is told in its row.
    """
    common = {"split": split or {}, "training": training or {}, "seed": seed, "device": device, "precision": precision}
    ready = prepare_comparison(
        candidates,
        given_data(data, weights),
        common,
        by=by,
        folds=folds,
        seeds=seeds,
        jobs=jobs,
        threads=threads,
        out=out,
        features=features,
    )
    report = ready.run(watcher)
    try:
        return ready.keep_best(report)
    finally:
        ready.write_page()


def prepare_comparison(
    wanted: Sequence[str | Mapping[str, Any]],
    data: tuple[Dataset | None, Mapping[str, Any]],
    common: Mapping[str, Any],
    *,
    by: str | None,
    folds: int,
    seeds: int,
    jobs: int,
    threads: int,
    out: str | Path | None,
    features: str | None = None,
) -> Comparison:
    """Check everything that can be wrong before anything is fitted.

    Arguments:
        data: what `given_data` gives.
        common: settings that all candidates share.

    Raises:
        ConfigError: an unknown name or option, or a value out of range.
        DataError: data that cannot be read or used.
    """
    require_single_process("genzoo.compare")
    zoo = get_registry()
    by = None if by is None else current_metric(by)
    _check_numbers(folds, seeds, jobs, threads)
    _check_figure(zoo, by, folds)
    dataset, source = data
    settings = None
    found = candidates(zoo, wanted, {**common, "data": source})
    for candidate in found:
        refuse_without_extra(zoo.models.get(candidate.config.model))
    config = found[0].config
    resolve_device(config.device)  # one that does not exist is no candidate's fault
    if dataset is None:
        settings = anchor(config.data, zoo)
        dataset = open_dataset(settings, zoo)
        found = tuple(dataclasses.replace(c, config=c.config.model_copy(update={"data": settings})) for c in found)
    else:
        dataset = usable(dataset, dataset.name)
    once: dict[str, Candidate] = {}
    for candidate in (_tuned(candidate) for candidate in found):
        once.setdefault(candidate.config.model_dump_json(), candidate)
    found = tuple(once.values())
    division = SplitPlan.of(dataset, config.split, config.seed, folds)
    looks = prepare_features(find_extractor(zoo, features, dataset.spec), dataset, config.device)
    kept = None
    if out is not None:
        shared = StoreHeader(
            data=dataset.digest(),
            event=dataset.spec,
            events=len(dataset),
            test_rows=dataset.test_rows,
            split=config.split,
            seed=config.seed,
            seeds=seeds,
            folds=folds,
            device=config.device,
            precision=config.precision,
            features=looks,
        )
        kept = ResultStore.open(Path(out), shared)
    return Comparison(found, dataset, settings, division, by, seeds, jobs, threads, kept, features)


def _tuned(candidate: Candidate) -> Candidate:
    """A candidate as a comparison trains it, where nobody said otherwise.

    EM starts several times, as information criteria want the global maximum, computes in float64, as they are sums
    over all events, and stops at a change that float64 resolves however many columns there are.
    """
    config = candidate.config
    if not isinstance(config.training, EMTraining):
        return candidate
    training = {"n_init": max(RESTARTS, config.training.n_init), "tol": max(TOLERANCE, config.training.tol)}
    told = {name: value for name, value in training.items() if name not in candidate.explicit}
    changed: dict[str, Any] = {"training": config.training.model_copy(update=told)}
    if config.precision == "auto" and not config.device.startswith("mps"):  # on auto, EM takes no device without it
        changed["precision"] = "fp64"
    return dataclasses.replace(candidate, config=config.model_copy(update=changed))


def _check_numbers(folds: int, seeds: int, jobs: int, threads: int) -> None:
    for name, value, least in (("folds", folds, 0), ("seeds", seeds, 1), ("jobs", jobs, 1), ("threads", threads, 1)):
        if value < least:
            raise ConfigError(f"--{name} is {value}; give a whole number of at least {least}.")
    if threads > 1 and jobs * threads > available_cores():
        raise ConfigError(
            f"{jobs} jobs of {threads} threads each are more than the {available_cores()} processors there are."
        )


def _check_figure(zoo: Registry, by: str | None, folds: int) -> None:
    if by is None:
        return
    known = [*CRITERIA, "test", "cv", *(metric.name for metric in sample_metrics(zoo))]
    if by not in known:
        raise ConfigError(f"Candidates cannot be ranked by {by!r}. {did_you_mean(by, known)}")
    if by == "cv" and not folds:
        raise ConfigError("--by cv ranks by cross-validation; give the number of folds, such as --folds 10.")
