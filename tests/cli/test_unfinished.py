"""Commands say first that a run diverged or has not finished."""

import json
from pathlib import Path

import pytest

import genzoo

pytestmark = pytest.mark.once


@pytest.fixture
def diverged(cli):
    assert cli("train", "toy", "-o", "objective=toy-exploding", "--steps", 20, "--out", "run")[0] == 6
    return genzoo.Run(Path("run"))


def test_the_evaluation_of_a_diverged_run_says_so_first(cli, diverged):
    code, out, _ = cli("evaluate", "run", "--metric", "coverage")
    assert code == 0
    saved = sorted(path.name for path in diverged.checkpoints.iterdir())[-1]
    assert (
        out.splitlines()[0]
        == f"look at: run: Its training diverged. This is the model of its last checkpoint, {saved}."
    )
    found = json.loads(cli("evaluate", "run", "--metric", "coverage", "--json")[1])
    assert next(iter(found)) == "status"
    assert found["status"] == "diverged"
    assert "last checkpoint" in found["unfinished"]


@pytest.mark.parametrize("status", ["interrupted", "running", "failed", "created"])
def test_the_evaluation_of_an_unfinished_run_says_so_first(cli, diverged, status):
    diverged.update(status=status)
    first = cli("evaluate", "run", "--metric", "coverage")[1].splitlines()[0]
    assert first.startswith("look at: run: Its training ")
    assert {"interrupted": "was interrupted", "running": "may still go on"}.get(status, status) in first


def test_other_commands_say_so_on_stderr(cli, diverged):
    for words in (
        ["sample", "run", "-n", 3, "--out", "a.csv"],
        ["score", "run", "--data", "iris"],
        ["describe", "run"],
    ):
        assert "Note: run: Its training diverged." in cli(*words)[2]


def test_a_finished_run_and_a_model_folder_say_nothing(cli):
    assert cli("train", "gmm", "--data", "iris", "--out", "run")[0] == 0
    for run in ("run", "run/model"):
        _, out, err = cli("evaluate", run, "--data", "iris", "--metric", "coverage")
        assert "Its training" not in out + err
        assert "Its training" not in cli("sample", run, "-n", 3, "--out", f"{len(run)}.csv")[2]
    assert json.loads(cli("evaluate", "run", "--metric", "coverage", "--json")[1])["unfinished"] is None


def test_em_that_did_not_converge_is_said(cli):
    words = ["train", "gmm", "--data", "iris", "-o", "init_params=random", "-o", "training.max_iter=3"]
    assert cli(*words, "--out", "run")[0] == 0
    first = cli("evaluate", "run", "--metric", "coverage")[1].splitlines()[0]
    assert first == "look at: run: Its training ended before EM converged, after 3 passes of the kept restart."
