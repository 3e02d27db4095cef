"""Promises about latent vectors, components and imputation, and about all capabilities together.

A `Question` is one method of a capability, such as `encode`. The promises in `ANSWER` put every question to a model.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genzoo.models.base import (
    AnomalyScore,
    Autoregressive,
    Components,
    Decoder,
    Encoder,
    Generator,
    Imputation,
    Likelihood,
    LikelihoodBound,
    LikelihoodEstimate,
    Outliers,
    Reconstruction,
)
from genzoo.testing.event_values import event_values_of
from genzoo.testing.given import Given, as_doubles, copied, holed, is_same, take_part
from genzoo.testing.promise import Promise, expect
from genzoo.testing.subject import Case, Subject, scoped


@dataclass(frozen=True, slots=True)
class Question:
    """One method of a capability.

    Arguments:
        name: name of the method.
        capability: class of the capability.
        ask: calls the method. Takes a generator and its inputs: events or latent vectors, perhaps with a mask of
            missing values and conditions.
        chance: whether the answer may be random. Defaults to False.
        latent: whether the input is latent vectors. Defaults to False.
    """

    name: str
    capability: type
    ask: Callable[[Any, Given], Tensor]
    chance: bool = False
    latent: bool = False


LOG_PROB = Question("log_prob", Likelihood, lambda generator, given: given.ask(generator.log_prob))


QUESTIONS = (
    LOG_PROB,
    Question(
        "log_prob_bound", LikelihoodBound, lambda generator, given: given.ask(generator.log_prob_bound), chance=True
    ),
    Question(
        "log_prob_estimate",
        LikelihoodEstimate,
        lambda generator, given: given.ask(generator.log_prob_estimate, probes=2, steps=2)[0],
        chance=True,
    ),
    Question("log_prob_each", Autoregressive, lambda generator, given: given.ask(generator.log_prob_each)),
    Question("encode", Encoder, lambda generator, given: given.ask(generator.encode)),
    Question("decode", Decoder, lambda generator, given: given.ask(generator.decode), latent=True),
    Question("reconstruct", Reconstruction, lambda generator, given: given.ask(generator.reconstruct)),
    Question("anomaly_score", AnomalyScore, lambda generator, given: given.ask(generator.anomaly_score)),
    Question("log_posterior", Components, lambda generator, given: given.ask(generator.log_posterior)),
    Question("covers", Outliers, lambda generator, given: given.ask(generator.covers)),
    Question("impute", Imputation, lambda generator, given: holed(given)[0].ask(generator.impute), chance=True),
)


def questions(generator: Generator) -> Iterator[Question]:
    """Return the questions that a generator can answer."""
    return (question for question in QUESTIONS if isinstance(generator, question.capability))


def material(case: Case, question: Question, count: int, dtype: torch.dtype = torch.float64) -> Given:
    """Return the input of a question: the first `count` events, or as many latent vectors."""
    if not question.latent:
        return case.given(count, dtype)
    return Given(scoped(lambda: case.prior(count)).to(dtype), None, case.conditions(count, dtype), case.data, True)


def answer(question: Question, generator: Generator, given: Given) -> Tensor:
    """Put a question to a generator, always in the same random scope."""
    return scoped(lambda: question.ask(generator, copied(given)))


def stands_alone(case: Case, question: Question) -> None:
    """Check that the answer for an event is the same alone, in another order and in a smaller batch."""
    generator, given = case.wide, material(case, question, 37)
    whole = answer(question, generator, given)
    backwards = torch.arange(36, -1, -1)
    others = {
        "in another order": answer(question, generator, take_part(given, backwards))[backwards],
        "alone": torch.cat([answer(question, generator, take_part(given, slice(row, row + 1))) for row in range(5)]),
        "in a smaller batch": answer(question, generator, take_part(given, slice(5)))[:5],
    }
    for how, other in others.items():
        same = torch.allclose(other.double(), whole[: len(other)].double(), rtol=1e-6, atol=1e-8, equal_nan=True)
        expect(same, f"On {case.name}, {question.name} gives a different result for an event {how}.")


def answers_stand_alone(subject: Subject) -> None:
    """The result for an event, or for a latent vector, does not depend on the rest of the batch."""
    for case in subject.cases.values():
        for question in questions(case.wide):
            if not question.chance and question is not LOG_PROB:
                stands_alone(case, question)


def answers_to_odd_batches(subject: Subject) -> None:
    """Every method takes batches of 1 and 37 events and returns one result per event."""
    for case in subject.cases.values():
        generator = case.wide
        for n in (1, 37):
            for question in questions(generator):
                result = answer(question, generator, material(case, question, n))
                expect(
                    len(result) == n,
                    f"On {case.name}, {question.name} of {n} events has shape {tuple(result.shape)}.",
                )


def answers_change_nothing(subject: Subject) -> None:
    """Sampling and the model's other methods change neither its weights and buffers nor their inputs."""
    for case in subject.cases.values():
        generator = case.generator()
        before = {name: value.clone() for name, value in generator.state_dict().items()}
        for question in questions(generator):
            given = material(case, question, 37)
            kept = copied(given)
            scoped(lambda question=question, generator=generator, given=given: question.ask(generator, given))  # type: ignore[misc]
            expect(is_same(given, kept), f"On {case.name}, {question.name} changes its input.")
        scoped(lambda case=case, generator=generator: case.sample(37, generator))  # type: ignore[misc]
        for name, value in generator.state_dict().items():
            same = torch.equal(value, before[name])
            expect(same, f"On {case.name}, calling the model's methods or sampling from it changes {name!r}.")


