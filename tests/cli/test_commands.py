"""The command line as a user meets it: results on stdout, errors as one paragraph with their exit code."""

import contextlib
import io
import itertools
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from refusals import assert_refused

import genzoo
from genzoo.cli.main import _COMMANDS, main
from genzoo.config.data import DataSettings
from genzoo.config.flags import flagged_settings

QUICK = ("--steps", 4, "--batch-size", 16)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A short run on digits, and what was told of it."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["train", "dcgan", *map(str, QUICK), "--out", str(folder), "--json"]) == 0
    return folder, json.loads(out.getvalue())


@pytest.fixture
def digits_run(trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "run")
    return trained[1]


@pytest.mark.parametrize(
    "words", [[], ["--help"], ["train"], ["train", "--help"], *([name, "--help"] for name in _COMMANDS)]
)
def test_help_is_there_for_everything(cli, words):
    code, out, _ = cli(*words)
    assert code == 0
    assert "Usage: genzoo" in out


@pytest.mark.parametrize(
    "words",
    ["data", "train vae", "sample", "evaluate", "score", "cluster", "embed", "impute", "compare", "describe", "report"],
)
def test_help_lists_the_options_that_say_how_data_are_read_last(cli, words):
    _, out, _ = cli(*words.split(), "--help")
    own, heading, reading = out.partition("\nReading data:\n")
    assert heading
    assert "\nOptions:\n" in own
    assert "--json" in own
    flags = {setting.option for setting in flagged_settings(DataSettings)} - {"--data"}
    listed = [line.split()[0] for line in reading.splitlines() if line.startswith("  --")]
    assert set(listed) == flags
    assert not [flag for flag in flags if f"\n  {flag} " in own]


def test_help_names_the_default_number_of_draws(cli):
    for command in ("evaluate", "report"):
        assert "[default: training.bound_draws of the model]" in " ".join(
            cli(command, "--help")[1].partition("--draws")[2].split()
        )


@pytest.mark.parametrize("words", ["--help", "models"])
def test_help_and_the_list_of_models_import_no_pydantic(words):
    program = "import sys; from genzoo.cli.main import main; main(sys.argv[1:]); sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program, words], stdout=subprocess.DEVNULL).returncode == 0


def test_a_models_help_lists_its_own_fields_with_bounds_and_defaults(cli):
    _, out, _ = cli("train", "dcgan", "--help")
    text = " ".join(out.split())
    for words in (
        "dimensions of the latent vector [integer ≥ 1 ≤ 65536; default 64]",
        "objective=wasserstein-gp",
        "objective.discriminator_steps",
        "objective.gamma",
        "preset=NAME",
        "tutorial",
        "batch_size",
        "--batch-size",
    ):
        assert words in text, words


def test_the_zoo_is_listed_for_people_and_for_programs(cli):
    assert "dcgan" in cli("models")[1]
    entry = next(e for e in json.loads(cli("models", "--json")[1]) if e["name"] == "dcgan")
    assert entry["id"] == "genzoo-gan/dcgan"
    assert entry["objectives"][0] == "relativistic"
    shown = cli("models", "dcgan")[1]
    assert "latent" in shown
    assert "Radford" in shown
    assert json.loads(cli("models", "dcgan", "--json")[1])[0]["options"][0]["name"] == "latent"
    assert json.loads(cli("plugins", "--json")[1])[0]["state"] == "loaded"
    assert "genzoo-gan" in cli("plugins")[1]
    assert f"genzoo {genzoo.__version__}" in cli("--version")[1]


def test_data_are_listed_and_inspected(cli, tmp_path):
    assert "fashion-mnist" in cli("data")[1]
    assert {"digits", "moons"} <= {row["name"] for row in json.loads(cli("data", "--json")[1])}
    assert json.loads(cli("data", "digits", "--json")[1])["events"] == 1797
    np.save("a.npy", np.zeros((3, 4, 4), np.uint8))
    assert "repeat an earlier image exactly" in cli("data", "a.npy")[1]
    assert "nothing looks wrong" in cli("data", "iris")[1] or "repeat" in cli("data", "iris")[1]


def test_lists_of_names_add_up(cli, tmp_path):
    (tmp_path / "t.csv").write_text("a,b,c,d\n" + "".join(f"{i},{i * i},{-i},{i % 7}\n" for i in range(20)))
    code, out, _ = cli("data", str(tmp_path / "t.csv"), "--drop", "a", "--drop", "b,d", "--json")
    assert code == 0
    assert [column["name"] for column in json.loads(out)["columns"]] == ["c"]


