"""Show events of several parts: whole events side by side, and each part as its modality shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from PIL import Image

from genzoo.data.dataset import present
from genzoo.inference.image_grid import picture_of, png
from genzoo.reports.modalities.report import ModalityReport, report_of
from genzoo.reports.modalities.values import WIDEST, cell, reconstructed_rows, traversed_rows
from genzoo.reports.page import Block, Heading, Picture, Pictures
from genzoo.spec.events import DataSpec, Piece
from genzoo.typing import Array

_WHOLE = 8
"""Number of events of each set that are shown whole."""

_SIDE = 96
"""Height of the pictures of an event, in pixels."""


def _shown(sets: Mapping[str, Array], data: DataSpec) -> list[Block]:
    return [*_side_by_side(sets, data), *_part_by_part(sets, data)]


def _side_by_side(sets: Mapping[str, Array], data: DataSpec) -> Iterator[Block]:
    """Yield the first events of each set whole: the pictures of their parts, above the values of the others."""
    if not any(piece.spec.form.pictured for piece in data.pieces):
        return
    for caption, events in sets.items():
        drawn = [_event(event[None], data) for event in events[:_WHOLE]]
        yield Heading(f"{caption}: parts side by side")
        yield Pictures(tuple(picture for picture in drawn if picture is not None))


def _event(event: Array, data: DataSpec) -> Picture | None:
    """Draw one event `(1, size)`; `None` if it lacks all parts with a picture."""
    images, words = [], []
    for piece in data.pieces:
        if not len(present(piece, event)):
            words.append(f"no {piece.name}")
        elif piece.spec.form.pictured:
            images.append(_of_one_height(picture_of(piece.take(event), piece.spec)))
        else:
            words.append(f"{piece.name} {_values(piece, event)}")
    if not images:
        return None
    whole = Image.new("RGB", (sum(image.width + 4 for image in images) - 4, _SIDE), "white")
    left = 0
    for image in images:
        whole.paste(image, (left, 0))
        left += image.width + 4
    text = ", ".join(words)
    return Picture(text, f"an event: {text}", "png", png(whole))


def _of_one_height(image: Image.Image) -> Image.Image:
    width = max(1, round(image.width * _SIDE / image.height))
    return image.convert("RGB").resize((width, _SIDE), Image.Resampling.NEAREST)


def _values(piece: Piece, event: Array) -> str:
    """Return the first values of a part as text; each with its name, if there are several."""
    values = np.ravel(piece.take(event))
    if piece.spec.size == 1:
        return cell(float(values[0]), piece.spec.features[0])
    named = zip(piece.spec.places[:WIDEST], values, strict=False)
    shown = [f"{feature.name} {cell(float(value), feature)}" for feature, value in named]
    return " ".join([*shown, *["…"] * (piece.spec.size > WIDEST)])


def _part_by_part(sets: Mapping[str, Array], data: DataSpec) -> list[Block]:
    """Show each part of some sets of events; the distributions of its columns, if it has any, beside the first set."""
    found: list[Block] = []
    for piece in data.pieces:
        known = {caption: present(piece, events) for caption, events in sets.items()}
        known = {caption: events for caption, events in known.items() if len(events)}
        if known:
            found += [Heading(f"Part {piece.name}"), *_part(known, piece.spec)]
    return found


def _part(sets: Mapping[str, Array], data: DataSpec) -> Iterator[Block]:
    own = report_of(data.form)
    if own.distributions is None or own.leads or len(sets) < 2:
        yield from own.show(sets, data)
    if own.distributions is None:
        return
    first, *others = sets
    for caption in others:
        yield Heading(f"{caption} beside {first.lower()}")
        yield from own.distributions(sets[first], sets[caption], data)


PARTS = ModalityReport(_shown, reconstructed_rows, traversed_rows)
