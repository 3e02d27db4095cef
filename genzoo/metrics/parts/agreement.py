"""Measure whether the parts of an event agree: whether an image drawn given a label shows what the label says.

Real rows lose all parts but one, and the model draws the others given it. A classifier that was trained on the real
parts of training rows then says the class of each drawn part. The class is a part itself, a single column of
categories.

References:
    "Variational Mixture-of-Experts Autoencoders for Multi-Modal Deep Generative Models" (Shi et al., 2019), for
    cross-modal coherence.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

from genzoo.errors import DataError
from genzoo.features.classifier import fit_classifier
from genzoo.metrics.metric import Direction, Metric, MetricInput, Need, Score, check_events
from genzoo.spec.events import DataSpec, Piece
from genzoo.spec.modality import Modality
from genzoo.typing import Array

LEAST = 20
"""Smallest number of real events."""

_MOST_CLASSES = 1_000
"""Largest number of categories of a part that counts as a class."""


class PartAgreement(Metric):
    """Mean share of parts that have the class of their row, drawn given another part of it.

    The parts of the score are the shares of each pair, `image given label`. A drawn class counts as it is. The value of
    real rows is the accuracy of the classifiers; for a class given another part, the accuracy of this part's.
    """

    name = "part-agreement"
    direction: Direction = "higher"
    needs: frozenset[Need] = frozenset({"training-events", "filled-parts"})
    modalities: tuple[Modality, ...] = ("parts",)

    def score(self, given: MetricInput) -> Score:
        assert given.data is not None
        assert given.real is not None
        assert given.filled is not None
        check_events("real events", given.real, LEAST)
        pieces = {piece.name: piece for piece in given.data.pieces}
        classes = [piece for piece in pieces.values() if _is_class(piece.spec)]
        shares: dict[str, float] = {}
        best: list[float] = []
        for piece in classes:
            by = f", by {piece.name}" if len(classes) > 1 else ""
            judges = _judges(given, piece)
            truth = _codes(given.real, piece)
            for judged, other in itertools.permutations(pieces, 2):
                drawn = judges[judged](pieces[judged].take(given.filled[other]))
                shares[f"{judged} given {other}{by}"] = float((drawn == truth).mean())
                known = other if judged == piece.name else judged
                best.append(float((judges[known](pieces[known].take(given.real)) == truth).mean()))
        if not shares:
            raise DataError("No part is a class: a single column of 2 to 1,000 categories.")
        value = float(np.mean(list(shares.values())))
        error = math.sqrt(sum(share * (1 - share) for share in shares.values()) / len(given.real)) / len(shares)
        return Score(self.name, value, self.direction, error=error, parts=shares, real=float(np.mean(best)))


def _judges(given: MetricInput, piece: Piece) -> dict[str, Callable[[Array], Array]]:
    """Return what says the class of each part, by its name; `piece` is the part that is the class."""
    assert given.data is not None
    assert given.train is not None
    classes = _codes(given.train, piece)
    return {
        other.name: _own_code
        if other.name == piece.name
        else fit_classifier(other.spec, other.take(given.train), classes)
        for other in given.data.pieces
    }


def _own_code(part: Array) -> Array:
    return np.asarray(part[:, 0])


def _is_class(data: DataSpec) -> bool:
    levels = data.features[0].levels
    return data.form.columns and data.size == 1 and levels is not None and 2 <= len(levels) <= _MOST_CLASSES


def _codes(rows: Array, piece: Piece) -> Array:
    return np.asarray(piece.take(rows)[:, 0])


part_agreement = PartAgreement()
