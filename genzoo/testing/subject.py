"""The model under test: built and trained once for every toy dataset that it accepts."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from genzoo.config.resolve import layer, resolve_config, training_class
from genzoo.config.run_config import RunConfig
from genzoo.config.sampling import Sampling
from genzoo.data.condition_transform import fit_condition
from genzoo.data.dataset import Dataset
from genzoo.data.opening.given import AnyData
from genzoo.data.transforms import Transform, observed
from genzoo.data.transforms.ended import completed, is_block, lengths_in
from genzoo.data.transforms.parts import choose_stages, fit_stages
from genzoo.errors import DataError, GenzooError, PluginError, pass_out_of_memory
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.base import Decoder, Generator, Measure, Parts, latent_vectors
from genzoo.models.events import EventTensors, in_rows
from genzoo.models.factory import build_model, build_objective, check_data
from genzoo.models.measure import measures_of
from genzoo.models.objective import Batch, Objective, in_parts
from genzoo.models.reference import known_name
from genzoo.persistence.format1 import current_layers
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Entry
from genzoo.runtime.seeding import random_scope
from genzoo.spec.entries import ModelSpec
from genzoo.spec.events import DataSpec
from genzoo.testing.given import Given
from genzoo.testing.own_data import few_events
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
        name: name or id of the model, or a class of the user's, as for `genzoo.train`.
        options, training, objective: as for `genzoo.train`. Training is short by default.
        data: data of the author's to test it on besides the toy datasets, as for `genzoo.train`.
    """

    kind = "models"
    """The registry's table of models."""

    def __init__(
        self,
        name: str | type,
        options: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        objective: str | Mapping[str, Any] | None = None,
        data: AnyData | None = None,
    ) -> None:
        self.name: str = known_name(name)
        self._data = data
        self._options = dict(options or {})
        self._training = dict(training or {})
        self._objective = objective

    def under(self, options: Mapping[str, Any]) -> Subject:
        """Return the same model with other values of some options."""
        return Subject(self.name, {**self._options, **options}, self._training, self._objective, self._data)

    @functools.cached_property
    def entry(self) -> Entry[ModelSpec]:
        """The model's entry in the registry.

        Raises:
            ConfigError: no model has that name.
        """
        return get_registry().models.get(self.name)

    def check_settings(self) -> None:
        """Check the settings and the data that were given: their mistakes are the caller's, not the model's.

        Raises:
            ConfigError: a setting is unknown, out of range, or given under both its former and its current name with
                different values; or the data cannot be found.
            DataError: the data cannot be read, or the model does not accept them.
        """
        if self.own_data is not None:
            check_data(self.entry, self.own_data.spec)
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

    def built_objectives(self) -> Iterator[tuple[str, Objective]]:
        """Yield the objectives to train with, and their names."""
        for chosen in self.objectives:
            config = self.configuration(chosen).objective
            entry = get_registry().objective_of(self.entry, config.name)
            yield config.name.rpartition("/")[2], build_objective(entry, config.options)

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
    def own_data(self) -> Dataset | None:
        """Some events of the author's data; `None` if there are none besides the toy datasets.

        Raises:
            GenzooError: they cannot be read.
        """
        return None if self._data is None else few_events(self._data)

    @functools.cached_property
    def datasets(self) -> dict[str, Dataset]:
        """The author's data, if there are any, and the toy datasets, by name."""
        own = self.own_data
        return toys() if own is None else {own.name: own, **toys()}

    @functools.cached_property
    def cases(self) -> dict[str, Case]:
        """The cases that the model can be built for, by the name of the dataset."""
        return {name: case for name, dataset in self.datasets.items() if (case := self._case(dataset)) is not None}

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
                drawn = scoped(functools.partial(case.sample, 2, generator.eval()))
            except Exception:  # noqa: S112 - see the promise 'sample-shape'
                continue
            wanted = (2, *case.data.event_shape)
            if tuple(drawn.shape) != wanted:
                return f"On {case.name}, sample(2) of the model it builds has shape {tuple(drawn.shape)}, not {wanted}."
        return ""

    @functools.cached_property
    def principal(self) -> tuple[Case, ...]:
        """The first case of every modality, and the first with conditions.

        Raises:
            DoesNotApply: the model cannot be built for any toy dataset.
        """
        first: dict[tuple[str, bool], Case] = {}
        for case in self.cases.values():
            first.setdefault((case.data.modality, bool(case.data.condition)), case)
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
        """The spec of events in model space. Only texts and sounds may have another in data units, the dataset's."""
        spec = self.dataset.spec
        return self.transform.spec_after(spec) if spec.form.ended or spec.form.seen_as else spec

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
        condition = fit_condition(self.dataset, np.arange(len(self.dataset)))
        generator = self.parts().generator.eval()
        missing = entry.spec.missing and generator.accepts_missing
        return TrainedModel(entry.id, generator, self.transform, self.dataset.spec, missing, condition=condition)

    @functools.cached_property
    def transform(self) -> Transform:
        """The transform to model space, fitted to the training rows; to all rows if training cannot be prepared."""
        try:
            return self.setup(brief=True).transform
        except Exception:
            zoo = get_registry()
            spec = self.dataset.spec
            stages = choose_stages(self.subject.entry, spec, {}, zoo, self.subject.options)
            return fit_stages(stages, spec, lambda: [np.asarray(self.dataset.events, np.float64)], zoo)

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
        if self.data.form.ended and self.data is not self.dataset.spec:
            events = completed(events, self.data)
        return events.to(dtype)

    def conditions(self, n: int, dtype: torch.dtype = torch.float64) -> Tensor | None:
        """Return the conditions of the first `n` events, again from the first if there are fewer, `(n, D)`.

        Returns `None` if the data have no conditions.
        """
        values = self.dataset.conditions
        if values is None:
            return None
        transform = self.fitted.condition
        assert transform is not None
        mapped: Tensor = transform(torch.from_numpy(values[np.arange(n) % len(values)]))
        return mapped.to(dtype)

    def one_condition(self, n: int) -> Tensor | None:
        """Return the condition of the first event, `n` times, `(n, D)`; `None` if the data have none."""
        first = self.conditions(1)
        return None if first is None else first.expand(n, -1).clone()

    def under_one(self, x: Tensor, missing: Tensor | None = None) -> Given:
        """Return events `(N, *event)` that need not be in the data, all under the condition of the first event."""
        return Given(x, missing, self.one_condition(len(x)), self.data)

    def sample(
        self,
        n: int,
        generator: Generator | None = None,
        condition: Tensor | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Tensor:
        """Draw events as the core does.

        Arguments:
            generator: the one to draw from. Defaults to `wide`.
            condition: what to draw each event given, `(n, D)`. Defaults to the `conditions` of the events.
            options: sampling options of the model. Defaults to its own defaults.
        """
        generator = generator or self.wide
        options = Sampling.of(self.subject.entry, options or {}).options
        condition = self.conditions(n, dtype_of(generator)) if condition is None else condition
        given = {} if condition is None else {"condition": condition}
        return in_rows(self.completed(generator.sample(n, **given, **options)), self.data)

    def prior(self, n: int) -> Tensor:
        """Draw latent vectors of `wide`, `(n, L)`, which decodes."""
        decoder = self.wide
        assert isinstance(decoder, Decoder)
        return latent_vectors(decoder, n, self.conditions(n, dtype_of(decoder)))

    def completed(self, drawn: EventTensors) -> EventTensors:
        """Return drawn texts as wide as the longest, as the core does; other events are returned as they are."""
        if not is_block(drawn, len(drawn), self.data):
            return drawn
        return completed(drawn, self.data).to(drawn.dtype)

    def batch(self, count: int | None = None, dtype: torch.dtype = torch.float32) -> Batch:
        """Return the first `count` events, or all, as a batch of training."""
        given = self.given(count, dtype)
        length = None if self.data.end is None else lengths_in(given.x, self.data.end)
        return in_parts(Batch(given.x, given.missing, condition=given.condition, length=length), self.data)

    def given(self, count: int | None = None, dtype: torch.dtype = torch.float64) -> Given:
        """Return the first `count` events, or all, as a generator's methods take them."""
        x, missing = observed(self.events(dtype)[:count], self.data.missing)
        return Given(x, missing, self.conditions(len(x), dtype), self.data)

    def measures(self) -> tuple[Measure, ...]:
        """Return, for each number of an event, whether its likelihood is a density or a probability mass."""
        pairs = zip(measures_of(self.wide, self.data), self.data.repeats, strict=True)
        return tuple(measure for measure, count in pairs for _ in range(count))


def dtype_of(generator: Generator) -> torch.dtype:
    """Return the type that a generator computes in."""
    tensors = generator.state_dict().values()
    return next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), torch.float32)


def scoped(draw: Callable[[], CapabilityT], seed: int = 0) -> CapabilityT:
    """Call `draw` in a random scope of the kit, with gradients disabled, and return its result."""
    with torch.no_grad(), random_scope(seed, "promise"):
        return draw()
