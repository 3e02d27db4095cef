"""The network of `gpt`: a transformer in which every place of a text sees the places before it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genzoo import full_precision
from genzoo_text.gpt_gradients import (
    Turns,
    attention_parts,
    computes_by_hand,
    normalized,
    squared_relu,
    with_places_before,
)
from genzoo_text.gpt_pieces import PieceTables

_BASE = 10_000.0
"""Ratio of the longest wavelength of the rotations to the shortest, about."""

_START = 0.02
"""Standard deviation of the weights of embeddings at the start."""


def rotations(first: int, count: int, size: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return cosines and sines of the angles at places from `first`, `(count, size / 2)` each.

    Arguments:
        size: numbers of a head, which rotate in pairs.
        like: device and type of the result.
    """
    pairs = torch.arange(size // 2, device=like.device, dtype=torch.float32)
    places = torch.arange(first, first + count, device=like.device, dtype=torch.float32)
    angles = places[:, None] * _BASE ** (-2 * pairs / size)
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


class Cache:
    """Keys and values of the last places of texts, so that each new place costs the same.

    Arguments:
        keys, values: of all layers, `(layers, n, heads, places, size)`.
        inputs: what the last places brought into each layer, `(n, recent, D)` each.
        past: the last symbols, `(n, reach)`.
    """

    def __init__(self, keys: Tensor, values: Tensor, inputs: list[Tensor], past: Tensor) -> None:
        self.keys, self.values, self.inputs, self.past = keys, values, inputs, past
        self.length = 0

    def extend(self, codes: Tensor) -> None:
        """Note that the symbols `(n, L)` have been put."""
        self.past = torch.cat([self.past, codes], 1)[:, codes.shape[1] :]
        self.length += codes.shape[1]

    def put(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store new places `(n, heads, L, size)` of a layer over the oldest, and return all that they may see.

        Several places at once are the first ones, and see only one another.
        """
        room, last = self.keys.shape[3], self.length + keys.shape[2]
        places = torch.arange(max(self.length, last - room), last, device=keys.device)
        self.keys[layer].index_copy_(2, places % room, keys[:, :, -room:])
        self.values[layer].index_copy_(2, places % room, values[:, :, -room:])
        if keys.shape[2] > 1:
            return keys, values
        known = min(room, last)
        return self.keys[layer, :, :, :known], self.values[layer, :, :, :known]

    def follow(self, layer: int, x: Tensor) -> Tensor:
        """Return what comes into a layer `(n, L, D)` after the last places before it, `(n, recent + L, D)`."""
        everything = torch.cat([self.inputs[layer], x], 1)
        self.inputs[layer] = everything[:, x.shape[1] :]
        return everything


class CausalLayer(nn.Module):
    """Attention to the places before, then a perceptron at each place. Both add to what comes in, at first nothing.

    Before that, each number of a place takes in the same number of the few places before it, at first nothing. So two
    symbols in a row are seen as a pair without attention.

    Arguments:
        width: numbers of a place, D.
        heads: number of heads of attention.
        dropout: share of what is added that is dropped while training.
        window: number of places that attention sees, the last one included; 0 for all before.
        recent: number of places before that a place takes in.

    References:
        "Primer: Searching for Efficient Transformers for Language Modeling" (So and others, 2021), for sums over
        recent places and squared activations.
    """

    def __init__(self, width: int, heads: int, dropout: float, window: int, recent: int) -> None:
        super().__init__()
        # Of three dimensions, so that Muon does not take them for a matrix.
        self.recent = nn.Parameter(torch.zeros(recent, 1, width)) if recent else None
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.mix = nn.Linear(width, width, bias=False)
        self.widen = nn.Linear(width, 4 * width, bias=False)
        self.narrow = nn.Linear(4 * width, width, bias=False)
        self._heads, self._dropout, self._window = heads, dropout, window
        for last in (self.mix, self.narrow):
            nn.init.zeros_(last.weight)

    def forward(self, x: Tensor, turns: Turns, cache: Cache | None = None, number: int = 0) -> Tensor:
        """Return `x (n, L, D)` with what the layer adds.

        Arguments:
            turns: rotations of the places.
            cache: places before, which this one then extends. Defaults to `None`: there are none.
            number: number of the layer in the cache.
        """
        if self.recent is not None:
            places = x if cache is None else cache.follow(number, x)
            x = with_places_before(places, self.recent)[:, places.shape[1] - x.shape[1] :]
        x = x + self._dropped(self._attention(normalized(x), turns, cache, number))
        return x + self._dropped(self.narrow(squared_relu(self.widen(normalized(x)))))

    def _attention(self, x: Tensor, turns: Turns, cache: Cache | None, number: int) -> Tensor:
        weights = torch.cat([self.query.weight, self.key.weight, self.value.weight])  # one product instead of three
        together = F.linear(x, weights).view(*x.shape[:2], 3, self._heads, -1)
        query, key, value = (part.transpose(1, 2) for part in attention_parts(together, turns))
        if cache is not None:
            key, value = cache.put(number, key, value)
        mixed: Tensor = self.mix(_attended(query, key, value, self._window).transpose(1, 2).flatten(2))
        return mixed

    def _dropped(self, x: Tensor) -> Tensor:
        return F.dropout(x, self._dropout, self.training) if self._dropout else x


def _attended(query: Tensor, key: Tensor, value: Tensor, window: int) -> Tensor:
    """Return the means of values `(n, heads, L, size)` that each place sees."""
    if query.device.type != "cpu":
        return _seen(query, key, value, window)
    with full_precision(query):  # in bfloat16, the gradient takes ten times as long on a CPU
        query, key, value = (part.to(torch.promote_types(part.dtype, torch.float32)) for part in (query, key, value))
        return _seen(query, key, value, window)


def _seen(query: Tensor, key: Tensor, value: Tensor, window: int) -> Tensor:
    """Return `_attended` in the precision of the arguments.

    Texts longer than the window are cut into stretches as long as the window. A place sees places of its own stretch
    and of the one before.
    """
    places = query.shape[2]
    if places == 1 or not window or places <= window:  # a single new place sees all that are known
        return F.scaled_dot_product_attention(query, key, value, is_causal=places > 1)
    first = [part[:, :, :window] for part in (query, key, value)]
    start = F.scaled_dot_product_attention(first[0], first[1], first[2], is_causal=True)
    query, key, value = (F.pad(part, (0, 0, 0, -places % window)) for part in (query, key, value))
    row, column = (torch.arange(size, device=query.device) for size in (window, 2 * window))
    nearby = (column > row[:, None]) & (column <= row[:, None] + window)
    rest = F.scaled_dot_product_attention(
        _stretches(query[:, :, window:], window, window),
        _stretches(key, 2 * window, window),
        _stretches(value, 2 * window, window),
        nearby,
    )
    rest = rest.view(len(query), -1, *rest.shape[1:]).transpose(1, 2).flatten(2, 3)
    return torch.cat([start, rest], 2)[:, :, :places]


def _stretches(x: Tensor, size: int, step: int) -> Tensor:
    """Cut places `(n, heads, L, D)` into stretches of some size, one every so many places, `(n S, heads, size, D)`."""
    return x.unfold(2, size, step).permute(0, 2, 1, 4, 3).flatten(0, 1)


class Transformer(nn.Module):
    """Logits of the next symbol at each place of texts. Its table of symbols serves both ends.

    Arguments:
        symbols: number of symbols, with the end.
        given: size of a condition, 0 for none.
        layers, heads, width, dropout, window, recent, pieces, piece_rows: see `GPTOptions`.

    References:
        "Attention Is All You Need" (Vaswani and others, 2017); "RoFormer: Enhanced Transformer with Rotary Position
        Embedding" (Su and others, 2021); "Query-Key Normalization for Transformers" (Henry and others, 2020).
    """

    def __init__(
        self,
        symbols: int,
        given: int,
        *,
        layers: int,
        heads: int,
        width: int,
        dropout: float,
        window: int = 0,
        recent: int = 0,
        pieces: int = 1,
        piece_rows: int = 1,
    ) -> None:
        super().__init__()
        self.symbols = nn.Embedding(symbols, width)
        self.pieces = PieceTables(symbols, width, longest=pieces, rows=piece_rows)
        self.condition = nn.Linear(given, width, bias=False) if given else None
        self.layers = nn.ModuleList(CausalLayer(width, heads, dropout, window, recent) for _ in range(layers))
        self._size, self._window, self._recent = width // heads, window, recent
        nn.init.normal_(self.symbols.weight, std=_START)

    def forward(self, codes: Tensor, condition: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        """Return what is known at each place of texts, `(n, L, D)`.

        Arguments:
            codes: a symbol at each place, `(n, L)` int64.
            condition: what the texts are given, `(n, C)`.
            cache: the places before, which these extend. Defaults to `None`: there are none.
        """
        x = normalized(self._known(codes, cache))
        if self.condition is not None:
            x = x + self.condition(condition)[:, None]
        if not x.is_meta and torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))  # halves the memory that is moved between layers
        wide = x.to(torch.promote_types(x.dtype, torch.float32)) if computes_by_hand(x) else x
        turns = rotations(0 if cache is None else cache.length, codes.shape[1], self._size, wide)
        for number, layer in enumerate(self.layers):
            x = layer(x, turns, cache, number)
        if cache is not None:
            cache.extend(codes)
        return normalized(x)

    def _known(self, codes: Tensor, cache: Cache | None) -> Tensor:
        """Return what the symbols of each place and the few before it say, `(n, L, D)`."""
        past = self._start(len(codes), codes) if cache is None else cache.past
        own: Tensor = self.symbols(codes)
        added = self.pieces(codes, past)
        return own if added is None else own + added

    def _start(self, n: int, like: Tensor) -> Tensor:
        """Return what stands before the first symbol of texts: the end, `(n, reach)`."""
        return like.new_full((n, self.pieces.reach), self.symbols.num_embeddings - 1, dtype=torch.int64)

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the logits of all symbols after `hidden (..., D)`, `(..., symbols)`."""
        return F.linear(hidden, self.symbols.weight)

    def new_cache(self, n: int, places: int) -> Cache:
        """Return an empty cache for `n` texts of `places` places, or as many as attention sees."""
        weight = self.symbols.weight
        places = min(places, self._window or places)
        shape = (len(self.layers), n, weight.shape[1] // self._size, places, self._size)
        inputs = [weight.new_zeros(n, self._recent, weight.shape[1]) for _ in self.layers]
        return Cache(weight.new_zeros(shape), weight.new_zeros(shape), inputs, self._start(n, weight))
