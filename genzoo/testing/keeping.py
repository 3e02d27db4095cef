"""Run promises as pytest tests, one test for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from genzoo.data.opening.given import AnyData
from genzoo.errors import ConfigError, did_you_mean
from genzoo.plugins.api1 import rename_keyword
from genzoo.testing.check import check_promise, promises, subject_of
from genzoo.testing.promise import DoesNotApply, Kind, Promise


class BoundPromise:
    """One promise of one subject; calling it runs the check.

    Attributes:
        promised: names of the subject and of the promise, for the count in pytest's summary.
        subject: what is checked, with the model that its promises share.
    """

    def __init__(self, promise: Promise, subject: Any, name: str) -> None:
        self._promise = promise
        self.subject = subject
        self.promised = (name, promise.name)

    def __repr__(self) -> str:
        return f"<{self._promise.name}: {self._promise.sentence}>"

    def __call__(self) -> None:
        """Check the promise; skip the test, with the reason, if the promise does not apply."""
        try:
            check_promise(self._promise, self.subject)
        except DoesNotApply as reason:
            pytest.skip(f"{self._promise.name} does not apply: {reason}")


def keeps_promises(
    name: str | type,
    *,
    kind: Kind = "model",
    options: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    objective: str | Mapping[str, Any] | None = None,
    data: AnyData | None = None,
    expected_failures: Mapping[str, str] | None = None,
    **former: Any,
) -> Callable[[Callable[[BoundPromise], None]], Callable[[BoundPromise], None]]:
    """Parametrize a test that takes one argument, `promise`, with every promise of a kind.

    Arguments:
        name: name or id of what is tested, which must be registered when the tests run; for a model also a class, or
            `"./my_model.py:MyModel"`.
        kind: `model | metric | dataset | transform`. Defaults to `model`.
        options, training, objective: settings of a model, as for `genzoo.train`. Training is short by default, so that
            all checks take seconds.
        data: your own data for a model or a transform, as for `genzoo.train`: a path, a built-in name, an array or a
            table. Some of their events are used first, before toy datasets. Defaults to toy datasets only.
        expected_failures: the promises that are expected to fail, each with the reason. If one is kept after all, its
            test fails.

    Raises:
        ConfigError: an expected failure names no promise of that kind.
    """
    kind = rename_keyword(former, kind, "model")
    expected = dict(expected_failures or {})
    known = {promise.name for promise in promises(kind)}
    for unknown in sorted(expected.keys() - known):
        raise ConfigError(f"No {kind} promises {unknown!r}. {did_you_mean(unknown, known)}")
    subject = subject_of(name, kind, options, training, objective, data)
    parameters = [
        pytest.param(
            BoundPromise(promise, subject, subject.name), id=promise.name, marks=_marks(expected.get(promise.name))
        )
        for promise in promises(kind)
    ]
    return pytest.mark.parametrize("promise", parameters)


def _marks(reason: str | None) -> list[pytest.MarkDecorator]:
    return [] if reason is None else [pytest.mark.xfail(strict=True, reason=reason)]
