"""Each way in which a plugin can be bad leaves the rest of the zoo as it was."""

import importlib.metadata
import types

import pytest

import genzoo
from genzoo.builtin import GENZOO_API
from genzoo.errors import PluginError
from genzoo.plugins import Zoo, registry


def module(**content):
    found = types.ModuleType("third_party")
    vars(found).update({"GENZOO_API": GENZOO_API, **content})
    return found


def good(register):
    register(registry().models.get("dcgan").spec)


def good_then_fails(register):
    good(register)
    raise RuntimeError("half way")


def good_then_exits(register):
    good(register)
    raise SystemExit(3)


def twice(register):
    good(register)
    good(register)


def misspelt_argument(registr):
    pass


def default_argument(register=None):
    pass


def registers_text(register):
    register("dcgan")


HOOK = genzoo.hookimpl


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"GENZOO_API": 99}, "99"),
        ({"GENZOO_API": None}, "None"),
        ({"register_models": good_then_fails}, "half way"),
        ({"register_models": good_then_exits}, "SystemExit"),
        ({"register_models": twice}, "twice"),
        ({"register_models": good, "register_modles": registers_text}, "register_modles"),
        ({"register_models": misspelt_argument}, "registr"),
        ({"register_models": default_argument}, "default"),
        ({"register_models": registers_text}, "str"),
        ({"register_models": good, "register_metrics": good}, "MetricSpec"),
    ],
)
def test_a_bad_plugin_leaves_nothing_registered(content, reason):
    zoo = Zoo()
    marked = {name: HOOK(value) if callable(value) else value for name, value in content.items()}
    with pytest.raises(PluginError, match=reason):
        zoo.add("bad", module(**marked))
    assert not len(zoo.registry.models)
    assert not len(zoo.registry.metrics)
    assert not zoo.states


class FakeEntry:
    name = "bad"
    dist = types.SimpleNamespace(metadata={"Name": "genzoo-bad"}, version="1.0")

    def __init__(self, error):
        self.error = error

    def load(self):
        raise self.error


@pytest.mark.parametrize("error", [ImportError("no such module"), SystemExit(1), SyntaxError("oops"), ValueError("x")])
def test_a_plugin_that_fails_at_import_is_a_state_with_a_remedy(monkeypatch, error):
    real = importlib.metadata.entry_points(group="genzoo")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [FakeEntry(error), *real])
    monkeypatch.delenv("GENZOO_LOAD_PLUGINS", raising=False)
    zoo = Zoo()
    zoo.load_entry_points()
    state = {state.distribution: state for state in zoo.states}
    assert state["genzoo-bad"].state == "failed"
    assert type(error).__name__ in state["genzoo-bad"].reason
    assert "pip uninstall genzoo-bad" in state["genzoo-bad"].remedy
    assert state["genzoo-gan"].state == "loaded"
    monkeypatch.setenv("GENZOO_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match="genzoo-bad"):
        Zoo().load_entry_points()


def test_the_environment_chooses_which_plugins_are_loaded(monkeypatch):
    monkeypatch.setenv("GENZOO_LOAD_PLUGINS", "")
    zoo = Zoo()
    zoo.load_entry_points()
    assert {state.state for state in zoo.states} == {"not loaded"}
    monkeypatch.setenv("GENZOO_LOAD_PLUGINS", "genzoo-gan, other")
    zoo = Zoo()
    zoo.load_entry_points()
    assert "dcgan" in zoo.registry.models.names()
