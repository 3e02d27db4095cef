"""Lists of runs: what became of each, filters, differences, removal; and `genzoo.runs` and `genzoo runs`."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import genzoo
from genzoo.cli.main import main
from genzoo.errors import ArtifactError
from genzoo.persistence.listing import find_run, list_runs, remove_run
from genzoo.persistence.run import Run
from genzoo.storage.lock import exclusive_lock, is_locked


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a gmm and a naive-bayes on iris, a gaussian on an array, and a comparison."""
    folder = tmp_path_factory.mktemp("runs")
    common = {"precision": "fp32", "seed": 0}
    genzoo.train("gmm", "iris", n_components=2, out=folder / "two", **common)
    genzoo.train("gmm", "iris", n_components=3, out=folder / "three", **common)
    genzoo.train("gaussian", np.random.default_rng(0).normal(size=(60, 2)), out=folder / "normal", **common)
    genzoo.compare(["gaussian", "gmm"], data="iris", out=folder / "answer", precision="fp32")
    (folder / "notes").mkdir()
    (folder / "file.txt").write_text("not a run")
    return folder


@pytest.fixture
def folder(trained, tmp_path, monkeypatch):
    """A copy of the folder of runs, which is the current one."""
    copy = tmp_path / "runs"
    shutil.copytree(trained, copy)
    monkeypatch.setenv("GENZOO_RUNS", str(copy))
    return copy


def names(found):
    return {summary.name for summary in found}


def test_runs_and_comparisons_are_listed_the_newest_first(folder):
    found = list_runs()
    times = [one.started for one in found]
    assert times == sorted(times, reverse=True)
    assert names(found) == {"two", "three", "normal", "answer"}
    two = next(one for one in found if one.name == "two")
    record = Run(folder / "two").record
    assert (two.model, two.data, two.status) == ("gmm", "iris", "finished")
    assert (two.steps, two.seconds) == (record["steps"], record["seconds"])
    assert two.bytes == sum(path.stat().st_size for path in (folder / "two").rglob("*") if path.is_file())
    answer = next(one for one in found if one.name == "answer")
    best = json.loads((folder / "answer" / "report.json").read_text())["best"]
    assert (answer.kind, answer.model, answer.status, answer.steps) == ("comparison", best, "finished", 2)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"models": ["gmm"]}, {"two", "three"}),
        ({"models": ["genzoo-mixture/gaussian", "nothing"]}, {"normal"}),
        ({"data": ["iris"], "models": ["gmm"]}, {"two", "three"}),
        ({"statuses": ["diverged"]}, set()),
        ({"statuses": ["finished", "diverged"]}, {"two", "three", "normal", "answer"}),
    ],
)
def test_filters_hold_together_and_each_takes_several_values(folder, filters, expected):
    assert names(list_runs(**filters)) == expected


def test_a_folder_that_is_not_there_holds_no_runs(tmp_path):
    assert list_runs(tmp_path / "nowhere") == []
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(ArtifactError, match="cannot be read"):
        list_runs(path)


def test_a_run_that_says_running_is_running_only_while_it_is_locked(folder):
    run = Run(folder / "two")
    run.update(status="running")
    assert find_run("two").status == "stopped"
    with exclusive_lock(run.path):
        assert is_locked(run.path)
        assert find_run("two").status == "running"
        with pytest.raises(ArtifactError, match="in use by process"):
            remove_run(find_run("two"))
    assert not is_locked(run.path)
    assert run.path.exists()


def test_the_steps_of_a_run_that_was_killed_come_from_its_log(folder):
    path = folder / "two" / "run.json"
    record = json.loads(path.read_text())
    del record["steps"]
    path.write_text(json.dumps(record | {"status": "running"}))
    lines = (folder / "two" / "metrics.jsonl").read_text().splitlines()
    assert find_run("two").steps == json.loads(lines[-1])["step"]


@pytest.mark.parametrize("name", ["run.json", "config.json"])
@pytest.mark.parametrize("damage", ["", "[]", "{", '{"format": 99}', '{"data": 3}'])
def test_a_damaged_run_is_listed_and_can_be_removed(folder, name, damage, capsys):
    (folder / "two" / name).write_text(damage)
    found = next(one for one in list_runs() if one.name == "two")
    assert found.status == "damaged"
    assert main(["runs"]) == 0
    assert "two" in capsys.readouterr().out
    assert main(["runs", "remove", "two", "--yes"]) == 0
    assert not (folder / "two").exists()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("run.json", {"steps": "many", "seconds": "long", "started": 5}),
        ("run.json", {"steps": [1], "seconds": {}, "started": "9999-12-31T23:59:59-12:00", "status": ["x"]}),
        ("run.json", {"steps": -1, "seconds": 1e308, "started": "2026-13-13", "kept": 5}),
        ("config.json", {"model": 5, "data": {"source": ["x"]}}),
        ("config.json", {"options": [1]}),
        ("config.json", {"data": None}),
    ],
)
def test_values_of_another_type_spoil_neither_the_list_nor_one_run(folder, name, damage, capsys):
    path = folder / "two" / name
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with (folder / "two" / "metrics.jsonl").open("a") as log:
        log.write('{"step": 1e999, "loss": 5}\n{"step": 7, "loss": {"all": "x"}}\n')
    assert main(["runs"]) == 0
    assert repr(genzoo.runs()).count("\n") == 3
    assert main(["runs", "compare", "two", "three"]) in (0, 4)
    assert main(["runs", "show", "two"]) in (0, 4)
    assert "error of its own" not in capsys.readouterr().err


