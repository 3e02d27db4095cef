"""Whole searches: what a trial is worth, that test rows stay unseen, failures, going on, and the command line."""

import json
import logging
import sys

import numpy as np
import pytest
from comparisons import ONCE, three
from distributed import Client, LocalCluster
from scipy.stats import multivariate_normal

import genzoo
from genzoo.comparison.fit import run_fit_job
from genzoo.comparison.fits.job import FitJob, TrialJudge
from genzoo.comparison.splits import SplitPlan
from genzoo.config.data import SplitSettings
from genzoo.data.opening.given import given_data
from genzoo.errors import ArtifactError, ConfigError, GenzooError, Interrupted
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import MissingExtraError
from genzoo.tuning.api import prepare_tuning, settings_to_go_on

pytestmark = pytest.mark.once

GRID = {"n_components": [1, 2]}


@pytest.fixture(autouse=True)
def no_sample_metrics(request, monkeypatch):
    """Leave out metrics of samples on test rows, which take most of the time."""
    if request.function is not test_a_metric_of_samples_can_be_the_judge:
        monkeypatch.setattr("genzoo.comparison.fit.compare_samples", lambda *_: ({}, {}))


def tune(data=None, search=GRID, model="gmm", **given):
    settings = {"trials": 2, "top": 1, "training": ONCE, "progress": False, **given}
    return genzoo.tune(model, three(80) if data is None else data, search, **settings)


def tuner(data, model="gmm", search=GRID, metric=None, **common):
    terms = dict.fromkeys(("jobs", "on", "out", "features", "target"))
    common = {"split": {"test": 0.2}, **common}
    return prepare_tuning(
        model, {}, search, (None, {"source": data}), common, trials=2, top=1, metric=metric, threads=1, **terms
    )


def test_a_trial_is_worth_the_mean_log_likelihood_of_its_validation_rows():
    made = tuner("iris", training=ONCE)
    split = made.comparison.division.split(everything=False, watched=True)
    dataset = made.comparison.dataset
    numbers = np.asarray(dataset.events, np.float64)[:, :4]
    trial = made.space.candidate(get_registry(), {"n_components": 1})
    found = run_fit_job(dataset, made.comparison.division, FitJob(0, trial.config, "validation"))
    train = numbers[split.train]
    density = multivariate_normal(train.mean(axis=0), np.cov(train.T, bias=True))
    want = density.logpdf(numbers[split.validation])
    assert found.judgment.value == pytest.approx(want.mean(), abs=0.01)
    assert found.judgment.error == pytest.approx(want.std(ddof=1) / np.sqrt(len(want)), rel=0.01)


def test_no_trial_sees_the_test_rows():
    data, found = three(80), []
    dataset, _ = given_data(data)
    test = SplitPlan.of(dataset, SplitSettings(test=0.2), 0, 0).test_rows
    for shift in (0.0, 3.0):
        changed = data.copy()
        changed[test] += shift
        found.append(tune(changed))
    trials = [[(trial.settings, trial.value) for trial in each.trials] for each in found]
    assert len(test) == 16
    assert trials[0] == trials[1]
    assert found[0].report.rows[0].log_likelihood.test != found[1].report.rows[0].log_likelihood.test


def test_the_result_compares_the_best_and_the_defaults_and_says_so():
    found = tune(three(80), {"n_components": "1..4"}, trials=4, top=2)
    assert [trial.status for trial in found.trials] == ["complete"] * 4
    assert {"gmm", f"gmm:n_components={found.ranked[0].settings['n_components']}"} <= {
        row.id for row in found.report.rows
    }
    assert "16 test rows that no trial has seen" in found.report.notes[0]
    assert "The search tried 4 combinations of n_components, ranked by log-likelihood of" in found.report.notes[0]
    assert "picked among many" in found.report.notes[1]
    assert "n_components" in repr(found)


