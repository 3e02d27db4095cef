"""Rankings and verdicts on made-up log-likelihoods."""

import dataclasses
import math

import numpy as np
import pytest

from genzoo.comparison.aggregate import CandidateResult, Evidence
from genzoo.comparison.ranking import default_figure, rank
from genzoo.metrics.metric import Score
from genzoo.reports.result import Cost, CrossValidation, LogLikelihood, Row


def result(name, test=None, *, cv=None, degrees=3, kind="exact", measure="density", resolution=0.0, **figures):
    told = LogLikelihood(test=None if test is None else float(np.mean(test)), se=0.1, kind=kind, measure=measure)
    folded = CrossValidation() if cv is None else CrossValidation(float(np.mean(cv)), 0.1)
    row = Row(name, f"x/{name}", degrees_of_freedom=degrees, log_likelihood=told, cv=folded, **figures)
    arrays = [None if scores is None else np.asarray(scores, float)[None] for scores in (test, cv)]
    return CandidateResult(row, resolution, *arrays)


def verdicts(results, by="test", evidence=None):
    ranking = rank(results, by, evidence or Evidence())
    return {row.id: row.verdict for row in ranking.rows}


def events(mean=0.0, n=400, seed=0):
    x = np.random.default_rng(seed).normal(size=n)
    return mean + (x - x.mean()) / x.std(ddof=1)


def test_a_model_and_its_twin_do_not_differ():
    assert verdicts([result("a", events()), result("b", events())]) == {"a": "best", "b": "not told apart"}


@pytest.mark.parametrize(("errors", "told"), [(1.5, "not told apart"), (4.0, "worse")])
def test_a_difference_is_judged_by_its_paired_error(errors, told):
    shared = 50 * events(seed=1)  # rows that are hard for both models cancel
    gap = events(errors / math.sqrt(400), seed=2)
    found = rank([result("a", shared), result("b", shared - gap)], "test", Evidence())
    assert {row.id: row.verdict for row in found.rows} == {"a": "best", "b": told}
    difference = found.rows[1].difference
    assert difference.mean == pytest.approx(-errors / 20)
    assert difference.se == pytest.approx(1 / 20)
    assert found.rows[0].difference is None


def test_folds_that_disagree_give_no_difference():
    fold = np.repeat(np.arange(5), 80)
    moved = np.array([-0.9, -0.6, 0.1, 0.3, 0.2])[fold]
    a, b = events(seed=1), events(seed=1) + moved
    assert verdicts([result("a", cv=a), result("b", cv=b)], "cv", Evidence(fold))["b"] == "not told apart"
    assert verdicts([result("a", test=a), result("b", test=b)], "test", Evidence())["b"] == "worse"


def test_a_gap_below_the_resolution_is_no_difference():
    a, b = events(), events() - 1e-5
    assert verdicts([result("a", a), result("b", b)])["b"] == "worse"
    assert verdicts([result("a", a, resolution=1e-4), result("b", b)])["b"] == "not told apart"


def test_criteria_rank_and_held_out_rows_give_verdicts():
    close, far = events(), events() - 0.5 + 0.1 * events(seed=3)
    found = rank(
        [result("a", close, bic=10.0), result("b", far, bic=30.0), result("c", close, bic=11.0)], "bic", Evidence()
    )
    assert [row.id for row in found.rows] == ["a", "c", "b"]
    assert [row.verdict for row in found.rows] == ["best", "not told apart", "worse"]
    better = rank([result("a", far, bic=10.0), result("b", close, bic=30.0)], "bic", Evidence())
    assert (better.best, better.rows[1].verdict) == ("a", "better held out")


def test_without_held_out_rows_two_points_of_a_criterion_decide():
    assert verdicts([result("a", bic=10.0), result("b", bic=11.9), result("c", bic=12.1)], "bic") == {
        "a": "best",
        "b": "not told apart",
        "c": "worse",
    }


