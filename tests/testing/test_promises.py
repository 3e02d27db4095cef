"""The kit itself: correct models keep every promise, and each wrong one breaks only the promise it is named for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from refusals import assert_refused
from wrong_models import plugin
from wrong_models.plugin import DATASETS, FITTED, METRICS, RIGHT, TOKENS, TRANSFORMS, WRONG, name_of

from genzoo.errors import ConfigError, PluginError
from genzoo.plugins import builtin
from genzoo.plugins.manager import PluginManager
from genzoo.testing.check import check_promise, check_promises, promises, subject_of
from genzoo.testing.keeping import keeps_promises
from genzoo.testing.promise import BrokenPromise
from genzoo.testing.reporting import lines


@pytest.fixture
def wrong_zoo(monkeypatch):
    """Register only the models of `wrong_models`."""
    from wrong_models import printing_plugin, torch_plugin

    zoo = PluginManager()
    zoo.add("genzoo", builtin)
    zoo.add("genzoo-wrong", plugin)
    zoo.add("genzoo-torch", torch_plugin)
    zoo.add("genzoo-printing", printing_plugin)
    monkeypatch.setattr("genzoo.plugins.manager.get_manager", lambda: zoo)


def broken(outcomes):
    return {outcome.promise.name: outcome.reason for outcome in outcomes if outcome.state == "broken"}


@pytest.mark.parametrize(
    "name", [pytest.param(spec.name, marks=[pytest.mark.full] * (spec is TOKENS)) for spec in RIGHT]
)
def test_right_models_keep_every_promise(name, wrong_zoo):
    outcomes = check_promises(name)
    assert broken(outcomes) == {}
    assert sum(outcome.state == "kept" for outcome in outcomes) >= 25


OWN_FAULTS = {
    "recipe-holds": ConfigError,
    "options-hold-at-bounds": PluginError,
    "builds": PluginError,
    "sampling-options/smallest": ZeroDivisionError,
    "meta-step": PluginError,
    "traces": RuntimeError,
}
"""Promises that a wrong model breaks by an error of its own code."""


def trained_as(promise):
    return {} if promise in FITTED else {"steps": 30}


@pytest.mark.parametrize("promise", [*WRONG, "registers", "imports-no-torch"])
def test_a_wrong_model_breaks_the_promise_it_is_named_for(promise, wrong_zoo):
    (named,) = [each for each in promises() if each.name == promise.partition("/")[0]]
    with pytest.raises(OWN_FAULTS.get(promise, BrokenPromise)):
        check_promise(named, subject_of(name_of(promise), training=trained_as(promise)))


@pytest.mark.full
@pytest.mark.parametrize("promise", [*WRONG, "registers", "imports-no-torch"])
def test_a_wrong_model_breaks_no_other_promise(promise, wrong_zoo):
    found = broken(check_promises(name_of(promise), training=trained_as(promise)))
    named = promise.partition("/")[0]
    if named == "log-prob-integrates-to-one":  # what is no density has another integral behind transforms, too
        found.pop("transforms-keep-mass", None)
    if named == "texts-have-their-masses":  # three promises are about samples and likelihoods
        found.pop("log-prob-agrees-with-samples", None)
        found.pop("texts-follow-their-prompts", None)
    assert list(found) == [named], found


def test_promises_do_not_apply_to_a_model_built_for_another_shape(wrong_zoo):
    outcomes = {outcome.promise.name: outcome for outcome in check_promises("wrong-builds-one-shape")}
    assert "(2, 3)" in outcomes["builds"].reason
    assert outcomes["options-are-bounded"].state == "kept"
    for name in ("sample-shape", "sample-range", "resumes", "decode-shape"):
        assert outcomes[name].state == "does not apply"
        assert outcomes[name].reason == "not checked, as 'builds' is broken"


@pytest.mark.parametrize("kind", ["metric", "dataset", "transform"])
def test_right_metrics_datasets_and_transforms_keep_every_promise(kind, wrong_zoo):
    outcomes = check_promises(f"right-{kind}", kind=kind)
    assert [outcome.state for outcome in outcomes] == ["kept"] * len(promises(kind))


@pytest.mark.parametrize(
    ("promise", "kind"),
    [
        (name, kind)
        for kind, names in (("metric", METRICS), ("dataset", DATASETS), ("transform", TRANSFORMS))
        for name in names
    ],
)
def test_other_wrong_subjects_break_only_the_promise_they_are_named_for(promise, kind, wrong_zoo):
    found = broken(check_promises(name_of(promise), kind=kind))
    assert list(found) == [promise], found


def test_every_promise_has_a_wrong_subject_that_breaks_it():
    named = {promise.partition("/")[0] for promise in WRONG} | {"registers", "imports-no-torch"}
    named |= {"order-of-parts", "missing-parts-are-integrated-out"}  # whose wrong models are in test_parts.py
    assert named == {promise.name for promise in promises("model")}
    assert {*METRICS, "registers", "imports-no-torch"} == {promise.name for promise in promises("metric")}
    assert {*DATASETS, "registers", "imports-no-torch"} == {promise.name for promise in promises("dataset")}
    assert {*TRANSFORMS, "registers", "imports-no-torch"} == {promise.name for promise in promises("transform")}


def test_every_promise_has_a_name_and_a_sentence_of_its_own():
    for kind in ("model", "metric", "dataset", "transform"):
        known = promises(kind)
        assert len({promise.name for promise in known}) == len(known)
        assert all(promise.sentence.endswith(".") for promise in known)
    with pytest.raises(ConfigError, match="There are no promises of kind 'callback'"):
        promises("callback")


def test_an_unknown_name_or_promise_raises(wrong_zoo):
    with pytest.raises(ConfigError, match=r"no model 'right-norml'\. Did you mean 'right-normal'"):
        check_promises("right-norml")
    with pytest.raises(ConfigError, match=r"No model promises 'sampel-shape'\. Did you mean 'sample-shape'"):
        keeps_promises("right-normal", expected_failures={"sampel-shape": "a typing error"})
    with pytest.raises(ConfigError, match="Only models have options"):
        check_promises("right-metric", kind="metric", options={"share": 0.2})


CONFTEST = """
import genzoo.plugins.manager
from genzoo.plugins import builtin
from genzoo.plugins.manager import PluginManager
from wrong_models import plugin

