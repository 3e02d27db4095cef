"""Runs on disk: their files, reproducibility and resuming."""

import hashlib
import json
import os
import shutil
import signal
import threading

import numpy as np
import pytest
import torch
import toy_plugin
from PIL import Image
from safetensors.torch import load_file, save_file

import genzoo
from genzoo.config.resolve import resolve_config
from genzoo.data.dataset import Split
from genzoo.data.loading import open_dataset
from genzoo.errors import ArtifactError, ConfigError, DataError, DivergenceError, GenzooError, Interrupted, PluginError
from genzoo.persistence.checkpoint import checkpoints
from genzoo.plugins.manager import get_registry
from genzoo.runtime.device import has_native_bf16, resolve_device
from genzoo.training.resume import prepare_resume
from genzoo.training.run_training import run_training, train_in_memory
from genzoo.training.setup import build_setup

pytestmark = pytest.mark.once

NOTHING_HELD_OUT = {"validation": 0.0, "test": 0.0}
QUICK = {"steps": 12, "batch_size": 16, "ema": 0.9}


def bits(path):
    return hashlib.sha256((path / "model" / "model.safetensors").read_bytes()).hexdigest()


def lines(run):
    return [json.loads(line) for line in run.log.read_text(encoding="utf-8").splitlines()]


def kill_after(number, signal_number=signal.SIGTERM):
    def watch(step):
        if step.number == number:
            os.kill(os.getpid(), signal_number)

    return watch


def resume(path, **budget):
    run, prepared, start = prepare_resume(str(path), budget)
    run_training(prepared, run, (), start)
    return run


def test_a_run_directory_has_the_documented_files(tmp_path):
    run = genzoo.train("dcgan", out=tmp_path / "run", training=QUICK, seed=3)
    names = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    assert {
        "config.json",
        "run.json",
        "metrics.jsonl",
        "samples/step-000012.png",
        "checkpoints/step-000012/state.json",
        "checkpoints/step-000012/state.safetensors",
        "model/config.json",
        "model/model.safetensors",
        "model/README.md",
    } <= names
    record = run.record
    expected = "bf16" if has_native_bf16(resolve_device("auto")) else "fp32"
    assert (record["status"], record["steps"], record["precision"]) == ("finished", 12, expected)
    assert record["weights"] == bits(run.path)
    assert [line["step"] for line in lines(run)] == [1, 10]
    assert set(lines(run)[0]["loss"]) == {"discriminator", "generator"}
    config = run.config
    assert (config.model, config.seed, config.data_digest) == ("genzoo-gan/dcgan", 3, record_digest())
    for file in (run.model / "config.json", run.model / "README.md"):
        assert str(tmp_path) not in file.read_text(encoding="utf-8")


def record_digest():
    from genzoo.data.builtin import digits

    return digits().digest()


@pytest.mark.precision
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(tmp_path):
    runs = [genzoo.train("dcgan", out=tmp_path / str(i), training=QUICK, seed=seed) for i, seed in enumerate((1, 1, 2))]
    assert bits(runs[0].path) == bits(runs[1].path) != bits(runs[2].path)
    assert np.array_equal(runs[0].sample(10, seed=4), runs[1].sample(10, seed=4))
    assert not np.array_equal(runs[0].sample(10, seed=4), runs[0].sample(10, seed=5))


@pytest.mark.parametrize("model", [entry.id for entry in get_registry().models])
def test_a_model_has_the_capabilities_that_its_spec_announces(tmp_path, model):
    entry = get_registry().models.get(model)
    spec = entry.spec
    direct = get_registry().objective_of(entry, spec.objectives[0]).spec.kind == "direct"
    options = {"autoregressive": True} if spec.name == "flow" else {}  # which couplings give up imputation for
    run = genzoo.train(model, out=tmp_path / "run", training={} if direct else {"steps": 1}, **options)
    found = run.load().capabilities
    rare = {"outliers"}  # only with noise
    if "likelihood-bound" in found:  # an estimate is of a density, and digits lie on a grid
        rare |= {"likelihood-estimate"}
    if {"likelihood", "likelihood-bound"} <= spec.capabilities:  # one or the other, by the kinds of the columns
        rare |= {"likelihood", "likelihood-bound"} - found
        assert found & {"likelihood", "likelihood-bound"}
    assert spec.capabilities - rare == found


