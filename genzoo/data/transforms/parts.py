"""Transforms of events: one chain for a whole event, or one for each of its parts."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genzoo.data.dataset import present
from genzoo.data.transforms import chain
from genzoo.data.transforms.transform import NumberArray, Stage, Transform, place_on_grid
from genzoo.errors import ArtifactError, ConfigError
from genzoo.models.state_dict import strip_prefix
from genzoo.plugins.registry import Entry, Registry
from genzoo.spec.composite import pieces_of
from genzoo.spec.entries import ModelSpec
from genzoo.spec.events import DataSpec, Piece
from genzoo.wording import argument


class PartTransforms(Transform):
    """A transform for each part of an event. It takes and returns rows of all values, part after part.

    Arguments:
        pieces: the parts of an event.
        parts: the fitted transform of each.
    """

    def __init__(self, pieces: Sequence[Piece], parts: Sequence[Transform]) -> None:
        super().__init__()
        self._pieces = tuple(pieces)
        seen = [part.spec_after(piece.spec) for piece, part in zip(pieces, parts, strict=True)]
        self._seen = pieces_of((piece.name, spec) for piece, spec in zip(pieces, seen, strict=True))
        self.parts = nn.ModuleList(parts)
        self.degrees_of_freedom = chain.added_degrees(parts)
        self.affine = all(part.affine for part in parts)
        self.bound = next((part.bound for part in parts if part.bound), "")
        self.lossy = next((part.lossy for part in parts if part.lossy), "")
        self.stages = tuple(
            dataclasses.replace(stage, part=piece.name)
            for piece, part in zip(pieces, parts, strict=True)
            for stage in part.stages
        )

    def spec_after(self, data: DataSpec) -> DataSpec:
        return data if self._seen == self._pieces else data.of_parts([piece.spec for piece in self._seen])

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([part(piece.take(x)).flatten(1) for piece, part in self._pairs()], 1)

    def inverse(self, y: Tensor, wanted: Collection[str] | None = None) -> Tensor:
        """Return events in data units.

        Arguments:
            wanted: names of parts; the others are 0, without computing them. Defaults to all.
        """
        back = []
        for seen, (piece, part) in zip(self._seen, self._pairs(), strict=True):
            if wanted is None or piece.name in wanted:
                back.append(part.inverse(seen.take(y)).flatten(1))
            else:
                back.append(y.new_zeros(len(y), piece.spec.size))
        return torch.cat(back, 1)

    def log_det(self, x: Tensor, without: Tensor | None = None) -> Tensor:
        total = x.new_zeros(len(x))
        for piece, part in self._pairs():
            total = total + part.log_det(piece.take(x), None if without is None else piece.take(without))
        return total

    def _pairs(self) -> list[tuple[Piece, Transform]]:
        parts = [part for part in self.parts if isinstance(part, Transform)]
        return list(zip(self._pieces, parts, strict=True))


def choose_stages(
    model: Entry[ModelSpec],
    data: DataSpec,
    chosen: Mapping[str, str],
    registry: Registry,
    options: Mapping[str, Any] | None = None,
) -> tuple[Stage, ...]:
    """Return the transforms of a training, as `chain.choose_stages` does, for each part; texts in parts stay bytes.

    Raises:
        ConfigError: as there; or the user chooses a transform for a part, which is not possible yet.
    """
    if chosen and data.has_parts:
        raise ConfigError(
            f"{argument('transforms', chosen)} is for columns of tables, and these events have several parts. Leave it "
            f"out."
        )
    options = None if data.has_parts else options
    return tuple(
        dataclasses.replace(stage, part=piece.name)
        for piece in data.pieces
        for stage in chain.choose_stages(model, piece.spec, chosen, registry, options, part=bool(piece.name))
    )


def scored_by_cells(stages: Sequence[Stage], data: DataSpec, registry: Registry) -> tuple[int, ...]:
    """Return the continuous features that a transform adapts to, so that their grid must count."""
    found: list[int] = []
    before = 0
    for piece in data.pieces:
        own = chain.scored_by_cells(_stages_of(stages, piece), piece.spec, registry)
        found += [before + place for place in own]
        before += len(piece.spec.features)
    return tuple(found)


def fit_stages(
    stages: Sequence[Stage], data: DataSpec, blocks: Callable[[], Iterable[NumberArray]], registry: Registry
) -> Transform:
    """Fit the transforms to the training rows, as `chain.fit_stages` does; parts that are missing whole are left out.

    Raises:
        DataError: the values do not suit a transform.
    """
    parts = [
        chain.fit_stages(_stages_of(stages, piece), piece.spec, functools.partial(_blocks, piece, blocks), registry)
        for piece in data.pieces
    ]
    return _joined(data, parts)


def _blocks(piece: Piece, blocks: Callable[[], Iterable[NumberArray]]) -> Iterable[NumberArray]:
    return _present_blocks(piece, blocks()) if piece.name else blocks()


def _present_blocks(piece: Piece, blocks: Iterable[NumberArray]) -> Iterator[NumberArray]:
    for block in blocks:
        own = present(piece, block)
        if len(own) or not len(block):
            yield own


def check_stages(stages: Sequence[Stage], data: DataSpec, outlines: Mapping[str, Tensor], registry: Registry) -> None:
    """Check what a file says about its transforms, and the shapes of their tensors, before these are read.

    Raises:
        ArtifactError: no installed plugin has a transform, or something does not fit.
    """
    names = [piece.name for piece in data.pieces]
    if data.has_parts and {stage.part for stage in stages} != set(names):
        raise ArtifactError("its transforms are not for the parts of its events")
    if [name for name in names for stage in stages if stage.part == name] != [stage.part for stage in stages]:
        raise ArtifactError("its transforms are not for the parts of its events, in their order")
    prefixes = [_prefix(piece, number) for number, piece in enumerate(data.pieces)]
    if strange := sorted(name for name in outlines if not name.startswith(tuple(prefixes))):
        raise ArtifactError(f"its transform holds a tensor {strange[0]!r}, which none of its parts has")
    for piece, prefix in zip(data.pieces, prefixes, strict=True):
        chain.check_stages(_stages_of(stages, piece), piece.spec, strip_prefix(outlines, prefix), registry)


def restore_stages(
    stages: Sequence[Stage], data: DataSpec, tensors: Mapping[str, Tensor], registry: Registry
) -> Transform:
    """Build fitted transforms from the finite tensors of a file, after `check_stages`.

    Raises:
        ArtifactError: no fitted transform has such tensors.
    """
    parts = [
        chain.restore_stages(
            _stages_of(stages, piece), piece.spec, strip_prefix(tensors, _prefix(piece, number)), registry
        )
        for number, piece in enumerate(data.pieces)
    ]
    return _joined(data, parts)


def _stages_of(stages: Sequence[Stage], piece: Piece) -> tuple[Stage, ...]:
    return tuple(dataclasses.replace(stage, part="") for stage in stages if stage.part == piece.name)


def _prefix(piece: Piece, number: int) -> str:
    return f"parts.{number}." if piece.name else ""


def _joined(data: DataSpec, parts: Sequence[Transform]) -> Transform:
    return PartTransforms(data.pieces, parts) if data.has_parts else parts[0]


def place_events(x: Tensor, data: DataSpec, *, whole_counts: bool = True) -> Tensor:
    """Return events in data units rounded to the grids, levels and bounds of each part, as `place_on_grid` does."""
    placed = [place_on_grid(piece.take(x), piece.spec, whole_counts=whole_counts) for piece in data.pieces]
    return torch.cat([part.flatten(1) for part in placed], 1) if data.has_parts else placed[0]
