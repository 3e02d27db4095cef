"""Inception-v3 as the Fréchet Inception Distance uses it: 2,048 features before the classes.

The user names a safetensors file of weights, with the tensor names of the well-known port `pt_inception-2015-12-05`.
Classes and auxiliary outputs in the file are ignored. As in that port, average pooling leaves the padding out, and the
last block uses max pooling instead of average pooling. Images are resized and scaled as in torch-fidelity.

References:
    "Rethinking the Inception Architecture for Computer Vision" (Szegedy et al., 2016);
    "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium" (Heusel et al., 2017);
    "High-fidelity performance metrics for generative models in PyTorch" (Obukhov et al., 2020), torch-fidelity.
"""

from __future__ import annotations

import shlex
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from genzoo.errors import ArtifactError, ConfigError
from genzoo.features.extractor import Extractor, Material
from genzoo.features.networks import NetworkExtractor, check_images, in_unit_range, load_network
from genzoo.typing import Array
from genzoo.wording import argument

NAME = "inception"

URL = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth"
"""Where pytorch-fid publishes the weights; `convert_inception` makes a safetensors file of them."""

IGNORED = ("fc.", "AuxLogits.")
"""Beginnings of the names of tensors that are not used: the classes and auxiliary outputs."""


SIDE = 299


@dataclass(frozen=True, slots=True)
class Layer:
    """Name, channels, kernel and stride of one convolution; with stride 1, it keeps the size of the image."""

    name: str
    width: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1


Branch = Sequence[Layer | tuple[Layer, Layer]]
"""Convolutions in order; a pair at the end runs in parallel."""


