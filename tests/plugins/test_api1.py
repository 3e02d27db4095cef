"""Plugins of the first API work unchanged; `tests/data/plugins/api1` holds one of each kind as it was written then."""

import dataclasses
import shutil
from pathlib import Path
from types import ModuleType

import pytest
import torch
from long_kinds import long_in_full
from refusals import assert_refused
from torch import nn

import genzoo
import genzoo.testing
from genzoo.config.resolve import resolve_config, training_class
from genzoo.config.training import EMTraining, GradientTraining
from genzoo.engine.loss_buffer import LossRecord
from genzoo.models.factory import build_objective
from genzoo.plugins.api1 import adapt_step, rename_training
from genzoo.plugins.manager import PluginManager, get_registry
from genzoo.spec.entries import ModelSpec, ObjectiveSpec
from genzoo.training.trainer import Step

PLUGINS = Path(__file__).parents[1] / "data" / "plugins" / "api1"
KINDS = sorted(path.name.removeprefix("genzoo-first-") for path in PLUGINS.iterdir())


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """Copies of the fixtures, with the metadata that pip would have written."""
    folder = tmp_path_factory.mktemp("api1")
    shutil.copytree(PLUGINS, folder / "plugins")
    for kind in KINDS:
        found = folder / "installed" / f"genzoo_first_{kind}-0.1.0.dist-info"
        found.mkdir(parents=True)
        metadata = f"Metadata-Version: 2.1\nName: genzoo-first-{kind}\nVersion: 0.1.0\n"
        (found / "METADATA").write_text(metadata, encoding="utf-8")
        (found / "entry_points.txt").write_text(
            f"[genzoo]\nfirst-{kind} = genzoo_first_{kind}.plugin\n", encoding="utf-8"
        )
    return folder


def test_there_is_a_fixture_of_every_kind():
    assert KINDS == ["dataset", "em", "gan", "likelihood", "metric", "vae"]
    for kind in KINDS:
        assert "GENZOO_API = 1" in next(PLUGINS.glob(f"genzoo-first-{kind}/*/plugin.py")).read_text(encoding="utf-8")


@pytest.mark.xdist_group("warm")
@pytest.mark.parametrize("kind", long_in_full(KINDS))
def test_it_passes_its_own_tests_and_keeps_its_promises(projects, kind, forked):
    project = projects / "plugins" / f"genzoo-first-{kind}"
    ended = forked("own_tests", [str(project), str(projects / "installed")], ["-q"], folder=project)
    assert ended.code == 0, ended.shown
    assert " passed" in ended.shown
    assert "failed" not in ended.shown
    assert "error" not in ended.shown


@pytest.mark.xdist_group("warm")
@pytest.mark.parametrize("kind", ["em", "gan", "likelihood", "vae"])
def test_its_model_is_trained_resumed_and_sampled_by_name(projects, kind, forked, tmp_path):
    paths = [str(projects / "plugins" / f"genzoo-first-{kind}"), str(projects / "installed")]

    def run(*words):
        ended = forked("command", [str(word) for word in words], None, paths, folder=tmp_path)
        assert ended.code == 0, ended.shown
        return ended

    model = f"first-{kind}"
    run("train", model, "--steps", 3, "--out", "run")
    run("train", "--resume", "run", "--steps", 5)
    run("sample", "run", "-n", 4, "--out", "samples.npz")
    assert f"genzoo-first-{kind}/{model}" in (tmp_path / "run" / "config.json").read_text(encoding="utf-8")


def module(api, *, spec, objective):
    """A plugin's module with one model and one objective."""
    found = ModuleType("a_plugin")

    @genzoo.hookimpl
    def register_models(register):
        register(spec)

    @genzoo.hookimpl
    def register_objectives(register):
        register(objective)

    found.GENZOO_API, found.register_models, found.register_objectives = api, register_models, register_objectives
    return found


OLD = ModelSpec(
    name="old",
    family="toy",
    summary="A model of the first API",
    builder="toy_plugin:build",
    config="toy_plugin:ToyOptions",
    objectives=("old-loss",),
    input={"table": "standardised", "image": "centred"},
    data="iris",
    training={"steps": 3, "optimiser": {"rate": 0.5, "decay": 0.1}, "groups": {"critic": {"rate": 0.2}}, "clip": 1.0},
    presets={"short": {"training": {"keep": 3, "accumulation": 2, "watch": "objective"}}},
)
LOSS = ObjectiveSpec("old-loss", "A loss", "toy_plugin:build_loss", "toy_plugin:LossOptions")


