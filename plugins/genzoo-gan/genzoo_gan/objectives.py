"""Adversarial objectives: one shape of step, and for each a pair of losses and the penalties on the discriminator.

References:
    "Generative Adversarial Nets" (Goodfellow et al., 2014);
    "Least Squares Generative Adversarial Networks" (Mao et al., 2017);
    "Geometric GAN" (Lim and Ye, 2017);
    "Improved Training of Wasserstein GANs" (Gulrajani et al., 2017);
    "Which Training Methods for GANs do actually Converge?" (Mescheder et al., 2018), for R1 and R2;
    "The GAN is dead; long live the GAN! A Modern GAN Baseline" (Huang et al., 2024), for `relativistic`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from genzoo import Batch, Discriminator, GradientObjective, Model, Progress, full_precision
from genzoo_gan.options import (
    AdversarialOptions,
    HingeOptions,
    LeastSquaresOptions,
    NonSaturatingOptions,
    RelativisticOptions,
    WassersteinOptions,
)


@dataclass(frozen=True, slots=True)
class Game:
    """What discriminator and generator each minimise, as a mean `()`.

    Arguments:
        discriminator: from logits of real events and of samples, `(N,)` each.
        generator: from logits of samples, `(N,)`; less those of their real partners where `paired`.
        paired: whether only the difference of logits counts.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    paired: bool = False


@dataclass(frozen=True, slots=True)
class Penalties:
    """Weights of what holds the discriminator's gradient down.

    Arguments:
        r1: of half the mean squared gradient at real events.
        r2: of half the mean squared gradient at samples.
        between: of the mean squared excess of the gradient's norm over 1, on lines from real events to samples.
    """

    r1: float = 0.0
    r2: float = 0.0
    between: float = 0.0


class Adversarial(GradientObjective):
    """The discriminator is updated `discriminator_steps` times, each on a fresh batch, then the generator once.

    Arguments:
        game: the two losses.
        penalties: on the discriminator's gradient.
        discriminator_steps: discriminator updates in one step.
        simultaneous: take both losses from one forward pass, before either network is updated.
    """

    needs_discriminator = True
    least_events = 2
    stages: ClassVar[tuple[str, ...]] = ("discriminator_loss", "generator_loss", "both_losses")

    def __init__(
        self, game: Game, penalties: Penalties, *, discriminator_steps: int = 1, simultaneous: bool = False
    ) -> None:
        self.game = game
        self.penalties = penalties
        self.batches_per_step = discriminator_steps
        self.simultaneous = simultaneous

    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        batches = batch.chunk(self.batches_per_step)
        for part in batches[:-1] if self.simultaneous else batches:
            yield {"discriminator": self.discriminator_loss(model, part.x)}
        if self.simultaneous:
            discriminator, generator = self.both_losses(model, batches[-1].x)
            yield {"discriminator": discriminator, "generator": generator}
        else:
            yield {"generator": self.generator_loss(model, batches[-1].x)}

    def discriminator_loss(self, model: Model, real: Tensor) -> Tensor:
        """The discriminator's loss on `real (N, *event)` and as many samples, with its penalties."""
        with torch.no_grad():
            samples = model.generator.sample(len(real)).to(real.dtype)
        return self._discriminator_loss(model.discriminator, real, samples)

    def generator_loss(self, model: Model, real: Tensor) -> Tensor:
        """The generator's loss on as many samples as `real (N, *event)` has events."""
        logits = model.discriminator(model.generator.sample(len(real)))
        if not self.game.paired:
            return self.game.generator(logits)
        with torch.no_grad():
            partners = model.discriminator(real)
        return self.game.generator(logits - partners)

    def both_losses(self, model: Model, real: Tensor) -> tuple[Tensor, Tensor]:
        """The losses of discriminator and generator from the same samples and the same logits."""
        samples = model.generator.sample(len(real)).to(real.dtype)
        # Two passes, not one over both: the generator's gradient then walks through the samples' half alone.
        real_logits, sample_logits = model.discriminator(real), model.discriminator(samples)
        generator = self.game.generator(sample_logits - real_logits if self.game.paired else sample_logits)
        if self.penalties == Penalties():
            return self.game.discriminator(real_logits, sample_logits), generator
        return self._discriminator_loss(model.discriminator, real, samples.detach()), generator

    def _discriminator_loss(self, discriminator: Discriminator, real: Tensor, samples: Tensor) -> Tensor:
        weights = self.penalties
        both = torch.cat([real, samples])
        if weights.r1 or weights.r2:
            logits, squared = logits_and_squared_gradients(discriminator, both)
            at_real, at_samples = squared.chunk(2)
            penalty = 0.5 * (weights.r1 * at_real.mean() + weights.r2 * at_samples.mean())
        else:
            logits, penalty = discriminator(both), real.new_zeros(())
        if weights.between:
            share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
            _, squared = logits_and_squared_gradients(discriminator, torch.lerp(real, samples, share))
            # The root's own gradient is infinite at 0, where a discriminator that is still flat would be.
            excess = (squared + 1e-12).sqrt() - 1.0
            penalty = penalty + weights.between * excess.square().mean()
        real_logits, sample_logits = logits.chunk(2)
        return self.game.discriminator(real_logits, sample_logits) + penalty


