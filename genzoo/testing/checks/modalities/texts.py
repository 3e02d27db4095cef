"""Promises about texts: their width changes nothing, and they are drawn with the probabilities that are declared."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from genzoo.config.resolve import options_class
from genzoo.config.tokens import TokenOptions, Tokens
from genzoo.data.dataset import Dataset
from genzoo.data.texts.lines import listed
from genzoo.data.texts.symbols import decoded
from genzoo.data.transforms.ended import shortened
from genzoo.models.base import Likelihood
from genzoo.plugins.registry import MissingExtraError
from genzoo.testing.checks.capabilities import answer, material, questions
from genzoo.testing.checks.likelihood import log_prob
from genzoo.testing.event_values import impossible
from genzoo.testing.promise import DoesNotApply, Promise, expect
from genzoo.testing.quadrature import grid_of
from genzoo.testing.subject import Case, Subject, scoped

_MOST, _DRAWN = 10_000, 20_000
"""Largest number of possible texts that are enumerated, and number of samples that are counted."""


_FEW_DRAWN, _MOST_BYTES, _VOCABULARY = 4096, 6, 260
"""Number of samples, and size of the texts and of the BPE, for texts under each kind of tokens."""


_FAR = 6.0
"""How many standard errors a count may be from its expectation: among 10,000 texts, one in 50,000 tests errs."""


@dataclass(frozen=True, slots=True)
class CountedTexts:
    """How often texts were drawn, beside their probabilities.

    Arguments:
        known: whether every drawn text is a possible one.
        worst: number of the text whose share is the farthest from its probability.
        share: the share of that text.
        near: whether this share is near enough.
    """

    known: bool
    worst: int
    share: float
    near: bool


def count_texts(texts: Tensor, mass: Tensor, drawn: Tensor) -> CountedTexts:
    """Count drawn texts.

    Arguments:
        texts: all possible texts, `(K, L)`.
        mass: their probabilities, `(K,)`.
        drawn: the drawn ones, `(N, L)`.
    """
    found, counts = torch.unique(torch.cat([texts, drawn]), dim=0, return_counts=True)
    if len(found) != len(texts):
        return CountedTexts(False, 0, 0.0, False)
    share = (counts[torch.unique(texts, dim=0, return_inverse=True)[1]] - 1) / len(drawn)
    error = (mass * (1 - mass).clamp(min=0) / len(drawn)).sqrt() + 1 / len(drawn)
    far = (share - mass).abs() / error
    worst = int(far.argmax())
    return CountedTexts(True, worst, float(share[worst]), bool(far[worst] < _FAR))


def width_changes_nothing(subject: Subject) -> None:
    """The results for a text are the same at any width of its batch that leaves room for the end."""
    for case in _of_texts(subject):
        for question in questions(case.wide):
            if question.chance or question.latent:
                continue
            given = material(case, question, 37)
            wide = answer(question, case.wide, given)
            for row in range(len(given.x)):
                x = shortened(given.x[row : row + 1], case.data.end)
                condition = None if given.condition is None else given.condition[row : row + 1]
                narrow = answer(question, case.wide, dataclasses.replace(given, x=x, condition=condition))
                if narrow.shape[1:] != wide.shape[1:]:  # such as a reconstruction, which is as wide as its text
                    break
                expect(
                    torch.allclose(narrow[0], wide[row], rtol=1e-6, atol=1e-8),
                    f"On {case.name}, {question.name} of a text differs between a batch of {x.shape[1]} places and one "
                    f"of {given.x.shape[1]}. Leave out what stands after the first end.",
                )


def texts_have_their_masses(subject: Subject) -> None:
    """Every possible text is drawn as often as its probability says."""
    checked = 0
    for case in _of_texts(subject):
        grid = grid_of(case, _MOST, 1, 1) if isinstance(case.wide, Likelihood) else None
        if grid is None:
            continue
        checked += 1
        texts = grid.events[~impossible(grid.events, case.data)]
        mass = log_prob(case, case.under_one(texts)).exp()
        drawn = scoped(functools.partial(case.sample, _DRAWN, condition=case.one_condition(_DRAWN))).double()
        counted = count_texts(texts, mass, drawn)
        expect(counted.known, f"On {case.name}, samples hold codes that are none of its symbols.")
        text = decoded(texts[counted.worst : counted.worst + 1].numpy(), case.data)[0]
        expect(
            counted.near,
            f"On {case.name}, the probability of {text!r} is {mass[counted.worst]:.4g}, and {counted.share:.4g} of the "
            f"samples are this text.",
        )
    if not checked:
        raise DoesNotApply("it has no exact likelihood, or too many possible texts to enumerate")


def tokens_keep_probabilities(subject: Subject) -> None:
    """Texts are drawn as often as their probabilities say: under bytes, characters, and, as a lower bound, BPE."""
    if not issubclass(options_class(subject.entry), TokenOptions):
        raise DoesNotApply("its options do not say what a symbol is (genzoo.TokenOptions)")
    texts = _all_texts()
    for tokens in get_args(Tokens):
        case = Case(subject.under({"tokens": tokens, "vocabulary": _VOCABULARY}), _words(texts))
        try:
            case.parts()
        except MissingExtraError:
            continue
        fitted = case.fitted
        if "likelihood" not in fitted.capabilities and not fitted.transform.bound:
            raise DoesNotApply("it has no exact likelihood")
        exact = "likelihood" in fitted.capabilities
        mass = np.exp(fitted.log_prob(texts) if exact else fitted.log_prob_bound(texts))
        expect(mass.sum() < 1.001, f"Under tokens={tokens}, the probabilities of some texts sum to {mass.sum():.4g}.")
        drawn = Counter(decoded(fitted.sample(_FEW_DRAWN, output="array"), fitted.data))
        share = np.array([drawn[text] for text in texts]) / _FEW_DRAWN
        error = np.sqrt(mass * (1 - mass).clip(0) / _FEW_DRAWN) + 1 / _FEW_DRAWN
        # The longest texts are also drawn as what is left of longer ones, which are cut.
        may_be_more = np.array(
            [not exact or len(text.encode()) > _MOST_BYTES - 3 * (tokens != "bytes") for text in texts]
        )
        off = np.where(may_be_more, (mass - share).clip(0), abs(share - mass)) / error
        worst = int(off.argmax())
        expect(
            off[worst] < _FAR,
            f"Under tokens={tokens}, the probability of {texts[worst]!r} is {mass[worst]:.4g}, and {share[worst]:.4g} "
            f"of the samples are this text.",
        )


def _all_texts() -> list[str]:
    """Return all texts of the letters `a` and `é` with at most `_MOST_BYTES` bytes."""
    whole = ("".join(text) for size in range(_MOST_BYTES + 1) for text in itertools.product("aé", repeat=size))
    return [text for text in whole if len(text.encode()) <= _MOST_BYTES]


def _words(texts: list[str]) -> Dataset:
    """Return texts as data, short ones more often."""
    rng = np.random.default_rng(0)
    share = np.array([0.5 ** len(text) for text in texts])
    chosen = rng.choice(len(texts), 160, p=share / share.sum())
    return dataclasses.replace(listed([*(texts[place] for place in chosen), texts[-1]]), name="two letters")


def _of_texts(subject: Subject) -> Iterator[Case]:
    """Yield the cases of texts.

    Raises:
        DoesNotApply: there are none.
    """
    cases = [case for case in subject.cases.values() if case.data.form.ended]
    if not cases:
        raise DoesNotApply("it does not take texts")
    yield from cases


PROMISES = (
    Promise.of(width_changes_nothing),
    Promise.of(texts_have_their_masses, "likelihood"),
    Promise.of(tokens_keep_probabilities, "likelihood"),
)
