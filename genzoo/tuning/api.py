"""`genzoo.tune`: check a whole search first, then run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genzoo.comparison.api import prepare_comparison, settings_of_call
from genzoo.comparison.comparison import Comparison
from genzoo.comparison.figure import check_ranking_metric, is_rate
from genzoo.config.counts import check_count
from genzoo.config.keywords import check_model, option_names, sort_keywords
from genzoo.data.dataset import Dataset
from genzoo.data.opening.given import AnyData
from genzoo.errors import ArtifactError, ConfigError
from genzoo.metrics.information_criteria import CRITERIA
from genzoo.metrics.metric import Direction
from genzoo.models.reference import known_name
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Registry
from genzoo.runtime.cluster import AnyCluster
from genzoo.runtime.display import show_progress
from genzoo.runtime.progress import in_phase
from genzoo.storage.paths import user_path
from genzoo.tuning.folder import TuneFolder, TuneHeader
from genzoo.tuning.parsing import Given, parse_search, plain_search
from genzoo.tuning.result import Tuning
from genzoo.tuning.study import optuna_library
from genzoo.tuning.tuning import TrialCallback, Tuner
from genzoo.typing import Array
from genzoo.wording import argument, setting_name

TRIALS = 50

TOP = 3

TEST = 0.2
"""Share of the rows that are held out before a search, unless the data bring test rows or the split says more."""

_COMMON = frozenset({"split", "training", "sampling", "seed", "device", "precision"})
"""Settings of a run that all trials of a search share. A stranger's folder could name a model to fetch."""

_LIKELIHOODS = frozenset({"likelihood", "likelihood-bound", "likelihood-estimate"})


def tune(
    model: str | type,
    data: AnyData,
    search: Mapping[str, Given],
    *,
    trials: int = TRIALS,
    top: int = TOP,
    metric: str | None = None,
    objective: str | Mapping[str, Any] | None = None,
    preset: str | None = None,
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
    callback: TrialCallback | None = None,
    progress: bool | None = None,
    **settings: Any,
) -> Tuning:
    """Search settings of a model, and judge the best of them again on rows that the search never saw.

    Test rows are held out first. A trial is a training on the training rows. Its value is the mean log-likelihood of
    the validation rows, or a metric. Optuna's TPE sampler chooses the settings of each trial from the values of earlier
    ones. Trainings by gradients that are worse on validation rows than the median of earlier trials are ended early.
    Then the best trials and the default settings are fitted again and compared on the test rows.

    Arguments:
        model: as for `train`.
        data: as for `train`.
        search: what to try of each setting of the model or of its training: `"1..20"`, `"1e-4..1e-1@log"` (ratios
            count), `"0..1..0.25"` (steps), `"full,tied"`, or a list of choices.
        trials: number of trials, earlier calls with the same `out` included. Defaults to 50.
        top: number of the best trials that are judged again. Defaults to 3.
        metric: metric of samples that judges the trials. Defaults to the likelihood, which the model must have.
        objective, preset, split, split_by, weights, sampling, device, precision: as for `train`. By default, a fifth of
            the rows are test rows, unless the data bring their own.
        seed: seed of the search and of all trainings. It also divides the rows. Defaults to 0.
        training: settings of all trainings. Keywords come first.
        jobs, threads, on: as for `compare`. With one trial at a time, the same seed tries the same settings.
        out: folder for the trials, the report and the best model. The same call continues a search from there.
        features, target: as for `compare`.
        callback: called after every trial, with the `TuningTrial`.
        progress: as for `train`.
        settings: options of the model and settings of the training, the data and the split, which all trials share.

    Returns:
        The trials, and the comparison of the best.

    Examples:
        >>> tune("gmm", "iris", {"n_components": "1..9"}, trials=9).report.best  # doctest: +SKIP
        'gmm:n_components=3'

    Raises:
        GenzooError: see `genzoo.errors`.
    """
    zoo = get_registry()
    name = check_model(zoo, known_name(model))
    options = sort_keywords(settings, option_names(zoo.models.get(name))).options
    shared = {key: value for key, value in settings.items() if key not in options}
    if "test" not in shared and not (isinstance(split, Mapping) and "test" in split):
        shared["test"] = TEST
    given, common = settings_of_call(
        data,
        shared,
        seed=seed,
        split=split,
        split_by=split_by,
        training=training,
        weights=weights,
        sampling=sampling,
        device=device,
        precision=precision,
    )
    own: dict[str, Any] = {"objective": objective, "preset": preset}
    with show_progress(progress):
        tuner = prepare_tuning(
            name,
            {**options, **{key: value for key, value in own.items() if value is not None}},
            search,
            given,
            common,
            trials=trials,
            top=top,
            metric=metric,
            jobs=jobs,
            threads=threads,
            on=on,
            out=out,
            features=features,
            target=target,
        )
        return tuner.run(callback)


