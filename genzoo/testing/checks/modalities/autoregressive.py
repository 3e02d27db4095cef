"""Promises about texts that are drawn one symbol after another, and about the probability of each symbol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from genzoo.config.sampling import Sampling
from genzoo.data.texts.symbols import decoded
from genzoo.data.transforms.ended import completed, lengths_in, shortened
from genzoo.models.base import Autoregressive, Likelihood
from genzoo.models.next_symbol import collect_symbols
from genzoo.testing.checks.likelihood import log_prob
from genzoo.testing.checks.modalities.texts import count_texts
from genzoo.testing.event_values import impossible
from genzoo.testing.given import Given
from genzoo.testing.promise import DoesNotApply, Promise, expect
from genzoo.testing.quadrature import grid_of
from genzoo.testing.subject import Case, Subject, scoped

_MOST, _DRAWN, _PROMPTS = 10_000, 5_000, 20
"""Largest number of possible texts that are enumerated, number of samples for each prompt, and most prompts."""


def _answered(case: Case, given: Given) -> Tensor:
    module = case.wide
    assert isinstance(module, Autoregressive)
    return scoped(lambda: given.ask(module.log_prob_each))


def symbols_sum_to_texts(subject: Subject) -> None:
    """`log_prob_each` returns a log-probability for each symbol, and their sum over a text is `log_prob`."""
    for case in subject.having(Autoregressive):
        given = case.given(37)
        each = _answered(case, given)
        wanted = tuple(given.x.shape)
        expect(
            tuple(each.shape) == wanted,
            f"On {case.name}, log_prob_each of texts of shape {wanted} has shape {tuple(each.shape)}.",
        )
        if not isinstance(case.wide, Likelihood):
            continue
        whole = log_prob(case, given)
        far = (each.sum(1) - whole).abs()
        expect(
            torch.allclose(each.sum(1), whole, rtol=1e-6, atol=1e-8),
            f"On {case.name}, log_prob_each of a text sums to {each.sum(1)[far.argmax()]:.6g}, and its log_prob is "
            f"{whole[far.argmax()]:.6g}.",
        )


def symbols_stop_at_the_end(subject: Subject) -> None:
    """`log_prob_each` is 0 after the first end of a text."""
    for case in subject.having(Autoregressive):
        given = case.given(37)
        after = torch.arange(given.x.shape[1]) > lengths_in(given.x, _end(case))[:, None]
        rest = _answered(case, given)[after]
        expect(
            bool((rest == 0).all()),
            f"On {case.name}, log_prob_each has {rest[rest.abs().argmax()] if len(rest) else 0:.4g} after the end of a "
            f"text. Set such places to 0.",
        )


def symbols_look_back(subject: Subject) -> None:
    """The log-probability of a symbol depends only on it and on the symbols before it."""
    for case in subject.having(Autoregressive):
        given = case.given(37)
        before, others = _answered(case, given), given.x.roll(1, 0)
        for place in range(1, given.x.shape[1]):
            changed = torch.cat([given.x[:, :place], others[:, place:]], 1)
            after = _answered(case, Given(changed, None, given.condition, case.data))
            expect(
                torch.allclose(after[:, :place], before[:, :place], rtol=1e-6, atol=1e-8),
                f"On {case.name}, log_prob_each of the first {place} symbols changes with the symbols after them.",
            )


def prompts_stay(subject: Subject) -> None:
    """`generate` leaves its prompt as it is, and yields one code for each text, `(n,)` int64."""
    for case in subject.having(Autoregressive):
        codes = _prompts(case)[-1].expand(5, -1).clone()
        kept = codes.clone()
        drawn = scoped(lambda case=case, codes=codes: next(_generate(case, codes)))  # type: ignore[misc]
        expect(torch.equal(codes, kept), f"On {case.name}, generate changes its prompt.")
        good = tuple(drawn.shape) == (5,) and drawn.dtype == torch.int64
        expect(
            good and bool(((drawn >= 0) & (drawn <= _end(case))).all()),
            f"On {case.name}, generate yields {drawn.dtype} of shape {tuple(drawn.shape)} for 5 texts, not codes of "
            f"shape (5,) and type torch.int64 from 0 to {_end(case)}.",
        )


def samples_are_generated(subject: Subject) -> None:
    """`sample` draws what `generate` draws without a prompt: equal random scopes give equal texts."""
    for case in subject.having(Autoregressive):
        drawn = scoped(lambda case=case: case.sample(37, condition=case.one_condition(37)))  # type: ignore[misc]
        nothing = torch.empty((37, 0), dtype=torch.int64)
        generated = scoped(lambda case=case, nothing=nothing: _texts(case, nothing))  # type: ignore[misc]
        expect(
            torch.equal(drawn.long(), generated),
            f"On {case.name}, sample draws other texts than generate in the same random scope, so a text that is shown "
            f"while it is drawn would differ. Let sample collect what generate yields.",
        )


def texts_follow_their_prompts(subject: Subject) -> None:
    """Given a prompt, every possible text is drawn as often as its probability says."""
    checked = 0
    for case in subject.having(Autoregressive):
        grid = grid_of(case, _MOST, 1, 1) if isinstance(case.wide, Likelihood) else None
        if grid is None:
            continue
        checked += 1
        texts = grid.events[~impossible(grid.events, case.data)]
        mass = log_prob(case, case.under_one(texts)).exp()
        for prompt in _prompts(case):
            fits = (texts[:, : len(prompt)] == prompt).all(1)
            _check_drawn(case, prompt, texts[fits].long(), mass[fits] / mass[fits].sum())
    if not checked:
        raise DoesNotApply("it has no exact likelihood, or too many possible texts to enumerate")


def _check_drawn(case: Case, prompt: Tensor, texts: Tensor, mass: Tensor) -> None:
    drawn = scoped(lambda: _texts(case, prompt.expand(_DRAWN, -1).clone()))
    counted = count_texts(texts, mass, drawn)
    shown = decoded(_padded(prompt, case)[None].numpy(), case.data)[0]
    expect(counted.known, f"On {case.name}, texts drawn after {shown!r} are none that begin so.")
    text = decoded(texts[counted.worst : counted.worst + 1].numpy(), case.data)[0]
    expect(
        counted.near,
        f"On {case.name}, the probability of {text!r} given that it begins with {shown!r} is "
        f"{mass[counted.worst]:.4g}, and {counted.share:.4g} of the texts drawn after this prompt are {text!r}.",
    )


def _end(case: Case) -> int:
    assert case.data.end is not None
    return case.data.end


def _prompts(case: Case) -> list[Tensor]:
    """Return beginnings of the texts of a case that leave room for a symbol, the empty one first, `(P,)` int64 each."""
    codes = shortened(case.given().x, case.data.end).long()
    found: dict[tuple[int, ...], None] = {(): None}
    for row, length in zip(codes.tolist(), lengths_in(codes, _end(case)).tolist(), strict=True):
        for size in range(1, min(length, case.data.event_shape[0] - 1) + 1):
            found[tuple(row[:size])] = None
    return [torch.tensor(prompt, dtype=torch.int64) for prompt in sorted(found, key=len)[:_PROMPTS]]


def _generate(case: Case, prompt: Tensor) -> Iterator[Tensor]:
    module = case.wide
    assert isinstance(module, Autoregressive)
    condition = case.one_condition(len(prompt))
    given: dict[str, Any] = {} if condition is None else {"condition": condition}
    return module.generate(prompt, **given, **Sampling.of(case.subject.entry, {}).options)


def _texts(case: Case, prompt: Tensor) -> Tensor:
    """Return texts drawn after a prompt `(n, P)`, complete, `(n, T)` int64."""
    longest = case.data.event_shape[0]
    drawn = collect_symbols(_generate(case, prompt.clone()), prompt, end=_end(case), longest=longest)
    return completed(drawn, case.data)


def _padded(prompt: Tensor, case: Case) -> Tensor:
    room = case.data.event_shape[0] - len(prompt)
    return torch.nn.functional.pad(prompt, (0, room), value=_end(case))


PROMISES = tuple(
    Promise.of(check, "autoregressive")
    for check in (
        symbols_sum_to_texts,
        symbols_stop_at_the_end,
        symbols_look_back,
        prompts_stay,
        samples_are_generated,
        texts_follow_their_prompts,
    )
)
