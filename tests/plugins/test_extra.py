"""Models with an extra: packages that only they need."""

import json
import sys

import numpy as np
import pytest
from distributions import plugin_files, unpack
from refusals import assert_refused

import genzoo
from genzoo.data.readers.numpy_files import array_dataset
from genzoo.models.factory import build_model
from genzoo.packaging.references import findings
from genzoo.plugins import manager as plugins_module
from genzoo.plugins.manager import core_only_manager
from genzoo.plugins.registry import MissingExtraError

BUILD = "def build(config, data):\n"
LACKING = "import a_package.of_others\n"


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """Return a function that makes a zoo with a distribution whose model `loud` has the extra `audio`."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)

    def make(package, *, parts="", builder="", extra='extra="audio", ', distribution="genzoo-loud", **options):
        files = plugin_files(package, "loud")
        files[f"{package}/plugin.py"] = files[f"{package}/plugin.py"].replace('data="iris",', f'data="iris", {extra}')
        code = files[f"{package}/parts.py"].replace(
            "def build(config, data):\n", f"def build(config, data):\n{builder}"
        )
        files[f"{package}/parts.py"] = code + parts
        # `genzoo models` and the checks of settings import nothing else, so they need no extra.
        files[f"{package}/plugin.py"] = files[f"{package}/plugin.py"].replace(".parts:Options", ".options:Options")
        files[f"{package}/options.py"] = "import genzoo\n\n\nclass Options(genzoo.Settings):\n    depth: int = 1\n"
        unpack(folder, distribution, files, **options)
        found = core_only_manager()
        found.load_entry_points()
        monkeypatch.setattr(plugins_module, "get_manager", lambda: found)
        return found

    yield make
    for name, found in list(sys.modules.items()):
        if str(folder) in str(getattr(found, "__file__", "")):
            del sys.modules[name]


def test_a_missing_package_is_found_before_data_are_read(zoo, cli):
    found = zoo("loud_at_import", parts=LACKING)
    words = ("Model 'loud' needs packages that are not installed (missing: 'a_package')", "'genzoo-loud[audio]'")
    assert_refused(cli("train", "loud", "--data", "nowhere.csv"), 3, *words)
    assert_refused(cli("compare", "gaussian", "loud", "--data", "nowhere.csv"), 3, *words)
    with pytest.raises(MissingExtraError, match="pip install"):
        genzoo.train("loud", data=array_dataset("x", np.zeros((2, 1))))
    assert findings(found.registry, [("models", "genzoo-loud/loud")]) == []


def test_a_package_that_the_builder_imports_itself_is_named_too(zoo):
    entry = zoo("loud_when_built", builder=f"    {LACKING}").registry.models.get("loud")
    with pytest.raises(MissingExtraError, match=r"missing: 'a_package'\).*'genzoo-loud\[audio\]'"):
        build_model(entry, {}, array_dataset("x", np.zeros((2, 1))).spec)


def test_an_extra_of_a_bundled_model_is_genzoos(zoo, cli):
    entries = {"genzoo-loud": "loud_bundled.plugin"}
    zoo("loud_bundled", parts=LACKING, distribution="genzoo", entries=entries)
    assert_refused(cli("train", "loud"), 3, "pip install 'genzoo[audio]'")


def test_other_missing_modules_do_not_name_the_extra(zoo, cli):
    zoo("loud_broken", parts="import loud_broken.gone\n")
    result = cli("train", "loud")
    assert_refused(result, 3, "loud_broken.gone", "Reinstall or remove")
    assert "[audio]" not in result[2]


def test_a_model_without_an_extra_keeps_its_error(zoo, cli):
    zoo("loud_plain", parts=LACKING, extra="")
    assert_refused(cli("train", "loud"), 3, "'a_package'", "Reinstall or remove")


def test_the_listing_of_a_model_says_what_it_needs(zoo, cli):
    zoo("loud_listed", parts=LACKING)
    assert "needs: packages of an extra: pip install 'genzoo-loud[audio]'\n" in cli("models", "loud")[1]
    assert json.loads(cli("models", "loud", "--json")[1])[0]["extra"] == "genzoo-loud[audio]"
    assert "extra" not in cli("models", "gaussian")[1]


@pytest.mark.parametrize("extra", ["Audio", "audio files", "[audio]", None, 3])
def test_an_extra_is_a_name(extra):
    with pytest.raises(ValueError, match=r"Extra name .* is not lower-case words"):
        genzoo.ModelSpec("x", "gan", "A model", "a.b:c", "a.b:d", ("e",), extra=extra)
