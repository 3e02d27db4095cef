"""Log-mel spectra of sounds, and sounds from magnitudes."""

import numpy as np
import pytest
import scipy.signal
import torch
from scipy.signal.windows import hann

from genzoo.data.sounds.folder import sound_spec
from genzoo.data.transforms.griffin_lim import Spectra, mel_filters
from genzoo.data.transforms.log_mel import LogMelOptions, LogMelTransform, after_log_mel
from genzoo.errors import DataError

RATE = 8000


@pytest.fixture(scope="module")
def sounds():
    """Four sounds that glide, with harmonics and a fading end, in units of events."""
    time = np.arange(RATE // 2) / RATE
    every = []
    for place in range(4):
        phase = 2 * np.pi * (120 + 40 * place) * (time + 0.3 * time**2)
        voice = sum(np.sin(k * phase) / k for k in range(1, 8))
        every.append(voice * np.sin(2 * np.pi * time) ** 2 * 4000)
    return torch.tensor(np.stack(every), dtype=torch.float32)


def decibels(found, wanted):
    return 20 * np.log10(float((found - wanted).norm() / wanted.norm()))


@pytest.mark.skipif(not hasattr(scipy.signal, "ShortTimeFFT"), reason="scipy 1.11 does not have this transform")
def test_spectra_are_those_of_scipy(sounds):
    spectra = Spectra(512, 36)
    window = hann(512, sym=False)
    other = scipy.signal.ShortTimeFFT(window, 128, RATE, fft_mode="onesided", phase_shift=None)
    padded = np.pad(sounds[0].numpy(), (0, spectra.length - sounds.shape[1]))
    expected = other.stft(np.pad(padded, 256), p0=2, p1=38) * 2 / window.sum()
    assert spectra.of(sounds[:1])[0].abs().numpy() == pytest.approx(np.abs(expected), abs=1e-2)


def test_a_sine_has_its_amplitude_as_magnitude():
    x = torch.sin(2 * np.pi * 1000 * torch.arange(4096) / RATE)[None]
    found = Spectra(512, 36).of(x).abs()[0, :, 8]
    assert int(found.argmax()) == 64  # 1000 Hz
    assert float(found.max()) == pytest.approx(1, abs=1e-3)


def test_sounds_come_back_from_their_spectra(sounds):
    spectra = Spectra(512, 36)
    again = spectra.sound(spectra.of(sounds))
    assert again[:, : sounds.shape[1]].numpy() == pytest.approx(sounds[:, : again.shape[1]].numpy(), abs=1e-1)


def test_sounds_of_linear_magnitudes_have_these_magnitudes(sounds):
    spectra = Spectra(512, 36)
    wanted = spectra.of(sounds).abs()
    found = spectra.of(spectra.sound_of_magnitudes(wanted, LogMelOptions().iterations)).abs()
    assert decibels(found, wanted) <= -20


def test_filters_add_up_to_one_and_cover_every_frequency():
    filters = mel_filters(64, 257, RATE)
    assert filters.sum(1) == pytest.approx(np.ones(64), rel=1e-5)
    assert (filters[:, 1:-1].sum(0) > 0).all()
    assert (np.diff(filters.argmax(1)) > 0).all()
    assert (mel_filters(128, 65, RATE).sum(1) > 0).all()


def fitted(sounds, **options):
    settings = LogMelOptions(**options)
    data = sound_spec(sounds.shape[1], RATE)
    return LogMelTransform.fit(settings, data, [sounds.numpy()]), data, settings


def test_sounds_come_back_from_log_mel_in_the_mel_domain(sounds):
    transform, _, _ = fitted(sounds)
    again = transform.inverse(transform(sounds))
    assert again.shape == sounds.shape
    assert decibels(transform.bands(again), transform.bands(sounds)) <= -20


def test_levels_follow_their_definition(sounds):
    transform, data, settings = fitted(sounds, decibels=60)
    found = transform(sounds)
    assert found.shape[1:] == after_log_mel(settings, data).event_shape == (1, 64, 36)
    bands = transform.bands(sounds).double().numpy()
    floor = bands.max() / 1000
    expected = np.log1p(bands / floor) / np.log1p(1000)
    assert found[:, 0].flip(1).numpy() == pytest.approx(expected, abs=1e-4)
    assert (float(found.max()), float(found.min())) == (1.0, pytest.approx(0.0, abs=0.05))


def test_silence_stays_silence(sounds):
    transform, data, _ = fitted(sounds)
    quiet = torch.zeros(1, data.size)
    assert not transform.inverse(transform(quiet)).abs().gt(0.5).any()


def test_nothing_but_silence_cannot_be_fitted():
    with pytest.raises(DataError, match="All training sounds are silent"):
        fitted(torch.zeros(2, 4000))


def test_levels_do_not_depend_on_the_number_of_sounds(sounds):
    transform, _, _ = fitted(sounds)
    many = sounds.repeat(20, 1)
    assert torch.equal(transform(many)[:4], transform(many[:4]))


@pytest.mark.parametrize("loudest", [torch.tensor(0.0), torch.ones(2)])
def test_a_file_with_another_level_is_refused(loudest):
    with pytest.raises(ValueError, match="loudest"):
        LogMelTransform.restore(LogMelOptions(), sound_spec(800, RATE), {"loudest": loudest})
