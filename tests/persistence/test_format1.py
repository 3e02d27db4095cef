"""Former names, from format 1: read in files and accepted on command lines, with a note."""

import json
import shutil
from pathlib import Path

import pytest
from refusals import assert_refused

import genzoo
from genzoo.comparison.candidate import candidates
from genzoo.comparison.store import ResultStore
from genzoo.errors import FormerNameWarning
from genzoo.persistence.format1 import (
    current_line,
    former_metrics,
    upgrade_candidate,
    upgrade_checkpoint,
    upgrade_config,
    upgrade_model,
)
from genzoo.persistence.model_folder import load_model
from genzoo.plugins.manager import PluginManager, get_registry

DATA = Path(__file__).parents[1] / "data"
RUNS = DATA / "runs" / "0.1"
IRIS = DATA / "comparisons" / "0.1" / "iris"


def content(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_settings_of_an_old_run_get_their_names_and_lose_the_other_kinds():
    mixture = genzoo.Run(RUNS / "gmm").config
    assert mixture.options["n_components"] == 2
    assert (mixture.options["covariance_type"], mixture.options["init_params"]) == ("full", "kmeans")
    assert (mixture.training.kind, mixture.training.n_init) == ("em", 2)
    assert "ema" in content(RUNS / "gmm" / "config.json")["training"]
    assert "ema" not in mixture.training.model_dump()
    network = genzoo.Run(RUNS / "vae").config
    assert network.options["n_components"] == 3
    assert (network.training.kind, network.training.ema) == ("gradient", 0.9)
    assert network.training.optimizer.lr == content(RUNS / "vae" / "config.json")["training"]["optimiser"]["rate"]


def test_files_written_again_have_the_current_format(tmp_path):
    shutil.copytree(RUNS / "gmm-interrupted", tmp_path / "run")
    run = genzoo.resume(tmp_path / "run")
    assert content(run.path / "config.json")["format"] == 2
    assert content(run.model / "config.json")["format"] == 2
    assert "n_components" in content(run.model / "config.json")["options"]
    (checkpoint,) = run.checkpoints.iterdir()
    assert content(checkpoint / "state.json")["format"] == 2


def test_tensors_of_an_old_checkpoint_get_their_names():
    state = content(RUNS / "dcgan" / "checkpoints" / "step-000006" / "state.json")
    assert set(state["numbers"]["scalers"]) == {"generator", "critic"}
    assert set(upgrade_checkpoint(state)["numbers"]["scalers"]) == {"generator", "discriminator"}


@pytest.mark.parametrize("upgrade", [upgrade_config, upgrade_model, upgrade_checkpoint, upgrade_candidate])
@pytest.mark.parametrize(
    "strange",
    [
        {},
        {"model": 3},
        {"model": "genzoo-mixture/gmm", "options": [], "objective": "em"},
        {"model": "genzoo-mixture/gmm", "options": {"components": 1, "n_components": 2}},
        {"model": "no/such", "options": {}, "objective": {"name": "x"}, "training": {}},
        {"model": "genzoo-mixture/gmm", "options": {}, "objective": {"name": "em"}, "training": 7},
        {"numbers": [], "tied": {"a": 1}},
        {"candidate": None, "row": None},
    ],
)
def test_malformed_files_are_left_to_the_later_checks(upgrade, strange):
    assert upgrade({"format": 1, **strange})["format"] == 2


def test_an_old_comparison_is_found_and_nothing_is_fitted_again(tmp_path):
    shutil.copytree(IRIS, tmp_path / "iris")
    store = ResultStore(tmp_path / "iris")
    # With the starts that were the defaults.
    wanted = ["gaussian", "gmm:n_components=2..3,init_params=kmeans", "naive-bayes:init_params=k-means++"]
    # As `compare` has them tuned: five starts, a tolerance for sums, float64.
    known = {
        (row["candidate"]["model"], row["candidate"]["options"].get("n_components")): row
        for row in (upgrade_candidate(content(path)) for path in (IRIS / "rows").glob("*.json"))
    }
    assert len(known) == 4
    for candidate in candidates(get_registry(), wanted, {"data": {"source": "iris"}}):
        row = known[candidate.config.model, candidate.config.options.get("n_components")]
        stored = {**store._settings_of(candidate), "versions": None, "training": None}
        assert {**row["candidate"], "versions": None, "training": None} == stored
        assert set(row["candidate"]["training"]) == set(candidate.config.training.model_dump())
    assert store._former_place(candidates(get_registry(), ["gmm:n_components=9"], {})[0]) is None


def test_an_old_comparison_continues_with_the_same_versions(tmp_path, monkeypatch):
    shutil.copytree(IRIS, tmp_path / "iris")
    versions = {}
    for path in (tmp_path / "iris" / "rows").glob("*.json"):
        versions |= content(path)["candidate"]["versions"]
    monkeypatch.setattr("genzoo.comparison.store.version", lambda: versions["genzoo"])
    monkeypatch.setattr("genzoo.comparison.store._version", lambda name: versions[name])
    monkeypatch.setattr("genzoo.comparison.workers.run_fit_job", lambda *_: pytest.fail("a candidate is fitted again"))
    models = ["gaussian", "gmm:components=2..3,init_params=kmeans", "naive-bayes:init_params=k-means++"]
    with pytest.warns(FormerNameWarning, match="components is now called n_components"):
        report = genzoo.compare(models, "iris", folds=2, out=tmp_path / "iris")
    assert [row.status for row in report.rows] == ["ok"] * 4
    mixtures = {f"gmm:init_params=kmeans,n_components={k}" for k in (2, 3)}
    assert {row.id for row in report.rows} == {"gaussian", "naive-bayes:init_params=k-means++", *mixtures}
    assert all("memorization" in row.metrics for row in report.rows)


@pytest.mark.parametrize(
    ("words", "notes"),
    [
        ("gmm -o components=3", ["components is now called n_components."]),
        ("gmm -o covariance=tied", ["covariance is now called covariance_type."]),
        ("gmm -o start=k-means", ["start is now called", "init_params=k-means is now called init_params=kmeans."]),
        ("gmm -o training.passes=3 -o training.restarts=2", ["training.max_iter.", "training.n_init."]),
        ("toy -o training.optimiser.rate=0.1", ["training.optimiser.rate is now called training.optimizer.lr."]),
        ("toy -o training.clip=1 -o training.accumulation=2", ["training.grad_clip.", "training.grad_accumulation."]),
        ("toy --keep 3", ["--keep is now called --keep-checkpoints."]),
        ("toy --watch objective", ["--watch is now called --monitor."]),
        ("dcgan --data digits --colour grey", ["--colour is now called --color."]),
        ("vae --data digits --binarise", ["--binarise is now called --binarize."]),
        ("dcgan -o normalise=false", ["normalise is now called normalize."]),
        ("dcgan -o objective=wasserstein-gp -o objective.critic_steps=2", ["objective.discriminator_steps."]),
        ("vae -o likelihood=discretised-logistic", ["likelihood=discretized-logistic."]),
    ],
)
def test_a_former_name_works_on_the_command_line_with_a_note(cli, words, notes):
    code, out, err = cli("train", *words.split(), "--precision", "fp32", "--dry-run", "--json")
    if "--colour" in words:  # digits are no folder; the flag was understood all the same
        assert_refused((code, out, err), 2, "--color")
    else:
        assert code == 0, err
        json.loads(out)
    for note in notes:
        assert note in err
    assert len([line for line in err.splitlines() if line.startswith("Note:") and "repeat" not in line]) == len(notes)


@pytest.mark.parametrize(
    "words",
    [
        "gmm -o components=3 -o n_components=4",
        "gmm -o training.passes=3 -o training.max_iter=4",
        "toy --keep 3 --keep-checkpoints 4",
        "toy --watch=objective --monitor=coverage",
        "dcgan --colour grey --color rgb",
    ],
)
def test_both_names_with_different_values_raise(cli, words):
    assert_refused(cli("train", *words.split(), "--dry-run"), 2, "is the former name of", "Leave")


def test_both_names_with_one_value_are_one_setting(cli):
    code, out, _ = cli("train", "gmm", "-o", "components=3", "-o", "n_components=3", "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["config"]["options"]["n_components"] == 3


def test_current_names_cause_no_note(cli):
    code, _, err = cli("train", "gmm", "-o", "n_components=3", "-o", "covariance_type=diag", "--dry-run")
    assert code == 0
    assert "is now called" not in err


def test_the_command_line_overrides_a_file_with_former_names(cli, tmp_path):
    (tmp_path / "a.toml").write_text("components = 5\n[training]\npasses = 7\n", encoding="utf-8")
    words = ("--config", "a.toml", "-o", "n_components=3", "-o", "training.max_iter=9", "--dry-run", "--json")
    code, out, err = cli("train", "gmm", *words)
    assert code == 0, err
    config = json.loads(out)["config"]
    assert (config["options"]["n_components"], config["training"]["max_iter"]) == (3, 9)


def test_the_config_of_an_old_run_is_a_config_file(cli):
    code, out, err = cli("train", "gmm", "--config", RUNS / "gmm" / "config.json", "--dry-run", "--json")
    assert code == 0, err
    config = json.loads(out)["config"]
    assert (config["training"]["n_init"], config["options"]["n_components"]) == (2, 2)


def test_python_warns_of_a_former_name(tmp_path):
    with pytest.warns(FormerNameWarning, match="components is now called n_components"):
        run = genzoo.train("gmm", "iris", components=3, training={"n_init": 1}, out=tmp_path / "run")
    assert run.config.options["n_components"] == 3


def test_a_former_metric_name_is_understood(cli, tmp_path):
    assert cli("train", "gaussian", "--data", "iris", "--out", "run")[0] == 0
    code, out, err = cli("evaluate", "run", "--metric", "memorisation", "--json")
    assert code == 0, err
    assert "memorization" in out


def test_checks_take_the_former_flag(cli):
    code, _, err = cli("plugins", "check", "--sort", "dataset", "--list")
    assert code == 0, err
    assert "--sort is now called --kind." in err


def test_a_flag_wins_over_an_option_under_a_former_name(cli):
    words = ("--lr", 0.1, "-o", "training.optimiser.rate=0.2", "--precision", "fp32", "--dry-run", "--json")
    code, out, err = cli("train", "toy", *words)
    assert code == 0, err
    assert json.loads(out)["config"]["training"]["optimizer"]["lr"] == 0.1


def test_a_value_spelled_like_a_former_flag_stays_a_value(cli, tmp_path):
    code, out, err = cli("train", "toy", "--steps", 1, "--precision", "fp32", "--out", "--keep", "--json")
    assert code == 0, err
    assert json.loads(out)["run"] == "--keep"
    assert "is now called" not in err


def test_words_after_two_dashes_are_no_flags(cli):
    assert_refused(cli("train", "gmm", "--", "--keep", "3"), 2, "unexpected extra arguments (--keep 3)")


def test_a_former_flag_of_one_command_is_unknown_to_another(cli):
    assert_refused(cli("sample", "run", "--keep", "3"), 2, "No such option", "--keep")


def test_a_current_model_folder_is_read_under_a_former_option_name(tmp_path):
    run = genzoo.train("gmm", "iris", n_components=3, training={"n_init": 1}, out=tmp_path / "run")
    path = run.model / "config.json"
    known = content(path)
    known["options"]["components"] = known["options"].pop("n_components")
    path.write_text(json.dumps(known), encoding="utf-8")
    assert genzoo.load(run.model).sample(2).shape == (2, 4)


def test_gates_and_ranks_accept_a_former_metric_name(cli):
    words = (
        "compare",
        "gaussian",
        "naive-bayes",
        "--data",
        "iris",
        "--by",
        "memorisation",
        "--gate",
        "memorisation<=2",
    )
    code, out, err = cli(*words, "--json")
    assert code == 0, err
    assert json.loads(out)["by"] == "memorization"
    assert "Note: metric memorisation is now called memorization." in err


def test_a_metric_is_stored_under_its_current_name(cli):
    words = ("--metric", "memorisation", "--watch", "memorisation", "--precision", "fp32", "--dry-run", "--json")
    code, out, err = cli("train", "toy", *words)
    assert code == 0, err
    training = json.loads(out)["config"]["training"]
    assert (training["metrics"], training["monitor"]) == (["memorization"], "memorization")


def test_a_log_of_both_formats_is_one_curve():
    former = {"step": 1, "loss": {"critic": 8.5, "generator": 1.0}, "memorisation": 0.5}
    assert current_line(former, former_metrics()) == {
        "step": 1,
        "loss": {"discriminator": 8.5, "generator": 1.0},
        "memorization": 0.5,
    }
    assert current_line({"step": 2, "loss": None}, {}) == {"step": 2, "loss": None}


def test_an_incomplete_config_file_of_the_first_format_is_understood(cli, tmp_path):
    (tmp_path / "a.json").write_text(
        json.dumps({"format": 1, "model": "gmm", "training": {"passes": 4, "restarts": 3, "ema": 0.5}}),
        encoding="utf-8",
    )
    code, out, err = cli("train", "gmm", "--config", "a.json", "--dry-run", "--json")
    assert code == 0, err
    training = json.loads(out)["config"]["training"]
    assert (training["max_iter"], training["n_init"]) == (4, 3)


@pytest.mark.parametrize(
    "words",
    [
        "-o start=k-means -o init_params=kmeans",
        "-o init_params=kmeans -o components=2 -o n_components=2",
        "-o init_params=k-means",
    ],
)
def test_former_and_current_values_that_mean_the_same_agree(cli, words):
    code, out, err = cli("train", "gmm", *words.split(), "--dry-run", "--json")
    assert code == 0, err
    options = json.loads(out)["config"]["options"]
    assert (options["init_params"], options["n_components"]) == ("kmeans", 2)


def test_a_name_that_the_model_never_had_is_not_a_former_name(cli):
    refused = cli("train", "gaussian", "-o", "components=2", "--dry-run")
    assert_refused(refused, 2, "no option 'components'")
    assert "Note" not in refused[2]


def test_a_model_whose_plugin_is_left_out_says_how_to_load_it(monkeypatch):
    manager = PluginManager()
    monkeypatch.setenv("GENZOO_LOAD_PLUGINS", "genzoo-vae")
    manager.load_entry_points()
    with pytest.raises(genzoo.ArtifactError, match="unset GENZOO_LOAD_PLUGINS"):
        load_model(RUNS / "gmm" / "model", manager.registry)


def test_common_settings_that_are_not_a_group_raise():
    with pytest.raises(genzoo.ConfigError, match="training must be a mapping of settings"):
        genzoo.compare(["gaussian"], "iris", training=3)