def loaded(api, spec=OLD, objective=LOSS):
    manager = PluginManager()
    manager.add("genzoo-old", module(api, spec=spec, objective=objective))
    return manager.registry


def test_specs_of_the_first_api_are_translated():
    registry = loaded(1)
    entry = registry.models.get("old")
    assert entry.api == 1
    assert entry.spec.input == {"table": "standardized", "image": "centered"}
    assert entry.spec.training == {
        "steps": 3,
        "optimizer": {"lr": 0.5, "weight_decay": 0.1},
        "param_groups": {"discriminator": {"lr": 0.2}},
        "grad_clip": 1.0,
    }
    assert entry.spec.presets["short"]["training"] == {
        "keep_checkpoints": 3,
        "grad_accumulation": 2,
        "monitor": "objective",
    }
    training = resolve_config(registry, "old", {"preset": "short"}).training
    assert training.optimizer_of("discriminator").lr == 0.2
    assert (training.keep_checkpoints, training.grad_clip) == (3, 1.0)


def test_the_kind_of_an_objective_that_states_none_is_found():
    registry = loaded(1)
    assert training_class(registry.objectives.get("old-loss")) is GradientTraining
    em = dataclasses.replace(
        LOSS, name="old-loss", builder="genzoo_mixture.em:build", config="genzoo_mixture.options:EMOptions"
    )
    assert training_class(loaded(1, objective=em).objectives.get("old-loss")) is EMTraining


@pytest.mark.parametrize(
    ("spec", "objective", "words"),
    [
        (OLD, dataclasses.replace(LOSS, kind="gradient"), "input .* is not one of"),
        (dataclasses.replace(OLD, input="raw"), LOSS, "does not state its kind"),
    ],
)
def test_the_current_api_accepts_no_former_names(spec, objective, words):
    with pytest.raises(genzoo.PluginError, match=words):
        loaded(2, spec, objective)


def test_a_wrong_kind_of_objective_is_an_error():
    wrong = dataclasses.replace(LOSS, kind="em")
    with pytest.raises(genzoo.PluginError, match=r"states the kind 'em'.*one of 'gradient'"):
        build_objective(loaded(2, dataclasses.replace(OLD, input="raw"), wrong).objectives.get("old-loss"), {})


class Flat(genzoo.Generator):
    dequantised = True

    def sample(self, n, *, condition=None, **options):
        return torch.zeros(n, 1)


class Score(genzoo.Discriminator):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(1, 1)

    def forward(self, x):
        return self.linear(x)[:, 0]


def test_attributes_are_read_and_written_under_their_former_names():
    assert Flat().dequantized
    assert Flat().dequantised
    late = Flat()
    late.dequantised = False
    assert not late.dequantized
    model = genzoo.Model(genzoo.Parts(Flat(), Score()))
    assert model.critic is model.discriminator
    assert set(model.groups) == {"generator", "discriminator"}
    assert "discriminator.linear.weight" in model.state_dict()


def test_a_model_without_a_discriminator_says_so():
    model = genzoo.Model(genzoo.Parts(Flat()))
    assert set(model.groups) == {"generator"}
    with pytest.raises(genzoo.ConfigError, match="no discriminator"):
        _ = model.discriminator


def test_methods_of_the_first_api_override_the_current_ones():
    class Old(genzoo.EMObjective):
        def initialise(self, model, blocks):
            self.begun = True

        def statistics(self, model, batch):
            return {}

        def maximise(self, model, statistics):
            self.done = True

    class Older(Old):
        def maximise(self, model, statistics):
            super().maximise(model, statistics)
            self.twice = True

    objective = Older()
    objective.initialize(None, [])
    objective.maximize(None, {})
    assert objective.begun
    assert objective.done
    assert objective.twice


def test_losses_of_the_first_api_reach_the_current_groups():
    entry = dataclasses.replace(loaded(1).objectives.get("old-loss"), spec=dataclasses.replace(LOSS, builder=REFERENCE))
    objective = build_objective(entry, {})
    assert [sorted(losses) for losses in objective.losses(None, None, None)] == [["discriminator"], ["generator"]]
    newer = dataclasses.replace(entry, api=2, spec=dataclasses.replace(entry.spec, kind="gradient"))
    assert [sorted(losses) for losses in build_objective(newer, {}).losses(None, None, None)] == [
        ["critic"],
        ["generator"],
    ]


