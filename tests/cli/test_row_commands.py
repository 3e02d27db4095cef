"""The command lines of `score`, `cluster`, `impute` and `sample`, on tables as people write them."""

import json
import math
from pathlib import Path

import numpy as np
import pandas
import pytest
from refusals import assert_refused
from sklearn.metrics import adjusted_rand_score

import genzoo
from genzoo.persistence.run import Run

ROWS = 200


@pytest.fixture
def table(cli):
    """Numbers as people write them, some missing, and a column that is both learned from and a label."""
    rng = np.random.default_rng(0)
    lines = ["a,b,plan,n,note"]
    for row in range(ROWS):
        plan = row % 2
        b = "" if row % 7 == 0 else f"{rng.normal(plan * 50, 1):.3e}"
        lines.append(f"{rng.normal(40, 1):.2f},{b},{plan},{'' if row % 11 == 0 else row},x{row}.0")
    lines[2] = "4.00" + lines[2][lines[2].index(",") :]
    Path("people.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    code, _, err = cli("train", "gmm", "--data", "people.csv", "--drop", "note", "-o", "n_components=2", "--out", "run")
    assert code == 0, err
    return [line.split(",") for line in lines]


def test_imputing_text_leaves_untouched_cells_as_written(cli, table):
    assert cli("impute", "run", "--data", "people.csv", "--out", "whole.csv")[0] == 0
    whole = [line.split(",") for line in Path("whole.csv").read_text(encoding="utf-8").splitlines()]
    for before, after in zip(table, whole, strict=True):
        for old, new in zip(before, after, strict=True):
            assert new == old if old else math.isfinite(float(new))
    assert all(line[3].isdigit() for line in whole[1:]), "whole numbers are filled with whole numbers"


def test_imputing_a_decimal_comma_writes_points_throughout(cli, table):
    text = "\n".join(";".join(cell.replace(".", ",") for cell in line) for line in table)
    Path("comma.csv").write_text(text + "\n", encoding="utf-8")
    assert cli("impute", "run", "--data", "comma.csv", "--out", "whole.csv")[0] == 0
    whole = [line.split(",") for line in Path("whole.csv").read_text(encoding="utf-8").splitlines()]
    numbers = [float(line[0]) for line in whole[1:]]
    assert numbers == [float(line[0]) for line in table[1:]]


def test_a_column_of_training_may_be_the_label_too(cli, table):
    code, out, _ = cli("cluster", "run", "--data", "people.csv", "--label", "plan", "--json")
    assert code == 0
    found = json.loads(out)
    expected = adjusted_rand_score([line[2] for line in table[1:]], found["cluster"])
    assert found["adjusted_rand_index"] == pytest.approx(expected)
    bare = json.loads(cli("cluster", "run", "--data", "people.csv", "--json")[1])
    assert found["cluster"] == bare["cluster"]
    for label in ((), ("--label", "plan"), ("--weight", "plan")):
        assert cli("impute", "run", "--data", "people.csv", *label, "--out", f"{len(label)}{label[-1:]}.csv")[0] == 0
    assert len({path.read_bytes() for path in Path().glob("[02](*.csv")}) == 1


def test_the_best_mixture_of_a_comparison_has_a_threshold(cli):
    words = ("compare", "gmm:n_components=2..3,init_params=kmeans,training.n_init=1", "--data", "iris", "--by")
    for by, extra in (("test", ()), ("cv", ("--folds", 3)), ("bic", ())):
        assert cli(*words, by, *extra, "--out", by)[0] == 0
        code, out, err = cli("score", f"{by}/best", "--data", "iris", "--threshold", 0.1, "--json")
        assert code == 0, err
        assert 0 < json.loads(out)["count_flagged"] < 75
    # The best by test is the very model whose test rows were scored.
    best = genzoo.load("test/best")
    run = Run(Path("test/best"))
    held_out = np.setdiff1d(np.arange(150), run.open_data().split(run.config.split, 0).train)
    scores = np.sort(best.log_prob(np.asarray(run.open_data().events[held_out])))
    assert np.allclose(best.validation_scores, scores)
    assert len(genzoo.load("cv/best").validation_scores) == 150


def test_mistakes_in_settings_of_checks_are_the_users(cli):
    for option, words in {
        "nonsense=3": "no option 'nonsense'",
        "n_components=-3": "n_components must be at least 1",
        "training.nonsense=3": "no option 'training.nonsense'",
        "objective=nonsense": "cannot be trained with objective 'nonsense'",
    }.items():
        assert_refused(cli("plugins", "check", "gmm", "-o", option), 2, words)


def test_seeds_name_their_flag_or_variable(cli, table, monkeypatch):
    compare = ("compare", "gaussian", "--data", "people.csv", "--drop", "note")
    assert_refused(cli(*compare, "--seed", -1), 2, "--seed must be at least 0, not -1")
    monkeypatch.setenv("GENZOO_SEED", "-1")
    assert_refused(cli(*compare), 2, "GENZOO_SEED must be at least 0, not -1")
    monkeypatch.setenv("GENZOO_SEED", "5")
    assert cli("sample", "run", "-n", 3, "--out", "a.csv")[0] == 0
    monkeypatch.delenv("GENZOO_SEED")
    assert cli("sample", "run", "-n", 3, "--seed", 5, "--out", "b.csv")[0] == 0
    assert cli("sample", "run", "-n", 3, "--out", "c.csv")[0] == 0
    a, b, c = (Path(f"{name}.csv").read_bytes() for name in "abc")
    assert a == b != c


def test_by_default_rows_are_all_of_the_runs_own_data(cli, table):
    for command, out in (("score", "s.csv"), ("cluster", "c.csv"), ("impute", "i.csv")):
        code, _, err = cli(command, "run", "--out", out)
        assert code == 0
        assert "data: all rows of" in err
        assert cli(command, "run", "--data", "people.csv", "--drop", "note", "--out", f"same-{out}")[0] == 0
    for name in ("s.csv", "c.csv"):
        assert Path(name).read_bytes() == Path(f"same-{name}").read_bytes()
    assert cli("impute", "run", "--data", "people.csv", "--out", "all-i.csv")[0] == 0
    own, whole = (Path(name).read_text(encoding="utf-8").splitlines() for name in ("i.csv", "all-i.csv"))
    assert [line.split(",")[:4] for line in own] == [line.split(",")[:4] for line in whole]


def test_new_data_are_read_as_the_runs_own_were(cli):
    rng = np.random.default_rng(0)
    rows = [(f"{a:.2f}".replace(".", ","), "?" if a < 0 else "ab"[int(a > 1)]) for a in rng.normal(size=60)]
    text = "\n".join(["a;b;note", *(f"{a};{b};." for a, b in rows)])
    Path("own.csv").write_text(text, encoding="utf-8")
    marks = ("--missing", "?", "--missing", "note=.", "--decimal", ",", "--separator", ";")
    words = ("--data", "own.csv", "--drop", "note", "-o", "n_components=1", "--out", "run")
    assert cli("train", "naive-bayes", *words, *marks)[0] == 0
    Path("new.csv").write_text(text.replace(";note", "").replace(";.", ""), encoding="utf-8")
    for verb, more in (("score", ()), ("cluster", ()), ("evaluate", ("--json",)), ("describe", ("--json",))):
        code, out, err = cli(verb, "run", "--data", "new.csv", *more)
        assert code == 0, err
        assert "read as the run's own data: --separator ';' --decimal , --missing '?'" in " ".join(err.split())
        assert cli(verb, "run", "--data", "new.csv", *more, "--missing", "?", *marks[4:])[1] == out
    own = genzoo.score("run", "own.csv")["log_likelihood"]
    assert genzoo.score("run", "new.csv")["log_likelihood"].tolist() == own.tolist()
    assert genzoo.impute("run", "new.csv")["b"].isin(["a", "b"]).all()
    frame = pandas.DataFrame({"a": [float(a.replace(",", ".")) for a, _ in rows], "b": [b for _, b in rows]})
    assert genzoo.score("run", frame)["log_likelihood"].to_numpy() == pytest.approx(own.to_numpy())
    assert_refused(cli("score", "run", "--data", "new.csv", "--missing", "!", "--decimal", "."), 4, "'a'")
    frame.to_parquet("new.parquet")
    assert cli("evaluate", "run", "--data", "new.parquet")[0] == 0


def test_results_never_overwrite_the_data(cli, table):
    before = Path("people.csv").read_bytes()
    for command in ("score", "cluster", "impute"):
        assert_refused(cli(command, "run", "--data", "people.csv", "--out", "people.csv"), 2, "--out people.csv is the")
        assert_refused(cli(command, "run", "--out", "people.csv"), 2, "the data are read from")
    assert_refused(cli("sample", "run", "-n", 3, "--out", "people.csv"), 2, "the data are read from")
    assert Path("people.csv").read_bytes() == before


def test_own_data_need_a_run_that_has_some(cli, table):
    assert_refused(cli("score", "run/model"), 2, "--data")
    assert_refused(cli("score", "run", "--drop", "a"), 2, "--drop")
    genzoo.train("gaussian", np.random.default_rng(0).normal(size=(30, 2)), out="memory")
    assert_refused(cli("cluster", "memory"), 4, "--data")
    assert_refused(cli("score", "memory"), 4, "--data")
    Path("people.csv").unlink()
    assert_refused(cli("score", "run"), 4, "people.csv")


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("option", ["--round", "--no-round", "--no-cache"])
def test_how_data_are_read_needs_data(cli, option):
    code, _, err = cli("score", "run", option)
    assert code == 2
    assert f"Error: {option} says how --data is read, which was not given." in err
