"""DCGAN: a deep convolutional GAN for images of any size and number of channels.

A generator G turns a latent vector z ~ N(0, I) into an image x = G(z). A discriminator D gives an image a logit: large
for real images, small for samples. `genzoo_gan.objectives` has their losses.

References:
    "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks"
    (Radford, Metz and Chintala, 2015);
    "cGANs with Projection Discriminator" (Miyato and Koyama, 2018), for images given a condition.
"""

from __future__ import annotations

from torch import Tensor, cat, nn, randn
from torch.nn import functional as F

from genzoo import DataSpec, Decoder, Discriminator, Generator, Parts, full_precision
from genzoo_gan.options import DCGANOptions


def build(config: DCGANOptions, data: DataSpec) -> Parts:
    """Build the generator and the discriminator for images of the data's shape."""
    shape, given = data.event_shape, data.condition_size
    return Parts(ConvGenerator(config, shape, given), ConvDiscriminator(config, shape, given))


def _quarter(side: int) -> int:
    """Return a quarter of a side, rounded up; images whose sides do not divide by 4 are padded or cropped."""
    return -(-side // 4)


class ConvGenerator(Generator, Decoder):
    """The generator G: a linear layer, three transposed convolutions that enlarge the sides fourfold, then tanh.

    Arguments:
        config: options of the model.
        event_shape: shape of an image, `(C, H, W)`.
        given: number of values of a condition, which come after z. Defaults to 0.

    Shape:
        `z (N, L)` to `x (N, C, H, W)`, with values in [-1, 1].
    """

    def __init__(self, config: DCGANOptions, event_shape: tuple[int, ...], given: int = 0) -> None:
        super().__init__()
        channels, self._height, self._width = event_shape
        self._latent = config.latent
        self._rows, self._columns = _quarter(self._height), _quarter(self._width)
        first, second, third = config.generator_widths
        flat = self._rows * self._columns * first
        self._channels = first
        self.linear = nn.Linear(config.latent + given, flat, bias=False)
        self.start = nn.Sequential(*_after(config, flat, flat_input=True))
        self.convolutions = nn.Sequential(
            _enlarge(config.kernel, first, second, stride=1),
            *_after(config, second),
            _enlarge(config.kernel, second, third, stride=2),
            *_after(config, third),
            _enlarge(config.kernel, third, channels, stride=2),
            nn.Tanh(),
        )

    @property
    def latent(self) -> int:
        return self._latent

    def prior_sample(self, n: int) -> Tensor:
        weight = self.linear.weight
        return randn(n, self._latent, device=weight.device, dtype=weight.dtype)

    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Tensor:
        z = z if condition is None else cat([z, condition.to(z.dtype)], 1)
        x: Tensor = self.start(self.linear(z))  # (N, H/4 * W/4 * C1)
        x = x.view(len(x), self._rows, self._columns, self._channels).permute(
            0, 3, 1, 2
        )  # (N, C1, H/4, W/4), channels last
        x = self.convolutions(x)  # (N, C, 4 ceil(H/4), 4 ceil(W/4))
        return x[:, :, : self._height, : self._width]

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        return self.decode(self.prior_sample(n), condition=condition)


class ConvDiscriminator(Discriminator):
    """The discriminator D: two convolutions of stride 2 and a linear layer.

    It has no batch normalization, so that the logit of an image does not depend on the rest of the batch: gradient
    penalties are defined for each image alone.

    Arguments:
        config: options of the model.
        event_shape: shape of an image, `(C, H, W)`.
        given: number of values of a condition. It adds the product of a projection of the condition and the features
            to the logit. Defaults to 0.

    Shape:
        `x (N, C, H, W)` to logits `(N,)`.
    """

    def __init__(self, config: DCGANOptions, event_shape: tuple[int, ...], given: int = 0) -> None:
        super().__init__()
        channels, height, width = event_shape
        first, second = config.discriminator_widths
        rows, columns = _quarter(height), _quarter(width)
        self._padding = (0, columns * 4 - width, 0, rows * 4 - height)
        half = config.kernel // 2
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, first, config.kernel, 2, half),
            nn.LeakyReLU(config.slope),
            nn.Dropout(config.dropout),
            nn.Conv2d(first, second, config.kernel, 2, half),
            nn.LeakyReLU(config.slope),
            nn.Dropout(config.dropout),
            nn.Flatten(),
        )
        self.linear = nn.Linear(second * rows * columns, 1, bias=False)
        self.projection = nn.Linear(given, second * rows * columns, bias=False) if given else None

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        if any(self._padding):
            x = F.pad(x, self._padding)
        features: Tensor = self.convolutions(x)
        with full_precision(x):  # differences of logits near each other would be lost in bfloat16
            features = features.to(self.linear.weight.dtype)
            logits: Tensor = self.linear(features)[:, 0]
            if self.projection is not None and condition is not None:
                logits = logits + (self.projection(condition.to(features.dtype)) * features).sum(1)
        return logits


def _enlarge(kernel: int, inputs: int, outputs: int, *, stride: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, outputs, kernel, stride, kernel // 2, stride - 1, bias=False)


def _after(config: DCGANOptions, width: int, *, flat_input: bool = False) -> list[nn.Module]:
    """Return the modules after an inner layer: batch normalization, leaky ReLU and dropout."""
    norm = nn.BatchNorm1d(width) if flat_input else nn.BatchNorm2d(width)
    layers: list[nn.Module] = [norm] if config.normalize else []
    layers.append(nn.LeakyReLU(config.slope))
    return [*layers, nn.Dropout(config.dropout)] if config.dropout else layers
