"""Read and write files of sounds. WAV needs only SciPy; other formats need soundfile (extra: audio)."""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genzoo.spec.events import MOST_RATE
from genzoo.typing import Array

FULL = 2**15
"""Amplitude of the largest sound, in units of events."""


_CLIPPED = 3
"""Samples at the same extreme, in a row, that show that a recording was cut there."""


_LARGEST = 2**30
"""Largest file that is read, in bytes."""


class UnreadableSoundError(Exception):
    """A file of sound cannot be read.

    Arguments:
        file: the file.
        reason: why, as a clause.
    """

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording: the mean of its channels.

    Arguments:
        file: the file.
        rate: samples in a second.
        channels: number of channels that it had.
        samples: `(T,)` float32, in units of events: -32768 to 32767.
    """

    file: Path
    rate: int
    channels: int
    samples: Array

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / self.rate

    @property
    def silent(self) -> bool:
        """Whether no sample differs from the first one."""
        return bool((self.samples == self.samples[0]).all())

    @property
    def clipped(self) -> bool:
        """Whether samples stay at full scale."""
        return is_clipped(self.samples)

    def at(self, rate: int) -> Array:
        """Return its samples at another rate, `(T',)` float32."""
        if rate == self.rate:
            return self.samples
        from scipy.signal import resample_poly  # takes a second, and few sounds are resampled

        common = math.gcd(rate, self.rate)
        again: Array = resample_poly(self.samples, rate // common, self.rate // common).astype(np.float32)
        return again


def is_clipped(samples: Array) -> bool:
    """Return whether samples `(T,)` stay at full scale for several samples in a row."""
    at_end = np.abs(samples.astype(np.float32)) >= FULL - 2
    runs = np.convolve(at_end, np.ones(_CLIPPED), "valid") if len(at_end) >= _CLIPPED else np.zeros(0)
    return bool((runs >= _CLIPPED).any())


def read_sound(file: Path) -> Sound:
    """Read a file of sound.

    Raises:
        UnreadableSoundError: it is damaged, empty or too large, or its format needs a package that is missing.
    """
    try:
        if file.stat().st_size > _LARGEST:
            raise UnreadableSoundError(file, "larger than 1 GiB")
        rate, values = _read_wav(file) if file.suffix.lower() == ".wav" else _read_other(file)
    except OSError as error:
        raise UnreadableSoundError(file, error.strerror or "cannot be opened") from error
    if not len(values):
        raise UnreadableSoundError(file, "no samples")
    if not 1 <= rate <= MOST_RATE:
        raise UnreadableSoundError(file, f"a rate of {rate} Hz")
    channels = 1 if values.ndim == 1 else values.shape[1]
    mean = values.astype(np.float32) if values.ndim == 1 else values.mean(axis=1, dtype=np.float32)
    if not np.isfinite(mean).all():
        raise UnreadableSoundError(file, "samples that are not finite")
    return Sound(file, int(rate), channels, mean)


def _read_wav(file: Path) -> tuple[int, Array]:
    """Return the rate of a WAV file and its samples in units of events, `(T,)` or `(T, channels)`."""
    from scipy.io import wavfile  # takes a tenth of a second, and most data are no sounds

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of chunks that hold no sound
            rate, values = wavfile.read(file)
    except (ValueError, EOFError, KeyError, ZeroDivisionError, MemoryError) as error:
        raise UnreadableSoundError(file, _clause(error)) from error
    return int(rate), _in_units(values)


def _in_units(values: Array) -> Array:
    """Return samples of any type of WAV as float32 in units of events."""
    if values.dtype.kind == "f":
        return (values * FULL).astype(np.float32)
    if values.dtype == np.uint8:
        return (values.astype(np.float32) - 128) * (FULL / 128)
    return values.astype(np.float32) * np.float32(FULL / 2.0 ** (8 * values.dtype.itemsize - 1))


def _read_other(file: Path) -> tuple[int, Array]:
    soundfile = _soundfile()
    if soundfile is None:
        raise UnreadableSoundError(file, "needs the package soundfile: pip install 'genzoo[audio]'")
    try:
        values, rate = soundfile.read(str(file), dtype="float32")
    except (RuntimeError, ValueError) as error:
        raise UnreadableSoundError(file, _clause(error)) from error
    return int(rate), (np.asarray(values) * FULL).astype(np.float32)


def _soundfile() -> Any:
    """Return the package soundfile, or `None`; it is optional, and loads a library when it is imported."""
    try:
        import soundfile  # optional, and loads a library
    except (ImportError, OSError):  # the package, or the library behind it
        return None
    return soundfile


def _clause(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(". ")[:120] or type(error).__name__


def wav(samples: Array, rate: int) -> bytes:
    """Encode samples `(T,)` in units of events as a WAV file of 16 bits."""
    from scipy.io import wavfile  # as in `_read_wav`

    buffer = io.BytesIO()
    wavfile.write(buffer, rate, np.asarray(samples).clip(-FULL, FULL - 1).round().astype("<i2"))
    return buffer.getvalue()