@pytest.mark.precision
def test_a_model_folder_samples_on_its_own(tmp_path):
    run = genzoo.train("dcgan", out=tmp_path / "run", training=QUICK)
    copy = shutil.copytree(run.model, tmp_path / "elsewhere")
    fitted = genzoo.load(copy)
    events = fitted.sample(5)
    assert events.shape == (5, 1, 8, 8)
    assert events.dtype == np.uint8
    assert events.max() <= 16
    # A run that has not finished is sampled from its last checkpoint, which holds the same weights here.
    shutil.rmtree(run.model)
    with pytest.raises(ArtifactError, match=r"config\.json"):
        run.sample(5)
    run.update(status="interrupted")
    assert np.array_equal(run.sample(5), events)


@pytest.mark.precision
@pytest.mark.parametrize(("model", "more"), [("dcgan", {}), ("dcgan", {"objective": "wasserstein-gp"}), ("toy", {})])
def test_a_resumed_run_equals_an_uninterrupted_run_bit_for_bit(tmp_path, model, more):
    settings = {**QUICK, "checkpoint_every": 5, "schedule": {"warmup": 4}, "log_every": 2}
    whole = genzoo.train(model, out=tmp_path / "whole", training=settings, **more)
    with pytest.raises(Interrupted, match=r"genzoo\.resume"):
        genzoo.train(model, out=tmp_path / "part", training=settings, callbacks=[kill_after(7)], **more)
    part = resume(tmp_path / "part")
    assert bits(part.path) == bits(whole.path)
    assert np.array_equal(part.sample(3), whole.sample(3))
    untimed = [
        [{key: value for key, value in line.items() if key != "seconds"} for line in lines(run)]
        for run in (part, whole)
    ]
    assert untimed[0] == untimed[1]


@pytest.mark.precision
@pytest.mark.parametrize("model", ["dcgan", "toy"])
def test_a_larger_budget_equals_a_fresh_run_with_that_budget(tmp_path, model):
    whole = genzoo.train(model, out=tmp_path / "whole", training=QUICK)
    part = genzoo.train(model, out=tmp_path / "part", training={**QUICK, "steps": 7})
    resume(part.path, steps=12)
    assert bits(part.path) == bits(whole.path)


def test_resuming_reads_the_state_from_its_file(tmp_path):
    """Optimizer state is restored with its parameters' strides; otherwise the results would differ."""
    run = genzoo.train("dcgan", out=tmp_path / "run", training={**QUICK, "steps": 6})
    _, prepared, start = prepare_resume(str(run.path), {"steps": 8})
    engine = prepared.engine
    assert start.step == 6
    saved = load_file(checkpoints(run.checkpoints)[-1] / "state.safetensors")
    for name, tensor in engine.tensors().items():
        assert torch.equal(tensor, saved[name]), name
    for group in engine._groups.values():
        for parameter, state in group._optimizer.state.items():
            assert state["exp_avg"].stride() == parameter.stride()


@pytest.mark.precision
def test_an_interrupted_run_says_how_to_resume_and_ends_the_same(tmp_path):
    whole = genzoo.train("toy", out=tmp_path / "whole", training={"steps": 20})

    assert threading.current_thread() is threading.main_thread()
    with pytest.raises(Interrupted, match=r"genzoo\.resume") as caught:
        genzoo.train("toy", out=tmp_path / "part", training={"steps": 20}, callbacks=[kill_after(7)])
    assert caught.value.exit_code == 143
    part = genzoo.Run(tmp_path / "part")
    assert part.record["status"] == "interrupted"
    assert part.record["steps"] == 7
    resume(part.path)
    assert bits(part.path) == bits(whole.path)
    assert part.record["status"] == "finished"


@pytest.mark.precision
def test_a_diverged_run_keeps_its_last_good_state(tmp_path):
    with pytest.raises(DivergenceError, match="step 5"):
        genzoo.train("toy", objective="toy-exploding", out=tmp_path / "run", training={"checkpoint_every": 2})
    run = genzoo.Run(tmp_path / "run")
    assert run.record["status"] == "diverged"
    assert checkpoints(run.checkpoints)[-1].name == "step-000004"
    assert np.isfinite(run.sample(10)).all()


