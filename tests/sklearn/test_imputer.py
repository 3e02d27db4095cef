"""An imputer fills in missing values of arrays and tables."""

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from genzoo.errors import ConfigError
from genzoo.sklearn import Imputer, estimator

pandas = pytest.importorskip("pandas")

RNG = np.random.default_rng(0)
FULL = RNG.multivariate_normal([0, 1, 2], [[1, 0.9, 0.2], [0.9, 1, 0.3], [0.2, 0.3, 1]], size=300)
X = np.where(RNG.random(FULL.shape) < 0.1, np.nan, FULL)


def test_missing_values_are_filled_in_and_others_stay():
    filled = Imputer("gaussian").fit_transform(X)
    known = ~np.isnan(X)
    assert (filled[known] == X[known]).all()
    assert np.abs(filled - FULL)[:, 0].max() < 3
    assert np.mean((filled - FULL)[~known] ** 2) < 0.7 * np.mean((FULL - np.nanmean(X, axis=0))[~known] ** 2)


def test_draws_spread_more_than_means_and_repeat():
    drawn = Imputer("gaussian", draw=True).fit(X)
    assert (drawn.transform(X) == drawn.transform(X)).all()
    assert (drawn.transform(X) != Imputer("gaussian").fit_transform(X)).any()


def test_frames_keep_their_columns_types_and_index():
    frame = pandas.DataFrame(X, columns=["a", "b", "c"], index=range(7, 307))
    frame["color"] = np.where(FULL[:, 0] > 0, "red", "blue")
    frame.loc[frame.index[:5], "color"] = None
    fitted = Imputer("naive-bayes").fit(frame)
    filled = fitted.transform(frame)
    assert list(filled.columns) == list(fitted.get_feature_names_out()) == ["a", "b", "c", "color"]
    assert list(filled.index) == list(frame.index)
    assert not filled.isna().any().any()
    assert set(filled["color"]) == {"red", "blue"}


def test_output_is_pandas_if_asked():
    filled = Imputer("gaussian").set_output(transform="pandas").fit_transform(X)
    assert list(filled.columns) == ["x0", "x1", "x2"]


def test_pipelines_searches_and_column_transformers_work():
    y = FULL.sum(axis=1)
    steps = make_pipeline(Imputer(estimator("gmm")()), LinearRegression())
    search = GridSearchCV(steps, {"imputer__estimator__n_components": [1, 2]}, cv=3).fit(X, y)
    assert search.best_score_ > 0.8
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    columns = ColumnTransformer([("filled", Imputer("gaussian"), ["a", "b"])], remainder="drop")
    assert columns.set_output(transform="pandas").fit_transform(frame).shape == (300, 2)


def test_a_model_that_cannot_impute_is_a_value_error():
    with pytest.raises(ConfigError, match="impute"):
        Imputer("autoencoder").fit(X)


def test_draws_repeat_only_with_a_whole_number():
    fixed = Imputer("gaussian", draw=True, random_state=3).fit(X)
    assert np.array_equal(fixed.transform(X), fixed.transform(X))
    for state in (None, np.random.RandomState(0), np.random.default_rng(0)):
        free = Imputer("gaussian", draw=True, random_state=state).fit(X)
        assert not np.array_equal(free.transform(X), free.transform(X))
    means = Imputer("gaussian", random_state=None).fit(X)
    assert np.array_equal(means.transform(X), means.transform(X))
