import json

import pytest
from refusals import assert_refused

from genzoo.comparison.candidate import candidates
from genzoo.config.data import DataSettings, SplitSettings
from genzoo.config.explain import describe_fields
from genzoo.config.layers import merge, merge_training, parse_assignments, read_config_file
from genzoo.config.resolve import resolve_config
from genzoo.config.run_config import RunConfig
from genzoo.config.settings import validate
from genzoo.config.training import (
    DirectTraining,
    EMTraining,
    GradientTraining,
    OptimizerConfig,
    ScheduleConfig,
    StepSettings,
    TrainingSettings,
)
from genzoo.errors import ConfigError
from genzoo.plugins.manager import get_registry

pytestmark = pytest.mark.usefixtures("in_a_shell")  # whose messages they check


def test_assignments_become_a_tree_of_typed_values():
    pairs = ["latent=64", "objective.gamma=0.5", "objective.name=hinge", "widths=[1,2]", "on=true", "word=plain text"]
    assert parse_assignments(pairs) == {
        "latent": 64,
        "objective": {"gamma": 0.5, "name": "hinge"},
        "widths": [1, 2],
        "on": True,
        "word": "plain text",
    }


def test_a_name_stands_for_a_group_of_settings_that_has_one():
    pairs = ["training.schedule=cosine", "training.schedule.warmup=5", "objective=hinge"]
    assert parse_assignments(pairs) == {
        "training": {"schedule": {"name": "cosine", "warmup": 5}},
        "objective": {"name": "hinge"},
    }
    group = {"name": "linear", "warmup": 3}
    assert parse_assignments([f"training.schedule={json.dumps(group)}"]) == {"training": {"schedule": group}}
    merged = merge_training({"schedule": group, "optimizer": {"lr": 1.0}}, {"schedule": "cosine", "optimizer": "sgd"})
    assert merged == {"schedule": {"name": "cosine", "warmup": 3}, "optimizer": {"name": "sgd", "lr": 1.0}}
    found = resolve_config(
        get_registry(), "vae", {"training": {"schedule": "linear", "optimizer": "adamw", "steps": 1}}
    ).training
    assert (found.schedule.name, found.optimizer.name) == ("linear", "adamw")
    with pytest.raises(ConfigError, match=r"training.schedule.name must be constant, .* not 'round'"):
        resolve_config(get_registry(), "vae", {"training": {"schedule": "round"}})


@pytest.mark.parametrize("pairs", [["latent"], ["=3"], ["a..b=1"], ["a=1", "a.b=2"], ["a.b=2", "a=1"]])
def test_malformed_assignments_are_refused(pairs):
    with pytest.raises(ConfigError):
        parse_assignments(pairs)


def test_later_layers_win_and_a_named_budget_replaces_all_others():
    assert merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}) == {"a": {"b": 3, "c": 2}}
    assert merge_training({"epochs": 5, "batch_size": 8}, {"minutes": 2}) == {"minutes": 2, "batch_size": 8}
    assert merge_training({"epochs": 5}, {"batch_size": 8}) == {"epochs": 5, "batch_size": 8}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"batchsize": 3}, ["batchsize", "Did you mean 'batch_size'?"]),
        ({"optimizer": {"learning_rate": 3}}, ["optimizer.learning_rate"]),
        ({"batch_size": 0}, ["batch_size must be at least 1, not 0."]),
        ({"batch_size": "many"}, ["batch_size must be a whole number, not 'many'."]),
        ({"batch_size": 10, "grad_accumulation": 3}, ["does not divide"]),
        ({"ema": float("nan")}, ["ema"]),
        ({"optimizer": {"betas": [1.5, 0.9]}}, ["betas"]),
        ({"param_groups": {"discriminator": {"lr": -1}}}, ["discriminator", "lr"]),
    ],
)
def test_a_wrong_setting_is_explained(values, words):
    with pytest.raises(ConfigError) as caught:
        validate(GradientTraining, values, "Model 'x'")
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_group_may_differ_from_the_common_optimiser():
    training = GradientTraining(optimizer={"lr": 0.1, "betas": (0.5, 0.9)}, param_groups={"discriminator": {"lr": 0.2}})
    assert training.optimizer_of("generator").lr == 0.1
    assert training.optimizer_of("discriminator").lr == 0.2
    assert training.optimizer_of("discriminator").betas == (0.5, 0.9)


