"""What a search may try: an axis for each setting; no torch is imported."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genzoo.comparison.candidate import Candidate, candidates
from genzoo.config.layers import merge
from genzoo.plugins.registry import Registry

_DIGITS = 4
"""Significant digits of numbers that are tried, so that the settings of a trial can be read and typed. A range that is
narrower than its ends are large, such as 0.9990..0.9999, has as many digits of its width."""

_OF_LOSSES = frozenset({"metrics", "monitor", "features", "eval_every", "eval_steps"})
"""Settings of a training that decide what the losses of its evaluations are, and when there is one."""


@dataclass(frozen=True, slots=True)
class SearchAxis:
    """One setting to search.

    Arguments:
        name: its full name, as `-o` takes it: `n_components`, `training.optimizer.lr`.
        text: what was asked for, such as `1..20`.
        choices: the values to choose from, by their text; empty for a range.
        low, high: ends of a range, both included.
        step: distance of the values of a range. Defaults to `None`: 1 for whole numbers, otherwise all numbers.
        whole: whether the values are whole numbers.
        log: whether ratios count, and not differences.
    """

    name: str
    text: str
    choices: Mapping[str, Any]
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    whole: bool = False
    log: bool = False

    @property
    def count(self) -> float:
        """Number of values; infinite for a range of numbers."""
        if self.choices:
            return len(self.choices)
        step = 1.0 if self.whole and self.step is None else self.step
        return math.inf if step is None else math.floor((self.high - self.low) / step + 1e-9) + 1

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that must be possible: all choices, or both ends of a range."""
        return tuple(self.choices.values()) if self.choices else (self.value(self.low), self.value(self.high))

    def value(self, drawn: Any) -> Any:
        """Return the value of the setting for what was drawn: a number, or the text of a choice."""
        if self.choices:
            return self.choices[drawn]
        if self.whole:
            return int(drawn)
        if self.step is not None:
            return min(max(float(f"{drawn:.12g}"), self.low), self.high)
        sizes = [size for size in (abs(drawn), self.high - self.low) if size > 0]
        decimals = max(_DIGITS - 1 - math.floor(math.log10(size)) for size in sizes)
        return min(max(round(float(drawn), decimals), self.low), self.high)

    def place(self, value: Any) -> Any:
        """Return what must be drawn for a value of the setting; `None` if the search does not reach it."""
        if self.choices:
            return next((text for text, choice in self.choices.items() if choice == value), None)
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return None
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return value if abs(steps - round(steps)) < 1e-9 else None

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw evenly, or evenly in the logarithm."""
        if self.choices:
            return list(self.choices)[rng.integers(len(self.choices))]
        if self.count < math.inf and not self.log:
            step = 1 if self.step is None else self.step
            found = self.low + step * int(rng.integers(int(self.count)))
            return int(found) if self.whole else found
        if not self.log:
            return float(rng.uniform(self.low, self.high))
        found = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        found = min(max(found, self.low), self.high)
        return round(found) if self.whole else found


@dataclass(frozen=True, slots=True)
class Space:
    """All settings to search, and the settings that every trial shares.

    Arguments:
        model: name of the model.
        options: settings of the model that every trial shares, nested.
        common: settings of the run that every trial shares, such as the split and the seed.
        axes: the settings to search.
    """

    model: str
    options: Mapping[str, Any]
    common: Mapping[str, Any]
    axes: tuple[SearchAxis, ...]

    @property
    def count(self) -> float:
        """Number of different settings; may be infinite."""
        return math.prod(axis.count for axis in self.axes)

    @property
    def compares_losses(self) -> bool:
        """Whether the losses of all trials mean the same: no setting of the objective or of evaluations differs."""
        names = [axis.name.split(".") for axis in self.axes]
        return not any(head in ("objective", "preset") for head, *_ in names) and not any(
            path[0] == "training" and path[1] in _OF_LOSSES for path in names
        )

    def settings(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a trial, by full name."""
        return {axis.name: axis.value(drawn[axis.name]) for axis in self.axes}

    def candidate(self, registry: Registry, settings: Mapping[str, Any]) -> Candidate:
        """Return the candidate with these settings beside the shared ones; with none, the model's defaults.

        Raises:
            ConfigError: the model does not take them.
        """
        wanted = merge(self.options, *(nested(name.split("."), value) for name, value in settings.items()))
        return candidates(registry, [{"model": self.model, **wanted}], self.common)[0]

    def defaults(self, registry: Registry) -> dict[str, Any] | None:
        """Return what must be drawn for the settings without a search; `None` if the search does not reach them."""
        config = self.candidate(registry, {}).config
        content = config.model_dump(mode="json")
        entry = registry.models.get(config.model)
        places = {}
        for axis in self.axes:
            head, *rest = path = axis.name.split(".")
            if axis.name == "objective":
                value = content["objective"]["name"].rpartition("/")[2]
            elif head == "objective":
                value = _at(content["objective"]["options"], rest)
            elif head in ("training", "sampling"):
                value = _at(content, path)
            else:
                value = _at(content["options"], [entry.spec.renamed.get(head, head), *rest])
            places[axis.name] = axis.place(value)
        return None if None in places.values() else places


def nested(path: Sequence[str], value: Any) -> dict[str, Any]:
    """Return one setting as nested settings."""
    head, *rest = ["objective", "name"] if list(path) == ["objective"] else path
    return {head: nested(rest, value) if rest else value}


def _at(tree: Any, path: Sequence[str]) -> Any:
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree
