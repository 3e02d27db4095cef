"""Comparisons with real fits: rows used, figures, resuming and worker processes."""

import dataclasses
import gc
import importlib.metadata
import json
from pathlib import Path

import numpy as np
import pytest
from comparisons import ONCE, prepared, three, timeless
from refusals import assert_refused
from sklearn.datasets import load_iris
from sklearn.mixture import GaussianMixture

import genzoo
from genzoo.comparison import comparison, store, workers
from genzoo.comparison.api import RESTARTS, TOLERANCE
from genzoo.comparison.fit import run_fit_job
from genzoo.comparison.fits.job import FitJob, FitResult
from genzoo.comparison.splits import SplitPlan
from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.builtin import iris
from genzoo.data.readers.numpy_files import array_dataset
from genzoo.errors import ArtifactError, ConfigError, Interrupted
from genzoo.reports.formats import report_as_csv, report_as_markdown
from genzoo.runtime.progress import Phase

pytestmark = pytest.mark.usefixtures("undrawn")


def counting(monkeypatch):
    made = []
    monkeypatch.setattr(workers, "run_fit_job", lambda *a: (made.append(a[2].config.options), run_fit_job(*a))[1])
    return made


def test_every_candidate_uses_the_same_rows_which_never_overlap():
    division = SplitPlan.of(iris(), SplitSettings(validation=0.2, test=0.3), 4, 5)
    for watched in (False, True):
        split = division.split(everything=False, watched=watched)
        assert len(split.test) == 45
        assert np.array_equal(split.test, division.test_rows)
        assert len(split.validation) == (30 if watched else 0)
        parts = np.concatenate([split.train, split.validation, split.test])
        assert np.array_equal(np.sort(parts), np.arange(150))
        held = [division.without(number, watched=watched) for number in range(5)]
        assert np.array_equal(np.sort(np.concatenate([part.test for part in held])), np.arange(150))
        for part in held:
            assert len(part.test) == 30
            whole = np.concatenate([part.train, part.validation, part.test])
            assert np.array_equal(np.sort(whole), np.arange(150))
    assert len(division.split(everything=True, watched=False).train) == 150


def test_a_row_has_the_figures_that_scikit_learn_computes():
    x = load_iris().data
    report = genzoo.compare(["gaussian", "gmm:n_components=2"], "iris", precision="fp64", training={"tol": 1e-9})
    for components, name in ((1, "gaussian"), (2, "gmm:n_components=2")):
        peer = GaussianMixture(components, tol=1e-9, max_iter=500, n_init=5, random_state=0).fit(x)
        row = report[name]
        assert row.bic == pytest.approx(peer.bic(x), abs=1e-3)
        assert row.aic == pytest.approx(peer.aic(x), abs=1e-3)
        surest = np.log(peer.predict_proba(x).max(axis=1)).sum()
        assert row.icl == pytest.approx(peer.bic(x) - 2 * surest, abs=1e-3)
        split = SplitPlan.of(iris(), SplitSettings(), 0, 0).split(everything=False, watched=False)
        held = GaussianMixture(components, tol=1e-9, max_iter=500, n_init=5, random_state=0).fit(x[split.train])
        told = row.log_likelihood
        assert told.train == pytest.approx(held.score(x[split.train]), abs=1e-4)
        scores = held.score_samples(x[split.test])
        assert told.test == pytest.approx(scores.mean(), abs=1e-3)
        assert told.se == pytest.approx(scores.std(ddof=1) / np.sqrt(len(scores)), rel=1e-2)


def test_cross_validation_scores_every_row_by_a_fit_without_it():
    data = iris()
    report = genzoo.compare(["gaussian"], "iris", folds=5, precision="fp64")
    division = SplitPlan.of(data, SplitSettings(), 0, 5)
    scores = np.empty(150)
    for number in range(5):
        split = division.without(number, watched=False)
        peer = GaussianMixture(1, reg_covar=0).fit(data.events[split.train])
        scores[split.test] = peer.score_samples(data.events[split.test])
    assert report.rows[0].cv.mean == pytest.approx(scores.mean(), abs=1e-6)


