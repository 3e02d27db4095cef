import dataclasses
import os
import signal
import sys

import pytest

from genzoo.errors import ConfigError, PluginError
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Registry, blame, resolve


def spec():
    return get_registry().models.get("dcgan").spec


def test_a_bare_name_and_an_id_find_the_same_entry():
    zoo = get_registry()
    assert zoo.models.get("dcgan") is zoo.models.get("genzoo-gan/dcgan")


def test_a_shared_name_is_an_error_and_both_ids_work():
    zoo = Registry()
    zoo.models.add("one", spec())
    zoo.models.add("two", spec())
    with pytest.raises(ConfigError, match="one/dcgan and two/dcgan"):
        zoo.models.get("dcgan")
    assert zoo.models.get("two/dcgan").distribution == "two"
    assert zoo.models.names() == ["one/dcgan", "two/dcgan"]


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'dcgan'"):
        get_registry().models.get("dc-gan")


def test_a_spec_of_another_kind_is_an_error():
    with pytest.raises(PluginError, match="ModelSpec"):
        Registry().objectives.add("one", spec())


def test_merging_is_all_or_nothing():
    zoo, more = Registry(), Registry()
    zoo.models.add("one", spec())
    more.models.add("one", dataclasses.replace(spec(), name="other"))
    more.models.add("one", spec())
    with pytest.raises(PluginError):
        zoo.merge(more)
    assert zoo.models.ids() == {"one/dcgan"}


@pytest.mark.parametrize("reference", ["no_such_module:build", "genzoo.errors:nothing"])
def test_a_reference_that_leads_nowhere_is_a_plugin_error(reference):
    with pytest.raises(PluginError, match=reference.partition(":")[0]):
        resolve(reference, spec())


def test_objectives_are_found_by_name_and_by_id_and_the_models_own_first():
    zoo = Registry()
    hinge = get_registry().objectives.get("hinge").spec
    for owner in ("mine", "other"):
        zoo.objectives.add(owner, hinge)
    zoo.models.add("mine", dataclasses.replace(spec(), objectives=("hinge", "other/hinge")))
    zoo.models.add("third", dataclasses.replace(spec(), objectives=("other/hinge",)))
    mine, third = zoo.models.get("mine/dcgan"), zoo.models.get("third/dcgan")
    assert zoo.objective_of(mine, "hinge").id == "mine/hinge"
    assert zoo.objective_of(mine, "mine/hinge").id == "mine/hinge"
    assert zoo.objective_of(mine, "other/hinge").id == "other/hinge"
    assert zoo.objective_of(third, "hinge").id == "other/hinge"
    with pytest.raises(ConfigError):
        zoo.objective_of(third, "mine/hinge")


def test_an_objective_that_a_model_does_not_list_is_an_error():
    with pytest.raises(ConfigError, match="Did you mean 'hinge'"):
        get_registry().objective_of(get_registry().models.get("dcgan"), "hing")


def test_a_signal_handler_that_exits_is_no_fault_of_a_plugin():
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with pytest.raises(SystemExit) as error, blame("Model 'x'"):
            os.kill(os.getpid(), signal.SIGTERM)
        assert error.value.code == 143
        with pytest.raises(PluginError, match=r"Model 'x' failed.*: SystemExit: 143"), blame("Model 'x'"):
            sys.exit(143)
    finally:
        signal.signal(signal.SIGTERM, before)
