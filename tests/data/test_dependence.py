"""Columns that depend on each other are found by name, and others are left alone."""

import numpy as np
import pytest

import genzoo
from genzoo.config.data import DataSettings
from genzoo.data.degenerate.atoms import find_atoms
from genzoo.data.degenerate.dependence import EXACT, MOST_COLUMNS, MOST_RELATIONS, find_dependence
from genzoo.data.degenerate.functions import find_determined
from genzoo.data.degenerate.relation import Relation, short_number
from genzoo.data.degenerate.remarks import degenerate_remarks
from genzoo.data.inspect import inspect
from genzoo.data.loading import open_dataset
from genzoo.data.value_range import reading_notes
from genzoo.plugins.manager import get_registry

pytestmark = pytest.mark.usefixtures("in_a_shell")  # whose messages they check

ROWS = 1000


def table(storage="float64", **columns):
    x = np.column_stack([np.asarray(values, np.float64) for values in columns.values()]).astype(storage)
    features = tuple(genzoo.Feature(name) for name in columns)
    spec = genzoo.DataSpec((x.shape[1],), "table", features, storage=storage, missing=bool(np.isnan(x).any()))
    return genzoo.Dataset("table", spec, x)


def normals(columns, rows=ROWS, seed=0):
    return np.random.default_rng(seed).normal(size=(columns, rows))


def formulas(dataset):
    return [relation.formula for relation in find_dependence(dataset).relations]


def nullity(x):
    """Count linear relations by the rank of the standardized columns, from a singular value decomposition."""
    z = x - x.mean(0)
    return x.shape[1] - np.linalg.matrix_rank(z / z.std(0), tol=1e-6 * np.sqrt(len(x)))


def sum_of_two():
    a, b = normals(2)
    return {"a": a, "b": b, "total": a + b}, "total = a + b"


def degrees():
    celsius = np.random.default_rng(0).normal(15, 8, ROWS).round(1)
    return {"C": celsius, "F": 1.8 * celsius + 32}, "F = 1.8 C + 32"


def whole_degrees():
    celsius = np.random.default_rng(0).normal(15, 8, ROWS).round(1)
    return {"F": (1.8 * celsius + 32).round(), "C": celsius}, "F = 1.8 C + 32"


def shares():
    x, y, z = 100 * np.random.default_rng(0).dirichlet([1, 2, 3], ROWS).T
    return {"x": x, "y": y, "z": z}, "x + y + z = 100"


def rounded_shares():
    columns, formula = shares()
    return {name: values.round(1) for name, values in columns.items()}, formula


def dummies():
    factor = np.random.default_rng(0).integers(4, size=ROWS)
    return {f"is{i}": factor == i for i in range(4)}, "is0 + is1 + is2 + is3 = 1"


def copy():
    a, b = normals(2)
    return {"a": a, "b": b, "again": a}, "again = a"


def born():
    year = np.random.default_rng(0).integers(1950, 2020, ROWS)
    return {"born": year, "w": normals(1)[0], "age": 2024 - year}, "born + age = 2024"


def large_means():
    small = normals(1)[0] * 1e-3
    return {"year": 2000 + small, "shift": small, "w": 1e9 * normals(1, seed=1)[0]}, "year = shift + 2000"


def one_constant():
    columns, formula = sum_of_two()
    return {"k": np.full(ROWS, 3.0), **columns}, formula


def odd_names():
    a, b = normals(2)
    return {"first part": a, "b": b, "all-in": a + b}, "'all-in' = 'first part' + b"


