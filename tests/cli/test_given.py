"""`--condition`, `--joint` and `--given` on the command line."""

import csv
import json
import shlex

import pytest

from genzoo.cli.main import main

SMALL = ["-o", "latent=2", "-o", "widths=[8]", "--steps", "20", "--precision", "fp32"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "run"
    assert main(["train", "vae", "--data", "iris", "--condition", "species", *SMALL, "--out", str(out)]) == 0
    return out


def test_samples_of_one_condition_are_written_with_it(run, tmp_path, capsys):
    out = tmp_path / "s.csv"
    assert main(["sample", str(run), "--given", "species=setosa", "-n", "5", "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["given"] == {"species": "setosa"}
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["species"] for row in rows] == ["setosa"] * 5


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["sample", "RUN", "--given", "species=setsa"], 2, "Did you mean 'setosa'"),
        (["sample", "RUN", "--given", "species"], 2, "COL=VALUE"),
        (["sample", "RUN", "--traverse"], 2, "--given species=VALUE"),
        (["score", "RUN", "--data", "iris", "--condition", "species"], 2, "is for training"),
        (["score", "RUN", "--data", "iris", "--transform", "petal width (cm)=log"], 2, "--transform is for training"),
        (["score", "RUN", "--data", "iris", "--kind", "petal width (cm)=count"], 2, "--kind is for training"),
        (["score", "RUN", "--data", "iris", "--bounds", "none"], 2, "--bounds is for training"),
        (["train", "gaussian", "--data", "iris", "--condition", "species"], 4, "--joint"),
        (
            ["train", "gmm", "--data", "iris", "--condition", "species", "--joint"],
            4,
            "Leave it out of --condition, set",
        ),
        (["sample", "RUN", "--given", "petal length (cm)=4"], 2, "Give it, too: --given species=LEVEL"),
        (
            ["train", "vae", "--data", "digits", "--condition", "lable", "--precision", "fp32"],
            2,
            "Did you mean 'label'",
        ),
    ],
)
def test_mistakes_are_explained(run, words, code, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([str(run) if word == "RUN" else word for word in words]) == code
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_joint_model_is_sampled_given_a_column(tmp_path, capsys):
    run = tmp_path / "run"
    words = ["train", "naive-bayes", "--data", "iris", "--condition", "species", "--joint", "-o", "n_components=3"]
    assert main([*words, "--out", str(run)]) == 0
    out = str(tmp_path / "s.csv")
    assert main(["sample", str(run), "--given", "species=virginica", "-n", "3", "--out", out]) == 0
    assert "exact draws from the model's conditional distribution" in " ".join(capsys.readouterr().out.split())


def test_a_vae_says_that_its_draws_are_approximate(tmp_path, capsys):
    run = tmp_path / "run"
    assert main(["train", "vae", "--data", "iris", *SMALL, "--out", str(run)]) == 0
    out = str(tmp_path / "s.csv")
    assert main(["sample", str(run), "--given", "petal length (cm)=4", "-n", "3", "--out", out]) == 0
    assert "approximate draws" in " ".join(capsys.readouterr().out.split())


def test_images_of_classes_are_written_into_folders(tmp_path):
    run, out = tmp_path / "run", tmp_path / "images"
    words = ["train", "vae", "--data", "digits", "--condition", "label", *SMALL, "--out", str(run)]
    assert main(words) == 0
    assert main(["sample", str(run), "--given", "label=3", "-n", "4", "--out", str(out)]) == 0
    assert len(list((out / "3").glob("*.png"))) == 4


def test_a_model_given_a_number_says_how_to_sample_it(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["train", "vae", "--data", "iris", "--condition", "petal length (cm)", *SMALL, "--out", "run"]
    assert main(words) == 0
    command = "genzoo sample run --given 'petal length (cm)'=NUMBER -n 1000 --out samples.csv"
    assert command in capsys.readouterr().out
    assert main(shlex.split(command.replace("NUMBER", "4"))[1:]) == 0
    assert main(["sample", "run", "-n", "3"]) == 2
    assert "--given 'petal length (cm)'=NUMBER" in " ".join(capsys.readouterr().err.split())
