"""Figures are rounded to two significant digits of their errors."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genzoo.metrics.metric import Score
from genzoo.reports.columns import difference_text, figure_text, report_columns, score_text
from genzoo.reports.result import CrossValidation, Difference, LogLikelihood, Report, Row
from genzoo.reports.rounding import places, rounded, with_error, with_interval

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.4481, 0.0387, "0.448 ± 0.039"),
        (-4.0396, 0.13, "-4.04 ± 0.13"),
        (-4.0396, 0.0996, "-4.04 ± 0.10"),
        (0.00733, 0.022, "0.007 ± 0.022"),
        (-0.0001, 0.012, "0.000 ± 0.012"),
        (2314.3, 12.0, "2314 ± 12"),
        (189778.4, 105549.9, "189778 ± 105550"),
        (1.0, 0.0, "1.0000 ± 0"),
        (0.5, None, "0.5000"),
        (0.5, NAN, "0.5000"),
        (0.5, INF, "0.5000 ± inf"),
        (INF, 0.1, "inf ± 0.1"),
        (-INF, None, "-inf"),
        (NAN, 0.1, "nan ± 0.1"),
        (1.25e-9, 1.2e-10, "1.25e-09 ± 1.2e-10"),
        (1.0, 1e-12, "1.0000 ± 1e-12"),
        (1e300, 1e299, "1e+300 ± 1e+299"),
        (1e300, 0.1, "1e+300 ± 0.1"),
        (0.0, 5e-324, "0.0000 ± 4.9e-324"),
    ],
)
def test_a_value_has_the_digits_of_its_error(value, error, text):
    assert with_error(value, error) == text
    if not text.startswith("0.007"):
        assert rounded(value, error) in text


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((-0.03392, -0.13871, 0.07087, 0.0535), "-0.034 [-0.139, +0.071]"),
        ((-0.02, -0.0396, -0.0004, 0.01), "-0.020 [-0.040, -0.000]"),
        ((0.0, -0.0001, 0.0001, 0.0), "+0.000000 [-0.000100, +0.000100]"),
        ((0.0, 0.0, 0.0, 0.0), "+0 [+0, +0]"),
        ((1e300, -1e300, 1e300, NAN), "+1e+300 [-1e+300, +1e+300]"),
        ((12345.6, 11000.2, 13691.0, 686.5), "+12346 [+11000, +13691]"),
    ],
)
def test_an_interval_is_rounded_to_its_error_and_keeps_its_sign(numbers, text):
    value, low, high, error = numbers
    assert with_interval(value, low, high, error, signed=True) == text
    assert difference_text(Row("a", "z/a", difference=Difference("test", value, error, low, high))) == text


@given(st.floats(-1e9, 1e9), st.floats(1e-7, 1e9))
def test_rounding_moves_a_value_by_at_most_a_fifteenth_of_its_error(value, error):
    shown, width = (float(text) for text in with_error(value, error).split(" ± "))
    digits = places(error)
    assert abs(shown - value) <= max(0.5 * 10.0**-digits, 1e-15 * abs(value)) * 1.0001
    assert abs(shown - value) <= max(error / 19, 0.5) * 1.0001
    assert width == pytest.approx(error, rel=0.051, abs=0.5)
    assert "e" not in with_error(value, error)


@given(st.floats(), st.one_of(st.none(), st.floats(0.0)))
def test_every_pair_of_numbers_becomes_a_short_text(value, error):
    assert len(with_error(value, error)) < 60
    assert len(rounded(value, error)) < 30
    assert not re.match(r"-0(\.0*)?( |$)", with_error(value, error)) or value == 0


def test_the_table_of_a_comparison_shows_rounded_figures():
    likelihood = LogLikelihood(-3.98765, -4.03961, 0.12998, "exact", "density")
    score = Score("coverage", 0.44812, "higher", 0.03871)
    other = Score("memorization", 0.44812, "lower", low=0.37221, high=0.52403)
    row = Row(
        "a",
        "z/a",
        log_likelihood=likelihood,
        cv=CrossValidation(-4.04321, 0.07512),
        bic=2314.2987,
        metrics={"coverage": score, "memorization": other},
    )
    report = Report({"name": "x"}, "bic", "a", None, (row,))
    shown = {column.name: column.cell(row) for column in report_columns(report)}
    assert shown["train"] == "-3.99"
    assert shown["test"] == "-4.04 ± 0.13"
    assert shown["cv"] == "-4.043 ± 0.075"
    assert shown["bic"] == "2314.30"
    assert shown["coverage"] == shown["memorization"] == "0.448"
    assert score_text(other) == "0.448 [0.372, 0.524]"
    assert figure_text(row, "coverage") == "0.448 ± 0.039"
