"""The cells that recorded values stand for."""

import numpy as np
import pytest

import genzoo
from genzoo.data.columns.rounding import rounded_column, rounded_columns

rng = np.random.default_rng(0)
NORMAL = rng.normal(size=600)


def width(column, x):
    (values,), (below,), (above,) = column.cells_near(np.array([x]), 1)
    assert values[1] == pytest.approx(x)
    return below[1] + above[1]


@pytest.mark.parametrize(
    ("values", "x", "expected"),
    [
        (NORMAL.round(1), 0.3, 0.1),
        (NORMAL.round(1).astype(np.float32), np.float32(0.3), 0.1),
        (np.round(NORMAL / 0.25) * 0.25, 0.5, 0.25),
        ((NORMAL * 100).round() * 10 + 7, 107.0, 10.0),
        (NORMAL.round(6), 0.3, 1e-6),
        (np.where(rng.random(600) < 0.1, np.nan, NORMAL.round(1)), 0.3, 0.1),
        (NORMAL.round(1) / 0.7654321, 0.3 / 0.7654321, 0.1 / 0.7654321),
    ],
)
def test_a_cell_is_as_wide_as_the_step(values, x, expected):
    found = rounded_column(values, float(np.finfo(values.dtype).eps))
    assert width(found, x) == pytest.approx(expected, rel=1e-5)


def test_values_rounded_to_digits_have_wider_cells_where_they_are_larger():
    column = rounded_column(np.array([float(f"{value:.3g}") for value in np.exp(2 * NORMAL)]))
    assert [round(width(column, x), 9) for x in (0.5, 5.0, 50.0)] == [0.001, 0.01, 0.1]


def test_cells_end_at_the_smallest_and_the_largest_value():
    values, below, above = rounded_column(np.arange(10.0)).cells_near(np.array([0.0, 9.0]), 1)
    assert values.tolist() == [[-1, 0, 1], [8, 9, 10]]
    assert below.tolist() == [[0, 0, 0.5], [0.5, 0.5, 0]]
    assert above.tolist() == [[0, 0.5, 0.5], [0.5, 0, 0]]


def test_of_values_off_a_grid_only_those_that_recur_have_cells():
    atom = np.concatenate([np.zeros(100), NORMAL])
    column = rounded_column(atom)
    assert 0 < width(column, 0.0) < 0.05
    assert width(column, NORMAL[0]) == 0
    counts = np.log1p(rng.poisson(5, 600))
    assert width(rounded_column(counts), np.log(6)) == pytest.approx(np.log(7 / 5) / 2, rel=0.1)


@pytest.mark.parametrize("values", [NORMAL, np.ones(20), np.full(5, np.nan), np.array([])])
def test_other_columns_have_no_cells(values):
    assert rounded_column(values) is None


def test_only_continuous_columns_of_tables_are_rounded():
    features = (genzoo.Feature("a"), genzoo.Feature("n", "count"), genzoo.Feature("x"))
    events = np.stack([NORMAL.round(1), rng.poisson(3, 600), NORMAL], 1)
    spec = genzoo.DataSpec((3,), "table", features, storage="float64")
    assert list(rounded_columns(genzoo.Dataset("t", spec, events))) == [0]
    pixels = genzoo.DataSpec((1, 2, 2), "image", (genzoo.Feature("pixel"),), (0.0, 255.0), 1.0, "uint8")
    assert rounded_columns(genzoo.Dataset("i", pixels, np.zeros((5, 1, 2, 2), np.uint8))) == {}
