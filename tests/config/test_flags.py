"""Options of the command line come from the fields of settings, and from nowhere else."""

from typing import Annotated, Literal

import pytest
from click.testing import CliRunner
from pydantic import Field

import genzoo
from genzoo.cli.command import Command
from genzoo.cli.options import setting_option
from genzoo.config.explain import as_sentence
from genzoo.config.flags import Flag, flagged_settings, settings_layer
from genzoo.config.run_config import RunConfig
from genzoo.config.training import EMTraining, GradientTraining
from genzoo.errors import ConfigError


class Layers(genzoo.Settings):
    depth: Annotated[int, Flag("--depth", metavar="N", former=("--levels",))] = Field(2, description="number of layers")
    names: Annotated[tuple[str, ...], Flag("--name", repeat=True)] = Field((), description="names of layers")
    width: int = Field(8, description="units per layer")


class Toy(genzoo.Settings):
    layers: Layers = Field(default_factory=Layers, description="layers of the network")
    shape: Annotated[Literal["flat", "round"], Flag("--shape")] = Field("flat", description="shape of the network")
    folder: Annotated[str | None, Flag("--folder", path=True)] = Field(None, description="folder of the network")
    seed: Annotated[int, Flag("--seed", envvar="TOY_SEED")] = Field(0, description="random seed")
    limits: Annotated[dict[str, int], Flag("--limit", metavar="NAME=N", repeat=True)] = Field(
        {}, description="limits by name"
    )


def run(*words, env=None):
    """What a command with the options of `Toy` makes of words, or its output if it fails."""
    found = {}
    settings = flagged_settings(Toy)
    options = [setting_option(setting) for setting in settings]
    command = Command("toy", params=options, callback=lambda **given: found.update(settings_layer(settings, given)))
    done = CliRunner().invoke(command, [str(word) for word in words], env=env)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return found if done.exit_code == 0 and "--help" not in words else done.output


def test_a_field_with_a_flag_becomes_an_option_with_no_further_edit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("--depth", 3, "--name", "a", "--name", "b", "--shape", "round", "--folder", "x", "--limit", "a=b=4")
    assert run(*words) == {
        "layers": {"depth": 3, "names": ("a", "b")},
        "shape": "round",
        "folder": str(tmp_path / "x"),
        "limits": {"a=b": "4"},
    }
    assert run() == {}
    assert run(env={"TOY_SEED": "7"}) == {"seed": 7}


def test_the_help_of_an_option_is_the_description_of_its_field():
    text = " ".join(run("--help").split())
    for words in (
        "--depth N Number of layers.",
        "--name TEXT Names of layers. [may be repeated]",
        "--shape [flat|round] Shape of the network.",
        "--seed INTEGER Random seed. [env var: TOY_SEED]",
    ):
        assert words in text
    assert "width" not in text
    assert "--levels" not in text


def test_an_option_takes_only_values_of_its_field():
    assert "'deep' is not a valid integer" in run("--depth", "deep")
    assert "'square' is not one of" in run("--shape", "square")
    with pytest.raises(ConfigError, match=r"--limit 'a' is not of the form NAME=N\. It sets the limits by name"):
        run("--limit", "a")


def test_a_former_name_of_an_option_sets_the_same_field():
    with pytest.warns(genzoo.FormerNameWarning, match="--levels is now called --depth"):
        assert run("--levels", 3) == {"layers": {"depth": 3}}


def test_no_two_options_share_a_name():
    settings = flagged_settings(RunConfig)
    keys = [setting.key for setting in settings]
    names = [name for setting in settings for name in (*setting.flag.name.split("/"), *setting.flag.former)]
    assert len(set(keys)) == len(keys)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("model", ["dcgan", "gmm"])
def test_every_option_of_a_model_says_what_its_field_says(cli, model):
    _, out, _ = cli("train", model, "--help")
    text = " ".join(out.split())
    training = EMTraining if model == "gmm" else GradientTraining
    shown = []
    for setting in flagged_settings(RunConfig):
        if setting.path[0] == "training" and setting.path[1] not in training.model_fields:
            assert f"{setting.option} " not in text
            continue
        _, option, rest = text.partition(f" {setting.flag.name.replace('/', ' / ')} ")
        assert option, setting.option
        sentence = as_sentence(setting.field.description)
        about = rest.partition(sentence)[0]
        assert sentence in rest, setting.option
        assert len(about.split()) <= 1, f"{setting.option} {about}"  # the placeholder of the value
        shown.append(setting.option)
    assert {"--data", "--seed", "--epochs", "--kind"} <= set(shown)


def test_an_option_shows_the_default_of_the_model(cli):
    text = " ".join(cli("train", "dcgan", "--help")[1].split())
    assert "--batch-size INTEGER Rows per update. [default: 64]" in text
    assert "--data DATA Built-in name or path; see: genzoo data. [default: digits]" in text