def test_measures_are_not_mixed():
    results = [
        result("a", events(), bic=1.0),
        result("b", events(), bic=2.0),
        result("m", events(9) - 1.0, measure="mass", bic=-9.0),
        result("n", events(9), measure="mass", bic=-19.0),
        result("c", events() - 1.0, bic=3.0),
    ]
    for by in ("test", "bic"):
        ranking = rank(results, by, Evidence())
        assert [row.id for row in ranking.rows] == ["a", "b", "c", "n", "m"]
        assert ranking.best == "a"
        assert ranking.rows[-1].verdict == "not ranked: its likelihood is a mass"
        assert ranking.rows[-1].difference is None
        assert "mass for m, n. Ranked by them are only candidates with density" in ranking.conflict
    assert rank(results[:2], "test", Evidence()).conflict is None


def test_a_metric_of_samples_ranks_models_of_any_measure():
    def score(value):
        return {"coverage": Score("coverage", value, "higher", 0.01)}

    results = [
        result("a", events(), metrics=score(0.80)),
        result("g", kind="none", measure=None, degrees=None, metrics=score(0.90)),
        result("m", events(), measure="mass", metrics=score(0.895)),
    ]
    ranking = rank(results, "coverage", Evidence())
    assert [(row.id, row.verdict) for row in ranking.rows] == [("g", "best"), ("m", "not told apart"), ("a", "worse")]
    assert ranking.conflict is None


@pytest.mark.parametrize(
    ("exact", "bound", "best", "told"),
    [
        (0.0, 0.5, "bound", {"exact": "worse", "bound": "best: lower bound"}),
        (0.0, 0.01, "exact", {"exact": "best", "bound": "undecided: lower bound"}),
        (0.5, 0.0, "exact", {"exact": "best", "bound": "undecided: lower bound"}),
    ],
)
def test_a_bound_wins_only_if_it_is_significantly_above(exact, bound, best, told):
    noise = events(seed=5) * 0.3
    results = [result("exact", events(exact)), result("bound", events(bound) + noise, kind="lower bound (64 draws)")]
    ranking = rank(results, "test", Evidence())
    assert ranking.best == best
    assert {row.id: row.verdict for row in ranking.rows} == told


def test_an_exact_value_close_below_a_winning_bound_is_undecided():
    kind = "lower bound (64 draws)"
    near = events(0.0)
    bound = near + 0.5 + 0.1 * events(seed=5)
    wild = near - 0.1 + 40 * events(seed=6)  # below the others, with a large standard error
    found = verdicts([result("bound", bound, kind=kind), result("near", near), result("wild", wild)])
    assert found == {"bound": "best: lower bound", "near": "worse", "wild": "undecided: lower bound"}


def test_bounds_compared_with_each_other_are_labeled():
    kind = "lower bound (64 draws)"
    found = verdicts([result("a", events(), kind=kind), result("b", events(-1.0) + 0.1 * events(seed=1), kind=kind)])
    assert found == {"a": "best: lower bound", "b": "worse: lower bounds"}


ESTIMATE = "estimate (16 probes, 50 steps)"


@pytest.mark.parametrize(
    ("other", "gap", "solver", "told"),
    [
        ("exact", -0.5, 0.1, {"other": "best", "estimate": "worse: estimate"}),
        ("exact", -0.5, 0.7, {"other": "best", "estimate": "undecided: estimate"}),
        ("exact", 0.5, 0.1, {"estimate": "best: estimate", "other": "worse: estimate"}),
        ("exact", 0.5, 0.7, {"other": "best", "estimate": "undecided: estimate"}),
        (ESTIMATE, 0.5, 0.1, {"estimate": "best: estimate", "other": "worse: estimate"}),
        (ESTIMATE, 0.5, 0.7, {"estimate": "best: estimate", "other": "undecided: estimate"}),
        ("lower bound", -0.5, 0.1, {"other": "best: lower bound", "estimate": "worse: estimate"}),
        ("lower bound", -0.5, 0.7, {"other": "best: lower bound", "estimate": "undecided: lower bound"}),
        ("lower bound", 0.5, 0.1, {"estimate": "best: estimate", "other": "undecided: lower bound"}),
    ],
)
def test_an_estimate_differs_only_by_more_than_its_solver_errs(other, gap, solver, told):
    shared = events(seed=1)
    one = result("estimate", shared + gap + 0.1 * events(seed=2), kind=ESTIMATE, resolution=solver)
    assert verdicts([one, result("other", shared, kind=other)]) == told


