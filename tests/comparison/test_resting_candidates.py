"""A likelihood that rests on a setting is shown and never ranked."""

import dataclasses

import numpy as np
import pytest

import genzoo
from genzoo.comparison.aggregate import CandidateResult, Evidence
from genzoo.comparison.ranking import default_figure, rank
from genzoo.reports.result import CrossValidation, LogLikelihood, Row

ROWS = 240
rng = np.random.default_rng(0)
A, B = rng.normal(size=ROWS), 3 * rng.normal(size=ROWS)
ZEROS = np.column_stack([np.where(rng.random(ROWS) < 0.4, 0.0, rng.normal(5, 1, ROWS)), A])
CANDIDATES = ["gaussian", "gaussian:reg_covar=1e-8", "gaussian:covariance_type=diagonal"]


def named(x, *names):
    spec = genzoo.DataSpec((x.shape[1],), "table", tuple(map(genzoo.Feature, names)), storage="float64")
    return genzoo.Dataset("table", spec, x)


@pytest.mark.parametrize("digits", [12, 2])
def test_dependent_columns_leave_no_density_to_rank(digits):
    data = named(np.column_stack([A, B, A + B]).round(digits), "a", "b", "total")
    report = genzoo.compare(CANDIDATES, data)
    assert report.by == "coverage"
    assert any(note.startswith("total = a + b in every row") for note in report.notes)
    for row in report.rows:
        assert row.log_likelihood.test is not None, "the figure is shown"
        assert "leave out one of a, b, total: drop=['total']" in row.reasons["test"]
        assert row.ranked_by("bic") is None
    assert report.simplest is None


@pytest.mark.parametrize("by", ["bic", "aic", "test", "cv"])
def test_asking_for_a_likelihood_of_dependent_columns_ranks_none(by):
    data = named(np.column_stack([A, B, A + B]), "a", "b", "total")
    report = genzoo.compare(CANDIDATES, data, by=by, folds=2 if by == "cv" else 0)
    assert report.best is None
    assert all(row.verdict.startswith("not ranked") for row in report.rows)
    assert all(row.akaike_weight is None and row.difference is None for row in report.rows)


@pytest.mark.parametrize("by", ["test", "cv", "bic"])
def test_a_component_on_zeros_is_never_the_best(by):
    # Several starts would keep a fit without a spike.
    single = "n_components=2,covariance_type=diagonal,init_params=kmeans,training.n_init=1"
    candidates = ["gmm:n_components=1", f"gmm:{single}"]
    report = genzoo.compare(candidates, named(ZEROS, "rain", "w"), by=by, folds=2)
    one, two = (report[name] for name in candidates)
    assert two.figure("test") > one.figure("test") + 2, "the spike would win"
    assert report.best == candidates[0] == report.simplest
    assert two.verdict.startswith("not ranked")
    assert two.difference is None
    assert "rain = 0" in two.reasons[by]


@pytest.mark.parametrize("data", ["iris", "wine"])
def test_rounded_measurements_stay_ranked_by_their_likelihood(data):
    report = genzoo.compare(["gmm:n_components=1..3"], data)
    assert report.by == "bic"
    assert report.best is not None
    assert not any("rests on" in reason for row in report.rows for reason in row.reasons.values())


def result(name, value, **reasons):
    scores = np.full((1, 50), value) + np.linspace(-1, 1, 50)
    likelihood = LogLikelihood(value, value, 0.1, "exact", "density")
    row = Row(
        name, f"x/{name}", degrees_of_freedom=3, log_likelihood=likelihood, aic=-value, bic=-value, reasons=reasons
    )
    row = dataclasses.replace(row, cv=CrossValidation(value, 0.1))
    return CandidateResult(row, test=scores, cv=scores)


def test_a_figure_with_a_reason_is_not_ranked_and_others_are():
    results = [result("low", 1.0), result("high", 9.0, test="its density rests on share: x = 0")]
    evidence = Evidence(fold=np.arange(50) % 5)
    by_test = rank(results, "test", evidence)
    assert by_test.best == "low"
    assert [row.verdict for row in by_test.rows] == ["best", "not ranked: its density rests on share"]
    assert rank(results, "bic", evidence).best == "high"


def test_the_default_figure_ignores_likelihoods_that_say_nothing():
    resting = {"test": "its density rests on share: x = 0"}
    assert default_figure([result("a", 1.0), result("b", 2.0, **resting)], folds=False)[0] == "bic"
    assert default_figure([result("b", 2.0, **resting)], folds=False)[0] == "coverage"
