"""Short-time spectra of sounds, and sounds from the magnitudes of such spectra.

References:
    "Signal Estimation from Modified Short-Time Fourier Transform" (Griffin and Lim, 1984);
    "A Fast Griffin-Lim Algorithm" (Perraudin, Balazs and Søndergaard, 2013).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from genzoo.typing import Array

_MOMENTUM = 0.99


_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Spectra:
    """Spectra of Hann windows that overlap by three quarters; the first is centered on the first sample.

    A sine of amplitude 1 has a magnitude of 1 at its frequency.

    Arguments:
        window: samples of a window, a multiple of 4.
        frames: number of windows, F.
    """

    window: int
    frames: int
    _kept: dict[torch.device, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def hop(self) -> int:
        """Samples from one window to the next."""
        return self.window // 4

    @property
    def bins(self) -> int:
        """Number of frequencies, W / 2 + 1."""
        return self.window // 2 + 1

    @property
    def length(self) -> int:
        """Samples of the sounds that spectra are turned into."""
        return (self.frames - 1) * self.hop

    def of(self, x: Tensor) -> Tensor:
        """Return the spectra of sounds `x (N, T)`, which end in silence if they are short, `(N, W / 2 + 1, F)`."""
        x = F.pad(x[:, : self.length], (0, max(0, self.length - x.shape[1])))
        return self._unscaled(x) * (2 / self._hann(x.device).sum())

    def sound(self, spectra: Tensor) -> Tensor:
        """Return the sounds whose spectra are nearest to these in squares, `(N, T)`."""
        return self._overlapped(spectra * (self._hann(spectra.device).sum() / 2))

    def sound_of_magnitudes(self, magnitudes: Tensor, iterations: int) -> Tensor:
        """Return sounds whose spectra have about these magnitudes `(N, W / 2 + 1, F)`, `(N, T)`.

        The first phases are 0, so the same magnitudes always give the same sounds.
        """
        magnitudes = magnitudes * (self._hann(magnitudes.device).sum() / 2)
        guess = torch.complex(magnitudes, torch.zeros_like(magnitudes))
        before = torch.zeros_like(guess)
        for _ in range(iterations):
            possible = self._unscaled(self._overlapped(guess))
            ahead = torch.lerp(before, possible, 1 + _MOMENTUM)
            size = torch.view_as_real(ahead).square().sum(-1)
            guess = ahead.mul_(magnitudes * size.clamp_min_(_TINY).rsqrt_())
            before = possible
        return self._overlapped(guess)

    def _unscaled(self, x: Tensor) -> Tensor:
        window = self._hann(x.device)
        return torch.stft(
            x, self.window, self.hop, window=window, center=True, pad_mode="constant", return_complex=True
        )

    def _overlapped(self, spectra: Tensor) -> Tensor:
        window = self._hann(spectra.device)
        return torch.istft(spectra, self.window, self.hop, window=window, center=True, length=self.length)

    def _hann(self, device: torch.device) -> Tensor:
        if device not in self._kept:
            self._kept[device] = torch.hann_window(self.window, device=device)
        return self._kept[device]


def mel_filters(bands: int, bins: int, rate: int) -> Array:
    """Return triangles that are equally wide on the mel scale and have a sum of 1, `(bands, bins)` float32.

    A triangle between two neighboring frequencies takes the nearest one.
    """
    most = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, most, bands + 2) / 2595) - 1)
    low, center, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    frequencies = np.linspace(0, rate / 2, bins)
    filters = np.minimum((frequencies - low) / (center - low), (high - frequencies) / (high - center)).clip(0)
    empty = np.flatnonzero(filters.sum(1) == 0)
    filters[empty, np.abs(frequencies - center[empty]).argmin(1)] = 1.0
    scaled: Array = (filters / filters.sum(1, keepdims=True)).astype(np.float32)
    return scaled


def unmixed(mixed: Tensor, filters: Tensor, inverse: Tensor, iterations: int) -> Tensor:
    """Return nonnegative magnitudes `(N, bins, F)` whose sums over `filters` are about `mixed (N, bands, F)`.

    Arguments:
        filters: `(bands, bins)`, nonnegative.
        inverse: pseudoinverse of the filters, `(bins, bands)`, which the search starts from.
        iterations: number of multiplicative steps.

    References:
        "Algorithms for Non-negative Matrix Factorization" (Lee and Seung, 2000).
    """
    found = (inverse @ mixed).clamp_min(1e-4 * mixed.amax((1, 2), keepdim=True) + _TINY)
    wanted, square = filters.T @ mixed, filters.T @ filters
    for _ in range(iterations):
        found = found * (wanted / (square @ found).clamp_min(_TINY))
    return found
