"""The multimodal variational autoencoder: events of several parts from one latent vector.

The parts x_m of an event are independent given z ~ p(z). Each part has the encoder, decoder and likelihood that `vae`
would have for it alone. The encoders are experts, which `genzoo_vae.experts` joins to q(z | x_S) for the set S of parts
that an event has:

    log p(x_S) >= E log(1/K sum_k w_k),    w_k = p(z_k) prod_{m in S} p(x_m | z_k) / q(z_k | x_S).

Parts are filled in by draws from p(z | x_S). They are chosen by weight among draws from q(z | x_S) and from the prior
p(z): an encoder that sees little, such as a label, need not cover all that is possible.

References:
    "Multimodal Generative Models for Scalable Weakly-Supervised Learning" (Wu and Goodman, 2018);
    "Generalized Multimodal ELBO" (Sutter, Daunhawer and Vogt, 2021);
    "Safe and Effective Importance Sampling" (Owen and Zhou, 2000), for draws from a mixture with the prior.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from genzoo import DataSpec, Decoder, Encoder, Feature, Generator, Imputation, LikelihoodBound, Parts, Reconstruction
from genzoo_vae.build import build, build_prior
from genzoo_vae.experts import MOST_MIXED, Experts, JoinedPosterior
from genzoo_vae.multimodal_options import MVAEOptions
from genzoo_vae.network import latent_size
from genzoo_vae.prior import SPEED, Prior
from genzoo_vae.vae import VAE

_NUMBERS = 2**22
"""Largest number of outputs of a decoder at once; more draws are split."""

_LOG_VARIANCES = (-16.0, 8.0)
"""Range of the logarithm of an expert's variance. An expert that knows little is far wider than the prior."""

Events = Any
"""The parts of events, or their masks, by name: a dict of tensors `(N, *part)`."""


