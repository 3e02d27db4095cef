"""Sounds as sequences of mu-law levels, and back."""

import itertools
import math

import numpy as np
import pytest
import torch

from genzoo.config.settings import Settings
from genzoo.data.sounds.folder import sound_spec
from genzoo.data.transforms.mu_law import LEVELS, MuLawTransform, after_mu_law, amplitudes
from genzoo.errors import DataError
from genzoo.spec.events import DataSpec, Feature

RATE = 8000


def transform(size=20):
    return MuLawTransform.fit(Settings(), sound_spec(size, RATE), ())


def level_of(amplitude):
    """The level by the formula of the recommendation, one number at a time."""
    size = abs(amplitude) / 2**15
    scale = math.copysign(math.log(1 + 255 * size) / math.log(256), amplitude)
    return min(math.floor((scale + 1) / 2 * 256), 255)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_level_is_that_of_its_own_amplitude(dtype):
    levels = torch.arange(LEVELS, dtype=dtype)[None]
    back = transform().inverse(levels)
    assert torch.equal(transform()(back), levels)
    assert torch.equal(back, back.round())
    assert (back[0].diff() > 0).all()
    assert back.dtype == dtype


def test_levels_follow_the_formula():
    amplitude = np.r_[-(2**15), -1, 1, 2**15 - 1, np.random.default_rng(0).integers(-(2**15), 2**15, 500)]
    amplitude = amplitude[amplitude != 0]
    found = transform()(torch.from_numpy(amplitude)[None].double())[0]
    assert found.tolist() == [level_of(one) for one in amplitude.tolist()]


def test_an_amplitude_changes_by_less_than_its_cell():
    amplitude = torch.arange(-(2**15), 2**15, dtype=torch.float64)
    amplitude = amplitude[amplitude != 0][None]
    change = (transform().inverse(transform()(amplitude)) - amplitude).abs()
    edge = (amplitude.abs() + 2**15 / 255) * (256 ** (1 / 256) - 1)  # from the middle of a cell to its edge
    assert (change <= edge + 0.5).all()


def test_a_sound_ends_after_its_last_sample_that_is_not_zero():
    x = torch.tensor([[0, 900, 0, -7, 0, 0], [0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, -6]], dtype=torch.float64)
    y = transform(6)(x)
    inside = [level_of(one) for one in (0, 900, 0, -7)]
    assert y[0].tolist() == [*inside, LEVELS, LEVELS]
    assert y[1].tolist() == [LEVELS] * 6
    assert (y[2] < LEVELS).all()
    assert transform(6).inverse(y)[0, 4:].tolist() == [0, 0]


def test_different_sequences_are_different_sounds():
    few = (0, 127, 128, 255)
    ended = [[*one, *[LEVELS] * (3 - size)] for size in range(4) for one in itertools.product(few, repeat=size)]
    sounds = transform(3).inverse(torch.tensor(ended).double())
    assert len(np.unique(sounds.numpy(), axis=0)) == len(ended)
    assert transform(3)(sounds).tolist() == ended


def test_what_follows_an_end_is_silence():
    assert transform(3).inverse(torch.tensor([[200.0, LEVELS, 30.0]]))[0, 1:].tolist() == [0, 0]


def test_the_data_are_described_as_sequences_of_named_levels():
    after = after_mu_law(Settings(), sound_spec(20, RATE))
    assert (after.form.ended, after.event_shape, after.end, after.rate) == (True, (20,), LEVELS, None)
    assert after.features[0].levels == tuple(f"{size:.0f}" for size in amplitudes(2.0**15))
    assert transform().spec_after(sound_spec(20, RATE)) == after


def test_sounds_of_too_many_samples_and_other_data_are_errors():
    with pytest.raises(DataError, match=r"have 16385 samples \(2\.04813 s at 8000 Hz\).*at most 16384.*seconds=2\.048"):
        after_mu_law(Settings(), sound_spec(2**14 + 1, RATE))
    with pytest.raises(DataError, match="is for sounds, and these data are tables"):
        MuLawTransform.fit(Settings(), DataSpec((1,), "table", (Feature("a"),)), ())
