"""Check everything the zoo has against its promises, with or without pytest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from genzoo.errors import ConfigError, did_you_mean
from genzoo.plugins.api1 import rename_keyword
from genzoo.testing.checks.accelerator import PROMISES as ACCELERATOR
from genzoo.testing.checks.bound import PROMISES as BOUND
from genzoo.testing.checks.building import PROMISES as BUILDING
from genzoo.testing.checks.capabilities import ANSWER, COMPONENT, IMPUTATION, LATENT
from genzoo.testing.checks.configuration import PROMISES as CONFIGURATION
from genzoo.testing.checks.dataset import PROMISES as DATASET
from genzoo.testing.checks.dataset import DatasetSubject
from genzoo.testing.checks.likelihood import PROMISES as DENSITY
from genzoo.testing.checks.metric import PROMISES as METRIC
from genzoo.testing.checks.metric import MetricSubject
from genzoo.testing.checks.randomness import PROMISES as RANDOMNESS
from genzoo.testing.checks.registration import PROMISES as REGISTRATION
from genzoo.testing.checks.sampling import PROMISES as SAMPLING
from genzoo.testing.checks.training import PROMISES as TRAINING
from genzoo.testing.promise import BrokenPromise, DoesNotApply, Kind, Outcome, Promise
from genzoo.testing.subject import Subject

_ALL = (
    *REGISTRATION,
    *CONFIGURATION,
    *BUILDING,
    *SAMPLING,
    *RANDOMNESS,
    *ACCELERATOR,
    *TRAINING,
    *ANSWER,
    *DENSITY,
    *BOUND,
    *LATENT,
    *COMPONENT,
    *IMPUTATION,
    *METRIC,
    *DATASET,
)


def promises(kind: Kind = "model", **former: Any) -> tuple[Promise, ...]:
    """What everything of a kind promises, in the order in which it is checked.

    Raises:
        ConfigError: there is no such kind.
    """
    kind = rename_keyword(former, kind, "model")
    found = tuple(promise for promise in _ALL if promise.kind == kind)
    if not found:
        known = {promise.kind for promise in _ALL}
        raise ConfigError(f"Nothing is promised of a {kind!r}. {did_you_mean(kind, known)}")
    return found


_OF_WHAT_IS_BUILT = frozenset(promises("model")) - {*REGISTRATION, *CONFIGURATION, *BUILDING}
"""Promises of which nothing can be said where models are built for other events than those of the data."""


def subject_of(
    name: str,
    kind: Kind = "model",
    options: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    objective: str | Mapping[str, Any] | None = None,
) -> Any:
    """What the promises of a kind are checked on.

    Raises:
        ConfigError: settings of models were given for something else.
    """
    if kind == "model":
        return Subject(name, options, training, objective)
    if options or training or objective:
        raise ConfigError(f"Options, training and objective are of models, and {name!r} is a {kind}. Leave them out.")
    return MetricSubject(name) if kind == "metric" else DatasetSubject(name)


def check_promise(promise: Promise, subject: Any) -> None:
    """Check one promise.

    Raises:
        BrokenPromise: it is not kept.
        DoesNotApply: there is nothing that it could be about.
        Exception: whatever the subject's own code raises.
    """
    if promise.needs:
        lacking = [name for name in promise.needs if name not in subject.entry.spec.capabilities]
        if lacking:
            raise DoesNotApply(f"it does not announce {', '.join(lacking)}")
    if promise in _OF_WHAT_IS_BUILT and subject.misshapen:
        raise DoesNotApply("not checked, as 'builds' is broken")
    promise.check(subject)


def check_promises(
    name: str,
    *,
    kind: Kind = "model",
    options: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    objective: str | Mapping[str, Any] | None = None,
    watch: Callable[[Promise], None] | None = None,
    **former: Any,
) -> tuple[Outcome, ...]:
    """Hold something of the zoo to all promises of its kind.

    Arguments:
        name: its name or id.
        kind: `model | metric | dataset`.
        options, training, objective: of a model, as for `genzoo.train`.
        watch: is told of every promise before it is checked.

    Raises:
        ConfigError: there is nothing of that name, or a setting is given under both its former and its current name.
    """
    kind = rename_keyword(former, kind, "model")
    subject = subject_of(name, kind, options, training, objective)
    _ = subject.entry
    if kind == "model":
        subject.check_names()
    found = []
    for promise in promises(kind):
        if watch is not None:
            watch(promise)
        found.append(_outcome(promise, subject))
    return tuple(found)


def _outcome(promise: Promise, subject: Any) -> Outcome:
    try:
        check_promise(promise, subject)
    except DoesNotApply as reason:
        return Outcome(promise, "does not apply", str(reason))
    except BrokenPromise as seen:
        return Outcome(promise, "broken", str(seen))
    except (Exception, SystemExit) as error:
        return Outcome(promise, "broken", f"{type(error).__name__}: {error}")
    return Outcome(promise, "kept")
