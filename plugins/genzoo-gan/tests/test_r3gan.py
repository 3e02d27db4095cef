"""The networks of `r3gan`: their shapes, their start, conditions, and what they learn."""

import pytest
import torch
from torch import nn

import genzoo
from genzoo import DataSpec, Feature
from genzoo_gan.objectives import relativistic
from genzoo_gan.options import R3GANOptions, RelativisticOptions
from genzoo_gan.penalties import logits_and_squared_gradients
from genzoo_gan.r3gan import ResidualDiscriminator, ResidualGenerator, build
from genzoo_gan.residual import GroupedBlock, Resize, Waves

SMALL = R3GANOptions(latent=4, width=8, most_width=16, row_width=16, group=8, embedding=5)
LABEL = Feature("label", "categorical", ("0", "1", "2"))


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def networks(shape, given=0, options=SMALL):
    return ResidualGenerator(options, shape, given), ResidualDiscriminator(options, shape, given)


def awake(module):
    """Give every weight that starts at zero another value, so that blocks do something."""
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.3)
    return module


@pytest.mark.parametrize(
    "shape", [(1, 8, 8), (3, 28, 28), (1, 48, 40), (3, 64, 64), (2, 10, 13), (1, 1, 1), (4, 5, 32), (2,), (7,)]
)
def test_events_of_any_size_have_samples_and_logits_of_their_own(shape):
    generator, discriminator = (awake(network) for network in networks(shape))
    z = generator.prior_sample(3)
    x = generator.decode(z)
    assert x.shape == (3, *shape)
    assert generator.sample(2).shape == (2, *shape)
    logits = discriminator(x)
    alone = torch.cat([discriminator(event[None]) for event in x])
    assert logits.shape == (3,)
    assert torch.allclose(alone, logits, atol=1e-5), "an event's logit does not depend on its batch"
    assert logits.std() > 0


@pytest.mark.parametrize("patch", [1, 2, 4, 3])
def test_patches_of_any_side_give_whole_images(patch):
    options = SMALL.model_copy(update={"patch": patch})
    generator, discriminator = networks((3, 16, 24), options=options)
    x = generator.sample(2)
    assert x.shape == (2, 3, 16, 24)
    assert discriminator(x).shape == (2,)
    convolution = discriminator.network[0]
    assert convolution.stride == ((patch, patch) if patch != 3 else (1, 1))


def test_blocks_start_without_effect_and_with_weights_of_the_papers_scale():
    block = GroupedBlock(64, 4, 16, 9, images=True)
    x = torch.randn(2, 64, 5, 5)
    assert torch.equal(block(x), x)
    gain = (2 / 1.04) ** 0.5 * 9**-0.25
    assert block.widen.weight.std().item() == pytest.approx(gain / 64**0.5, rel=0.05)
    assert block.mix.weight.std().item() == pytest.approx(gain / (16 * 9) ** 0.5, rel=0.05)
    assert block.mix.groups == 16
    assert GroupedBlock(6, 2, 16, 1, images=True).mix.groups == 1


def test_networks_have_no_normalization_and_weights_counted_by_hand():
    generator, discriminator = networks((1, 8, 8), options=SMALL.model_copy(update={"patch": 1}))
    modules = [*generator.modules(), *discriminator.modules()]
    assert not any("Norm" in type(module).__name__ for module in modules)
    # 4×4 pixels of 16 channels and 8×8 of 8, each with one block of twice the channels, in groups of 8.
    blocks = sum(width * 2 * width + 2 * width + 2 * width * 8 * 9 + 2 * width + 2 * width * width for width in (16, 8))
    between, basis = 16 * 8, 16 * 4 * 4
    assert sum(p.numel() for p in generator.parameters()) == 4 * 16 + basis + blocks + between + 8 + 1
    assert sum(p.numel() for p in discriminator.parameters()) == 8 + 8 + blocks + between + basis + 16


def test_sides_are_halved_by_means_and_doubled_by_lines():
    x = torch.rand(2, 3, 6, 8)
    halves = Resize(3, 3, (3, 4), enlarge=False)(x)
    assert torch.allclose(halves, x.reshape(2, 3, 3, 2, 4, 2).mean((3, 5)))
    line = torch.arange(4.0).expand(1, 1, 4, 4)
    doubled = Resize(1, 1, (8, 8), enlarge=True)(line)
    assert torch.allclose(doubled[0, 0, 0], torch.tensor([0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]))


