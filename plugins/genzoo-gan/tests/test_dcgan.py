import math

import pytest
import torch
from torch import nn

import genzoo
from genzoo_gan.dcgan import ConvDiscriminator, ConvGenerator
from genzoo_gan.objectives import (
    Adversarial,
    hinge,
    least_squares,
    non_saturating,
    relativistic,
    wasserstein_gp,
)
from genzoo_gan.options import (
    DCGANOptions,
    HingeOptions,
    LeastSquaresOptions,
    NonSaturatingOptions,
    RelativisticOptions,
    WassersteinOptions,
)
from genzoo_gan.penalties import Penalties, logits_and_squared_gradients

TUTORIAL = DCGANOptions(
    latent=100, generator_widths=(256, 128, 64), discriminator_widths=(64, 128), kernel=5, dropout=0.3
)


def trainable(module):
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def test_the_tutorial_architecture_has_the_textbooks_number_of_parameters():
    assert trainable(ConvGenerator(TUTORIAL, (1, 28, 28))) == 2_305_472
    assert trainable(ConvDiscriminator(TUTORIAL, (1, 28, 28))) == 212_864


def test_the_tutorial_preset_is_that_architecture_and_recipe(tmp_path):
    from genzoo.config.resolve import layer, resolve_config
    from genzoo.plugins.manager import get_registry

    config = resolve_config(get_registry(), "dcgan", layer({"preset": "tutorial"}))
    assert DCGANOptions(**config.options) == TUTORIAL
    assert config.objective.name == "genzoo-gan/non-saturating"
    assert config.objective.options["simultaneous"] is True
    adam = config.training.optimizer
    assert (adam.name, adam.lr, adam.betas, config.training.ema) == ("adam", 1e-4, (0.9, 0.999), 0.0)


def test_the_tutorial_layers_stand_in_the_listed_order():
    generator = ConvGenerator(TUTORIAL, (1, 28, 28))
    assert generator.linear.bias is None
    assert [type(layer) for layer in generator.start] == [nn.BatchNorm1d, nn.LeakyReLU, nn.Dropout]
    block = [nn.ConvTranspose2d, nn.BatchNorm2d, nn.LeakyReLU, nn.Dropout]
    assert [type(layer) for layer in generator.convolutions] == [*block, *block, nn.ConvTranspose2d, nn.Tanh]
    convolutions = [layer for layer in generator.convolutions if isinstance(layer, nn.ConvTranspose2d)]
    assert [(c.kernel_size, c.stride, c.out_channels, c.bias) for c in convolutions] == [
        ((5, 5), (1, 1), 128, None),
        ((5, 5), (2, 2), 64, None),
        ((5, 5), (2, 2), 1, None),
    ]
    discriminator = ConvDiscriminator(TUTORIAL, (1, 28, 28))
    pair = [nn.Conv2d, nn.LeakyReLU, nn.Dropout]
    assert [type(layer) for layer in discriminator.convolutions] == [*pair, *pair, nn.Flatten]
    assert discriminator.linear.bias is None


def outlines(network, x):
    """Return the shapes of the feature maps before and after each convolution, by running the network."""
    shapes = []
    for layer in network.convolutions:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(lambda _, given, found: shapes.append((given[0].shape[1:], found.shape[1:])))
    with torch.no_grad():
        network.eval().decode(x) if isinstance(network, ConvGenerator) else network.eval()(x)
    return [tuple(shapes[0][0]), *(tuple(after) for _, after in shapes)]


@pytest.mark.parametrize(
    ("side", "widths"),
    [(32, [512, 256, 128]), (64, [1024, 512, 256, 128]), (128, [1024, 1024, 512, 256, 128])],
)
def test_images_of_32_64_and_128_pixels_are_built_as_in_the_paper(side, widths):
    sides = [4 * 2**stage for stage in range(len(widths) + 1)]
    expected = [(channels, pixels, pixels) for channels, pixels in zip([*widths, 3], sides, strict=True)]
    options = DCGANOptions(width=128, kernel=5)
    with torch.device("meta"):
        generator, discriminator = ConvGenerator(options, (3, side, side)), ConvDiscriminator(options, (3, side, side))
        assert outlines(generator, torch.zeros(1, 64)) == expected
        assert outlines(discriminator, torch.zeros(1, 3, side, side)) == expected[::-1]


@pytest.mark.parametrize(
    ("shape", "first"),
    [((1, 8, 8), (2, 2)), ((1, 28, 28), (7, 7)), ((3, 48, 40), (6, 5)), ((1, 65, 100), (5, 7)), ((3, 30, 90), (8, 23))],
)
def test_feature_maps_start_with_at_least_4_pixels(shape, first):
    generator = ConvGenerator(DCGANOptions(), shape)
    shapes = outlines(generator, generator.prior_sample(1))
    assert shapes[0][1:] == first
    assert (shapes[0][0], shapes[-2][0]) == (2 ** (len(shapes) - 2) * 32, 32)


def test_every_pixel_of_an_image_matters_to_the_discriminator():
    for shape in [(1, 9, 14), (1, 31, 65)]:
        torch.manual_seed(0)
        x = torch.randn(1, *shape, requires_grad=True)
        ConvDiscriminator(DCGANOptions(width=4), shape)(x).sum().backward()
        assert (x.grad != 0).all()


@pytest.mark.parametrize(
    ("options", "generator", "discriminator"),
    [
        ({"generator_widths": (8,)}, [8], [32]),
        ({"discriminator_widths": (4, 8, 16, 32)}, [256, 128, 64, 32], [4, 8, 16, 32]),
        ({"generator_widths": (8, 8, 4, 4), "discriminator_widths": (4,)}, [8, 8, 4, 4], [4]),
    ],
)
def test_widths_can_be_set_for_each_layer(options, generator, discriminator):
    shape = (1, 28, 28)
    networks = ConvGenerator(DCGANOptions(**options), shape), ConvDiscriminator(DCGANOptions(**options), shape)
    x = networks[0].eval().sample(2)
    assert x.shape == (2, *shape)
    assert [one[0] for one in outlines(networks[0], networks[0].prior_sample(1))[:-1]] == generator
    assert [one[0] for one in outlines(networks[1], x)[1:]] == discriminator


def test_a_generator_with_too_few_layers_is_an_error():
    with pytest.raises(ValueError, match="generator_widths must have at least 3 entries"):
        DCGANOptions(generator_widths=(8, 4), discriminator_widths=(2, 4, 8))


@pytest.mark.parametrize(
    "shape", [(1, 8, 8), (3, 28, 28), (2, 10, 13), (1, 1, 1), (4, 5, 32), (3, 48, 40), (1, 33, 70)]
)
@pytest.mark.parametrize("kernel", [3, 5])
def test_images_of_any_size_and_number_of_channels(shape, kernel):
    options = DCGANOptions(kernel=kernel, latent=7)
    generator, discriminator = ConvGenerator(options, shape).eval(), ConvDiscriminator(options, shape).eval()
    z = generator.prior_sample(3)
    assert z.shape == (3, 7) == (3, generator.latent)
    x = generator.decode(z)
    assert x.shape == (3, *shape)
    assert x.abs().max() <= 1
    assert discriminator(x).shape == (3,)
    assert generator.sample(2).shape == (2, *shape)
    alone = torch.cat([discriminator(event[None]) for event in x])
    assert torch.allclose(alone, discriminator(x), atol=1e-6), "an event's score does not depend on its batch"


@pytest.mark.parametrize(
    "field", ["latent", "width", "generator_widths", "discriminator_widths", "kernel", "slope", "dropout"]
)
def test_every_option_changes_the_model(field):
    base = DCGANOptions()
    other = {
        "latent": 10,
        "width": 16,
        "generator_widths": (16, 8, 4),
        "discriminator_widths": (8, 16),
        "kernel": 5,
        "slope": 0.1,
        "dropout": 0.5,
    }[field]
    changed = base.model_copy(update={field: other})
    shape = (1, 8, 8)
    one = str(ConvGenerator(base, shape)) + str(ConvDiscriminator(base, shape))
    two = str(ConvGenerator(changed, shape)) + str(ConvDiscriminator(changed, shape))
    assert one != two
    assert "BatchNorm" not in str(ConvGenerator(base.model_copy(update={"normalize": False}), shape))


