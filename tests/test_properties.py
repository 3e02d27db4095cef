"""What holds whatever is put in: round trips of settings, specs, transforms and files, and strict readers."""

import csv
import json
import math
import string
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import TypeAdapter, ValidationError

from genzoo.config.data_form import DataForm
from genzoo.config.layers import merge, parse_assignments
from genzoo.config.run_config import RunConfig
from genzoo.config.training import GradientTraining
from genzoo.data.transforms import AffineTransform, fit_transform
from genzoo.errors import ArtifactError, ConfigError
from genzoo.spec.events import DataSpec, Feature
from genzoo.storage.json_files import parse_json, read_json, to_json, write_json
from genzoo.storage.tables import write_table
from genzoo.storage.tensors import read_numbers, read_tensors, write_tensors
from genzoo.text import printable

settings.register_profile(
    "genzoo",
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("genzoo")

NAMES = st.text(string.ascii_lowercase + "_", min_size=1, max_size=8)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | FLOATS | st.text(max_size=20)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


@st.composite
def features(draw, name):
    kind = draw(st.sampled_from(["continuous", "binary", "categorical", "count"]))
    if kind in ("continuous", "count"):
        return Feature(name, kind, None, draw(st.sampled_from(["float32", "float64", "int64", None])))
    size = 2 if kind == "binary" else draw(st.integers(1, 5))
    levels = draw(st.lists(st.text(min_size=1, max_size=6), min_size=size, max_size=size, unique=True))
    return Feature(name, kind, tuple(levels), draw(st.sampled_from(["string", "dictionary", None])))


@st.composite
def specs(draw):
    if draw(st.booleans()):
        shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 64), st.integers(1, 64)))
        return DataSpec(shape, "image", (Feature("pixel"),), (0.0, 255.0), draw(st.sampled_from([None, 1.0])), "uint8")
    names = draw(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5, unique=True))
    columns = tuple(draw(features(name)) for name in names)
    return DataSpec((len(names),), "table", columns, storage="float64", missing=draw(st.booleans()))


@given(specs())
def test_a_data_spec_comes_back_from_a_file(tmp_path, spec):
    write_json(tmp_path / "a.json", {"format": 1, "data": spec.as_dict()})
    found = TypeAdapter(DataForm).validate_python(read_json(tmp_path / "a.json")["data"])
    assert found == spec
    assert [feature.type for feature in found.features] == [feature.type for feature in spec.features]


@given(TREES)
def test_json_comes_back_as_it_was_written(tree):
    assert parse_json(to_json(tree).encode("utf-8", "surrogatepass")) == tree


@given(TREES)
def test_strict_json_is_json(tree):
    text = json.dumps(tree)
    assert parse_json(text.encode()) == json.loads(text)


@given(
    st.binary(max_size=300) | st.text(max_size=100).map(str.encode) | TREES.map(lambda t: json.dumps(t).encode()[:-1])
)
def test_whatever_stands_in_a_file_is_read_or_refused(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    (tmp_path / "a.safetensors").write_bytes(content)
    for read, path in ((read_json, tmp_path / "a.json"), (read_numbers, tmp_path / "a.safetensors")):
        try:
            found = read(path)
        except ArtifactError:
            continue
        assert isinstance(found, dict)


@given(st.binary(max_size=80), st.dictionaries(NAMES, TREES, max_size=3))
def test_no_header_of_tensors_makes_the_reader_fail_otherwise(tmp_path, numbers, header):
    text = json.dumps(header).encode()
    (tmp_path / "a.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + numbers)
    try:
        found = read_numbers(tmp_path / "a.safetensors")
    except ArtifactError:
        return
    assert sum(tensor.nbytes for tensor in found.values()) == len(numbers)


TYPES = st.sampled_from([np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_])


@given(
    st.dictionaries(
        NAMES, TYPES.flatmap(lambda t: arrays.arrays(t, arrays.array_shapes(min_dims=0, min_side=0))), max_size=4
    )
)
def test_tensors_come_back_bit_by_bit(tmp_path, found):
    finite = {name: np.nan_to_num(array) if array.dtype.kind == "f" else array for name, array in found.items()}
    tensors = {
        name: torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape)) for name, array in finite.items()
    }
    tied = write_tensors(tmp_path / "a.safetensors", tensors)
    back = read_tensors(tmp_path / "a.safetensors", tied)
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert back[name].dtype == tensor.dtype
        assert back[name].shape == tensor.shape
        assert back[name].numpy().tobytes() == tensor.numpy().tobytes()


@given(st.dictionaries(NAMES, st.integers() | st.booleans() | NAMES, max_size=4), NAMES)
def test_assignments_say_what_json_says(values, group):
    pairs = [f"{group}.{name}={json.dumps(value)}" for name, value in values.items()]
    assert parse_assignments(pairs) == ({group: values} if values else {})


