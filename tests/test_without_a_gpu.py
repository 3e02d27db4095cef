"""What can be proven of the GPU path without one: no hard-coded device, no hidden wait for the host, no graph break."""

import itertools

import pytest
import torch

import genzoo
from genzoo.build import build_objective, build_parts
from genzoo.config import Training
from genzoo.device import Runtime
from genzoo.engine.gradient import GradientEngine
from genzoo.plugins import registry

DATA = {
    "image": genzoo.DataSpec((3, 10, 12), "image", (genzoo.Feature("pixel"),), (0.0, 255.0), 1.0, "uint8"),
    "table": genzoo.DataSpec((3,), "table", tuple(genzoo.Feature(n) for n in "abc"), storage="float64"),
}
CASES = [(e.id, objective) for e in registry().models for objective in e.spec.objectives if objective != "em"]
SIMULTANEOUS = [(model, objective, {"simultaneous": True}) for model, objective in CASES if model == "genzoo-gan/dcgan"]
PENALISED = [(model, objective, {"r1": 0.5, "r2": 0.1}) for model, objective in CASES if model == "genzoo-gan/dcgan"]
DOUBLY = ("genzoo-vae/vae", "iwae", {"gradient": "doubly-reparameterised"})
WEIGHED = ("genzoo-vae/vae", "elbo", {"warmup": 0.1, "free_bits": 0.5, "draws": 2})
ALL = [(model, objective, {}) for model, objective in CASES] + SIMULTANEOUS + PENALISED + [DOUBLY, WEIGHED]
MIXED = genzoo.DataSpec(
    (5,),
    "table",
    (
        genzoo.Feature("smokes", "binary", ("no", "yes")),
        genzoo.Feature("height"),
        genzoo.Feature("town", "categorical", ("a", "b", "c")),
        genzoo.Feature("visits", "count"),
        genzoo.Feature("weight"),
    ),
    missing=True,
)
KINDS = {
    "convolutional": (DATA["image"], {"network": "convolutional", "channels": (4, 6, 8)}),
    "categorical": (DATA["image"], {"likelihood": "categorical", "spread": "network"}),
    "gaussian": (DATA["image"], {"likelihood": "gaussian", "spread": "shared"}),
    "table": (DATA["table"], {"prior": "normal"}),
    "mlp": (DATA["image"], {"network": "mlp"}),
    "mixed": (MIXED, {}),
    "poisson": (MIXED, {"counts": "poisson", "input_dropout": 0.1}),
}


def assemble(model, objective, options, device, data=None, own=None):
    entry = registry().models.get(model)
    data = data or DATA[entry.spec.modalities[0]]
    own = {"dropout": 0.1} if own is None and "dcgan" in model else own or {}
    with torch.device(device):
        parts = genzoo.Model(build_parts(entry, own, data))
    loss = build_objective(registry().objective_of(entry, objective), options)
    x = torch.zeros(4 * loss.batches_per_step, *data.event_shape, device=device)
    return parts, loss, genzoo.Batch(x, torch.zeros_like(x, dtype=torch.bool) if data.missing else None)


def update_on_meta(parts, loss, batch):
    settings = Training(batch_size=4, ema=0.9, clip=1.0, compile=False)
    engine = GradientEngine(parts, loss, settings, Runtime(torch.device("meta"), "fp32"))
    before = {name: parameter._version for name, parameter in parts.named_parameters()}
    losses = engine.update(batch, 1, 0.0)
    assert set(losses) <= set(parts.groups)
    assert all(value.device.type == "meta" and value.shape == () for value in losses.values())
    assert all(parameter._version > before[name] for name, parameter in parts.named_parameters()), "all were updated"


