"""The interface of transforms, and how events pass through one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from genzoo.errors import DataError
from genzoo.spec.events import DataSpec

NumberArray = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Stage:
    """One transform of a chain, as files hold it.

    Arguments:
        id: id of the registered transform. A file says nothing else about the code to run.
        options: its options.
        columns: columns of a table that it changes, in increasing order. Defaults to `None`: the whole event.
        part: name of the part of an event that it is for. Defaults to none: the event is one whole.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid", "strict": False}

    id: str
    options: Mapping[str, Any]
    columns: tuple[int, ...] | None = None
    part: str = ""


class Transform(nn.Module, ABC):
    """A map from data units to model space and back, of each value on its own, or of a whole text or sound.

    What it learned from the training rows stands in buffers of type float64, so that rounding does not depend on the
    unit of the data. All methods take values in any floating type and return the same type.
    """

    degrees_of_freedom: int | None = 0
    """Number of free parameters that count in information criteria, such as BIC.

    It is 0 for a change of units or scale. `None` means that the map adapts to the data without such a count, so there
    are no information criteria.
    """

    affine: bool = False
    """Whether the map is a shift and a scale: its log-determinant is then the same for all events."""

    bound: str = ""
    """Why the likelihood of an event is only a lower bound, as a clause. Empty if it is as exact as the generator's."""

    lossy: str = ""
    """Why events have no likelihood after this transform, as a clause. Empty if they have one."""

    rounds_to: str = ""
    """What it rounds the values of events to, such as `256 mu-law levels`. A likelihood is then a probability mass of
    these. Empty if it keeps values."""

    stages: tuple[Stage, ...] = ()
    """What a file says about it. Empty for an affine map that files hold as a shift and a scale alone."""

    _place: Tensor

    def __init__(self) -> None:
        super().__init__()
        # It is moved and cast with the module, so a map without numbers of its own knows its device and its type, too.
        self.register_buffer("_place", torch.zeros((), dtype=torch.float64), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._place.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of its own numbers."""
        return self._place.dtype

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Map data units `(N, *event)` to model space.

        NaN, which marks missing values, stays NaN. Other values become finite, even outside the support.
        """

    def spec_after(self, data: DataSpec) -> DataSpec:
        """Return the spec of events in model space: for texts, other symbols, and the longest text in these.

        Most transforms keep the shape and the kinds of events, and return `data` as it is.

        Arguments:
            data: describes the events in data units, as when it was fitted.
        """
        return data

    @abstractmethod
    def inverse(self, y: Tensor) -> Tensor:
        """Map model space `(N, *event)` to data units."""

    @abstractmethod
    def log_det(self, x: Tensor, without: Tensor | None = None) -> Tensor:
        """Return the log-determinant of the forward map at `x (N, *event)`, summed over each event, `(N,)` nats.

        Add it to a log-density in model space to get the log-density in data units. It is minus infinity for an event
        with a value outside the support. The mask `without`, `(N, *event)`, marks values to leave out of the sum,
        because they are missing or measured as a mass.
        """

    def each_symbol(self, x: Tensor, y: Tensor, end: int) -> tuple[Tensor, Tensor]:
        """Return what each symbol of texts in model space stands for, `(N, L)` each.

        By default, a symbol stands for one of the data, and shares the log-determinant of its text evenly.

        Arguments:
            x: texts in data units, `(N, T)`.
            y: the same texts in model space, `(N, L)`.
            end: code of the end in model space.

        Returns:
            Number of symbols of the data, 0 for the end; and what each symbol adds to `log_det`, nats.
        """
        sizes = (y.long() != end).long().cumprod(1)
        read = (sizes.sum(1) + 1).clamp(max=y.shape[1])
        shares = self.log_det(x) / read
        return sizes, shares[:, None] * (torch.arange(y.shape[1], device=y.device) < read[:, None])


class TransformBuilder(Protocol):
    """What `TransformSpec.builder` names, such as a class with three class methods."""

    def outlines(self, options: Any, data: DataSpec, /) -> Mapping[str, tuple[int, ...]]:
        """Return the largest shape of each tensor, by name. A file with a larger tensor is never read.

        Tensors are floating, or hold whole numbers if `TransformSpec.whole` names them.
        """

    def fit(self, options: Any, data: DataSpec, blocks: Iterable[NumberArray], /) -> Transform:
        """Fit a transform to the training rows.

        Arguments:
            options: an instance of the spec's config class.
            data: describes the events; the `low` and `high` of a feature are bounds that the user states.
            blocks: the training rows in data units, `(n, *event)` each, NaN for missing values; iterated over once.

        Raises:
            DataError: a value lies outside the support, or the values determine no map.
        """

    def restore(self, options: Any, data: DataSpec, tensors: Mapping[str, Tensor], /) -> Transform:
        """Build a fitted transform again, from its tensors in a file that may come from anybody.

        Raises:
            ValueError: no fitted transform has such tensors.
        """


def summed(per_value: Tensor, without: Tensor | None) -> Tensor:
    """Return the sum of each event's values `(N, *event)`, without those that the mask marks, `(N,)`."""
    if without is not None:
        per_value = per_value.masked_fill(without, 0.0)
    return per_value.flatten(1).sum(1)


def to_model_space(transform: Transform, events: Tensor, dtype: torch.dtype) -> Tensor:
    """Map events from data units, in their stored type, to model space in `dtype`.

    Types wider than float32 are rounded after an affine map, and all types after another map. Rounding first would cost
    digits: three if the mean is 1,000 times the deviation.
    """
    narrow = events.dtype in (torch.uint8, torch.int16, torch.float16, torch.float32)
    rounded = narrow and transform.affine
    x: Tensor = transform(events.to(dtype if rounded else torch.promote_types(dtype, transform.dtype)))
    return x.to(dtype)


def observed(x: Tensor, missing: bool) -> tuple[Tensor, Tensor | None]:
    """Return events with 0 for missing values, and the mask of missing values, both `(N, *event)`.

    Arguments:
        x: events, with NaN for missing values.
        missing: whether values may be missing. If not, `x` is returned unchanged and the mask is `None`.
    """
    if not missing:
        return x, None
    gone = x.isnan()
    return x.masked_fill(gone, 0.0), gone


def place_on_grid(x: Tensor, data: DataSpec, *, whole_counts: bool = True) -> Tensor:
    """Return values in data units rounded to the data's grid, levels and bounds.

    Arguments:
        whole_counts: whether counts are rounded; the mean of counts need not be whole. Defaults to true.
    """
    if data.quantum is not None:
        origin = data.bounds[0] if data.bounds else 0.0
        x = ((x - origin) / data.quantum).round() * data.quantum + origin
    x = x.clone() if data.discrete else x
    for column in data.discrete:
        levels = data.features[column].levels
        placed = x[:, column].round() if whole_counts or levels is not None else x[:, column]
        x[:, column] = placed.clamp(0, None if levels is None else len(levels) - 1)
    return x.clamp(*data.bounds) if data.bounds else x


def check_none(data: DataSpec, bad: NumberArray, problem: str) -> None:
    """Check that nothing is wrong with any column, or with images.

    Arguments:
        bad: `(C,)` bool for a table; any shape for images.
        problem: what is wrong with a bad one, after its name.

    Raises:
        DataError: a column is bad, or any entry for images.
    """
    if bad.any():
        table = data.form.columns
        name = f"Column {data.features[int(bad.argmax())].name!r}" if table else f"The range of the {data.form.events}"
        raise DataError(f"{name} {problem}")
