"""Synthetic rows by one call: which model is picked, what is written, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest

import genzoo
from genzoo.comparison.pick import pick_of
from genzoo.comparison.synthesize import about_rare_texts, prepare_synthesis, usual_candidates
from genzoo.config.data import DataSettings
from genzoo.data.loading import open_dataset
from genzoo.errors import ConfigError, DataError
from genzoo.metrics.metric import Score
from genzoo.plugins.manager import get_registry
from genzoo.reports.formats import read_report
from genzoo.reports.result import Cost, CrossValidation, LogLikelihood, Report, Row
from genzoo.reports.terminal import fitting_columns


def row(name, cv=None, measure="density", memorization=0.5, **metrics):
    scores = {
        key: Score(key, value, "lower" if key == "classifier-two-sample" else "higher")
        for key, value in ((key.replace("_", "-"), value) for key, value in metrics.items())
    }
    scores["memorization"] = Score("memorization", memorization, "lower", 0.01)
    likelihood = LogLikelihood(kind="none" if cv is None else "exact", measure=None if cv is None else measure)
    return Row(name, name, log_likelihood=likelihood, cv=CrossValidation(mean=cv), metrics=scores)


def report(*rows):
    return Report({}, "cv", None, None, rows)


def test_likelihoods_that_measure_the_same_decide_alone():
    pick = pick_of(report(row("a", -5.0, column_shapes=0.99), row("b", -4.0, column_shapes=0.5)))
    assert pick.id == "b"
    assert "highest cross-validated log-likelihood, -4 nats per row" in pick.reason
    assert not pick.ranks


def test_finalists_of_different_measures_are_compared_by_samples():
    pick = pick_of(
        report(
            row("a", -5.0, column_shapes=1.0, pair_trends=1.0, classifier_two_sample=0.5),
            row("b", -4.0, column_shapes=0.9, pair_trends=0.8, classifier_two_sample=0.7),
            row("c", 9.0, "mass", column_shapes=0.8, pair_trends=0.9, classifier_two_sample=0.6),
            row("d", None, column_shapes=0.7, pair_trends=0.7, classifier_two_sample=0.9),
        )
    )
    assert pick.ranks == pytest.approx({"b": 5 / 3, "c": 4 / 3, "d": 3.0})  # a is worse than b by the same measure
    assert pick.id == "c"
    assert "mean rank by column-shapes, pair-trends and classifier-two-sample is 1.33 (b 1.67, d 3)" in pick.reason


def test_ties_go_to_a_likelihood_then_to_fewer_parameters():
    both = {"column_shapes": 0.9}
    pick = pick_of(report(row("a", None, **both), row("b", -4.0, **both)))
    assert pick.ranks == {"a": 1.5, "b": 1.5}
    assert pick.id == "b"
    assert pick.reason.endswith("a ties with it, and it alone has a cross-validated likelihood.")
    large, small = row("large", -5.0, **both), row("small", -4.0, "mass", **both)
    large, small = (dataclasses.replace(one, cost=Cost(parameters=n)) for one, n in ((large, 90), (small, 8)))
    for order in ((large, small), (small, large)):
        pick = pick_of(report(*order))
        assert pick.id == "small"
        assert pick.reason.endswith("large ties with it, and it has fewer parameters.")
    same = dataclasses.replace(small, id="same", log_likelihood=row("x", 1.0, "other").log_likelihood)
    assert "small ties with it, and it comes first" in pick_of(report(same, small)).reason


def test_a_metric_that_a_finalist_lacks_does_not_count():
    pick = pick_of(report(row("a", 1.0, column_shapes=0.5), row("b", column_shapes=0.6, pair_trends=0.1)))
    assert pick.ranks == {"a": 2.0, "b": 1.0}


def test_a_model_that_copies_is_left_out_unless_it_is_alone():
    copier, other = row("copier", -1.0, memorization=0.9), row("other", -2.0)
    pick = pick_of(report(copier, other))
    assert pick.id == "other"
    assert "copies training rows: memorization is 0.90" in pick.left_out["copier"]
    assert pick.reason == "other is picked: it is the only candidate that can be picked."
    pick = pick_of(report(copier, other, row("worst", -3.0)))
    assert "highest cross-validated log-likelihood of the candidates that can be picked, -2 nats" in pick.reason
    assert pick_of(report(copier)).id == "copier"


def test_nothing_can_be_picked_if_all_failed():
    failed = Row("a", "a", status="failed", reasons={"status": "The data are no good."})
    with pytest.raises(DataError, match=r"No candidate could be fitted. a: The data are no good"):
        pick_of(report(failed))
    same, other = (
        dataclasses.replace(failed, id=name, reasons={"status": why})
        for name, why in (("b", "The data are no good."), ("c", "The disk is full."))
    )
    with pytest.raises(DataError) as raised:
        pick_of(report(failed, same, other))
    assert str(raised.value) == "No candidate could be fitted. a: The data are no good. c: The disk is full."
    with pytest.raises(DataError, match="No candidate has a score of samples"):
        pick_of(report(row("a"), row("b")))


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    height, sport = rng.normal(170, 10, 120), rng.choice(["run", "swim"], 120)
    lines = [f"{h:.2f},{s},{h / 3 + rng.normal():.2f}" for h, s in zip(height, sport, strict=True)]
    path = tmp_path / "people.csv"
    path.write_text("\n".join(["height,sport,weight", *lines]) + "\n")
    return path


def test_rows_report_and_model_are_written(table, tmp_path):
    found = genzoo.synthesize(
        table, 50, tmp_path / "new.csv", models=["copula", "naive-bayes"], folds=2, target="sport", progress=False
    )
    lines = found.out.read_text().splitlines()
    assert lines[0] == "height,sport,weight"
    assert len(lines) == 51
    assert found.pick.id in {"copula", "naive-bayes"}
    assert found.report.best == found.pick.id
    assert found.report.notes[0] == found.report.sentences[0] == found.pick.reason
    assert read_report(tmp_path / "new" / "report.json").reason == found.pick.reason
    assert f'class="finding">{found.pick.reason}' in (tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    assert found.run.path == tmp_path / "new" / "best"
    assert {
        "out",
        "count",
        "seed",
        "best",
        "reason",
        "ranks",
        "tried",
        "not_tried",
        "left_out",
        "run",
        "report",
    } == set(found.as_dict())
    assert found.pick.reason in repr(found)
    again = genzoo.synthesize(
        table, 50, tmp_path / "new.csv", models=["copula", "naive-bayes"], folds=2, target="sport", progress=False
    )
    assert again.out.read_text().splitlines() == lines  # the comparison is continued, and rows follow the seed


def test_texts_that_stand_in_one_row_only_are_reported(cli, table):
    lines = table.read_text().splitlines()
    ids = [f"{line},p{i:03}@x.org" for i, line in enumerate(lines[1:])]
    table.write_text("\n".join([f"{lines[0]},email", *ids]) + "\n")
    for words in ((), ("--drop", "email")):
        dataset = open_dataset(DataSettings(source=str(table), drop=words[1:]), get_registry())
        assert len(about_rare_texts(dataset)) == (not words)  # many rows share a sport
    words = ("synthesize", "people.csv", "-n", 20, "--model", "naive-bayes", "--folds", 2, "--out", "rows.csv")
    code, out, err = cli(*words)
    assert code == 0
    repeated = "Synthetic rows repeat the texts of 'email', and 120 of them stand in one row only."
    assert repeated in " ".join(out.split())
    assert repeated in err
    assert "column 'email' looks like an id" in err


def test_the_command_prints_the_same(cli, table):
    words = ("synthesize", "people.csv", "-n", 20, "--model", "copula", "--folds", 2, "--out", "rows.csv")
    found = json.loads(cli(*words, "--json")[1])
    assert found["best"] == "copula"
    assert found["count"] == 20


def test_a_terminal_shows_what_a_target_is_for():
    both = report(*(row(name, 1.0, tstr=0.9, column_shapes=0.9) for name in ("a", "b")))
    for width in range(20, 100):
        shown = [column.name for column in fitting_columns(both, width)[0]]
        assert "tstr" not in shown or "memorization" in shown
    assert "tstr" in shown


def test_images_and_files_without_a_suffix_are_refused(table, tmp_path):
    for name in ("rows", "rows.png"):
        with pytest.raises(ConfigError, match=f"cannot be written as '{name}'"):
            genzoo.synthesize(table, 5, tmp_path / name, progress=False)
    with pytest.raises(ConfigError, match="Rows of a table are needed, and these data have modality 'image'"):
        genzoo.synthesize("digits", 5, tmp_path / "rows.csv", models=["gaussian"], folds=2, progress=False)
    assert not (tmp_path / "rows").exists()


def test_rows_never_overwrite_the_data(cli, table):
    before = table.read_bytes()
    with pytest.raises(ConfigError, match="is the file that the data are read from"):
        genzoo.synthesize(table, 5, table, models=["copula"], progress=False)
    code, _, err = cli("synthesize", "people.csv", "-n", 5, "--model", "copula", "--out", "./people.csv")
    assert code == 2
    assert "--out people.csv is the file that the data are read from" in err
    assert table.read_bytes() == before
    assert not table.with_suffix("").exists()


def test_the_number_of_rows_and_the_file_are_checked_first(cli, table, tmp_path):
    assert "-n must be a whole number of at least 1, not 0" in cli("synthesize", "x", "-n", 0, "--out", "y.csv")[2]
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ConfigError, match=r"is a folder\. Name a file"):
        genzoo.synthesize(table, 5, tmp_path / "folder.csv", progress=False)


def test_usual_candidates_have_a_likelihood_and_keep_no_rows():
    tried, others = usual_candidates(get_registry())
    assert {"copula", "arf", "gmm", "naive-bayes", "flow"} <= set(tried)
    assert others["kde"] == others["smote"] == "it keeps training rows"
    assert others["autoencoder"] == "it has no likelihood"
    assert "dcgan" not in {*tried, *others}  # it takes images only


def prepared(rows, tmp_path, models=None, **settings):
    events = np.random.default_rng(0).normal(size=(rows, 2))
    common = {"seed": 0, "device": "cpu"}
    spec = genzoo.DataSpec((2,), "table", (genzoo.Feature("a"), genzoo.Feature("b")), storage="float64")
    data = genzoo.Dataset("rows", spec, events)
    terms = {"folds": 2, "jobs": 1, "threads": 1, "target": None, **settings}
    found, why = prepare_synthesis(models, (data, {}), common, file=tmp_path / "new.csv", **terms)
    return {one.id for one in found.candidates}, why


def test_models_of_many_steps_are_tried_if_asked_for(tmp_path):
    tried, why = prepared(2000, tmp_path / "a")  # 100 epochs of 7 steps
    assert {"flow", "gmm", "naive-bayes", "arf"} <= tried
    assert "8,000 steps for these rows" in why["vae"]
    tried, why = prepared(3000, tmp_path / "b")
    assert "flow" not in tried
    assert "1,100 steps for these rows, and more than 1,000 may take minutes; thorough=True tries it" in why["flow"]
    for chosen in ({"thorough": True}, {"models": ["flow", "vae"]}):
        tried, why = prepared(3000, tmp_path / "c", **chosen)
        assert {"flow", "vae"} <= tried
        assert not {"flow", "vae"} & set(why)


def test_a_model_that_says_it_keeps_rows_is_left_out_unless_it_is_alone():
    both = report(row("keeper", -1.0), row("other", -2.0))
    pick = pick_of(both, {"keeper"})
    assert pick.id == "other"
    assert pick.left_out == {"keeper": "it keeps training rows"}
    assert pick_of(report(row("keeper", -1.0)), {"keeper"}).id == "keeper"


def test_what_is_left_out_is_said_and_shown(table, tmp_path):
    found = genzoo.synthesize(
        table, 20, tmp_path / "new.csv", models=["kde", "naive-bayes"], folds=2, target="sport", progress=False
    )
    assert found.pick.id == "naive-bayes"
    assert "Left out: kde (it keeps training rows)." in found.report.notes
    assert "kde contains training rows; people who have the model can read them." in found.report.notes
    assert "it keeps training rows" in (tmp_path / "new" / "report.html").read_text()
    assert found.as_dict()["tried"] == [one.id for one in found.report.rows]
    assert found.as_dict()["not_tried"] == {}