def test_em_gets_restarts_and_float64_unless_they_are_set():
    def tuned(*wanted, **common):
        found = prepared(*wanted, **common).candidates
        return [(c.config.training.n_init, c.config.training.tol, c.config.precision) for c in found]

    kmeans = "gmm:init_params=kmeans"
    assert tuned(kmeans, f"{kmeans},training.n_init=1", f"{kmeans},training.tol=1e-8", "gmm") == [
        (RESTARTS, TOLERANCE, "fp64"),
        (1, TOLERANCE, "fp64"),
        (RESTARTS, 1e-8, "fp64"),
        (1, TOLERANCE, "fp64"),  # it tries several starts itself
    ]
    assert tuned("gmm", training={"n_init": 2}, precision="fp32") == [(2, TOLERANCE, "fp32")]
    (toy,) = prepared("toy").candidates
    assert (toy.config.training.kind, toy.config.precision) == ("gradient", "auto")


def test_old_faithful_has_the_bic_that_mclust_publishes():
    path = Path(__file__).parents[1] / "data" / "faithful.csv"
    report = genzoo.compare(["gmm:n_components=3,covariance_type=tied", "gmm:n_components=2"], path)
    assert [row.bic for row in report.rows] == pytest.approx([2314.32, 2322.19], abs=0.05)
    assert report.rows[0].icl == pytest.approx(2357.8, abs=3)
    assert report.rows[0].degrees_of_freedom == 11


def test_the_true_model_is_best():
    report = genzoo.compare(["gmm:n_components=1..4"], three(), folds=3, training=ONCE)
    assert report.by == "bic"
    assert report.best == report.simplest == "gmm:n_components=3"
    assert report["gmm:n_components=1"].verdict == report["gmm:n_components=2"].verdict == "worse"
    assert sum(row.akaike_weight for row in report.rows) == pytest.approx(1)


@pytest.mark.precision
def test_networks_are_compared_without_criteria():
    report = genzoo.compare(["dcgan:training.steps=4,training.batch_size=16", "toy:training.steps=30"], "digits")
    network, toy = report["dcgan:training.steps=4,training.batch_size=16"], report["toy:training.steps=30"]
    assert network.log_likelihood.kind == "none"
    assert {"precision", "recall", "density", "coverage", "frechet-distance"} <= set(network.metrics)
    assert set(toy.metrics) - set(network.metrics) == {"membership-auc"}, "it needs a likelihood"
    assert set(network.metrics) <= set(toy.metrics)
    assert network.metrics["coverage"].protocol["features"] == "pixels"
    for name in ("bic", "test", "train", "cv", "degrees_of_freedom"):
        assert network.figure(name) is None
        assert name in network.reasons
    assert toy.bic is None
    assert "gradients" in toy.reasons["bic"]
    assert report.by == "test"
    assert (toy.verdict, network.verdict) == ("best", "not ranked: no test")
    text = report_as_markdown(report)
    assert "no likelihood" in text


@pytest.mark.once
def test_memorization_uses_the_same_rows_for_all_candidates():
    report = genzoo.compare(["gaussian", "toy", "toy:training.patience=2"], "iris", by="memorization")
    scores = [row.metrics["memorization"] for row in report.rows]
    assert len(scores) == 3
    common = SplitPlan.of(iris(), SplitSettings(), 0, 0).split(everything=False, watched=True)
    assert len(common.validation)
    assert {score.protocol["train"] for score in scores} == {len(common.train)}


def test_a_score_with_another_protocol_is_left_out_with_a_reason(monkeypatch):
    def measured(dataset, division, trial):
        outcome = run_fit_job(dataset, division, trial)
        if trial.purpose == "held-out" and trial.config.options["n_components"] == 3:
            other = dataclasses.replace(outcome.metrics["coverage"], protocol={"features": "other"})
            return dataclasses.replace(outcome, metrics={**outcome.metrics, "coverage": other})
        return outcome

    monkeypatch.setattr(workers, "run_fit_job", measured)
    report = genzoo.compare(["gmm:n_components=1..3"], "iris", training=ONCE)
    lacking = report["gmm:n_components=3"]
    assert "coverage" not in lacking.metrics
    assert "features is other and not columns" in lacking.reasons["coverage"]
    assert all("coverage" in report[f"gmm:n_components={number}"].metrics for number in (1, 2))
    with pytest.raises(ConfigError, match=r"cannot be compared: real is \d+ in one and not stated in the other"):
        genzoo.compare(["gmm:n_components=1..3"], "iris", by="coverage", training=ONCE)


