"""Estimators are saved as folders without code, and come back as they were."""

import json

import numpy as np
import pytest

import genzoo
from genzoo.errors import ArtifactError, ConfigError
from genzoo.sklearn import Imputer, OutlierDetector, estimator, load

pandas = pytest.importorskip("pandas")

RNG = np.random.default_rng(0)
FRAME = pandas.DataFrame(RNG.normal(size=(150, 3)), columns=["a", "b", "c"])
NETWORK = {
    "steps": 20,
    "batch_size": 16,
    "widths": (8, 4),
    "latent": 2,
    "n_components": np.int64(2),
    "precision": "fp32",
}


@pytest.mark.parametrize("made", [estimator("gmm")(n_components=3), estimator("vae")(**NETWORK)], ids=["gmm", "vae"])
def test_a_model_comes_back_with_its_parameters_and_answers(made, tmp_path):
    made.fit(FRAME).save(tmp_path / "kept")
    back = load(tmp_path / "kept")
    assert type(back) is type(made)
    assert back.get_params() == made.get_params()
    assert list(back.feature_names_in_) == ["a", "b", "c"]
    assert (back.score_samples(FRAME) == made.score_samples(FRAME)).all()
    assert back.n_iter_ == made.n_iter_
    back.save(tmp_path / "kept")  # again, in its own place
    assert (load(tmp_path / "kept").sample(5) == made.sample(5)).all(axis=None)
    assert genzoo.load(tmp_path / "kept" / "model").model == made.model_id
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["estimator.json", "model"]


@pytest.mark.parametrize("given", ["gaussian", estimator("gmm")(n_components=3)], ids=["name", "estimator"])
def test_detectors_and_imputers_come_back(given, tmp_path):
    detector = OutlierDetector(given, threshold=0.1).fit(FRAME)
    detector.save(tmp_path / "detector")
    back = load(tmp_path / "detector")
    assert back.offset_ == detector.offset_
    assert (back.predict(FRAME) == detector.predict(FRAME)).all()
    holes = FRAME.mask(RNG.random(FRAME.shape) < 0.1)
    imputer = Imputer(given, draw=True).fit(holes)
    imputer.save(tmp_path / "imputer")
    assert load(tmp_path / "imputer").transform(holes).equals(imputer.transform(holes))
    assert repr(load(tmp_path / "imputer")) == repr(imputer)


def test_a_path_in_the_home_folder_is_written_where_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    imputer = Imputer(estimator("gaussian")(random_state=np.random.default_rng(0))).fit(FRAME)
    for made in (imputer, imputer.estimator_, OutlierDetector("gaussian").fit(FRAME)):
        made.save("~/kept")
        assert (tmp_path / "kept").is_dir()
        assert repr(load("~/kept").fit(FRAME))


def test_nothing_else_is_overwritten_and_only_plain_values_are_stored(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(ConfigError, match="no folder of an estimator"):
        estimator("gaussian")().fit(FRAME).save(tmp_path / "taken")
    wrapped = OutlierDetector(estimator("gaussian")(random_state=np.random.RandomState(0))).fit(FRAME)
    wrapped.save(tmp_path / "new" / "place")
    assert load(tmp_path / "new" / "place").estimator.random_state is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 9}, "newer"),
        ({"parameters": {"nothing": 1}}, "no parameter 'nothing'"),
        ({"columns": ["a"]}, "1 columns"),
        ({"preset": "none"}, "preset"),
        ({"kind": "code"}, "kind"),
        ({"more": 1}, "more"),
    ],
)
def test_a_folder_that_does_not_fit_is_an_artifact_error(change, words, tmp_path):
    estimator("gaussian")().fit(FRAME).save(tmp_path / "kept")
    path = tmp_path / "kept" / "estimator.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ArtifactError, match=words):
        load(tmp_path / "kept")
    with pytest.raises(ArtifactError):
        load(tmp_path / "nowhere")
