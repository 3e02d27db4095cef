"""Move events between data units and the space a generator computes in.

`likelihood.py` changes the units of log-likelihoods.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from genzoo.config.sampling import Sampling
from genzoo.data.columns.limits import within_limits
from genzoo.data.condition_transform import ConditionTransform
from genzoo.data.dataset import Conditioned, ModelEvents, check_codes, check_values, present
from genzoo.data.frames.kinds import is_frame
from genzoo.data.parts import rows_of
from genzoo.data.texts.symbols import as_texts
from genzoo.data.transforms import Transform, observed
from genzoo.data.transforms.ended import completed, shortened
from genzoo.data.transforms.parts import PartTransforms, place_events
from genzoo.data.value_range import check_inside
from genzoo.errors import ConfigError, DataError, PluginError
from genzoo.inference.blame import blame_file
from genzoo.models.base import Generator, capability_name
from genzoo.models.events import EventTensors, masks_of, to_parts, to_rows
from genzoo.plugins.manager import models_that
from genzoo.runtime.progress import Phase
from genzoo.runtime.seeding import random_scope
from genzoo.spec.events import DataSpec, Piece
from genzoo.typing import Array
from genzoo.wording import argument

Events = Array | Tensor | Any
"""Events in data units: an array, a tensor, or a table of pandas, polars or pyarrow."""

CapabilityT = TypeVar("CapabilityT")
ResultT = TypeVar("ResultT")

LOST = frozenset({"likelihood", "likelihood-bound", "likelihood-estimate", "imputation", "autoregressive"})
"""Capabilities that no model has behind a transform that loses something of events."""


CHUNK = 512
"""Events computed at a time."""


_SYMBOLS = 2**16
"""Symbols of texts computed at a time, with padding: a model has numbers for each symbol at each place."""


@dataclass(frozen=True, slots=True)
class CheckedEvents:
    """Events that a model accepts, in data units, on the host.

    Arguments:
        events: `(N, *event)`, NaN if a value is missing.
        missing: whether any value is missing.
        conditions: what the events are conditional on, `(N, K)` in data units. Defaults to `None`: nothing.
        size: number of events computed at a time. Defaults to `CHUNK`.
    """

    events: Array
    missing: bool
    conditions: Array | None = None
    size: int = CHUNK

    def __len__(self) -> int:
        return len(self.events)

    def chunk(self, start: int, size: int | None = None) -> Array:
        """Return `size` events from `start`, or fewer at the end."""
        return np.asarray(self.events[start : start + (size or self.size)])

    def chunk_conditions(self, start: int, size: int | None = None) -> Array | None:
        """Return the conditions of `size` events from `start`; `None` if there are none."""
        return None if self.conditions is None else self.conditions[start : start + (size or self.size)]

    def given(self, start: int, events: Array) -> ModelEvents:
        """Return `events`, which begin at `start`, as a trained model takes them: with their conditions, if any."""
        conditions = self.chunk_conditions(start, len(events))
        return events if conditions is None else Conditioned(events, conditions)


@dataclass(frozen=True, slots=True)
class ModelInput:
    """What the generator's methods take, in its space.

    Arguments:
        x: events, `(n, *event)`; 0 for missing values.
        missing: mask of missing values; `None` if no value of all events is missing.
        condition: what the events are conditional on, `(n, D)`; `None` if the model is not conditional.
    """

    x: EventTensors
    missing: EventTensors | None
    condition: Tensor | None

    def ask(self, method: Callable[..., ResultT], **options: object) -> ResultT:
        """Call a method of the generator; it gets a mask or a condition only if there is one."""
        mask = () if self.missing is None else (self.missing,)
        given = {} if self.condition is None else {"condition": self.condition}
        return method(self.x, *mask, **given, **options)


def _no_numbers() -> Array:
    return np.empty(0)


@dataclass(frozen=True, slots=True)
class DataUnits:
    """A generator that is called with events in data units.

    Arguments:
        model: id of the model, for messages.
        generator: the generator, which computes in its own space.
        transform: maps data units to that space.
        data: describes one event.
        missing: whether the generator accepts missing values.
        origin: path of the file that the weights come from, or `None`.
        sampling: how samples are drawn. Defaults to groups of 64.
        condition: maps conditions to model space. Defaults to `None`: the model is not conditional.
        fixed: conditions that are known, by number of their column. Defaults to none.
    """

    model: str
    generator: Generator
    transform: Transform
    data: DataSpec
    missing: bool
    origin: str | None
    sampling: Sampling = field(default_factory=Sampling)
    condition: ConditionTransform | None = None
    fixed: Mapping[int, float] = field(default_factory=dict)
    _known: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def known(self, name: str, find: Callable[[], ResultT]) -> ResultT:
        """Return a fact about the model, found once: each chunk of events asks for it again.

        Arguments:
            name: what the fact is called.
            find: finds it.
        """
        if name not in self._known:
            self._known[name] = find()
        found: ResultT = self._known[name]
        return found

    @property
    def device(self) -> torch.device:
        """Where the generator computes."""
        return self.transform.device

    @property
    def dtype(self) -> torch.dtype:
        """The type the generator computes in."""
        tensors = itertools.chain(self.generator.parameters(), self.generator.buffers())
        return next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), torch.float32)

    @property
    def inner(self) -> DataSpec:
        """Describes one event in the generator's space."""
        return self.transform.spec_after(self.data)

    def require(self, capability: type[CapabilityT]) -> CapabilityT:
        """Return the generator, typed as one with a capability such as `Decoder`.

        Raises:
            ConfigError: it lacks the capability.
        """
        lost = capability_name(capability) in self.lost
        if isinstance(self.generator, capability) and not lost:
            return self.generator
        if lost:
            raise ConfigError(f"Model {self.model!r} has no {capability_name(capability)!r}: {self.transform.lossy}.")
        raise ConfigError(f"Model {self.model!r} cannot do this: it has no {capability_name(capability)!r}.")

    @property
    def lost(self) -> frozenset[str]:
        """Names of the capabilities that events in data units do not have, because the transform is lossy."""
        if not self.transform.lossy:
            return frozenset()
        return LOST - {"imputation"} if self.data.has_parts else LOST  # parts are filled in whole

    def check(self, x: Events) -> CheckedEvents:
        """Check that events suit the model.

        The columns of a table of pandas, polars or pyarrow are found by name. An array has the columns of training, in
        their order.

        Raises:
            DataError: they are not numbers, have another shape than the training data, or are infinite; some are
                missing and the model does not accept that; or images lie outside the range of the training data.
        """
        events, conditions = self._parted(x)
        size = max(1, min(CHUNK, _SYMBOLS // self.inner.event_shape[0])) if self.inner.form.ended else CHUNK
        if self.data.form.ended:
            return CheckedEvents(events, missing=False, conditions=conditions, size=size)
        if events.dtype.kind not in "buif":
            raise DataError(f"Events must be numbers, and these are of type {events.dtype}.")
        if events.shape[1:] != self.data.event_shape:
            raise DataError(
                f"The model was trained on events of shape {self.data.event_shape}, and these have "
                f"{events.shape[1:]}. Give it data of the same form."
            )
        holed = [self._check_part(piece, events) for piece in self.data.pieces] if len(events) else []
        missing = any(holed)
        if missing and not self.missing:
            holey = replace(self.data, missing=True)
            raise DataError(
                f"These data have missing values and model {self.model!r} does not accept them. Leave such rows out "
                f"of the data, or train {models_that('accepts them', lambda spec: spec.takes(holey))}."
            )
        for piece in self.data.pieces:
            own = present(piece, events)
            if piece.spec.form.ranged and piece.spec.features[0].kind == "binary":
                _check_black_and_white(self.model, own)
            else:
                check_codes("The data", own, piece.spec, means=True)
        check_inside(f"Model {self.model!r}", "the array", events, self.data)
        return CheckedEvents(events, missing, conditions, size)

    def _check_part(self, piece: Piece, events: Array) -> bool:
        """Check the values of events, or of one of their parts, and return whether any are missing."""
        own, spec = present(piece, events), piece.spec
        if not len(own):
            return True
        names = [feature.name for feature in spec.features] if spec.form.columns else None
        shown = f"Part {piece.name!r} of the data" if piece.name else "The data"
        return check_values(shown, own, names) or len(own) < len(events)

    def _parted(self, x: Events) -> tuple[Array, Array | None]:
        """Return events as an array, and their conditions if the model is conditional."""
        given = _as_given(x, self.data)
        if isinstance(given, Conditioned):
            return given.events, given.conditions if self.condition is not None else None
        if self.condition is None:
            return given, None
        features = self.condition.features
        if len(self.fixed) < len(features):
            names = ", ".join(feature.name for feature in features)
            raise ConfigError(
                f"Model {self.model!r} was trained given {names}. Hand over an array of these with the events, as "
                f"condition=, or a table that has such columns."
            )
        return given, self.condition.draw(len(given), self.fixed)

    def usual_conditions(self, n: int) -> Array | None:
        """Return conditions to try the model under, `(n, K)`: drawn categories, and numbers at their mean."""
        if self.condition is None:
            return None
        with random_scope(0, "usual conditions"):
            return self.condition.draw(n, self.usually_fixed)

    @property
    def usually_fixed(self) -> dict[int, float]:
        """The conditions that are known, by number of their column, and other numbers at their mean."""
        if self.condition is None:
            return {}
        places = set(range(len(self.condition.features))).difference(self.condition.categories)
        return {place: float(self.condition.shift[place]) for place in sorted(places)} | dict(self.fixed)

    def to_condition(self, conditions: Array | None) -> Tensor | None:
        """Return conditions `(n, K)` in model space, `(n, D)`, on the device."""
        if conditions is None or self.condition is None:
            return None
        mapped: Tensor = self.condition(torch.from_numpy(conditions).to(self.device, self.condition.shift.dtype))
        return mapped.to(self.dtype)

    @torch.no_grad()
    def by_chunk(
        self,
        work: str,
        n: int,
        compute: Callable[[int, int], Array],
        size: int = CHUNK,
        empty: Callable[[], Array] = _no_numbers,
    ) -> Array:
        """Compute `n` events in chunks, with the generator in evaluation mode. It is never called for no events.

        Arguments:
            work: what is done, for the display of progress.
            compute: takes the number of a chunk and its first event; returns one result per event.
            size: events in a chunk.
            empty: returns the result for no events. By default, it is empty and has one number for each event.

        Raises:
            ArtifactError: the generator fails with weights from a file.
        """
        training = self.generator.training
        self.generator.eval()
        try:
            with blame_file(self.origin, self.model), Phase(work, n, self.data.form.events) as phase:
                chunks = [] if n else [empty()]
                for number, start in enumerate(range(0, n, size)):
                    chunks.append(compute(number, start))
                    phase.advance(min(size, n - start))
                return np.concatenate(chunks)
        finally:
            if training:
                self.generator.train()

    def no_events(self) -> Array:
        """Return no events, `(0, *event)`."""
        return np.empty((0, *self.data.event_shape), self.data.storage)

    def one_event(self) -> ModelInput:
        """Return an event of zeros in the generator's space, to find the width of results."""
        x = torch.zeros((1, *self.inner.event_shape), device=self.device, dtype=self.dtype)
        return ModelInput(to_parts(x, self.inner), None, self.to_condition(self.usual_conditions(1)))

    def to_device(self, x: Array) -> Tensor:
        """Put events on the device in the transform's own precision, so that large offsets do not round."""
        # Torch warns of arrays that cannot be written to, such as columns of pandas and files that are mapped.
        return torch.as_tensor(np.require(x, requirements=("C", "W"))).to(self.device, self.transform.dtype)

    def to_model(self, x: Tensor, missing: bool, conditions: Array | None = None) -> ModelInput:
        """Return what the generator's methods take.

        Arguments:
            x: `(n, *event)` in data units, on the device.
            missing: whether any value of all events is missing.
            conditions: `(n, K)` in data units. Defaults to `None`: the model is not conditional.
        """
        return self.observed_input(x, missing, self.to_condition(conditions))

    def observed_input(self, x: Tensor, missing: bool, condition: Tensor | None) -> ModelInput:
        """Return what the generator's methods take, as `to_model` does, with a condition in model space."""
        y, mask = observed(self.transform(shortened(x, self.data.end)).to(self.dtype), missing)
        y = shortened(y, self.inner.end)
        return ModelInput(to_parts(y, self.inner), masks_of(mask, self.inner), condition)

    def chunk_to_model(self, checked: CheckedEvents, start: int) -> ModelInput:
        """Return what the generator's methods take of the chunk that begins at `start`."""
        return self.to_model(self.to_device(checked.chunk(start)), checked.missing, checked.chunk_conditions(start))

    def to_data(self, y: EventTensors, *, whole_counts: bool = True, wanted: Collection[str] | None = None) -> Array:
        """Return events of the generator's space in data units, in the data's limits and type, on the host.

        Arguments:
            whole_counts: as for `place_on_grid`. Defaults to true.
            wanted: names of the parts that are looked at, of events with several; the others have no meaning. Defaults
                to all.

        Raises:
            PluginError: the generator returned events of another shape.
        """
        if self.inner.form.ended:
            y = completed(y, self.inner)
        if self.data.form.ended:
            texts = y if self.inner is self.data else completed(self.transform.inverse(y), self.data)
            return to_host(texts).astype(self.data.storage)
        try:
            rows = to_rows(y, self.inner)
        except (KeyError, ValueError) as error:
            raise PluginError(f"Model {self.model!r} returned events of {error}.") from error
        rows = rows.to(self.transform.dtype)
        back = self.transform
        x = back.inverse(rows, wanted) if isinstance(back, PartTransforms) else back.inverse(rows)
        finite = x.isfinite()
        placed = place_events(x, self.data, whole_counts=whole_counts)
        if finite.all():
            return _stored(self._limited(to_host(placed)), self.data.storage)
        # Neither a bound nor an integer may hide a number that is not finite: the caller can count them.
        return self._limited(to_host(torch.where(finite, placed, x)))

    def _limited(self, x: Array) -> Array:
        parts = [
            within_limits(piece.take(x), piece.spec.features) if piece.spec.form.columns else piece.take(x)
            for piece in self.data.pieces
        ]
        return np.concatenate([part.reshape(len(x), -1) for part in parts], 1) if len(parts) > 1 else parts[0]


def _as_given(x: Events, data: DataSpec) -> ModelEvents:
    if isinstance(x, Conditioned):
        return x
    if isinstance(x, Mapping):
        return rows_of(x, data)
    if isinstance(x, Tensor):
        x = np.asarray(x.detach().cpu().numpy())
    if data.form.ended:
        return as_texts(x, data, "The array").as_array()
    if is_frame(x):
        from genzoo.data.frames.source import frame_events  # imported here, because arrays need no pyarrow

        return frame_events(x, data)
    return x if hasattr(x, "dtype") and hasattr(x, "shape") else np.asarray(x)  # rows of a file are read when indexed


def to_host(x: Tensor) -> Array:
    """Return a tensor as an array on the host."""
    return np.asarray(x.detach().cpu().numpy())


def pad(x: Tensor, size: int) -> Tensor:
    """Repeat the last of events `x (n, *event)` until there are `size`, so that draws do not depend on `n`."""
    return torch.cat([x, x[-1:].expand(size - len(x), *x.shape[1:])])


def padded(conditions: Array | None, size: int) -> Array | None:
    """Repeat the last of conditions `(n, K)` until there are `size`, as `pad` does."""
    return None if conditions is None else np.pad(conditions, ((0, size - len(conditions)), (0, 0)), mode="edge")


def any_observed(events: Array) -> Array:
    """Return which events `(N, *event)` have any value that is not missing, `(N,)` bool."""
    return np.asarray(~np.isnan(events.reshape(len(events), -1)).all(axis=1))


def _stored(x: Array, storage: str) -> Array:
    """Return values in the type that the data are stored in, clipped to its range if it holds integers."""
    if np.issubdtype(storage, np.integer):
        ends = np.iinfo(storage)
        x = x.clip(float(ends.min), np.nextafter(float(ends.max), 0) if ends.max > 2**53 else float(ends.max))
    with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite
        return x.astype(storage)


def _check_black_and_white(model: str, events: Array) -> None:
    for start in range(0, len(events), CHUNK):
        block = np.asarray(events[start : start + CHUNK])
        bad = (block != 0) & (block != 1)
        if bad.any():
            raise DataError(
                f"Model {model!r} was trained on images of 0 and 1, and these hold {block[bad][0]:g}. Convert them "
                f"first; {argument('binarize', True)} does it when data are read."
            )