class Quadratic(genzoo.Discriminator):
    """A discriminator with known logits and gradients."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))

    def forward(self, x):
        return self.weight * x.square().flatten(1).sum(1)


def test_gradients_of_the_discriminator_are_exact_and_differentiable():
    discriminator = Quadratic()
    x = torch.randn(6, 1, 2, 2, dtype=torch.float64)
    logits, squared = logits_and_squared_gradients(discriminator, x)
    norm = x.square().flatten(1).sum(1)
    assert torch.allclose(logits, 1.5 * norm)
    assert torch.allclose(squared, 4 * 1.5**2 * norm)
    (gradient,) = torch.autograd.grad(squared.sum(), discriminator.weight)
    assert torch.allclose(gradient, (8 * 1.5 * norm).sum())


def test_the_penalty_stays_in_full_precision_under_autocast():
    discriminator = ConvDiscriminator(DCGANOptions(), (1, 8, 8))
    x = torch.randn(4, 1, 8, 8)
    expected = logits_and_squared_gradients(discriminator, x)
    with torch.autocast("cpu", torch.bfloat16):
        found = logits_and_squared_gradients(discriminator, x)
        assert discriminator.convolutions(x).dtype == torch.bfloat16
    for one, two in zip(found, expected, strict=True):
        assert one.dtype == torch.float32
        assert torch.equal(one, two)


def entropy(logits, target):
    return nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


REAL = torch.tensor([0.3, -1.2, 2.0, 0.1], dtype=torch.float64)
FAKE = torch.tensor([-0.5, 0.8, 0.2, -3.0], dtype=torch.float64)


@pytest.mark.parametrize(
    ("objective", "discriminator", "generator"),
    [
        (non_saturating(NonSaturatingOptions()), entropy(REAL, 1) + entropy(FAKE, 0), entropy(FAKE, 1)),
        (
            hinge(HingeOptions()),
            (1 - REAL).clamp(min=0).mean() + (1 + FAKE).clamp(min=0).mean(),
            -FAKE.mean(),
        ),
        (
            least_squares(LeastSquaresOptions()),
            0.5 * ((REAL - 1) ** 2).mean() + 0.5 * (FAKE**2).mean(),
            0.5 * ((FAKE - 1) ** 2).mean(),
        ),
        (wasserstein_gp(WassersteinOptions()), FAKE.mean() - REAL.mean(), -FAKE.mean()),
        (
            relativistic(RelativisticOptions()),
            torch.tensor([math.log1p(math.exp(f - r)) for r, f in zip(REAL, FAKE, strict=True)]).mean(),
            torch.tensor([math.log1p(math.exp(r - f)) for r, f in zip(REAL, FAKE, strict=True)]).mean(),
        ),
    ],
)
def test_each_game_equals_its_published_formula(objective, discriminator, generator):
    assert objective.game.discriminator(REAL, FAKE).item() == pytest.approx(discriminator.item(), rel=1e-6)
    lead = FAKE - REAL if objective.game.paired else FAKE
    assert objective.game.generator(lead).item() == pytest.approx(generator.item(), rel=1e-6)


class Constant(genzoo.Generator):
    def __init__(self):
        super().__init__()
        self.value = nn.Parameter(torch.full((1, 2, 2), 0.5, dtype=torch.float64))

    def sample(self, n, *, condition=None, **options):
        return self.value.expand(n, 1, 2, 2)


def step(objective, x):
    model = genzoo.Model(genzoo.Parts(Constant(), Quadratic()))
    batch = genzoo.Batch(x)
    return model, list(objective.losses(model, batch, genzoo.Progress.start(x.device)))


def test_r1_and_r2_weigh_half_the_squared_gradient():
    x = torch.randn(5, 1, 2, 2, dtype=torch.float64)
    bare = step(non_saturating(NonSaturatingOptions()), x)[1][0]["discriminator"]
    both = step(non_saturating(NonSaturatingOptions(r1=0.2, r2=0.6)), x)[1][0]["discriminator"]
    at_real = (4 * 1.5**2 * x.square().flatten(1).sum(1)).mean()
    at_samples = 4 * 1.5**2 * 4 * 0.25
    assert (both - bare).item() == pytest.approx((0.1 * at_real + 0.3 * at_samples).item(), rel=1e-12)
    assert relativistic(RelativisticOptions(gamma=0.1, r1=0.2)).penalties.r1 == pytest.approx(0.3)


def test_the_gradient_penalty_is_on_lines_between_events_and_samples():
    x = torch.full((64, 1, 2, 2), 0.5, dtype=torch.float64)  # so that every line is one point
    bare = step(wasserstein_gp(WassersteinOptions(penalty=0, discriminator_steps=1)), x)[1][0]["discriminator"]
    held = step(wasserstein_gp(WassersteinOptions(penalty=10, discriminator_steps=1)), x)[1][0]["discriminator"]
    norm = 2 * 1.5 * math.sqrt(4 * 0.25)
    assert (held - bare).item() == pytest.approx(10 * (norm - 1) ** 2, rel=1e-9)


def test_a_wasserstein_discriminator_takes_five_steps_on_fresh_batches():
    objective = wasserstein_gp(WassersteinOptions())
    assert objective.batches_per_step == 5
    x = torch.randn(10, 1, 2, 2, dtype=torch.float64)
    _, yielded = step(objective, x)
    assert [list(losses) for losses in yielded] == [["discriminator"]] * 5 + [["generator"]]


def test_simultaneous_losses_come_in_one_yield_from_the_same_samples():
    drawn = []

    class Noisy(Constant):
        def sample(self, n, *, condition=None, **options):
            drawn.append(n)
            return super().sample(n)

    model = genzoo.Model(genzoo.Parts(Noisy(), Quadratic()))
    objective = non_saturating(NonSaturatingOptions(simultaneous=True))
    x = torch.randn(4, 1, 2, 2, dtype=torch.float64)
    yielded = list(objective.losses(model, genzoo.Batch(x), genzoo.Progress.start(x.device)))
    assert [list(losses) for losses in yielded] == [["discriminator", "generator"]]
    assert drawn == [4]
    expected = entropy(model.discriminator(x), 1) + entropy(model.discriminator(model.generator.sample(4)), 0)
    assert torch.allclose(yielded[0]["discriminator"], expected)
    assert isinstance(objective, Adversarial)
    assert objective.penalties == Penalties()


@pytest.mark.parametrize(
    "objective",
    [
        relativistic(RelativisticOptions()),
        non_saturating(NonSaturatingOptions(r1=1.0)),
        hinge(HingeOptions()),
        least_squares(LeastSquaresOptions(simultaneous=True)),
        wasserstein_gp(WassersteinOptions()),
    ],
)
def test_losses_in_half_precision_are_computed_in_single(objective):
    torch.manual_seed(0)
    options = DCGANOptions(latent=4, generator_widths=(8, 8, 4), discriminator_widths=(4, 8), dropout=0.0)
    model = genzoo.Model(genzoo.Parts(ConvGenerator(options, (1, 8, 8)), ConvDiscriminator(options, (1, 8, 8))))
    x = torch.rand(10, 1, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model.discriminator(x)
        for losses in objective.losses(model, genzoo.Batch(x), genzoo.Progress.start(x.device)):
            assert {loss.dtype for loss in losses.values()} == {torch.float32}
    assert (logits != logits.bfloat16().float()).any(), "the last layer is not rounded"


def test_the_discriminator_loss_gives_the_generator_no_gradient():
    x = torch.randn(4, 1, 2, 2, dtype=torch.float64)
    for objective in (relativistic(RelativisticOptions()), hinge(HingeOptions(r1=1.0))):
        model, yielded = step(objective, x)
        yielded[0]["discriminator"].backward()
        assert model.generator.value.grad is None
        yielded[1]["generator"].backward()
        assert model.generator.value.grad is not None
