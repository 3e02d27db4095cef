"""Evaluation by metrics during training, and selection of the best step."""

import json

import numpy as np
import pytest

import genzoo
from genzoo.errors import ConfigError
from genzoo.metrics.evaluation.choice import find_extractor, find_metrics
from genzoo.metrics.evaluation.reference import make_reference
from genzoo.metrics.evaluator import compute_metrics
from genzoo.persistence.checkpoint import checkpoints, load_checkpoint
from genzoo.plugins.manager import get_registry

pytestmark = pytest.mark.once

EVERY = {"steps": 12, "batch_size": 64, "eval_every": 0.25, "checkpoint_every": 1, "keep_checkpoints": 100}


def lines(run, key):
    found = [json.loads(line) for line in run.log.read_text(encoding="utf-8").splitlines()]
    return {line["step"]: line[key] for line in found if key in line}


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    out = tmp_path_factory.mktemp("watch") / "run"
    return genzoo.train("dcgan", out=out, training={**EVERY, "metrics": ["coverage", "frechet-distance"]})


def test_metrics_are_logged_at_every_evaluation(watched):
    steps = lines(watched, "metrics")
    assert len(steps) >= 2
    assert all(set(values) == {"coverage", "frechet-distance"} for values in steps.values())


def test_the_rule_is_written_down_before_and_its_outcome_after(watched):
    rule = watched.record["watch"]
    assert (rule["by"], rule["direction"], rule["keeps"]) == ("coverage", "higher", "best")
    steps = lines(watched, "metrics")
    best = max(values["coverage"] for values in steps.values())
    first = min(step for step, values in steps.items() if values["coverage"] == best)
    assert watched.record["best"].items() >= {"by": "coverage", "value": best, "step": first}.items()


@pytest.mark.precision
def test_the_kept_model_is_the_best_step_with_the_logged_score(watched):
    folder = next(path for path in checkpoints(watched.checkpoints) if path.name.endswith(f"{best_step(watched):06d}"))
    state, tensors = load_checkpoint(folder)
    kept = state.kept(tensors)
    weights = genzoo.load(watched.path / "model").generator.state_dict()
    assert all(np.array_equal(kept[f"generator.{name}"], value) for name, value in weights.items())


def best_step(run):
    return run.record["best"]["step"]


@pytest.mark.precision
def test_a_logged_metric_equals_the_metric_of_the_kept_model(watched):
    from genzoo.data.loading import open_dataset

    config = watched.config
    dataset = open_dataset(config.data, get_registry())
    split = dataset.split(config.split, config.seed)
    metrics = find_metrics(get_registry(), ["coverage"])
    reference = make_reference(dataset, split.validation, metrics, find_extractor(get_registry(), None, dataset.spec))
    found = compute_metrics(watched.load(), reference, metrics, seed=config.seed).scores["coverage"]
    assert found.value == watched.record["best"]["value"]


def test_patience_works_for_a_gan_through_a_metric(tmp_path):
    settings = {"steps": 400, "batch_size": 64, "eval_every": 0.1, "patience": 2, "metrics": ["coverage"]}
    run = genzoo.train("dcgan", out=tmp_path / "run", training={**settings, "optimizer": {"lr": 1e-7}})
    assert run.record["steps"] < 400
    values = list(lines(run, "metrics").values())
    assert all(later["coverage"] <= max(v["coverage"] for v in values[:-2]) for later in values[-2:])


@pytest.mark.precision
def test_a_resumed_run_watches_on_as_if_it_had_never_stopped(watched, tmp_path):
    settings = {**EVERY, "metrics": ["coverage", "frechet-distance"]}
    genzoo.train("dcgan", out=tmp_path / "run", training={**settings, "steps": 5})
    resumed = genzoo.resume(tmp_path / "run", steps=12)
    whole = lines(watched, "metrics")
    assert {step: lines(resumed, "metrics")[step] for step in whole} == whole


def test_patience_watches_the_objective_unless_a_rule_names_a_metric(tmp_path):
    training = {"steps": 8, "metrics": ["coverage"], "eval_every": 0.5}
    run = genzoo.train("toy", "iris", out=tmp_path / "a", training=training)
    assert run.record["watch"]["by"] == "objective"
    assert lines(run, "validation").keys() == lines(run, "metrics").keys()
    run = genzoo.train("toy", "iris", out=tmp_path / "b", training={"steps": 8, "monitor": "frechet-distance"})
    assert run.record["watch"]["metrics"] == ["frechet-distance"]
    assert run.record["best"]["by"] == "frechet-distance"


@pytest.mark.parametrize(
    ("model", "training", "message"),
    [
        ("dcgan", {"patience": 2}, "Name a metric"),
        ("dcgan", {"monitor": "objective", "metrics": ["coverage"]}, "has no monitor of its own"),
        ("dcgan", {"metrics": ["covrage"]}, "covrage"),
        ("dcgan", {"metrics": ["coverage"], "features": "nothing"}, "nothing"),
        ("gmm", {"metrics": ["coverage"]}, "has no setting metrics"),
        ("dcgan", {"metrics": ["log-likelihood"]}, "has none"),
        ("dcgan", {"metrics": ["total-variation"]}, "is for tables"),
    ],
)
def test_a_rule_that_cannot_be_watched_raises_before_anything_is_written(model, training, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        genzoo.train(model, "digits" if model == "dcgan" else "iris", out=tmp_path / "run", training=training)
    assert not (tmp_path / "run").exists()


def test_a_metric_that_cannot_be_computed_ends_the_run_with_its_reason(tmp_path):
    with pytest.raises(genzoo.DataError, match="needs at least"):
        genzoo.train(
            "dcgan", out=tmp_path / "run", training={**EVERY, "metrics": ["coverage"]}, split={"validation": 0.002}
        )


def test_a_metric_raises_if_there_are_no_validation_rows(tmp_path):
    with pytest.raises(ConfigError, match="split has none"):
        genzoo.train("toy", "iris", out=tmp_path / "run", training={"metrics": ["coverage"]}, split={"validation": 0.0})
