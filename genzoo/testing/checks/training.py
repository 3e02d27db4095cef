"""Promises about training, and about what is kept of it on disk."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from genzoo.engine.gradient import GradientEngine
from genzoo.errors import Interrupted
from genzoo.models.base import Generator, Likelihood
from genzoo.plugins.manager import get_registry
from genzoo.runs.model_folder import load_model
from genzoo.runs.run import Run
from genzoo.testing.checks.capabilities import answer, material, questions
from genzoo.testing.checks.randomness import chance
from genzoo.testing.promise import DoesNotApply, Promise, expect
from genzoo.testing.subject import Case, Subject, copied, scoped
from genzoo.training.api import resume, start_run
from genzoo.training.run_training import run_training
from genzoo.training.setup import TrainingSetup
from genzoo.training.trainer import Step


def training_improves(subject: Subject) -> None:
    """Trained on a toy it fits it better than before: its loss falls; where it has none that says so, samples near."""
    for case in subject.principal:
        trained = case.fitted.generator
        if case.failure is not None:
            raise case.failure
        prepared = case.prepared()
        if isinstance(prepared.engine, GradientEngine):
            what, before, after = _by_gradient(case, prepared, trained)
        else:
            what, before, after = _by_em(case, trained)
        expect(after < before, f"On {case.name}, {what} was {before:.4g} before training and is {after:.4g} after it.")


def _by_gradient(case: Case, prepared: TrainingSetup, trained: Generator) -> tuple[str, float, float]:
    assert isinstance(prepared.engine, GradientEngine)
    objective, whole = prepared.engine.objective, prepared.engine.model
    found = []
    for generator in (whole.generator, trained):
        model = whole.with_generator(generator).eval()
        monitored = scoped(lambda model=model: objective.monitor(model, case.batch()))  # type: ignore[misc]
        if monitored is None:
            found.append(("the energy distance of samples to events", _energy(case, generator)))
        else:
            found.append(("its loss", monitored.item()))
    (what, before), (_, after) = found
    return what, before, after


def _by_em(case: Case, trained: Generator) -> tuple[str, float, float]:
    fresh = case.parts().generator.eval()
    if isinstance(fresh, Likelihood) and isinstance(trained, Likelihood):
        given = case.given(None, torch.float32)
        before, after = (-scoped(lambda g=g: g.log_prob(*copied(given))).mean().item() for g in (fresh, trained))  # type: ignore[misc]
        return "its negative log-likelihood", before, after
    return "the energy distance of samples to events", _energy(case, fresh), _energy(case, trained)


def _energy(case: Case, generator: Generator) -> float:
    """Energy distance of samples to the events (Székely and Rizzo, 2013), 0 where they are of one distribution."""
    events = case.batch().x.double().flatten(1)
    drawn = scoped(lambda: generator.eval().sample(len(events))).double().flatten(1)
    between, own, theirs = (torch.cdist(*pair).mean() for pair in ((drawn, events), (drawn, drawn), (events, events)))
    return (2 * between - own - theirs).item()


def saves_and_loads(subject: Subject) -> None:
    """Saved and loaded it says and draws the same, to the last bit."""
    for case in subject.principal:
        with _trained_on_disk(case) as (prepared, run):
            before, after = prepared.trained_model.generator.eval(), load_model(run.model, get_registry()).generator
            for name, value in after.state_dict().items():
                expect(torch.equal(value, before.state_dict()[name]), f"On {case.name}, {name!r} is loaded otherwise.")
            for question in questions(before):
                given = material(case, question, 37, torch.float32)
                same = torch.equal(answer(question, before, given), answer(question, after, given))
                expect(same, f"On {case.name}, {question.name} says something else once it was saved and loaded.")
            drawn, again, loaded = (scoped(lambda g=g: g.sample(37)) for g in (before, before, after))  # type: ignore[misc]
            same = torch.equal(drawn, loaded) or not torch.equal(drawn, again)  # if it repeats itself at all
            expect(same, f"On {case.name}, samples are others once it was saved and loaded.")


def resumes(subject: Subject) -> None:
    """Interrupted half-way and resumed it ends with the weights of a run that was never stopped, to the last bit."""
    for case in subject.principal:
        with _trained_on_disk(case) as (_, whole):
            steps = whole.record["steps"]
            if steps < 2:
                raise DoesNotApply("it is trained in one step")
            halved = _interrupted(case, whole.path.parent / "halved", steps // 2)
            expected, found = (load_model(run.model, get_registry()).generator.state_dict() for run in (whole, halved))
            for name, value in expected.items():
                same = torch.equal(value, found[name])
                expect(same, f"On {case.name}, {name!r} is another after a run was interrupted and resumed.")


@contextlib.contextmanager
def _trained_on_disk(case: Case) -> Iterator[tuple[TrainingSetup, Run]]:
    """A finished run, alone in a folder."""
    with tempfile.TemporaryDirectory() as folder, chance(0):
        prepared = case.prepared(sample_every=10**6)
        run = start_run(prepared, Path(folder) / "whole")
        run_training(prepared, run)
        yield prepared, run


def _interrupted(case: Case, path: Path, half: int) -> Run:
    """A run that was interrupted after `half` steps, and resumed."""

    def interrupt(step: Step) -> None:
        if step.number > half:
            raise KeyboardInterrupt

    with chance(0):
        prepared = case.prepared(sample_every=10**6, checkpoint_every=half)
        run = start_run(prepared, path)
        with contextlib.suppress(Interrupted):
            run_training(prepared, run, [interrupt])
    return resume(path, case.dataset)


PROMISES = tuple(Promise.of(check) for check in (training_improves, saves_and_loads, resumes))
