"""The probability of each symbol of a text given the few symbols before it, from counts of short pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from genzoo import (
    ArtifactError,
    Autoregressive,
    ConfigError,
    DataSpec,
    Generator,
    Likelihood,
    Parts,
    TextSampling,
    collect_symbols,
    draw_symbols,
)
from genzoo_text.ngram.options import NgramOptions

_MOST = 2**48
"""Largest count, and largest number of pieces: sums of counts then fit into int64."""


class Ngrams(Generator, Likelihood, Autoregressive):
    """Interpolated modified Kneser-Ney smoothing of counts of pieces of up to `order` symbols.

    Each symbol has the discounted share of its count among all counts after the `order - 1` symbols before it. What
    the discounts leave is divided as after one symbol less, and at last evenly among all symbols and the end. At the
    start of a text, the code of the end stands before the first symbol, and there is nothing before that.

    The pieces are nodes of a trie, see `genzoo_text.ngram.fitting.Tables`. All probabilities are computed in float64
    from whole counts, so they add up to 1 for any type of the discounts.

    References:
        "An Empirical Study of Smoothing Techniques for Language Modeling" (Chen and Goodman, 1999).

    Arguments:
        order: largest number of symbols of a piece.
        end: code of the end: the number of symbols.
        longest: number of symbols of the longest text.
    """

    needs_float64 = True
    grows = ("keys", "counts")

    def __init__(self, order: int, end: int, longest: int) -> None:
        super().__init__()
        self.order, self.end, self.longest = order, end, longest
        self.keys: Tensor
        self.counts: Tensor
        self.discounts: Tensor
        self.register_buffer("keys", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("counts", torch.zeros(end + 1, dtype=torch.int64))
        self.register_buffer("discounts", torch.tensor([[0.5, 1.0, 1.5]]).repeat(order, 1))
        # What follows from these: the sums of the counts of all keys before each; and for each context, a node that
        # may have children, its first key and how many children have a count of 1, 2 and more.
        self.below: Tensor
        self.firsts: Tensor
        self.kinds: Tensor
        for name, shape in (("below", (1,)), ("firsts", (1,)), ("kinds", (0, 3))):
            self.register_buffer(name, torch.zeros(shape, dtype=torch.int64), persistent=False)
        self._derive()
        self.register_load_state_dict_post_hook(_derive)  # type: ignore[no-untyped-call]

    @property
    def degrees_of_freedom(self) -> int | None:
        """None: smoothed counts are no maximum of the likelihood."""
        return None

    def set_tables(self, keys: Tensor, counts: Tensor, discounts: Tensor) -> None:
        """Set the fitted tables, see `genzoo_text.ngram.fitting.Tables`."""
        self.keys, self.counts = keys.to(self.keys), counts.to(self.counts)
        self.discounts = discounts.to(self.discounts)
        self._derive()

    def log_prob(self, x: Tensor) -> Tensor:
        return self._log_each(x).sum(1).to(self.discounts.dtype)

    def log_prob_each(self, x: Tensor) -> Tensor:
        return self._log_each(x).to(self.discounts.dtype)

    def sample(self, n: int, *, condition: Tensor | None = None, **options: Any) -> Tensor:
        none = torch.zeros(n, 0, dtype=torch.int64, device=self.counts.device)
        drawn = self.generate(none, **options)
        return collect_symbols(drawn, none, end=self.end, longest=self.longest).to(self.discounts.dtype)

    def generate(self, prompt: Tensor, *, condition: Tensor | None = None, **options: Any) -> Iterator[Tensor]:
        # The nodes of the last symbol, the last two, and so on, -1 if there is none: `(n, order - 1)`.
        contexts = prompt.new_full((len(prompt), self.order - 1), -1)
        contexts[:, :1] = self.end
        for symbols in prompt[:, -self.order :].unbind(1) if prompt.shape[1] >= self.order else prompt.unbind(1):
            contexts = self._followed(contexts, symbols)
        usual = TextSampling(**options) == TextSampling()
        while True:
            symbols = self._drawn(contexts) if usual else draw_symbols(self._shares(contexts).log(), **options)
            yield symbols
            contexts = self._followed(contexts, symbols)

    def _log_each(self, x: Tensor) -> Tensor:
        """Return the log-probability of each symbol of texts `(N, L)`, float64."""
        codes = x.long()
        before = pad(codes[:, :-1], (1, 0), value=self.end)
        started = before == self.end  # at the start of a text, and after the end
        started[:, 0] = False
        context = before.masked_fill(started.cummax(1).values, -1)
        share = self._usual()[codes]
        for level in range(1, self.order):
            node = torch.full_like(context, -1).flatten()
            # Places whose context has children; the context is known to be there only if all shorter ones are.
            places = (context >= 0).flatten().nonzero()[:, 0]
            own, symbol = context.flatten()[places], codes.flatten()[places]
            node[places] = child = self._children(own, symbol)
            flat = share.view(-1)
            flat[places] = self._interpolated(level, own, child, flat[places])
            context = pad(node.view_as(codes)[:, :-1], (1, 0), value=-1)
        return share.log().masked_fill(started.cummax(1).values, 0.0)

    def _usual(self) -> Tensor:
        """Return the probabilities of all symbols and the end with no context, `(end + 1,)` float64."""
        counts = self.counts[: self.end + 1]
        discounts = self._discount(0, counts)
        total = counts.sum().clamp_min(1)
        left = torch.where(counts.sum() > 0, discounts.sum(), total)
        return (counts - discounts + left / (self.end + 1)) / total

    def _interpolated(self, level: int, context: Tensor, child: Tensor, share: Tensor) -> Tensor:
        """Return the probabilities of symbols given contexts, from their probabilities with a symbol less, `(P,)`.

        Arguments:
            context, child: node of the context, and of the context with the symbol after it or -1, `(P,)`.
        """
        counts = torch.where(child >= 0, self.counts[child], 0)
        own = counts - self._discount(level, counts)
        first, last = self._span(context)
        total, left = self.below[last] - self.below[first], self._left(level, context)
        return torch.where(total > 0, (own + left * share) / total.clamp_min(1), share)

    def _shares(self, contexts: Tensor) -> Tensor:
        """Return the probabilities of all symbols and the end given contexts, `(n, end + 1)` float64."""
        shares = self._usual().repeat(len(contexts), 1)
        for level in range(1, self.order):
            context = contexts[:, level - 1]
            first, last = self._span(context)
            rows = (last > first).nonzero()[:, 0]
            own, first, sizes = context[rows], first[rows], (last - first)[rows]
            total = self.below[first + sizes] - self.below[first]
            shares[rows] *= (self._left(level, own) / total)[:, None]
            before = sizes.cumsum(0) - sizes
            which = torch.arange(len(own), device=own.device).repeat_interleave(sizes)
            child = torch.arange(len(which), device=own.device) + (first - before)[which]
            counts = self.counts[child + self.end + 1]
            symbol = self.keys[child] - own[which] * (self.end + 1)
            shares[rows[which], symbol] += (counts - self._discount(level, counts)) / total[which]
        return shares

    def _drawn(self, contexts: Tensor) -> Tensor:
        """Draw the next symbol of each text given its contexts, `(n,)` int64.

        One of the occurrences that are counted is drawn. Its symbol is kept unless the discount falls on it; then one
        is drawn after a symbol less. So nobody needs the probabilities of all symbols.
        """
        u = torch.rand(self.order, 2, len(contexts), dtype=torch.float64, device=contexts.device)
        symbols = torch.randint(self.end + 1, (len(contexts),), device=contexts.device)
        below = self.counts[: self.end + 1].cumsum(0)
        node = torch.searchsorted(below, (u[0, 0] * below[-1]).long(), right=True).clamp_max(self.end)
        symbols = torch.where(self._keeps(0, self.counts[node], u[0, 1]), node, symbols)
        for level in range(1, self.order if len(self.keys) else 1):
            context = contexts[:, level - 1]
            first, last = self._span(context)
            occurrence = self.below[first] + (u[level, 0] * (self.below[last] - self.below[first])).long()
            child = (torch.searchsorted(self.below, occurrence, right=True) - 1).clamp_max(len(self.keys) - 1)
            kept = (last > first) & self._keeps(level, self.counts[child + self.end + 1], u[level, 1])
            symbols = torch.where(kept, self.keys[child] - context * (self.end + 1), symbols)
        return symbols

    def _keeps(self, level: int, counts: Tensor, u: Tensor) -> Tensor:
        """Return whether random numbers `u (n,)` from 0 to 1 do not fall on the discounts of counts, `(n,)` bool."""
        return u * counts >= self._discount(level, counts)

    def _followed(self, contexts: Tensor, symbols: Tensor) -> Tensor:
        """Return the nodes of the contexts after one more symbol, `(n, order - 1)`."""
        known = contexts[:, :-1] >= 0
        longer = self._children(contexts[:, :-1].clamp_min(0), symbols[:, None].expand_as(known))
        return torch.cat([symbols[:, None], longer.masked_fill(~known, -1)], 1)[:, : self.order - 1]

    def _children(self, context: Tensor, symbol: Tensor) -> Tensor:
        """Return the node of each context with a symbol after it, -1 if it does not occur, in the shape of both."""
        if not len(self.keys):
            return torch.full_like(context, -1)
        key = context * (self.end + 1) + symbol
        place = torch.searchsorted(self.keys, key).clamp_max(len(self.keys) - 1)
        return torch.where(self.keys[place] == key, place + self.end + 1, -1)

    def _span(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first key of the children of each context, and the first one after them; equal for -1."""
        known = context >= 0
        context = context.clamp_min(0)
        first = self.firsts[context]
        return first, torch.where(known, self.firsts[context + 1], first)

    def _discount(self, level: int, counts: Tensor) -> Tensor:
        """Return the discounts of counts, float64; 0 for a count of 0."""
        own = pad(self.discounts[level].double(), (1, 0))
        return own[counts.clamp_max(3)]

    def _left(self, level: int, context: Tensor) -> Tensor:
        """Return the sum of the discounts of a context's children, float64."""
        return (self.kinds[context] * self.discounts[level].double()).sum(1)

    def _derive(self) -> None:
        """Set what follows from the tables.

        Raises:
            ArtifactError: the tables do not fit together.
        """
        keys, counts, symbols = self.keys, self.counts, self.end + 1
        if keys.is_meta:
            return
        contexts = self._contexts()
        device = keys.device
        self.firsts = torch.searchsorted(keys, torch.arange(contexts + 1, device=device) * symbols)
        self.below = pad(counts[symbols:].cumsum(0), (1, 0))
        kind = keys // symbols * 3 + counts[symbols:].clamp_max(3) - 1
        kinds = torch.zeros(contexts * 3, dtype=torch.int64, device=device)
        self.kinds = kinds.index_add(0, kind, torch.ones_like(kind)).view(-1, 3)

    def _contexts(self) -> int:
        """Return the number of nodes that are shorter than the longest pieces, after checking the tables.

        Raises:
            ArtifactError: they do not fit together.
        """
        keys, counts, symbols = self.keys, self.counts, self.end + 1
        if len(counts) != symbols + len(keys) or len(counts) > _MOST // symbols:
            raise _misfit(f"there are {len(counts)} counts for {len(keys)} pieces and {symbols} symbols")
        if (
            bool((counts < 0).any())
            or bool((counts[symbols:] < 1).any())
            or bool((counts > _MOST // len(counts)).any())
        ):
            raise _misfit("a count is no number of occurrences")
        if len(keys) and (bool((keys[:1] < 0).any()) or bool((keys.diff() <= 0).any())):
            raise _misfit("the pieces are not in order")
        ends = [0, symbols]  # of the nodes of each level
        for _ in range(1, self.order):
            ends.append(symbols + int(torch.searchsorted(keys, ends[-1] * symbols)))
        if ends[-1] != len(counts):
            raise _misfit(f"a piece has more than {self.order} symbols")
        most = torch.arange(1, 4, device=keys.device)
        if not bool(((self.discounts > 0) & (self.discounts <= most)).all()):
            raise _misfit("a discount is not between 0 and its count")
        return ends[self.order - 1]


def _misfit(why: str) -> ArtifactError:
    return ArtifactError(
        f"The tables of this n-gram model do not fit together: {why}. Train it again, or get a new copy."
    )


def _derive(module: nn.Module, _: object) -> None:
    assert isinstance(module, Ngrams)
    module._derive()


def build(config: NgramOptions, data: DataSpec) -> Parts:
    """Build the empty model of texts.

    Raises:
        ConfigError: the data are no texts.
    """
    if data.end is None:
        raise ConfigError("ngram models texts, and these data are none.")
    return Parts(Ngrams(config.order, data.end, data.event_shape[0]))
