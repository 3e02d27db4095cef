"""Fits that are finished are kept, and come back as they were."""

import dataclasses

import numpy as np
import pytest
from comparisons import prepared, three, timeless

import genzoo
from genzoo.comparison import comparison
from genzoo.comparison.fits.job import FitResult
from genzoo.comparison.fits.journal import FitJournal
from genzoo.errors import GenzooError
from genzoo.metrics.information_criteria import Criteria
from genzoo.metrics.metric import Score
from genzoo.reports.result import Cost


def fits():
    made = prepared("gaussian", "gmm:n_components=2")
    return [trial for number, one in enumerate(made.candidates) for trial in made._trials(number, one)]


def whole(trial):
    return FitResult(
        trial,
        1.5,
        "exact",
        "density",
        3,
        7,
        Criteria(aic=1 / 3, icl=float("inf"), reasons={"bic": "none"}),
        0.1,
        scores=np.array([1 / 3, -np.inf, np.nan]),
        held_out=np.array([1.0], np.float32),
        metrics={"coverage": Score("coverage", 0.1 + 0.2, "higher", protocol={"k": 5}, notes=("a", "b"))},
        samples=np.arange(6, dtype=np.uint8).reshape(2, 3),
        reasons={"a": "b"},
        cost=Cost(0.25, 0.5, 3, 4),
        starts={"tried": 3, "agreed": 2},
    )


def same(one, other):
    for field in dataclasses.fields(FitResult):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right)
        else:
            assert left == right, field.name
    return True


def test_a_fit_comes_back_bit_for_bit(tmp_path):
    trial, journal = fits()[0], FitJournal(tmp_path / "fits.jsonl")
    journal.add("key", whole(trial))
    (back,) = journal.read({"key": trial, "other": fits()[1]})
    assert same(back, whole(trial))
    assert journal.read({"other": trial}) == []


@pytest.mark.parametrize("cut", [1, 20, 300])
def test_a_line_that_was_cut_off_costs_only_its_own_fit(tmp_path, cut):
    (first, second, third), path = fits()[:3], tmp_path / "fits.jsonl"
    journal = FitJournal(path)
    journal.add("1", whole(first))
    journal.add("2", whole(second))
    path.write_bytes(path.read_bytes()[:-cut])
    journal.add("3", whole(third))
    found = journal.read({"1": first, "2": second, "3": third})
    assert [one.trial for one in found] == [first, *([second] if cut == 1 else []), third]


def test_a_line_with_a_changed_byte_is_passed_over(tmp_path):
    trial, journal = fits()[0], FitJournal(tmp_path / "fits.jsonl")
    journal.add("key", whole(trial))
    text = (tmp_path / "fits.jsonl").read_text()
    (tmp_path / "fits.jsonl").write_text(text.replace('"exact"', '"exakt"'))
    assert journal.read({"key": trial}) == []


def test_a_disk_that_cannot_be_written_is_an_error_in_one_paragraph(tmp_path):
    with pytest.raises(GenzooError, match="Cannot write"):
        FitJournal(tmp_path / "gone" / "fits.jsonl").add("key", whole(fits()[0]))


def test_an_interrupted_comparison_repeats_no_fit_that_had_ended(tmp_path, monkeypatch):
    settings = {"candidates": ["gaussian", "gmm:n_components=1"], "folds": 2}
    want = timeless(genzoo.compare(data=three(60), **settings))
    run, begun = comparison.run_fit_jobs, []

    def stops_after_six(*given, **terms):
        for number, result in enumerate(run(*given, **terms)):
            if number == 6:
                raise KeyboardInterrupt
            yield result

    monkeypatch.setattr(comparison, "run_fit_jobs", stops_after_six)
    with pytest.raises(genzoo.errors.Interrupted, match="1 of 2 candidates is kept"):
        genzoo.compare(data=three(60), out=tmp_path / "out", **settings)
    assert (tmp_path / "out" / "fits.jsonl").exists()
    monkeypatch.setattr(comparison, "run_fit_jobs", lambda *a, **terms: (begun.extend(a[2]), run(*a, **terms))[1])
    found = genzoo.compare(data=three(60), out=tmp_path / "out", **settings)
    assert timeless(found) == want
    assert len(begun) == 8 - 6
    assert not (tmp_path / "out" / "fits.jsonl").exists()
