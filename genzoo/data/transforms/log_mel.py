"""Sounds as images: the logarithm of magnitudes in bands of the mel scale, and back by the Griffin-Lim algorithm."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping

import torch
from pydantic import Field
from torch import Tensor

from genzoo.config.settings import Settings
from genzoo.data.transforms.griffin_lim import Spectra, mel_filters, unmixed
from genzoo.data.transforms.transform import NumberArray, Transform
from genzoo.errors import DataError
from genzoo.spec.events import DataSpec, Feature

_AT_ONCE = 16
"""Sounds whose spectra are computed at a time."""


_SIDE = 4
"""The number of windows is a multiple of it, because networks for images halve sides."""


class LogMelOptions(Settings):
    """Options of `log-mel`."""

    bands: int = Field(64, ge=4, le=512, description="number of bands of the mel scale, which is the image's height")
    window: float = Field(
        0.064, gt=0, le=1, description="length of a window in seconds, rounded to a power of two of samples"
    )
    decibels: float = Field(70, ge=10, le=120, description="range of levels below the loudest of the training sounds")
    unmixing: int = Field(8, ge=0, le=1000, description="steps from bands back to frequencies")
    iterations: int = Field(24, ge=0, le=1000, description="steps of the Griffin-Lim algorithm, which finds the phases")


def spectra_of(options: LogMelOptions, data: DataSpec) -> Spectra:
    """Return the spectra that sounds are turned into."""
    assert data.rate is not None
    window = max(8, 2 ** round(math.log2(options.window * data.rate)))
    frames = 1 + -(-data.size // (window // 4))
    return Spectra(window, -(-frames // _SIDE) * _SIDE)


def after_log_mel(options: LogMelOptions, data: DataSpec) -> DataSpec:
    """Describe sounds after the transform: gray images of `bands` rows, with the low bands below."""
    shape = (1, options.bands, spectra_of(options, data).frames)
    feature = (Feature("level"),)
    return dataclasses.replace(
        data,
        event_shape=shape,
        modality="image",
        features=feature,
        bounds=(0.0, 1.0),
        quantum=None,
        storage="float32",
        rate=None,
    )


class LogMelTransform(Transform):
    """`y = log(B |STFT(x)| + f)`, scaled to 0..1, with mel filters `B` and a floor `f`.

    Phases are lost, so that no likelihood of a sound follows. Levels lie between `f` and the loudest of the training
    sounds; louder ones are cut.

    Arguments:
        options: bands, windows and steps.
        data: describes the sounds.
        loudest: largest magnitude of a band in the training sounds, in data units, `()`.
    """

    degrees_of_freedom = None
    lossy = "models of sounds see spectra without phases (log-mel), and many sounds have the same spectra"
    loudest: Tensor
    _filters: Tensor
    _inverse: Tensor

    def __init__(self, options: LogMelOptions, data: DataSpec, loudest: Tensor) -> None:
        super().__init__()
        assert data.rate is not None
        self._options, self._samples = options, data.size
        self.spectra = spectra_of(options, data)
        filters = torch.from_numpy(mel_filters(options.bands, self.spectra.bins, data.rate))
        self.register_buffer("loudest", loudest.double())
        self.register_buffer("_filters", filters, persistent=False)
        self.register_buffer("_inverse", torch.linalg.pinv(filters.double()).float(), persistent=False)

    @classmethod
    def outlines(cls, _: LogMelOptions, __: DataSpec) -> dict[str, tuple[int, ...]]:
        return {"loudest": ()}

    @classmethod
    def fit(cls, options: LogMelOptions, data: DataSpec, blocks: Iterable[NumberArray]) -> LogMelTransform:
        found = cls(options, data, torch.ones(()))
        loudest = max((found.loudest_of(torch.from_numpy(block)) for block in blocks), default=0.0)
        if loudest <= 0:
            raise DataError("All training sounds are silent, so there is nothing to learn.")
        return cls(options, data, torch.tensor(loudest))

    @classmethod
    def fit_any(cls, options: LogMelOptions, data: DataSpec, x: Tensor) -> LogMelTransform:
        """Return the transform for sounds `(N, T)` that may be silent."""
        loudest = cls(options, data, torch.ones(())).loudest_of(x)
        return cls(options, data, torch.tensor(loudest if 0 < loudest < math.inf else 1.0))

    @classmethod
    def restore(cls, options: LogMelOptions, data: DataSpec, tensors: Mapping[str, Tensor]) -> LogMelTransform:
        loudest = tensors["loudest"]
        if loudest.shape != () or not loudest > 0:
            raise ValueError("a loudest level that is no positive number")
        return cls(options, data, loudest)

    def spec_after(self, data: DataSpec) -> DataSpec:
        return after_log_mel(self._options, data)

    def bands(self, x: Tensor) -> Tensor:
        """Return the magnitudes of sounds `(N, T)` in each band, `(N, bands, F)` float32, in data units."""
        return self._filters.float() @ self.spectra.of(x.float()).abs()

    def loudest_of(self, x: Tensor) -> float:
        """Return the largest magnitude of a band in sounds `(N, T)`; 0 for no sounds. Sounds with NaN do not count."""
        known = x[x.isfinite().all(1)]
        return max((float(self.bands(part).amax()) for part in torch.split(known, _AT_ONCE) if len(part)), default=0.0)

    def forward(self, x: Tensor) -> Tensor:
        return _by_parts(x, self._levels)

    def inverse(self, y: Tensor) -> Tensor:
        return _by_parts(y, self._sounds)

    def log_det(self, x: Tensor, without: Tensor | None = None) -> Tensor:
        """Return zeros: a likelihood stays one of the spectra."""
        return x.new_zeros(len(x))

    def _levels(self, x: Tensor) -> Tensor:
        loudest, floor = self._ends()
        levels = ((self.bands(x) + floor) / floor).log() / ((loudest + floor) / floor).log()
        return levels.clamp(0, 1).flip(1)[:, None].to(x.dtype)

    def _sounds(self, y: Tensor) -> Tensor:
        loudest, floor = self._ends()
        levels = y[:, 0].float().flip(1).clamp(0, 1)
        bands = floor * (levels * ((loudest + floor) / floor).log()).expm1()
        magnitudes = unmixed(bands, self._filters.float(), self._inverse.float(), self._options.unmixing)
        sounds = self.spectra.sound_of_magnitudes(magnitudes, self._options.iterations)
        return sounds[:, : self._samples].to(y.dtype)

    def _ends(self) -> tuple[Tensor, Tensor]:
        loudest = self.loudest.float()
        return loudest, loudest * 10 ** (-self._options.decibels / 20)


def _by_parts(x: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    return torch.cat([change(part) for part in torch.split(x, _AT_ONCE)]) if len(x) else change(x)
