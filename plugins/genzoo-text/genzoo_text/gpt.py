"""A transformer as a distribution of texts, and the objective that trains it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from genzoo import (
    Autoregressive,
    ConfigError,
    DataSpec,
    Encoder,
    Generator,
    Likelihood,
    MaximumLikelihood,
    Parts,
    check_condition,
    collect_symbols,
    draw_symbols,
)
from genzoo_text.gpt_network import Transformer
from genzoo_text.gpt_options import GPTOptions, NextSymbolOptions

_NONE = -100
"""The target at places that do not count, as `cross_entropy` has it."""

_GROUP, _LONG = 16, 256
"""On a CPU, texts of this many places or more are computed in groups of so many texts of similar length."""


class GPT(Generator, Likelihood, Autoregressive, Encoder):
    """Texts, each symbol given the ones before it. The end also stands before the first symbol.

    Arguments:
        network: logits of the next symbol.
        longest: largest number of symbols of a text.
        end: code of the end, the number of symbols.
        given: size of a condition, 0 for none.
    """

    def __init__(self, network: Transformer, longest: int, end: int, given: int) -> None:
        super().__init__()
        self.network = network
        self._longest, self._end, self._given = longest, end, given

    @property
    def degrees_of_freedom(self) -> int | None:
        """None: training stops before the likelihood has a maximum."""
        return None

    def log_prob(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        if x.shape[1] < _LONG or len(x) < 2 or not _reads_lengths(x):
            return self.log_prob_each(x, condition=condition).sum(1)
        # A few long texts would make all texts of a batch as long, and attention takes time by the square of that.
        inside = (x != self._end).long().cumprod(1).sum(1)
        order = inside.argsort(stable=True)
        found = []
        for rows in torch.split(order, _GROUP):
            width = min(int(inside[rows[-1]]) + 1, x.shape[1])
            own = None if condition is None else condition[rows]
            found.append(self.log_prob_each(x[rows, :width], condition=own).sum(1))
        return torch.cat(found)[order.argsort()]

    def log_prob_each(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        codes = x.long()
        check_condition(condition, self._given)
        logits = self.network.logits(self.network(self._shifted(codes)[:, :-1], condition))
        targets = self._targets(codes).flatten()
        losses = F.cross_entropy(logits.flatten(0, 1), targets, ignore_index=_NONE, reduction="none")
        return -losses.to(self.network.symbols.weight.dtype).view(codes.shape)

    def generate(self, prompt: Tensor, *, condition: Tensor | None = None, **options: Any) -> Iterator[Tensor]:
        """Yield the next symbol of each text, `(n,)` int64.

        What is more than the longest text back is forgotten.
        """
        check_condition(condition, self._given)
        start = self._shifted(prompt.long())[:, -self._longest :]
        cache = self.network.new_cache(len(prompt), self._longest)
        new = start
        while True:
            hidden = self.network(new, condition, cache)[:, -1]
            drawn = draw_symbols(self.network.logits(hidden), **options)
            yield drawn
            new = drawn[:, None]

    def sample(self, n: int, *, condition: Tensor | None = None, **options: Any) -> Tensor:
        weight = self.network.symbols.weight
        prompt = torch.empty(n, 0, dtype=torch.int64, device=weight.device)
        drawn = self.generate(prompt, condition=condition, **options)
        return collect_symbols(drawn, prompt, end=self._end, longest=self._longest).to(weight.dtype)

    def encode(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Return the mean of the last layer over the start and all symbols of each text, `(N, width)`."""
        codes = x.long()
        check_condition(condition, self._given)
        hidden = self.network(self._shifted(codes), condition)  # (N, L + 1, width)
        inside = F.pad((codes != self._end).long().cumprod(1), (1, 0), value=1).to(hidden.dtype)
        return torch.einsum("nlw,nl->nw", hidden, inside) / inside.sum(1, keepdim=True)

    def _shifted(self, codes: Tensor) -> Tensor:
        return F.pad(codes, (1, 0), value=self._end)

    def _targets(self, codes: Tensor) -> Tensor:
        """Return the codes with what follows the first end marked as not counting."""
        ends = (codes == self._end).long()
        return codes.masked_fill(ends.cumsum(1) > ends, _NONE)


def _reads_lengths(x: Tensor) -> bool:
    """Return whether lengths of texts can be read without waiting for a device, and are numbers at all."""
    return type(x) is Tensor and x.device.type == "cpu" and not torch.compiler.is_compiling()


def build(config: GPTOptions, data: DataSpec) -> Parts:
    """Build the untrained model of texts."""
    end = data.end
    if end is None:
        raise ConfigError("gpt models texts, and these data are none.")
    network = Transformer(
        end + 1,
        data.condition_size,
        layers=config.layers,
        heads=config.heads,
        width=config.width,
        dropout=config.dropout,
        window=config.attention_window,
        recent=config.recent,
        pieces=config.pieces,
        piece_rows=config.piece_rows,
    )
    return Parts(GPT(network, data.event_shape[0], end, data.condition_size))


def next_symbol(_: NextSymbolOptions) -> MaximumLikelihood:
    """Build the objective, minus the mean log-probability of texts in nats."""
    return MaximumLikelihood(mixed=True)