def logits_and_squared_gradients(discriminator: Discriminator, x: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of `x (N, *event)` and the squared norm of their gradient by the event, `(N,)` each.

    In full precision, whatever the autocast around it. One backward pass serves all events, because a discriminator
    scores each by itself.
    """

    def summed(x: Tensor) -> tuple[Tensor, Tensor]:
        logits = discriminator(x)
        return logits.sum(), logits

    with full_precision(x):
        if torch.compiler.is_compiling():
            gradient, logits = torch.func.grad(summed, has_aux=True)(x)
        else:  # the same gradient by the shorter way, which does not trace: a tenth of a small model's step
            x = x.detach().requires_grad_()
            total, logits = summed(x)
            (gradient,) = torch.autograd.grad(total, x, create_graph=True)
        return logits, gradient.square().flatten(1).sum(1)


def non_saturating(options: NonSaturatingOptions) -> Adversarial:
    """Cross-entropy from logits; the generator maximises the probability that its samples pass for real."""
    game = Game(
        discriminator=lambda real, samples: F.softplus(-real).mean() + F.softplus(samples).mean(),
        generator=lambda samples: F.softplus(-samples).mean(),
    )
    return _adversarial(options, game)


def hinge(options: HingeOptions) -> Adversarial:
    """The discriminator pays only for logits within the margin; the generator maximises its samples' logits."""
    margin = options.margin
    game = Game(
        discriminator=lambda real, samples: F.relu(margin - real).mean() + F.relu(margin + samples).mean(),
        generator=lambda samples: -samples.mean(),
    )
    return _adversarial(options, game)


def least_squares(options: LeastSquaresOptions) -> Adversarial:
    """Half the mean squared distance of logits to their targets."""
    game = Game(
        discriminator=lambda real, samples: (
            0.5 * (real - options.real).square().mean() + 0.5 * (samples - options.fake).square().mean()
        ),
        generator=lambda samples: 0.5 * (samples - options.real).square().mean(),
    )
    return _adversarial(options, game)


def wasserstein_gp(options: WassersteinOptions) -> Adversarial:
    """The discriminator estimates the Wasserstein distance, its gradient held to norm 1 between data and samples."""
    game = Game(
        discriminator=lambda real, samples: samples.mean() - real.mean(),
        generator=lambda samples: -samples.mean(),
    )
    penalties = Penalties(options.r1, options.r2, options.penalty)
    return Adversarial(
        game, penalties, discriminator_steps=options.discriminator_steps, simultaneous=options.simultaneous
    )


def relativistic(options: RelativisticOptions) -> Adversarial:
    """Each real event is paired with a sample, and only the difference of their logits counts (RpGAN)."""
    game = Game(
        discriminator=lambda real, samples: F.softplus(samples - real).mean(),
        generator=lambda lead: F.softplus(-lead).mean(),
        paired=True,
    )
    penalties = Penalties(options.r1 + options.gamma, options.r2 + options.gamma)
    return Adversarial(game, penalties, simultaneous=options.simultaneous)


def _adversarial(options: AdversarialOptions, game: Game) -> Adversarial:
    return Adversarial(game, Penalties(options.r1, options.r2), simultaneous=options.simultaneous)