@pytest.mark.parametrize("shape", [(1, 8, 8), (2,)])
def test_a_condition_moves_samples_and_logits(shape):
    generator, discriminator = networks(shape, given=3)
    one, two = torch.eye(3)[[0, 0]], torch.eye(3)[[1, 2]]
    z = generator.prior_sample(2)
    x = generator.decode(z, condition=one)
    assert not torch.allclose(x, generator.decode(z, condition=two))
    base = discriminator(x, torch.zeros(2, 3))
    assert torch.allclose(discriminator(x, one) + discriminator(x, two), discriminator(x, one + two) + base, atol=1e-5)
    assert (base != 0).all(), "a number at its mean leaves the logit of the event alone"


def test_the_builder_reads_shape_and_condition_from_the_data():
    data = DataSpec((1, 8, 8), "image", (Feature("pixel"),), condition=(LABEL,))
    parts = build(SMALL, data)
    assert parts.generator.embedding.in_features == 3
    assert build(SMALL, DataSpec((2,), "table", (Feature("x"), Feature("y")))).generator.embedding is None


def test_waves_stand_beside_numbers_with_their_mean_square():
    waves = Waves(3, 500, 16.0)
    x = 5 * torch.randn(400, 3)
    y = waves(x)
    assert y.shape == (400, 3 + 1000)
    assert torch.equal(y[:, :3], x)
    assert y[:, 3:].square().mean().item() == pytest.approx(1, rel=0.01)
    assert torch.allclose(y[:, 3:503].square() + y[:, 503:].square(), torch.tensor(2.0), atol=1e-4)
    lengths = waves.directions.detach().square().sum(0).sqrt()
    assert lengths[:50].mean().item() == pytest.approx(1.1, rel=0.2)
    assert lengths[-50:].mean().item() == pytest.approx(14, rel=0.2)


def test_rows_have_waves_on_request():
    for network, inputs in zip(networks((2,)), (4, 2), strict=True):
        assert isinstance(network.network[0], nn.Linear)
        assert network.network[0].in_features == inputs
    for network, inputs in zip(networks((2,), options=SMALL.model_copy(update={"waves": 8})), (4, 2), strict=True):
        assert isinstance(network.network[0], Waves)
        assert network.network[1].in_features == inputs + 16


def test_rows_are_computed_in_full_precision_under_autocast():
    generator, discriminator = (awake(network) for network in networks((2,)))
    z = generator.prior_sample(5)
    x = generator.decode(z)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(generator.decode(z), x)
        assert torch.equal(discriminator(x), discriminator(x.float()))
        assert discriminator(x).dtype == torch.float32


class Fixed(genzoo.Generator):
    def __init__(self, samples):
        super().__init__()
        self.samples = nn.Parameter(samples)

    def sample(self, n, *, condition=None, **options):
        return self.samples[:n]


@pytest.mark.parametrize(("every", "step"), [(1, 1), (4, 4), (6, 2), (3, 1)])
def test_penalties_on_some_events_leave_the_game_whole(every, step):
    real, samples = torch.randn(2, 8, 1, 6, 6, dtype=torch.float64)
    discriminator = awake(ResidualDiscriminator(SMALL, (1, 6, 6)).double())
    model = genzoo.Model(genzoo.Parts(Fixed(samples), discriminator))
    objective = relativistic(RelativisticOptions(gamma=0.7, penalty_every=every))
    loss = objective.discriminator_loss(model, real)
    game = nn.functional.softplus(discriminator(samples) - discriminator(real)).mean()
    squares = [logits_and_squared_gradients(discriminator, x[::step])[1].mean() for x in (real, samples)]
    assert loss.item() == pytest.approx((game + 0.35 * sum(squares)).item(), rel=1e-9)


def test_penalties_on_some_events_keep_conditions_with_their_events():
    real, samples = torch.randn(2, 4, 1, 6, 6, dtype=torch.float64)
    given = torch.eye(3, dtype=torch.float64)[[0, 1, 2, 0]]
    discriminator = awake(ResidualDiscriminator(SMALL, (1, 6, 6), 3).double())
    model = genzoo.Model(genzoo.Parts(Fixed(samples), discriminator))
    losses = [
        relativistic(RelativisticOptions(gamma=1e-12, penalty_every=every)).discriminator_loss(model, real, given)
        for every in (1, 2)
    ]
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-9)