zoo = PluginManager()
zoo.add("genzoo", builtin)
zoo.add("genzoo-wrong", plugin)
genzoo.plugins.manager.get_manager = lambda: zoo
"""
TESTS = """
from genzoo.testing import keeps_promises


@keeps_promises("right-dataset", kind="dataset")
def test_right(promise):
    promise()


@keeps_promises("wrong-splits", kind="dataset", expected_failures={"splits": "it has three rows"})
def test_expected(promise):
    promise()


@keeps_promises("wrong-spec-fits-events", kind="dataset", expected_failures={"splits": "it has enough rows after all"})
def test_broken(promise):
    promise()
"""


@pytest.mark.xdist_group("warm")
@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.full), 2])
def test_pytest_counts_promises_also_in_several_processes(workers, tmp_path, forked):
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_them.py").write_text(TESTS, encoding="utf-8")
    words = ["-p", "genzoo.testing.reporting", "-q", "-n", str(workers), "--strict-markers"]
    ended = forked("own_tests", [str(Path(__file__).parents[1] / "support")], words, folder=tmp_path)
    assert ended.code == 1, ended.shown
    assert [line for line in ended.shown.splitlines() if line.startswith("genzoo: ")] == [
        "genzoo: 6 promises of 'right-dataset' checked",
        "genzoo: 6 promises of 'wrong-spec-fits-events' checked, 2 broken",
        "genzoo: 6 promises of 'wrong-splits' checked, 1 expected failure",
    ]


def test_the_reporting_plugin_imports_neither_torch_nor_pytest():
    program = "import sys, genzoo.testing.reporting; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {name.partition(".")[0] for name in found} & {"torch", "numpy", "pydantic", "pytest", "pluggy"}


def test_the_command_line_checks_promises(cli, wrong_zoo):
    code, out, err = cli("plugins", "check", "right-dataset", "--kind", "dataset")
    assert code == 0, err
    assert "6 promises of 'right-dataset' checked" in out
    code, out, err = cli("plugins", "check", "right-dataset", "wrong-splits", "--kind", "dataset", "--json")
    assert code == 5
    assert "'wrong-splits' broke promises" in err
    told = json.loads(out)
    assert {one["state"] for one in told["right-dataset"]} == {"kept"}
    assert [one["promise"] for one in told["wrong-splits"] if one["state"] == "broken"] == ["splits"]
    assert_refused(cli("plugins", "check", "right-datset", "--kind", "dataset"), 2, "Did you mean 'right-dataset'")
    assert_refused(cli("plugins", "check"), 2, "Give a name to check")
    code, out, _ = cli("plugins", "check", "--list")
    assert code == 0
    assert all(promise.name in out and promise.sentence in out for promise in promises())


def test_a_test_file_with_import_errors_is_not_counted():
    broken = pytest.CollectReport("test_broken.py", "failed", "no such module", None)
    assert list(lines({"error": [broken]})) == []