class MVAE(Generator, LikelihoodBound, Decoder, Encoder, Reconstruction, Imputation):
    """A variational autoencoder of events of several parts.

    Arguments:
        parts: the autoencoder of each part, by name. All have the same number of latent dimensions. Their priors are
            not used.
        shapes: shape of each part of an event, by name.
        prior: p(z).
        mixed: whether q(z | x) is a mixture of products of experts, instead of one product.
        imputation_draws: latent vectors drawn for each event to impute. Defaults to 100.
    """

    def __init__(
        self,
        parts: Mapping[str, VAE],
        shapes: Mapping[str, tuple[int, ...]],
        prior: Prior,
        *,
        mixed: bool,
        imputation_draws: int = 100,
    ) -> None:
        super().__init__()
        self._names = sorted(parts)
        self._shapes = dict(shapes)
        self.parts = nn.ModuleList(parts[name] for name in self._names)  # any name may be the name of a part
        self.prior = prior
        self._mixed = mixed
        self._imputation_draws = imputation_draws

    @property
    def latent(self) -> int:
        return self._part(0).latent

    @property
    def sizes(self) -> list[int]:
        """Number of values of each part."""
        return [math.prod(self._shapes[name]) for name in self._names]

    def _part(self, place: int) -> VAE:
        part = self.parts[place]
        assert isinstance(part, VAE)
        return part

    def _named(self) -> list[tuple[str, VAE]]:
        return [(name, self._part(place)) for place, name in enumerate(self._names)]

    def experts(self, x: Events, missing: Events | None) -> tuple[Experts, Tensor]:
        """Encode each part of N events. Return the experts, and which parts are there, `(M, N)`.

        A part is there if any of its values is.
        """
        each, seen = [], []
        for name, part in self._named():
            gone = None if missing is None else missing[name]
            each.append(part.encoded(x[name], gone))
            there = x[name].new_ones(len(x[name]), dtype=torch.bool)
            seen.append(there if gone is None else ~gone.flatten(1).all(1))
        means, log_variances = (torch.stack([one[place] for one in each]) for place in (0, 1))
        return Experts(means, log_variances.clamp(*_LOG_VARIANCES)), torch.stack(seen)

    def joined(self, experts: Experts, seen: Tensor) -> JoinedPosterior:
        """Return q(z | x_S) of the parts that are seen, `(..., M, N)`."""
        return experts.mixture_of_products(seen) if self._mixed else experts.product(seen)

    def log_likelihoods(self, x: Events, missing: Events | None, z: Tensor) -> Tensor:
        """Compute log p(x_m | z) of the observed values of each part, given `z (K, N, L)`, `(K, M, N)` nats."""
        each = [
            part.log_likelihood(x[name], None if missing is None else missing[name], z) for name, part in self._named()
        ]
        return torch.stack(each, 1)

    def log_prob_bound(self, x: Events, missing: Events | None = None, *, draws: int = 1) -> Tensor:
        posterior = self.joined(*self.experts(x, missing))
        some = self._at_once(posterior.empty.numel())
        total = posterior.means.new_full((posterior.means.shape[-2],), -math.inf)
        for start in range(0, draws, some):
            # Drawn one at a time, so that the numbers do not depend on how many fit in memory.
            z = torch.stack([posterior.draw(self.prior) for _ in range(min(some, draws - start))])
            known = self.prior.log_prob(z)
            weights = self.log_likelihoods(x, missing, z).sum(1) + known - posterior.log_prob(z, known)
            total = torch.logaddexp(total, weights.logsumexp(0))
        return total - math.log(draws)

    def _at_once(self, events: int) -> int:
        """Return how many draws for each event are decoded at once."""
        return max(1, _NUMBERS // max(1, events * max(part.largest for _, part in self._named())))

    def _decoded_at_once(self, part: VAE) -> int:
        """Return how many events with missing values have all draws of a part decoded at once."""
        return max(1, _NUMBERS // (self._imputation_draws * part.largest))

    def prior_sample(self, n: int) -> Tensor:
        return self.prior.sample(n)

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Events:
        """Draw the parts of x ~ p(x | z) for z ~ p(z): samples include the noise of the observation."""
        return self._drawn(self.prior_sample(n))

    def _drawn(self, z: Tensor) -> dict[str, Tensor]:
        return {
            name: part.observation.sample(part.parameters_of(z)).view(-1, *self._shapes[name])
            for name, part in self._named()
        }

    def decode(self, z: Tensor) -> Events:
        """Return the expected parts given `z (N, L)`; for categories, the most probable one."""
        return {name: part.decode(z) for name, part in self._named()}

    def encode(self, x: Events, missing: Events | None = None) -> Tensor:
        return self.joined(*self.experts(x, missing)).mean()

    def reconstruct(self, x: Events, missing: Events | None = None) -> Events:
        """Decode the posterior mean, given the parts that are there."""
        return self.decode(self.encode(x, missing))

    def impute(self, x: Events, missing: Events, *, draw: bool = False) -> Events:
        z, share = self._weighted(x, missing)
        if draw:
            chosen = torch.multinomial(share.T, 1)[:, 0]
            one = z[chosen, torch.arange(z.shape[1], device=z.device)]
            drawn = [self._drawn(block) for block in torch.split(one, self._at_once(1))]
            new = {name: torch.cat([block[name] for block in drawn]) for name in self._names}
        else:
            new = self._expected(x, missing, z, share)
        return {name: torch.where(missing[name], new[name], x[name]) for name in self._names}

    def _expected(self, x: Events, missing: Events, z: Tensor, share: Tensor) -> dict[str, Tensor]:
        """Return the expected parts of events where values are missing, given K weighted draws `z (K, N, L)`."""
        expected = dict(x)
        for name, part in self._named():
            if not missing[name].any():
                continue
            means = []
            size = self._decoded_at_once(part)
            for own, weights in zip(torch.split(z, size, 1), torch.split(share, size, 1), strict=True):
                each = part.observation.expectation(part.parameters_of(own))
                means.append((weights[..., None] * each).sum(0))
            expected[name] = part.observation.conclude(torch.cat(means)).view(-1, *self._shapes[name])
        return expected

    def _weighted(self, x: Events, missing: Events) -> tuple[Tensor, Tensor]:
        """Draw `z (K, N, L)`, half from q(z | x) and half from the prior, and weigh them as draws from p(z | x).

        Returns the weights, too, `(K, N)`, whose sum over draws is 1. All random numbers are drawn first, so what
        an event gets does not depend on what other events lack.
        """
        posterior = self.joined(*self.experts(x, missing))
        events, half = posterior.means.shape[-2], (self._imputation_draws + 1) // 2
        near = torch.stack([posterior.draw(self.prior) for _ in range(half)])
        z = torch.cat([near, self.prior_sample(half * events).view(half, events, -1)])
        total = z.new_zeros(z.shape[:2])
        for name, part in self._named():
            if missing[name].all():
                continue
            size = self._decoded_at_once(part)
            blocks = zip(
                *(torch.split(one, size) for one in (x[name], missing[name])), torch.split(z, size, 1), strict=True
            )
            total = total + torch.cat([part.log_likelihood(*block) for block in blocks], 1)
        known = torch.stack([self.prior.log_prob(one) for one in z])
        proposed = torch.logaddexp(known, posterior.log_prob(z, known)) - math.log(2.0)
        return z, (total + known - proposed).softmax(0)


def build_mvae(config: MVAEOptions, data: DataSpec) -> Parts:
    """Build a multimodal variational autoencoder: one of `vae` for each part, and a prior."""
    specs = {piece.name: piece.spec for piece in data.pieces}
    mixed = config.experts == "mixture-of-products"
    if mixed and len(specs) > MOST_MIXED:
        raise ValueError(
            f"experts=mixture-of-products takes events of up to {MOST_MIXED} parts, and these have {len(specs)}; "
            f"use product"
        )
    latent = latent_size(config, *specs.values())
    parts = {name: _alone(config, spec, latent) for name, spec in specs.items()}
    prior = build_prior(config, latent, speed=SPEED)
    shapes = {name: spec.event_shape for name, spec in specs.items()}
    generator = MVAE(parts, shapes, prior, mixed=mixed, imputation_draws=config.imputation_draws)
    generator.dequantized = any(part.dequantized for part in parts.values())
    generator.measures = tuple(
        measure for name, part in parts.items() for measure in part.measures or map(_measure, specs[name].features)
    )
    return Parts(generator)


def _measure(feature: Feature) -> Literal["density", "mass"]:
    return "density" if feature.kind == "continuous" else "mass"


def _alone(config: MVAEOptions, spec: DataSpec, latent: int) -> VAE:
    """Return the autoencoder of one part; a likelihood that is chosen is for parts that are no columns."""
    changes = {
        "latent": latent,
        "prior": "normal",
        **({"likelihood": "auto", "network": "auto"} if spec.form.columns else {}),
    }
    part = build(config.model_copy(update=changes), spec).generator
    assert isinstance(part, VAE)
    return part