CASES = [
    sum_of_two,
    degrees,
    whole_degrees,
    shares,
    rounded_shares,
    dummies,
    copy,
    born,
    large_means,
    one_constant,
    odd_names,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_relation_is_written_as_people_write_it(case):
    columns, formula = case()
    assert formulas(table(**columns)) == [formula]


@pytest.mark.parametrize("digits", [1, 2, 3, 6])
def test_a_total_is_found_up_to_the_rounding_of_its_parts(digits):
    a, b = normals(2) * [[1], [3]]
    found = find_dependence(table(a=a.round(digits), b=b.round(digits), total=(a + b).round(digits)))
    assert [relation.formula for relation in found.relations] == ["total = a + b"]
    assert found.relations[0].rounded == (10.0**-digits / 4 > EXACT * 3)


def test_values_of_float32_are_related_up_to_their_own_precision():
    a, b = normals(2)
    assert formulas(table("float32", a=a + 2000, b=b, total=a + b + 2000)) == ["total = a + b"]


@pytest.mark.parametrize("seed", range(12))
def test_as_many_relations_are_found_as_singular_values_vanish(seed):
    rng = np.random.default_rng(seed)
    free, bound = rng.integers(2, 8), rng.integers(0, 4)
    weights = rng.integers(-3, 4, (bound, free))
    weights[:, 0] = 1
    basis = rng.normal(size=(ROWS, free)) * 10.0 ** rng.integers(-1, 3, free)
    x = np.column_stack([basis, basis @ weights.T + rng.integers(5, size=bound)])[:, rng.permutation(free + bound)]
    names = [f"x{i}" for i in range(x.shape[1])]
    found = find_dependence(table(**dict(zip(names, x.T, strict=True)))).relations
    assert len(found) == nullity(x) == bound
    rows = np.zeros((len(found), len(names)))
    for row, relation in zip(rows, found, strict=True):
        places = [names.index(name) for name in relation.columns]
        row[places] = relation.coefficients
        size = np.abs(x[:, places] * row[places]).max()
        assert np.abs(x @ row - relation.constant).max() < 1e-6 * size, "it holds in every row"
    assert not found or np.linalg.matrix_rank(rows * x.std(0)) == bound, "none follows from the others"


def test_the_shortest_formula_names_no_other_column():
    a, b, c, d = normals(4)
    found = find_dependence(table(a=a, b=b, c=c, d=d, difference=d - 2 * b))
    assert [set(relation.columns) for relation in found.relations] == [{"b", "d", "difference"}]


NOISE = np.random.default_rng(5).normal(size=ROWS)


@pytest.mark.parametrize(
    "columns",
    [
        {"a": normals(1)[0], "b": normals(1)[0] + 0.0141 * NOISE},
        {"a": normals(1)[0].round(2), "b": (normals(1)[0] + 0.0141 * NOISE).round(3)},
        {"a": 2000 + 1e-3 * normals(1)[0], "b": 1e-3 * normals(1)[0] + 1e-5 * NOISE},
        {"a": 1e9 * normals(1)[0], "b": 1e-9 * NOISE},
        {"a": np.random.default_rng(0).integers(2, size=ROWS), "b": np.random.default_rng(1).integers(2, size=ROWS)},
        {"a": np.random.default_rng(0).integers(1, 6, ROWS), "b": np.random.default_rng(1).integers(1, 6, ROWS)},
        {"a": np.exp(normals(1)[0]), "b": np.exp(1.0002 * normals(1)[0])},
    ],
    ids=["r 0.9999", "r 0.9999 rounded", "large mean", "scales", "bits", "ratings", "nearly linear"],
)
def test_columns_that_are_only_correlated_are_no_relation(columns):
    assert formulas(table(**columns)) == []
    assert nullity(np.column_stack([np.asarray(v, float) for v in columns.values()])) == 0


def test_many_correlated_whole_numbers_are_no_relation():
    common = normals(1)[0] * 40
    spectrum = {f"x{i}": (common + 4 * NOISE * np.sin(i) + 3 * normals(1, seed=i)[0]).round() for i in range(30)}
    assert formulas(table(**spectrum)) == []


@pytest.mark.parametrize("name", ["iris", "wine", "breast-cancer", "diabetes", "moons", "rings", "pinwheel", "mixture"])
def test_no_built_in_table_has_a_linear_relation(name):
    dataset = open_dataset(DataSettings(source=name), get_registry())
    x = np.asarray(dataset.events, np.float64)
    assert nullity(x) == 0
    assert find_dependence(dataset).relations == ()


def test_missing_values_leave_the_rows_in_which_all_parts_are_known():
    columns, formula = sum_of_two()
    rng = np.random.default_rng(1)
    holed = {name: np.where(rng.random(ROWS) < 0.3, np.nan, values) for name, values in columns.items()}
    assert formulas(table(**holed)) == [formula]
    wide = {f"x{i}": np.where(rng.random(ROWS) < 0.5, np.nan, normals(1, seed=i + 9)[0]) for i in range(30)}
    assert formulas(table(**wide, **holed)) == [formula]


def test_a_relation_that_one_row_breaks_is_none():
    columns, _ = sum_of_two()
    columns["total"] = columns["total"].copy()
    columns["total"][500] += 1.0
    assert formulas(table(**columns)) == []


def test_all_rows_are_checked_and_not_only_those_that_are_searched():
    a, b = normals(2, rows=50_000)
    total = a + b
    total[1] += 0.5
    assert formulas(table(a=a, b=b, total=total)) == []
    total[1] -= 0.5
    assert formulas(table(a=a, b=b, total=total)) == ["total = a + b"]


def test_more_columns_than_rows_are_said_and_not_related():
    found = find_dependence(table(**{f"x{i}": column for i, column in enumerate(normals(30, rows=20))}))
    assert found.relations == ()
    assert found.unsearched is not None
    assert found.unsearched.startswith("20 rows cannot determine the covariance of 30 continuous columns")


def test_a_very_wide_table_is_not_searched_and_it_is_said():
    wide = normals(MOST_COLUMNS + 1, rows=50)
    found = find_dependence(table(**{f"x{i}": column for i, column in enumerate(wide)}))
    assert found.relations == ()
    assert f"more than {MOST_COLUMNS}" in str(found.unsearched)


def test_many_relations_are_counted_and_the_first_ones_listed():
    a = normals(1)[0]
    found = find_dependence(table(**{f"x{i}": (i + 1) * a for i in range(MOST_RELATIONS + 3)}))
    assert len(found.relations) == MOST_RELATIONS
    assert "more than" in str(found.unsearched)


def test_a_long_sum_is_found_and_written_short():
    parts = {f"x{i}": column for i, column in enumerate(normals(60))}
    found = find_dependence(table(**parts, total=sum(parts.values()))).relations
    assert len(found) == 1
    assert found[0].columns[0] == "total"
    assert set(found[0].coefficients[1:]) == {1.0}
    assert found[0].formula == "total = x0 + x1 + x2 + x3 + ... (55 more) + x59"


def test_the_advice_names_all_columns_and_the_one_to_drop():
    relation = Relation(("all in", "a", "b"), (-1.0, 1.0, -2.5), -3.0)
    assert relation.formula == "'all in' = a - 2.5 b + 3"
    assert relation.advice == "leave out one of a, b, 'all in': --drop 'all in'"
    assert Relation(("a",), (1.0,), 0.0).formula == "a = 0"


@pytest.mark.parametrize(
    ("value", "tolerance", "short"), [(1.79999, 1e-4, 1.8), (99.97, 0.1, 100.0), (1e-9, 1e-8, 0.0)]
)
def test_a_short_number_has_the_fewest_digits_within_its_tolerance(value, tolerance, short):
    assert short_number(value, tolerance) == short


def coded(values, codes, levels):
    features = (genzoo.Feature("years"), genzoo.Feature("school", "categorical", levels))
    spec = genzoo.DataSpec((2,), "table", features, storage="float64", missing=bool(np.isnan(values).any()))
    return genzoo.Dataset("t", spec, np.column_stack([values, codes]).astype(np.float64))


def test_a_column_that_a_category_determines_is_found():
    codes = np.random.default_rng(0).integers(3, size=90)
    years = np.array([8.0, 12.0, 16.0])[codes]
    found = find_determined(coded(years, codes, ("low", "middle", "high")))
    assert [(one.column, one.by) for one in found] == [("years", "school")]
    holed = years.copy()
    holed[::4] = np.nan
    assert len(find_determined(coded(holed, codes, ("low", "middle", "high")))) == 1
    years[17] += 1
    assert find_determined(coded(years, codes, ("low", "middle", "high"))) == []


def test_categories_of_single_rows_determine_nothing():
    codes = np.arange(60) % 30
    assert find_determined(coded(np.arange(60.0) % 30, codes, tuple(f"c{i}" for i in range(30)))) == []
    constant = np.full(60, 5.0)
    assert find_determined(coded(constant, codes % 3, ("a", "b", "c"))) == []


def test_a_value_in_many_rows_is_an_atom_with_its_share():
    rng = np.random.default_rng(0)
    rain = np.where(rng.random(ROWS) < 0.4, 0.0, rng.gamma(2, 3, ROWS))
    found = list(find_atoms(table(rain=rain, w=normals(1)[0])))
    assert [(atom.column, atom.value) for atom in found] == [("rain", 0.0)]
    assert found[0].share == (rain == 0).mean()
    assert "--drop rain" in found[0].remark
    assert "count" not in found[0].remark, "the other values are no whole numbers"


def test_whole_numbers_with_many_zeros_may_be_counts():
    rng = np.random.default_rng(0)
    gain = np.where(rng.random(ROWS) < 0.9, 0, rng.integers(1, 5000, ROWS))
    (atom,) = find_atoms(table(gain=gain, w=normals(1)[0]))
    assert "--kind gain=count" in atom.remark


def test_few_different_values_are_atoms_and_rounded_ones_are_not():
    rng = np.random.default_rng(0)
    quality, alcohol = rng.integers(3, 9, ROWS), rng.normal(10, 1, ROWS).round(1)
    assert [atom.column for atom in find_atoms(table(quality=quality, alcohol=alcohol))] == ["quality"]


@pytest.mark.parametrize("name", ["iris", "wine", "breast-cancer", "mixture"])
def test_no_atom_is_found_in_rounded_measurements(name):
    assert list(find_atoms(open_dataset(DataSettings(source=name), get_registry()))) == []


def test_inspection_lists_relations_and_atoms_once():
    rng = np.random.default_rng(0)
    columns, _ = sum_of_two()
    rain = np.where(rng.random(ROWS) < 0.4, 0.0, rng.gamma(2, 3, ROWS))
    rating = rng.integers(1, 6, ROWS)
    remarks = inspect(table(**columns, again=columns["a"], rain=rain, rating=rating)).remarks
    assert sum("total = a + b" in remark for remark in remarks) == 1
    assert sum("'again'" in remark for remark in remarks) == 1, "a copy has a remark of its own"
    assert sum("'rating'" in remark for remark in remarks) == 1
    assert any("--drop total" in remark for remark in remarks)
    assert any("'rain' is 0 in 3" in remark or "'rain' is 0 in 4" in remark for remark in remarks)


def test_images_have_no_remarks_of_tables():
    assert degenerate_remarks(open_dataset(DataSettings(source="digits"), get_registry())) == []


class Endless:
    """Random rows `(2^40, 3)`, made when they are asked for: their numbers alone would fill any memory."""

    shape, dtype, ndim = (2**40, 3), np.dtype(np.float32), 2

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        index = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else np.asarray(rows)
        return np.sin(index[:, None] * np.array([1.0, 2.3, 3.7])).astype(np.float32)


def test_the_remarks_on_many_rows_look_at_a_few():
    features = tuple(genzoo.Feature(name) for name in "abc")
    dataset = genzoo.Dataset("many", genzoo.DataSpec((3,), "table", features, storage="float32"), Endless())
    assert degenerate_remarks(dataset) == []
    assert reading_notes(dataset) == []
