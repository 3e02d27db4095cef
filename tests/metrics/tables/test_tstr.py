"""Training on samples, beside scikit-learn; never without memorization; what says nothing is refused."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import f1_score, r2_score

import genzoo
from genzoo.data.dataset import Dataset
from genzoo.data.transforms import AffineTransform
from genzoo.errors import ConfigError, DataError
from genzoo.metrics.evaluation.choice import find_extractor, find_metrics
from genzoo.metrics.evaluation.reference import make_reference
from genzoo.metrics.evaluator import compute_metrics
from genzoo.metrics.metric import MetricInput
from genzoo.metrics.tables.tstr import Target, _Levels, _Numbers, tstr
from genzoo.plugins.manager import get_registry
from genzoo.spec.events import DataSpec, Feature

COLUMNS = (
    Feature("height"),
    Feature("sport", "categorical", ("run", "swim", "none")),
    Feature("weight"),
    Feature("fit", "binary", ("no", "yes")),
)
DATA = DataSpec((4,), "table", COLUMNS, storage="float64")
SETTINGS = {"learning_rate": 0.1, "max_iter": 100, "early_stopping": False, "random_state": 0}


def events(seed, n, link=1.0):
    rng = np.random.default_rng(seed)
    height, sport = rng.normal(170, 10, n), rng.integers(0, 3, n)
    weight = 70 + link * (height - 170) + 5 * rng.normal(size=n)
    fit = link * ((sport < 2) - 0.5) * 3 + rng.normal(size=n) > 0
    return np.column_stack([height, sport, weight, fit]).astype(float)


def given(target, train, synthetic, test, data=DATA, **rest):
    return MetricInput(data=data, target=target, train=train, synthetic=synthetic, real=test, **rest)


def test_a_classifier_is_as_good_as_scikit_learns():
    train, synthetic, test = events(0, 300), events(1, 300, 0.3), events(2, 200)
    found = tstr.score(given("fit", train, synthetic, test))
    rates = []
    for table in (synthetic, train):
        trees = HistGradientBoostingClassifier(**SETTINGS, categorical_features=[False, True, False])
        rates.append(f1_score(test[:, 3], trees.fit(table[:, :3], table[:, 3]).predict(test[:, :3]), average="macro"))
    assert found.parts == pytest.approx({"synthetic": rates[0], "real": rates[1]})
    assert found.value == pytest.approx(rates[0] / rates[1])
    assert found.protocol["figure"] == "macro F1"


def test_a_number_is_predicted_by_regression():
    train, synthetic, test = events(3, 300), events(4, 300, 0.7), events(5, 200)
    found = tstr.score(given("weight", train, synthetic, test))
    rates = []
    for table in (synthetic, train):
        trees = HistGradientBoostingRegressor(**SETTINGS, categorical_features=[False, True, False])
        trees.fit(table[:, [0, 1, 3]], table[:, 2])
        rates.append(r2_score(test[:, 2], trees.predict(test[:, [0, 1, 3]])))
    assert found.parts == pytest.approx({"synthetic": rates[0], "real": rates[1]})
    assert found.protocol["figure"] == "R²"


def test_results_match_scikit_learn_with_weights():
    rng = np.random.default_rng(6)
    weights, codes, guess = rng.random(80), rng.integers(0, 2, 80), rng.integers(0, 3, 80)
    levels, numbers = _Levels(Target(1, COLUMNS)), _Numbers(Target(0, COLUMNS))
    expected = f1_score(codes, guess, labels=[0, 1], average="macro", sample_weight=weights)
    assert levels.result(codes.astype(float), guess.astype(float), weights) == pytest.approx(expected)
    x, y = rng.normal(size=(2, 80))
    assert numbers.result(x, x + y, weights) == pytest.approx(r2_score(x, x + y, sample_weight=weights))


def test_copies_of_the_training_rows_have_a_ratio_of_one():
    train, test = events(7, 300), events(8, 200)
    found = tstr.score(given("fit", train, train.copy(), test))
    assert (found.value, found.error) == (1, 0)


def test_samples_without_the_dependence_are_worth_less():
    found = tstr.score(given("fit", events(9, 400), events(10, 400, 0.0), events(11, 300)))
    assert found.value < 0.8


def test_the_error_is_the_spread_over_held_out_rows():
    train, synthetic = events(12, 150), events(13, 150, 0.5)
    scores = [tstr.score(given("fit", train, synthetic, events(100 + seed, 200))) for seed in range(40)]
    spread = np.std([score.value for score in scores], ddof=1)
    assert np.mean([score.error for score in scores]) == pytest.approx(spread, rel=0.35)


def test_the_target_may_be_a_condition():
    whole = [events(seed, 200) for seed in (14, 15, 16)]
    data = DataSpec((3,), "table", COLUMNS[:3], storage="float64", condition=COLUMNS[3:])
    train, synthetic, test = (table[:, :3] for table in whole)
    conditions = {"train_conditions": whole[0][:, 3:], "conditions": whole[2][:, 3:]}
    found = tstr.score(given("fit", train, synthetic, test, data, **conditions))
    swapped = np.column_stack([synthetic, whole[0][:, 3:]])  # samples are drawn given the training rows' conditions
    assert found.value == tstr.score(given("fit", whole[0], swapped, whole[2])).value


def test_a_model_that_lost_levels_is_scored_all_the_same():
    train, synthetic, test = events(17, 200), events(18, 200), events(19, 150)
    synthetic[:, 3] = 0
    found = tstr.score(given("fit", train, synthetic, test))
    assert found.parts["synthetic"] == pytest.approx(f1_score(test[:, 3], np.zeros(150), average="macro"))


def test_weights_train_on_real_rows_and_count_held_out_rows():
    train, synthetic, test = events(20, 300), events(21, 300), events(22, 200)
    own, theirs = train[:, 1] + 0.5, test[:, 1] + 0.5
    found = tstr.score(given("fit", train, synthetic, test, real_weights=theirs, train_weights=own))
    trees = HistGradientBoostingClassifier(**SETTINGS, categorical_features=[False, True, False])
    guess = trees.fit(train[:, :3], train[:, 3], own).predict(test[:, :3])
    assert found.parts["real"] == pytest.approx(f1_score(test[:, 3], guess, average="macro", sample_weight=theirs))


@pytest.mark.parametrize(
    ("target", "spoil", "words"),
    [
        ("fit", lambda t: t[0].__setitem__((slice(None), 3), 1), "All training rows have the same 'fit'"),
        ("fit", lambda t: t[2].__setitem__((slice(None), 3), 1), "All held-out rows have the same 'fit'"),
        ("weight", lambda t: t[0].__setitem__((slice(None), 2), 7.0), "All training rows have the same 'weight'"),
        ("weight", lambda t: t[2].__setitem__((slice(None), 2), 7.0), "All held-out rows have the same 'weight'"),
        ("fit", lambda t: t.__setitem__(0, t[0][:9]), "at least 20 training events, and there are 9"),
        ("fit", lambda t: t.__setitem__(2, t[2][:9]), "at least 20 real events, and there are 9"),
        ("fit", lambda t: t[1].__setitem__((3, 0), np.nan), "1 of 100 samples hold numbers that are not finite"),
    ],
)
def test_what_says_nothing_is_refused(target, spoil, words):
    tables = [events(seed, 100) for seed in (23, 24, 25)]
    spoil(tables)
    with pytest.raises(DataError, match=words):
        tstr.score(given(target, *tables))


def test_targets_that_cannot_be_predicted_are_named():
    rng = np.random.default_rng(26)
    noise = [events(seed, 150, 0.0) for seed in (27, 28, 29)]
    with pytest.raises(DataError, match=r"do not predict 'height' better than chance: R² is -.* 0 by chance"):
        tstr.score(given("height", *noise))
    with pytest.raises(DataError, match=r"'sport' better than chance: macro F1 is .*, and 0\.33 by chance"):
        tstr.score(given("sport", *noise))
    alone = DataSpec((1,), "table", COLUMNS[:1], storage="float64")
    with pytest.raises(DataError, match="no other column to predict 'height' from"):
        tstr.score(given("height", *[x[:, :1] for x in noise], alone))
    many = Feature("id", "categorical", tuple(map(str, range(150))))
    data = DataSpec((2,), "table", (COLUMNS[0], many), storage="float64")
    tables = [np.column_stack([rng.normal(size=300), rng.permutation(300) % 150]) for _ in range(3)]
    with pytest.raises(DataError, match="'id' has 150 levels, and at most 100"):
        tstr.score(given("id", *tables, data))


@pytest.fixture(scope="module")
def table():
    holes = events(30, 400)
    holes[::40, 0] = np.nan
    spec = DataSpec((4,), "table", COLUMNS, storage="float64", missing=True)
    return Dataset("people", spec, holes)


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    return genzoo.train("copula", table, out=tmp_path_factory.mktemp("tstr") / "run", progress=False)


def test_its_score_stands_beside_memorization(run):
    found = genzoo.evaluate(run, metrics="tstr", target="fit")
    assert set(found.scores) == {"tstr", "memorization"}
    score = found.as_dict()["metrics"]["tstr"]
    assert score["beside"] == ("memorization",)
    assert score["notes"][0].startswith("read it with memorization, ")
    assert score["protocol"]["target"] == "fit"
    assert score["protocol"]["train"] < 320  # complete rows alone
    assert any("no missing values" in note for note in score["notes"])


def test_copies_are_flagged_beside_it(table):
    rows = np.arange(400)
    metrics = find_metrics(get_registry(), ["tstr"])
    reference = make_reference(
        table,
        rows[300:],
        metrics,
        find_extractor(get_registry(), None, table.spec),
        trained_on=(table, rows[:300]),
        target="fit",
    )

    assert reference.task is not None
    train = reference.task.train
    assert len(train) == 292

    class Copier(genzoo.Generator):
        def sample(self, n, *, condition=None, **options):
            return torch.as_tensor(train[np.arange(n) % len(train)])

    copier = genzoo.TrainedModel("test", Copier(), AffineTransform(torch.zeros(()), torch.ones(())), table.spec)
    found = compute_metrics(copier, reference, metrics, seed=0)
    assert found.scores["tstr"].value == pytest.approx(1, abs=0.1)  # drawn in blocks, so not all rows occur
    assert "flagged: the model copies its training set" in found.scores["tstr"].notes[0]
    found = compute_metrics(copier, reference, metrics[:1], seed=0)
    assert found.scores["tstr"].notes[0] == "read it with memorization, which has no score here: it was not computed."


def test_without_a_target_it_has_no_score_and_says_what_to_name(run):
    found = genzoo.evaluate(run)
    assert "tstr" not in found.scores
    assert found.reasons["tstr"] == "no column to predict is named with target"


def test_a_target_must_be_a_column_that_the_model_learns(run, table, tmp_path):
    with pytest.raises(ConfigError, match=r"no such column. Did you mean 'fit'"):
        genzoo.evaluate(run, metrics="tstr", target="fitt")
    path = tmp_path / "people.csv"
    rows = [",".join(map(str, row)) for row in events(31, 100)]
    path.write_text("\n".join(["height,sport,weight,fit", *rows]))
    labeled = genzoo.train("gaussian", path, label="fit", out=tmp_path / "run", progress=False)
    with pytest.raises(ConfigError, match=r"learns no such column\. Known: height.* Samples have neither"):
        genzoo.evaluate(labeled, target="fit")


def test_a_comparison_ranks_by_it_and_shows_memorization_beside(table):
    report = genzoo.compare(["copula", "naive-bayes"], table, target="fit", by="tstr", progress=False)
    assert report.by == "tstr"
    assert all({"tstr", "memorization"} <= set(row.metrics) for row in report.rows)
    with pytest.raises(ConfigError, match="needs the name of a column to predict"):
        genzoo.compare(["copula"], table, by="tstr", progress=False)


def test_a_training_cannot_monitor_it(table):
    with pytest.raises(ConfigError, match="a column to predict, which a training does not know"):
        genzoo.train("vae", table, metrics=["tstr"], epochs=1, precision="fp32", progress=False)
