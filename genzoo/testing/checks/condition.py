"""Promises of models that learn events given conditions."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from genzoo.config.training import GradientTraining
from genzoo.models.base import Decoder, Generator, Likelihood, LikelihoodBound, LikelihoodEstimate
from genzoo.testing.checks.capabilities import QUESTIONS, Question, answer, material, questions
from genzoo.testing.promise import DoesNotApply, Promise, expect
from genzoo.testing.subject import Case, Subject, scoped
from genzoo.testing.toys import GIVEN_SIDE
from genzoo.training.run_training import train_in_memory

_SAMPLES = 400

_EVENTS = 37

_STEPS = 1_000
"""Steps of a longer training."""


def takes_condition(subject: Subject) -> None:
    """`sample`, and every method that takes events or latent vectors, has a keyword `condition`."""
    for case in _conditional(subject):
        generator = case.parts().generator
        asked = {question.name for question in QUESTIONS if isinstance(generator, question.capability)}
        for name in ("sample", "floors", *sorted(asked)):
            if name == "floors" and type(generator).floors is Generator.floors:
                continue
            method = getattr(generator, name)
            expect(
                _takes(method),
                f"On {case.name}, {name}{inspect.signature(method)} has no keyword 'condition', and its spec says that "
                f"it is conditional.",
            )


def refuses_a_missing_condition(subject: Subject) -> None:
    """A model that was trained given conditions raises an error if it is asked with none."""
    for case in _conditional(subject):
        generator = case.wide
        calls: dict[str, Callable[[], object]] = {"sample": functools.partial(generator.sample, 3)}
        for question in _dependent(generator):
            bare = dataclasses.replace(material(case, question, 3), missing=None, condition=None)
            calls[question.name] = functools.partial(answer, question, generator, bare)
        for name, call in calls.items():
            expect(
                _raises(call), f"On {case.name}, {name} gives an answer without a condition. Raise an error instead."
            )


def conditions_change_answers(subject: Subject) -> None:
    """Another condition changes samples, decoded events and likelihoods, but neither their shape nor their type."""
    for case in _known(subject):
        here, there = _both_sides(case, _EVENTS)
        for name, ask in _answers(case):
            one, two = (scoped(functools.partial(ask, given)) for given in (here, there))
            expect(
                one.shape == two.shape and one.dtype == two.dtype,
                f"On {case.name}, {name} is {one.dtype} of shape {tuple(one.shape)} under one condition, and "
                f"{two.dtype} of shape {tuple(two.shape)} under another.",
            )
            expect(not torch.equal(one, two), f"On {case.name}, {name} is the same under every condition.")


def samples_follow_conditions(subject: Subject) -> None:
    """Samples under each of two conditions lie nearer to the events with that condition than to the others."""
    for case in _known(subject):
        distance, error = _apart(case, case.wide)
        if distance <= 4 * error and (longer := _trained_longer(case)) is not None:
            distance, error = _apart(case, longer)
        expect(
            distance > 4 * error,
            f"On {case.name}, means of samples under its two conditions are {distance:.3g} apart in the direction in "
            f"which the means of the events are 1 apart.",
        )


def _apart(case: Case, generator: Generator) -> tuple[float, float]:
    """Return how far apart means of samples under two conditions are, with the standard error.

    The unit is the distance of the means of the events.
    """
    condition = case.dataset.conditions
    assert condition is not None
    x, side = case.events().flatten(1), torch.from_numpy(condition[:, 0] == 1)
    way = x[side].mean(0) - x[~side].mean(0)
    places = []
    for given in _both_sides(case, _SAMPLES):
        drawn = scoped(functools.partial(case.sample, _SAMPLES, generator, given))
        places.append(drawn.double().flatten(1) @ way / way.square().sum())
    left, right = places
    return float(right.mean() - left.mean()), float(((left.var() + right.var()) / _SAMPLES).sqrt())


def _trained_longer(case: Case) -> Generator | None:
    """Return a generator that has trained for more steps; `None` if it does not train in steps by gradients.

    Some models, such as diffusion, need them before they follow a condition.
    """
    if not isinstance(case.subject.configuration().training, GradientTraining):
        return None
    trained = train_in_memory(case.setup(steps=_STEPS)).generator
    return copy.deepcopy(trained).double().eval().requires_grad_(False)


def _conditional(subject: Subject) -> list[Case]:
    """Return the cases with conditions.

    Raises:
        DoesNotApply: the model does not learn given conditions.
    """
    if not subject.entry.spec.conditional:
        raise DoesNotApply("its spec does not say that it is conditional")
    cases = [case for case in subject.cases.values() if case.data.condition]
    expect(bool(cases), "Its spec says that it is conditional, but it builds for no toy dataset with conditions.")
    return cases


def _known(subject: Subject) -> list[Case]:
    """Return the cases of two conditions under which events are far apart.

    Raises:
        DoesNotApply: there are none.
    """
    cases = [case for case in _conditional(subject) if case.name in GIVEN_SIDE]
    if not cases:
        raise DoesNotApply(f"it builds for none of the toy datasets {' and '.join(GIVEN_SIDE)}")
    return cases


def _both_sides(case: Case, n: int) -> tuple[Tensor, Tensor]:
    """Return the condition of the first and of the second event, which differ, `(n, D)` each."""
    both = case.conditions(2)
    assert both is not None
    return both[:1].expand(n, -1), both[1:].expand(n, -1)


def _answers(case: Case) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
    """Yield what must depend on the condition, with its name: functions of conditions `(N, D)`."""
    yield "sample", lambda condition: case.sample(_EVENTS, condition=condition.clone())
    for question in _dependent(case.wide):
        yield question.name, functools.partial(_under, case, question)


def _under(case: Case, question: Question, condition: Tensor) -> Tensor:
    given = material(case, question, _EVENTS)
    return answer(question, case.wide, dataclasses.replace(given, condition=condition))


def _dependent(generator: Generator) -> list[Question]:
    """Return the questions whose answers depend on the condition, if the distribution of events does."""
    asked = (Likelihood, LikelihoodBound, LikelihoodEstimate, Decoder)
    return [one for one in questions(generator) if one.capability in asked]


def _takes(method: Callable[..., Any]) -> bool:
    return "condition" in inspect.signature(method).parameters


def _raises(call: Callable[[], object]) -> bool:
    try:
        scoped(call)
    except Exception:
        return True
    return False


PROMISES = tuple(
    Promise.of(check)
    for check in (takes_condition, refuses_a_missing_condition, conditions_change_answers, samples_follow_conditions)
)
