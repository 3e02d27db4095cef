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
"""Smallest number of pixels (times channels) for which networks have convolutions by default."""

_MANY = 256
"""Smallest number of pixels (times channels) of images with defaults of their own."""

_LATENT, _WIDTH, _DROPOUT = (12, 24), (256, 512), (0.1, 0.0)
"""Default dimensions of the latent vector, width of inner layers and share of dropped activations: of most data, and of
images with many values."""


def build_networks(
    config: NetworkOptions, data: DataSpec, head: Head, latent: int, outputs: int
) -> tuple[nn.Module, nn.Module]:
    """Build an encoder of `encoder_view`, and the decoder of a head. Conditions are the last inputs of both.

    Arguments:
        latent: number of dimensions of the latent vector, as `latent_size` returns it.
        outputs: number of the encoder's outputs.

    Raises:
        ValueError: the options ask for convolutions of a table.
    """
    beside, kind = data.condition_size, kind_of_network(config, data)
    usual = _DROPOUT[has_many_pixels(data)]
    in_encoder = usual if config.encoder_dropout is None else config.encoder_dropout
    in_decoder = usual if config.decoder_dropout is None else config.decoder_dropout
    if kind != "mlp":
        numbers = head.width // data.size
        layers = (residual if kind == "residual" else plain)(data.event_shape, numbers, config, in_decoder)
        encoder = ConvEncoder(layers, data.event_shape, outputs, config, in_encoder, beside)
        return encoder, ConvDecoder(layers, data.event_shape, latent + beside, config, in_decoder)
    inputs = head.shown + (data.size if data.missing else 0) + beside
    widths = inner_widths(config, data)
    return (
        mlp(inputs, outputs, widths, config.activation, in_encoder),
        mlp(latent + beside, head.width, widths[::-1], config.activation, in_decoder),
    )


def latent_size(config: NetworkOptions, *parts: DataSpec) -> int:
    """Return the number of dimensions of the latent vector of events, which may have several parts."""
    return _LATENT[any(map(has_many_pixels, parts))] if config.latent is None else config.latent


def inner_widths(config: NetworkOptions, data: DataSpec) -> tuple[int, ...]:
    """Return the widths of the inner layers of an mlp."""
    return 2 * (_WIDTH[has_many_pixels(data)],) if config.widths is None else config.widths


def has_many_pixels(data: DataSpec) -> bool:
    """Return whether events are images with so many values that they have defaults of their own."""
    return data.form.rank == 3 and data.size >= _MANY  # (C, H, W)


def kind_of_network(config: NetworkOptions, data: DataSpec) -> NetworkName:
    """Return which networks `build_networks` builds: `mlp`, `convolutional` or `residual`.

    Raises:
        ValueError: the options ask for convolutions of a table.
    """
    image = data.form.rank == 3  # (C, H, W)
    if config.network in ("convolutional", "residual") and not image:
        raise ValueError(f"network={config.network} needs images, and this is a table; use network=mlp")
    if config.network is None:
        return "residual" if image and data.size >= _LARGE else "mlp"
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
