"""The log-probability of each symbol of texts, and of windows of a long text without their context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genzoo.data.texts.symbols import as_texts, pieces_of
from genzoo.data.transforms.ended import lengths_in
from genzoo.errors import DataError, PluginError
from genzoo.inference.data_units import CheckedEvents, DataUnits, Events, to_host
from genzoo.inference.texts.prompts import spec_in_model
from genzoo.models.base import Autoregressive
from genzoo.typing import Array


@dataclass(frozen=True, slots=True)
class ReadText:
    """A text as a model reads it.

    Arguments:
        symbols: bytes of each symbol, in order; the end is empty.
        logs: log-probability of each symbol given those before it, in nats, `(L,)` float64.
    """

    symbols: tuple[bytes, ...]
    logs: Array

    @property
    def begins(self) -> Array:
        """Number of the byte that each symbol begins at, `(L,)` int64."""
        sizes = np.fromiter(map(len, self.symbols), np.int64, len(self.symbols))
        return np.asarray(np.cumsum(sizes) - sizes)


def log_prob_each(units: DataUnits, x: Events) -> list[Array]:
    """See `TrainedModel.log_prob_each`."""
    return [read.logs for read in _each(units, units.check(x))]


def read_texts(units: DataUnits, x: Events) -> list[ReadText]:
    """Return texts as a model reads them: their symbols, each with its log-probability.

    Arguments:
        x: as for `TrainedModel.log_prob_each`.

    Raises:
        ConfigError, DataError: as `TrainedModel.log_prob_each`.
    """
    checked = units.check(x)
    found = _each(units, checked)
    texts = as_texts(checked.events, units.data, "The texts")
    return [
        ReadText(_cut(text, read.sizes), read.logs)
        for text, read in zip(pieces_of(texts, units.data), found, strict=True)
    ]


def log_prob_after(units: DataUnits, windows: Events, context: Array) -> tuple[Array, Array]:
    """Return the log-probabilities of windows of a long text, of all that follows their context.

    A byte of context is not counted, and what follows is measured given it. The end of a window is no end of the text,
    and is left out. A symbol that begins in the context and ends after it counts, with its new bytes alone: no more
    probable than these bytes given the context, it makes a lower bound.

    Arguments:
        windows: codes of bytes, `(N, T)`.
        context: number of bytes at the start of each window that are its context, `(N,)`.

    Returns:
        Log-probabilities in nats, `(N,)` float64, and numbers of bytes that they are of, `(N,)` int64.

    Raises:
        ConfigError: the model is not `autoregressive`.
        DataError: the windows do not fit the model, or there is not one number for each.
    """
    checked, context = units.check(windows), np.asarray(context)
    lengths = as_texts(checked.events, units.data, "The windows").lengths
    if context.shape != lengths.shape or (context < 0).any() or (context > lengths).any():
        raise DataError(f"{len(lengths)} windows need as many numbers of bytes of context, each within its window.")
    logs = np.empty(len(lengths))
    for row, read in enumerate(_each(units, checked)):
        logs[row] = read.logs[(read.sizes > 0) & (np.cumsum(read.sizes) > context[row])].sum()
    return logs, lengths - context


@dataclass(frozen=True, slots=True)
class _Read:
    """The symbols of a text in model space, with its end.

    Arguments:
        sizes: number of symbols of the data in each, 0 for the end, `(L,)` int64.
        logs: log-probability of each in nats, `(L,)` float64.
    """

    sizes: Array
    logs: Array


def _each(units: DataUnits, checked: CheckedEvents) -> list[_Read]:
    """Return how long each symbol of texts is, and how probable."""
    generator = units.require(Autoregressive)
    end = spec_in_model(units).end or 0

    def compute(_: int, start: int) -> Array:
        given = units.chunk_to_model(checked, start)
        symbols: Any = given.x
        logs = given.ask(generator.log_prob_each)
        if logs.shape != symbols.shape:
            raise PluginError(
                f"Model {units.model!r} returns log_prob_each of shape {tuple(logs.shape)} for texts of shape "
                f"{tuple(symbols.shape)}."
            )
        counts = (lengths_in(symbols, end) + 1).clamp(max=symbols.shape[1])
        sizes, added = units.transform.each_symbol(units.to_device(checked.chunk(start)), symbols, end)
        found = np.empty(len(symbols), object)
        rows = to_host(sizes.long()), to_host(logs.double() + added.double())
        for row, (own, values, count) in enumerate(zip(*rows, counts.tolist(), strict=True)):
            found[row] = _Read(own[:count], values[:count])
        return found

    none = np.empty(0, object)
    return list(units.by_chunk("computing likelihoods", len(checked), compute, checked.size, lambda: none))


def _cut(text: Sequence[bytes] | bytes, sizes: Array) -> tuple[bytes, ...]:
    """Cut a text, given as bytes or as pieces of bytes, after so many of these."""
    ends = np.cumsum(sizes).tolist()
    parts = [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return tuple(part if isinstance(part, bytes) else b"".join(part) for part in parts)
