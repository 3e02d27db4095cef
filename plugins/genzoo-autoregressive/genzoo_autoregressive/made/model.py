"""Events as a chain of conditional distributions: each value given the ones before it."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from genzoo import Batch, DataSpec, Generator, Imputation, Likelihood, LikelihoodBound, check_condition
from genzoo_autoregressive.made.codes import Codes
from genzoo_autoregressive.made.network import NEVER, Networks, OwnNetworks
from genzoo_autoregressive.made.options import MadeOptions
from genzoo_autoregressive.made.shared import SharedNetwork

_MOST_DROPOUT, _LEAST_DROPOUT, _PLENTY = 0.5, 0.1, 10_000
"""Dropout for few rows and for many, and rows from which on little of it is left."""

_FARTHEST = 60
"""Number of codes above the largest count with rows over which the share of unseen codes halves at each."""

_COMPLETIONS = 32
"""Draws of the missing values of an event to fill them in."""


class Made(Generator):
    """What all forms share: the codes of values, and a network for each value.

    Arguments:
        data: describes the events.
        config: options of the model.
    """

    orderless = False
    """Whether networks learn each value given any others."""

    def __init__(self, data: DataSpec, config: MadeOptions) -> None:
        super().__init__()
        self.event_shape = data.event_shape
        self._given = data.condition_size
        if not data.form.columns:
            self.measures = ("mass",)
        self.codes = Codes(data)
        self.networks = self._networks(data, config)

    def _networks(self, data: DataSpec, config: MadeOptions) -> Networks:
        sizes, ordered, given = self.codes.sizes, self.codes.ordered, data.condition_size
        if config.shares(data.size, orderless=self.orderless):
            return SharedNetwork(sizes, ordered, given, **config.network(shared=True, levels=max(sizes)))
        known = data.size / 2 if self.orderless else None
        own = config.network(shared=False, levels=max(sizes))
        return OwnNetworks(sizes, ordered, given, known=known, **own)

    def choose_dropout(self, rows: int) -> None:
        """Choose the dropout by the number of training rows, unless it was given."""
        if self.networks.dropout is None:
            self.networks.dropout = max(_LEAST_DROPOUT, _MOST_DROPOUT * math.exp(-rows / _PLENTY))

    @torch.no_grad()
    def count_codes(self, blocks: Iterable[Batch]) -> None:
        """Place the codes of counts, and set the logits without networks to logarithms of the codes' shares of rows.

        Bins above the last that has rows do not exist, and neither do empty codes of counts. Other codes without rows
        count as a part of one row, and large counts as less and less.
        """
        self.codes.place_counts(self._values(block) for block in blocks)
        base = self.networks.base
        counts = torch.zeros_like(base)
        rows = torch.zeros(len(base), 1, dtype=base.dtype, device=base.device)
        for x, missing in map(self._values, blocks):
            code = self.codes(x)
            known = code >= 0 if missing is None else (code >= 0) & ~missing
            counts.scatter_add_(1, code.clamp_min(0).mT, known.mT.to(counts.dtype))
            rows += known.sum(0)[:, None]
        codes, places = self.codes, torch.arange(base.shape[1], device=base.device)
        used = (places * (counts > 0)).amax(1) + 1
        codes.tops.copy_(torch.where(codes.binned, used, codes.tops))
        last = counts.gather(1, codes.tops[:, None] - 1)
        codes.rooms.copy_(0.5 / (torch.cat([counts[:, :1], last], 1) + 1))
        beyond = torch.where(codes.counted[:, None], (places - used[:, None] + 1).clamp(0, _FARTHEST), 0)
        shares = (counts + 0.5**beyond / torch.minimum(used, codes.tops)[:, None]) / (rows + 1)
        base.copy_(shares.log().masked_fill(codes.absent(), NEVER))

    def training_log_prob(self, x: Tensor, missing: Tensor | None, condition: Tensor | None) -> Tensor:
        """Return the log-density of the known values of events, in a random order if the model has none, `(N,)`."""
        order = None
        if self.orderless:
            order = torch.rand(self.networks.base.shape[0], device=x.device).argsort()
        return self._chain(x, missing, condition, order)

    def held_out_log_prob(self, x: Tensor, missing: Tensor | None, condition: Tensor | None) -> Tensor:
        """Return the log-density of events, or its bound from one draw, `(N,)`."""
        return self._chain(x, missing, condition)

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        base = self.networks.base
        x = torch.zeros(n, len(base), device=base.device, dtype=base.dtype)
        return self._filled(x, torch.zeros_like(x, dtype=torch.bool), condition)[0].view(n, *self.event_shape)

    def _chain(
        self, x: Tensor, missing: Tensor | None, condition: Tensor | None, order: Tensor | None = None
    ) -> Tensor:
        """Return the sum of log-densities of the known values of `x`, each given the known ones before it, `(N,)`.

        Arguments:
            order: rank of each value, `(D,)`. Defaults to `None`: as they are.
        """
        check_condition(condition, self._given)
        code = self.codes(x.flatten(1))
        known = None if missing is None else ~self._mask(missing)
        if order is None:
            order = torch.arange(code.shape[1], device=x.device)
        seen = self.networks.embedded(code, known)
        logits = self.networks(seen, (order[:, None] > order).to(seen.dtype), condition)
        logs = -F.cross_entropy(logits.flatten(0, 1), code.clamp_min(0).mT.flatten(), reduction="none")
        logs = logs.view(code.shape[1], len(code)).mT + self.codes.log_within(x.flatten(1), code)
        logs = torch.where(code < 0, -torch.inf, logs)
        return (logs if known is None else logs.masked_fill(~known, 0.0)).sum(1)

    def _filled(self, x: Tensor, known: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Draw the values of `x (N, D)` that are not known, one after the other given all that are.

        Returns:
            The events, `(N, D)`, and the log-densities of their drawn values, `(N,)`.
        """
        check_condition(condition, self._given)
        seen = self.networks.embedded(self.codes(x), known)
        x, total, room = x.clone(), x.new_zeros(len(x)), self.networks.room(len(x))
        for place in range(x.shape[1]):
            logs = self.networks.of_value(place, seen, condition, room).log_softmax(1)
            code = _drawn(logs)
            new = ~known[:, place]
            x[:, place] = torch.where(new, self.codes.draw(code, place, x.dtype), x[:, place])
            total = total + torch.where(new, logs.gather(1, code[:, None])[:, 0], 0.0)
            embedded = F.embedding(code + self.networks.offsets[place], self.networks.embeddings)
            seen[:, place] = torch.where(new[:, None], embedded, seen[:, place])
        within = self.codes.log_within(x, self.codes(x))
        return x, total + within.masked_fill(known, 0.0).sum(1)

    def _values(self, block: Batch) -> tuple[Tensor, Tensor | None]:
        """Return the values of a block of events and the mask of missing ones, `(n, D)` each."""
        assert isinstance(block.x, Tensor)
        return block.x.flatten(1), None if block.missing is None else self._mask(block.missing)

    def _mask(self, missing: object) -> Tensor:
        assert isinstance(missing, Tensor)
        return missing.flatten(1)


