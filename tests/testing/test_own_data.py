"""The kit checks models on the author's own data, and on toys of every kind of column."""

import json

import numpy as np
import pytest
import torch
from refusals import assert_refused

from genzoo.data.transforms import AffineTransform
from genzoo.errors import ConfigError, DataError
from genzoo.testing.check import check_promises, subject_of
from genzoo.testing.own_data import few_events
from genzoo.testing.toys import toys

MODEL = """
import torch
import genzoo


class Shifted(genzoo.Generator):
    "Standard normal rows around a mean."
    objective = "{objective}"
    modalities = ("table",)
    kinds = ("continuous",)

    def __init__(self, data):
        super().__init__()
        self.mean = torch.nn.Parameter(torch.zeros(data.event_shape))

    def sample(self, n, *, condition=None, **options):
        return self.mean + torch.randn(n, *self.mean.shape, dtype=self.mean.dtype)
"""


def names(subject):
    return [case.name for case in subject.cases.values()]


def test_toys_have_every_kind_of_column():
    features = [feature for toy in toys().values() for feature in toy.spec.features]
    assert {feature.kind for feature in features} == {"continuous", "binary", "categorical", "count"}
    assert max(len(feature.levels or ()) for feature in features) > 20
    assert any(feature.temporal for feature in features)
    assert any(toy.spec.missing for toy in toys().values())
    assert {len(toy.spec.condition) for toy in toys().values()} == {0, 1, 4}
    assert {toy.spec.modality for toy in toys().values() if toy.spec.condition} == {"table", "image", "text"}


@pytest.mark.parametrize("form", ["name", "path", "array", "settings", "dataset"])
def test_own_data_come_first_in_any_form(form, tmp_path):
    rows = np.random.default_rng(0).normal(size=(500, 2))
    np.save(tmp_path / "rows.npy", rows)
    dataset = toys()["two-columns"]
    given = {
        "name": "iris",
        "path": tmp_path / "rows.npy",
        "array": rows,
        "settings": {"source": "iris", "drop": ["petal length (cm)"]},
        "dataset": dataset,
    }[form]
    subject = subject_of("gaussian", data=given)
    first = subject.principal[0]
    assert first.name.startswith("your data (")
    assert len(first.dataset) <= 240
    assert first.data.size == {"name": 4, "settings": 3}.get(form, 2)
    assert names(subject)[1:] == names(subject_of("gaussian"))


def test_own_data_keep_their_conditions():
    few = few_events({"source": "digits", "condition": ["label"]})
    assert few.conditions is not None
    assert few.conditions.shape == (240, 1)
    subject = subject_of("vae", data={"source": "digits", "condition": ["label"]})
    (case, *_) = subject.cases.values()
    assert case.data.condition_size == 10


def test_own_data_that_a_model_does_not_take_are_an_error():
    with pytest.raises(DataError, match="takes images"):
        check_promises("dcgan", data="iris")
    with pytest.raises(DataError, match="irsi"):
        check_promises("gaussian", data="irsi")
    with pytest.raises(ConfigError, match="Leave data out"):
        check_promises("mmd", kind="metric", data="iris")


def test_a_class_in_a_file_is_checked(tmp_path, cli):
    file = tmp_path / "my_model.py"
    file.write_text(MODEL.format(objective="maximum-likelihood"), encoding="utf-8")
    code, out, _ = cli("plugins", "check", f"{file}:Shifted", "--data", "iris", "--json")
    assert code == 5, "it has no likelihood to maximize"
    (outcomes,) = json.loads(out).values()
    states = {one["promise"]: one["state"] for one in outcomes}
    assert states["registers"] == states["options-are-bounded"] == "does not apply"
    assert states["training-improves"] == "broken"
    assert states["sample-shape"] == "kept"


def test_the_command_line_takes_data(cli):
    code, out, err = cli("plugins", "check", "log", "--kind", "transform", "--data", "iris")
    assert code == 0, err
    assert "9 promises of 'log' checked" in out
    assert_refused(cli("plugins", "check", "gaussian", "-o", "data.drop=a"), 2, "--data")
    assert_refused(cli("plugins", "check", "dcgan", "--data", "iris"), 4, "takes images")


def test_the_log_determinant_keeps_the_type_of_events():
    for dtype in (torch.float32, torch.float64):
        x = torch.ones(3, 2, dtype=dtype)
        assert AffineTransform(x[0], x[0]).log_det(x).dtype == dtype
