import dataclasses

import pytest
from pydantic import TypeAdapter, ValidationError

from genzoo import ConfigError, DataSpec, Feature, ModelSpec
from genzoo.config.resolve import check_usual_data
from genzoo.models.base import CAPABILITIES, capability_name
from genzoo.plugins.manager import get_registry
from genzoo.spec import entries

PIXEL = (Feature("pixel"),)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"event_shape": (8, 8)}, "shape"),
        ({"event_shape": (1, 0, 8)}, "shape"),
        ({"features": ()}, "features"),
        ({"bounds": (1.0, 1.0)}, "bounds"),
        ({"bounds": (0.0, float("inf"))}, "bounds"),
        ({"quantum": 0.0}, "step"),
    ],
)
def test_a_data_spec_that_contradicts_itself_is_refused(fields, word):
    good = {"event_shape": (1, 8, 8), "modality": "image", "features": PIXEL}
    DataSpec(**good)
    with pytest.raises(ValueError, match=word):
        DataSpec(**{**good, **fields})


def test_capabilities_are_the_classes_of_the_model_contract():
    assert {capability_name(cls) for cls in CAPABILITIES} == entries.CAPABILITIES


def test_a_data_spec_survives_json():
    found = DataSpec((3,), "table", (Feature("a"), Feature("b", "categorical", ("x", "y")), Feature("c", "count")))
    adapter = TypeAdapter(DataSpec)
    assert adapter.validate_json(adapter.dump_json(found)) == found
    with pytest.raises(ValidationError):
        adapter.validate_python({**found.as_dict(), "more": 1})
    with pytest.raises(ValidationError):
        adapter.validate_python({**found.as_dict(), "storage": "object"})
    older = found.as_dict()
    for feature in older["features"]:
        del feature["type"]
    assert adapter.validate_python(older) == found, "folders written before columns had a type still load"


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "categorical"},
        {"kind": "count", "levels": ("a",)},
        {"kind": "categorical", "levels": ("a", "a")},
        {"kind": "binary", "levels": ("a",)},
        {"kind": "categorical", "levels": ("1", "a"), "type": "int8"},
        {"kind": "binary", "levels": ("no", "yes"), "type": "bool"},
    ],
)
def test_a_feature_whose_levels_do_not_fit_its_kind_is_refused(fields):
    with pytest.raises(ValueError, match="'a'"):
        Feature("a", **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "DC GAN"},
        {"summary": " "},
        {"builder": "os.system"},
        {"config": "a:b:c"},
        {"objectives": ()},
        {"objectives": "hinge"},
        {"capabilities": "decoder"},
        {"capabilities": {"decode"}},
        {"modalities": ("smell",)},
        {"presets": {"fast": {"trainings": {}}}},
    ],
)
def test_a_bad_model_spec_is_refused_with_its_name(fields):
    good = get_registry().models.get("dcgan").spec
    with pytest.raises(ValueError, match=r"."):
        dataclasses.replace(good, **fields)
    assert isinstance(good, ModelSpec)


@pytest.mark.parametrize(
    ("modalities", "data"), [(("table",), "iris"), (("image",), "digits"), (("table", "image"), "digits")]
)
def test_a_recipe_has_default_data_of_its_modality(modalities, data):
    found = dataclasses.replace(get_registry().models.get("toy").spec, data="", modalities=modalities)
    assert found.data == data
    check_usual_data(get_registry(), found)


def test_default_data_of_another_modality_are_refused():
    wrong = dataclasses.replace(get_registry().models.get("toy").spec, data="digits", modalities=("table",))
    with pytest.raises(ConfigError, match="'toy' takes tables, and the data that its spec names, 'digits', are images"):
        check_usual_data(get_registry(), wrong)


def test_every_model_is_trained_by_default_on_data_that_it_takes():
    for entry in get_registry().models:
        check_usual_data(get_registry(), entry.spec)