@pytest.mark.parametrize(("model", "objective", "options"), ALL)
def test_a_whole_step_runs_on_the_meta_device(model, objective, options):
    update_on_meta(*assemble(model, objective, options, "meta"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("objective", ["elbo", "iwae"])
def test_a_step_of_an_autoencoder_runs_on_the_meta_device_whatever_it_observes(kind, objective):
    update_on_meta(*assemble("vae", objective, {}, "meta", *KINDS[kind]))


@pytest.mark.parametrize(("model", "objective", "options"), ALL)
def test_losses_trace_without_a_graph_break(model, objective, options):
    assert_traces(*assemble(model, objective, options, "cpu"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("objective", ["elbo", "iwae"])
def test_losses_of_an_autoencoder_trace_whatever_it_observes(kind, objective):
    assert_traces(*assemble("vae", objective, {}, "cpu", *KINDS[kind]))


def assert_traces(parts, loss, batch):
    progress = genzoo.Progress.start(torch.device("cpu"))
    torch._dynamo.reset()
    traced = torch.compile(lambda m, b, p: list(loss.losses(m, b, p)), fullgraph=True, backend="eager")
    torch.manual_seed(0)
    expected = list(loss.losses(parts, batch, progress))
    torch.manual_seed(0)
    found = traced(parts, batch, progress)
    assert [list(one) for one in found] == [list(one) for one in expected]
    for one, two in zip(found, expected, strict=True):
        for name, value in one.items():
            assert torch.allclose(value, two[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("objective", registry().models.get("dcgan").spec.objectives)
def test_compiled_stages_train_as_uncompiled_ones_do(objective):
    weights = []
    for compiled in (False, True):
        torch._dynamo.reset()
        torch.manual_seed(0)
        parts, loss, _ = assemble("genzoo-gan/dcgan", objective, {}, "cpu")
        if compiled:
            for name in loss.stages:
                setattr(loss, name, torch.compile(getattr(loss, name), fullgraph=True, backend="aot_eager"))
        engine = GradientEngine(
            parts, loss, Training(batch_size=4, compile=False), Runtime(torch.device("cpu"), "fp32")
        )
        for step in range(1, 3):
            torch.manual_seed(step)
            engine.update(genzoo.Batch(torch.rand(engine.events_per_step, 3, 10, 12) * 2 - 1), step, 0.0)
        weights.append(torch.cat([p.detach().flatten() for p in parts.parameters()]))
    assert torch.allclose(*weights, rtol=1e-3, atol=1e-4)


EM_CASES = [
    *((model, {"covariance": shape}) for model in ("gaussian", "gmm") for shape in ("full", "tied", "diagonal")),
    ("gmm", {"covariance": "spherical", "components": 3}),
    ("gmm", {"noise": True}),
    ("naive-bayes", {}),
    ("naive-bayes", {"components": 3}),
]
EM_DATA = genzoo.DataSpec(
    (3,),
    "table",
    (
        genzoo.Feature("height"),
        genzoo.Feature("smokes", "binary", ("no", "yes")),
        genzoo.Feature("visits", "count"),
    ),
)


def em_data(model):
    return EM_DATA if model == "naive-bayes" else DATA["table"]


def em_batch(model, n):
    x = torch.randn(n, 3)
    return x if model != "naive-bayes" else torch.stack([x[:, 0], (x[:, 1] > 0).float(), x[:, 2].abs().round()], 1)


@pytest.mark.parametrize(("model", "options"), EM_CASES)
def test_a_pass_of_em_runs_on_the_meta_device(model, options):
    entry = registry().models.get(model)
    with torch.device("meta"):
        parts = genzoo.Model(build_parts(entry, options, em_data(model)))
    objective = build_objective(registry().objective_of(entry, "em"), {})
    statistics = objective.statistics(parts, genzoo.Batch(torch.zeros(5, 3, device="meta")))
    assert all(value.device.type == "meta" and value.dtype == torch.float64 for value in statistics.values())
    objective.maximise(parts, statistics)


@pytest.mark.parametrize(("model", "options"), EM_CASES)
def test_em_traces_without_a_graph_break(model, options):
    entry = registry().models.get(model)
    parts = genzoo.Model(build_parts(entry, options, em_data(model)))
    objective = build_objective(registry().objective_of(entry, "em"), {})
    batch = genzoo.Batch(em_batch(model, 50))
    torch._dynamo.reset()
    expected = objective.statistics(parts, batch)
    found = torch.compile(objective.statistics, fullgraph=True, backend="eager")(parts, batch)
    for name, value in expected.items():
        assert torch.allclose(found[name], value)
    torch.compile(objective.maximise, fullgraph=True, backend="eager")(parts, expected)
    traced = {name: value.clone() for name, value in parts.state_dict().items()}
    parts = genzoo.Model(build_parts(entry, options, em_data(model)))
    objective.maximise(parts, expected)
    for name, value in parts.state_dict().items():
        assert torch.allclose(traced[name], value), name


gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.cuda
@gpu
@pytest.mark.parametrize("objective", registry().models.get("dcgan").spec.objectives)
def test_training_on_cuda_compiled_into_graphs_stays_finite_and_repeats(objective, tmp_path):
    digests = []
    for attempt in range(2):
        run = genzoo.train(
            "dcgan", objective=objective, device="cuda", out=tmp_path / str(attempt), training={"steps": 60}
        )
        digests.append(run.record["weights"])
    assert digests[0] == digests[1]


@pytest.mark.cuda
@gpu
def test_a_step_on_cuda_never_waits_for_the_host():
    parts, loss, batch = assemble("genzoo-gan/dcgan", "relativistic", {}, "cuda")
    settings = Training(batch_size=4, ema=0.9, clip=1.0, compile=False)
    engine = GradientEngine(parts, loss, settings, Runtime(torch.device("cuda"), "fp32"))
    engine.update(batch, 1, 0.0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in itertools.islice(itertools.count(2), 3):
            engine.update(batch, step, 0.0)
    finally:
        torch.cuda.set_sync_debug_mode("default")
