"""Gates on a report."""

import pytest

from genzoo.comparison.candidate import candidates
from genzoo.comparison.gate import Gate, check, parse_expected, parse_gates
from genzoo.errors import CheckError, ConfigError
from genzoo.plugins.manager import get_registry
from genzoo.reports.result import LogLikelihood, Report, Row

ROW = Row("gmm:n_components=3", "genzoo-mixture/gmm", bic=580.5, log_likelihood=LogLikelihood(test=-1.25))
REPORT = Report({}, "bic", ROW.id, None, (ROW,))


def best_and(*expected):
    common = {"data": {"source": "iris"}}
    return candidates(get_registry(), ["gmm:n_components=3"], common)[0], candidates(get_registry(), expected, common)


@pytest.mark.parametrize("text", ["bic<600", "bic <= 580.5", "test>-1.3", "test >= -1.25", "bic>5.8e2"])
def test_a_gate_that_holds_says_nothing(text):
    check(REPORT, parse_gates([text], get_registry()), None, ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bic<500", "it is 580.5"),
        ("bic<580.5", "580.5"),
        ("test>-1", "-1.25"),
        ("icl<1", "has no icl"),
        ("cv>0", "no cv"),
    ],
)
def test_a_gate_that_does_not_hold_says_what_it_saw(text, words):
    with pytest.raises(CheckError) as error:
        check(REPORT, parse_gates(["bic<600", text], get_registry()), None, ())
    assert words in str(error.value)
    assert "bic<600" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"), [("bci<1", "Did you mean 'bic'"), ("bic=1", "form"), ("bic<x", "form"), ("bic<1;2", "form")]
)
def test_a_gate_of_another_form_is_an_error(text, words):
    with pytest.raises(ConfigError) as error:
        parse_gates([text], get_registry())
    assert words in str(error.value)


def test_metrics_can_be_gated():
    assert Gate.parse("coverage>=0.9", get_registry().metrics.names()).figure == "coverage"


def test_the_expected_model_must_be_best():
    for good in ("gmm", "gmm:n_components=3", "gmm:n_components=2..3", "gmm:covariance_type=full"):
        check(REPORT, (), *best_and(good))
    for bad in ("gaussian", "gmm:n_components=2", "gmm:covariance_type=tied"):
        with pytest.raises(CheckError, match="expected to be best by bic, and gmm:n_components=3 is"):
            check(REPORT, (), *best_and(bad))
    nothing = Report({}, "bic", None, None, ())
    with pytest.raises(CheckError, match="no candidate could be ranked"):
        check(nothing, parse_gates(["bic<1"], get_registry()), None, ())


def test_a_preset_cannot_be_expected():
    common = {"data": {"source": "iris"}}
    assert [candidate.id for candidate in parse_expected("toy:offset=1.0", get_registry(), common)] == [
        "toy:offset=1.0"
    ]
    with pytest.raises(ConfigError, match="names a preset"):
        parse_expected("toy:preset=slow", get_registry(), common)