def test_a_run_that_diverges_before_its_first_checkpoint_still_has_one(tmp_path):
    with pytest.raises(DivergenceError):
        genzoo.train("toy", objective="toy-exploding", out=tmp_path / "run", training={"checkpoint_every": 1000})
    assert np.isfinite(genzoo.Run(tmp_path / "run").sample(2)).all()


def test_a_run_can_be_stopped_before_its_first_evaluation(tmp_path):
    settings = {"steps": 20, "eval_every": 2, "checkpoint_every": 1}
    whole = genzoo.train("toy", out=tmp_path / "whole", training=settings)
    with pytest.raises(Interrupted):
        genzoo.train("toy", out=tmp_path / "part", training=settings, callbacks=[kill_after(3)])
    assert bits(resume(tmp_path / "part").path) == bits(whole.path)


def test_an_interrupted_run_remembers_its_larger_budget(tmp_path):
    whole = genzoo.train("toy", out=tmp_path / "whole", training={"steps": 40})
    run = genzoo.train("toy", out=tmp_path / "run", training={"steps": 5})
    with pytest.raises(Interrupted):
        genzoo.resume(run.path, steps=40, callbacks=[kill_after(20)])
    old = genzoo.load(run.model).sample(3)
    assert not np.array_equal(run.sample(3), old), "an unfinished run samples from its last checkpoint"
    genzoo.resume(run.path)
    assert run.record["steps"] == 40
    assert bits(run.path) == bits(whole.path)


def test_resuming_a_run_out_of_patience_raises(tmp_path):
    settings = {"steps": 3000, "optimizer": {"lr": 0.5}, "patience": 2}
    run = genzoo.train("toy", out=tmp_path / "run", training=settings)
    with pytest.raises(ConfigError, match="ran out of patience"):
        genzoo.resume(run.path, steps=9000)


def test_held_out_rows_do_not_affect_the_transform(tmp_path):
    events = np.random.default_rng(0).uniform(2, 9, (200, 8, 8))
    data = genzoo.train("dcgan", events, out=tmp_path / "one", training=QUICK)
    row = genzoo.Dataset("x", data.data, events[:, None]).split(data.config.split, 0).test[0]
    events[row, 3, 3] = 1000.0
    other = genzoo.train("dcgan", events, out=tmp_path / "two", training=QUICK)
    assert data.load().transform.scale == other.load().transform.scale
    assert bits(data.path) == bits(other.path)


def test_a_portable_model_does_not_contain_local_paths(tmp_path):
    folder = tmp_path / "secret-folder"
    folder.mkdir()
    np.save(folder / "data.npy", np.random.default_rng(0).normal(size=(200, 3)))
    run = genzoo.train("toy", folder / "data.npy", out=tmp_path / "run", training={"steps": 2})
    for file in run.model.iterdir():
        assert b"secret" not in file.read_bytes()


@pytest.mark.precision
def test_buffers_that_are_not_saved_are_computed_again(tmp_path, monkeypatch):
    class Odd(toy_plugin.ToyGaussian):
        def __init__(self, shape, offset):
            super().__init__(shape, offset)
            self.register_buffer("factor", torch.full((), 2.0), persistent=False)
            self.plain = torch.ones(())

        def sample(self, n, **options):
            return super().sample(n) * self.factor * self.plain

    monkeypatch.setattr(toy_plugin, "ToyGaussian", Odd)
    run = genzoo.train("toy", out=tmp_path / "run", training={"steps": 2})
    assert np.isfinite(run.sample(5)).all()


def test_an_objective_and_data_may_be_given_as_settings(tmp_path):
    for i in range(40):
        Image.new("L", (9, 8), 6 * i).save(tmp_path / f"{i}.png")
    run = genzoo.train(
        "dcgan",
        {"source": str(tmp_path), "size": 8},
        objective={"name": "hinge", "margin": 2.0},
        out=tmp_path / "run",
        training=QUICK,
    )
    assert run.config.objective.options["margin"] == 2.0
    assert run.data.event_shape == (1, 8, 8)


