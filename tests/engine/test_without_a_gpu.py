"""What can be proven of the GPU path without one: no hard-coded device, no hidden wait for the host, no graph break."""

import itertools

import pytest
import torch

import genzoo
from genzoo.config.training import GradientTraining
from genzoo.engine.gradient import GradientEngine
from genzoo.models.factory import build_model, build_objective
from genzoo.plugins.manager import get_registry
from genzoo.runtime.device import Runtime
from genzoo.testing.checks.accelerator import meta_step, traces
from genzoo.testing.subject import Subject

IMAGE = genzoo.DataSpec((3, 10, 12), "image", (genzoo.Feature("pixel"),), (0.0, 255.0), 1.0, "uint8")
DCGAN = get_registry().models.get("dcgan").spec.objectives
STEPS = {"wasserstein-gp": {"discriminator_steps": 2}}
"""Two updates of a discriminator trace as five do."""
DOUBLY = {"name": "iwae", "gradient": "doubly-reparameterized"}
VARIANTS = [
    *(("dcgan", {"dropout": 0.1}, {"name": name, "simultaneous": True, **STEPS.get(name, {})}) for name in DCGAN),
    # A game of logits, one of their differences, and one with a penalty of its own.
    *(
        ("dcgan", {}, {"name": name, "r1": 0.5, "r2": 0.1, **STEPS.get(name, {})})
        for name in ("non-saturating", "relativistic", "wasserstein-gp")
    ),
    ("r3gan", {}, {"name": "relativistic", "augment": 0.3, "penalty_every": 2}),
    ("vae", {}, DOUBLY),
    ("vae", {"widths": [16]}, {"name": "elbo", "warmup": 0.1, "free_bits": 0.5, "draws": 2}),
    ("vae", {"prior": "normal"}, {"name": "elbo"}),  # the one divergence in closed form
]
OBSERVATIONS = [
    {"network": "convolutional", "channels": [4, 6, 8]},
    {"likelihood": "categorical", "spread": "network"},
    {"likelihood": "gaussian", "spread": "shared"},
    {"prior": "normal"},
    {"counts": "poisson", "input_dropout": 0.1},
]
ALL = [*VARIANTS, *(("vae", options, DOUBLY) for options in OBSERVATIONS)]
"""Observations are traced under the objective that differentiates them by itself; the others only evaluate them."""
SHORT = [ALL[0], ALL[-5], ("dcgan", {}, {"name": "relativistic", "r1": 0.5, "r2": 0.1})]


@pytest.mark.parametrize(
    ("model", "options", "objective"),
    [pytest.param(*one, marks=[pytest.mark.full] * (one not in SHORT)) for one in ALL],
)
def test_options_of_models_and_objectives_keep_the_gpu_path_intact(model, options, objective):
    """Every model and objective as it is by default: see `test_promises.py` of the plugins."""
    subject = Subject(model, options, objective=objective)
    meta_step(subject)
    traces(subject)


def assemble(model, objective, device):
    entry = get_registry().models.get(model)
    with torch.device(device):
        parts = genzoo.Model(build_model(entry, {"dropout": 0.1}, IMAGE))
    loss = build_objective(get_registry().objective_of(entry, objective), {})
    x = torch.zeros(4 * loss.batches_per_step, *IMAGE.event_shape, device=device)
    return parts, loss, genzoo.Batch(x)


@pytest.mark.parametrize("objective", get_registry().models.get("dcgan").spec.objectives)
def test_compiled_stages_train_as_uncompiled_ones_do(objective):
    weights = []
    for compiled in (False, True):
        torch._dynamo.reset()
        torch.manual_seed(0)
        parts, loss, _ = assemble("dcgan", objective, "cpu")
        if compiled:
            for name in loss.stages:
                setattr(loss, name, torch.compile(getattr(loss, name), fullgraph=True, backend="aot_eager"))
        engine = GradientEngine(
            parts, loss, GradientTraining(batch_size=4, compile=False), Runtime(torch.device("cpu"), "fp32")
        )
        for step in range(1, 3):
            torch.manual_seed(step)
            engine.update(genzoo.Batch(torch.rand(engine.events_per_step, 3, 10, 12) * 2 - 1), step, 0.0)
        weights.append(torch.cat([p.detach().flatten() for p in parts.parameters()]))
    assert torch.allclose(*weights, rtol=1e-3, atol=1e-4)


gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.cuda
@gpu
@pytest.mark.parametrize("objective", get_registry().models.get("dcgan").spec.objectives)
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
    parts, loss, batch = assemble("dcgan", "relativistic", "cuda")
    settings = GradientTraining(batch_size=4, ema=0.9, grad_clip=1.0, compile=False)
    engine = GradientEngine(parts, loss, settings, Runtime(torch.device("cuda"), "fp32"))
    engine.update(batch, 1, 0.0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in itertools.islice(itertools.count(2), 3):
            engine.update(batch, step, 0.0)
    finally:
        torch.cuda.set_sync_debug_mode("default")