@pytest.mark.once
def test_training_prints_where_everything_is(cli, tmp_path):
    code, out, err = cli("train", "dcgan", *QUICK, "--out", "run")
    assert code == 0
    for words in ("run/samples/step-000004.png", "run/model", "genzoo sample run", "--resume run"):
        assert words in out
    assert "cpu" in err
    with Image.open("run/samples/step-000004.png") as grid:
        assert min(grid.size) > 300
    assert cli("train", "--resume", "run", "--steps", 6, "--json")[0] == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["steps"] == 6


@pytest.mark.once
@pytest.mark.parametrize(("suffix", "count"), [(".png", 9), (".npy", 10), (".npz", 10), ("", 3)])
def test_samples_go_where_they_are_told(cli, digits_run, tmp_path, suffix, count):
    target = tmp_path / f"out{suffix}"
    code, out, _ = cli("sample", "run", "-n", count, "--out", target, "--seed", 3, "--json")
    assert code == 0
    assert json.loads(out)["count"] == count
    expected = genzoo.load("run").sample(count, seed=3)
    if suffix == "":
        with Image.open(min(target.iterdir())) as image:
            first = np.asarray(image)
        assert len(list(target.iterdir())) == count
        assert np.array_equal(first, np.round(expected[0, 0] / 16 * 255).astype(np.uint8))
    elif suffix == ".npy":
        assert np.array_equal(np.load(target), expected)
    elif suffix == ".npz":
        assert np.array_equal(np.load(target)["x"], expected)
    else:
        with Image.open(target) as grid:
            assert grid.mode == "L"


@pytest.mark.once
def test_sampling_needs_no_suffix_and_no_run(cli, digits_run, tmp_path):
    assert cli("sample", "run", "-n", 4)[0] == 0
    assert (tmp_path / "dcgan-4-seed0.png").exists()
    shutil.move("run/model", "theirs")
    shutil.rmtree("run")
    assert cli("sample", "theirs", "-n", 4, "--out", "a.png")[0] == 0


@pytest.mark.once
def test_a_table_is_sampled_as_a_table(cli, tmp_path):
    assert cli("train", "toy", "--data", "iris", "--out", "run")[0] == 0
    assert cli("sample", "run", "-n", 5, "--out", "a.csv")[0] == 0
    rows = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)"
    assert len(rows) == 6
    assert_refused(cli("sample", "run", "--out", "a.png"), 2, "a.png", ".csv")


@pytest.mark.once
def test_a_dry_run_shows_the_plan_and_writes_nothing(cli, tmp_path):
    code, out, _ = cli("train", "dcgan", "--dry-run", "--json", "-o", "preset=tutorial", "-o", "latent=50")
    plan = json.loads(out)
    assert code == 0
    assert plan["config"]["options"]["latent"] == 50
    assert plan["config"]["objective"] == {
        "name": "genzoo-gan/non-saturating",
        "options": {
            "r1": 0.0,
            "r2": 0.0,
            "penalty_every": 1,
            "augment": 0.0,
            "augment_warmup": 0.5,
            "simultaneous": True,
        },
    }
    assert plan["config"]["training"]["batch_size"] == 256
    assert plan["plan"]["rows"]["train"] == 1257
    assert not list(tmp_path.iterdir())


@pytest.mark.once
def test_settings_rise_from_recipe_to_preset_file_environment_and_flags(cli, tmp_path, monkeypatch):
    def plan(*words):
        code, out, err = cli("train", "toy", "--dry-run", "--json", *words)
        assert code == 0, err
        return json.loads(out)["config"]

    assert (plan()["training"]["steps"], plan()["options"]["offset"]) == (30, 0)
    preset = plan("-o", "preset=slow")
    assert (preset["training"]["steps"], preset["training"]["epochs"], preset["options"]["offset"]) == (None, 3, 1)
    (tmp_path / "a.toml").write_text(
        'preset = "slow"\noffset = 2\nseed = 5\n[training]\nsteps = 9\n[data]\nsource = "wine"\n', encoding="utf-8"
    )
    file = plan("--config", "a.toml")
    assert (file["options"]["offset"], file["training"]["steps"], file["training"]["epochs"]) == (2, 9, None)
    assert (file["seed"], file["data"]["source"], file["training"]["optimizer"]["lr"]) == (5, "wine", 0.01)
    monkeypatch.setenv("GENZOO_SEED", "6")
    assert plan("--config", "a.toml")["seed"] == 6
    assert plan("--config", "a.toml", "-o", "seed=8")["seed"] == 8
    flags = plan("--config", "a.toml", "--seed", 7, "--minutes", 1, "-o", "offset=3", "--lr", 0.5, "--data", "iris")
    assert (flags["seed"], flags["options"]["offset"], flags["data"]["source"]) == (7, 3, "iris")
    assert (flags["training"]["minutes"], flags["training"]["steps"]) == (1, None)
    assert flags["training"]["optimizer"]["lr"] == 0.5