@pytest.mark.once
def test_a_failure_is_a_row_and_the_others_go_on():
    report = genzoo.compare(["dcgan", "toy:objective=toy-exploding", "gaussian"], "iris")
    assert report.best == "gaussian"
    failed = {row.id: row.reasons["status"] for row in report.rows if row.status == "failed"}
    assert "takes images" in failed["dcgan"]
    assert "diverged" in failed["toy:objective=toy-exploding"]
    assert {row.exit_code for row in report.rows if row.status == "failed"} == {4, 6}


def test_a_fit_that_has_not_converged_has_no_criteria():
    slow = "gmm:n_components=4,init_params=random"
    report = genzoo.compare([slow, "gaussian"], "iris", training={"max_iter": 3})
    row = report[slow]
    assert (row.aic, row.aicc, row.bic, row.icl) == (None,) * 4
    assert "not converged after 3 passes" in row.reasons["bic"]
    assert report.by == "test"


def test_frequencies_count_and_other_weights_have_no_criteria():
    x = three(60)
    weights = np.random.default_rng(0).integers(1, 4, 60).astype(float)
    repeated = genzoo.compare(["gaussian"], np.repeat(x, weights.astype(int), axis=0), precision="fp64").rows[0]
    weighted = genzoo.compare(["gaussian"], x, weights=weights, precision="fp64").rows[0]
    assert weighted.bic == pytest.approx(repeated.bic, rel=1e-9)
    assert weighted.aicc == pytest.approx(repeated.aicc, rel=1e-9)
    fractions = genzoo.compare(["gaussian"], x, weights=weights + 0.5).rows[0]
    assert fractions.bic is None
    assert "whole numbers" in fractions.reasons["bic"]
    assert fractions.log_likelihood.test is not None


def test_several_seeds_are_averaged_and_their_spread_is_reported():
    one = genzoo.compare(["gmm:n_components=6,training.n_init=1,init_params=random"], "iris").rows[0]
    row = genzoo.compare(["gmm:n_components=6,training.n_init=1,init_params=random"], "iris", seeds=3).rows[0]
    assert one.log_likelihood.spread is None
    assert row.log_likelihood.spread > 0
    assert row.log_likelihood.se > 0
    assert row.bic == one.bic
    assert row.metrics == one.metrics
    division = SplitPlan.of(iris(), SplitSettings(), 0, 0)
    config = prepared("gmm:n_components=6,training.n_init=1,init_params=random").candidates[0].config
    fits = [run_fit_job(iris(), division, FitJob(0, config, "held-out", repeat=repeat)) for repeat in range(3)]
    assert row.log_likelihood.train == pytest.approx(np.mean([fit.train for fit in fits]))
    assert row.log_likelihood.test == pytest.approx(np.mean([fit.scores.mean() for fit in fits]))


@pytest.mark.once
@pytest.mark.parametrize("data", ["iris", three(80)], ids=["named", "in memory"])
def test_processes_change_nothing(data):
    settings = {"folds": 2, "seed": 3, "training": ONCE}
    wanted = ["gmm:n_components=1..2", "dcgan"]
    assert timeless(genzoo.compare(wanted, data, jobs=2, **settings)) == timeless(
        genzoo.compare(wanted, data, **settings)
    )


@pytest.mark.once
def test_finished_candidates_are_not_fitted_again(tmp_path, monkeypatch):
    made = counting(monkeypatch)
    settings = {"folds": 2, "training": ONCE}
    first = genzoo.compare(["gaussian", "gmm:n_components=2", "dcgan"], "iris", out=tmp_path / "out", **settings)
    assert len(made) == 2 * 4 + 2  # a failed fit is not repeated, and missing criteria need no fit
    made.clear()
    wanted = ["gmm:n_components=2..3", "gaussian"]
    second = genzoo.compare(wanted, "iris", out=tmp_path / "out", **settings)
    assert [options["n_components"] for options in made] == [3] * 4
    made.clear()
    alone = genzoo.compare(wanted, "iris", **settings)
    assert timeless(second) == timeless(alone)
    assert second["gmm:n_components=2"].bic == first["gmm:n_components=2"].bic
    written = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert written["best"] == second.best
    assert (tmp_path / "out" / "report.md").read_text(encoding="utf-8") == report_as_markdown(second)
    assert (tmp_path / "out" / "report.csv").read_text(encoding="utf-8") == report_as_csv(second)


