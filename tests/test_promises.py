"""The kit itself: right models keep every promise, and each wrong one breaks the promise that names it and no other."""

import pytest
from wrong_models import plugin
from wrong_models.plugin import RIGHT, WRONG, name_of

from genzoo import builtin
from genzoo.plugins import Zoo
from genzoo.testing import check_promises


@pytest.fixture
def wrong_zoo(monkeypatch):
    """A zoo of these models only."""
    from wrong_models import printing_plugin, torch_plugin

    zoo = Zoo()
    zoo.add("genzoo", builtin)
    zoo.add("genzoo-wrong", plugin)
    zoo.add("genzoo-torch", torch_plugin)
    zoo.add("genzoo-printing", printing_plugin)
    monkeypatch.setattr("genzoo.plugins.zoo", lambda: zoo)


def states(outcomes):
    return {outcome.promise.name: (outcome.state, outcome.reason) for outcome in outcomes}


def broken(outcomes):
    return {outcome.promise.name: outcome.reason for outcome in outcomes if outcome.state == "broken"}


@pytest.mark.parametrize("name", [spec.name for spec in RIGHT])
def test_right_models_keep_every_promise(name, wrong_zoo):
    outcomes = check_promises(name)
    assert broken(outcomes) == {}
    assert sum(outcome.state == "kept" for outcome in outcomes) >= 25


@pytest.mark.parametrize("promise", [*WRONG, "registers", "imports-no-torch"])
def test_a_wrong_model_breaks_the_promise_that_names_it_and_no_other(promise, wrong_zoo):
    found = broken(check_promises(name_of(promise)))
    assert list(found) == [promise.partition("/")[0]], found
