"""Adversarial objectives: a loss of the discriminator, a loss of the generator, and penalties on the discriminator.

All objectives share one training step, `Adversarial`. With D(x) the logit of an image x, and x~ a sample G(z):

    non-saturating  D: softplus(-D(x)) + softplus(D(x~))              G: softplus(-D(x~))
    hinge           D: max(0, m - D(x)) + max(0, m + D(x~))           G: -D(x~)
    least-squares   D: ((D(x) - real)² + (D(x~) - fake)²) / 2         G: (D(x~) - real)² / 2
    wasserstein-gp  D: D(x~) - D(x) + penalty                         G: -D(x~)
    relativistic    D: softplus(D(x~) - D(x)) + R1 + R2               G: softplus(D(x) - D(x~))

References:
    "Generative Adversarial Nets" (Goodfellow et al., 2014);
    "Least Squares Generative Adversarial Networks" (Mao et al., 2017);
    "Geometric GAN" (Lim and Ye, 2017), for the hinge loss;
    "Improved Training of Wasserstein GANs" (Gulrajani et al., 2017);
    "Which Training Methods for GANs do actually Converge?" (Mescheder et al., 2018), for R1 and R2;
    "Towards a Better Global Loss Landscape of GANs" (Sun, Fang and Schwing, 2020), for pairs against mode collapse;
    "The GAN is dead; long live the GAN! A Modern GAN Baseline" (Huang et al., 2024), for pairs with R1 and R2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from genzoo import Batch, Discriminator, GradientObjective, Model, Progress
from genzoo_gan.augmentation import Augmentation
from genzoo_gan.options import (
    AdversarialOptions,
    HingeOptions,
    LeastSquaresOptions,
    NonSaturatingOptions,
    RelativisticOptions,
    WassersteinOptions,
)
from genzoo_gan.penalties import Penalties, logits_and_penalty, logits_and_squared_gradients, logits_of


@dataclass(frozen=True, slots=True)
class Game:
    """The losses that discriminator and generator minimize, each a mean over the batch, `()`.

    Arguments:
        discriminator: takes the logits of real events and of samples, `(N,)` each.
        generator: takes the logits of samples, `(N,)`. If `paired`, takes the differences D(x~) - D(x).
        paired: whether the losses depend only on the differences. Defaults to False.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    paired: bool = False