@in_phase("preparing")
def prepare_tuning(
    model: str,
    options: Mapping[str, Any],
    search: Mapping[str, Given],
    data: tuple[Dataset | None, Mapping[str, Any]],
    common: Mapping[str, Any],
    *,
    trials: int,
    top: int,
    metric: str | None,
    jobs: int | None,
    threads: int,
    on: AnyCluster | None,
    out: str | Path | None,
    features: str | None,
    target: str | None,
) -> Tuner:
    """Check everything that can be wrong, before anything is trained.

    Arguments:
        model: its name.
        options: settings of the model that every trial shares, nested.
        data: as `given_data` returns it.
        common: settings of the run that every trial shares.

    Raises:
        ConfigError: an unknown name or setting, or a value out of range.
        DataError: the data cannot be read or used.
        MissingExtraError: Optuna is not installed.
    """
    optuna_library()
    zoo = get_registry()
    check_count("trials", trials)
    check_count("top", top)
    metric, direction = _judge(zoo, model, metric, target, features)
    plain = plain_search(search)
    space = parse_search(zoo, model, options, {**common, "data": data[1]}, plain)
    folder = None if out is None else TuneFolder(user_path(out))
    if folder is not None:
        folder.check()
    comparison = prepare_comparison(
        [{"model": model, **options}],
        data,
        common,
        by=metric or "test",
        folds=0,
        seeds=1,
        jobs=jobs,
        threads=threads,
        out=None if folder is None else folder.comparison,
        features=features,
        target=target,
        on=on,
    )
    _check_parts(comparison)
    header = TuneHeader(
        model=model,
        options=dict(options),
        common={name: value for name, value in common.items() if name != "data"},
        source=None if comparison.settings is None else comparison.settings.model_dump(mode="json"),
        data=comparison.dataset.digest(),
        search=plain,
        metric=metric,
        features=features,
        target=target,
        trials=trials,
        top=top,
    )
    seed = comparison.candidates[0].config.seed
    kept = None if folder is None else (folder, header)
    return Tuner(space, comparison, metric, direction, trials, top, seed, kept)


def settings_to_go_on(folder: str | Path) -> dict[str, Any]:
    """Return the arguments of `prepare_tuning` with which a search that was kept goes on.

    Raises:
        ConfigError: there is no search in the folder, or its data were in memory.
        ArtifactError: its file is damaged.
    """
    found = TuneFolder(user_path(folder)).header()
    if strange := sorted(found.common.keys() - _COMMON):
        raise ArtifactError(f"{folder} sets {strange[0]!r} for all trials, which no search does. It may be damaged.")
    if found.source is None:
        raise ConfigError(f"The data of {folder} were in memory. Call genzoo.tune with them and the same arguments.")
    names = ("model", "options", "search", "common", "metric", "features", "target", "trials", "top")
    return {**{name: getattr(found, name) for name in names}, "data": (None, found.source), "out": folder}


def _judge(
    zoo: Registry, model: str, metric: str | None, target: str | None, features: str | None
) -> tuple[str | None, Direction]:
    """Return the metric that judges the trials, `None` for the likelihood, and its direction."""
    spec = zoo.models.get(model).spec
    if metric in ("log-likelihood", "test"):
        metric = None
    if metric is None:
        if not spec.capabilities & _LIKELIHOODS:
            raise ConfigError(
                f"Model {spec.name!r} has no likelihood to judge trials by. Name a metric of samples, such as "
                f"{argument('metric', 'kernel-distance')}."
            )
        return None, "higher"
    if metric in (*CRITERIA, "cv"):
        raise ConfigError(
            f"{metric!r} is no figure of validation rows, which rank the trials. Leave it out to rank by the "
            f"likelihood, or name a metric of samples."
        )
    if is_rate(metric) or metric == "token-perplexity":
        raise ConfigError(
            f"{metric!r} is computed from the log-likelihood, which ranks the trials by default. Leave out "
            f"{argument('metric', metric)}."
        )
    return metric, check_ranking_metric(zoo, "metric", metric, target, features).direction


def _check_parts(comparison: Comparison) -> None:
    """Check that there are rows to choose settings with, and others to judge them by.

    Raises:
        ConfigError: there are none.
    """
    split = comparison.division.split(everything=False, watched=True)
    for rows, name, purpose in (
        (split.validation, "validation", "choose settings with"),
        (split.test, "test", "judge the best trials again with"),
    ):
        if not len(rows):
            raise ConfigError(
                f"A search needs {name} rows to {purpose}, and the split has none. Set "
                f"{setting_name(f'split.{name}')} above 0."
            )
