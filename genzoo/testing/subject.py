"""A model that is held to its promises: built and trained, once, for every toy that it takes."""

from __future__ import annotations

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
from genzoo.errors import DataError, GenzooError
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.base import Generator, Measure, Parts
from genzoo.models.factory import build_model, check_data
from genzoo.models.measure import measures_of
from genzoo.models.objective import Batch
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Entry
from genzoo.runs.format1 import current_layers
from genzoo.runtime.seeding import random_scope
from genzoo.spec import DataSpec, ModelSpec
from genzoo.testing.promise import DoesNotApply
from genzoo.testing.toys import toys
from genzoo.training.setup import TrainingSetup, build_setup
from genzoo.training.trainer import train_in_memory

CapabilityT = TypeVar("CapabilityT")


_TRAINING: Mapping[str, Any] = {"steps": 60}
"""What replaces a model's budget: enough to learn something of a toy."""


_BATCH = 16

_BRIEF: Mapping[str, Any] = {"steps": 20}
"""The same for toys of which little needs to be learnt."""


class Subject:
    """A model of the zoo with the options it is tested with.

    Arguments:
        name: its name or id.
        options, training, objective: as for `genzoo.train`; the training is short unless told otherwise.
    """

    kind = "models"
    """The table of the registry that it is in."""

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
        """The model in the zoo.

        Raises:
            ConfigError: there is none of that name.
        """
        return get_registry().models.get(self.name)

    def check_names(self) -> None:
        """Check that no setting is given under both its former and its current name.

        Raises:
            ConfigError: one is, with different values.
        """
        given: dict[str, Any] = {"options": self._options, "training": self._training}
        if self._objective is not None:
            given["objective"] = self._objective
        current_layers(get_registry(), self.name, layer(given))

    @functools.cached_property
    def options(self) -> dict[str, Any]:
        """The options it is tested with, under their current names."""
        (found,) = current_layers(get_registry(), self.name, layer({"options": self._options}))
        options = found["options"]
        assert isinstance(options, dict)
        return options

    @property
    def objectives(self) -> tuple[str | Mapping[str, Any], ...]:
        """What it is trained with here: the objective it is tested with, or all that its spec lists."""
        return self.entry.spec.objectives if self._objective is None else (self._objective,)

    def configuration(
        self, objective: str | Mapping[str, Any] | None = None, *, brief: bool = False, **training: Any
    ) -> RunConfig:
        """What a run with the subject's options would be.

        Arguments:
            objective: in place of the one that it is tested with.
            brief: whether little needs to be learnt.
            training: settings over those it is tested with.
        """
        registry = get_registry()
        asked: dict[str, Any] = {"options": self.options, "device": "cpu", "precision": "fp32"}
        chosen: str | Mapping[str, Any] | None = self._objective if objective is None else objective
        if chosen is not None:
            asked["objective"] = chosen
        name = chosen.get("name") if isinstance(chosen, Mapping) else chosen
        found = registry.objective_of(self.entry, str(name or self.entry.spec.objectives[0]))
        budget = dict(_BRIEF if brief else _TRAINING)
        if "batch_size" in training_class(found).model_fields:
            budget["batch_size"] = _BATCH
        layers = [layer({"training": more}) for more in (budget, self._training, training)]
        return resolve_config(registry, self.name, *current_layers(registry, self.name, layer(asked), *layers))

    def takes(self, data: DataSpec) -> bool:
        """Whether its spec claims events of that form."""
        try:
            check_data(self.entry, data)
        except DataError:
            return False
        return True

    @functools.cached_property
    def cases(self) -> dict[str, Case]:
        """What it can be built for, by the toy's name."""
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
        """What is wrong with the shape of samples of an untrained model; empty where nothing is."""
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
                return f"On {case.name}, sample(2) of what it builds has the shape {tuple(drawn.shape)}, not {wanted}."
        return ""

    @functools.cached_property
    def principal(self) -> tuple[Case, ...]:
        """The first case of every modality.

        Raises:
            DoesNotApply: it cannot be built for any toy.
        """
        first: dict[str, Case] = {}
        for case in self.cases.values():
            first.setdefault(case.data.modality, case)
        if not first:
            raise DoesNotApply("it is built for none of the toys; see the promise 'builds'")
        return tuple(first.values())

    def having(self, capability: type) -> list[Case]:
        """The cases whose generator has a capability.

        Raises:
            DoesNotApply: none has.
        """
        found = [case for case in self.cases.values() if isinstance(case.parts().generator, capability)]
        if not found:
            raise DoesNotApply("as configured here it has no such capability")
        return found