def both_precisions(subject: Subject) -> None:
    """Results in float32 and in float64 have that dtype and agree."""
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
            exact = answer(question, case.wide, as_doubles(given))
            expect(
                exact.dtype == torch.float64, f"On {case.name}, {question.name} of a model in float64 is {exact.dtype}."
            )
            scale = 1.0 + exact[exact.isfinite()].abs().mean().item()
            far = ((rough.double() - exact).abs() / scale)[exact.isfinite()]
            expect(
                bool((far < 1e-3).double().mean() > 0.9),
                f"On {case.name}, {question.name} in float32 and in float64 differ by up to {far.max():.1e} of their "
                f"mean size.",
            )


ANSWER = tuple(
    Promise.of(check)
    for check in (answers_stand_alone, answers_to_odd_batches, answers_change_nothing, both_precisions)
)


def posterior_sums_to_one(subject: Subject) -> None:
    """`log_posterior` returns a log-probability per event and component; the probabilities of an event sum to 1."""
    for case in subject.having(Components):
        module = case.wide
        assert isinstance(module, Components)
        for n in (1, 37):
            posterior = scoped(lambda module=module, n=n, case=case: case.given(n).ask(module.log_posterior))  # type: ignore[misc]
            expect(
                posterior.ndim == 2 and len(posterior) == n,
                f"On {case.name}, log_posterior of {n} events has shape {tuple(posterior.shape)}, not ({n}, K).",
            )
            total = posterior.exp().sum(1)
            expect(
                torch.allclose(total, torch.ones_like(total), atol=1e-6),
                f"On {case.name}, the probabilities of components sum to {total[(total - 1).abs().argmax()]:.6g}, "
                f"not to 1.",
            )


def outliers_have_a_component(subject: Subject) -> None:
    """`outlier` is the index of a component, and events far from all data most probably belong to it."""
    for case in subject.having(Outliers):
        module = case.wide
        assert isinstance(module, Outliers)
        given = case.given(37)
        posterior, covered = (
            scoped(lambda ask=ask, given=given: copied(given).ask(ask))  # type: ignore[misc]
            for ask in (module.log_posterior, module.covers)
        )
        expect(
            0 <= module.outlier < posterior.shape[1],
            f"On {case.name}, outlier is {module.outlier}, which is not the index of one of {posterior.shape[1]} "
            f"components.",
        )
        expect(
            covered.dtype == torch.bool and tuple(covered.shape) == (37,),
            f"On {case.name}, covers of 37 events is {covered.dtype} of shape {tuple(covered.shape)}, not torch.bool "
            f"of shape (37,).",
        )
        far = dataclasses.replace(given, x=given.x + 1e3 * (1.0 + given.x.abs().amax(0)), missing=None)
        named = scoped(lambda module=module, far=far: far.ask(module.log_posterior)).argmax(1)  # type: ignore[misc]
        expect(
            bool((named == module.outlier).all()),
            f"On {case.name}, some events far from all data belong to another component than outliers.",
        )


COMPONENT = (Promise.of(posterior_sums_to_one, "components"), Promise.of(outliers_have_a_component, "outliers"))


_EVENTS = 20


def imputation_keeps_observed(subject: Subject) -> None:
    """`impute` returns observed values bit for bit, and fills in every missing value with a valid one."""
    for case in subject.having(Imputation):
        module = case.wide
        assert isinstance(module, Imputation)
        given, missing = holed(case.given(_EVENTS))
        x = given.x
        for draw in (False, True):
            filled = scoped(functools.partial(copied(given).ask, module.impute, draw=draw))
            expect(
                filled.shape == x.shape,
                f"On {case.name}, impute of events of shape {tuple(x.shape)} has shape {tuple(filled.shape)}.",
            )
            same = torch.equal(filled[~missing], x[~missing])
            expect(same, f"On {case.name}, impute{' with draw=True' * draw} changes observed values.")
            _check_filled(case, filled, missing, draw)


