"""A model of all columns jointly, as a model of some columns given the others."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from genzoo.data.conditions import joint_events
from genzoo.data.dataset import Conditioned, ModelEvents
from genzoo.inference.data_units import DataUnits
from genzoo.inference.joint import draw_rows_given
from genzoo.inference.likelihood import log_prob
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.base import Floor
from genzoo.spec.events import DataSpec
from genzoo.typing import Array


@dataclass(frozen=True, slots=True)
class ConditionalView(TrainedModel):
    """A joint model that answers for events given their conditions: log p(x | c) = log p(x, c) - log p(c).

    Its `data` describe events with conditions, and `joint` is the model of events and conditions as columns. It answers
    what a comparison asks: log-likelihoods and samples.
    """

    joint: TrainedModel | None = None

    @property
    def whole(self) -> TrainedModel:
        """The joint model."""
        assert self.joint is not None
        return self.joint

    @property
    def units(self) -> DataUnits:
        """The joint generator, called with events and conditions as columns."""
        return self.whole.units

    @property
    def capabilities(self) -> frozenset[str]:
        """Only the likelihood, which is exact."""
        return frozenset({"likelihood"})

    def log_prob(self, x: Any, *, condition: Any = None) -> Any:
        """Return the log-density of events given their conditions, in nats, `(N,)` float64."""
        events = _rows(x)
        alone = events.copy()
        alone[:, : len(self.data.features)] = np.nan
        return log_prob(self.whole.units, events) - log_prob(self.whole.units, alone)

    def covers(self, x: Any, *, condition: Any = None) -> Any:
        """Return whether the component of outliers has any density at events with their conditions, `(N,)` bool."""
        return self.whole.covers(_rows(x))

    def sample_given(
        self,
        n: int,
        *,
        seed: int = 0,
        mean: bool = False,
        given: Any = None,
        condition: Any = None,
        options: Any = None,
        prompt: Any = None,
        watch: Any = None,
        first: int = 0,
    ) -> tuple[Array, Array | None]:
        """Draw events given `condition (n, K)`, or draw conditions from the joint model, too, by default.

        A comparison draws all of them at once: `first` is 0.
        """
        count = len(self.data.features)
        if condition is None:
            rows = np.asarray(self.whole.sample(n, seed=seed, output="array", options=options))
            return rows[:, :count].astype(self.data.storage), rows[:, count:].astype(np.float64)
        conditions = np.asarray(condition, np.float64)
        rows = draw_rows_given(self.whole.units, joint_events(np.full((n, count), np.nan), conditions), seed)
        return rows[:, :count].astype(self.data.storage), conditions

    def floors(self, x: Any) -> list[Floor]:
        """Return none: ask the joint model what its density rests on."""
        return []


def as_conditional(joint: TrainedModel, data: DataSpec) -> ConditionalView:
    """Return a joint model as one of events given their conditions.

    Arguments:
        joint: model of a table whose last columns are the conditions.
        data: describes events with their conditions.
    """
    own = {field.name: getattr(joint, field.name) for field in dataclasses.fields(TrainedModel) if field.init}
    return ConditionalView(**{**own, "data": data}, joint=joint)


def _rows(x: ModelEvents) -> Array:
    """Return rows of the joint model: events with their conditions as the last columns, or such rows as they are."""
    if isinstance(x, Conditioned):
        return joint_events(np.asarray(x.events, np.float64), x.conditions)
    return np.array(x, np.float64)
