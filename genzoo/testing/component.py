"""Promises of models made of components."""

from __future__ import annotations

import torch

from genzoo.model import Components, Outliers
from genzoo.testing.promise import Promise, expect
from genzoo.testing.subject import Subject, copied, scoped


def posterior_sums_to_one(subject: Subject) -> None:
    """`log_posterior` gives every event a probability for each component, which sum to 1."""
    for case in subject.having(Components):
        module = case.wide
        assert isinstance(module, Components)
        for n in (1, 37):
            found = scoped(lambda module=module, n=n, case=case: module.log_posterior(*case.given(n)))  # type: ignore[misc]
            expect(
                found.ndim == 2 and len(found) == n,
                f"On {case.name}, log_posterior of {n} events has the shape {tuple(found.shape)} and not ({n}, K).",
            )
            total = found.exp().sum(1)
            expect(
                torch.allclose(total, torch.ones_like(total), atol=1e-6),
                f"On {case.name}, the probabilities of components sum to {total[(total - 1).abs().argmax()]:.6g}.",
            )


def outliers_have_a_component(subject: Subject) -> None:
    """The component of outliers is one of the posterior's, and gets events far from all others."""
    for case in subject.having(Outliers):
        module = case.wide
        assert isinstance(module, Outliers)
        given = case.given(37)
        posterior, covered = (
            scoped(lambda ask=ask, given=given: ask(*copied(given)))  # type: ignore[misc]
            for ask in (module.log_posterior, module.covers)
        )
        expect(
            0 <= module.outlier < posterior.shape[1],
            f"On {case.name}, outliers are component {module.outlier} of {posterior.shape[1]}.",
        )
        expect(
            covered.dtype == torch.bool and tuple(covered.shape) == (37,),
            f"On {case.name}, covers gives {covered.dtype} of the shape {tuple(covered.shape)} of 37 events.",
        )
        far = given[0] + 1e3 * (1.0 + given[0].abs().amax(0))
        named = scoped(lambda module=module, far=far: module.log_posterior(far)).argmax(1)  # type: ignore[misc]
        expect(
            bool((named == module.outlier).all()), f"On {case.name}, events far from everything seen are no outliers."
        )


PROMISES = (Promise.of(posterior_sums_to_one, "components"), Promise.of(outliers_have_a_component, "outliers"))