def imputation_draws(subject: Subject) -> None:
    """With `draw=True`, `impute` draws from the core's random scope: equal scopes give equal values, others do not."""
    for case in subject.having(Imputation):
        module = case.wide
        assert isinstance(module, Imputation)
        given, _ = holed(case.given(_EVENTS))
        first, again, other = (
            scoped(lambda module=module, given=given: copied(given).ask(module.impute, draw=True), seed)  # type: ignore[misc]
            for seed in (1, 1, 2)
        )
        expect(torch.equal(first, again), f"On {case.name}, impute draws different values in the same scope.")
        expect(not torch.equal(first, other), f"On {case.name}, impute draws the same values in different scopes.")


def _check_filled(case: Case, filled: Tensor, missing: Tensor, draw: bool) -> None:
    expect(bool(filled.isfinite().all()), f"On {case.name}, impute leaves values that are not finite.")
    for place, values, gone in zip(event_values_of(case), filled.flatten(1).T, missing.flatten(1).T, strict=True):
        # A mean of two codes is a probability, and a valid value; a mean of three or more codes is not.
        if place.levels is not None and case.data.form.columns and (draw or len(place.levels) > 2):
            near = (values[gone][:, None] - place.levels).abs().amin(1)
            expect(
                bool((near < 1e-5).all()), f"On {case.name}, impute fills {place.name} with values that are not codes."
            )


IMPUTATION = (Promise.of(imputation_keeps_observed, "imputation"), Promise.of(imputation_draws, "imputation"))


def decode_shape(subject: Subject) -> None:
    """`prior_sample` draws vectors of `latent` numbers, and `decode` turns each into a finite event."""
    for case in subject.having(Decoder):
        decoder = case.wide
        assert isinstance(decoder, Decoder)
        expect(
            isinstance(decoder.latent, int) and decoder.latent > 0,
            f"On {case.name}, latent is {decoder.latent!r}, which is not a positive whole number.",
        )
        for n in (1, 37):
            z = scoped(lambda case=case, n=n: case.prior(n))  # type: ignore[misc]
            expect(
                tuple(z.shape) == (n, decoder.latent),
                f"On {case.name}, prior_sample({n}) has shape {tuple(z.shape)}, not {(n, decoder.latent)}.",
            )
            codes = Given(z.clone(), None, case.conditions(n), case.data, True)
            x = scoped(lambda decoder=decoder, codes=codes: codes.ask(decoder.decode))  # type: ignore[misc]
            wanted = (n, *case.data.event_shape)
            expect(
                tuple(x.shape) == wanted,
                f"On {case.name}, decode of {n} vectors has shape {tuple(x.shape)}, not {wanted}.",
            )
            expect(bool(x.isfinite().all()), f"On {case.name}, decode returns numbers that are not finite.")


def encode_shape(subject: Subject) -> None:
    """`encode` returns one finite latent vector per event, of length `latent` if the model also decodes."""
    for case in subject.having(Encoder):
        encoder = case.wide
        assert isinstance(encoder, Encoder)
        for n in (1, 37):
            z = scoped(lambda encoder=encoder, n=n, case=case: case.given(n).ask(encoder.encode))  # type: ignore[misc]
            length = encoder.latent if isinstance(encoder, Decoder) else z.shape[-1]
            expect(
                tuple(z.shape) == (n, length),
                f"On {case.name}, encode of {n} events has shape {tuple(z.shape)}, not {(n, length)}.",
            )
            expect(bool(z.isfinite().all()), f"On {case.name}, encode returns numbers that are not finite.")


def reconstruct_shape(subject: Subject) -> None:
    """`reconstruct` returns finite events of the same shape as its input."""
    for case in subject.having(Reconstruction):
        module = case.wide
        assert isinstance(module, Reconstruction)
        given = case.given()
        x = scoped(lambda module=module, given=given: copied(given).ask(module.reconstruct))  # type: ignore[misc]
        expect(
            x.shape == given.x.shape,
            f"On {case.name}, reconstruct returns shape {tuple(x.shape)}, not {tuple(given.x.shape)}.",
        )
        expect(bool(x.isfinite().all()), f"On {case.name}, reconstruct returns numbers that are not finite.")


LATENT = (
    Promise.of(decode_shape, "decoder"),
    Promise.of(encode_shape, "encoder"),
    Promise.of(reconstruct_shape, "reconstruction"),
)