LAYERS = st.recursive(st.integers(), lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=6)


@given(*[st.dictionaries(NAMES, LAYERS, max_size=3)] * 3)
def test_merging_layers_two_by_two_is_merging_them_all(first, second, third):
    assert merge(first, second, third) == merge(merge(first, second), third)
    assert merge(first, first) == merge(first) == first


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "batch_size": st.integers(1, 10**6),
            "ema": st.floats(0, 0.999),
            "steps": st.integers(1, 10**9),
            "optimizer": st.fixed_dictionaries(
                {}, optional={"lr": st.floats(1e-6, 1), "name": st.sampled_from(["adam", "sgd"])}
            ),
            "schedule": st.fixed_dictionaries({}, optional={"warmup": st.integers(0, 1000)}),
            "metrics": st.lists(NAMES, max_size=2),
        },
    ),
    st.integers(0, 2**63 - 1),
)
def test_the_configuration_of_a_run_comes_back_from_its_file(tmp_path, training, seed):
    content = {"model": "a/b", "options": {}, "objective": {"name": "c"}, "data": {"source": "d"}, "split": {}}
    config = RunConfig.model_validate({**content, "training": {**training, "kind": "gradient"}, "seed": seed})
    write_json(tmp_path / "config.json", config.model_dump(mode="json"))
    assert RunConfig.model_validate(read_json(tmp_path / "config.json", 2)) == config


@given(st.dictionaries(st.sampled_from(list(GradientTraining.model_fields)), TREES, max_size=3))
def test_training_settings_are_taken_or_refused(values):
    try:
        found = GradientTraining.model_validate(values)
    except (ValidationError, ConfigError):
        return
    assert GradientTraining.model_validate(found.model_dump()) == found


WIDE = st.floats(-1e12, 1e12)


@given(
    arrays.arrays(np.float64, st.tuples(st.integers(2, 20), st.integers(1, 4)), elements=WIDE),
    st.sampled_from(["raw", "centered", "standardized", "unit", "signed-unit"]),
)
def test_transforms_invert_themselves_and_know_their_volume(table, space):
    spread = table.std(axis=0)
    if (spread <= 1e-6 * (1 + np.abs(table).max(axis=0))).any():
        return  # refused, or all rounding
    spec = DataSpec(
        (table.shape[1],), "table", tuple(Feature(f"x{i}") for i in range(table.shape[1])), storage="float64"
    )
    transform = fit_transform(space, spec, [table])
    x = torch.from_numpy(table)
    y = transform(x)
    np.testing.assert_allclose(transform.inverse(y).numpy(), table, rtol=1e-9, atol=1e-9 * np.abs(table).max() + 1e-12)
    scale = np.broadcast_to(transform.scale.numpy(), table.shape[1:])
    np.testing.assert_allclose(transform.log_det(x).numpy(), -np.log(scale).sum(), rtol=1e-9, atol=1e-9)
    if space == "unit":
        assert y.min() >= -1e-12
        assert y.max() <= 1 + 1e-12
    if space == "standardized":
        np.testing.assert_allclose(y.mean(0).numpy(), 0, atol=1e-3)
        np.testing.assert_allclose(y.std(0, correction=0).numpy(), 1, atol=1e-3)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.floats(-1e6, 1e6))
def test_an_affine_map_agrees_with_arithmetic(shift, scale, value):
    found = AffineTransform(torch.tensor(shift, dtype=torch.float64), torch.tensor(scale, dtype=torch.float64))
    x = torch.tensor([[value]], dtype=torch.float64)
    assert found(x).item() == pytest.approx((value - shift) / scale, rel=1e-12, abs=1e-300)
    assert found.log_det(x).item() == pytest.approx(-math.log(scale), rel=1e-12)


CELLS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12)


@given(st.lists(CELLS, min_size=1, max_size=6), CELLS.filter(bool))
def test_escaped_cells_are_no_formulas_and_others_stay(tmp_path, cells, name):
    path = Path(tmp_path / "a.csv")
    write_table(path, pa.table({name: cells}), escape_formulas=True)
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = list(csv.reader(file))
    for found, cell in zip([head, *rows], [name, *cells], strict=False):
        shown = found[0] if found else ""
        assert not shown.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        assert shown in (cell, f"'{cell}")
        assert shown == cell or cell[0] in "=+-@\t\r\n＝＋－＠"


@given(st.text())
def test_what_is_printed_holds_nothing_that_a_terminal_obeys(text):
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) == len(text)
    assert all(new == old for new, old in zip(shown, text, strict=True) if old.isprintable())