def test_an_interrupted_comparison_keeps_finished_candidates_and_resumes(tmp_path, monkeypatch):
    def stop(done, total, name):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="1 of 2 candidates is kept") as error:
        genzoo.compare(["gaussian", "gmm"], "iris", out=tmp_path / "out", callback=stop, training=ONCE)
    assert error.value.exit_code == 130
    made = counting(monkeypatch)
    report = genzoo.compare(["gaussian", "gmm"], "iris", out=tmp_path / "out", training=ONCE)
    assert len(made) == 1  # the other fit of this candidate had ended
    assert timeless(report) == timeless(genzoo.compare(["gaussian", "gmm"], "iris", training=ONCE))


def test_the_best_run_equals_the_fit_it_was_ranked_by(tmp_path):
    by_bic = genzoo.compare(["gaussian", "gmm:n_components=2"], "iris", out=tmp_path / "a", training=ONCE)
    fitted = genzoo.load(by_bic[by_bic.best].run)
    total = fitted.log_prob(load_iris().data).sum()
    row = by_bic["gmm:n_components=2"]
    assert row.degrees_of_freedom * np.log(150) - 2 * total == pytest.approx(row.bic, rel=1e-12)
    genzoo.compare(["gaussian", "gmm:n_components=2"], "iris", out=tmp_path / "b", by="test", training=ONCE)
    test = SplitPlan.of(iris(), SplitSettings(), 0, 0).test_rows
    held = genzoo.load(tmp_path / "b" / "best").log_prob(load_iris().data[test])
    assert held.mean() == pytest.approx(row.log_likelihood.test, rel=1e-12)
    assert genzoo.load(tmp_path / "a" / "best").sample(3).shape == (3, 4)
    config = json.loads((tmp_path / "a" / "best" / "config.json").read_text(encoding="utf-8"))
    assert config["split"] == SplitSettings(validation=0.0, test=0.0).model_dump(mode="json")


def test_another_best_replaces_the_first(tmp_path):
    genzoo.compare(["gaussian"], "iris", out=tmp_path / "out", training=ONCE)
    assert genzoo.load(tmp_path / "out" / "best").model == "genzoo-mixture/gaussian"
    genzoo.compare(["gaussian", "gmm"], "iris", out=tmp_path / "out", training=ONCE)
    assert genzoo.load(tmp_path / "out" / "best").model == "genzoo-mixture/gmm"
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == [".lock"]


def test_a_folder_with_something_else_is_an_error(tmp_path):
    out = tmp_path / "out"
    genzoo.compare(["gaussian"], "iris", out=out)
    for change, words in (
        ({"seed": 1}, "seed 0, and now"),
        ({"folds": 2}, "folds 0"),
        ({"split": {"test": 0.5}}, "split"),
    ):
        with pytest.raises(ConfigError, match=words):
            genzoo.compare(["gaussian"], "iris", out=out, **change)
    with pytest.raises(ConfigError, match="contains no comparison"):
        genzoo.compare(["gaussian"], "iris", out=out / "rows")
    (next((out / "rows").glob("*.safetensors"))).write_bytes(b"broken")
    with pytest.raises(ArtifactError, match="changed since"):
        genzoo.compare(["gaussian"], "iris", out=out)


def test_a_folder_with_a_comparison_of_other_data_is_an_error(cli):
    lines = ["a,b", *(f"{i % 7},{i * i % 11}" for i in range(60))]
    changes = {
        "there were 60 rows, and there are 59": lines[:-1],
        "column 'b' is missing": ["a,c", *lines[1:]],
        "some values differ": [*lines[:-1], "1,1000"],
    }
    words = ("compare", "gaussian", "--data", "t.csv", "--out", "kept")
    Path("t.csv").write_text("\n".join(lines), encoding="utf-8")
    assert cli(*words)[0] == 0
    for difference, changed in changes.items():
        Path("t.csv").write_text("\n".join(changed), encoding="utf-8")
        assert_refused(cli(*words), 4, "kept contains a comparison of other data", difference, "another --out")


def test_a_folder_of_the_first_format_is_resumed(cli, monkeypatch):
    made = counting(monkeypatch)
    words = ("compare", "gaussian", "--out", "kept", "--data")
    assert cli(*words, "iris")[0] == 0
    header = Path("kept/comparison.json")
    content = json.loads(header.read_text(encoding="utf-8"))
    assert (content.pop("events"), content.pop("event")["event_shape"]) == (150, [4])
    header.write_text(json.dumps({**content, "format": 1}), encoding="utf-8")
    made.clear()
    assert cli(*words, "iris")[0] == 0
    assert made == []
    assert_refused(cli(*words, "wine"), 4, "other data", "another digest")


