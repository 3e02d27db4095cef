"""A Gaussian copula over the columns of a table, with groups of rows that have their own marginals and correlations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from genzoo import Feature, Generator, Imputation, ParameterTable
from genzoo_tabular.copula.completion import COMPLETIONS, drawn, expected
from genzoo_tabular.copula.marginals import Marginals
from genzoo_tabular.copula.patterns import patterns
from genzoo_tabular.copula.rectangles import FAR, log_rectangle

_LOG_NORMALIZER = math.log(2 * math.pi) / 2

_LEAST_WIDTH = 1e-2
"""Width of the interval of a count that is far off, so that it is improbable and not impossible."""

_MOST_SHOWN = 20


class Copula(Generator, Imputation):
    """Columns whose normal scores have a multivariate normal distribution.

    A continuous column has one normal score for each value. A count or a category has an interval of them. If rows have
    groups, by the levels of one column, each group has marginals and correlations of its own, and the model is the
    mixture of the groups.

    Arguments:
        features: the columns.
        marginals: the marginals of columns with numbers, in their order among these.
        by: number of the column that groups the rows; -1 for none, or to be chosen when fitted.
        chooses: whether the fit chooses this column.
    """

    needs_float64 = True
    grows = ("log_weights", "correlations", "cuts", "marginals.table")

    def __init__(self, features: Sequence[Feature], marginals: Marginals, by: int, chooses: bool) -> None:
        super().__init__()
        self.features = tuple(features)
        self.marginals = marginals
        self.chooses = chooses
        self.numbers = [i for i, feature in enumerate(features) if feature.levels is None]
        self.named = [i for i, feature in enumerate(features) if feature.levels is not None]
        size, levels = len(features), max((len(features[i].levels or ()) for i in self.named), default=1)
        self.by: Tensor
        self.log_weights: Tensor
        self.correlations: Tensor
        self.cuts: Tensor
        self.ranks: Tensor
        self.register_buffer("by", torch.tensor([by]))
        self.register_buffer("log_weights", torch.zeros(1))
        self.register_buffer("correlations", torch.eye(size)[None].clone())
        self.register_buffer("cuts", torch.linspace(-1, 1, levels + 1).expand(1, len(self.named), levels + 1).clone())
        self.register_buffer("ranks", torch.arange(levels).expand(len(self.named), levels).clone())

    def resize(self, by: int) -> None:
        """Make room for the groups that the column number `by` has; -1 for none."""
        groups = 1 if by < 0 else len(self.features[by].levels or ())
        self.by.fill_(by)
        self.log_weights = self.log_weights.new_full((groups,), -math.log(groups))
        self.correlations = torch.eye(len(self.features)).to(self.correlations).repeat(groups, 1, 1)
        self.cuts = self.cuts[:1].repeat(groups, 1, 1)
        self.marginals.resize(groups)

    def intervals(self, x: Tensor, group: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the lower and upper ends of the normal scores of `x (N, C)`, and log-slopes, `(N, C)` each.

        The ends are equal in continuous columns. Log-slopes are 0 in others.
        """
        x = x.double()
        low, high, slope = torch.zeros_like(x), torch.zeros_like(x), torch.zeros_like(x)
        places = torch.arange(len(self.numbers), device=x.device)
        counted = self._counted(x.device)
        numbers = torch.tensor(self.numbers, dtype=torch.int64, device=x.device)
        smooth, whole = numbers[~counted], numbers[counted]
        if len(smooth):
            low[:, smooth], slope[:, smooth] = self.marginals.scores(x[:, smooth], group, places[~counted])
            high[:, smooth] = low[:, smooth]
        if len(whole):
            low[:, whole], high[:, whole] = (
                self.marginals.scores(x[:, whole] + half, group, places[counted])[0] for half in (-0.5, 0.5)
            )
            low[:, whole] = torch.where(x[:, whole] <= 0, -FAR, low[:, whole].clamp_max(FAR - _LEAST_WIDTH))
        for place, column in enumerate(self.named):
            rank = self.ranks[place][x[:, column].long().clamp(0, self.ranks.shape[1] - 1)]
            low[:, column], high[:, column] = (self.cuts[group, place, rank + more].double() for more in (0, 1))
        return low.clamp(-FAR, FAR), high.clamp(-FAR, FAR), slope

    def events(self, z: Tensor, group: int) -> Tensor:
        """Return the events with normal scores `z (N, C)`, `(N, C)`; of the grouping column, the group."""
        x = torch.zeros_like(z)
        if self.numbers:
            values = self.marginals.values(z[:, self.numbers], group, torch.arange(len(self.numbers), device=z.device))
            x[:, self.numbers] = torch.where(self._counted(z.device), values.round().clamp_min(0), values)
        for place, column in enumerate(self.named):
            levels = len(self.features[column].levels or ())
            rank = torch.searchsorted(
                self.cuts[group, place, 1:levels].double().contiguous(), z[:, column].contiguous()
            )
            x[:, column] = self.ranks[place, :levels].argsort()[rank].to(x)
        if self.by >= 0:
            x[:, int(self.by)] = group
        return x

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        below = self.log_weights.double().exp().cumsum(0)[:-1]
        group = torch.searchsorted(below, torch.rand(n, dtype=torch.float64, device=below.device), right=True)
        noise = torch.randn(n, len(self.features), dtype=torch.float64, device=below.device)
        x = torch.zeros_like(noise)
        for number in range(len(self.log_weights)):
            rows = (group == number).nonzero().flatten()
            factor = torch.linalg.cholesky(self.correlations[number].double())
            x[rows] = self.events(noise[rows] @ factor.mT, number)
        return x.to(self.log_weights.dtype)

    def impute(self, x: Tensor, missing: Tensor, *, draw: bool = False) -> Tensor:
        """Fill in missing values by their means, or by draws, given the observed ones.

        Scores that observed counts and categories leave open are drawn by Gibbs sampling. Without such columns, means
        and draws are exact.
        """
        posterior = self.log_joint(x, missing, COMPLETIONS).log_softmax(0).exp()  # (G, N)
        filled = drawn(self, x, missing, posterior) if draw else expected(self, x, missing, posterior)
        return torch.where(missing, filled.to(x), x)

    def log_joint(self, x: Tensor, missing: Tensor | None, draws: int) -> Tensor:
        """Return the log-density of events and groups, `(G, N)`."""
        mask = torch.zeros_like(x, dtype=torch.bool) if missing is None else missing
        joint = torch.full((len(self.log_weights), len(x)), -math.inf, dtype=torch.float64, device=x.device)
        known = self._known_group(x, mask)
        for group in range(len(joint)):
            rows = ((known == group) | (known < 0)).nonzero().flatten()
            if len(rows):
                within = self._log_within(x[rows], mask[rows], group, draws)
                joint[group, rows] = within + self.log_weights[group].double()
        return joint

    def tables(self) -> Sequence[ParameterTable]:
        """Return the correlations of normal scores, averaged over groups, of tables with few columns."""
        names = tuple(feature.name for feature in self.features)
        if len(names) > _MOST_SHOWN:
            return ()
        mean = (self.correlations.double() * self.log_weights.double().exp()[:, None, None]).sum(0).tolist()
        caption = "correlations of the normal scores of columns" + (
            ", mean over groups" if len(self.log_weights) > 1 else ""
        )
        return (ParameterTable(caption, ("column", *names), tuple(zip(names, map(tuple, mean), strict=True))),)

    def _counted(self, device: torch.device) -> Tensor:
        """Return which columns of numbers are counts, `(C',)` bool."""
        kinds = [self.features[column].kind == "count" for column in self.numbers]
        return torch.tensor(kinds, dtype=torch.bool, device=device)

    def _known_group(self, x: Tensor, missing: Tensor) -> Tensor:
        """Return the group of each event, -1 if it is not known."""
        if self.by < 0:
            return torch.zeros(len(x), dtype=torch.int64, device=x.device)
        column = int(self.by)
        return torch.where(missing[:, column], -1, x[:, column].long())

    def places(self, observed: Tensor) -> tuple[Tensor, Tensor]:
        """Return the observed columns with one score for each value, and with an interval, but for the grouping one."""
        alone = torch.tensor([feature.kind == "continuous" for feature in self.features], device=observed.device)
        inside = observed.clone()
        if self.by >= 0:
            inside[int(self.by)] = False
        return (inside & alone).nonzero().flatten(), (inside & ~alone).nonzero().flatten()

    def _log_within(self, x: Tensor, missing: Tensor, group: int, draws: int) -> Tensor:
        """Return the log-density of events `x (N, C)` of a group, `(N,)`."""
        low, high, slope = self.intervals(x, group)
        total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        correlation = self.correlations[group].double()
        for pattern, rows in patterns(missing):
            points, boxes = self.places(~pattern)
            factor = torch.linalg.cholesky(correlation[points][:, points])
            z = low[rows][:, points]
            white = torch.linalg.solve_triangular(factor, z.mT, upper=False).mT
            total[rows] = slope[rows][:, points].sum(1) - (white**2).sum(1) / 2
            total[rows] -= factor.diagonal().log().sum() + _LOG_NORMALIZER * len(points)
            if len(boxes):
                weights = torch.cholesky_solve(correlation[points][:, boxes], factor)
                rest = correlation[boxes][:, boxes] - correlation[boxes][:, points] @ weights
                below, above = (end[rows][:, boxes] - z @ weights for end in (low, high))
                total[rows] += log_rectangle(below, above, rest, draws)
        return total