@pytest.mark.parametrize("data", [torch.randn(100, 3), np.random.default_rng(0).normal(size=(100, 3)).tolist()])
def test_tensors_and_lists_are_arrays_too(tmp_path, data):
    run = genzoo.train("toy", data, out=tmp_path / "run", training={"steps": 2})
    assert run.log_prob(data).shape == (100,)
    assert run.log_prob(np.zeros((0, 3))).shape == (0,)
    for wrong in (np.full((1, 3), np.nan), [["a", "b", "c"]], np.zeros((1, 4))):
        with pytest.raises(DataError):
            run.log_prob(wrong)
    for count in (2.5, "3", 0):
        with pytest.raises(ConfigError):
            run.sample(count)


@pytest.mark.parametrize("data", [{"a": 1}, 5, [["x"]], [[object()]], []])
def test_data_of_a_wrong_type_raise_a_readable_error(tmp_path, data):
    with pytest.raises(GenzooError):
        genzoo.train("toy", data, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_failing_callback_is_named(tmp_path, monkeypatch):
    settings = {"steps": 3, "callbacks": ["toy-callback"]}
    monkeypatch.setattr(toy_plugin, "build_callback", lambda: 1 / 0)
    with pytest.raises(PluginError, match="toy-callback"):
        genzoo.train("toy", out=tmp_path / "run", training=settings)
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(toy_plugin, "build_callback", lambda: lambda step, run: 1 / 0)
    with pytest.raises(PluginError, match="toy-callback"):
        genzoo.train("toy", out=tmp_path / "run", training=settings)


@pytest.mark.parametrize(
    "change", [{"numbers": {}}, {"numbers": {"scalers": 5}}, {"monitor": {"best": "x"}}, {"step": -1}]
)
def test_a_tampered_checkpoint_raises(tmp_path, change):
    run = genzoo.train("toy", out=tmp_path / "run", training={"steps": 5})
    file = checkpoints(run.checkpoints)[-1] / "state.json"
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **change}), encoding="utf-8")
    with pytest.raises(ArtifactError):
        prepare_resume(str(run.path), {"steps": 10})


@pytest.mark.precision
def test_a_tampered_precision_raises(tmp_path):
    run = genzoo.train("toy", out=tmp_path / "run", training={"steps": 5})
    run.update(precision="foo")
    with pytest.raises(ConfigError, match="foo"):
        prepare_resume(str(run.path), {"steps": 10})


@pytest.mark.precision
def test_patience_stops_and_keeps_the_best_step(tmp_path):
    run = genzoo.train(
        "toy",
        out=tmp_path / "run",
        training={"steps": 5000, "optimizer": {"lr": 0.5}, "patience": 3, "eval_every": 1},
    )
    validation = {line["step"]: line["validation"] for line in lines(run) if "validation" in line}
    best = min(validation, key=validation.get)
    assert list(validation)[-4] == best, "three evaluations after the best"
    assert run.record["steps"] < 5000
    assert json.loads((run.model / "config.json").read_text(encoding="utf-8"))["training"]["steps"] == best
    split = open_dataset(run.config.data, get_registry())
    held_out = split.events[split.split(run.config.split, run.config.seed).validation]
    transform = run.load().transform
    value = -run.log_prob(held_out).mean() - transform.scale.log().sum().item()
    assert value == pytest.approx(validation[best], rel=1e-5)


def test_patience_raises_if_nothing_can_be_watched(tmp_path):
    with pytest.raises(ConfigError, match="nothing to monitor"):
        genzoo.train("dcgan", out=tmp_path / "run", training={"patience": 2})
    assert not (tmp_path / "run").exists()


def test_only_the_last_checkpoints_are_kept(tmp_path):
    run = genzoo.train(
        "toy", out=tmp_path / "run", training={"steps": 20, "checkpoint_every": 3, "keep_checkpoints": 2}
    )
    names = [path.name for path in checkpoints(run.checkpoints)]
    assert names[-2:] == ["step-000018", "step-000020"]
    best = [line for line in lines(run) if "validation" in line]
    assert len(names) <= 3
    assert best


def test_resuming_on_other_data_raises(tmp_path, monkeypatch):
    events = np.random.default_rng(0).normal(size=(200, 3))
    np.save(tmp_path / "data.npy", events)
    run = genzoo.train("toy", tmp_path / "data.npy", out=tmp_path / "run", training={"steps": 5})
    np.save(tmp_path / "data.npy", events + 1)
    with pytest.raises(ArtifactError, match="other data"):
        prepare_resume(str(run.path), {"steps": 10})


