"""Plugins in genzoo's own distribution are found like any other."""

import importlib.metadata
import json
import sys

import pytest
from distributions import plugin_files, unpack
from refusals import assert_refused

from genzoo.comparison.store import _version
from genzoo.packaging.doctor import examine
from genzoo.packaging.freeze import frozen_lines
from genzoo.plugins import manager as plugins_module
from genzoo.plugins.discovery import bundled_plugins, distribution_of
from genzoo.plugins.manager import core_only_manager

OURS = {
    "genzoo-autoregressive",
    "genzoo-diffusion",
    "genzoo-flow",
    "genzoo-gan",
    "genzoo-mixture",
    "genzoo-tabular",
    "genzoo-text",
    "genzoo-vae",
}
VERSION = importlib.metadata.version("genzoo")


def loaded():
    zoo = core_only_manager()
    zoo.load_entry_points()
    return zoo


def test_a_bundled_plugin_has_its_entry_points_name_and_our_version():
    states = {state.distribution: state for state in loaded().states if state.bundled}
    assert set(states) == set(bundled_plugins()) == OURS
    assert {state.version for state in states.values()} == {VERSION}
    assert {state.state for state in states.values()} == {"loaded"}
    assert distribution_of("Genzoo_GAN") == distribution_of("genzoo") == "genzoo"
    assert distribution_of("genzoo-theirs") == "genzoo-theirs"
    assert _version("genzoo-gan") == VERSION


def test_whatever_genzoos_distribution_brings_is_bundled(site):
    files = {**plugin_files("bundled_one", "one"), **plugin_files("bundled_two", "two", "import not_there\n")}
    unpack(site, "genzoo", files, entries={"genzoo-one": "bundled_one.plugin", "genzoo-two": "bundled_two.plugin"})
    zoo = loaded()
    states = {state.distribution: state for state in zoo.states}
    assert zoo.registry.models.get("one").id == "genzoo-one/one"
    assert (states["genzoo-one"].state, states["genzoo-one"].bundled) == ("loaded", True)
    assert "'not_there', which is not installed" in states["genzoo-two"].reason
    assert "Install genzoo again" in states["genzoo-two"].remedy
    assert "uninstall" not in states["genzoo-two"].remedy
    assert not OURS & set(states)


@pytest.mark.parametrize("entry", ["gan", "genzoo-gan"])
def test_the_bundled_plugin_wins_over_a_distribution_of_its_name(site, monkeypatch, cli, entry):
    unpack(site, "genzoo-gan", plugin_files("old_gan", "dcgan"), version="0.0.9", entries={entry: "old_gan.plugin"})
    zoo = loaded()
    both = [state for state in zoo.states if state.distribution == "genzoo-gan"]
    assert [(state.version, state.state, state.bundled) for state in both] == [
        (VERSION, "loaded", True),
        ("0.0.9", "not loaded", False),
    ]
    assert "comes with genzoo" in both[1].reason
    assert "pip uninstall genzoo-gan" in both[1].remedy
    assert zoo.registry.models.get("genzoo-gan/dcgan").spec.family == "gan"
    assert "old_gan" not in sys.modules
    bundled, own = examine("genzoo-gan")
    assert (bundled.state, bundled.bundled, bundled.findings) == ("loaded", True, ())
    assert (own.state, own.version) == ("not loaded", "0.0.9")
    assert "pip uninstall genzoo-gan" in own.findings[0]
    assert "genzoo-gan" not in frozen_lines()
    monkeypatch.setattr("genzoo.cli.plugins.command.get_manager", lambda: zoo)
    assert cli("plugins")[1].count("pip uninstall genzoo-gan") == 1
    assert_refused(cli("uninstall", "genzoo-gan"), 3, "comes with genzoo", "installed, too; see: genzoo plugins")


def test_listings_say_what_is_bundled(cli):
    assert cli("plugins")[1].count("loaded, bundled") == len(OURS)
    states = json.loads(cli("plugins", "--json")[1])
    assert {state["distribution"] for state in states if state["bundled"]} == OURS
    code, out, _ = cli("plugins", "doctor", "genzoo-gan", "--json")
    assert code == 0
    assert [plugin["bundled"] for plugin in json.loads(out)["plugins"]] == [True]


def test_a_bundled_plugin_is_neither_installed_nor_removed_nor_frozen(cli, tmp_path):
    switched = "GENZOO_LOAD_PLUGINS=" + ",".join(sorted(OURS - {"genzoo-gan"}))
    assert_refused(cli("uninstall", "genzoo-gan"), 3, "comes with genzoo", switched)
    assert_refused(cli("install", "Genzoo_GAN>=0.1"), 3, "comes with genzoo")
    assert not OURS & set(frozen_lines())
    (tmp_path / "plugins.txt").write_text("genzoo-gan==0.0.1\n")
    code, out, err = cli("plugins", "restore", "plugins.txt", "--json")
    assert (code, json.loads(out)["installed"]) == (0, [])
    assert "genzoo-gan comes with this genzoo" in err


def test_a_zoo_without_plugins_says_why_and_how_to_get_them_back(monkeypatch, cli):
    monkeypatch.setenv("GENZOO_LOAD_PLUGINS", "")
    empty = loaded()
    monkeypatch.setattr(plugins_module, "get_manager", lambda: empty)
    code, out, _ = cli("models")
    assert code == 0
    assert (
        "The zoo is empty: GENZOO_LOAD_PLUGINS leaves out genzoo-autoregressive, genzoo-diffusion, genzoo-flow, genzoo-"
        in out
    )
    assert "unset GENZOO_LOAD_PLUGINS" in out
    assert_refused(cli("train", "dcgan"), 2, "GENZOO_LOAD_PLUGINS leaves out genzoo-auto", "unset GENZOO_LOAD_PLUGINS")
    monkeypatch.setenv("GENZOO_LOAD_PLUGINS", "genzoo-vae")
    some = loaded()
    monkeypatch.setattr(plugins_module, "get_manager", lambda: some)
    assert_refused(
        cli("train", "dcgan"),
        2,
        "Known: autoencoder, mvae, vae",
        "leaves out " + ", ".join(sorted(OURS - {"genzoo-vae"})) + ":",
    )


@pytest.mark.parametrize("name", ["genzoo-vae", "vae", "genzoo-vae:genzoo-vae"])
def test_a_plugin_is_loaded_by_any_of_its_names(monkeypatch, name):
    monkeypatch.setenv("GENZOO_LOAD_PLUGINS", name)
    assert loaded().registry.models.names() == ["autoencoder", "mvae", "vae"]
