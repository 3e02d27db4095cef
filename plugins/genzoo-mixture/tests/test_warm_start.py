"""Training that starts from another run."""

import json

import numpy as np
import pytest
import torch
from mixture_cases import problem

import genzoo
from genzoo.training.resume import prepare_resume
from genzoo.training.run_training import run_training


def losses(run):
    lines = (run.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["loss"]["negative_log_likelihood"] for line in lines]


def trained(path, x, components=3, model="gmm", training=None, **options):
    training = {"log_every": 1, "max_iter": 4, "tol": 1e-12} | (training or {})
    options.setdefault("init_params", "random_from_data")
    return genzoo.train(model, x, n_components=components, out=path, seed=0, training=training, **options)


@pytest.mark.parametrize(("first", "second"), [("fp64", "fp64"), ("fp32", "fp32"), ("fp64", "fp32"), ("fp32", "fp64")])
def test_a_warm_start_begins_where_the_other_run_ended(tmp_path, first, second):
    x = problem()
    run = trained(tmp_path / "first", x, precision=first)
    train = genzoo.Dataset("x", run.data, x).split(run.config.split, 0).train
    ended = run.log_prob(x[train]).mean()
    warm = trained(tmp_path / "warm", x, precision=second, warm_start=run.path)
    tolerance = 1e-12 if (first, second) == ("fp64", "fp64") else 1e-6
    assert losses(warm)[0] == pytest.approx(-ended, rel=tolerance)
    assert losses(warm)[-1] <= losses(warm)[0]
    whole = trained(tmp_path / "whole", x, precision=first, training={"max_iter": 8})
    assert losses(warm) == pytest.approx(losses(whole)[4:], rel=tolerance * 100)


def test_a_warm_start_keeps_the_center_of_the_first_run(tmp_path):
    x = problem() + 1000
    run = trained(tmp_path / "first", x, precision="fp64")
    other = problem(seed=0, n=300) + 1003
    warm = trained(tmp_path / "warm", other, precision="fp64", warm_start=run.path)
    assert torch.equal(warm.load().transform.shift, run.load().transform.shift)
    train = genzoo.Dataset("x", warm.data, other).split(warm.config.split, 0).train
    assert losses(warm)[0] == pytest.approx(-run.log_prob(other[train]).mean(), rel=1e-12)


def test_a_warm_start_from_another_model_or_other_columns_raises(tmp_path):
    x = problem()
    run = trained(tmp_path / "first", x)
    with pytest.raises(genzoo.ConfigError, match="gmm"):
        genzoo.train("gaussian", x, out=tmp_path / "a", warm_start=run.path)
    with pytest.raises(genzoo.ConfigError, match="other columns"):
        trained(tmp_path / "b", x[:, :2], warm_start=run.path)
    with pytest.raises(genzoo.GenzooError):
        trained(tmp_path / "c", x, components=4, warm_start=run.path)
    with pytest.raises(genzoo.ArtifactError):
        trained(tmp_path / "d", x, warm_start=tmp_path / "nowhere")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first"], "nothing was written"


def test_later_restarts_begin_afresh(tmp_path):
    x = problem()
    run = trained(tmp_path / "first", x, training={"max_iter": 50})
    warm = trained(tmp_path / "warm", x, training={"n_init": 2}, warm_start=run.path)
    restarts = warm.record["restarts"]
    assert len(restarts) == 2
    assert losses(warm)[4] > losses(warm)[0], "the second restart knows nothing of the first run"


@pytest.mark.parametrize("pause", [2, 6])
def test_a_warm_started_run_resumes_to_the_same_bits(tmp_path, pause):
    x = problem()
    np.save(tmp_path / "x.npy", x)
    source = str(tmp_path / "x.npy")
    run = trained(tmp_path / "first", source)
    settings = {"n_init": 2}
    whole = trained(tmp_path / "whole", source, training=settings, warm_start=run.path)
    trained(tmp_path / "part", source, training={**settings, "steps": pause}, warm_start=run.path)
    again, prepared, start = prepare_resume(str(tmp_path / "part"), {"steps": 10_000})
    assert start.step == pause
    run_training(prepared, again, (), start)
    assert again.record["weights"] == whole.record["weights"]
    assert again.record["restarts"] == whole.record["restarts"]