def test_errors_of_two_solvers_add_up():
    shared = events(seed=1)
    two = [result(name, shared + 0.5 * (name == "a"), kind=ESTIMATE, resolution=0.3) for name in "ab"]
    assert verdicts(two)["b"] == "undecided: estimate"
    two = [result(name, shared + 0.7 * (name == "a"), kind=ESTIMATE, resolution=0.3) for name in "ab"]
    assert verdicts(two)["b"] == "worse: estimate"


def test_the_simplest_within_one_paired_error_is_named():
    shared = 10 * events(seed=1)
    best = result("big", shared, degrees=9)
    near = result("small", shared - events(0.8 / 20, seed=2), degrees=3)
    far = result("tiny", shared - events(2 / 20, seed=3), degrees=1)
    free = result("free", shared, degrees=None)
    ranking = rank([best, near, far, free], "test", Evidence())
    assert ranking.simplest == "small"
    assert "small, with 3 free parameters" in " ".join(ranking.notes)
    alone = rank([free, far], "test", Evidence())
    assert alone.simplest is None
    assert "No model within one standard error" in " ".join(alone.notes)


def test_failed_and_unranked_rows_stand_last():
    failed = CandidateResult(Row("f", "x/f", status="failed", reasons={"status": "broken"}))
    ranking = rank([failed, result("n", events(), bic=None), result("a", events(), bic=1.0)], "bic", Evidence())
    assert [(row.id, row.verdict) for row in ranking.rows] == [
        ("a", "best"),
        ("n", "not ranked: no bic"),
        ("f", "failed"),
    ]
    unsuited = dataclasses.replace(failed, row=dataclasses.replace(failed.row, exit_code=4))
    assert rank([unsuited], "bic", Evidence()).rows[0].verdict == "not for these data"
    nothing = rank([failed], "bic", Evidence())
    assert (nothing.best, nothing.rows[0].verdict) == (None, "failed")


def test_the_default_figure_is_bic_if_all_models_have_it():
    some = [result("a", bic=1.0), result("g", kind="none", measure=None)]
    assert default_figure(some, folds=False)[0] == "bic"
    without = result("b", reasons={"bic": "not converged"})
    figure, why = default_figure([*some, without], folds=False)
    assert figure == "test"
    assert "because b has no bic: not converged" in why
    assert default_figure([*some, without], folds=True)[0] == "cv"
    assert default_figure([some[1]], folds=False)[0] == "coverage"


def test_akaike_weights_sum_to_one_within_a_measure():
    ranking = rank([result("a", aic=10.0, bic=1.0), result("b", aic=12.0, bic=2.0)], "bic", Evidence())
    weights = [row.akaike_weight for row in ranking.rows]
    assert sum(weights) == pytest.approx(1)
    assert weights[1] / weights[0] == pytest.approx(math.exp(-1))


def test_criteria_that_stopping_leaves_open_are_no_difference():
    a, b = result("a", bic=10.0), dataclasses.replace(result("b", bic=15.0), slack=6.0)
    assert verdicts([a, b], "bic")["b"] == "not told apart"
    assert verdicts([a, dataclasses.replace(b, slack=4.0)], "bic")["b"] == "worse"


def test_the_model_with_fewer_parameters_wins_a_tie():
    ranking = rank([result("a", events(), degrees=1), result("b", events(), degrees=0)], "test", Evidence())
    assert ranking.best == "b"


