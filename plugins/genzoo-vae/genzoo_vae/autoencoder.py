"""The autoencoder: a network that compresses an event to a few numbers, and another that restores it.

The encoder maps an event x to a code z, a vector of few numbers, and the decoder maps z to a reconstruction. Both are
trained to make the reconstruction error small. With no inner layers and squared errors, codes span the space of the
first principal components ("Neural Networks and Principal Component Analysis", Baldi and Hornik, 1989).

There is no distribution of events, and so no likelihood. `genzoo_vae.vae` is the autoencoder that has one.

References:
    "Learning Representations by Back-Propagating Errors" (Rumelhart, Hinton and Williams, 1986);
    "Reducing the Dimensionality of Data with Neural Networks" (Hinton and Salakhutdinov, 2006).
"""

from __future__ import annotations

from torch import Tensor, nn

from genzoo import (
    AnomalyScore,
    DataSpec,
    Decoder,
    Encoder,
    Feature,
    Generator,
    Parts,
    Reconstruction,
    full_precision,
)
from genzoo_vae.build import categorical_pixels
from genzoo_vae.network import build_networks, encoder_view, latent_size
from genzoo_vae.observation import (
    Bernoulli,
    Categorical,
    ColumnHeads,
    Group,
    Head,
    SquaredError,
    SquaredLogError,
    group_columns,
)
from genzoo_vae.options import AutoencoderOptions
from genzoo_vae.prior import LatentDensity


class Autoencoder(Generator, Decoder, Encoder, Reconstruction, AnomalyScore):
    """A deterministic autoencoder.

    Arguments:
        encoder: maps the encoder's view of events, `(N, shown)`, to codes `(N, L)`. With `sees_missing`, the mask of
            missing values follows in more columns.
        decoder: maps codes `(N, L)` to the head's parameters, `(N, width)`.
        head: what these parameters mean.
        density: where samples take their codes from.
        event_shape: shape of one event.
        latent: L.
        meaning: what the anomaly score is, with its unit.
        sees_missing: whether the encoder also sees which values are missing. Defaults to False.
        hidden: dropout rate of the encoder's input in training. Defaults to 0.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        head: Head,
        density: LatentDensity,
        event_shape: tuple[int, ...],
        latent: int,
        meaning: str,
        *,
        sees_missing: bool = False,
        hidden: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.head = head
        self.density = density
        self._event_shape = event_shape
        self._latent = latent
        self._meaning = meaning
        self._sees_missing = sees_missing
        self._hidden = hidden

    @property
    def latent(self) -> int:
        return self._latent

    @property
    def score_meaning(self) -> str:
        return self._meaning

    def encode(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        """Return the codes of events."""
        hidden = self._hidden if self.training else 0.0
        z: Tensor = self.encoder(encoder_view(self.head, x, missing, sees_missing=self._sees_missing, hidden=hidden))
        return z.to(x.dtype)

    def _outputs(self, z: Tensor) -> Tensor:
        outputs: Tensor = self.decoder(z)
        return outputs.to(z.dtype)

    def decode(self, z: Tensor) -> Tensor:
        """Return the events of codes; for categories, the most probable one."""
        return self.head.conclude(self.head.expectation(self._outputs(z))).view(-1, *self._event_shape)

    def reconstruct(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        return self.decode(self.encode(x, missing))

    def error(self, x: Tensor, missing: Tensor | None, z: Tensor) -> Tensor:
        """Compute the reconstruction error of events `x (N, *event)` from codes `z (N, L)`, `(N,)`.

        It is the mean over the observed values of an event, so that events with holes can be compared with others. An
        event with no value has an error of 0.
        """
        outputs = self._outputs(z)
        with full_precision(x):
            each = self.head.error(x.flatten(1), outputs)
            if missing is None:
                return each.mean(1)
            known = ~missing.flatten(1)
            return (each * known).sum(1) / known.sum(1).clamp_min(1)

    def anomaly_score(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        """Return the reconstruction error."""
        return self.error(x, missing, self.encode(x, missing))

    def prior_sample(self, n: int) -> Tensor:
        return self.density.sample(n)

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        """Decode codes drawn from the mixture; categories are drawn from their probabilities, numbers have no noise."""
        return self.head.sample(self._outputs(self.prior_sample(n))).view(-1, *self._event_shape)


def build(config: AutoencoderOptions, data: DataSpec) -> Parts:
    """Build an autoencoder for images or tables."""
    head = _columns(data) if data.form.columns else _pixels(data)
    latent = latent_size(config, data)
    encoder, decoder = build_networks(config, data, head, latent, latent)
    generator = Autoencoder(
        encoder,
        decoder,
        head,
        LatentDensity(latent, config.n_components),
        data.event_shape,
        latent,
        _meaning(data),
        sees_missing=data.missing,
        hidden=config.input_dropout,
    )
    return Parts(generator)


def _pixels(data: DataSpec) -> Head:
    kind = data.features[0].kind
    if kind == "binary":
        return Bernoulli(data.size)
    if kind == "categorical":
        return categorical_pixels(data)
    return SquaredError(data.size, bounded=data.bounds is not None)


def _columns(data: DataSpec) -> Head:
    """Build the head of a table: one part for each kind of column and, for categories, number of levels."""
    groups = group_columns(data, _group)
    parts = [_part(kind, levels, len(places)) for (kind, levels), places in groups.items()]
    return parts[0] if len(parts) == 1 else ColumnHeads(parts, list(groups.values()))


def _group(feature: Feature) -> Group:
    return feature.kind, len(feature.levels or ()) if feature.kind == "categorical" else 0


def _part(kind: str, levels: int, places: int) -> Head:
    if kind == "categorical":
        return Categorical(places, levels)
    if kind == "binary":
        return Bernoulli(places)
    return SquaredLogError(places) if kind == "count" else SquaredError(places)


def _meaning(data: DataSpec) -> str:
    """Say what the reconstruction error is, with its unit."""
    kinds = {feature.kind for feature in data.features}
    image = not data.form.columns
    parts = []
    if "continuous" in kinds:
        parts.append(f"squared errors of {'pixels from 0 to 1' if image else 'numbers in standard deviations'}")
    if kinds & {"binary", "categorical"}:
        parts.append(f"cross-entropies of {'pixels' if image else 'categories'} in nats")
    if "count" in kinds:
        parts.append("squared errors of log(1 + count)")
    return f"reconstruction error, the mean of {', '.join(parts)}"
