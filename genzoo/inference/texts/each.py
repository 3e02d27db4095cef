"""The log-probability of each symbol of texts, and of windows of a long text without their context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from genzoo.data.texts.symbols import as_bytes, as_texts
from genzoo.data.transforms.ended import lengths_in
from genzoo.errors import DataError, PluginError
from genzoo.inference.data_units import DataUnits, Events, to_host
from genzoo.inference.likelihood import change_of_units
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
    return [logs for _, logs in _each(units, x)]


def read_texts(units: DataUnits, x: Events) -> list[ReadText]:
    """Return texts as a model reads them: their symbols, each with its log-probability.

    Arguments:
        x: as for `TrainedModel.log_prob_each`.

    Raises:
        ConfigError, DataError: as `TrainedModel.log_prob_each`.
    """
    found = _each(units, x)
    known = _bytes_of_symbols(units, np.concatenate([np.empty(0, np.int64), *(codes for codes, _ in found)]))
    return [ReadText(tuple(known[code] for code in codes.tolist()), logs) for codes, logs in found]


def log_prob_after(units: DataUnits, windows: Events, context: Array) -> tuple[Array, Array]:
    """Return the log-probabilities of windows of a long text, of all that follows their context.

    A byte of context is not counted, and what follows is measured given it. A symbol counts if it begins after the
    context.

    Arguments:
        windows: codes of bytes, `(N, T)`.
        context: number of bytes at the start of each window that are its context, `(N,)`.

    Returns:
        Log-probabilities in nats, `(N,)` float64, and numbers of bytes that they are of, `(N,)` int64.

    Raises:
        ConfigError: the model is not `autoregressive`.
        DataError: the windows do not fit the model, or there is not one number for each.
    """
    texts = as_texts(windows, units.data, "The windows")
    context = np.asarray(context)
    if context.shape != (len(texts),) or (context < 0).any() or (context > texts.lengths).any():
        raise DataError(f"{len(texts)} windows need as many numbers of bytes of context, each within its window.")
    logs, counts = np.empty(len(texts)), np.empty(len(texts), np.int64)
    for row, read in enumerate(read_texts(units, texts)):
        counted = read.begins >= context[row]
        logs[row] = read.logs[counted].sum()
        counts[row] = sum(len(symbol) for symbol, counts_too in zip(read.symbols, counted, strict=True) if counts_too)
    return logs, counts


def _each(units: DataUnits, x: Events) -> list[tuple[Array, Array]]:
    """Return each text as symbols of the model with its end, `(L,)` int64, and their log-probabilities, `(L,)`."""
    generator = units.require(Autoregressive)
    checked = units.check(x)

    def compute(_: int, start: int) -> Array:
        given = units.chunk_to_model(checked, start)
        symbols: Any = given.x
        logs = given.ask(generator.log_prob_each)
        if logs.shape != symbols.shape:
            raise PluginError(
                f"Model {units.model!r} returns log_prob_each of shape {tuple(logs.shape)} for texts of shape "
                f"{tuple(symbols.shape)}."
            )
        sizes = (lengths_in(symbols, spec_in_model(units).end or 0) + 1).clamp(max=symbols.shape[1])
        # What the transform adds is of a whole text, so its symbols share it.
        shared = change_of_units(units, units.to_device(checked.chunk(start))) / sizes
        found = np.empty(len(symbols), object)
        rows = to_host(symbols.long()), to_host(logs.double() + shared[:, None].double())
        for row, (codes, values, size) in enumerate(zip(*rows, sizes.tolist(), strict=True)):
            found[row] = codes[:size], values[:size]
        return found

    none = np.empty(0, object)
    return list(units.by_chunk("computing likelihoods", len(checked), compute, checked.size, lambda: none))


def _bytes_of_symbols(units: DataUnits, symbols: Array) -> dict[int, bytes]:
    """Return the bytes of each symbol that occurs, by its code in model space; the end has none."""
    codes = np.unique(symbols)
    if not len(codes):
        return {}
    alone = units.to_data(units.to_device(codes[:, None]).to(units.dtype))
    return dict(zip(codes.tolist(), as_bytes(alone, units.data), strict=True))