def test_equal_settings_are_fitted_once_with_a_note(monkeypatch):
    made = counting(monkeypatch)
    wanted = ["gmm", "gmm:covariance_type=diag|diagonal", "gmm:training.n_init=1", "gmm:training.tol=1e-5"]
    report = genzoo.compare(wanted, "iris")
    assert {row.id for row in report.rows} == {"gmm", "gmm:covariance_type=diag", "gmm:training.tol=1e-05"}
    assert len(made) == 6
    assert [note for note in report.notes if "fitted once" in note] == [
        "gmm and gmm:training.n_init=1 have the same settings: fitted once, as gmm.",
        "gmm:covariance_type=diag and gmm:covariance_type=diagonal have the same settings: fitted once, as "
        "gmm:covariance_type=diag.",
    ]


@pytest.mark.once
def test_the_json_report_has_its_documented_keys():
    content = genzoo.compare(["gaussian", "dcgan"], "iris").as_dict()
    assert {"schema", "data", "by", "best", "rows"} <= set(content)
    assert content["schema"] == 1
    keys = {
        "id",
        "model",
        "options",
        "status",
        "degrees_of_freedom",
        "log_likelihood",
        "aic",
        "aicc",
        "bic",
        "icl",
        "cv",
    }
    for row in content["rows"]:
        assert keys | {"metrics", "seconds", "verdict", "run", "reasons"} <= set(row)
        assert {"train", "test", "se", "kind", "measure"} <= set(row["log_likelihood"])
        assert set(row["cv"]) == {"mean", "se"}
    row = content["rows"][0]
    assert row["cv"]["mean"] is None
    assert "folds" in row["reasons"]["cv"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"by": "bci"}, "Did you mean 'bic'"),
        ({"by": "cv"}, "folds=10"),
        ({"folds": 1}, "from 2 to 150"),
        ({"folds": 151}, "from 2 to 150"),
        ({"folds": -1}, "at least 0"),
        ({"jobs": 0}, "at least 1"),
        ({"seeds": 0}, "at least 1"),
        ({"jobs": 1_000_000, "threads": 2}, "CPU cores available"),
    ],
)
def test_a_wrong_setting_is_an_error_before_any_fit(settings, words, monkeypatch):
    made = counting(monkeypatch)
    with pytest.raises(ConfigError) as error:
        genzoo.compare(["gaussian"], "iris", **settings)
    assert words in str(error.value)
    assert not made


def test_markdown_and_csv_escape_special_characters():
    report = genzoo.compare([{"model": "gmm", "init_params": "kmeans"}], three(60))
    named = dataclasses.replace(report, rows=(dataclasses.replace(report.rows[0], id="=cmd|' /C calc'!A0"),))
    lines = report_as_markdown(named).splitlines()
    line = next(line for line in lines if line.startswith("| =cmd"))
    header = next(line for line in lines if line.startswith("| candidate"))
    assert line.count(" | ") == header.count(" | ")
    assert report_as_csv(named).splitlines()[1].startswith("'=cmd")


def test_a_fit_at_no_proper_maximum_has_no_criteria():
    x = np.concatenate([three(60), np.full((8, 2), 40.0)])  # eight equal rows, on which a component collapses
    row = genzoo.compare(["gmm:n_components=4,init_params=kmeans,training.n_init=1"], x).rows[0]
    assert row.bic is None
    assert "collapsed to a point" in row.reasons["bic"]


@pytest.mark.parametrize(
    ("k", "tried"),
    [
        (2, "1..3"),
        pytest.param(3, "2..4", marks=pytest.mark.full),
        pytest.param(4, "1..6", marks=pytest.mark.full),
        pytest.param(5, "4..6", marks=pytest.mark.full),
    ],
)
def test_bic_and_the_one_error_rule_find_the_number_of_gaussians(k, tried):
    """One component more or fewer is the hardest case. One run tries all numbers."""
    rng = np.random.default_rng(k)
    means = 6 * np.array([[0, 0], [1, 0], [0, 1], [1, 1], [2, 2]])[:k]
    data = rng.normal(size=(400, 2)) * rng.uniform(0.5, 1, (1, 2)) + means[rng.integers(k, size=400)]
    report = genzoo.compare([f"gmm:n_components={tried},training.n_init=3"], data, folds=4)
    assert report.best == f"gmm:n_components={k},training.n_init=3"
    assert report.simplest == report.best


