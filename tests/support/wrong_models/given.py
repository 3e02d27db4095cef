"""Normals whose mean depends on a condition, and others with one fault each."""

import torch
from torch import nn

import genzoo
from wrong_models import normal


class Right(normal.Implicit):
    """Has no density. The mean is linear in the condition."""

    def __init__(self, config, data):
        super().__init__(config, data)
        self.beside = data.condition_size
        self.turn = nn.Parameter(torch.zeros(self.beside, *data.event_shape)) if self.beside else None

    def center(self, condition):
        if self.beside and condition is None:
            raise ValueError("this model was built for data with conditions, and is called without one")
        return self.mean + condition @ self.turn if self.beside else self.mean

    def loss(self, x, missing, condition=None):
        return -self.density(x - self.center(condition) + self.mean).mean()

    def decode(self, z, *, condition=None):
        return self.center(condition) + z * self.log_deviation.exp()

    def sample(self, n, *, condition=None, **options):
        return self.decode(self.prior_sample(n), condition=condition)


class RightDensity(Right, genzoo.Likelihood):
    degrees_of_freedom = None

    def log_prob(self, x, *, condition=None):
        return self.density(x - self.center(condition) + self.mean)


class Closed(Right):
    """Has no keyword for a condition in one of its methods, which takes any."""

    def decode(self, z, **options):
        return super().decode(z, **options)


class Trusting(Right):
    """Takes a missing condition for zeros."""

    def center(self, condition):
        if self.beside and condition is None:
            condition = self.mean.new_zeros(1, self.beside)
        return super().center(condition)


class Deaf(Right):
    """Decodes to the same events under every condition."""

    def decode(self, z, *, condition=None):
        return super().decode(z, condition=None if condition is None else torch.zeros_like(condition))

    def sample(self, n, *, condition=None, **options):
        return Right.decode(self, self.prior_sample(n), condition=condition)


class Swapped(Right):
    """Samples under the opposite condition."""

    def decode(self, z, *, condition=None):
        return super().decode(z, condition=None if condition is None else condition.flip(1))


class Averaging(RightDensity):
    """Its density depends on the conditions of the whole batch."""

    def log_prob(self, x, *, condition=None):
        if condition is not None and len(condition) > 1:
            condition = condition + 1e-4 * condition.mean(0)
        return super().log_prob(x, condition=condition)


class Constant(RightDensity):
    """Its density under a condition lacks a constant."""

    def log_prob(self, x, *, condition=None):
        return super().log_prob(x, condition=condition) + (0.0 if condition is None else 0.5)
