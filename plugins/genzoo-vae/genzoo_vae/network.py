"""Encoders and decoders. Both work on flattened events, also of images."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genzoo import DataSpec
from genzoo_vae.convolutions import ConvDecoder, ConvEncoder, plain, residual
from genzoo_vae.layers import mlp
from genzoo_vae.observation import Head
from genzoo_vae.options import NetworkName, NetworkOptions

_LARGE = 1024
"""Smallest number of pixels (times channels) for which networks are convolutional with `network=auto`."""

_RESIDUAL = 256
"""Smallest number of pixels (times channels) for which networks are residual by default."""


def build_networks(config: NetworkOptions, data: DataSpec, head: Head, outputs: int) -> tuple[nn.Module, nn.Module]:
    """Build an encoder of `encoder_view`, and the decoder of a head. Conditions are the last inputs of both.

    Arguments:
        outputs: number of the encoder's outputs.

    Raises:
        ValueError: the options ask for convolutions of a table.
    """
    beside, kind = data.condition_size, kind_of_network(config, data)
    if kind != "mlp":
        numbers = head.width // data.size
        layers = (residual if kind == "residual" else plain)(data.event_shape, numbers, config)
        encoder = ConvEncoder(layers, data.event_shape, outputs, config, beside)
        return encoder, ConvDecoder(layers, data.event_shape, config.latent + beside, config)
    inputs = head.shown + (data.size if data.missing else 0) + beside
    return (
        mlp(inputs, outputs, config.widths, config.activation, config.encoder_dropout),
        mlp(config.latent + beside, head.width, config.widths[::-1], config.activation, config.decoder_dropout),
    )


def kind_of_network(config: NetworkOptions, data: DataSpec) -> NetworkName:
    """Return which networks `build_networks` builds: `mlp`, `convolutional` or `residual`.

    Raises:
        ValueError: the options ask for convolutions of a table.
    """
    image = data.form.rank == 3  # (C, H, W)
    if config.network in ("convolutional", "residual") and not image:
        raise ValueError(f"network={config.network} needs images, and this is a table; use network=mlp")
    if config.network is None:
        return "residual" if image and data.size >= _RESIDUAL else "mlp"
    if config.network == "auto":
        return "convolutional" if image and data.size >= _LARGE else "mlp"
    return config.network


def encoder_view(head: Head, x: Tensor, missing: Tensor | None, *, sees_missing: bool, hidden: float) -> Tensor:
    """Convert events `x (N, *event)` to the encoder's inputs, `(N, shown)`; with `sees_missing`, `(N, shown + D)`.

    Arguments:
        head: how the encoder sees values.
        missing: mask of missing values, `(N, *event)`, or `None`.
        sees_missing: whether the mask follows in more columns.
        hidden: share of the inputs to hide.
    """
    flat, gone = x.flatten(1), None if missing is None else missing.flatten(1)
    shown = F.dropout(head.show(flat, gone), hidden, hidden > 0)
    if not sees_missing:
        return shown
    return torch.cat([shown, torch.zeros_like(flat) if gone is None else gone.to(flat.dtype)], 1)
