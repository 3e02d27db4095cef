"""Direct fits: an objective sets the whole model in one call."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from genzoo.engine.signals import Abandoned, Signals, StopCheck
from genzoo.errors import DivergenceError, PluginError
from genzoo.models.base import Generator, Model
from genzoo.models.objective import Batch, DirectObjective
from genzoo.models.state_dict import growing, load_tensors, strip_prefix
from genzoo.plugins.registry import blame
from genzoo.runtime.progress import Phase


class DirectEngine:
    """A direct fit of one model under one objective; it takes a single step.

    Arguments:
        model: the untrained model, on the device and in the number type to compute in.
        objective: fits it.
        rows: number of training events.
        signals: says whether SIGINT or SIGTERM has come, which cuts the fit short. Defaults to never.
    """

    def __init__(self, model: Model, objective: DirectObjective, rows: int, signals: Signals | None = None) -> None:
        self.model = model.eval().requires_grad_(False)
        self.objective = objective
        self._rows = rows
        self._signals = signals or Signals()
        self.finished = False
        """True if the model is fitted."""
        self.facts: dict[str, Any] = {}
        """What the fit says about itself, for the run's record."""

    @property
    def trained(self) -> Generator:
        """The generator."""
        return self.model.generator

    @torch.no_grad()
    def update(self, blocks: Iterable[Batch], step: int, fraction: float) -> dict[str, Tensor]:
        """Fit the model. If a signal cuts the fit short, the model is left as it was.

        Arguments:
            blocks: all training events.
            step: number of the step.
            fraction: share of the budget spent before it, 0 to 1.

        Returns:
            No losses: a direct fit has none.

        Raises:
            DivergenceError: the fit left a number that is not finite in the model.
            PluginError: the facts are no plain values, or a tensor has a shape that loading would not accept.
            Abandoned: SIGINT or SIGTERM came.
        """
        before = {name: value.clone() for name, value in self.model.state_dict().items()}
        try:
            self._fit(blocks)
        except Abandoned:
            load_tensors(self.model, before)
            raise
        kept = self.model.state_dict()
        free = growing(self.model)
        if odd := [name for name in before if name not in kept or not _alike(name in free, before[name], kept[name])]:
            raise PluginError(
                f"The fit changed the shape or type of {odd[0]!r}, so the model could not be loaded again. If only its "
                f"first dimension follows the data, name it in the class attribute `grows` of the generator."
            )
        for name, value in kept.items():
            if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                raise DivergenceError(
                    f"The fit failed: it left numbers that are not finite in {name}. Look for extreme values in the "
                    f"data, or use another model."
                )
        self.finished = True
        return {}

    def _fit(self, blocks: Iterable[Batch]) -> None:
        passes = self.objective.passes
        total = None if passes is None else passes * self._rows
        with Phase("fitting", total, "rows") as phase:
            watched = _CountedBlocks(StopCheck(blocks, self._signals), phase)
            with blame("The objective"), self._signals.abandonable:
                facts = self.objective.fit(self.model, watched)
        self.facts = _plain(facts)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors of the model."""
        return {f"model.{name}": value for name, value in self.model.state_dict().items()}

    def numbers(self) -> dict[str, Any]:
        """Return whether the model is fitted, and the facts about the fit."""
        return {"fitted": self.finished, "facts": dict(self.facts)}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore the state that `tensors` and `numbers` returned. A fit that has not ended starts again.

        Raises:
            ArtifactError: the state belongs to another model.
        """
        load_tensors(self.model, strip_prefix(tensors, "model."))
        self.finished = bool(numbers["fitted"])
        self.facts = dict(numbers["facts"])


def _alike(grows: bool, before: Tensor, after: Tensor) -> bool:
    """Return whether a tensor has kept its type and shape, but for the first dimension if it grows."""
    same = before.shape[1:] == after.shape[1:] if grows and before.ndim == after.ndim else before.shape == after.shape
    return same and before.dtype == after.dtype


class _CountedBlocks:
    """Blocks whose events a phase counts once they are worked on.

    Arguments:
        blocks: iterated from the start each time.
        phase: counts the events of all passes.
    """

    def __init__(self, blocks: Iterable[Batch], phase: Phase) -> None:
        self._blocks = blocks
        self._phase = phase

    def __iter__(self) -> Iterator[Batch]:
        return self._phase.over(self._blocks, len)


def _plain(facts: object) -> dict[str, Any]:
    """Return a copy of the facts about a fit, after checking that JSON can hold them."""
    if facts is None:
        return {}
    try:
        copied = json.loads(json.dumps(facts))
    except (TypeError, ValueError) as error:
        raise PluginError(f"The objective's fit returns facts that JSON cannot hold: {error}.") from error
    if not isinstance(copied, dict):
        raise PluginError(f"The objective's fit returns {type(facts).__name__}, and not a mapping of facts or None.")
    return copied
