import dataclasses

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from genzoo import DataSpec, Feature
from genzoo.data.transforms import AffineTransform, fit_transform, place_on_grid
from genzoo.errors import DataError

TABLE = DataSpec((3,), "table", tuple(Feature(name) for name in "abc"), storage="float64")
IMAGE = DataSpec((1, 4, 4), "image", (Feature("pixel"),), (0.0, 16.0), 1.0, "uint8")
ROWS = np.random.default_rng(0).normal([1e6, 0.0, -3.0], [1e-2, 5.0, 1.0], (1000, 3))


def blocks(rows, size=137):
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def test_standardising_equals_scikit_learn_also_far_from_zero():
    transform = fit_transform("standardized", TABLE, blocks(ROWS))
    reference = StandardScaler().fit(ROWS)
    assert np.allclose(transform.shift.numpy(), reference.mean_, rtol=1e-14)
    assert np.allclose(transform.scale.numpy(), reference.scale_, rtol=1e-9)


@pytest.mark.parametrize("space", ["raw", "standardized", "unit", "signed-unit"])
@pytest.mark.parametrize(
    ("data", "rows"), [(TABLE, ROWS), (IMAGE, np.random.default_rng(1).integers(0, 17, (50, 1, 4, 4)))]
)
def test_transforms_invert_and_their_log_det_matches_the_jacobian(space, data, rows):
    transform = fit_transform(space, data, blocks(rows))
    x = torch.as_tensor(rows[:5], dtype=torch.float64)
    assert torch.allclose(transform.inverse(transform(x)), x, rtol=1e-12)
    for event, value in zip(x, transform.log_det(x), strict=True):
        jacobian = torch.func.jacrev(lambda e: transform(e[None])[0])(event).reshape(data.size, data.size)
        assert torch.allclose(torch.linalg.slogdet(jacobian)[1], value, rtol=1e-10, atol=1e-12)


def test_only_observed_places_count_in_the_log_determinant():
    transform = fit_transform("standardized", TABLE, blocks(ROWS))
    x = torch.as_tensor(ROWS[:2])
    missing = torch.tensor([[True, False, False], [False, False, False]])
    expected = -transform.scale.log()
    assert torch.allclose(transform.log_det(x, missing), torch.stack([expected[1:].sum(), expected.sum()]))


def test_bounds_map_onto_the_model_space_whether_declared_or_measured():
    assert fit_transform("signed-unit", IMAGE, [np.full((1, 1, 4, 4), 3)])(torch.tensor([0.0, 16.0])).tolist() == [
        -1,
        1,
    ]
    assert fit_transform("unit", IMAGE, [])(torch.tensor([0.0, 8.0])).tolist() == [0, 0.5]
    measured = fit_transform("unit", TABLE, blocks(ROWS))
    assert np.allclose(measured(torch.as_tensor(ROWS)).min(0).values, 0)
    assert np.allclose(measured(torch.as_tensor(ROWS)).max(0).values, 1)


@pytest.mark.parametrize("space", ["standardized", "unit"])
def test_a_constant_column_is_named(space):
    rows = ROWS.copy()
    rows[:, 1] = 7
    with pytest.raises(DataError, match="'b'"):
        fit_transform(space, TABLE, blocks(rows))


def test_values_go_back_onto_the_grid_of_the_data():
    x = torch.tensor([-1.0, 0.4, 0.6, 15.9, 99.0])
    assert place_on_grid(x, IMAGE).tolist() == [0, 0, 1, 16, 16]
    halves = DataSpec((1, 1, 1), "image", (Feature("p"),), (0.25, 2.25), 0.5)
    assert place_on_grid(torch.tensor([0.3, 0.6, 5.0]), halves).tolist() == [0.25, 0.75, 2.25]
    assert place_on_grid(torch.tensor([0.3]), TABLE).tolist() == pytest.approx([0.3])


def test_a_transform_keeps_wide_numbers_wide():
    assert AffineTransform(torch.tensor(1.0), torch.tensor(2.0)).shift.dtype == torch.float64


HOLES = np.where(np.random.default_rng(2).random(ROWS.shape) < 0.3, np.nan, ROWS)
GAPPY = dataclasses.replace(TABLE, missing=True)


def test_missing_values_are_passed_over_column_by_column():
    standard = fit_transform("standardized", GAPPY, blocks(HOLES))
    assert np.allclose(standard.shift, np.nanmean(HOLES, axis=0), rtol=1e-14)
    assert np.allclose(standard.scale, np.nanstd(HOLES, axis=0), rtol=1e-9)
    unit = fit_transform("unit", GAPPY, blocks(HOLES))
    assert np.allclose(unit.shift, np.nanmin(HOLES, axis=0))
    assert np.allclose(unit.shift + unit.scale, np.nanmax(HOLES, axis=0))


@pytest.mark.parametrize("space", ["centered", "standardized", "unit", "signed-unit"])
def test_a_column_without_a_value_in_the_training_rows_is_named(space):
    rows = HOLES.copy()
    rows[:, 2] = np.nan
    with pytest.raises(DataError, match="'c' has no value"):
        fit_transform(space, GAPPY, blocks(rows))


@pytest.mark.parametrize("space", ["raw", "centered", "standardized", "unit", "signed-unit"])
def test_discrete_columns_stay_as_they_are(space):
    mixed = DataSpec((3,), "table", (Feature("a"), Feature("b", "categorical", ("x", "y", "z")), Feature("c", "count")))
    rows = np.stack([ROWS[:, 0], np.full(1000, 2.0), np.arange(1000.0)], axis=1)
    transform = fit_transform(space, mixed, blocks(rows))
    x = torch.as_tensor(rows)
    assert torch.equal(transform(x)[:, 1:], x[:, 1:])
    alone = fit_transform(space, DataSpec((1,), "table", (Feature("a"),)), blocks(rows[:, :1]))
    assert torch.allclose(transform.log_det(x), alone.log_det(x[:, :1])), "a mass has no Jacobian"
    codes = place_on_grid(torch.tensor([[0.5, 7.0, -3.0], [0.5, 0.6, 2.4]]), mixed)
    assert codes.tolist() == [[0.5, 2.0, 0.0], [0.5, 1.0, 2.0]]
