"""Errors of the command line name what was typed, the rule it breaks, and what to type instead."""

import contextlib
import io
import json
import shutil
from pathlib import Path

import pytest
import torch
from refusals import assert_refused

from genzoo.cli.main import main

FAITHFUL = Path(__file__).parents[1] / "data" / "faithful.csv"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a short run of each of two models on a table."""
    folder = tmp_path_factory.mktemp("runs")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for name, words in (("gmm", ()), ("vae", ("--steps", "20", "--precision", "fp32"))):
            assert main(["train", name, "--data", str(FAITHFUL), "--out", str(folder / name), *words]) == 0
    return folder


@pytest.fixture
def table(tmp_path):
    """A table in the current folder."""
    shutil.copy(FAITHFUL, tmp_path)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("gmm --n-components 2", "--n-components is an option of the model: write -o n_components=2."),
        ("gmm --n_components=2", "--n_components is an option of the model: write -o n_components=2."),
        ("gmm --n-components --dry-run", "write -o n_components=VALUE."),
        ("gmm --n-component 2", "No such option '--n-component'. Did you mean -o n_components=2?"),
        ("vae --latent 3", "--latent is an option of the model: write -o latent=3."),
        ("dcgan --grad-clip 1", "--grad-clip is an option of the training: write -o training.grad_clip=1."),
        ("dcgan --weight-decay 1", "write -o training.optimizer.weight_decay=1."),
        ("dcgan --r1 -1", "--r1 is an option of the objective: write -o objective.r1=-1."),
        ("dcgan --margin 2", "write -o objective=hinge -o objective.margin=2."),
        ("dcgan -o objective=hinge --margin 2", "write -o objective.margin=2."),
        ("dcgan --metrics fid", "No such option '--metrics'. Did you mean '--metric'?"),
        ("dcgan --epoch 3", "No such option '--epoch'. Did you mean '--epochs'?"),
    ],
)
def test_a_setting_written_as_a_flag_is_shown_as_an_option(cli, words, expected):
    assert_refused(cli("train", *words.split()), 2, expected)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("compare gmm vae --minutes 2", "-o training.minutes=2 for all models, or gmm:training.minutes=2 for one?"),
        ("compare gmm vae:latent=2 --lr=3", "-o training.optimizer.lr=3 for all models, or vae:training.optimizer.lr"),
        ("compare gmm vae:latent=2 --latent 3", "--latent is an option of vae: write vae:latent=3."),
        ("compare dcgan --margin 2", "write dcgan:objective=hinge,objective.margin=2."),
        ("compare gmm --validation 0.2", "Did you mean -o split.validation=0.2 for all models?"),
        ("compare --minutes 2", "No such option '--minutes'."),
        ("tune gmm --n-components 3", "--n-components is an option of the model: write -o n_components=3."),
        ("tune vae --lrr 3", "No such option '--lrr'. Did you mean '--lr'?"),
        ("tune --lrr 3", "No such option '--lrr'."),
    ],
)
def test_a_setting_written_as_a_flag_is_shown_as_its_command_takes_it(cli, words, expected):
    assert_refused(cli(*words.split(), "--data", "iris"), 2, expected)


@pytest.mark.parametrize("setting", ["lr", "training.lr"])
def test_a_learning_rate_in_the_wrong_place_is_shown_with_its_flag(cli, setting):
    expected = f"Model 'vae' has no option '{setting}'. Did you mean 'training.optimizer.lr' (--lr)?"
    assert_refused(cli("train", "vae", "-o", f"{setting}=0.1"), 2, expected)


@pytest.mark.once
@pytest.mark.parametrize("words", ["train --resume", "sample", "evaluate", "report"])
def test_a_run_that_does_not_exist_is_explained(cli, runs, table, monkeypatch, words):
    command = words.split()
    assert_refused(cli(*command, "nothere"), 4, "There is no folder 'nothere', and no runs in runs/.")
    monkeypatch.setenv("GENZOO_RUNS", "elsewhere")
    assert_refused(cli(*command, "nothere"), 4, "and no runs in elsewhere/.")
    monkeypatch.setenv("GENZOO_RUNS", str(runs))
    assert_refused(cli(*command, "gmmm"), 4, "There is no folder 'gmmm', and no such run in", "Did you mean 'gmm'?")


@pytest.mark.once
@pytest.mark.parametrize("words", ["train --resume", "sample"])
def test_a_file_or_another_folder_is_no_run(cli, table, words, tmp_path):
    (tmp_path / "folder").mkdir()
    assert_refused(cli(*words.split(), "faithful.csv"), 4, "faithful.csv is a file, not a run directory.")
    assert_refused(cli(*words.split(), "folder"), 4, "folder is not a run directory: it has no config.json")


@pytest.mark.once
@pytest.mark.parametrize("words", ["train gmm --data", "data"])
def test_a_misspelled_file_is_corrected(cli, table, words):
    assert_refused(cli(*words.split(), "faithfull.csv"), 4, "Did you mean 'faithful.csv'?")
    assert_refused(cli(*words.split(), "irris"), 4, "Did you mean 'iris'?")


@pytest.mark.once
@pytest.mark.parametrize("model", ["gmm", "gaussian", "dcgan"])
def test_data_that_do_not_suit_the_model_exit_4(cli, tmp_path, model):
    rows = [f"person{row},{row % 7}.5" for row in range(40)]
    (tmp_path / "text.csv").write_text("\n".join(["name,size", *rows]), encoding="utf-8")
    told = (
        "takes images" if model == "dcgan" else "use a model that takes it (arf, autoencoder, copula, diffusion, flow, "
    )
    assert_refused(cli("train", model, "--data", "text.csv"), 4, f"odel {model!r}", told)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "cluster vae",
            "Model 'vae' cannot cluster. "
            "Models that can: factor-analysis, gaussian, gmm, mfa, naive-bayes, ppca, t-mixture.",
        ),
        (
            "embed gmm",
            "Model 'gmm' cannot embed. Models that can: autoencoder, factor-analysis, gaussian, gpt, mfa, mvae, ppca, "
            "vae.",
        ),
        (
            "reconstruct gmm --out again.csv",
            "Model 'gmm' cannot reconstruct. Models that can: autoencoder, factor-analysis, mfa, mvae, ppca, vae.",
        ),
    ],
)
def test_a_command_that_the_model_cannot_do_names_models_that_can(cli, runs, monkeypatch, words, expected):
    monkeypatch.setenv("GENZOO_RUNS", str(runs))
    assert_refused(cli(*words.split(), "--data", FAITHFUL), 2, expected)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("train gmm -o n_components 3", "Write -o n_components=3."),
        ("train gmm -o n_components = 3", "Write -o n_components=3."),
        ("train gmm faithful.csv", "Did you mean --data faithful.csv?"),
        ("train gmm iris", "Did you mean --data iris?"),
        ("train gmm n_components=3", "Did you mean -o n_components=3?"),
        ("train gmm vae", "genzoo compare gmm vae --data DATA."),
        ("evaluate gmm faithful.csv", "Did you mean --data faithful.csv?"),
        ("sample gmm 64", "Got unexpected extra argument (64)."),
        ("compare gmm,gaussian --data iris", "Separate models by spaces: genzoo compare gmm gaussian."),
        ("compare gmm,gmm:n_components=2,tol=1 vae --data iris", "genzoo compare gmm gmm:n_components=2,tol=1 vae."),
    ],
)
def test_a_word_without_its_option_is_explained(cli, table, words, expected):
    assert_refused(cli(*words.split()), 2, expected)


@pytest.mark.once
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("train vae --monitor loss", "There is no metric 'loss' to monitor. Did you mean 'objective'?"),
        ("train vae --monitor zzz", "memorization, mmd, objective, pair-trends, part-agreement, precision"),
        ("train vae --monitor FD", "Did you mean 'frechet-distance'?"),
        ("train vae --metric fd", "There is no metric 'fd'. Did you mean 'frechet-distance'?"),
        ("train vae --metric KD", "Did you mean 'kernel-distance'?"),
        (
            "train vae --metric fid",
            "'fid' is defined for the features 'inception' alone. Add --features inception=FILE",
        ),
    ],
)
def test_a_usual_name_of_a_score_leads_to_the_one_in_the_zoo(cli, words, expected):
    assert_refused(cli(*words.split()), 2, expected)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "train gmm --data iris --kind a=numeric",
            "Error: --kind a=numeric: the kind must be continuous, binary, categorical or count.",
        ),
        ("data iris --kind a=numeric", "--kind a=numeric: the kind must be continuous,"),
        ("train vae --lr -1", "Error: --lr must be above 0, not -1."),
        ("train vae --lr 101", "--lr must be at most 100, not 101."),
        ("train vae --seed -1", "--seed must be at least 0, not -1."),
        ("train --resume run --steps -1", "--steps must be above 0, not -1."),
        ("train gmm -o covariance_type=vev", "not 'vev'. Did you mean 'VEV'?"),
        ("train gmm -o covariance_type=sperical", "not 'sperical'. Did you mean 'spherical'?"),
        ("train gmm -o covariance_type=all", "not 'all'. Only genzoo compare takes 'all', and tries each."),
        ("train vae -o training.schedule.name=all", "not 'all'."),
        ("train gmm -o n_components=two", "n_components must be a whole number, not 'two'."),
        ("train gmm -o n_components=null", "n_components must be a whole number, not null."),
        ("train gmm -o noise=2.5", "noise must be true or false, not 2.5."),
        ("train gaussian -o covariance_type=round", "must be full, tied, diagonal or spherical, not 'round'."),
        ("train gmm -o covariance_type=VIV", "EVE, VVE, EEV, VEV or EVV, not 'VIV'."),
        ("train vae -o training.optimizer.lr=x", "training.optimizer.lr must be a number, not 'x'."),
        ("train vae -o training.optimizer.lrr=1", "Did you mean 'training.optimizer.lr'?"),
    ],
)
def test_a_wrong_value_is_named_as_typed_with_its_rule(cli, words, expected):
    assert_refused(cli(*words.split()), 2, expected)


def test_a_wrong_environment_variable_is_named(cli, monkeypatch):
    monkeypatch.setenv("GENZOO_SEED", "-1")
    assert_refused(cli("train", "gmm", "--dry-run"), 2, "GENZOO_SEED must be at least 0, not -1.")


@pytest.mark.once
def test_a_budget_that_is_spent_already_is_named(cli, runs, monkeypatch):
    monkeypatch.setenv("GENZOO_RUNS", str(runs))
    for words in ("--steps 10", "--epochs 1"):
        name = words.split()[0].removeprefix("--")
        result = cli("train", "--resume", "vae", *words.split())
        assert_refused(result, 2, f"{words} is not more than the {20 if name == 'steps' else 10} {name} already taken.")


@pytest.mark.parametrize(
    "words", ["train vae --nothing", "train gmm -o training.nothing=1", "nothing", "models nothing", "sample"]
)
def test_every_error_ends_with_a_period(cli, words):
    code, _, err = cli(*words.split())
    assert code == 2
    assert err.endswith((".\n", "?\n"))


@pytest.mark.once
def test_one_thread_and_one_step_are_singular(cli, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    _, out, err = cli("train", "vae", "--data", FAITHFUL, "--steps", 1, "--out", "run")
    assert "(1 thread)" in err
    assert "Trained 1 step in" in out


def test_after_training_on_a_table_only_csv_is_proposed(cli):
    code, out, _ = cli("train", "gmm", "--data", FAITHFUL, "--out", "run")
    assert code == 0
    assert [line for line in out.splitlines() if "genzoo sample" in line] == [
        "  genzoo sample run -n 1000 --out samples.csv"
    ]
    assert "(1 samples" not in cli("sample", "run", "-n", 1)[1]
    assert json.loads(cli("sample", "run", "-n", 1, "--out", "a.csv", "--json")[1])["count"] == 1