class Adversarial(GradientObjective):
    """The training step of a GAN: `discriminator_steps` updates of the discriminator, then one of the generator.

    Each update of the discriminator uses a fresh batch.

    Arguments:
        game: the two losses.
        penalties: weights of the penalties on the discriminator's gradient.
        discriminator_steps: discriminator updates in one step. Defaults to 1.
        simultaneous: take the generator's loss and the last discriminator loss from one forward pass, before either
            network is updated. Defaults to False.
        augmentation: changes images before the discriminator sees them. Defaults to `None`: nothing does.
    """

    needs_discriminator = True
    least_events = 2
    stages: ClassVar[tuple[str, ...]] = ("discriminator_loss", "generator_loss", "both_losses")

    def __init__(
        self,
        game: Game,
        penalties: Penalties,
        *,
        discriminator_steps: int = 1,
        simultaneous: bool = False,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.game = game
        self.penalties = penalties
        self.batches_per_step = discriminator_steps
        self.simultaneous = simultaneous
        self.augmentation = augmentation

    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        batches, fraction = batch.chunk(self.batches_per_step), progress.fraction
        for part in batches[:-1] if self.simultaneous else batches:
            yield {"discriminator": self.discriminator_loss(model, part.x, part.condition, fraction)}
        last = batches[-1]
        if self.simultaneous:
            discriminator, generator = self.both_losses(model, last.x, last.condition, fraction)
            yield {"discriminator": discriminator, "generator": generator}
        else:
            yield {"generator": self.generator_loss(model, last.x, last.condition, fraction)}

    def discriminator_loss(
        self, model: Model, real: Tensor, condition: Tensor | None = None, fraction: Tensor | None = None
    ) -> Tensor:
        """Compute the discriminator's loss, with penalties, on `real (N, *event)` and as many samples.

        Arguments:
            condition: what real events are, and samples are drawn, conditional on, `(N, D)`. Defaults to `None`.
            fraction: share of the budget spent, `()`. Defaults to `None`: all of it.
        """
        with torch.no_grad():
            samples = model.generator.sample(len(real), condition=condition).to(real.dtype)
            real, samples = (self._augmented(x, fraction) for x in (real, samples))
        return self._discriminator_loss(model.discriminator, real, samples, condition)

    def generator_loss(
        self, model: Model, real: Tensor, condition: Tensor | None = None, fraction: Tensor | None = None
    ) -> Tensor:
        """Compute the generator's loss on as many samples as `real (N, *event)` has events."""
        samples = self._augmented(model.generator.sample(len(real), condition=condition), fraction)
        logits = logits_of(model.discriminator, samples, real, condition)
        if not self.game.paired:
            return self.game.generator(logits)
        with torch.no_grad():
            partners = logits_of(model.discriminator, self._augmented(real, fraction), real, condition)
        return self.game.generator(logits - partners)

    def both_losses(
        self, model: Model, real: Tensor, condition: Tensor | None = None, fraction: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Compute the losses of discriminator and generator from the same samples and the same logits."""
        samples = model.generator.sample(len(real), condition=condition).to(real.dtype)
        real, samples = (self._augmented(x, fraction) for x in (real, samples))
        # Two forward passes rather than one over both: the generator's backward pass then skips the real events.
        real_logits, sample_logits = (logits_of(model.discriminator, x, real, condition) for x in (real, samples))
        generator = self.game.generator(sample_logits - real_logits if self.game.paired else sample_logits)
        weights = self.penalties
        if not (weights.r1 or weights.r2 or weights.between):
            return self.game.discriminator(real_logits, sample_logits), generator
        return self._discriminator_loss(model.discriminator, real, samples.detach(), condition), generator

    def _discriminator_loss(
        self, discriminator: Discriminator, real: Tensor, samples: Tensor, condition: Tensor | None
    ) -> Tensor:
        weights = self.penalties
        both = torch.cat([real, samples])
        given = None if condition is None else torch.cat([condition, condition])
        if weights.r1 or weights.r2:
            logits, penalty = logits_and_penalty(discriminator, both, weights, given)
        else:
            logits, penalty = logits_of(discriminator, both, real, given), real.new_zeros(())
        if weights.between:
            # A discriminator optimal for the Wasserstein distance has gradient norm 1 on the lines between optimally
            # coupled data and samples. Lines between random pairs stand in for these.
            share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
            between = torch.lerp(real, samples, share)
            _, squared = logits_and_squared_gradients(discriminator, between, condition)
            # The derivative of the root is infinite at 0, and the gradient of a flat discriminator is 0.
            excess = (squared + 1e-12).sqrt() - 1.0
            penalty = penalty + weights.between * excess.square().mean()
        real_logits, sample_logits = logits.chunk(2)
        return self.game.discriminator(real_logits, sample_logits) + penalty

    def _augmented(self, x: Tensor, fraction: Tensor | None) -> Tensor:
        if self.augmentation is None:
            return x
        return self.augmentation(x, x.new_ones(()) if fraction is None else fraction)


def non_saturating(options: NonSaturatingOptions) -> Adversarial:
    """Build the objective of cross-entropy, in which the generator maximizes log p(real given x~).

    The generator of the original game minimizes log(1 - p(real given x~)). That loss is nearly flat if the
    discriminator rejects all samples, so the generator would learn nothing early in training.
    """
    game = Game(
        # -log sigmoid(a) = softplus(-a), which does not overflow for large logits.
        discriminator=lambda real, samples: F.softplus(-real).mean() + F.softplus(samples).mean(),
        generator=lambda samples: F.softplus(-samples).mean(),
    )
    return _adversarial(options, game)


def hinge(options: HingeOptions) -> Adversarial:
    """Build the hinge objective: the discriminator pays only for logits on the wrong side of a margin.

    The generator maximizes the logits of its samples.
    """
    margin = options.margin
    game = Game(
        discriminator=lambda real, samples: F.relu(margin - real).mean() + F.relu(margin + samples).mean(),
        generator=lambda samples: -samples.mean(),
    )
    return _adversarial(options, game)


def least_squares(options: LeastSquaresOptions) -> Adversarial:
    """Build the objective of least squares: half the mean squared distance of logits to their targets."""
    game = Game(
        discriminator=lambda real, samples: (
            0.5 * (real - options.real).square().mean() + 0.5 * (samples - options.fake).square().mean()
        ),
        generator=lambda samples: 0.5 * (samples - options.real).square().mean(),
    )
    return _adversarial(options, game)


def wasserstein_gp(options: WassersteinOptions) -> Adversarial:
    """Build the Wasserstein objective with a gradient penalty.

    The difference of mean logits estimates the Wasserstein distance between data and samples if D has slope at most 1.
    The penalty keeps the norm of its gradient near 1 between data and samples.
    """
    game = Game(
        discriminator=lambda real, samples: samples.mean() - real.mean(),
        generator=lambda samples: -samples.mean(),
    )
    return _adversarial(options, game, between=options.penalty, discriminator_steps=options.discriminator_steps)


def relativistic(options: RelativisticOptions) -> Adversarial:
    """Build the relativistic pairing objective (RpGAN): only the differences D(x~) - D(x) of random pairs count.

    If real events and samples are scored separately, the loss has local minima at which samples cover only some modes
    of the data. Paired, it has none of these (Sun et al.). By itself, the paired loss need not converge; with both R1
    and R2 it converges locally (Huang et al.).
    """
    game = Game(
        discriminator=lambda real, samples: F.softplus(samples - real).mean(),
        generator=lambda lead: F.softplus(-lead).mean(),
        paired=True,
    )
    return _adversarial(options, game, both=options.gamma)


def _adversarial(
    options: AdversarialOptions, game: Game, *, both: float = 0.0, between: float = 0.0, discriminator_steps: int = 1
) -> Adversarial:
    """Build the objective of a game by the options that all share; `both` is added to R1 and R2."""
    return Adversarial(
        game,
        Penalties(options.r1 + both, options.r2 + both, between, options.penalty_every),
        discriminator_steps=discriminator_steps,
        simultaneous=options.simultaneous,
        augmentation=Augmentation(options.augment, options.augment_warmup) if options.augment else None,
    )
