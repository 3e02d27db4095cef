"""What a promise is, and what became of one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["model", "metric", "dataset"]


State = Literal["kept", "broken", "does not apply"]


class BrokenPromise(AssertionError):  # noqa: N818 - named for what it says
    """What was promised does not hold; says what was seen."""


class DoesNotApply(Exception):  # noqa: N818 - it is no error
    """There is nothing that the promise could be about; says why."""


def expect(kept: bool, otherwise: str) -> None:
    """Hold somebody to a promise.

    Arguments:
        kept: whether it is.
        otherwise: what was seen, as a sentence.

    Raises:
        BrokenPromise: it is not.
    """
    if not kept:
        raise BrokenPromise(otherwise)


@dataclass(frozen=True, slots=True)
class Promise:
    """One thing that everything of its kind promises.

    Arguments:
        name: lower-case words joined by hyphens.
        sentence: what is promised.
        kind: `model | metric | dataset`.
        check: raises `BrokenPromise` for a subject that does not keep it, `DoesNotApply` where there is nothing to
            keep, and whatever the subject's own code raises.
        needs: capabilities without which there is nothing to keep.
    """

    name: str
    sentence: str
    kind: Kind
    check: Callable[[Any], None]
    needs: tuple[str, ...] = ()

    @staticmethod
    def of(check: Callable[[Any], None], *needs: str, kind: Kind = "model") -> Promise:
        """The promise that a function checks, named by the function and said by the first line of its docstring."""
        sentence = (inspect.getdoc(check) or "").partition("\n\n")[0]
        return Promise(check.__name__.replace("_", "-"), " ".join(sentence.split()), kind, check, needs)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one promise, and why where it was not kept."""

    promise: Promise
    state: State
    reason: str = ""
