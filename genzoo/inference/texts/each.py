"""The log-probability of each symbol of texts, and of windows of a long text without their context."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from genzoo.data.texts.flat import Texts
from genzoo.data.texts.symbols import BYTE_END, as_bytes, as_texts, is_inside
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
        symbols: bytes of the text that each symbol stands for, in order; the end is empty.
        logs: log-probability of each symbol given those before it, in nats, `(L,)` float64.
    """

    symbols: tuple[bytes, ...]
    logs: Array

    @property
    def begins(self) -> Array:
        """Number of the byte that each symbol begins at, `(L,)` int64."""
        sizes = np.fromiter(map(len, self.symbols), np.int64, len(self.symbols))
        return np.asarray(np.cumsum(sizes) - sizes)


@dataclass(frozen=True, slots=True)
class _Scored:
    """A text in model space.

    Arguments:
        text: its bytes.
        codes: its symbols, with the end if it has one, `(L,)` int64.
        logs: log-probability of each symbol given those before it, in nats, `(L,)` float64.
        rest: what the transform adds to the log-probability of the whole text.
    """

    text: bytes
    codes: Array
    logs: Array
    rest: float


def log_prob_each(units: DataUnits, x: Events) -> list[Array]:
    """See `TrainedModel.log_prob_each`."""
    scored = _each(units, x)
    if not any(one.rest for one in scored):
        return [one.logs for one in scored]
    return [read.logs for read in _read(units, scored)]


def read_texts(units: DataUnits, x: Events) -> list[ReadText]:
    """Return texts as a model reads them: their symbols, each with its log-probability.

    Arguments:
        x: as for `TrainedModel.log_prob_each`.

    Raises:
        ConfigError, DataError: as `TrainedModel.log_prob_each`.
    """
    return _read(units, _each(units, x))


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


def _each(units: DataUnits, x: Events) -> list[_Scored]:
    """Return each text in model space, with the log-probabilities of its symbols there."""
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
        sizes = (lengths_in(symbols, spec_in_model(units).end or 0) + 1).clamp(max=symbols.shape[1]).tolist()
        block = checked.chunk(start)
        rest = change_of_units(units, units.to_device(block)).tolist()
        rows = as_bytes(block, units.data), to_host(symbols.long()), to_host(logs.double()), sizes, rest
        found = np.empty(len(symbols), object)
        for row, (text, codes, values, size, own) in enumerate(zip(*rows, strict=True)):
            found[row] = _Scored(text, codes[:size], values[:size], own)
        return found

    none = np.empty(0, object)
    return list(units.by_chunk("computing likelihoods", len(checked), compute, checked.size, lambda: none))


def _read(units: DataUnits, scored: Sequence[_Scored]) -> list[ReadText]:
    known = _bytes_of_symbols(units, np.concatenate([np.empty(0, np.int64), *(one.codes for one in scored)]))
    pieces = [_pieces(one, known) for one in scored]
    costly = {piece for one, own in zip(scored, pieces, strict=True) if one.rest for piece in own}
    rest = _rest_of_pieces(units, sorted(costly))
    return [ReadText(own, one.logs + _shared(one, own, rest)) for one, own in zip(scored, pieces, strict=True)]


def _bytes_of_symbols(units: DataUnits, symbols: Array) -> dict[int, bytes]:
    """Return the bytes of each symbol that occurs, by its code in model space; the end has none."""
    codes = np.unique(symbols)
    if not len(codes):
        return {}
    alone = units.to_data(units.to_device(codes[:, None]).to(units.dtype))
    return dict(zip(codes.tolist(), as_bytes(alone, units.data), strict=True))


def _pieces(one: _Scored, known: Mapping[int, bytes]) -> tuple[bytes, ...]:
    """Return the bytes of a text that each of its symbols stands for."""
    found, place = [], 0
    for code in one.codes.tolist():
        piece = known[code]
        if not one.text.startswith(piece, place):  # the symbol of all characters that are not in the training rows
            stop = place + 1
            while stop < len(one.text) and is_inside(one.text[stop]):
                stop += 1
            piece = one.text[place:stop]
        found.append(piece)
        place += len(piece)
    return tuple(found)


def _rest_of_pieces(units: DataUnits, pieces: Sequence[bytes]) -> dict[bytes, float]:
    """Return what the transform adds to the log-probability of each piece of a text, as if it stood alone."""
    if not pieces:
        return {}
    texts = Texts.joined([np.frombuffer(piece, np.uint8) for piece in pieces], units.data.event_shape[0], BYTE_END)
    with torch.no_grad():
        return dict(zip(pieces, change_of_units(units, units.to_device(texts[:])).tolist(), strict=True))


def _shared(one: _Scored, pieces: Sequence[bytes], rest: Mapping[bytes, float]) -> Array:
    """Return how much of what the transform adds to a text belongs to each symbol, `(L,)`: evenly if unknown."""
    even = np.full(len(pieces), one.rest / max(1, len(pieces)))
    own = np.array([rest.get(piece, 0.0) for piece in pieces]) if math.isfinite(one.rest) and one.rest else even
    return own if np.isclose(own.sum(), one.rest) else even