def test_a_folder_of_runs_in_the_home_folder_is_found(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("GENZOO_RUNS", "~/runs")
    assert names(list_runs()) == names(list_runs("~/runs/")) == {"two", "three", "normal", "answer"}
    made = genzoo.train("gaussian", "iris", out="~/runs/made", precision="fp32")
    assert made.path == folder / "made"


def test_the_current_folder_is_a_run_like_any_other(folder, monkeypatch):
    monkeypatch.chdir(folder / "two")
    found = find_run(".")
    assert found.name == "two"
    remove_run(found)
    assert not (folder / "two").exists()


def test_an_unknown_status_is_an_error():
    with pytest.raises(genzoo.ConfigError, match="Did you mean 'finished'"):
        genzoo.runs(status="finnished")


def test_data_are_found_by_a_path(folder):
    assert len(genzoo.runs(data=[folder / "iris"])) == len(genzoo.runs(data=folder / "iris")) == 2


def test_commands_to_copy_have_their_names_quoted(folder, capsys):
    path = folder / "my run"
    assert main(["train", "gaussian", "--data", "iris", "--out", str(path), "--precision", "fp32"]) == 0
    assert f"genzoo sample '{path}' -n" in capsys.readouterr().out
    path = folder / "$(touch x)"
    assert main(["compare", "gaussian", "--data", "iris", "--out", str(path), "--precision", "fp32"]) == 0
    assert f"genzoo sample '{path}/best' -n" in capsys.readouterr().out


def test_python_lists_runs_that_can_be_used(folder):
    found = genzoo.runs(model="gmm")
    assert {run.path.name for run in found} == {"two", "three"}
    assert len(found[:1]) == 1
    assert found[0].sample(2).shape == (2, 4)
    text = repr(genzoo.runs())
    assert text.splitlines()[0].split() == ["name", "model", "data", "status", "steps", "time", "started", "size"]
    assert "answer" not in text
    assert repr(genzoo.runs(status="diverged")) == "no runs"
    assert found.as_dict()[0]["model"] == "gmm"


def test_the_command_lists_as_a_table_and_as_json(folder, capsys):
    assert main(["runs"]) == 0
    table = capsys.readouterr().out
    assert "comparison, best" in table
    assert main(["runs", "list", "--model", "gmm", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == [summary.as_dict() for summary in list_runs(models=["gmm"])]
    assert main(["runs", "--status", "diverged"]) == 0
    assert capsys.readouterr().out == f"No run in {folder} fits.\n"


def test_the_command_shows_a_run(folder, capsys):
    assert main(["runs", "show", "two"]) == 0
    text = capsys.readouterr().out
    assert "model: gmm (genzoo-mixture/gmm)" in text
    assert '"n_components": 2' in text
    assert main(["runs", "show", str(folder / "two"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["config"]["options"]["n_components"] == 2
    assert shown["loss"] == json.loads((folder / "two" / "metrics.jsonl").read_text().splitlines()[-1])["loss"]
    assert main(["runs", "show", "answer"]) == 4
    assert "answer/best" in capsys.readouterr().err


def test_the_command_compares_settings_and_results(folder, capsys):
    assert main(["runs", "compare", "two", "three", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["differences"]
    assert found["n_components"] == [2, 3]
    assert found["log-likelihood"] == [Run(folder / name).record["kept"]["log_likelihood"] for name in ("two", "three")]
    assert "seed" not in found
    assert main(["runs", "compare", "two", "three", "--all"]) == 0
    assert "seed" in capsys.readouterr().out
    assert main(["runs", "compare", "two"]) == 2


def test_removal_asks_and_needs_a_terminal(folder, capsys):
    assert main(["runs", "remove", "two"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert (folder / "two").exists()
    assert main(["runs", "remove", "two", "answer", "two", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"removed": [str(folder / "two"), str(folder / "answer")]}
    assert {path.name for path in folder.iterdir()} == {"three", "normal", "notes", "file.txt"}


def test_one_unknown_run_keeps_all_from_being_removed(folder, capsys):
    assert main(["runs", "remove", "two", "tree", "--yes"]) == 4
    assert "Did you mean 'three'?" in " ".join(capsys.readouterr().err.split())
    assert (folder / "two").exists()


def test_a_link_is_not_removed(folder):
    link = folder / "link"
    link.symlink_to(folder / "two", target_is_directory=True)
    with pytest.raises(genzoo.GenzooError, match="is a link"):
        remove_run(find_run("link"))
    assert (folder / "two").exists()


def test_listing_imports_no_torch(folder):
    code = "import sys; from genzoo.cli.main import main; main(['runs']); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