def test_one_test_row_decides_nothing():
    found = rank([result("a", [-1.0]), result("b", [-2.0])], "test", Evidence())
    assert [row.verdict for row in found.rows] == ["best", "worse: no interval"]
    assert found.rows[1].difference.mean == -1.0
    assert not found.rows[1].difference.has_interval
    assert found.simplest == "a"
    by_bic = rank([result("a", [-1.0], bic=1.0), result("b", [-2.0], bic=2.0)], "bic", Evidence())
    assert by_bic.rows[1].verdict == "not told apart"


def test_three_candidates_bring_a_note_on_multiple_comparisons():
    many = [result(str(seed), events(seed=seed)) for seed in range(10)]
    assert "Even if all 10 candidates were equally good" in " ".join(rank(many, "test", Evidence()).notes)
    assert "equally good" not in " ".join(rank(many[:2], "test", Evidence()).notes)


def test_metrics_of_samples_are_paired_on_their_real_rows():
    """Two errors of 0.05 hide a difference of 0.05, unless most of both is the same."""

    def score(value, shared):
        return {"coverage": Score("coverage", value, "higher", 0.05, shared=shared)}

    alone = [result("a", metrics=score(0.80, ())), result("b", metrics=score(0.85, ()))]
    assert verdicts(alone, "coverage") == {"b": "best", "a": "not told apart"}
    paired = [result("a", metrics=score(0.80, (0.03, 0.04))), result("b", metrics=score(0.85, (0.04, 0.03)))]
    assert verdicts(paired, "coverage") == {"b": "best", "a": "worse"}


def at(cost, found):
    return dataclasses.replace(found, row=dataclasses.replace(found.row, cost=cost))


def candidates():
    """The best and two that are not told apart from it, one of them cheap, and a cheap one that is worse."""
    noise = [events(0.0, seed=seed) * 0.5 for seed in (1, 2, 3)]
    return [
        at(Cost(9.0, 1.0), result("best", events() + 0.02)),
        at(Cost(0.2, 0.1), result("cheap", events() + noise[0])),
        at(Cost(0.1, 9.0), result("slow to sample", events() + noise[1])),
        at(Cost(), result("unknown", events() + noise[2])),
        at(Cost(0.01, 0.01), result("worse", events() - 1.0)),
    ]


def test_a_tie_goes_to_the_cheapest_of_those_not_told_apart():
    found = rank(candidates(), "test", Evidence(), cheapest=True)
    assert found.best == "cheap"
    assert [row.id for row in found.rows][:2] == ["cheap", "best"]
    verdicts = {row.id: row.verdict for row in found.rows}
    assert (verdicts["cheap"], verdicts["best"], verdicts["worse"]) == ("best: cheapest", "not told apart", "worse")
    assert found.notes[-1] == (
        "cheap is the cheapest of 4 candidates: best, the best by test, and those like it. Training it and drawing "
        "1,000 samples took 0.3 s, and 10 s with best."
    )
    assert rank(candidates(), "test", Evidence()).best == "best"


def test_the_best_stays_the_best_if_nothing_like_it_is_cheaper():
    some = [one for one in candidates() if one.row.id in ("best", "worse", "unknown")]
    found = rank(some, "test", Evidence(), cheapest=True)
    assert found.best == "best"
    assert found.notes[-1] == "best is the best by test, and no candidate like it is cheaper."
    alone = rank([candidates()[0], candidates()[4]], "test", Evidence(), cheapest=True)
    assert alone.notes[-1] == "best is the best by test, and all others differ from it."


@pytest.mark.parametrize(("gap", "chosen"), [(1.5, "cheap"), (30.0, "best")])
def test_a_criterion_that_is_clearly_lower_is_no_tie(gap, chosen):
    some = [
        at(Cost(9.0, 1.0), result("best", events(), bic=100.0)),
        at(Cost(0.2, 0.1), result("cheap", events(), bic=100.0 + gap)),
    ]
    assert rank(some, "bic", Evidence(), cheapest=True).best == chosen
