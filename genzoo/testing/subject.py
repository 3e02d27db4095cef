"""The model under test: built and trained once for every toy dataset that it accepts."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from genzoo.config.resolve import layer, resolve_config, training_class
from genzoo.config.settings import RunConfig
from genzoo.data.dataset import Dataset
from genzoo.data.transforms import AffineTransform, fit_transform, observed
from genzoo.errors import DataError, GenzooError, PluginError, pass_out_of_memory
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.base import Generator, Measure, Parts
from genzoo.models.factory import build_model, check_data
from genzoo.models.measure import measures_of
from genzoo.models.objective import Batch
from genzoo.persistence.format1 import current_layers
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Entry
from genzoo.runtime.seeding import random_scope
from genzoo.spec.entries import ModelSpec
from genzoo.spec.events import DataSpec
from genzoo.testing.promise import DoesNotApply
from genzoo.testing.toys import toys
from genzoo.training.run_training import train_in_memory
from genzoo.training.setup import TrainingSetup, build_setup

CapabilityT = TypeVar("CapabilityT")


_TRAINING: Mapping[str, Any] = {"steps": 60}
"""Training budget that replaces the model's own: enough to learn something about a toy dataset."""


_BATCH = 16

_BRIEF: Mapping[str, Any] = {"steps": 20}
"""Training budget for toy datasets on which the model only needs to work."""


