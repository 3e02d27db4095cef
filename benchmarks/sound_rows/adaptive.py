"""An adaptive coder of sequences of levels, as a measure for models: it mixes contexts, and learns from what it reads.

It reads one sequence after the other. Each symbol is coded by its probability given what was read before, so that a
decoder can follow. Four chains of contexts predict it: the last symbols, the last ones more and more roughly, and two
extrapolations of their amplitudes. In each chain, a context with few symbols leans on the shorter one, by a Dirichlet
prior. The chains are mixed by how well they predicted the last few symbols.

References:
    "Data Compression Using Adaptive Coding and Partial String Matching" (Cleary and Witten, 1984); "Adaptive Weighing
    of Context Models for Lossless Data Compression" (Mahoney, 2005).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.signal import lfilter

from genzoo.data.transforms.mu_law import LEVELS, amplitudes

Numbers = np.ndarray[Any, np.dtype[Any]]

STRENGTHS = (1.0, 10.0, 20.0, 20.0, 20.0)
"""Weight of the shorter context, in symbols, by the length of the context."""

MEMORY = 0.9
"""Share of the weight that a symbol keeps in the mixture with each new one."""


def adaptive_bits(sequences: Sequence[Numbers], longest: int) -> Numbers:
    """Return the bits of each of `sequences` of levels, with their ends, `(N,)`, after all that come before.

    Arguments:
        longest: largest number of symbols; such a sequence has no end.
    """
    whole = [row if len(row) == longest else np.append(row, LEVELS) for row in sequences]
    stream = np.concatenate(whole).astype(np.int64)
    owner = np.repeat(np.arange(len(whole)), [len(row) for row in whole])
    logs = np.stack([np.log(_chain(stream, contexts)) for contexts in _contexts(stream, owner)])
    past = lfilter([0.0, 1.0], [1.0, -MEMORY], logs, axis=1)
    weights = np.exp(past - past.max(0))
    mixed = (weights / weights.sum(0) * np.exp(logs)).sum(0)
    return np.asarray(np.bincount(owner, -np.log2(mixed), len(whole)))


def _contexts(stream: Numbers, owner: Numbers) -> list[list[Numbers]]:
    """Return the contexts of each chain, from short to long, `(S,)` each."""
    before = [_before(stream, owner, back) for back in range(1, 5)]
    exact, rough = [np.zeros_like(stream)], [np.zeros_like(stream)]
    for symbol in before[:2]:
        exact.append(exact[-1] * (LEVELS + 1) + symbol)
    for coarse, symbol in enumerate(before, 1):
        rough.append(rough[-1] * (LEVELS + 1) + (symbol >> coarse))
    one, two, three = (np.append(amplitudes(2.0**15), 0.0)[symbol] for symbol in before[:3])
    line, curve = _level(2 * one - two), _level(3 * one - 3 * two + three)
    near = line * (LEVELS + 1) + (before[0] >> 1)
    return [exact, rough, [exact[0], line, near, near * (LEVELS + 1) + (curve >> 2)]]


def _before(stream: Numbers, owner: Numbers, back: int) -> Numbers:
    """Return the symbol so many places before each one, and the end before the first, `(S,)`."""
    found = np.full_like(stream, LEVELS)
    inside = owner[back:] == owner[:-back]
    found[back:][inside] = stream[:-back][inside]
    return found


def _level(amplitude: Numbers) -> Numbers:
    size = (amplitude / 2**15).clip(-1, 1)
    scale = np.sign(size) * np.log1p((LEVELS - 1) * np.abs(size)) / math.log(LEVELS)
    levels: Numbers = ((1 + scale) * (LEVELS // 2)).clip(0, LEVELS - 1).astype(np.int64)
    return levels


def _chain(stream: Numbers, contexts: Sequence[Numbers]) -> Numbers:
    """Return the probability of each symbol under one chain of contexts, from what stands before it, `(S,)`."""
    share = np.full(len(stream), 1.0 / (LEVELS + 1))
    for context, strength in zip(contexts, STRENGTHS, strict=False):
        share = (_earlier(context * (LEVELS + 1) + stream) + strength * share) / (_earlier(context) + strength)
    return share


def _earlier(keys: Numbers) -> Numbers:
    """Return how often each key stands before its place, `(S,)`."""
    order = np.argsort(keys, kind="stable")
    new = np.diff(keys[order], prepend=-1) != 0
    starts = np.flatnonzero(new)
    counts = np.empty(len(keys), np.int64)
    counts[order] = np.arange(len(keys)) - np.repeat(starts, np.diff(starts, append=len(keys)))
    return counts
