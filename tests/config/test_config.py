import pytest

from genzoo.config.explain import describe_fields
from genzoo.config.layers import merge, merge_training, parse_assignments, read_config_file
from genzoo.config.settings import RunConfig, Training, validate
from genzoo.errors import ConfigError


def test_assignments_become_a_tree_of_typed_values():
    pairs = ["latent=64", "objective.gamma=0.5", "objective.name=hinge", "widths=[1,2]", "on=true", "word=plain text"]
    assert parse_assignments(pairs) == {
        "latent": 64,
        "objective": {"gamma": 0.5, "name": "hinge"},
        "widths": [1, 2],
        "on": True,
        "word": "plain text",
    }


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
        ({"optimizer": {"lr": 3}}, ["optimizer.lr", "rate"]),
        ({"batch_size": 0}, ["batch_size", "greater than or equal to 1"]),
        ({"batch_size": "many"}, ["batch_size", "'many'"]),
        ({"batch_size": 10, "accumulation": 3}, ["does not divide"]),
        ({"ema": float("nan")}, ["ema"]),
        ({"optimizer": {"betas": [1.5, 0.9]}}, ["betas"]),
        ({"groups": {"critic": {"rate": -1}}}, ["rate"]),
    ],
)
def test_a_wrong_setting_is_explained(values, words):
    with pytest.raises(ConfigError) as caught:
        validate(Training, values, "Model 'x'")
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_group_may_differ_from_the_common_optimiser():
    training = Training(optimizer={"rate": 0.1, "betas": (0.5, 0.9)}, groups={"critic": {"rate": 0.2}})
    assert training.optimizer_of("generator").rate == 0.1
    assert training.optimizer_of("critic").rate == 0.2
    assert training.optimizer_of("critic").betas == (0.5, 0.9)


def test_every_setting_describes_itself():
    for cls in (Training,):
        for name, kind, default, description in describe_fields(cls):
            assert all((name, kind, default, description)), name
    assert ("batch_size", "integer ≥ 1 ≤ 1e+07", "128", "events per update") in describe_fields(Training)


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


@pytest.mark.parametrize(("field", "value"), [("seed", -1), ("precision", "fp8"), ("format", 2), ("nonsense", 1)])
def test_a_run_config_refuses_what_it_does_not_know(field, value):
    good = {
        "model": "a/b",
        "options": {},
        "objective": {"name": "c"},
        "training": {},
        "data": {"source": "digits"},
        "split": {},
        "seed": 0,
    }
    validate(RunConfig, good, "The run")
    with pytest.raises(ConfigError, match=field):
        validate(RunConfig, {**good, field: value}, "The run")
