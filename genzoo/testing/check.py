"""Check models, metrics, datasets and transforms against the promises of their kind, with or without pytest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from genzoo.data.opening.given import AnyData
from genzoo.errors import ConfigError, did_you_mean, pass_exit_by_signal, pass_out_of_memory
from genzoo.plugins.api1 import former_keywords, rename_keyword
from genzoo.runtime.progress import Phase
from genzoo.testing.checks.accelerator import PROMISES as ACCELERATOR
from genzoo.testing.checks.anomaly import ANOMALY
from genzoo.testing.checks.bound import PROMISES as BOUND
from genzoo.testing.checks.building import PROMISES as BUILDING
from genzoo.testing.checks.capabilities import ANSWER, COMPONENT, IMPUTATION, LATENT
from genzoo.testing.checks.condition import PROMISES as CONDITION
from genzoo.testing.checks.configuration import PROMISES as CONFIGURATION
from genzoo.testing.checks.dataset import PROMISES as DATASET
from genzoo.testing.checks.dataset import DatasetSubject
from genzoo.testing.checks.direct import PROMISES as DIRECT
from genzoo.testing.checks.floors import PROMISES as FLOORS
from genzoo.testing.checks.kept_rows import PROMISES as KEPT_ROWS
from genzoo.testing.checks.likelihood import PROMISES as DENSITY
from genzoo.testing.checks.masses import PROMISES as MASSES
from genzoo.testing.checks.metric import PROMISES as METRIC
from genzoo.testing.checks.metric import MetricSubject
from genzoo.testing.checks.modalities.autoregressive import PROMISES as AUTOREGRESSIVE
from genzoo.testing.checks.modalities.parts import PROMISES as PARTS
from genzoo.testing.checks.modalities.texts import PROMISES as TEXTS
from genzoo.testing.checks.randomness import PROMISES as RANDOMNESS
from genzoo.testing.checks.registration import PROMISES as REGISTRATION
from genzoo.testing.checks.sampling import PROMISES as SAMPLING
from genzoo.testing.checks.training import PROMISES as TRAINING
from genzoo.testing.checks.transform import PROMISES as TRANSFORM
from genzoo.testing.checks.transform import TransformSubject
from genzoo.testing.promise import BrokenPromise, DoesNotApply, Kind, Outcome, Promise
from genzoo.testing.subject import Subject

_ALL = (
    *REGISTRATION,
    *CONFIGURATION,
    *BUILDING,
    *SAMPLING,
    *CONDITION,
    *KEPT_ROWS,
    *RANDOMNESS,
    *ACCELERATOR,
    *TRAINING,
    *DIRECT,
    *ANSWER,
    *DENSITY,
    *FLOORS,
    *BOUND,
    *MASSES,
    *PARTS,
    *TEXTS,
    *AUTOREGRESSIVE,
    *LATENT,
    *ANOMALY,
    *COMPONENT,
    *IMPUTATION,
    *METRIC,
    *DATASET,
    *TRANSFORM,
)


def promises(kind: Kind = "model", **former: Any) -> tuple[Promise, ...]:
    """Return the promises of a kind, in the order in which they are checked.

    Arguments:
        kind: `model | metric | dataset | transform`.

    Raises:
        ConfigError: there is no such kind.
    """
    kind = rename_keyword(former, kind, "model")
    selected = tuple(promise for promise in _ALL if promise.kind == kind)
    if not selected:
        known = {promise.kind for promise in _ALL}
        raise ConfigError(f"There are no promises of kind {kind!r}. {did_you_mean(kind, known)}")
    return selected


_NEED_A_BUILT_MODEL = frozenset(promises("model")) - {*REGISTRATION, *CONFIGURATION, *BUILDING}
"""Promises that mean nothing if the model that was built does not fit the data's shape."""


def subject_of(
    name: str | type,
    kind: Kind = "model",
    options: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    objective: str | Mapping[str, Any] | None = None,
    data: AnyData | None = None,
) -> Any:
    """Return the object that the promises of a kind are checked on.

    Raises:
        ConfigError: settings of a model, or data, were given for something that has none.
    """
    if kind == "model":
        return Subject(name, options, training, objective, data)
    if options or training or objective:
        raise ConfigError(
            f"Only models have options, training and objective, and {name!r} is a {kind}. Leave these arguments out."
        )
    name = str(name)
    if kind == "transform":
        return TransformSubject(name, data)
    if data is not None:
        raise ConfigError(f"Only models and transforms are checked on data, and {name!r} is a {kind}. Leave data out.")
    return MetricSubject(name) if kind == "metric" else DatasetSubject(name)


def check_promise(promise: Promise, subject: Any) -> None:
    """Check one promise.

    Raises:
        BrokenPromise: the promise is broken.
        DoesNotApply: the subject has nothing that the promise is about.
        Exception: an error of the subject's own code.
    """
    if promise.needs:
        lacking = [name for name in promise.needs if name not in subject.entry.spec.capabilities]
        if lacking:
            raise DoesNotApply(f"its spec does not announce {', '.join(lacking)}")
    if promise in _NEED_A_BUILT_MODEL and subject.misshapen:
        raise DoesNotApply("not checked, as 'builds' is broken")
    promise.check(subject)


@former_keywords(watch="callback")
def check_promises(
    name: str | type,
    *,
    kind: Kind = "model",
    options: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    objective: str | Mapping[str, Any] | None = None,
    data: AnyData | None = None,
    callback: Callable[[Promise], None] | None = None,
    **former: Any,
) -> tuple[Outcome, ...]:
    """Check a model, metric, dataset or transform against all promises of its kind.

    Arguments:
        name: its name or id; for a model also a class, or `"./my_model.py:MyModel"`.
        kind: `model | metric | dataset | transform`. Defaults to `model`.
        options, training, objective: settings of a model, as for `genzoo.train`.
        data: your own data for a model or a transform, as for `genzoo.train`. Some of their events are used first,
            before toy datasets. Defaults to toy datasets only.
        callback: called with each promise before it is checked.

    Returns:
        One outcome for each promise, in order.

    Raises:
        ConfigError: there is nothing of that name, or a setting that was given is invalid.
        DataError: the data cannot be read, or the model does not accept them.
    """
    kind = rename_keyword(former, kind, "model")
    subject = subject_of(name, kind, options, training, objective, data)
    _ = subject.entry
    if kind in ("model", "transform"):
        subject.check_settings()
    outcomes, known = [], promises(kind)
    with Phase(f"checking {subject.name}", len(known), "promises") as phase:
        for promise in phase.over(known, lambda _: 1):
            phase.describe(promise.name)
            if callback is not None:
                callback(promise)
            outcomes.append(_outcome(promise, subject))
    return tuple(outcomes)


def _outcome(promise: Promise, subject: Any) -> Outcome:
    try:
        check_promise(promise, subject)
    except DoesNotApply as reason:
        return Outcome(promise, "does not apply", str(reason))
    except BrokenPromise as broken:
        return Outcome(promise, "broken", str(broken))
    except (Exception, SystemExit) as error:
        pass_out_of_memory(error)
        pass_exit_by_signal(error)
        return Outcome(promise, "broken", f"{type(error).__name__}: {error}")
    return Outcome(promise, "kept")
