"""`--json`: one value on stdout with the keys that docs/json.md lists; errors, too."""

import json
import re
from pathlib import Path

import pytest

from genzoo.cli.main import KINDS, main

PAGE = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")


def documented(command):
    """The keys in the first column of a section's table."""
    section = PAGE.partition(f"\n## genzoo {command}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    assert rows, command
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)}


def printed(capsys, *words, code=0):
    capsys.readouterr()
    assert main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a mixture, an autoencoder and a comparison."""
    folder = tmp_path_factory.mktemp("json")
    gmm = ["gmm", "--data", "iris", "-o", "n_components=2", "--precision", "fp32"]
    assert main(["train", *gmm, "--out", str(folder / "gmm")]) == 0
    auto = ["autoencoder", "--data", "iris", "--steps", "3", "--precision", "fp32"]
    assert main(["train", *auto, "--out", str(folder / "auto")]) == 0
    return folder


CASES = {
    "train": ["gaussian", "--data", "iris", "--out", "{}/new", "--precision", "fp32"],
    "sample": ["{}/gmm", "-n", "3", "--out", "{}/s.csv"],
    "evaluate": ["{}/gmm"],
    "score": ["{}/gmm", "--data", "iris", "--threshold", "0.1", "--out", "{}/scores.csv"],
    "cluster": ["{}/gmm", "--data", "iris", "--out", "{}/clusters.csv"],
    "embed": ["{}/auto", "--data", "iris", "--out", "{}/z.csv"],
    "reconstruct": ["{}/auto", "--data", "iris", "--out", "{}/again.csv"],
    "impute": ["{}/gmm", "--data", "iris", "--out", "{}/whole.csv"],
    "describe": ["{}/gmm"],
    "report": ["{}/gmm"],
    "compare": ["gaussian", "--data", "iris", "--precision", "fp32"],
    "data": ["iris"],
    "runs compare": ["{}/gmm", "{}/auto"],
    "plugins doctor": [],
    "plugins new": ["my-flow", "--out", "{}/plugin"],
}


@pytest.mark.once
@pytest.mark.parametrize("command", CASES)
def test_a_command_prints_the_keys_of_the_page(command, place, capsys):
    words = [word.format(place) for word in CASES[command]]
    content = printed(capsys, *command.split(), *words)
    assert set(content) == documented(command)


def test_lists_have_the_keys_of_the_page(place, capsys):
    (model,) = printed(capsys, "models", "gmm")
    assert set(model) == documented("models")
    assert set(printed(capsys, "models")[0]) == documented("models") - {"options", "sampling"}
    found = printed(capsys, "runs", "--folder", str(place))
    assert {one["name"] for one in found} >= {"gmm", "auto"}
    assert all(set(one) == documented("runs list") for one in found)
    shown = printed(capsys, "runs", "show", str(place / "gmm"))
    assert set(shown) == documented("runs list") | documented("runs show")
    assert set(printed(capsys, "plugins")[0]) == documented("plugins list")
    report = printed(capsys, "compare", "gaussian", "--data", "iris", "--precision", "fp32")
    section = PAGE.partition("## genzoo compare")[2]
    named = re.search(r"^\| `rows` \| .*?: (.*) \|$", section, re.MULTILINE).group(1)
    assert set(report["rows"][0]) == set(re.findall(r"`(\w+)`", named))


def test_a_dry_run_prints_the_plan(capsys):
    assert set(printed(capsys, "train", "gmm", "--data", "iris", "--dry-run")) == {"plan", "config"}


def test_rows_follow_if_there_is_no_file(place, capsys):
    content = printed(capsys, "cluster", str(place / "gmm"), "--data", "iris")
    assert content["out"] is None
    assert len(content["cluster"]) == len(content["probability"]) == content["rows"] == 150


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["train", "gnn"], 2),
        (["train", "gmm", "--nonsense"], 2),
        (["score", "nowhere", "--data", "iris"], 4),
        (["data", "nowhere.csv"], 4),
        (["nonsense"], 2),
        (["plugins", "doctor", "nothing-of-the-kind"], 2),
    ],
)
def test_an_error_is_printed_as_json_and_as_a_sentence(words, code, capsys):
    capsys.readouterr()
    assert main([*words, "--json"]) == code
    found = capsys.readouterr()
    content = json.loads(found.out)
    assert set(content) == {"error"}
    assert set(content["error"]) == {"code", "kind", "message"}
    assert content["error"]["code"] == code
    assert content["error"]["kind"] == KINDS[code]
    assert " ".join(found.err.split()).endswith(f"Error: {content['error']['message']}")
    assert main(words) == code
    assert capsys.readouterr().out == ""


def test_a_check_that_fails_prints_its_result_and_no_error(capsys):
    content = printed(capsys, "compare", "gaussian", "--data", "iris", "--precision", "fp32", "--gate", "bic<0", code=5)
    assert content["best"] == "gaussian"


def test_the_page_has_a_word_for_every_exit_code():
    assert re.findall(r"`(\w+)` \((\d+)\)", PAGE.partition("## genzoo")[0]) == [
        (word, str(code)) for code, word in KINDS.items()
    ]


def test_every_command_with_json_has_a_section():
    import click

    from genzoo.cli.main import root

    def named(group, words):
        for name in group.list_commands(click.Context(group)):
            command = group.get_command(click.Context(group), name)
            if isinstance(command, click.Group) and name != "train":
                yield from named(command, [*words, name])
            elif any("--json" in parameter.opts for parameter in command.params):
                yield " ".join([*words, name])

    sections = set(re.findall(r"^## genzoo (.+)$", PAGE, re.MULTILINE))
    elsewhere = {"uninstall", "plugins restore"}
    assert set(named(root, [])) == sections | elsewhere
    assert all(f"`genzoo {name}`" in PAGE for name in elsewhere)
