"""Texts as characters: UTF-8 is decoded before the model, and encoded behind it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from genzoo.config.settings import Settings
from genzoo.config.tokens import MOST_TOKENS
from genzoo.data.texts.flat import storage_of
from genzoo.data.texts.symbols import BYTE_END, check_bytes, printed
from genzoo.data.transforms.transform import NumberArray, Transform
from genzoo.errors import DataError
from genzoo.spec.events import DataSpec, Feature

SCALARS = 0x110000 - 0x800
"""Number of Unicode scalar values: all code points but the surrogates, which no text holds."""

_REPLACEMENT = 0xFFFD
"""What a sampled unknown character is written as."""

_LEAST = (0, 0, 0x80, 0x800, 0x10000)
"""Smallest code point that is written with so many bytes. Smaller ones in longer forms are no UTF-8."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The characters of texts of bytes.

    Arguments:
        points: the code point that begins at each byte, `(N, L)` int64.
        starts: whether a character begins at a byte, `(N, L)` bool.
        valid: whether a text is valid UTF-8, `(N,)` bool.
    """

    points: Tensor
    starts: Tensor
    valid: Tensor


def decode(x: Tensor) -> Decoded:
    """Decode texts `(N, L)` of bytes, with `BYTE_END` after the end of each."""
    codes = pad(x.long(), (0, 3), value=BYTE_END)
    inside = (codes != BYTE_END).cumprod(1).bool()
    follows = inside & (codes & 0xC0 == 0x80) & (codes < 0x100)
    later = [codes[:, step : codes.shape[1] - 3 + step] & 0x3F for step in (1, 2, 3)]  # six bits of each
    first, starts = codes[:, :-3], (inside & ~follows)[:, :-3]
    size = 1 + (first >= 0xC0).long() + (first >= 0xE0) + (first >= 0xF0)
    points = torch.where(size == 1, first, first & (0x7F >> size))
    for step, bits in enumerate(later, 1):
        points = torch.where(size > step, points << 6 | bits, points)
    least = torch.tensor(_LEAST, device=x.device)[size]
    good = (points >= least) & (points < 0x110000) & (points >> 11 != 0xD800 >> 11) & (first < 0xF8)
    for step in (1, 2, 3):
        good &= (size <= step) | follows[:, step : follows.shape[1] - 3 + step]
    used = torch.where(starts, size - 1, 0).sum(1)  # bytes after the first of all characters
    valid = (good | ~starts).all(1) & (used == follows.sum(1))
    return Decoded(points, starts, valid)


class CharacterTransform(Transform):
    """Bytes of UTF-8 to numbers of characters: those in the training rows, in order, and `unknown`, the last.

    A text keeps its probability. An unknown character may be each of all other characters, so its probability is
    divided by their number, which `log_det` does. Texts of the model that are longer than texts of the data can be are
    cut after the last character that fits.

    Arguments:
        characters: code points of the characters of the training rows, increasing, `(K,)` int64.
        longest: largest number of bytes of a text.
    """

    degrees_of_freedom = None
    characters: Tensor

    def __init__(self, characters: Tensor, longest: int) -> None:
        super().__init__()
        self.register_buffer("characters", characters.long())
        self._longest = longest
        self._after: tuple[DataSpec, DataSpec] | None = None

    @classmethod
    def outlines(cls, _: Settings, __: DataSpec) -> dict[str, tuple[int, ...]]:
        return {"characters": (MOST_TOKENS - 1,)}

    @classmethod
    def fit(cls, _: Settings, data: DataSpec, blocks: Iterable[NumberArray]) -> CharacterTransform:
        """Find the characters of the training rows.

        Raises:
            DataError: the data are no texts of bytes, a text is no valid UTF-8, or there are too many characters.
        """
        check_bytes(data)
        found = np.empty(0, np.int64)
        for block in blocks:
            texts = decode(torch.as_tensor(np.asarray(block)))
            if not texts.valid.all():
                raise DataError(
                    "A training text is no valid UTF-8, so it has no characters. Leave such texts out, or use bytes: "
                    "tokens=bytes."
                )
            found = np.union1d(found, texts.points[texts.starts].numpy())
        if len(found) >= MOST_TOKENS:
            raise DataError(
                f"The texts have {len(found)} different characters, and a model has at most {MOST_TOKENS - 1}. Use "
                f"another kind of symbol: tokens=bytes, or tokens=bpe."
            )
        return cls(torch.from_numpy(found), data.event_shape[0])

    @classmethod
    def restore(cls, _: Settings, data: DataSpec, tensors: Mapping[str, Tensor]) -> CharacterTransform:
        check_bytes(data)
        found = tensors["characters"].long()
        if found.ndim != 1 or not (found.diff() > 0).all():
            raise ValueError("its characters are not in increasing order")
        if ((found < 0) | (found >= 0x110000) | (found >> 11 == 0xD800 >> 11)).any():
            raise ValueError("its characters are no Unicode")
        return cls(found, data.event_shape[0])

    @property
    def unknown(self) -> int:
        """The number of the unknown character. The end is the one after it."""
        return len(self.characters)

    def spec_after(self, data: DataSpec) -> DataSpec:
        if self._after is None or self._after[0] is not data:
            names = (*(printed(chr(point)) for point in self.characters.tolist()), "unknown")
            features = (Feature("character", "categorical", names),)
            self._after = data, dataclasses.replace(data, features=features, storage=storage_of(len(names)))
        return self._after[1]

    def forward(self, x: Tensor) -> Tensor:
        texts = decode(x)
        symbols = self._symbols(texts.points).to(x.dtype)
        y = torch.full((len(x), x.shape[1] + 1), self.unknown + 1, dtype=x.dtype, device=x.device)
        places = torch.where(texts.starts, texts.starts.cumsum(1) - 1, x.shape[1])  # the rest falls into a last column
        y.scatter_(1, places, torch.where(texts.starts, symbols, self.unknown + 1))
        return y[:, :-1]

    def inverse(self, y: Tensor) -> Tensor:
        codes = y.long()
        known = pad(self.characters, (0, 1), value=_REPLACEMENT)
        points = known[codes.clamp(0, self.unknown)]
        size = 1 + (points >= 0x80).long() + (points >= 0x800) + (points >= 0x10000)
        size = size * (codes <= self.unknown).cumprod(1)
        starts = size.cumsum(1) - size
        fits = starts + size <= self._longest  # and nothing follows one that does not: it would begin even later
        out = torch.full((len(y), self._longest + 1), BYTE_END, device=y.device)
        for step in range(4):
            bits = points >> (6 * (size - 1 - step)).clamp(0) & 0x3F | 0x80
            mark = torch.where(size > 1, 0xF00 >> size & 0xFF, 0)  # 110xxxxx, 1110xxxx, 11110xxx
            byte = bits if step else points >> (6 * (size - 1)).clamp(0) | mark
            out.scatter_(1, torch.where(fits & (step < size), starts + step, self._longest), byte)
        return out[:, :-1].to(y.dtype)

    def log_det(self, x: Tensor, without: Tensor | None = None) -> Tensor:
        texts = decode(x)
        strange = texts.starts & (self._symbols(texts.points) == self.unknown)
        total = -self._others * strange.sum(1).to(x.dtype if x.is_floating_point() else self.dtype)
        return total.masked_fill(~texts.valid, -math.inf)

    def each_symbol(self, x: Tensor, y: Tensor, end: int) -> tuple[Tensor, Tensor]:
        texts, codes = decode(x), y.long()
        inside = (x.long() != BYTE_END).long().cumprod(1)
        place = (texts.starts.long().cumsum(1) - 1).clamp(0, y.shape[1] - 1)
        sizes = torch.zeros_like(codes).scatter_add_(1, place, inside)
        logs = -self._others * (codes == self.unknown).to(x.dtype if x.is_floating_point() else self.dtype)
        logs[:, 0] = logs[:, 0].masked_fill(~texts.valid, -math.inf)
        return sizes, logs

    @property
    def _others(self) -> float:
        """Logarithm of the number of characters that are unknown; 0 if there are none."""
        return math.log(SCALARS - len(self.characters)) if len(self.characters) < SCALARS else 0.0

    def _symbols(self, points: Tensor) -> Tensor:
        """Return the numbers of characters, given as code points `(N, L)`."""
        if not self.unknown:
            return torch.zeros_like(points)
        place = torch.searchsorted(self.characters, points).clamp(max=self.unknown - 1)
        return torch.where(self.characters[place] == points, place, self.unknown)