def test_every_setting_describes_itself():
    for cls in (GradientTraining, EMTraining, OptimizerConfig, ScheduleConfig, DataSettings, SplitSettings):
        for name, kind, default, description in describe_fields(cls):
            assert all((name, kind, default, description)), name
    assert ("batch_size", "integer ≥ 1 ≤ 1e+07", "128", "rows per update") in describe_fields(GradientTraining)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", "{"), ("a.json", "[1]"), ("a.toml", "a = "), ("a.json", "[" * 100_000), ("absent.json", None)],
)
def test_a_config_file_that_cannot_be_used_is_refused(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=name):
        read_config_file(tmp_path / name)


def test_config_files_are_json_or_toml(tmp_path):
    (tmp_path / "a.toml").write_text("latent = 3\n[training]\nepochs = 2\n", encoding="utf-8")
    (tmp_path / "a.json").write_text('{"latent": 3, "training": {"epochs": 2}}', encoding="utf-8")
    assert read_config_file(tmp_path / "a.toml") == read_config_file(tmp_path / "a.json")


@pytest.mark.parametrize(("field", "value"), [("seed", -1), ("precision", "fp8"), ("format", 3), ("nonsense", 1)])
def test_a_run_config_refuses_what_it_does_not_know(field, value):
    good = {
        "model": "a/b",
        "options": {},
        "objective": {"name": "c"},
        "training": {"kind": "gradient"},
        "data": {"source": "digits"},
        "split": {},
        "seed": 0,
    }
    validate(RunConfig, good, "The run")
    with pytest.raises(ConfigError, match=field):
        validate(RunConfig, {**good, field: value}, "The run")


def test_each_kind_of_training_has_settings_of_its_own():
    shared = {*TrainingSettings.model_fields, *StepSettings.model_fields}
    gradient, em = set(GradientTraining.model_fields) - shared, set(EMTraining.model_fields) - shared
    assert gradient & em == {"kind"}
    assert set(DirectTraining.model_fields) == {*TrainingSettings.model_fields, "kind", "block_size"}
    assert {"optimizer", "ema", "patience", "batch_size"} <= gradient
    assert em == {"kind", "max_iter", "tol", "n_init", "block_size"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("gmm -o training.ema=0.9", ("training.ema", "training.max_iter", "training.tol", "training.n_init")),
        ("gmm --lr 0.5", ("--lr", "training.optimizer", "training.max_iter")),
        ("gmm --batch-size 7", ("--batch-size", "training.max_iter")),
        ("gaussian --patience 3", ("--patience", "training.max_iter")),
        ("naive-bayes --metric coverage", ("--metric", "training.max_iter")),
        ("gmm --monitor coverage", ("--monitor", "training.max_iter")),
        ("dcgan -o training.n_init=9", ("training.n_init", "training.optimizer", "training.ema")),
        ("vae -o training.tol=1e-9", ("training.tol", "training.optimizer")),
        ("vae -o log_every=5", ("Did you mean 'training.log_every'?",)),
        ("gmm -o log_every=5", ("Did you mean 'training.log_every'?",)),
        ("gmm -o n_init=5", ("Did you mean 'training.n_init'?",)),
        ("dcgan -o lr=5", ("Did you mean 'training.optimizer.lr' (--lr)?",)),
        ("dcgan -o gama=0.5", ("Did you mean 'objective.gamma'?",)),
        ("gmm -o n_component=5", ("Did you mean 'n_components'?",)),
        ("gmm -o drop_missing=true", ("Did you mean 'data.drop_missing' (--drop-missing)?",)),
    ],
)
def test_a_setting_that_means_nothing_here_is_an_error_that_says_what_does(cli, words, told):
    assert_refused(cli("train", *words.split(), "--dry-run"), 2, *told)


def test_help_lists_only_what_applies(cli):
    _, mixture, _ = cli("train", "gmm", "--help")
    _, network, _ = cli("train", "dcgan", "--help")
    for flag in ("--lr", "--batch-size", "--patience", "--monitor", "--metric", "--features", "--eval-every", "ema"):
        assert flag not in mixture, flag
        assert flag in network, flag
    for name in ("max_iter", "n_init", "tol ", "block_size"):
        assert name in mixture, name
        assert name not in network, name


def test_a_comparison_hands_each_candidate_the_common_settings_that_it_has():
    common = {"data": {"source": "iris"}, "training": {"n_init": 2, "batch_size": 16, "steps": 3}}
    mixture, network = candidates(get_registry(), ["gmm", "vae"], common)
    assert (mixture.config.training.n_init, network.config.training.batch_size) == (2, 16)
    assert mixture.config.training.steps == network.config.training.steps == 3
    with pytest.raises(ConfigError, match=r"no setting training\.batch_size"):
        candidates(get_registry(), ["gmm", "gaussian"], common)
