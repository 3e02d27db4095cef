"""Promises that training on a GPU needs, checked on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from genzoo.config.training import GradientTraining
from genzoo.engine.gradient import GradientEngine
from genzoo.errors import PluginError
from genzoo.models.base import Model
from genzoo.models.objective import (
    Batch,
    DirectObjective,
    EMObjective,
    GradientObjective,
    Objective,
    Progress,
    in_parts,
)
from genzoo.runtime.device import Runtime
from genzoo.runtime.seeding import random_scope
from genzoo.testing.promise import DoesNotApply, Promise, expect
from genzoo.testing.subject import Case, Subject


def meta_step(subject: Subject) -> None:
    """A full training step of every objective runs on the meta device: it names no device and reads no value back."""
    for case, name, objective in _trainings(subject):
        model = _on_meta(case)
        if isinstance(objective, EMObjective):
            _pass_on_meta(model, objective, case, name)
        elif isinstance(objective, GradientObjective):
            _update_on_meta(model, objective, case, name)


def traces(subject: Subject) -> None:
    """The computation of every objective on a batch traces into one graph, which gives the same numbers."""
    for case, name, objective in _trainings(subject):
        if isinstance(objective, EMObjective):
            _trace_em(objective, case, name)
        elif isinstance(objective, GradientObjective):
            _trace_losses(objective, case, name)


def _trainings(subject: Subject) -> Iterator[tuple[Case, str, Objective]]:
    """Yield cases of every modality and of mixed columns, each with every objective and its name.

    Raises:
        DoesNotApply: the model is only fitted directly, which runs on the host and is not compiled.
    """
    compiled = False
    for name, objective in subject.built_objectives():
        if isinstance(objective, DirectObjective):
            continue
        compiled = True
        mixed = "kinds" if isinstance(objective, EMObjective) else "holed-kinds"
        for case in dict.fromkeys((*subject.principal, subject.cases.get(mixed, subject.principal[0]))):
            yield case, repr(name), objective
    if not compiled:
        raise DoesNotApply("it is fitted directly, which runs on the host and is not compiled")


def _on_meta(case: Case) -> Model:
    """Return an untrained model on the meta device; one whose builder needs numbers is built with them, and moved."""
    try:
        with torch.device("meta"):
            return Model(case.parts())
    except PluginError:
        return Model(case.parts()).to("meta")


def _events(case: Case, count: int, device: str) -> Batch:
    x = torch.zeros(count, *case.data.event_shape, device=device)
    missing = torch.zeros_like(x, dtype=torch.bool) if case.data.missing else None
    size = case.data.condition_size
    condition = torch.zeros(count, size, device=device) if size else None
    return in_parts(Batch(x, missing, condition=condition), case.data)


def _update_on_meta(model: Model, objective: GradientObjective, case: Case, name: str) -> None:
    settings = GradientTraining(batch_size=4, ema=0.9, grad_clip=1.0, compile=False)
    engine = GradientEngine(model, objective, settings, Runtime(torch.device("meta"), "fp32"))
    before = {name: parameter._version for name, parameter in model.named_parameters()}
    losses = engine.update(_events(case, engine.events_per_step, "meta"), 1, 0.0)
    for group, loss in losses.items():
        expect(
            loss.device.type == "meta" and loss.shape == (),
            f"On {case.name}, {name}'s loss for {group!r} has shape {tuple(loss.shape)} and is on {loss.device}; "
            f"expected shape () on meta.",
        )
    unchanged = [
        key
        for key, value in model.named_parameters()
        if value.requires_grad and value.numel() and value._version <= before[key]
    ]
    expect(not unchanged, f"On {case.name}, a step of {name} does not update {', '.join(unchanged)}.")


def _pass_on_meta(model: Model, objective: EMObjective, case: Case, name: str) -> None:
    statistics = objective.statistics(model, _events(case, 5, "meta"))
    for key, value in statistics.items():
        expect(
            value.device.type == "meta" and value.dtype == torch.float64,
            f"On {case.name}, the statistic {key!r} of {name} is {value.dtype} on {value.device}; expected "
            f"torch.float64 on meta.",
        )
    objective.maximize(model, statistics)


def _trace_losses(objective: GradientObjective, case: Case, name: str) -> None:
    model = Model(case.parts())
    batch = case.batch(4 * objective.batches_per_step)
    progress = Progress.start(torch.device("cpu"))

    def losses() -> list[dict[str, Tensor]]:
        return [dict(stage) for stage in objective.losses(model, batch, progress)]

    _compare(losses, f"the losses of {name} on {case.name}")


def _trace_em(objective: EMObjective, case: Case, name: str) -> None:
    batch = case.batch()
    model = Model(case.parts()).eval().requires_grad_(False)
    _compare(lambda: [objective.statistics(model, batch)], f"the statistics of {name} on {case.name}")
    statistics = objective.statistics(model, batch)
    states = []
    for compiled in (False, True):
        trained = Model(case.parts()).eval().requires_grad_(False)
        maximize = _graph(objective.maximize) if compiled else objective.maximize
        maximize(trained, statistics)
        states.append(trained.state_dict())
    _expect_equal(*states, what=f"the maximization step of {name} on {case.name}")


def _graph(function: Callable[..., object]) -> Callable[..., object]:
    torch._dynamo.reset()
    traced: Callable[..., object] = torch.compile(function, fullgraph=True, backend="eager")
    return traced


def _compare(compute: Callable[[], list[dict[str, Tensor]]], what: str) -> None:
    results = []
    for function in (compute, _graph(compute)):
        with random_scope(0, "promise"):
            results.append(function())
    expected, traced = results
    assert isinstance(expected, list)
    assert isinstance(traced, list)
    expect(len(expected) == len(traced), f"When traced, {what} have {len(traced)} stages instead of {len(expected)}.")
    for one, two in zip(expected, traced, strict=True):
        _expect_equal(one, two, what=what)


def _expect_equal(expected: dict[str, Tensor], traced: dict[str, Tensor], *, what: str) -> None:
    expect(expected.keys() == traced.keys(), f"When traced, {what} give {[*traced]} instead of {[*expected]}.")
    for name, value in expected.items():
        same = torch.allclose(traced[name], value, rtol=1e-4, atol=1e-5, equal_nan=True)
        expect(same, f"When traced, {what} give a different {name!r}.")


PROMISES = (Promise.of(meta_step), Promise.of(traces))
