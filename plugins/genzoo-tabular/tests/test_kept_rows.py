"""Models that keep training rows say so in listings, model cards, reports and comparisons."""

import json

import pytest
from click.testing import CliRunner

import genzoo
from genzoo.cli.main import root
from genzoo.plugins.manager import get_registry
from genzoo.wording import KEEPS_ROWS

KEEPING = ["kde", "smote"]


def test_these_models_declare_it_and_no_others():
    own = [entry.spec for entry in get_registry().models if entry.distribution == "genzoo-tabular"]
    assert sorted(spec.name for spec in own if spec.keeps_rows) == KEEPING


@pytest.mark.parametrize(("name", "keeps"), [("kde", True), ("smote", True), ("arf", False)])
def test_the_page_of_a_model_says_so(name, keeps):
    words, as_json = (CliRunner().invoke(root, ["models", name, *more]).output for more in ([], ["--json"]))
    assert ("keeps: training rows" in words) == keeps
    assert json.loads(as_json)[0]["keeps_rows"] == keeps


@pytest.mark.parametrize(("name", "keeps"), [("kde", True), ("smote", True), ("copula", False)])
def test_card_and_report_of_a_trained_model_say_so(tmp_path, name, keeps):
    run = genzoo.train(name, data="iris", out=tmp_path / "run", progress=False)
    card = next((tmp_path / "run" / "model").glob("*.md")).read_text()
    assert (KEEPS_ROWS in card) == keeps
    run.report(tmp_path / "page.html")
    assert (KEEPS_ROWS in (tmp_path / "page.html").read_text()) == keeps


def test_a_comparison_says_so():
    report = genzoo.compare(["smote", "gaussian"], data="iris", progress=False)
    assert "smote contains training rows; people who have the model can read them." in report.notes
