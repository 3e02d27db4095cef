"""Sounds as sequences of 256 symbols: amplitudes on the logarithmic scale of telephony."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from genzoo.config.settings import Settings
from genzoo.data.texts.flat import storage_of
from genzoo.data.transforms.transform import NumberArray, Transform
from genzoo.errors import DataError
from genzoo.spec.events import MOST_SYMBOLS, DataSpec, Feature
from genzoo.wording import argument

LEVELS = 256
"""Number of levels of amplitude."""

_MU = float(LEVELS - 1)


def amplitudes(full: float) -> NumberArray:
    """Return the amplitude that each level stands for, the middle of its cell on the scale, `(256,)` whole numbers.

    None is 0, so that a sound of levels never ends in what follows a sound.

    Arguments:
        full: largest amplitude.
    """
    middle = (2 * np.arange(LEVELS) + 1) / LEVELS - 1
    sizes: NumberArray = np.sign(middle) * ((1 + _MU) ** np.abs(middle) - 1) / _MU * full
    return sizes.round()


def after_mu_law(_: Settings, data: DataSpec) -> DataSpec:
    """Describe sounds after the transform: sequences of levels that end where a sound does.

    Raises:
        DataError: they have more samples than a sequence can have symbols.
    """
    if data.rate is None or data.bounds is None:
        raise DataError(f"mu-law is for sounds, and these data are {data.form.plural}.")
    if data.size > MOST_SYMBOLS:
        raise DataError(
            f"These sounds have {data.size} samples ({data.size / data.rate:g} s at {data.rate} Hz), and a model that "
            f"reads them sample by sample (mu-law) takes at most {MOST_SYMBOLS}. Use "
            f"{argument('seconds', MOST_SYMBOLS * 1000 // data.rate / 1000)}, a lower {argument('rate')}, or a model "
            f"of images, which sees their spectra."
        )
    names = tuple(f"{size:.0f}" for size in amplitudes(-data.bounds[0]))
    return dataclasses.replace(
        data,
        modality="text",
        features=(Feature("level", "categorical", names),),
        bounds=None,
        quantum=None,
        storage=storage_of(LEVELS),
        rate=None,
    )


class MuLawTransform(Transform):
    """`y = floor(128 (1 + sign(x) log(1 + 255 |x|) / log 256))` for amplitudes `x` from -1 to 1, as 256 levels.

    A sound ends after its last sample that is not 0, because silence follows shorter sounds. So each sound of levels
    is one sequence, and its probability is exactly the probability of this sequence with its end.

    Arguments:
        full: largest amplitude in data units.

    References:
        "WaveNet: A Generative Model for Raw Audio" (van den Oord and others, 2016); ITU-T Recommendation G.711 (1988).
    """

    rounds_to = f"{LEVELS} mu-law levels"
    _amplitudes: Tensor

    def __init__(self, full: float) -> None:
        super().__init__()
        self._full = full
        self._after: tuple[DataSpec, DataSpec] | None = None
        self.register_buffer("_amplitudes", torch.from_numpy(amplitudes(full)), persistent=False)

    @classmethod
    def outlines(cls, _: Settings, __: DataSpec) -> dict[str, tuple[int, ...]]:
        return {}

    @classmethod
    def fit(cls, _: Settings, data: DataSpec, __: Iterable[NumberArray]) -> MuLawTransform:
        """Return the transform, which depends on the range of amplitudes alone.

        Raises:
            DataError: the data are no sounds.
        """
        if data.rate is None or data.bounds is None:
            raise DataError(f"mu-law is for sounds, and these data are {data.form.plural}.")
        return cls(-data.bounds[0])

    @classmethod
    def restore(cls, options: Settings, data: DataSpec, _: Mapping[str, Tensor]) -> MuLawTransform:
        return cls.fit(options, data, ())

    def spec_after(self, data: DataSpec) -> DataSpec:
        if self._after is None or self._after[0] is not data:
            self._after = data, after_mu_law(Settings(), data)
        return self._after[1]

    def forward(self, x: Tensor) -> Tensor:
        size = (x / self._full).clamp(-1, 1)
        scale = size.sign() * (_MU * size.abs()).log1p() / math.log1p(_MU)
        levels = ((1 + scale) * (LEVELS / 2)).floor().clamp(0, LEVELS - 1)
        after = (x != 0).flip(1).long().cummax(1).values.flip(1) == 0
        return levels.masked_fill(after, LEVELS)

    def inverse(self, y: Tensor) -> Tensor:
        codes = y.long()
        sizes: Tensor = self._amplitudes[codes.clamp(0, LEVELS - 1)]
        ended = (codes == LEVELS).long().cummax(1).values > 0
        return sizes.masked_fill(ended, 0.0).to(y.dtype)

    def log_det(self, x: Tensor, without: Tensor | None = None) -> Tensor:
        """Return zeros: levels have probabilities."""
        return x.new_zeros(len(x))