@pytest.mark.precision
def test_a_runs_own_config_trains_the_same_model_again(cli, digits_run):
    code, out, err = cli("train", "dcgan", "--config", "run/config.json", "--out", "again", "--json")
    assert code == 0, err
    assert json.loads(out)["weights"] == digits_run["weights"]


@pytest.mark.once
def test_fewer_options_than_flags_is_fine_and_resume_takes_only_a_budget(cli, digits_run):
    assert_refused(cli("train", "--steps", 5), 2, "Name a model")
    assert_refused(
        cli("train", "--resume", "run", "dcgan"), 2, "--resume takes no model's name: genzoo train --resume run."
    )
    assert_refused(cli("train", "--steps", 5, "toy"), 2, "after the model's name: genzoo train toy --steps 5.")
    assert_refused(cli("train", "--resume", "run", "--lr", 1), 2, "--lr", "larger budget")
    assert_refused(cli("train", "--resume", "run", "--lrr", 1), 2, "No such option '--lrr'")
    assert_refused(cli("train", "--resume", "nowhere"), 4, "nowhere")


@pytest.mark.once
@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["trian", "dcgan"], 2, ["trian", "Did you mean 'train'"]),
        (["train", "dcgn"], 2, ["dcgn", "Did you mean 'dcgan'"]),
        (["models", "dcgn"], 2, ["Did you mean 'dcgan'"]),
        (["train", "dcgan", "--epoch", "3"], 2, ["--epoch"]),
        (["train", "dcgan", "-o", "latnt=3"], 2, ["latnt", "Did you mean 'latent'"]),
        (["train", "dcgan", "-o", "latent"], 2, ["-o latent is not of the form NAME=VALUE, such as -o latent=3."]),
        (["train", "dcgan", "-o", "latent=many"], 2, ["latent", "'many'"]),
        (["train", "dcgan", "-o", "latent=0"], 2, ["latent must be at least 1, not 0."]),
        (["train", "dcgan", "-o", "latent=1.5"], 2, ["latent"]),
        (["train", "dcgan", "-o", "dropout=1.5"], 2, ["dropout must be below 1, not 1.5."]),
        (["train", "dcgan", "-o", "kernel=4"], 2, ["kernel", "odd"]),
        (["train", "dcgan", "-o", "generator_widths=[0,2]"], 2, ["generator_widths"]),
        (["train", "dcgan", "-o", "objective=hing"], 2, ["hing", "Did you mean 'hinge'"]),
        (["train", "dcgan", "-o", "objective.gama=1"], 2, ["gama", "Did you mean 'gamma'"]),
        (["train", "dcgan", "-o", "objective.gamma=-1"], 2, ["gamma"]),
        (["train", "dcgan", "-o", "preset=fast"], 2, ["fast", "tutorial"]),
        (["train", "dcgan", "-o", "preset=[1]"], 2, ["preset", "tutorial"]),
        (["train", "dcgan", "-o", "training.batchsize=1"], 2, ["batchsize", "Did you mean 'training.batch_size'"]),
        (["train", "dcgan", "-o", "training=3"], 2, ["training.NAME=VALUE"]),
        (["train", "dcgan", "--callback", "none-such"], 2, ["none-such"]),
        (["train", "dcgan", "--batch-size", "0"], 2, ["--batch-size must be at least 1, not 0."]),
        (["train", "dcgan", "--batch-size", "x"], 2, ["--batch-size"]),
        (["train", "dcgan", "--batch-size", "2000"], 2, ["1257 training rows", "--batch-size"]),
        (["train", "dcgan", "--epochs", "-1"], 2, ["--epochs must be above 0, not -1."]),
        (["train", "dcgan", "--epochs", "nan"], 2, ["--epochs must be a finite number"]),
        (["train", "dcgan", "--lr", "0"], 2, ["--lr must be above 0, not 0."]),
        (["train", "dcgan", "--seed", "-1"], 2, ["seed"]),
        (["train", "dcgan", "--seed", "99999999999999999999"], 2, ["seed"]),
        (["train", "dcgan", "--size", "2", "--data", "."], 2, ["size"]),
        (["train", "dcgan", "--patience", "3"], 2, ["nothing to monitor"]),
        (["train", "dcgan", "--features", "pixels"], 2, ["features 'pixels'", "none is recorded"]),
        (["train", "dcgan", "--eval-every", "3"], 2, ["--eval-every", "nothing to monitor"]),
        (["train", "dcgan", "--batch-size", "1"], 2, ["at least 2", "--batch-size 2"]),
        (["train", "dcgan", "--batch-size", "4", "-o", "training.grad_accumulation=4"], 2, ["--batch-size 8"]),
        (
            ["train", "dcgan", "--batch-size", "1000", "-o", "objective=wasserstein-gp"],
            2,
            ["--batch-size 251 or less"],
        ),
        (
            ["train", "dcgan", "-o", "training.param_groups.discriminator.lrr=1"],
            2,
            ["'discriminator'", "Did you mean 'lr'"],
        ),
        (["train", "dcgan", "-o", "objective.options=5"], 2, ["objective.options"]),
        (["train", "dcgan", "-o", "model=gmm"], 2, ["model"]),
        (["train", "dcgan", "--device", "meta"], 2, ["meta"]),
        (["train", "dcgan", "--precision", "fp8"], 2, ["fp8"]),
        (["train", "dcgan", "--precision", "tf32", "--device", "cpu"], 2, ["tf32"]),
        (["train", "dcgan", "--device", "gpu"], 2, ["gpu", "cuda"]),
        (["train", "dcgan", "--size", "16", "--data", "digits"], 2, ["--size", "folders of images"]),
        (["data", "iris", "--skip-bad"], 2, ["--skip-bad"]),
        (["train", "dcgan", "--data", "digit"], 4, ["digit", "Did you mean 'digits'"]),
        (["train", "dcgan", "--data", "absent.npy"], 4, ["absent.npy"]),
        (["train", "dcgan", "--data", "iris"], 4, ["dcgan", "images"]),
        (["train", "dcgan", "--config", "absent.toml"], 2, ["absent.toml"]),
        (["data", "absent"], 4, ["absent"]),
        (["sample", "absent"], 4, ["absent"]),
        (["sample"], 2, ["RUN"]),
    ],
)
def test_a_wrong_word_is_explained(cli, tmp_path, words, code, expected):
    assert_refused(cli(*words), code, *expected)
    assert not list(tmp_path.iterdir()), "nothing half-written is left behind"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu_is_an_error(cli, tmp_path):
    assert_refused(cli("train", "dcgan", "--device", "cuda"), 2, "cuda", "--device cpu")
    assert not list(tmp_path.iterdir())