def test_a_failed_trial_is_kept_with_its_reason_and_the_search_goes_on():
    found = tune(search={"n_components": [2, 5000]})
    assert sorted(trial.status for trial in found.trials) == ["complete", "failed"]
    assert next(trial.reason for trial in found.trials if trial.status == "failed")
    with pytest.raises(GenzooError, match="None of 2 trials could be judged") as caught:
        tune(search={"n_components": [4000, 5000]}, n_init=1)
    assert caught.value.exit_code != 0


def test_a_training_worse_than_the_bars_is_ended_and_a_better_one_is_not():
    made = tuner("iris", "vae", {"latent": [1, 2]}, training={"epochs": 3, "eval_every": 1, "bound_draws": 1})
    config = made.space.candidate(get_registry(), {"latent": 1}).config
    config = config.model_copy(update={"precision": "fp32"})
    judged = []
    for bars in ((), (1e9,) * 3, (-1e9,) * 3):
        job = FitJob(0, config, "validation", judge=TrialJudge(bars=bars))
        judged.append(run_fit_job(made.comparison.dataset, made.comparison.division, job).judgment)
    assert judged[0] == judged[1]
    assert len(judged[0].losses) == 3
    assert judged[2].pruned
    assert judged[2].losses == judged[0].losses[:1]


def test_a_metric_of_samples_can_be_the_judge():
    found = tune(three(200), metric="wasserstein")
    assert found.by == "wasserstein"
    assert found.direction == "lower"
    assert found.ranked[0].value <= found.ranked[1].value
    assert found.report.by == "wasserstein"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"trials": 0}, "trials must be"),
        ({"top": 0}, "top must be"),
        ({"validation": 0.0}, "needs validation rows"),
        ({"test": 0.0}, "needs test rows"),
        ({"metric": "bic"}, "no figure of validation rows"),
        ({"metric": "fidd"}, "Cannot rank by 'fidd'"),
        ({"metric": "bits-per-dim"}, "ranks the trials by default. Leave out metric='bits-per-dim'"),
        ({"metric": "token-perplexity"}, "Leave out metric="),
        ({"metric": "bleu"}, "such as metric='classifier-two-sample'"),
        ({"metric": "tstr"}, "metric='tstr' needs the name of a column"),
        ({"model": "dcgan", "data": "digits", "search": {"latent": "2..8"}, "training": {}}, "no likelihood to judge"),
    ],
)
def test_a_wrong_call_is_an_error_before_anything_is_trained(monkeypatch, given, message):
    monkeypatch.setattr("genzoo.comparison.workers.run_fit_job", None)
    with pytest.raises(ConfigError, match=message):
        tune(**given)


def test_without_optuna_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"genzoo\[tune\]"):
        tune()


def test_an_interrupted_search_goes_on_where_it_ended(tmp_path):
    search = {"n_components": "1..4"}
    want = tune(search=search, trials=4)

    def stop(trial):
        if trial.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="2 trials are kept"):
        tune(search=search, trials=4, out=tmp_path / "t", callback=stop)
    seen = []
    found = tune(search=search, trials=4, out=tmp_path / "t", callback=seen.append)
    assert [trial.number for trial in seen] == [3, 4]
    plain = [[(trial.settings, trial.value) for trial in each.trials] for each in (want, found)]
    assert plain[0] == plain[1]
    assert found.report.best_run.load() is not None
    assert "Search" in (tmp_path / "t" / "report.html").read_text()
    with pytest.raises(ConfigError, match="contains a search with search"):
        tune(out=tmp_path / "t")
    with pytest.raises(ArtifactError, match="other data"):
        tune(three(80, seed=1), search, out=tmp_path / "t")
    with pytest.raises(ConfigError, match="were in memory"):
        settings_to_go_on(tmp_path / "t")


def test_the_callback_gets_each_trial_that_ends(tmp_path):
    seen = []
    found = tune(search={"n_components": "1..6"}, trials=6, top=1, jobs=2, callback=seen.append)
    assert sorted(trial.number for trial in seen) == [1, 2, 3, 4, 5, 6]
    assert sorted(seen, key=lambda trial: trial.number) == list(found.trials)


