"""The spec of an event of several named parts, such as an image and its label.

A row of all values of the event, part after part, is how data sets, digests and files hold it. The parts are arranged
by their names, so no order of theirs matters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from genzoo.spec.events import MOST_NAMES, MOST_NUMBERS, DataSpec, Feature, FrameForm, Piece, StorageType

PARTS = "parts"
"""Name of the modality of events of several parts."""


MOST_PARTS = 64
"""Largest number of parts of an event."""


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class CompositeSpec(DataSpec):
    """What one event of several parts is: a spec for each part, by name.

    It answers what a `DataSpec` answers, for a row of all values. Models use `parts`.

    Arguments:
        named: name and spec of each part, in the order of the names. `CompositeSpec.of` makes them of a dict.
        missing: whether values may be missing. Defaults to whether any part says so.
        condition: what events are conditional on, one feature for each column of conditions. Defaults to none.
    """

    event_shape: tuple[int, ...] = field(init=False, repr=False)
    modality: str = field(init=False, default=PARTS, repr=False)
    features: tuple[Feature, ...] = field(init=False, repr=False)
    bounds: tuple[float, float] | None = field(init=False, default=None, repr=False)
    quantum: float | None = field(init=False, default=None, repr=False)
    storage: StorageType = field(init=False, default="float32", repr=False)
    frame: FrameForm | None = field(init=False, default=None, repr=False, compare=False)
    named: tuple[tuple[str, DataSpec], ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        _check_parts(self.named)
        specs = [spec for _, spec in self.named]
        object.__setattr__(self, "event_shape", (sum(spec.size for spec in specs),))
        object.__setattr__(self, "features", _features(self.named))
        object.__setattr__(self, "storage", "float32" if all(map(_fits_float32, specs)) else "float64")
        object.__setattr__(self, "missing", self.missing or any(spec.missing for spec in specs))
        if self.size > MOST_NUMBERS:
            raise ValueError(f"An event holds at most {MOST_NUMBERS} numbers.")
        named = (*self.features, *self.condition)
        if len(named) + sum(len(feature.levels or ()) for feature in named) > MOST_NAMES:
            raise ValueError(f"An event has at most {MOST_NAMES} features and categories together.")
        names = [feature.name for feature in self.condition]
        if len(set(names)) < len(names):
            raise ValueError("A column of conditions has the name of another column.")

    @classmethod
    def of(cls, parts: Mapping[str, DataSpec], **others: Any) -> CompositeSpec:
        """Return the spec of an event of such parts, given in any order.

        Raises:
            ValueError: a name or a part cannot be one.
        """
        return cls(named=tuple(sorted(parts.items())), **others)

    @property
    def parts(self) -> dict[str, DataSpec]:
        """The spec of each part, by name."""
        return dict(self.named)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The parts of an event, and their places in a row of all its values."""
        return pieces_of(self.named)

    @property
    def places(self) -> tuple[Feature, ...]:
        """The feature of each value in a row of all values."""
        return tuple(feature for _, spec in self.named for feature in spec.places)

    @property
    def repeats(self) -> tuple[int, ...]:
        """Number of values that each feature describes."""
        return tuple(count for _, spec in self.named for count in spec.repeats)

    @property
    def grids(self) -> tuple[float | None, ...]:
        """Step of the grid that the values of each feature lie on; `None` for no grid."""
        return tuple(step for _, spec in self.named for step in spec.grids)

    def of_parts(self, specs: Sequence[DataSpec]) -> DataSpec:
        """Return the spec of events whose parts, in their order, are such."""
        return replace(self, named=tuple(zip((name for name, _ in self.named), specs, strict=True)))

    def value_name(self, place: int) -> str:
        """Return what messages call a value of a row: `pixel 3 of 'image'`."""
        piece = next(piece for piece in self.pieces if place < piece.places.stop)
        return f"{piece.spec.value_name(place - piece.places.start)} of {piece.name!r}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "parts": {name: spec.as_dict() for name, spec in self.named},
            "missing": self.missing,
            "condition": [asdict(feature) for feature in self.condition],
        }

    def describe(self) -> str:
        """Describe one event in words: its parts, and what they are conditional on."""
        text = " and ".join(f"{name!r} ({spec.describe()})" for name, spec in self.named)
        absent = self.missing and not any(spec.missing for _, spec in self.named)
        text += ", values may be missing" if absent else ""
        return text + (f", given {', '.join(feature.name for feature in self.condition)}" if self.condition else "")


def pieces_of(named: Iterable[tuple[str, DataSpec]]) -> tuple[Piece, ...]:
    """Return named parts one after the other, with their places in a row of all values."""
    found, start = [], 0
    for name, spec in named:
        found.append(Piece(name, spec, slice(start, start + spec.size)))
        start += spec.size
    return tuple(found)


def _check_parts(named: tuple[tuple[str, DataSpec], ...]) -> None:
    if not 0 < len(named) <= MOST_PARTS:
        raise ValueError(f"An event has 1 to {MOST_PARTS} parts, not {len(named)}.")
    names = [name for name, _ in named]
    if names != sorted(set(names)):
        raise ValueError("The parts of an event must be in the order of their names, each once.")
    for name, spec in named:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name[:100]!r} is no name of a part: it takes letters, digits and _, and no digit first."
            )
        if not isinstance(spec, DataSpec) or isinstance(spec, CompositeSpec):
            raise ValueError(f"The part {name!r} is not described by a DataSpec.")
        if spec.condition or spec.frame is not None:
            raise ValueError(f"The part {name!r} cannot have conditions or a kind of table of its own.")


def _features(named: tuple[tuple[str, DataSpec], ...]) -> tuple[Feature, ...]:
    """Return the features of all parts, named after their part and, if it has several, their column."""
    found = []
    for name, spec in named:
        alone = len(spec.features) == 1
        found += [replace(one, name=name if alone else f"{name}.{one.name}") for one in spec.features]
    return tuple(found)


_EXACT_IN_FLOAT32: tuple[Literal["uint8"], Literal["int16"], Literal["float32"]] = ("uint8", "int16", "float32")


def _fits_float32(spec: DataSpec) -> bool:
    """Return whether float32 holds all values of a part exactly."""
    codes = all(feature.levels is not None for feature in spec.features)
    return codes or spec.storage in _EXACT_IN_FLOAT32
