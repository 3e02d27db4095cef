"""`genzoo.compare`: check everything first, then fit and rank the candidates, and keep the best one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from genzoo.comparison.candidate import Candidate, candidates, distinct
from genzoo.comparison.cluster.dispatch import check_cluster
from genzoo.comparison.comparison import Comparison, FitCallback, Tie
from genzoo.comparison.figure import check_figure
from genzoo.comparison.fits.sample_metrics import prepare_features
from genzoo.comparison.splits import SplitPlan
from genzoo.comparison.store import ResultStore, StoreHeader
from genzoo.config.counts import check_count
from genzoo.config.data import DataSettings, SplitSettings
from genzoo.config.keywords import PLACES, sort_keywords
from genzoo.config.resolve import options_class
from genzoo.config.run_config import RunConfig
from genzoo.config.settings import Settings, validate
from genzoo.config.training import EMTraining, GradientTraining
from genzoo.data.dataset import Dataset, usable
from genzoo.data.loading import anchor, open_dataset
from genzoo.data.opening.given import given_data
from genzoo.data.splits.given import given_split
from genzoo.errors import ConfigError, did_you_mean
from genzoo.metrics.evaluation.choice import find_extractor
from genzoo.metrics.evaluation.reference import check_target
from genzoo.persistence.format1 import current_metric
from genzoo.plugins.api1 import former_keywords
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Registry, refuse_without_extra
from genzoo.reports.result import Report
from genzoo.runtime.cluster import LOCAL_CLUSTER, AnyCluster
from genzoo.runtime.device import resolve_device
from genzoo.runtime.display import show_progress
from genzoo.runtime.launch import require_single_process
from genzoo.runtime.progress import in_phase
from genzoo.runtime.threads import available_cores
from genzoo.storage.paths import user_path
from genzoo.typing import Array, Frame
from genzoo.wording import argument

RESTARTS = 5
"""EM starts of a candidate, unless its settings say more."""


TOLERANCE = 1e-5
"""Change of EM's mean log-likelihood, nats per row, at which a candidate counts as converged.

R's mclust uses about the same value.
"""


@former_keywords(watcher="callback")
def compare(
    candidates: Sequence[str | Mapping[str, Any] | type],
    data: str | Path | Array | Frame | Dataset | Mapping[str, Any],
    *,
    by: str | None = None,
    tie: Tie = "figure",
    folds: int = 0,
    seeds: int = 1,
    seed: int = 0,
    split: str | Mapping[str, Any] | None = None,
    split_by: str | Sequence[str] | Array | None = None,
    training: Mapping[str, Any] | None = None,
    weights: Array | None = None,
    sampling: Mapping[str, Any] | None = None,
    device: str = "auto",
    precision: str = "auto",
    jobs: int | None = None,
    threads: int = 1,
    on: AnyCluster | None = None,
    out: str | Path | None = None,
    features: str | None = None,
    target: str | None = None,
    callback: FitCallback | None = None,
    progress: bool | None = None,
    **settings: Any,
) -> Report:
    """Fit several models to the same data, and rank them.

    Information criteria come from a fit to all rows, and test figures from a fit without the test rows.
    Cross-validation fits all rows except one fold, once for each fold. All candidates share rows and seeds.

    Arguments:
        candidates: models with options and grids, such as `"gmm:n_components=1..9,covariance_type=full|tied"` or
            `"gmm:covariance_type=all"`, or mappings such as `{"model": "gmm", "n_components": 3}`. A model may also be
            a class of yours, or `"./my_model.py:MyModel"`.
        data: as for `train`.
        by: figure to rank by: `bic | aic | aicc | icl | test | cv` or a metric's name. Defaults to `bic` if every
            model with a likelihood has it, otherwise to `cv` with folds and `test` without folds; to `coverage` if no
            model has a likelihood.
        tie: `cheapest` takes, of the candidates that are not told apart from the best by the figure, the one that
            trains and draws 1,000 samples fastest. Defaults to `figure`: the best is the one with the best figure.
        folds: number of folds of cross-validation. Defaults to 0, which means none.
        seeds: number of seeds for the held-out fits. Defaults to 1.
        seed: first seed. It also divides the rows. Defaults to 0.
        split, split_by: as for `train`. Folds keep groups together, and are blocks of ordered data.
        training: training settings of all candidates. A candidate's own settings come first.
        weights: row weights for data in memory, `(N,)`.
        sampling: sampling options of all candidates that have them. A candidate's own come first.
        device, precision: as for `train`.
        jobs: number of fits at a time, each in a process of its own. Figures do not depend on it. Defaults to 1, and
            with `on="dask"` to as many as the cores allow.
        threads: CPU threads of each fit. Defaults to 1.
        on: a Dask cluster that runs the fits: `"dask"` for this machine, the address of a scheduler such as
            `"tcp://10.0.0.5:8786"`, the path of a scheduler file, or a `distributed.Client`. Defaults to none.
        out: folder for the report and for finished candidates. The same call resumes from there.
        features: feature extractor of sample metrics, `NAME` or `NAME=FILE`. Defaults to the rows themselves.
        target: name of the column that `tstr` predicts. Defaults to none: no candidate has this figure.
        callback: called after every fit.
        settings: settings of the training, the data and the split, each a keyword under its own name, as for `train`:
            `max_iter`, `drop`, `validation` ... Options of a model belong to its candidate.
        progress: as for `train`.

    Returns:
        The report. A candidate that fails is a row of it, with the reason. Its verdict is `not for these data` if it
        does not take them.

    Raises:
        GenzooError: see `genzoo.errors`.
    """
    given, common = settings_of_call(
        data,
        settings,
        seed=seed,
        split=split,
        split_by=split_by,
        training=training,
        weights=weights,
        sampling=sampling,
        device=device,
        precision=precision,
    )
    with show_progress(progress):
        comparison = prepare_comparison(
            candidates,
            given,
            common,
            by=by,
            tie=tie,
            folds=folds,
            seeds=seeds,
            jobs=jobs,
            threads=threads,
            on=on,
            out=out,
            features=features,
            target=target,
        )
        report = comparison.run(callback)
        try:
            return comparison.keep_best(report)
        finally:
            comparison.write_page()


def settings_of_call(
    data: Any,
    settings: Mapping[str, Any],
    *,
    seed: int,
    split: str | Mapping[str, Any] | None = None,
    split_by: str | Sequence[str] | Array | None = None,
    training: Mapping[str, Any] | None = None,
    weights: Array | None = None,
    sampling: Mapping[str, Any] | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> tuple[tuple[Dataset | None, Mapping[str, Any]], dict[str, Any]]:
    """Return the data and the settings that all candidates share, as `prepare_comparison` takes them.

    The arguments are arguments of `compare`.

    Raises:
        ConfigError: a setting belongs to a single candidate, or has a wrong value.
        DataError: the data cannot be used.
    """
    keywords = sort_keywords(settings)
    if keywords.options:
        name = next(iter(keywords.options))
        raise ConfigError(
            f"{name!r} is no setting that all candidates share. Options of a model belong to its candidate, such as "
            f"'gmm:{name}=VALUE'. {did_you_mean(name, PLACES)}"
        )
    division, groups = given_split(split, split_by)
    division |= keywords.split
    checked = validate(SplitSettings, division, "The run", "split")
    given = given_data(keywords.read(data), weights, checked, groups)
    return given, {
        "split": division,
        "training": keywords.trained(training),
        "sampling": sampling or {},
        "seed": seed,
        "device": device,
        "precision": precision,
    }


@in_phase("preparing")
def prepare_comparison(
    wanted: Sequence[str | Mapping[str, Any] | type],
    data: tuple[Dataset | None, Mapping[str, Any]],
    common: Mapping[str, Any],
    *,
    by: str | None,
    tie: Tie = "figure",
    folds: int,
    seeds: int,
    jobs: int | None,
    threads: int,
    out: str | Path | None,
    features: str | None = None,
    target: str | None = None,
    on: AnyCluster | None = None,
    tables_only: bool = False,
) -> Comparison:
    """Check everything that can be wrong, before anything is fitted.

    Arguments:
        wanted: candidates, as for `compare`.
        data: as `given_data` returns it.
        common: settings that all candidates share.
        tables_only: whether other data are an error. Defaults to false.

    Raises:
        ConfigError: an unknown name or option, or a value out of range.
        DataError: the data cannot be read or used.
    """
    # 1. The call itself.
    require_single_process("genzoo.compare")
    if isinstance(wanted, str | Mapping) or not isinstance(wanted, Iterable):
        raise ConfigError(f"compare takes a list of candidates, such as ['gmm', 'vae'], not {wanted!r}.")
    zoo = get_registry()
    by = None if by is None else current_metric(by)
    _check_numbers(folds, seeds, jobs, threads, on)
    check_figure(zoo, by, folds, target, features)
    if tie not in get_args(Tie):
        raise ConfigError(f"A tie cannot go to {tie!r}. {did_you_mean(tie, get_args(Tie))}")
    # 2. The candidates, and what they share.
    dataset, source = data
    found = _checked_candidates(zoo, wanted, {**common, "data": source})
    shared = found[0].config  # before tuning, which depends on the model
    if on is not None:
        check_cluster(on, jobs, shared.device)

    # 3. The data, and which rows each fit uses.
    settings = None
    if dataset is None:
        settings = anchor(shared.data, zoo)
        dataset = open_dataset(settings, zoo, shared.split)
    else:
        dataset = usable(dataset, dataset.name)
    division = SplitPlan.of(dataset, shared.split, shared.seed, folds)
    if target is not None:
        check_target(target, dataset)
    if tables_only and not dataset.spec.form.columns:
        raise ConfigError(
            f"Rows of a table are needed, and these data have modality {dataset.spec.modality!r}. Train a model of "
            f"them, and sample from it."
        )

    # 4. The feature extractor, whose weights may have to be downloaded or trained.
    protocol = prepare_features(find_extractor(zoo, features, dataset.spec), dataset, shared.device)

    # 5. The folder that earlier results may be in.
    kept = None if out is None else _open_store(user_path(out), dataset, shared, seeds, folds, protocol, target)

    # 6. EM's defaults. Candidates that are equal now are fitted once.
    found = as_fitted(found, dataset, settings)
    return Comparison(found, dataset, settings, division, by, tie, seeds, jobs, threads, kept, features, target, on)


def as_fitted(found: Iterable[Candidate], dataset: Dataset, settings: DataSettings | None) -> tuple[Candidate, ...]:
    """Return candidates with the settings that they are fitted with to a dataset; equal ones only once.

    Arguments:
        settings: settings that any process can open the data from; `None` if they exist in memory only.
    """
    if settings is not None:
        found = [_with_config(one, data=settings) for one in found]
    if dataset.conditions is not None and dataset.spec.form.columns:
        found = [_learning_jointly(get_registry(), one) for one in found]
    return distinct(map(_tuned, found), _settings_of_fits)


def _checked_candidates(
    zoo: Registry, wanted: Sequence[str | Mapping[str, Any] | type], common: Mapping[str, Any]
) -> tuple[Candidate, ...]:
    """Expand candidates, and check that their packages are installed and their device exists.

    Raises:
        ConfigError: an unknown name or option, or a value out of range.
        PluginError: a model needs packages that are not installed.
    """
    found = candidates(zoo, wanted, common)
    for candidate in found:
        refuse_without_extra(zoo.models.get(candidate.config.model))
    resolve_device(found[0].config.device)  # a device that does not exist is an error of the call, not of a candidate
    return found


def _settings_of_fits(candidate: Candidate) -> tuple[str, bool]:
    """Return everything that the fits of a candidate depend on."""
    # Fits for information criteria lower a tolerance only if it is the default one.
    return candidate.config.model_dump_json(), "tol" in candidate.explicit


def _tuned(candidate: Candidate) -> Candidate:
    """Adapt the defaults of EM and of direct fits to a comparison. Settings that were given stay as they are.

    EM starts several times, because information criteria need the global maximum, unless the model tries several
    starts itself. Both compute in float64, because they are sums over all rows. EM stops at a tolerance that float64
    resolves for any number of columns.
    """
    config = candidate.config
    if isinstance(config.training, GradientTraining):
        return candidate
    changed: dict[str, Any] = {}
    if config.precision == "auto" and not config.device.startswith("mps"):  # it has no float64
        changed["precision"] = "fp64"
    if isinstance(config.training, EMTraining):
        changed["training"] = _tuned_em(candidate, config.training)
    return _with_config(candidate, **changed)


def _learning_jointly(zoo: Registry, candidate: Candidate) -> Candidate:
    """Return a candidate that learns conditions as columns beside the others, if it is not conditional."""
    config = candidate.config
    if zoo.models.get(config.model).spec.conditional:
        return candidate
    return _with_config(candidate, data=config.data.model_copy(update={"joint": True}))


def _tuned_em(candidate: Candidate, training: EMTraining) -> EMTraining:
    config = candidate.config
    options = options_class(get_registry().models.get(config.model)).model_validate(config.options)
    restarts = 1 if isinstance(options, Settings) and options.tries_several_starts else RESTARTS
    wanted = {"n_init": max(restarts, training.n_init), "tol": max(TOLERANCE, training.tol)}
    defaults = {name: value for name, value in wanted.items() if name not in candidate.explicit}
    return training.model_copy(update=defaults)


def _with_config(candidate: Candidate, **changed: Any) -> Candidate:
    return dataclasses.replace(candidate, config=candidate.config.model_copy(update=changed))


def _open_store(
    path: Path,
    dataset: Dataset,
    shared: RunConfig,
    seeds: int,
    folds: int,
    protocol: dict[str, Any],
    target: str | None,
) -> ResultStore:
    """Open the folder of results, if it belongs to this comparison."""
    header = StoreHeader(
        data=dataset.digest(),
        event=dataset.spec,
        events=len(dataset),
        test_rows=dataset.test_rows,
        split=shared.split,
        seed=shared.seed,
        seeds=seeds,
        folds=folds,
        device=shared.device,
        precision=shared.precision,
        features=protocol,
        target=target,
    )
    return ResultStore.open(path, header)


def _check_numbers(folds: int, seeds: int, jobs: int | None, threads: int, on: AnyCluster | None) -> None:
    jobs = 1 if jobs is None else jobs
    for name, value, least in (("folds", folds, 0), ("seeds", seeds, 1), ("jobs", jobs, 1), ("threads", threads, 1)):
        check_count(name, value, least)
    if threads > 1 and on in (None, LOCAL_CLUSTER) and jobs * threads > available_cores():
        raise ConfigError(
            f"{jobs} jobs with {threads} threads each need more than the {available_cores()} CPU cores available. "
            f"Lower {argument('jobs')} or {argument('threads')}."
        )