class Convolution(nn.Module):
    """A convolution, batch normalization and ReLU."""

    def __init__(self, channels: int, step: Layer, *, padded: bool = True) -> None:
        super().__init__()
        keep = padded and step.stride == 1
        padding = tuple(side // 2 for side in step.kernel) if keep else 0
        self.conv = nn.Conv2d(channels, step.width, step.kernel, step.stride, padding, bias=False)  # type: ignore[arg-type]
        self.bn = nn.BatchNorm2d(step.width, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn(self.conv(x)).relu()
        return y


class Mixed(nn.Module):
    """Parallel branches, one of them a pooling layer.

    Arguments:
        channels: number of input channels.
        branches: branches of convolutions.
        pool: the pooling layer.
        pooled: output channels of the convolution after the pooling layer, or `None` for no convolution.
    """

    def __init__(self, channels: int, branches: Sequence[Branch], pool: nn.Module, pooled: int | None) -> None:
        super().__init__()
        self._branches = branches
        self.width = 0
        for branch in branches:
            width = channels
            for part in branch:
                steps = (part,) if isinstance(part, Layer) else part
                for step in steps:
                    self.add_module(step.name, Convolution(width, step))
                width = sum(step.width for step in steps)
            self.width += width
        self.pool = pool
        self.branch_pool = nn.Identity() if pooled is None else Convolution(channels, Layer("branch_pool", pooled))
        self.width += channels if pooled is None else pooled

    def forward(self, x: Tensor) -> Tensor:
        parts = [self._run(branch, x) for branch in self._branches]
        return torch.cat([*parts, self.branch_pool(self.pool(x))], dim=1)

    def _run(self, branch: Branch, x: Tensor) -> Tensor:
        for part in branch:
            steps = (part,) if isinstance(part, Layer) else part
            x = torch.cat([self.get_submodule(step.name)(x) for step in steps], dim=1)
        return x


_TALL, _WIDE = (7, 1), (1, 7)


def _average() -> nn.Module:
    return nn.AvgPool2d(3, 1, 1, count_include_pad=False)


def _mixed_5(channels: int, pooled: int) -> Mixed:
    branches = (
        (Layer("branch1x1", 64),),
        (Layer("branch5x5_1", 48), Layer("branch5x5_2", 64, (5, 5))),
        (Layer("branch3x3dbl_1", 64), Layer("branch3x3dbl_2", 96, (3, 3)), Layer("branch3x3dbl_3", 96, (3, 3))),
    )
    return Mixed(channels, branches, _average(), pooled)


def _mixed_6a(channels: int) -> Mixed:
    branches = (
        (Layer("branch3x3", 384, (3, 3), 2),),
        (Layer("branch3x3dbl_1", 64), Layer("branch3x3dbl_2", 96, (3, 3)), Layer("branch3x3dbl_3", 96, (3, 3), 2)),
    )
    return Mixed(channels, branches, nn.MaxPool2d(3, 2), None)


def _mixed_6(channels: int, inner: int) -> Mixed:
    branches = (
        (Layer("branch1x1", 192),),
        (Layer("branch7x7_1", inner), Layer("branch7x7_2", inner, _WIDE), Layer("branch7x7_3", 192, _TALL)),
        (
            Layer("branch7x7dbl_1", inner),
            Layer("branch7x7dbl_2", inner, _TALL),
            Layer("branch7x7dbl_3", inner, _WIDE),
            Layer("branch7x7dbl_4", inner, _TALL),
            Layer("branch7x7dbl_5", 192, _WIDE),
        ),
    )
    return Mixed(channels, branches, _average(), 192)


def _mixed_7a(channels: int) -> Mixed:
    branches = (
        (Layer("branch3x3_1", 192), Layer("branch3x3_2", 320, (3, 3), 2)),
        (
            Layer("branch7x7x3_1", 192),
            Layer("branch7x7x3_2", 192, _WIDE),
            Layer("branch7x7x3_3", 192, _TALL),
            Layer("branch7x7x3_4", 192, (3, 3), 2),
        ),
    )
    return Mixed(channels, branches, nn.MaxPool2d(3, 2), None)


def _mixed_7(channels: int, pool: nn.Module) -> Mixed:
    branches = (
        (Layer("branch1x1", 320),),
        (Layer("branch3x3_1", 384), (Layer("branch3x3_2a", 384, (1, 3)), Layer("branch3x3_2b", 384, (3, 1)))),
        (
            Layer("branch3x3dbl_1", 448),
            Layer("branch3x3dbl_2", 384, (3, 3)),
            (Layer("branch3x3dbl_3a", 384, (1, 3)), Layer("branch3x3dbl_3b", 384, (3, 1))),
        ),
    )
    return Mixed(channels, branches, pool, 192)


def _layers() -> Mapping[str, nn.Module]:
    return {
        "Conv2d_1a_3x3": Convolution(3, Layer("", 32, (3, 3), 2)),
        "Conv2d_2a_3x3": Convolution(32, Layer("", 32, (3, 3)), padded=False),
        "Conv2d_2b_3x3": Convolution(32, Layer("", 64, (3, 3))),
        "pool_2": nn.MaxPool2d(3, 2),
        "Conv2d_3b_1x1": Convolution(64, Layer("", 80)),
        "Conv2d_4a_3x3": Convolution(80, Layer("", 192, (3, 3)), padded=False),
        "pool_4": nn.MaxPool2d(3, 2),
        "Mixed_5b": _mixed_5(192, 32),
        "Mixed_5c": _mixed_5(256, 64),
        "Mixed_5d": _mixed_5(288, 64),
        "Mixed_6a": _mixed_6a(288),
        "Mixed_6b": _mixed_6(768, 128),
        "Mixed_6c": _mixed_6(768, 160),
        "Mixed_6d": _mixed_6(768, 160),
        "Mixed_6e": _mixed_6(768, 192),
        "Mixed_7a": _mixed_7a(768),
        "Mixed_7b": _mixed_7(1280, _average()),
        "Mixed_7c": _mixed_7(2048, nn.MaxPool2d(3, 1, 1)),
    }


class Inception(nn.Module):
    """Network from images `(N, 3, 299, 299)` in −1..1 to features `(N, 2048)`."""

    def __init__(self) -> None:
        super().__init__()
        for name, layer in _layers().items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = layer(x)
        return x.mean(dim=(2, 3))


def bilinear(images: Tensor, side: int) -> Tensor:
    """Resize images `(N, C, H, W)` to `(N, C, side, side)` as published Inception features are computed.

    Pixel `i` of the result is read at `i * H / side`: corners are not aligned, and pixels have no half width, as in
    TensorFlow 1. Other rules change Fréchet distances.
    """
    height, width = images.shape[-2:]
    return _weights(height, side) @ images @ _weights(width, side).T


def _weights(length: int, side: int) -> Tensor:
    """Return the weights `(side, length)` of the pixels that each new pixel lies between."""
    place = torch.arange(side) * (length / side)
    low = place.long()
    share = (place - low)[:, None]
    pixels = torch.eye(length)
    return pixels[low] * (1 - share) + pixels[(low + 1).clamp_max(length - 1)] * share


def build_inception(material: Material) -> Extractor:
    """Build the extractor from the weights that the user names.

    Raises:
        ConfigError: no file was named.
        DataError: the images have no range, or neither 1 nor 3 channels.
        ArtifactError: the file is missing or damaged, holds other tensors, or is no safetensors file.
    """
    if material.file is None:
        raise ConfigError(
            f"Features 'inception' need a file of weights: {argument('features', 'inception=FILE.safetensors')}. "
            f"Download {URL} and convert it: python -m genzoo.features.convert_inception FILE."
        )
    if zipfile.is_zipfile(material.file):
        raise ArtifactError(
            f"{material.file} is a file of PyTorch and no safetensors file. Convert the published weights first: "
            f"python -m genzoo.features.convert_inception {shlex.quote(str(material.file))}."
        )
    check_images(NAME, material.data)
    network = Inception()
    protocol = {
        "digest": load_network(NAME, network, material.file, ignored=IGNORED),
        "resizer": f"bilinear as in TensorFlow 1, not antialiased, to {SIDE}×{SIDE}",
        "normalisation": "(x − 128) / 128",
    }

    def prepare(events: Array) -> Tensor:
        pixels = torch.from_numpy(in_unit_range(events, material.data)) * 255
        return (bilinear(pixels, SIDE).expand(-1, 3, -1, -1) - 128) / 128

    return NetworkExtractor(network, prepare, protocol, material.device, channels_last=True)
