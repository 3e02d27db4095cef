"""Promises and the outcomes of checking them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["model", "metric", "dataset", "transform"]


State = Literal["kept", "broken", "does not apply"]


class BrokenPromise(AssertionError):  # noqa: N818 - named for what it says
    """A promise is broken; the message says what the check found."""


class DoesNotApply(Exception):  # noqa: N818 - it is no error
    """A promise does not apply to this subject; the message says why."""


def expect(kept: bool, otherwise: str) -> None:
    """Check one condition of a promise.

    Arguments:
        kept: whether the condition is met.
        otherwise: the message if it is not: a sentence that says what was found.

    Raises:
        BrokenPromise: the condition is not met.
    """
    if not kept:
        raise BrokenPromise(otherwise)


@dataclass(frozen=True, slots=True)
class Promise:
    """One requirement that all models, metrics, datasets or transforms must meet.

    Arguments:
        name: lower-case words joined by hyphens.
        sentence: the requirement.
        kind: `model | metric | dataset | transform`.
        check: takes the subject. Raises `BrokenPromise` if the requirement is not met and `DoesNotApply` if there is
            nothing to check. Errors of the subject's own code pass through.
        needs: capabilities that a model must announce for the promise to apply.
    """

    name: str
    sentence: str
    kind: Kind
    check: Callable[[Any], None]
    needs: tuple[str, ...] = ()

    @staticmethod
    def of(check: Callable[[Any], None], *needs: str, kind: Kind = "model") -> Promise:
        """Make a promise from a check: its name is the function's, its sentence the docstring's first paragraph."""
        sentence = (inspect.getdoc(check) or "").partition("\n\n")[0]
        return Promise(check.__name__.replace("_", "-"), " ".join(sentence.split()), kind, check, needs)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state of one promise, with the reason if it was not kept."""

    promise: Promise
    state: State
    reason: str = ""