class Case:
    """A model for one toy."""

    def __init__(self, subject: Subject, dataset: Dataset) -> None:
        self.subject = subject
        self.dataset = dataset
        self.failure: Exception | None = None
        """What training raised; the model is then an untrained one."""

    @property
    def name(self) -> str:
        """The toy's name."""
        return self.dataset.name

    @property
    def data(self) -> DataSpec:
        """What one event is."""
        return self.dataset.spec

    def parts(self) -> Parts:
        """Untrained parts, made anew."""
        with random_scope(0, "build"):
            return build_model(self.subject.entry, self.subject.options, self.data)

    def prepared(self, *, brief: bool = False, **training: Any) -> TrainingSetup:
        """A training that is ready to begin; see `Subject.configuration`."""
        config = self.subject.configuration(brief=brief, **training)
        content = config.model_copy(update={"data": config.data.model_copy(update={"source": self.name})})
        return build_setup(content, self.dataset)

    @functools.cached_property
    def fitted(self) -> TrainedModel:
        """The trained model, in float32; an untrained one where training failed."""
        try:
            return train_in_memory(self.prepared(brief=self not in self.subject.principal))
        except Exception as error:
            self.failure = error
        entry = self.subject.entry
        return TrainedModel(entry.id, self.parts().generator.eval(), self.transform, self.data, entry.spec.missing)

    @functools.cached_property
    def transform(self) -> AffineTransform:
        """Into model space, as training fits it to its rows; to all rows where it cannot be prepared."""
        try:
            return self.prepared(brief=True).transform
        except Exception:
            space = self.subject.entry.spec.input_of(self.data.modality)
            return fit_transform(space, self.data, [np.asarray(self.dataset.events, np.float64)])

    def generator(self, dtype: torch.dtype = torch.float64) -> Generator:
        """A copy of the trained generator, evaluating, in `dtype`."""
        return copy.deepcopy(self.fitted.generator).to(dtype).eval().requires_grad_(False)

    @functools.cached_property
    def wide(self) -> Generator:
        """The trained generator in float64; not to be changed."""
        return self.generator()

    def events(self, dtype: torch.dtype = torch.float64) -> Tensor:
        """The toy's events in model space, `(N, *event)`; NaN where a value is missing."""
        x = torch.from_numpy(np.array(self.dataset.events, np.float64))  # a copy, which a model may spoil
        found: Tensor = self.transform(x)
        return found.to(dtype)

    def batch(self, count: int | None = None, dtype: torch.dtype = torch.float32) -> Batch:
        """The first `count` events, or all, as training is given them."""
        return Batch(*observed(self.events(dtype)[:count], self.data.missing))

    def given(self, count: int | None = None, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
        """The first `count` events, or all, as a generator's methods are given them."""
        batch = self.batch(count, dtype)
        return (batch.x,) if batch.missing is None else (batch.x, batch.missing)

    def measures(self) -> tuple[Measure, ...]:
        """What the likelihood of each place measures."""
        found = measures_of(self.wide, self.data)
        return found if self.data.modality == "table" else found * self.data.size


def copied(given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Copies, so that a model that changes what it is given spoils nothing; see 'answers-change-nothing'."""
    return tuple(tensor.clone() for tensor in given)


def scoped(draw: Callable[[], CapabilityT], seed: int = 0) -> CapabilityT:
    """What `draw` draws in a random scope of the kit, without gradients."""
    with torch.no_grad(), random_scope(seed, "promise"):
        return draw()