SALES = "Sales\n\nregion;2001;2002\n" + "".join(f"{'nsw'[i % 3]};{i % 7},5;{i % 5 or '?'}\n" for i in range(40))


def test_a_table_is_read_alike_in_training_resume_and_scores(cli, tmp_path):
    (tmp_path / "a.csv").write_text(SALES)
    words = ("--data", tmp_path / "a.csv", "--missing", "?")
    code, out, err = cli("train", "naive-bayes", *words, "--steps", 2, "--out", tmp_path / "run")
    assert code == 0, err
    assert err.count("Note: ") == 1
    assert "--no-header" in err
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["data"]["missing"] == ["?"]
    code, _, err = cli("train", "--resume", tmp_path / "run", "--steps", 4)
    assert code == 0, err
    code, out, err = cli("score", tmp_path / "run", *words)
    assert code == 0, err
    assert out.count("\n") == 41
    assert cli("train", "naive-bayes", *words, "--header", "--dry-run")[2].count("Note: ") == 0
    code, again, err = cli("score", tmp_path / "run", "--data", tmp_path / "a.csv")
    assert (code, again) == (0, out), "the run's own --missing serves new data, too"
    assert "--missing" in err


def test_data_from_standard_input_are_inspected(tmp_path):
    words = [sys.executable, "-m", "genzoo", "data", "-", "--missing", "?", "--json"]
    done = subprocess.run(words, input=SALES.encode(), capture_output=True, cwd=tmp_path, check=True)
    found = json.loads(done.stdout)
    assert (found["name"], found["events"], found["header"]) == ("stdin", 40, "line 3 names the columns")
    done = subprocess.run(words, input=b"", capture_output=True, cwd=tmp_path, check=False)
    assert done.returncode == 4
    assert b"it is empty" in b" ".join(done.stderr.split())


