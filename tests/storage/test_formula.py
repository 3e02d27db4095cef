"""What data call themselves is shown, and nothing else: in spreadsheets, on terminals, in Markdown and HTML."""

import csv
from pathlib import Path

import numpy as np
import pytest

import genzoo
from genzoo.reports.formats import report_as_csv, report_as_markdown
from genzoo.reports.html import render_page
from genzoo.reports.page import Facts, Heading, Notes, Page, Section, Table, Text
from genzoo.reports.result import Report, Row

WICKED = ["=1+1", "@SUM(A1)", "<script>alert(1)</script>", "a|b", "`code`", "\x1b[31mred", "\u202eturned", "-2"]


@pytest.fixture
def wicked_table(tmp_path):
    with Path("wicked.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["=cmd|' /C calc'!A0", "\x1b[2Jname", "plain"])
        writer.writerows([[np.sin(i), WICKED[i % len(WICKED)], ""[: i % 2] or i % 7] for i in range(160)])
    return "wicked.csv"


def read(name):
    with Path(name).open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_formulas_are_escaped_only_on_request(cli, wicked_table):
    assert cli("train", "naive-bayes", "--data", wicked_table, "--out", "run")[0] == 0
    for words in (["sample", "run", "-n", "60"], ["impute", "run", "--data", wicked_table]):
        assert cli(*words, "--out", "plain.csv")[0] == 0
        assert cli(*words, "--out", "safe.csv", "--escape-formulas")[0] == 0
        plain, safe = read("plain.csv"), read("safe.csv")
        assert plain[0][0] == "=cmd|' /C calc'!A0"
        assert {row[1] for row in plain[1:]} <= set(WICKED)
        assert safe[0][0] == "'=cmd|' /C calc'!A0"
        assert {row[1] for row in safe[1:]} & {"'=1+1", "'@SUM(A1)", "'-2"}
        assert not any(row[1].startswith(("=", "@", "-")) for row in safe[1:])
        assert [row[0] for row in safe[1:]] == [row[0] for row in plain[1:]]  # numbers below 0 are numbers
        assert cli(*words, "--out", "a.parquet", "--escape-formulas")[0] == 0


def test_what_was_escaped_comes_back_in(cli, wicked_table):
    assert cli("train", "naive-bayes", "--data", wicked_table, "--out", "run")[0] == 0
    for name, words in (("plain.csv", []), ("safe.csv", ["--escape-formulas"])):
        assert cli("sample", "run", "-n", "60", "--out", name, *words)[0] == 0
        code, _, err = cli("score", "run", "--data", name, "--out", f"scores-{name}")
        assert code == 0, err
    assert read("safe.csv") != read("plain.csv")
    assert read("scores-safe.csv") == read("scores-plain.csv")


def test_a_hole_in_an_escaped_column_is_filled_as_the_column_spells_it(cli, wicked_table):
    assert cli("train", "naive-bayes", "--data", wicked_table, "--out", "run")[0] == 0
    assert cli("sample", "run", "-n", "60", "--out", "safe.csv", "--escape-formulas")[0] == 0
    header, *rows = read("safe.csv")
    with Path("holes.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *([row[0], row[1] if i % 3 else "", row[2]] for i, row in enumerate(rows))])
    code, _, err = cli("impute", "run", "--data", "holes.csv", "--draws", "--out", "filled.csv")
    assert code == 0, err
    filled = [row[1] for row in read("filled.csv")[1:]]
    assert all(filled)
    assert not any(text.startswith(("=", "@", "-")) for text in filled)


def test_plain_column_names_win_over_escaped_names(cli):
    Path("both.csv").write_text("=a,'=a\n" + "".join(f"{i % 7},{i % 5 * 10}\n" for i in range(100)), encoding="utf-8")
    assert cli("train", "gaussian", "--data", "both.csv", "--out", "run")[0] == 0
    assert cli("score", "run", "--data", "both.csv", "--out", "s.csv")[0] == 0
    Path("one.csv").write_text("'=a\n1\n2\n", encoding="utf-8")
    code, _, err = cli("score", "run", "--data", "one.csv")
    assert (code, "no column '=a'" in err) == (4, True)
    code, _, err = cli("sample", "run", "--out", "x.csv", "--escape-formulas")
    assert (code, "would have the same name" in err) == (2, True)
    assert not Path("x.csv").exists()


def test_nothing_that_data_call_themselves_moves_a_terminal(cli, wicked_table):
    commands = (
        ["data", wicked_table],
        ["train", "gmm", "--data", wicked_table, "--out", "x"],
        ["train", "naive-bayes", "--data", wicked_table, "--out", "run"],
        ["evaluate", "run"],
        ["score", "run", "--data", wicked_table, "--out", "s.csv"],
        ["impute", "run", "--data", wicked_table, "--out", "i.csv"],
        ["sample", "run\x1b[31m"],
        ["compare", "naive-bayes", "--data", wicked_table],
    )
    for words in commands:
        _, out, err = cli(*words)
        assert "\x1b[2J" not in out + err, words
        assert "\x1b[31m" not in out + err, words
        assert "\u202e" not in out + err, words


def test_reports_escape_what_stands_in_them():
    for name in WICKED:
        row = Row(name, name, reasons={"bic": name, "status": name}, verdict=name)
        report = Report({"name": name, "events": 3, "event": name, "sha256": "0"}, "bic", name, None, (row,), (name,))
        text = report_as_markdown(report)
        assert "<script>" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert all(
            line.count("|") - line.count("\\|") in (0, 3, 4) for line in text.splitlines() if line.startswith("|")
        )
        cells = next(csv.reader(report_as_csv(report).splitlines()[1:]))
        assert not any(cell.startswith(("=", "@", "-", "+")) for cell in cells)
        blocks = (
            Text(name),
            Heading(name),
            Notes((name,)),
            Facts(((name, name),), name),
            Table(name, (name,), ((name,),)),
        )
        page = render_page(Page(name, name, (Section(name, blocks),), name))
        assert "<script" not in page


def test_a_model_card_escapes_what_options_hold(tmp_path):
    rows = np.random.default_rng(0).normal(size=(30, 2))
    run = genzoo.train(
        "gaussian",
        genzoo.Dataset("<b>|x", genzoo.train("gaussian", rows, out=tmp_path / "a").data, rows),
        out=tmp_path / "b",
    )
    card = (run.model / "README.md").read_text(encoding="utf-8")
    assert "<b>" not in card.replace("\\<", "")
    assert "\\<b\\>\\|x" in card