class FixedOrder(Made, Likelihood):
    """Each value given the ones before it: exact, for whole events only."""

    accepts_missing = False

    @property
    def degrees_of_freedom(self) -> int | None:
        """None: training stops before the likelihood has a maximum."""
        return None

    def log_prob(self, x: Tensor, missing: Tensor | None = None, *, condition: Tensor | None = None) -> Tensor:
        return self._chain(x, missing, condition)


class AnyOrder(Made, Imputation):
    """Each value given any others. It fills in missing values, approximately: orders agree only as far as learned."""

    approximate = True
    orderless = True

    def impute(self, x: Tensor, missing: Tensor, *, condition: Tensor | None = None, draw: bool = False) -> Tensor:
        """Fill in missing values by draws, weighted by the density of the whole event.

        A missing number in a table becomes its median given the observed values, a pixel or a count its mean.
        """
        drawn = [self._completed(x, missing, condition) for _ in range(_COMPLETIONS)]
        shares = torch.stack([logs for _, logs in drawn]).softmax(0)  # (K, N)
        events = torch.stack([event for event, _ in drawn])  # (K, N, D)
        if draw:
            filled = events[torch.multinomial(shares.mT, 1)[:, 0], torch.arange(len(x), device=x.device)]
        else:
            filled = self.codes.middle(events, shares)
        return torch.where(missing, filled.view(x.shape).to(x.dtype), x)

    def _completed(self, x: Tensor, missing: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Draw the missing values of events.

        Returns:
            The values, `(N, D)`, and the logarithms of their weights, whose mean over draws is the density of the
            observed values, `(N,)`.
        """
        drawn, logs = self._filled(x.flatten(1), ~self._mask(missing), condition)
        return drawn, self._chain(drawn.view(x.shape), None, condition) - logs


class AnyOrderDensity(AnyOrder, Likelihood):
    """Each value given any others, for events that are whole in training."""

    @property
    def degrees_of_freedom(self) -> int | None:
        """None: training stops before the likelihood has a maximum."""
        return None

    def log_prob(self, x: Tensor, missing: Tensor | None = None, *, condition: Tensor | None = None) -> Tensor:
        """Return the log-density; of an event with missing values, each observed one given the ones before it."""
        return self._chain(x, missing, condition)


class AnyOrderBound(AnyOrder, LikelihoodBound):
    """Each value given any others, for events with missing values."""

    def log_prob_bound(
        self, x: Tensor, missing: Tensor | None = None, *, condition: Tensor | None = None, draws: int = 1
    ) -> Tensor:
        """Return a bound that averages over draws of missing values. The density of a whole event is exact."""
        if missing is None:
            return self._chain(x, None, condition)
        found = [self._completed(x, missing, condition)[1] for _ in range(draws)]
        return torch.stack(found).logsumexp(0) - math.log(draws)

    def held_out_log_prob(self, x: Tensor, missing: Tensor | None, condition: Tensor | None) -> Tensor:
        return self.log_prob_bound(x, missing, condition=condition)


def _drawn(logs: Tensor) -> Tensor:
    """Draw codes with log-probabilities `logs (N, K)`, `(N,)`."""
    below = logs.exp().cumsum(1)
    u = torch.rand(len(logs), 1, device=logs.device, dtype=logs.dtype) * below[:, -1:]
    return (u >= below).sum(1).clamp_max(logs.shape[1] - 1)
