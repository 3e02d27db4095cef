"""Show events of several parts: each part as its modality shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from genzoo.data.dataset import present
from genzoo.reports.modalities.report import ModalityReport, report_of
from genzoo.reports.modalities.values import reconstructed_rows, traversed_rows
from genzoo.reports.page import Block, Heading
from genzoo.spec.events import DataSpec
from genzoo.typing import Array


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
    if own.distributions is None or len(sets) < 2:
        yield from own.show(sets, data)
        return
    first, *others = sets
    for caption in others:
        yield Heading(f"{caption} beside {first.lower()}")
        yield from own.distributions(sets[first], sets[caption], data)


PARTS = ModalityReport(_part_by_part, reconstructed_rows, traversed_rows)