class Subject:
    """A model with the options it is tested with.

    Arguments:
        name: name or id of the model.
        options, training, objective: as for `genzoo.train`. Training is short by default.
    """

    kind = "models"
    """The registry's table of models."""

    def __init__(
        self,
        name: str,
        options: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        objective: str | Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self._options = dict(options or {})
        self._training = dict(training or {})
        self._objective = objective

    @functools.cached_property
    def entry(self) -> Entry[ModelSpec]:
        """The model's entry in the registry.

        Raises:
            ConfigError: no model has that name.
        """
        return get_registry().models.get(self.name)

    def check_settings(self) -> None:
        """Check the settings that were given: their mistakes are the caller's, not the model's.

        Raises:
            ConfigError: a setting is unknown, out of range, or given under both its former and its current name with
                different values.
        """
        given: dict[str, Any] = {"options": self._options, "training": self._training}
        if self._objective is not None:
            given["objective"] = self._objective
        current_layers(get_registry(), self.name, layer(given))
        if any(given.values()):
            with contextlib.suppress(PluginError):  # which the promises report
                self.configuration()

    @functools.cached_property
    def options(self) -> dict[str, Any]:
        """The options that the model is tested with, under their current names."""
        (renamed,) = current_layers(get_registry(), self.name, layer({"options": self._options}))
        options = renamed["options"]
        assert isinstance(options, dict)
        return options

    @property
    def objectives(self) -> tuple[str | Mapping[str, Any], ...]:
        """The objectives to train with: the one under test, or all that the spec lists."""
        return self.entry.spec.objectives if self._objective is None else (self._objective,)

    def configuration(
        self, objective: str | Mapping[str, Any] | None = None, *, brief: bool = False, **training: Any
    ) -> RunConfig:
        """Return the configuration of a run with the subject's options.

        Arguments:
            objective: objective to train with. Defaults to the one under test.
            brief: whether to train for fewer steps. Defaults to False.
            training: settings that override those under test.
        """
        registry = get_registry()
        settings: dict[str, Any] = {"options": self.options, "device": "cpu", "precision": "fp32"}
        chosen: str | Mapping[str, Any] | None = self._objective if objective is None else objective
        if chosen is not None:
            settings["objective"] = chosen
        name = chosen.get("name") if isinstance(chosen, Mapping) else chosen
        entry = registry.objective_of(self.entry, str(name or self.entry.spec.objectives[0]))
        budget = {**(_BRIEF if brief else _TRAINING), "batch_size": _BATCH}
        fields = training_class(entry).model_fields
        budget = {name: value for name, value in budget.items() if name in fields}
        layers = [layer({"training": more}) for more in (budget, self._training, training)]
        return resolve_config(registry, self.name, *current_layers(registry, self.name, layer(settings), *layers))

    def takes(self, data: DataSpec) -> bool:
        """Return whether the model's spec claims to accept such data."""
        try:
            check_data(self.entry, data)
        except DataError:
            return False
        return True

    @functools.cached_property
    def cases(self) -> dict[str, Case]:
        """The cases that the model can be built for, by the name of the toy dataset."""
        return {name: case for name, dataset in toys().items() if (case := self._case(dataset)) is not None}

    def _case(self, dataset: Dataset) -> Case | None:
        case = Case(self, dataset)
        try:
            case.parts()
        except GenzooError:
            return None
        return case

    @functools.cached_property
    def misshapen(self) -> str:
        """Describe what is wrong with the shape of an untrained model's samples; empty if nothing is."""
        for case in self.cases.values():
            generator = case.parts().generator
            if not isinstance(generator, Generator):
                continue
            try:
                drawn = scoped(functools.partial(generator.eval().sample, 2))
            except Exception:  # noqa: S112 - see the promise 'sample-shape'
                continue
            wanted = (2, *case.data.event_shape)
            if tuple(drawn.shape) != wanted:
                return f"On {case.name}, sample(2) of the model it builds has shape {tuple(drawn.shape)}, not {wanted}."
        return ""

    @functools.cached_property
    def principal(self) -> tuple[Case, ...]:
        """The first case of every modality.

        Raises:
            DoesNotApply: the model cannot be built for any toy dataset.
        """
        first: dict[str, Case] = {}
        for case in self.cases.values():
            first.setdefault(case.data.modality, case)
        if not first:
            raise DoesNotApply("it does not build for any toy dataset; see the promise 'builds'")
        return tuple(first.values())

    def having(self, capability: type) -> list[Case]:
        """Return the cases whose generator has a capability.

        Raises:
            DoesNotApply: none has.
        """
        cases = [case for case in self.cases.values() if isinstance(case.parts().generator, capability)]
        if not cases:
            raise DoesNotApply("it does not have this capability with the options under test")
        return cases


class Case:
    """The model under test on one toy dataset."""

    def __init__(self, subject: Subject, dataset: Dataset) -> None:
        self.subject = subject
        self.dataset = dataset
        self.failure: Exception | None = None
        """The error that training raised, if it did; `fitted` is then an untrained model."""

    @property
    def name(self) -> str:
        """The name of the toy dataset."""
        return self.dataset.name

    @property
    def data(self) -> DataSpec:
        """The spec of the data."""
        return self.dataset.spec

    def parts(self) -> Parts:
        """Build new, untrained parts."""
        with random_scope(0, "build"):
            return build_model(self.subject.entry, self.subject.options, self.data)

    def setup(self, *, brief: bool = False, **training: Any) -> TrainingSetup:
        """Prepare a training run; takes the same arguments as `Subject.configuration`."""
        config = self.subject.configuration(brief=brief, **training)
        content = config.model_copy(update={"data": config.data.model_copy(update={"source": self.name})})
        return build_setup(content, self.dataset)

    @functools.cached_property
    def fitted(self) -> TrainedModel:
        """The trained model, in float32; an untrained one if training failed."""
        try:
            return train_in_memory(self.setup(brief=self not in self.subject.principal))
        except Exception as error:
            pass_out_of_memory(error)
            self.failure = error
        entry = self.subject.entry
        return TrainedModel(entry.id, self.parts().generator.eval(), self.transform, self.data, entry.spec.missing)

    @functools.cached_property
    def transform(self) -> AffineTransform:
        """The transform to model space, fitted to the training rows; to all rows if training cannot be prepared."""
        try:
            return self.setup(brief=True).transform
        except Exception:
            space = self.subject.entry.spec.input_of(self.data.modality)
            return fit_transform(space, self.data, [np.asarray(self.dataset.events, np.float64)])

    def generator(self, dtype: torch.dtype = torch.float64) -> Generator:
        """Return a copy of the trained generator, in eval mode and in `dtype`."""
        return copy.deepcopy(self.fitted.generator).to(dtype).eval().requires_grad_(False)

    @functools.cached_property
    def wide(self) -> Generator:
        """The trained generator in float64. It is shared by all checks, so do not change it."""
        return self.generator()

    def events(self, dtype: torch.dtype = torch.float64) -> Tensor:
        """Return the toy dataset's events in model space, `(N, *event)`; NaN marks missing values."""
        x = torch.from_numpy(np.array(self.dataset.events, np.float64))  # a copy, as a model may change it in place
        events: Tensor = self.transform(x)
        return events.to(dtype)

    def batch(self, count: int | None = None, dtype: torch.dtype = torch.float32) -> Batch:
        """Return the first `count` events, or all, as a batch of training."""
        return Batch(*observed(self.events(dtype)[:count], self.data.missing))

    def given(self, count: int | None = None, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
        """Return the first `count` events, or all, as arguments of a generator's methods: `x`, or `x` and `missing`."""
        batch = self.batch(count, dtype)
        return (batch.x,) if batch.missing is None else (batch.x, batch.missing)

    def measures(self) -> tuple[Measure, ...]:
        """Return, for each number of an event, whether its likelihood is a density or a probability mass."""
        measures = measures_of(self.wide, self.data)
        return measures if self.data.form.columns else measures * self.data.size


def copied(given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return copies, so that a model that changes its inputs breaks only the promise 'answers-change-nothing'."""
    return tuple(tensor.clone() for tensor in given)


def scoped(draw: Callable[[], CapabilityT], seed: int = 0) -> CapabilityT:
    """Call `draw` in a random scope of the kit, with gradients disabled, and return its result."""
    with torch.no_grad(), random_scope(seed, "promise"):
        return draw()
