"""A fit with a collapsed component is neither the best nor the simplest, by any likelihood."""

import dataclasses

import numpy as np
import pytest

import genzoo
from genzoo.comparison import fit as fits
from genzoo.comparison.aggregate import CandidateResult, Evidence, aggregate_results
from genzoo.comparison.candidate import candidates
from genzoo.comparison.fits.job import FitJob, FitResult
from genzoo.comparison.ranking import rank
from genzoo.metrics.information_criteria import Criteria
from genzoo.plugins.manager import get_registry
from genzoo.reports.result import LogLikelihood, Row

SPIKED = "gmm:n_components=4,init_params=kmeans,training.n_init=1"


def clusters(rows, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 2)) + 9 * np.eye(3, 2)[rng.integers(3, size=rows)]


def table(x, test):
    """A dataset whose last `test` rows are the test rows."""
    spec = genzoo.DataSpec((2,), "table", (genzoo.Feature("a"), genzoo.Feature("b")), storage="float64")
    return genzoo.Dataset("table", spec, x, test_rows=test)


def with_spike(test):
    """Rows of three clusters and one row that repeats; only training rows repeat it."""
    return table(np.concatenate([clusters(300), np.full((8, 2), 40.0), clusters(test, seed=1)]), test)


@pytest.mark.parametrize("by", ["test", "cv"])
def test_a_collapsed_fit_is_shown_and_not_ranked(by):
    """No test row lies on the spike, so the test figure does not profit from it. It is barred all the same."""
    one = "gmm:n_components=1"
    report = genzoo.compare([one, SPIKED], with_spike(150), by=by, folds=2 if by == "cv" else 0)
    spiked = report[SPIKED]
    assert spiked.log_likelihood.test > report[one].log_likelihood.test + 0.3, "by its figure alone it would win"
    assert report.best == report.simplest == one
    assert spiked.verdict == "not ranked: no proper maximum of the likelihood"
    assert "collapsed to a point" in spiked.reasons[by]
    assert spiked.difference is None
    kept = genzoo.compare([one, SPIKED], with_spike(150), by="coverage")
    assert kept[SPIKED].verdict != spiked.verdict, "samples of a collapsed fit can be measured"


def test_the_default_figure_never_names_a_collapsed_fit():
    report = genzoo.compare([SPIKED, "gmm:n_components=1"], with_spike(150))
    assert report.best == report.simplest == "gmm:n_components=1"
    alone = genzoo.compare([SPIKED], with_spike(150), by="test")
    assert alone.best is alone.simplest is None


def test_a_collapse_in_one_fold_bars_cross_validation_alone(monkeypatch):
    """The fit without fold 1 is said to have collapsed."""
    fold = fits._fold

    def fit(dataset, division, trial):
        if trial.fold == 1 and trial.config.options["n_components"] == 2:
            with monkeypatch.context() as patch:
                patch.setattr(fits, "fault_of", lambda *_: "component 0 collapsed to a point")
                return fold(dataset, division, trial)
        return fold(dataset, division, trial)

    monkeypatch.setitem(fits._PURPOSES, "fold", fit)
    names = ["gmm:n_components=1", "gmm:n_components=2"]
    x = np.concatenate([clusters(200)[:, :1], clusters(200, 1)[:, :1]], axis=1)
    report = genzoo.compare(names, x, by="cv", folds=3)
    row = report[names[1]]
    reason = "no proper maximum of the likelihood: in the fit without fold 1, component 0 collapsed to a point"
    assert row.reasons["cv"] == reason
    assert "test" not in row.reasons
    assert row.bic is not None
    assert report.best == report.simplest == names[0]


@pytest.mark.parametrize(
    ("purpose", "barred"), [("criteria", {"test", "cv"}), ("held-out", {"test"}), ("fold", {"cv"})]
)
def test_each_fit_bars_the_figures_that_come_from_it(purpose, barred):
    """A degenerate fit to all rows bars both, because it is the fit that would be used."""
    [candidate] = candidates(get_registry(), ["gmm:n_components=2"], {})
    fold = np.repeat([0, 1], 5)

    def result(name, number=0):
        job = FitJob(0, candidate.config, name, fold=number)
        scores = {"criteria": None, "held-out": np.arange(4.0), "fold": np.arange(5.0)}[name]
        found = Criteria(10.0, 11.0, 12.0, 13.0) if name == "criteria" else None
        return FitResult(
            job, kind="exact", measure="density", degrees_of_freedom=11, criteria=found, train=0.0, scores=scores,
            fault="component 1 collapsed" if name == purpose and number == 0 else None,
        )  # fmt: skip

    made = [result("criteria"), result("held-out"), result("fold"), result("fold", 1)]
    row = aggregate_results(candidate, made, Evidence(fold)).row
    assert {name for name in ("test", "cv") if row.ranked_by(name) is None} == barred
    assert row.figure("test") is not None
    assert row.figure("cv") is not None


def fake(name, mean, degrees, **figures):
    x = np.random.default_rng(degrees).normal(size=400)
    test = mean + (x - x.mean())
    told = LogLikelihood(test=float(test.mean()), se=0.1, kind="exact", measure="density")
    row = Row(name, f"x/{name}", degrees_of_freedom=degrees, log_likelihood=told, **figures)
    return CandidateResult(row, test=test[None])


def test_the_simplest_never_has_more_parameters_than_the_best():
    """By BIC the smallest is best; by test rows it is far from the first, which has many parameters."""
    rows = [fake("small", -1.0, 3, bic=90.0), fake("middle", 0.0, 8, bic=95.0), fake("large", 0.05, 20, bic=99.0)]
    ranking = rank(rows, "bic", Evidence())
    assert ranking.best == ranking.simplest == "small"
    assert "No simpler model than small, with 3 free parameters, is within one standard error of large" in str(ranking)
    by_test = rank(rows, "test", Evidence())
    assert by_test.simplest == "middle"
    assert "Simplest within one paired standard error of the best by test (large): middle" in str(by_test.notes)


def test_a_best_without_a_simpler_like_it_is_said_to_have_none():
    rows = [fake("small", -1.0, 3), fake("large", 0.05, 20)]
    ranking = rank(rows, "test", Evidence())
    assert ranking.simplest == "large"
    said = "No simpler model is within one standard error of large, the best by test, with 20 free parameters."
    assert said in ranking.notes
    assert "standard error" not in str(rank(rows[:1], "test", Evidence()).notes)


def test_no_set_of_candidates_has_a_simplest_with_more_parameters():
    rng = np.random.default_rng(0)
    for _ in range(300):
        degrees = rng.permutation(np.arange(1, 9))[:4]
        rows = [fake(f"m{k}", rng.normal(0, 0.1), int(k), bic=float(rng.normal())) for k in degrees]
        rows[0] = dataclasses.replace(rows[0], row=dataclasses.replace(rows[0].row, reasons={"test": "collapsed"}))
        for by in ("bic", "test"):
            ranking = rank(rows, by, Evidence())
            counts = {row.id: row.degrees_of_freedom for row in ranking.rows}
            assert counts[ranking.simplest] <= counts[ranking.best]
            if by == "test":
                assert rows[0].row.id not in (ranking.best, ranking.simplest)