def test_an_array_in_memory_is_data_too(tmp_path):
    events = np.random.default_rng(0).normal([5, -3, 0], [1, 2, 3], size=(800, 3))
    run = genzoo.train("toy", events, out=tmp_path / "run", offset=1.0, training={"epochs": 40, "batch_size": 50})
    samples = run.sample(4000)
    assert np.allclose(samples.mean(0), events.mean(0), atol=0.5)
    assert run.config.options["offset"] == 1.0


def test_a_callback_sees_every_step(tmp_path):
    toy_plugin.SEEN.clear()
    genzoo.train("toy", out=tmp_path / "run", training={"steps": 5, "callbacks": ["toy-callback"]})
    assert toy_plugin.SEEN == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("file", ["config.json", "run.json", "checkpoints/step-000005/state.json"])
def test_a_damaged_run_raises(tmp_path, file):
    run = genzoo.train("toy", out=tmp_path / "run", training={"steps": 5})
    (run.path / file).write_text('{"format": 1', encoding="utf-8")
    with pytest.raises(ArtifactError):
        prepare_resume(str(run.path), {"steps": 10})


@pytest.mark.parametrize(
    "damage",
    [
        lambda model: (model / "model.safetensors").unlink(),
        lambda model: (model / "config.json").write_text("[]", encoding="utf-8"),
        lambda model: (model / "config.json").write_text('{"a": 1, "a": 2}', encoding="utf-8"),
        lambda model: edit(model, format=3),
        lambda model: edit(model, more=1),
        lambda model: edit(model, options={"latent": 64, "nothing": 1}),
        lambda model: edit(model, tensors="0" * 64),
        lambda model: retensor(model, lambda t: t.pop("generator.linear.weight")),
        lambda model: retensor(model, lambda t: t.update({"generator.extra": torch.zeros(3)})),
        lambda model: retensor(model, lambda t: t.update({"generator.linear.weight": torch.zeros(3, 3)})),
        lambda model: retensor(model, lambda t: t["generator.linear.weight"].fill_(torch.nan)),
        lambda model: retensor(model, lambda t: t.update({"transform.scale": torch.zeros(())})),
        lambda model: (model / "model.safetensors").write_bytes(b"\xff" * 100),
        lambda model: edit(model, options={"latent": 65_000, "generator_widths": [8192, 8192, 8192]}),
    ],
)
def test_a_damaged_model_folder_raises(tmp_path, damage):
    run = genzoo.train("dcgan", out=tmp_path / "run", training={"steps": 1, "batch_size": 16})
    damage(run.model)
    with pytest.raises(GenzooError) as caught:
        genzoo.load(run.model).sample(1)
    assert caught.value.exit_code == 4


def edit(folder, **fields):
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**content, **fields}), encoding="utf-8")


def retensor(model, change):
    tensors = load_file(model / "model.safetensors")
    change(tensors)
    save_file(tensors, model / "model.safetensors")
    edit(model, tensors=hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest())


def test_a_model_of_a_missing_plugin_raises_with_its_name(tmp_path):
    run = genzoo.train("toy", out=tmp_path / "run", training={"steps": 1})
    edit(run.model, model="genzoo-other/thing")
    with pytest.raises(ArtifactError, match="genzoo-other/thing"):
        genzoo.load(run.model)