def test_criteria_of_many_rows_use_a_smaller_tolerance():
    rng = np.random.default_rng(3)
    data = rng.normal(size=(8_000, 1)) + 2.5 * rng.integers(2, size=(8_000, 1))  # EM creeps where components overlap
    gmm = "gmm:n_components=2,init_params=kmeans,training.n_init=1"
    by_sum = genzoo.compare([gmm], data, split={"test": 0.1}).rows[0].bic
    peer = GaussianMixture(2, tol=1e-12, max_iter=100_000, random_state=0).fit(data)
    assert by_sum == pytest.approx(peer.bic(data), abs=1.0)
    per_event = genzoo.compare([f"{gmm},training.tol=1e-5"], data).rows[0].bic
    assert per_event > by_sum


def test_rows_of_weight_0_give_no_figure_and_no_rank():
    x = three(60)
    test = SplitPlan.of(array_dataset("x", x), SplitSettings(), 0, 0).test_rows
    weights = np.ones(60)
    weights[test] = 0
    report = genzoo.compare(["gaussian", "gmm:n_components=2"], x, weights=weights, by="test")
    assert report.best is None
    assert "weight 0" in report.rows[0].reasons["test"]
    assert genzoo.compare(["gaussian", "gmm:n_components=2"], x, weights=weights, folds=3).rows[1].cv.se > 0


def stopping(signal):
    def training(prepared, run):
        (run.path / "begun").touch()
        raise signal

    return training


@pytest.mark.parametrize("signal", [KeyboardInterrupt(), Interrupted("Go on with: genzoo train --resume x", 143)])
def test_an_interrupt_while_the_best_is_trained_leaves_the_report(tmp_path, monkeypatch, signal):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(comparison, "run_training", stopping(signal))
        with pytest.raises(Interrupted, match=r"The report is kept\. Run the same command to continue") as error:
            genzoo.compare(["gaussian", "gmm"], "iris", out=out, training=ONCE)
    assert "resume" not in str(error.value)
    assert error.value.exit_code == getattr(signal, "exit_code", 130)
    assert json.loads((out / "report.json").read_text(encoding="utf-8"))["rows"][0]["run"] is None
    made = counting(monkeypatch)
    report = genzoo.compare(["gaussian", "gmm"], "iris", out=out, training=ONCE)
    assert not made
    assert Path(report.rows[0].run) == out / "best"
    assert sorted(path.name for path in out.iterdir() if path.name.startswith(".")) == [".lock"]


def failing(monkeypatch, *purposes):
    """Make every fit with these purposes fail; of the folds, only number 1."""

    def broken(dataset, division, trial):
        if trial.purpose in purposes and (trial.purpose != "fold" or trial.fold == 1):
            return FitResult(trial, failure="broken", exit_code=6)
        made.append((trial.purpose, trial.fold))
        return run_fit_job(dataset, division, trial)

    made = []
    monkeypatch.setattr(workers, "run_fit_job", broken)
    return made


def test_a_failed_fold_leaves_the_other_figures(tmp_path, monkeypatch):
    made = failing(monkeypatch, "fold")
    report = genzoo.compare(["gaussian"], "iris", folds=4, out=tmp_path / "out")
    row = report.rows[0]
    assert made == [("criteria", 0), ("held-out", 0), ("fold", 0)]
    assert (row.status, row.cv.mean, row.verdict) == ("ok", None, "best")
    assert row.reasons["cv"] == "fold 1 failed: broken"
    assert None not in (row.bic, row.log_likelihood.test)
    assert not list((tmp_path / "out" / "rows").iterdir())


def test_a_failed_held_out_fit_leaves_the_criteria(monkeypatch):
    made = failing(monkeypatch, "held-out")
    row = genzoo.compare(["gaussian"], "iris", folds=2).rows[0]
    assert made == [("criteria", 0)]
    assert row.bic is not None
    assert (row.log_likelihood.test, row.log_likelihood.kind, row.log_likelihood.measure) == (None, "exact", "density")
    assert "the fit without the test rows failed: broken" == row.reasons["test"] == row.reasons["cv"]
    failing(monkeypatch, "criteria")
    assert genzoo.compare(["gaussian"], "iris").rows[0].status == "failed"


