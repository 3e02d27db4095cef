"""Promises about everything that a generator can be asked about events, whatever the question."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genzoo.model import (
    Components,
    Decoder,
    Encoder,
    Generator,
    Imputation,
    Likelihood,
    LikelihoodBound,
    Outliers,
    Reconstruction,
)
from genzoo.testing.promise import Promise, expect
from genzoo.testing.subject import Case, Subject, copied, scoped

Given = tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that generators with a capability can be asked.

    Arguments:
        name: the method's.
        capability: whose method it is.
        ask: of a generator and what it is given: events, maybe with a mask of missing values, or latent vectors.
        chance: whether the answer may depend on chance.
        latent: whether it is given latent vectors.
    """

    name: str
    capability: type
    ask: Callable[[Any, Given], Tensor]
    chance: bool = False
    latent: bool = False


def holed(given: Given) -> tuple[Tensor, Tensor]:
    """Events with a mask of missing values: their own, or else every other place of every other event."""
    if len(given) == 2:
        return given[0], given[1]
    x = given[0]
    missing = torch.zeros(len(x), math.prod(x.shape[1:]), dtype=torch.bool, device=x.device)
    missing[::2, ::2] = True
    missing = missing.view(x.shape)
    return x.masked_fill(missing, 0.0), missing


LOG_PROB = Question("log_prob", Likelihood, lambda generator, given: generator.log_prob(*given))
QUESTIONS = (
    LOG_PROB,
    Question("log_prob_bound", LikelihoodBound, lambda generator, given: generator.log_prob_bound(*given), chance=True),
    Question("encode", Encoder, lambda generator, given: generator.encode(*given)),
    Question("decode", Decoder, lambda generator, given: generator.decode(*given), latent=True),
    Question("reconstruct", Reconstruction, lambda generator, given: generator.reconstruct(*given)),
    Question("log_posterior", Components, lambda generator, given: generator.log_posterior(*given)),
    Question("covers", Outliers, lambda generator, given: generator.covers(*given)),
    Question("impute", Imputation, lambda generator, given: generator.impute(*holed(given)), chance=True),
)


def questions(generator: Generator) -> Iterator[Question]:
    """Those that a generator has an answer to."""
    return (question for question in QUESTIONS if isinstance(generator, question.capability))


def material(case: Case, question: Question, count: int, dtype: torch.dtype = torch.float64) -> Given:
    """What a question is about: the first `count` events, or as many latent vectors."""
    if not question.latent:
        return case.given(count, dtype)
    decoder = case.wide
    assert isinstance(decoder, Decoder)
    return (scoped(lambda: decoder.prior_sample(count)).to(dtype),)


def answer(question: Question, generator: Generator, given: Given) -> Tensor:
    """What a generator says, always in the same random scope."""
    return scoped(lambda: question.ask(generator, copied(given)))


def part(given: Given, rows: slice | Tensor) -> Given:
    """Some of the events."""
    return tuple(tensor[rows] for tensor in given)


def stands_alone(case: Case, question: Question) -> None:
    """Hold a generator to saying the same of an event alone, in another order and in other company."""
    generator, given = case.wide, material(case, question, 37)
    whole = answer(question, generator, given)
    backwards = torch.arange(36, -1, -1)
    found = {
        "in another order": answer(question, generator, part(given, backwards))[backwards],
        "alone": torch.cat([answer(question, generator, part(given, slice(row, row + 1))) for row in range(5)]),
        "in other company": answer(question, generator, part(given, slice(5)))[:5],
    }
    for how, other in found.items():
        same = torch.allclose(other.double(), whole[: len(other)].double(), rtol=1e-6, atol=1e-8, equal_nan=True)
        expect(same, f"On {case.name}, {question.name} says something else of an event {how}.")


def answers_stand_alone(subject: Subject) -> None:
    """What it says of an event, or of a latent vector, does not depend on the others in the batch."""
    for case in subject.cases.values():
        for question in questions(case.wide):
            if not question.chance and question is not LOG_PROB:
                stands_alone(case, question)


def answers_to_odd_batches(subject: Subject) -> None:
    """Of no event, of one and of 37 it says as many things as there are events."""
    for case in subject.cases.values():
        generator = case.wide
        for n in (0, 1, 37):
            for question in questions(generator):
                found = answer(question, generator, material(case, question, n))
                expect(
                    len(found) == n,
                    f"On {case.name}, {question.name} of {n} events has the shape {tuple(found.shape)}.",
                )
        drawn = scoped(lambda generator=generator: generator.sample(0))  # type: ignore[misc]
        expect(
            tuple(drawn.shape) == (0, *case.data.event_shape),
            f"On {case.name}, sample(0) has the shape {tuple(drawn.shape)}.",
        )


def answers_change_nothing(subject: Subject) -> None:
    """Being asked or sampled from changes neither its weights and buffers nor what it was given."""
    for case in subject.cases.values():
        generator = case.generator()
        before = {name: value.clone() for name, value in generator.state_dict().items()}
        for question in questions(generator):
            given = material(case, question, 37)
            kept = tuple(tensor.clone() for tensor in given)
            scoped(lambda question=question, generator=generator, given=given: question.ask(generator, given))  # type: ignore[misc]
            same = all(map(torch.equal, given, kept))
            expect(same, f"On {case.name}, {question.name} changes what it is given.")
        scoped(lambda generator=generator: generator.sample(37))  # type: ignore[misc]
        for name, value in generator.state_dict().items():
            same = torch.equal(value, before[name])
            expect(same, f"On {case.name}, its {name!r} is another after it was asked and sampled from.")


def both_precisions(subject: Subject) -> None:
    """In float32 and in float64 it answers in that type, and alike."""
    for case in subject.cases.values():
        narrow = case.generator(torch.float32)
        for question in questions(narrow):
            given = material(case, question, 37, torch.float32)
            rough = answer(question, narrow, given)
            expect(
                rough.dtype in (torch.float32, torch.bool),
                f"On {case.name}, {question.name} of a model in float32 is {rough.dtype}.",
            )
            if question.chance or rough.dtype == torch.bool:
                continue
            exact = answer(question, case.wide, tuple(t.double() if t.is_floating_point() else t for t in given))
            expect(
                exact.dtype == torch.float64, f"On {case.name}, {question.name} of a model in float64 is {exact.dtype}."
            )
            scale = 1.0 + exact[exact.isfinite()].abs().mean().item()
            far = ((rough.double() - exact).abs() / scale)[exact.isfinite()]
            expect(
                bool((far < 1e-3).double().mean() > 0.9),
                f"On {case.name}, {question.name} differs by {far.max():.1e} of its size between float32 and float64.",
            )


PROMISES = tuple(
    Promise.of(check)
    for check in (answers_stand_alone, answers_to_odd_batches, answers_change_nothing, both_precisions)
)