def test_a_failing_builder_is_a_plugin_error(tmp_path, monkeypatch):
    monkeypatch.setattr(toy_plugin, "build", lambda config, data: 1 / 0)
    with pytest.raises(PluginError, match="ZeroDivisionError"):
        genzoo.train("toy", out=tmp_path / "run")
    monkeypatch.setattr(toy_plugin, "build", lambda config, data: "parts")
    with pytest.raises(PluginError, match="str instead of Parts"):
        genzoo.train("toy", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_unsuitable_data_raise_before_anything_is_written(tmp_path):
    rows = np.random.default_rng(0).normal(size=(60, 2))
    rows[3, 1] = np.nan
    with pytest.raises(DataError, match=r"'toy' does not accept them.*drop_missing=True"):
        genzoo.train("toy", data=rows, out=tmp_path / "run")
    with pytest.raises(ConfigError, match="gradients and does not support weighted rows"):
        genzoo.train("toy", data=np.nan_to_num(rows), weights=np.ones(60), out=tmp_path / "run")
    with pytest.raises(ConfigError, match="'weight'"):
        genzoo.train("gmm", data="iris", weights=np.ones(150), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.precision
@pytest.mark.parametrize("model", ["gmm", "toy", "dcgan"])
def test_training_in_memory_gives_the_weights_of_a_run(tmp_path, model):
    training = {} if model == "gmm" else {"steps": 12, "batch_size": 16, "ema": 0.9}
    run = genzoo.train(model, out=tmp_path / "run", training=training, seed=3)
    fitted = train_in_memory(build_setup(run.config))
    assert np.array_equal(fitted.sample(9), run.sample(9))


@pytest.mark.precision
def test_training_in_memory_keeps_the_best_step_under_patience(tmp_path):
    training = {"epochs": 40, "batch_size": 16, "patience": 2, "optimizer": {"lr": 0.5}}
    run = genzoo.train("toy", out=tmp_path / "run", training=training)
    assert run.record["steps"] < 40 * 6, "patience must end it for this to test anything"
    fitted = train_in_memory(build_setup(run.config))
    assert np.array_equal(fitted.sample(9), run.sample(9))


def test_rows_to_train_on_can_be_named():
    config = resolve_config(get_registry(), "gaussian", {"data": {"source": "iris"}})
    rows = np.arange(20, 60)
    prepared = build_setup(config, split=Split(rows, rows[:0], rows[:0]))
    mean = train_in_memory(prepared).sample(1)
    assert prepared.summary()["rows"]["train"] == 40
    assert mean.shape == (1, 4)
    shift = prepared.transform.shift.numpy()
    assert np.allclose(shift, open_dataset(config.data, get_registry()).events[20:60].mean(axis=0))


def test_only_a_batch_size_of_the_recipe_is_cut_to_the_rows(tmp_path):
    events = np.random.default_rng(0).normal(size=(11, 2))
    run = genzoo.train("toy", events, out=tmp_path / "run", precision="fp32", split=NOTHING_HELD_OUT)
    assert run.config.training.batch_size == 11
    assert "The batch size is 11, and not 16 as in the recipe, because there are 11 rows." in run.record["notes"]
    with pytest.raises(ConfigError, match=r"There are 11 training rows and a step takes 16 events. Use batch_size=11"):
        genzoo.train("toy", events, out=tmp_path / "given", batch_size=16, split=NOTHING_HELD_OUT)
    parts = {"training": {"grad_accumulation": 4}, "precision": "fp32", "split": NOTHING_HELD_OUT}
    assert genzoo.train("toy", events, out=tmp_path / "parts", **parts).config.training.batch_size == 8


@pytest.mark.precision
def test_a_loaded_model_computes_as_the_trained_one(tmp_path):
    settings = {"steps": 2, "precision": "fp32", "batch_size": 16, "ema": 0.5}
    run = genzoo.train("dcgan", "digits", out=tmp_path / "run", **settings)
    finished, checkpoint = genzoo.load(run.model), run._read_checkpoint(checkpoints(run.checkpoints), None)
    for loaded in (finished, checkpoint):
        weights = [value for value in loaded.generator.parameters() if value.ndim == 4 and min(value.shape[1:]) > 1]
        assert weights
        assert all(value.is_contiguous(memory_format=torch.channels_last) for value in weights)
        assert not any(value.requires_grad for value in loaded.generator.parameters())
    np.testing.assert_array_equal(finished.sample(3), checkpoint.sample(3))


@pytest.mark.precision
@pytest.mark.parametrize("scale", [float("nan"), float("inf")])
def test_a_loss_before_any_update_does_not_blame_the_learning_rate(tmp_path, monkeypatch, scale):
    monkeypatch.setattr(toy_plugin, "build_loss", lambda options: toy_plugin.NegativeLogLikelihood(scale))
    with pytest.raises(DivergenceError, match="at step 1, before any update") as raised:
        genzoo.train("toy", out=tmp_path / "run", precision="fp32")
    assert "learning rate" not in str(raised.value)
