"""Which data a model takes is said by its spec, and others are refused by name."""

import contextlib
import dataclasses
import re
import sys
import types

import pytest

import genzoo
from genzoo.models.factory import build_model, check_data
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Entry

pytestmark = pytest.mark.usefixtures("in_a_shell")  # whose messages they check

TOWNS = genzoo.DataSpec((2,), "table", (genzoo.Feature("size"), genzoo.Feature("my town", "categorical", ("a", "b"))))
BINARY = genzoo.DataSpec((1, 8, 8), "image", (genzoo.Feature("pixel", "binary", ("0", "1")),))


def entry(**changes):
    return Entry("genzoo-toy", dataclasses.replace(get_registry().models.get("toy").spec, **changes))


def test_every_kind_of_feature_is_taken_unless_the_spec_says_otherwise():
    assert entry().spec.kinds == ("continuous", "binary", "categorical", "count")
    check_data(entry(), TOWNS)
    check_data(entry(kinds=("continuous", "categorical")), TOWNS)


@pytest.mark.parametrize(
    ("data", "words"),
    [(TOWNS, "Column 'my town' is categorical.*continuous or count columns.*--drop 'my town'"), (BINARY, "binary")],
)
def test_another_kind_is_refused_with_the_way_out(data, words):
    with pytest.raises(genzoo.DataError, match=words):
        check_data(entry(kinds=("continuous", "count")), data)


@pytest.mark.parametrize(("features", "gmm"), [(TOWNS.features, False), ([genzoo.Feature("size")] * 2, True)])
def test_missing_values_are_an_error_that_names_the_models_that_take_them(features, gmm):
    data = dataclasses.replace(TOWNS, missing=True, features=tuple(features))
    with pytest.raises(
        genzoo.DataError, match=r"accepts them \((.*)\), or leave such rows out with --drop-m"
    ) as caught:
        check_data(entry(missing=False), data)
    named = re.search(r"accepts them \((.*)\), or", str(caught.value))[1].split(", ")
    taking = []
    for model in get_registry().models:
        with contextlib.suppress(genzoo.DataError):
            check_data(model, data)
            taking.append(model.spec.name)
    assert named == taking
    assert ("gmm" in named, "copula" in named) == (gmm, True)


def test_gray_images_are_binarized_for_a_model_of_binary_pixels():
    gray = genzoo.DataSpec((1, 8, 8), "image", (genzoo.Feature("pixel"),), (0.0, 16.0), 1.0)
    with pytest.raises(genzoo.DataError, match=r"takes binary pixels\. Turn them into 0 and 1 with --binarize, or use"):
        check_data(entry(kinds=("binary",)), gray)
    with pytest.raises(genzoo.DataError) as caught:
        check_data(entry(kinds=("count",)), gray)
    assert "binarize" not in str(caught.value)


@pytest.mark.parametrize("kinds", ["continuous", ("number",)])
def test_kinds_that_do_not_exist_are_refused(kinds):
    with pytest.raises(ValueError, match="kinds"):
        entry(kinds=kinds)


@pytest.mark.parametrize(("error", "seen"), [(genzoo.DataError, genzoo.DataError), (ValueError, genzoo.ConfigError)])
def test_errors_of_genzoo_in_a_builder_stay_as_they_are(error, seen, monkeypatch):
    def build(config, data):
        raise error("three towns are too few")

    monkeypatch.setitem(sys.modules, "failing", types.SimpleNamespace(build=build))
    with pytest.raises(seen, match="three towns are too few") as caught:
        build_model(entry(builder="failing:build"), {}, TOWNS)
    assert ("cannot be built" in str(caught.value)) == (seen is genzoo.ConfigError)