def test_the_folder_of_a_stranger_cannot_name_a_model_to_fetch(tmp_path):
    tune(search={"n_components": "1..2"}, trials=1, top=1, out=tmp_path / "t")
    file = tmp_path / "t" / "tune.json"
    content = json.loads(file.read_text("utf-8"))
    content["common"]["warm_start"] = "hub:somebody/model"
    file.write_text(json.dumps(content), "utf-8")
    with pytest.raises(ArtifactError, match="'warm_start' for all trials"):
        settings_to_go_on(tmp_path / "t")


def test_a_search_that_goes_on_fetches_no_address_of_its_folder(cli, tmp_path):
    given = ["--data", "iris", "-o", "training.n_init=1", "--search", "n_components=1..2", "--top", "1"]
    assert cli("tune", "gmm", *given, "--trials", "1", "--out", str(tmp_path / "t"))[0] == 0
    file = tmp_path / "t" / "tune.json"
    content = json.loads(file.read_text("utf-8"))
    content["source"]["source"] = "http://127.0.0.1:9/x.csv"
    file.write_text(json.dumps(content), "utf-8")
    code, _, error = cli("tune", "--resume", str(tmp_path / "t"))
    assert code == 4
    assert "only you may ask for a download" in " ".join(error.split())
    for option in ("--trials", "--threads"):
        code, _, error = cli("tune", "gmm", *given, option, "0")
        assert code == 2, error


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="contains no search"):
        tune(out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_command_searches_and_goes_on(cli, tmp_path):
    out = str(tmp_path / "t")
    given = ["--data", "iris", "-o", "training.n_init=1", "--search", "n_components=1..3", "--top", "1"]
    code, text, _ = cli("tune", "gmm", *given, "--trials", "2", "--out", out, "--json")
    content = json.loads(text)
    assert code == 0
    assert len(content["trials"]) == 2
    assert content["search"] == {"n_components": "1..3"}
    assert f"next:   genzoo tune --resume {out} --trials 3\n" in cli("tune", "--resume", out)[1]
    code, text, _ = cli("tune", "--resume", out, "--trials", "9", "--json")
    assert code == 0
    assert json.loads(text)["trials"][:2] == content["trials"]
    assert len(json.loads(text)["trials"]) == json.loads(text)["combinations"] == 3
    text = cli("tune", "--resume", out)[1]
    assert "These were all that there are." in " ".join(text.split())
    assert "next:" not in text
    for words, message in (
        (["tune", "--resume", out, "--seed", "3"], "keeps its settings"),
        (["tune", "--resume", str(tmp_path / "none")], "contains no search"),
        (["tune", "gmm", "--data", "iris"], "Name a setting to search"),
        (["tune", "--data", "iris"], "Name a model"),
        (["tune", "gmm", "--search", "n_components=1..3"], "Name the data"),
    ):
        code, _, errors = cli(*words)
        assert code == 2
        assert message in " ".join(errors.split())


@pytest.mark.full
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_jobs_in_processes_give_the_values_of_one_process():
    search = {"n_components": "1..4"}
    one, two = (tune(search=search, trials=4, jobs=jobs) for jobs in (1, 2))
    values = [{trial.settings["n_components"]: trial.value for trial in each.trials} for each in (one, two)]
    assert values[0] == values[1]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of sockets that dask closes late
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_cluster_tries_one_trial_per_worker_and_finds_the_same_values():
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    terms = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "memory_limit": 0, "dashboard_address": ":0"}
    search = {"n_components": "1..4"}
    with LocalCluster(**terms) as cluster, Client(cluster) as client:
        there = tune(search=search, trials=4, on=client)
    here = tune(search=search, trials=4)
    values = [{trial.settings["n_components"]: trial.value for trial in each.trials} for each in (here, there)]
    assert values[0] == values[1]
    assert len(values[1]) == 4
