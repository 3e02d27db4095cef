"""Encoders and decoders: what maps an event to numbers about its latent vector, and back.

Both take and give flat events; sides of an image that convolutions do not halve evenly are enlarged and cropped back.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from genzoo_vae.options import ActivationName, VAEOptions

_ACTIVATIONS: dict[ActivationName, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def mlp(inputs: int, outputs: int, config: VAEOptions, widths: Sequence[int]) -> nn.Sequential:
    """Linear layers with inner ones of some widths; one linear layer without any."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(inputs, width), *_after(config)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def _after(config: VAEOptions) -> list[nn.Module]:
    """What follows each inner layer."""
    activation = _ACTIVATIONS[config.activation]()
    return [activation, nn.Dropout(config.dropout)] if config.dropout else [activation]


class ConvEncoder(nn.Module):
    """Convolutions that halve the sides, then a linear layer.

    Shape:
        `(N, C * H * W)` to `(N, outputs)`.
    """

    def __init__(self, event_shape: tuple[int, ...], outputs: int, config: VAEOptions) -> None:
        super().__init__()
        self._event_shape = event_shape
        layers: list[nn.Module] = []
        inputs = event_shape[0]
        for channels in config.channels:
            layers += [nn.Conv2d(inputs, channels, 3, 2, 1), *_after(config)]
            inputs = channels
        rows, columns = _smallest(event_shape, len(config.channels))
        self.convolutions = nn.Sequential(*layers)
        self.linear = nn.Linear(inputs * rows * columns, outputs)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.linear(self.convolutions(x.view(-1, *self._event_shape)).flatten(1))
        return found


class ConvDecoder(nn.Module):
    """A linear layer, then transposed convolutions that double the sides, and one that keeps them.

    Shape:
        `(N, L)` to `(N, K * C * H * W)`, K numbers about each place.
    """

    def __init__(self, event_shape: tuple[int, ...], latent: int, numbers: int, config: VAEOptions) -> None:
        super().__init__()
        channels, self._height, self._width = event_shape
        rows, columns = _smallest(event_shape, len(config.channels))
        widths = config.channels[::-1]
        layers: list[nn.Module] = _after(config)
        for inputs, outputs in zip(widths, [*widths[1:], widths[-1]], strict=True):
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), *_after(config)]
        self._start = (widths[0], rows, columns)
        self.linear = nn.Linear(latent, widths[0] * rows * columns)
        self.convolutions = nn.Sequential(*layers, nn.Conv2d(widths[-1], numbers * channels, 3, 1, 1))

    def forward(self, z: Tensor) -> Tensor:
        found: Tensor = self.convolutions(self.linear(z).view(-1, *self._start))
        return found[:, :, : self._height, : self._width].flatten(1)


def _smallest(event_shape: tuple[int, ...], halvings: int) -> tuple[int, int]:
    """The sides of an image that was halved so often, each time rounded up."""
    _, height, width = event_shape
    return -(-height // 2**halvings), -(-width // 2**halvings)
