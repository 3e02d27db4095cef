"""Outliers are rows below a conformal threshold, or a share of the training rows."""

import numpy as np
import pytest
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from genzoo.errors import ConfigError
from genzoo.sklearn import OutlierDetector, estimator

pandas = pytest.importorskip("pandas")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 2))
FAR = np.array([[9.0, 9.0], [-8.0, 7.0]])


def test_far_rows_are_outliers_and_decisions_are_scores_above_the_offset():
    fitted = OutlierDetector("gmm", threshold=0.02).fit(X)
    assert list(fitted.predict(FAR)) == [-1, -1]
    assert fitted.decision_function(X) == pytest.approx(fitted.score_samples(X) - fitted.offset_)
    assert set(fitted.predict(X)) == {-1, 1}


def test_new_rows_are_flagged_at_most_as_often_as_the_threshold_says():
    shares = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        fitted = OutlierDetector("gaussian", threshold=0.1, random_state=seed).fit(rng.normal(size=(160, 2)))
        shares.append(np.mean(fitted.predict(rng.normal(size=(1000, 2))) < 0))
    assert 0.05 < np.mean(shares) < 0.12


def test_contamination_is_a_share_of_the_training_rows():
    fitted = OutlierDetector(estimator("gaussian")(), contamination=0.1).fit(X)
    assert (fitted.predict(X) == -1).sum() == 40
    other = EllipticEnvelope(contamination=0.1, support_fraction=1.0, random_state=0).fit(X)
    assert (fitted.predict(X) == other.predict(X)).mean() > 0.99


def test_weights_count_rows_in_the_threshold():
    weights = np.where(np.arange(len(X)) < 200, 2.0, 0.0)
    weighted = OutlierDetector("gaussian", contamination=0.1).fit(X, sample_weight=weights)
    plain = OutlierDetector("gaussian", contamination=0.1).fit(np.repeat(X[:200], 2, axis=0))
    assert weighted.offset_ == pytest.approx(plain.offset_, rel=1e-6)


def test_too_few_held_out_rows_flag_nothing_and_warn():
    with pytest.warns(UserWarning, match="too few"):
        fitted = OutlierDetector("gaussian", threshold=0.01).fit(X[:100])
    assert fitted.offset_ == -np.inf
    assert (fitted.predict(FAR) == 1).all()


def test_any_estimator_that_scores_rows_can_be_wrapped():
    fitted = OutlierDetector(IsolationForest(random_state=0), contamination=0.05).fit(X)
    assert (fitted.predict(X) == -1).sum() == pytest.approx(20, abs=2)


def test_frames_pipelines_and_parameters_of_the_estimator_work():
    frame = pandas.DataFrame(X, columns=["a", "b"])
    fitted = OutlierDetector("gaussian").fit(frame)
    assert list(fitted.feature_names_in_) == ["a", "b"]
    assert fitted.predict(frame).shape == (400,)
    steps = make_pipeline(StandardScaler(), OutlierDetector(estimator("gmm")()))
    steps.set_params(outlierdetector__estimator__n_components=3).fit(X)
    assert steps[-1].estimator_.n_components == 3
    labels = np.where(np.arange(400) < 390, 1, -1)
    assert (cross_val_score(steps, X, labels, scoring="accuracy", cv=3) > 0.8).all()


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"threshold": 0}, "threshold is 0"),
        ({"threshold": "0.1"}, "threshold is '0.1'"),
        ({"contamination": 1.5}, "contamination is 1.5"),
        ({"contamination": "auto"}, "contamination is 'auto'; it must be a share"),
        ({"calibration_fraction": 0.0}, "calibration_fraction is 0.0"),
        ({"estimator": 3}, "estimator is 3"),
        ({"estimator": "dcgan"}, "no method 'score_samples'"),
    ],
)
def test_invalid_parameters_are_value_errors(bad, words):
    with pytest.raises(ConfigError, match=words):
        OutlierDetector(**bad).fit(X)


def test_weights_for_a_model_that_takes_none_are_value_errors():
    with pytest.raises(ConfigError, match="no sample_weight"):
        OutlierDetector("autoencoder").fit(X, sample_weight=np.ones(len(X)))