@pytest.mark.once
def test_data_that_cannot_be_used_are_explained_and_nothing_is_written(cli, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()

    def refused(data, code, *words, more=()):
        assert_refused(cli("train", "dcgan", "--data", data, *more), code, *words)
        assert not (tmp_path / "runs").exists()

    refused(folder, 4, "no images")
    for i in range(40):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (8, 8), dtype=np.uint8)).save(folder / f"{i:02}.png")
    (folder / "77.png").write_text("text where an image belongs", encoding="utf-8")
    refused(folder, 4, "77.png", "--skip-bad")
    code, out, _ = cli("train", "dcgan", "--data", folder, "--skip-bad", *QUICK, "--out", "ok")
    assert code == 0
    code, out, _ = cli("train", "dcgan", "--data", folder, "--skip-bad", "--dry-run", "--json", "--batch-size", 8)
    assert json.loads(out)["plan"]["rows"]["skipped"] == 1
    (folder / "77.png").unlink()
    Image.new("L", (9, 8)).save(folder / "99.png")
    refused(folder, 4, "99.png", "9×8", "--size")
    assert cli("train", "dcgan", "--data", folder, "--size", 8, "--dry-run", "--batch-size", 8)[0] == 0
    refused(folder, 2, "29 training rows", more=("--size", 8, "--batch-size", 64))

    broken = np.zeros((100, 8, 8))
    broken[3, 2, 1] = np.nan
    np.save("nan.npy", broken)
    refused("nan.npy", 4, "nan in event 3")
    np.save("flat.npy", np.zeros(100))
    refused("flat.npy", 4, "shape (100,)")
    np.save("table.npy", np.random.default_rng(0).normal(size=(100, 3)))
    refused("table.npy", 4, "images")
    (tmp_path / "words.txt").write_text("words", encoding="utf-8")
    refused("words.txt", 4, "takes images", "text of at most 5 symbols")
    (tmp_path / "words.doc").write_text("words", encoding="utf-8")
    refused("words.doc", 4, "words.doc", ".npy")
    np.save("one.npy", np.full((100, 8, 8), 0.5))
    (tmp_path / "same.npy").write_bytes((tmp_path / "one.npy").read_bytes()[:-1])
    refused("same.npy", 4, "same.npy")


@pytest.mark.once
def test_a_run_directory_is_never_overwritten(cli, digits_run, tmp_path):
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "run").rglob("*"))
    assert_refused(cli("train", "dcgan", *QUICK, "--out", "run"), 2, "run exists already")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert_refused(cli("train", "dcgan", *QUICK, "--out", "file"), 2, "file exists already")
    assert before == sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "run").rglob("*"))


@pytest.mark.once
def test_samples_that_cannot_be_written_are_explained(cli, digits_run, tmp_path):
    assert_refused(cli("sample", "run", "--out", "a.gif"), 2, "a.gif", ".png")
    assert_refused(cli("sample", "run", "--out", "a.csv"), 2, "a.csv")
    assert_refused(cli("sample", "run", "--out", "nowhere/a.png"), 2, "nowhere")
    assert_refused(cli("sample", "run", "-n", 0), 2, "at least 1")
    assert_refused(cli("sample", "run", "-n", 5000, "--out", "a.png"), 2, "too many")
    assert_refused(cli("sample", "run", "--out", "run"), 2, "exists already")
    assert not (tmp_path / "a.png").exists()


@pytest.mark.once
@pytest.mark.parametrize("order", [1, -1])
def test_an_objective_and_its_options_are_given_together_in_any_order(cli, order):
    words = ["-o", "objective=hinge"], ["-o", "objective.margin=2"]
    code, out, err = cli("train", "dcgan", "--dry-run", "--json", *itertools.chain(*words[::order]))
    assert code == 0, err
    assert json.loads(out)["config"]["objective"]["options"]["margin"] == 2


@pytest.mark.once
def test_another_objective_than_the_config_files_takes_none_of_its_options(cli, digits_run):
    words = ("train", "dcgan", "--config", "run/config.json", "--dry-run", "--json")
    assert json.loads(cli(*words)[1])["config"]["objective"]["options"]["gamma"] == 0.1
    code, out, err = cli(*words, "-o", "objective=hinge")
    assert code == 0, err
    assert "gamma" not in json.loads(out)["config"]["objective"]["options"]
    assert_refused(cli("train", "toy", "--config", "run/config.json"), 2, "genzoo-gan/dcgan")