def test_the_facade_has_its_former_names():
    assert genzoo.Fitted is genzoo.TrainedModel
    assert genzoo.Given is genzoo.MetricInput
    assert not {"Fitted", "Given"} & set(genzoo.__all__)


def test_settings_under_both_names_must_agree():
    assert rename_training({"clip": 1.0, "grad_clip": 1.0}, "x") == {"grad_clip": 1.0}
    assert rename_training({"optimiser": {"rate": 1}, "optimizer": {"betas": [0, 1]}}, "x") == {
        "optimizer": {"lr": 1, "betas": [0, 1]}
    }
    given = {"optimizer": {}, "optimiser": {"rate": 1}}
    assert rename_training(given, "x") == {"optimizer": {"lr": 1}}
    assert given == {"optimizer": {}, "optimiser": {"rate": 1}}, "what is given stays as it is"
    assert rename_training({"optimiser": {"rate": 1}, "optimizer": {}}, "x") == {"optimizer": {"lr": 1}}
    with pytest.raises(genzoo.ConfigError, match=r"part of training\.optimizer, which is also given as a value"):
        rename_training({"optimizer": 5, "optimiser": {"rate": 1}}, "x")
    for both in ({"clip": 1.0, "grad_clip": 2.0}, {"optimiser": {"rate": 1, "lr": 2}}):
        with pytest.raises(genzoo.ConfigError, match="former name of"):
            rename_training(both, "x")


@pytest.mark.parametrize("options", ["components=2 n_components=3", "training.passes=2 training.max_iter=3"])
def test_contradictory_names_are_a_wrong_use_of_plugins_check(cli, options):
    words = [word for option in options.split() for word in ("-o", option)]
    assert_refused(cli("plugins", "check", "gmm", *words), 2, "both are given")


def test_a_metric_is_found_by_its_former_name():
    metrics = get_registry().metrics
    assert metrics.get("memorisation") is metrics.get("memorization")
    assert "memorisation" not in metrics.names()


REFERENCE = "adversarial_of_api1:build"


@pytest.mark.parametrize("builder", ["build_frozen", "build_slotted"])
def test_objectives_that_cannot_be_written_to_are_adapted(builder):
    spec = dataclasses.replace(LOSS, builder=f"adversarial_of_api1:{builder}")
    objective = build_objective(dataclasses.replace(loaded(1).objectives.get("old-loss"), spec=spec), {})
    assert [sorted(losses) for losses in objective.losses(None, None, None)] == [["discriminator"], ["generator"]]
    assert isinstance(objective, genzoo.GradientObjective)


def test_methods_and_values_may_come_from_a_mixin():
    class Mixin:
        dequantised = True

        def initialise(self, model, blocks):
            self.begun = True

        def maximise(self, model, statistics):
            pass

    class Mixed(Mixin, genzoo.EMObjective):
        def statistics(self, model, batch):
            return {}

    objective = Mixed()
    objective.initialize(None, [])
    assert objective.begun

    class OnAGrid(Mixin, genzoo.Generator):
        def sample(self, n, *, condition=None, **options):
            return torch.zeros(n, 1)

    assert OnAGrid().dequantized


def test_an_objective_that_needs_options_is_taken_for_a_gradient_one():
    spec = dataclasses.replace(LOSS, builder="adversarial_of_api1:build_demanding")
    assert training_class(loaded(1, objective=spec).objectives.get("old-loss")) is GradientTraining


def test_callbacks_of_the_first_api_see_the_former_groups():
    step = Step(3, 1, 0.5, 0.1, False, False, (LossRecord(3, {"discriminator": 1.0, "generator": 2.0}),))
    assert adapt_step(step).losses[0].values == {"critic": 1.0, "generator": 2.0}
    assert step.losses[0].values == {"discriminator": 1.0, "generator": 2.0}


def test_the_kit_takes_its_former_keyword_with_checks_imported():
    import genzoo.testing.checks.sampling

    assert genzoo.testing.promises(sort="metric") == genzoo.testing.promises("metric") != genzoo.testing.promises()
    assert genzoo.testing.promises() is not None
    with pytest.raises(TypeError, match="no keyword"):
        genzoo.testing.promises(sorts="metric")