def test_a_failed_candidate_starts_no_further_process():
    division = SplitPlan.of(iris(), SplitSettings(), 0, 30)
    settings = DataSettings(source="iris")
    config = prepared("dcgan").candidates[0].config
    trials = [FitJob(0, config, "fold", fold) for fold in range(30)]
    found = list(
        workers.run_fit_jobs(iris(), division, trials, settings=settings, jobs=2, threads=1, phase=Phase("fitting"))
    )
    assert sorted(outcome.trial.fold for outcome in found) == list(range(30))
    assert all(outcome.failure for outcome in found)
    assert sum(outcome.seconds > 0 for outcome in found) < 30  # fits that had started before the failure


def test_fits_hide_modules_from_the_garbage_collector_and_show_them_after():
    gc.unfreeze()  # as outside tests, which hide modules themselves
    try:
        with workers._modules_apart():
            assert gc.get_freeze_count() > 0
        assert gc.get_freeze_count() == 0
    finally:
        gc.freeze()


@pytest.mark.parametrize("changed", ["genzoo", "genzoo-mixture"])
def test_candidates_of_another_version_are_fitted_again(tmp_path, monkeypatch, changed):
    monkeypatch.setattr(store, "distribution_of", lambda name: name)  # as if the plugin did not come with genzoo
    genzoo.compare(["gaussian"], "iris", out=tmp_path / "out")
    made = counting(monkeypatch)
    genzoo.compare(["gaussian"], "iris", out=tmp_path / "out")
    assert not made
    known = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "9.9" if name == changed else known(name))
    genzoo.compare(["gaussian"], "iris", out=tmp_path / "out")
    assert len(made) == 2


def test_another_test_set_is_another_comparison(tmp_path):
    data = array_dataset("x", three(60))
    genzoo.compare(["gaussian"], data, out=tmp_path / "out")
    with pytest.raises(ConfigError, match="test_rows 0, and now it is 20"):
        genzoo.compare(["gaussian"], dataclasses.replace(data, test_rows=20), out=tmp_path / "out")


def test_em_computes_in_float64_on_every_device_but_mps(monkeypatch):
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    assert [prepared("gmm", device=device).candidates[0].config.precision for device in ("auto", "cpu", "mps")] == [
        "fp64",
        "fp64",
        "auto",
    ]


def test_a_missing_device_is_an_error_of_the_call():
    with pytest.raises(ConfigError, match="no device 'tpux'"):
        prepared("gmm", "dcgan", device="tpux")


def test_bounds_on_a_grid_are_compared_as_probabilities():
    report = genzoo.compare(
        ["gaussian", "gmm:n_components=4", "naive-bayes:n_components=4"], "digits", precision="fp64"
    )
    assert report.by == "test"
    assert report.conflict is None
    assert "the data lie on a grid" in report.notes[0]
    for row in report.rows:
        told = row.log_likelihood
        assert (told.kind, told.measure) == ("lower bound (64 draws)", "mass")
        assert told.bits_per_dim == pytest.approx(-told.test / 64 / np.log(2))
        assert row.bic is None
        assert row.reasons["bic"] == "the data lie on a grid, where the model's density only bounds the likelihood"
        assert row.verdict.endswith(("lower bound", "lower bounds"))
    assert report.rows[0].id == "gmm:n_components=4"
    told = report.as_dict()["rows"][0]["log_likelihood"]
    assert told["bits_per_dim"] == report.rows[0].log_likelihood.bits_per_dim
    assert "bits/dim" in report_as_markdown(report)
    tables = genzoo.compare(["gaussian"], "iris")
    assert tables.rows[0].log_likelihood.bits_per_dim is None
    assert "bits/dim" not in report_as_markdown(tables)


@pytest.mark.parametrize("by", ["bits-per-dim", "bits-per-byte", "log-likelihood"])
def test_a_likelihood_in_another_unit_ranks_as_test_does(by):
    with pytest.raises(ConfigError, match=r"ranks candidates as 'test' does.*by='test'"):
        genzoo.compare(["gaussian"], "iris", by=by)


def test_exact_masses_have_criteria_on_a_grid():
    data = {"source": "digits", "binarize": True}
    report = genzoo.compare(["naive-bayes:n_components=4", "naive-bayes:n_components=1"], data, precision="fp64")
    assert report.by == "bic"
    assert {(row.log_likelihood.kind, row.log_likelihood.measure) for row in report.rows} == {("exact", "mass")}
    assert all(row.log_likelihood.bits_per_dim < 0.6 for row in report.rows)
