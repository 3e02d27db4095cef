"""Changes of events before the discriminator: how often, which, and that samples cannot show them."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

import genzoo
from genzoo_gan import augmentation
from genzoo_gan.augmentation import CHANGES, Augmentation, moved, reflected, tinted
from genzoo_gan.objectives import relativistic
from genzoo_gan.options import RelativisticOptions

WHOLE = torch.ones(())


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def symmetries(image):
    """The eight turned and mirrored forms of a square image."""
    return [np.rot90(one, k, (-2, -1)) for one in (image, image[..., ::-1]) for k in range(4)]


def test_each_change_has_the_probability_and_others_stay_bit_for_bit(monkeypatch):
    x = torch.randn(20_000, 1, 2, 3)
    for change in CHANGES:
        monkeypatch.setattr(augmentation, "CHANGES", (lambda x: x + 100,))
        changed = Augmentation(0.3)(x, WHOLE)
        share = (changed != x).flatten(1).any(1).float().mean().item()
        assert share == pytest.approx(0.3, abs=5 * (0.21 / 20_000) ** 0.5), change
    whole = torch.rand(4000, 3, 4, 4)
    monkeypatch.undo()
    same = (Augmentation(0.3)(whole, WHOLE) == whole).flatten(1).all(1).float().mean().item()
    # One in eight reflections changes nothing; the other changes almost surely do.
    expected = 0.7 * 0.7 * (0.7 + 0.3 / 8)
    assert same == pytest.approx(expected, abs=5 * (0.25 / 4000) ** 0.5)


def test_the_probability_rises_during_the_warmup(monkeypatch):
    monkeypatch.setattr(augmentation, "CHANGES", (lambda x: x + 1,))
    x = torch.zeros(20_000, 1, 1, 1)
    shares = [Augmentation(0.4, 0.5)(x, torch.tensor(at)).mean().item() for at in (0.0, 0.25, 0.5, 1.0)]
    assert shares == pytest.approx([0.0, 0.2, 0.4, 0.4], abs=0.02)


def test_samples_in_half_precision_are_changed_in_single():
    x = torch.rand(64, 3, 8, 8).bfloat16()
    torch.manual_seed(1)
    changed = Augmentation(0.3)(x, WHOLE)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(Augmentation(0.3)(x, WHOLE), changed)
    assert changed.dtype == torch.float32


def test_rows_of_a_table_get_noise_of_all_sizes_or_none():
    x = torch.randn(4000, 500)
    noise = Augmentation(0.4)(x, WHOLE) - x
    changed = noise.abs().amax(1) > 0
    assert changed.float().mean().item() == pytest.approx(0.4, abs=5 * (0.24 / 4000) ** 0.5)
    noise = noise[changed].double()
    deviation = noise.square().mean(1).sqrt().numpy()
    assert stats.kstest(np.log(deviation / 0.1) / np.log(5), "uniform").pvalue > 1e-3, "from 0.1 to 0.5"
    numbers = (noise / noise.square().mean(1, keepdim=True).sqrt()).flatten()[::97].numpy()
    assert stats.kstest(numbers, "norm").pvalue > 1e-3


def test_reflections_are_the_symmetries_of_a_square_each_as_often():
    image = np.arange(9, dtype=np.float32).reshape(1, 3, 3)
    forms = [torch.from_numpy(form.copy()) for form in symmetries(image)]
    drawn = reflected(torch.from_numpy(image).expand(16_000, 1, 3, 3))
    counts = [int((drawn == form).flatten(1).all(1).sum()) for form in forms]
    assert sum(counts) == 16_000
    assert np.abs(np.array(counts) - 2000).max() < 5 * (16_000 / 8 * 7 / 8) ** 0.5
    oblong = reflected(torch.rand(64, 2, 3, 5))
    assert oblong.shape == (64, 2, 3, 5)


def test_the_distribution_of_images_follows_from_the_changed_ones():
    """On all 2×2 images of two values, and under the strongest probability that an option can have."""
    p = 0.49
    states = np.array(list(itertools.product((0.0, 1.0), repeat=4)), np.float32).reshape(-1, 1, 2, 2)
    number = {state.tobytes(): place for place, state in enumerate(states)}
    step = np.zeros((16, 16))
    for place, state in enumerate(states):
        for form in symmetries(state):
            step[place, number[np.ascontiguousarray(form).tobytes()]] += 1 / 8
    operator = (1 - p) * np.eye(16) + p * step
    truth = np.random.default_rng(0).dirichlet(np.ones(16))
    rows = np.random.default_rng(1).choice(16, 400_000, p=truth)
    x = torch.from_numpy(states[rows])
    changed = torch.where(torch.rand(len(x), 1, 1, 1) < p, reflected(x), x).flatten(1)
    codes = (changed @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long()
    observed = np.bincount(codes, minlength=16) / len(codes)
    assert np.abs(observed - truth).max() > 0.01, "the changes do change the distribution"
    assert np.abs(np.linalg.solve(operator.T, observed) - truth).max() < 0.01


def test_no_change_of_place_leaves_images_where_they_are(monkeypatch):
    for name in ("_SHIFT", "_ZOOM", "_TURN"):
        monkeypatch.setattr(augmentation, name, 0.0)
    x = torch.rand(4, 3, 6, 9, dtype=torch.float64)
    assert torch.allclose(moved(x), x, atol=1e-12)


def test_a_quarter_turn_is_a_quarter_turn(monkeypatch):
    monkeypatch.setattr(augmentation, "_normal", lambda x, scale: torch.full((len(x),), np.pi / 2 * (scale == 3.0)))
    monkeypatch.setattr(augmentation, "_TURN", 3.0)
    x = torch.rand(2, 1, 5, 5)
    turned = moved(x)
    either = [torch.from_numpy(np.rot90(x.numpy(), k, (2, 3)).copy()) for k in (1, 3)]
    assert any(torch.allclose(turned, one, atol=1e-5) for one in either)
    # A turned bar of an oblong image keeps its length in pixels.
    oblong = torch.full((1, 1, 9, 21), -1.0)
    oblong[..., 4, 8:13] = 1.0
    assert torch.allclose(moved(oblong)[0, 0, 2:7, 10], torch.ones(5), atol=1e-4)


def test_tints_are_affine_and_gray_images_stay_gray(monkeypatch):
    monkeypatch.setattr(augmentation, "_normal", lambda x, scale: torch.full((len(x),), scale))
    x = torch.rand(3, 3, 2, 2)
    gray = x.mean(1, keepdim=True)
    expected = (gray + 2 * (x - gray)) * 2**0.5 + 0.2
    assert torch.allclose(tinted(x), expected, atol=1e-6)
    single = torch.rand(3, 1, 2, 2)
    assert torch.allclose(tinted(single), single * 2**0.5 + 0.2, atol=1e-6)


@pytest.mark.parametrize("change", CHANGES)
def test_gradients_pass_through_every_change(change):
    x = torch.rand(4, 2, 6, 6, requires_grad=True)
    (gradient,) = torch.autograd.grad(change(x).square().sum(), x)
    assert gradient.isfinite().all()
    assert (gradient != 0).flatten(1).any(1).all()


class Recorder(genzoo.Discriminator):
    """A discriminator that keeps the events it scores."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.seen = []

    def forward(self, x):
        self.seen.append(x.detach().clone())
        return self.weight * x.flatten(1).sum(1)


class Black(genzoo.Generator):
    def __init__(self):
        super().__init__()
        self.value = torch.nn.Parameter(torch.zeros(()))

    def sample(self, n, *, condition=None, **options):
        return self.value.expand(n, 1, 4, 4)


@pytest.mark.parametrize("simultaneous", [False, True])
def test_the_discriminator_sees_real_images_and_samples_changed(monkeypatch, simultaneous):
    monkeypatch.setattr(augmentation, "CHANGES", (lambda x: x + 10,))
    options = {"augment": 0.49, "augment_warmup": 0.0, "simultaneous": simultaneous}
    objective = relativistic(RelativisticOptions(**options))
    model = genzoo.Model(genzoo.Parts(Black(), Recorder()))
    batch = genzoo.Batch(torch.ones(64, 1, 4, 4))
    list(objective.losses(model, batch, genzoo.Progress.start(torch.device("cpu"))))
    seen = torch.cat(model.discriminator.seen).flatten(1).mean(1).round()
    assert set(seen.tolist()) == {0.0, 1.0, 10.0, 11.0}


def test_probabilities_of_a_half_are_too_large():
    with pytest.raises(ValueError, match=r"less than 0\.5"):
        RelativisticOptions(augment=0.5)
