"""Promises about training, and about saving, loading and resuming."""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from genzoo.config.training import DirectTraining
from genzoo.engine.direct import DirectEngine
from genzoo.engine.gradient import GradientEngine
from genzoo.errors import Interrupted
from genzoo.models.base import Generator, Likelihood
from genzoo.persistence.model_folder import load_model
from genzoo.persistence.run import Run
from genzoo.plugins.manager import get_registry
from genzoo.testing.checks.capabilities import answer, material, questions
from genzoo.testing.checks.randomness import chance
from genzoo.testing.given import copied
from genzoo.testing.promise import DoesNotApply, Promise, expect
from genzoo.testing.subject import Case, Subject, scoped
from genzoo.training.api import resume, start_run
from genzoo.training.run_training import run_training
from genzoo.training.setup import TrainingSetup
from genzoo.training.trainer import Step


def training_improves(subject: Subject) -> None:
    """Training on a toy dataset lowers the loss. If no loss can be compared, samples come closer to the data."""
    for case in subject.principal:
        trained = case.fitted.generator
        if case.failure is not None:
            raise case.failure
        setup = case.setup()
        if isinstance(setup.engine, GradientEngine):
            what, before, after = _by_gradient(case, setup, trained)
        else:
            what, before, after = _without_gradients(case, trained, direct=isinstance(setup.engine, DirectEngine))
        expect(after < before, f"On {case.name}, {what} is {before:.4g} before training and {after:.4g} after it.")


def _by_gradient(case: Case, setup: TrainingSetup, trained: Generator) -> tuple[str, float, float]:
    assert isinstance(setup.engine, GradientEngine)
    objective, whole = setup.engine.objective, setup.engine.model
    results = []
    for generator in (whole.generator, trained):
        model = whole.with_generator(generator).eval()
        monitored = scoped(lambda model=model: objective.monitor(model, case.batch()))  # type: ignore[misc]
        if monitored is None:  # adversarial losses, for example, do not fall as samples improve
            results.append(("the energy distance of samples to events", _energy(case, generator)))
        else:
            results.append(("its loss", monitored.item()))
    (what, before), (_, after) = results
    return what, before, after


def _without_gradients(case: Case, trained: Generator, *, direct: bool) -> tuple[str, float, float]:
    fresh = case.parts().generator.eval()
    exact = isinstance(trained, Likelihood)
    measure = _negative_log_likelihood if exact else _energy
    what = "its negative log-likelihood" if exact else "the energy distance of samples to events"
    return what, _of_untrained(measure, case, fresh) if direct else measure(case, fresh), measure(case, trained)


def _of_untrained(measure: Callable[[Case, Generator], float], case: Case, fresh: Generator) -> float:
    """Return a figure of a model before a direct fit; infinity if it has none, such as without the events it keeps."""
    try:
        value = measure(case, fresh)
    except Exception:
        return math.inf
    return value if math.isfinite(value) else math.inf


def _negative_log_likelihood(case: Case, generator: Generator) -> float:
    assert isinstance(generator, Likelihood)
    given = case.given(None, torch.float32)
    return -scoped(lambda: copied(given).ask(generator.log_prob)).mean().item()


def _energy(case: Case, generator: Generator) -> float:
    """Estimate the energy distance between samples and events; it is 0 only for equal distributions.

    References:
        "Energy Statistics: A Class of Statistics Based on Distances" (Székely and Rizzo, 2013).
    """
    events = case.given(dtype=torch.float32).x.double().flatten(1)
    drawn = scoped(lambda: case.sample(len(events), generator.eval())).double().flatten(1)
    between, own, theirs = (torch.cdist(*pair).mean() for pair in ((drawn, events), (drawn, drawn), (events, events)))
    return (2 * between - own - theirs).item()


def saves_and_loads(subject: Subject) -> None:
    """A model gives bit-identical results and samples after it was saved and loaded."""
    for case in subject.principal:
        with _trained_on_disk(case) as (setup, run):
            before, after = setup.trained_model.generator.eval(), load_model(run.model, get_registry()).generator
            for name, value in after.state_dict().items():
                same = torch.equal(value, before.state_dict()[name])
                expect(same, f"On {case.name}, {name!r} changes when the model is saved and loaded.")
            for name, value in after.named_parameters():
                own = before.get_parameter(name)
                same = (own.requires_grad, own.stride()) == (value.requires_grad, value.stride())
                expect(same, f"On {case.name}, {name!r} has another memory format or requires_grad once loaded.")
            for question in questions(before):
                given = material(case, question, 37, torch.float32)
                same = torch.equal(answer(question, before, given), answer(question, after, given))
                expect(same, f"On {case.name}, {question.name} changes when the model is saved and loaded.")
            drawn, again, loaded = (
                scoped(lambda case=case, g=g: case.sample(37, g))  # type: ignore[misc]
                for g in (before, before, after)
            )
            # A model that does not even repeat its own samples breaks 'random-scope', not this promise.
            same = torch.equal(drawn, loaded) or not torch.equal(drawn, again)
            expect(same, f"On {case.name}, samples change when the model is saved and loaded.")


def resumes(subject: Subject) -> None:
    """A run interrupted half-way and resumed ends with the same weights, bit for bit, as an uninterrupted run."""
    for case in subject.principal:
        with _trained_on_disk(case) as (_, whole):
            if isinstance(whole.config.training, DirectTraining):
                raise DoesNotApply("it is fitted directly; see the promise 'starts-again'")
            steps = whole.record["steps"]
            if steps < 2:
                raise DoesNotApply("it is trained in one step")
            halved = _interrupted(case, whole.path.parent / "halved", steps // 2)
            expected, resumed = (
                load_model(run.model, get_registry()).generator.state_dict() for run in (whole, halved)
            )
            for name, value in expected.items():
                same = torch.equal(value, resumed[name])
                expect(same, f"On {case.name}, {name!r} differs after a run was interrupted and resumed.")


@contextlib.contextmanager
def _trained_on_disk(case: Case) -> Iterator[tuple[TrainingSetup, Run]]:
    """Yield a finished run in a temporary folder, with the setup that trained it."""
    with tempfile.TemporaryDirectory() as folder, chance(0):
        direct = isinstance(case.subject.configuration().training, DirectTraining)
        setup = case.setup() if direct else case.setup(sample_every=10**6)
        run = start_run(setup, Path(folder) / "whole")
        run_training(setup, run)
        yield setup, run


def _interrupted(case: Case, path: Path, half: int) -> Run:
    """Train, interrupt the run after `half` steps, resume it, and return the finished run."""

    def interrupt(step: Step) -> None:
        if step.number > half:
            raise KeyboardInterrupt

    with chance(0):
        setup = case.setup(sample_every=10**6, checkpoint_every=half)
        run = start_run(setup, path)
        with contextlib.suppress(Interrupted):
            run_training(setup, run, [interrupt])
    return resume(path, case.dataset)


PROMISES = tuple(Promise.of(check) for check in (training_improves, saves_and_loads, resumes))