@pytest.mark.once
def test_what_is_left_of_a_run_is_told_when_nothing_is(cli, digits_run):
    assert_refused(cli("train", "--resume", "run"), 2, "spent its budget", "4 steps")
    for steps in (4, 2):
        words = f"--steps {steps} is not more than the 4 steps already taken."
        assert_refused(cli("train", "--resume", "run", "--steps", steps), 2, words)
    assert json.loads(Path("run/model/config.json").read_text(encoding="utf-8"))["training"]["steps"] == 4
    assert cli("train", "--resume", "run", "--steps", 5)[0] == 0
    assert_refused(cli("train", "--resume", "run"), 2, "5 steps")


@pytest.mark.once
@pytest.mark.xdist_group("warm")
def test_a_disk_that_is_really_full_is_a_sentence(tmp_path, forked):
    ended = forked("command", ["train", "dcgan", "--steps", "3", "--out", "run"], 100_000, folder=tmp_path)
    assert ended.code == 1
    assert "could not be written" in " ".join(ended.err.split())
    assert "error of its own" not in ended.err
    assert not [path for path in (tmp_path / "run").rglob("*") if "tmp" in path.name]


@pytest.mark.once
def test_two_runs_within_a_second_get_two_names(cli, tmp_path):
    for _ in range(3):
        assert cli("train", "toy", "--steps", 1)[0] == 0
    assert len(list((tmp_path / "runs").iterdir())) == 3


@pytest.mark.once
def test_a_file_name_that_is_no_text_is_no_obstacle(cli, tmp_path):
    name = os.fsdecode(b"\xff.npy")
    np.save(name, np.random.default_rng(0).normal(size=(100, 3)))
    code, _, err = cli("train", "toy", "--data", name, "--steps", 2, "--out", "run")
    assert code == 0, err
    assert genzoo.load("run").sample(2).shape == (2, 3)


def test_stderr_may_be_closed(tmp_path):
    words = [sys.executable, "-m", "genzoo", "train", "gaussian", "--out", str(tmp_path / "run")]
    command = f"{shlex.join(words)} 2>&-"
    assert subprocess.run(["/bin/sh", "-c", command], stdout=subprocess.DEVNULL).returncode == 0


def test_a_terminal_without_a_character_is_shown_a_question_mark():
    words = [sys.executable, "-m", "genzoo", "models", "gmm"]
    done = subprocess.run(words, env={**os.environ, "PYTHONIOENCODING": "latin-1"}, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"integer ? 1 ? 10000" in done.stdout  # two signs that Latin-1 lacks


@pytest.mark.once
def test_a_full_disk_is_a_sentence_and_the_run_keeps_what_it_had(cli, tmp_path, monkeypatch):
    import errno
    import os

    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 40:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr("os.fsync", full)
    result = cli("train", "toy", "--steps", 40, "-o", "training.checkpoint_every=2", "--out", "run")
    assert_refused(result, 1, "No space left on device")
    left = [path.name for path in (tmp_path / "run").rglob("*") if "tmp" in path.name]
    assert not left
    monkeypatch.setattr("os.fsync", real)
    assert cli("train", "--resume", "run")[0] == 0


@pytest.mark.once
def test_a_folder_that_cannot_be_written_is_a_sentence(cli, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    code = cli("train", "toy", "--steps", 2, "--out", "file/run")
    assert_refused(code, 1, "file/run")


@pytest.mark.precision
def test_divergence_exits_6_and_the_run_can_be_sampled(cli, tmp_path):
    result = cli("train", "toy", "-o", "objective=toy-exploding", "--steps", 20, "--out", "run")
    assert_refused(result, 6, "diverged", "step 5", "--lr", "run")
    assert json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["status"] == "diverged"
    assert cli("sample", "run", "-n", 3, "--out", "a.csv")[0] == 0


def test_an_error_of_our_own_is_still_one_paragraph(cli, monkeypatch):
    monkeypatch.setattr("genzoo.cli.models.show_table", lambda *_: 1 / 0)
    result = cli("models")
    assert_refused(result, 1, "ZeroDivisionError", "--debug")
    code, _, err = cli("--debug", "models")
    assert code == 1
    assert "Traceback" in err
