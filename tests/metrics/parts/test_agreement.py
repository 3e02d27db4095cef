"""`part-agreement` on parts whose classes are known."""

import numpy as np
import pytest

from genzoo import DataError, DataSpec, Feature
from genzoo.metrics.metric import MetricInput
from genzoo.metrics.parts.agreement import part_agreement
from genzoo.spec.composite import CompositeSpec

LABEL = DataSpec((1,), "table", (Feature("label", "categorical", ("a", "b", "c")),), storage="float32")
ROW = DataSpec((2,), "table", (Feature("x"), Feature("y")), storage="float64")
SPEC = CompositeSpec.of({"label": LABEL, "row": ROW})


def rows(labels, shown):
    """Return events whose row has the class `shown`, far from all others."""
    place = np.random.default_rng(len(labels)).normal(0, 0.3, (len(labels), 2)) + 5 * np.asarray(shown)[:, None]
    return np.column_stack([labels, place])


def test_agreement_is_the_share_of_parts_with_the_class_of_their_row():
    labels = np.arange(300) % 3
    drawn = np.where(np.arange(300) < 210, labels, (labels + 1) % 3)
    guessed = np.where(np.arange(300) < 270, labels, (labels + 1) % 3)
    real = rows(labels, labels)
    filled = {"label": rows(labels, drawn), "row": rows(guessed, labels)}
    score = part_agreement.score(MetricInput(SPEC, real, train=rows(labels, labels), filled=filled))
    assert score.parts == {"row given label": pytest.approx(0.7), "label given row": pytest.approx(0.9)}
    assert score.value == pytest.approx(0.8)
    assert score.real == 1.0
    assert score.error == pytest.approx(np.sqrt(0.7 * 0.3 / 300 + 0.9 * 0.1 / 300) / 2)


def test_events_without_a_class_have_no_agreement():
    data = CompositeSpec.of({"one": ROW, "two": ROW})
    real = np.random.default_rng(0).normal(size=(50, 4))
    with pytest.raises(DataError, match="No part is a class"):
        part_agreement.score(MetricInput(data, real, train=real, filled={"one": real, "two": real}))
