"""Transforms: a correct one, and others with one fault each."""

import numpy as np
import torch

import genzoo


class Right(genzoo.Transform):
    """The logarithm of positive numbers in units of their mean, `(C,)`."""

    degrees_of_freedom = None

    def __init__(self, unit):
        super().__init__()
        self.register_buffer("unit", unit)

    @classmethod
    def outlines(cls, options, data):
        return {"unit": (len(data.features),)}

    @classmethod
    def fit(cls, options, data, blocks):
        x = np.concatenate([block.reshape(-1, len(data.features)) for block in blocks])
        if (x <= 0).any():
            cls.refuse()
        return cls(torch.from_numpy(np.nanmean(x, axis=0)))

    @classmethod
    def refuse(cls):
        raise genzoo.DataError("These values are not all positive.")

    @classmethod
    def restore(cls, options, data, tensors):
        return cls(tensors["unit"])

    def forward(self, x):
        return (torch.where(x <= 0, 1.0, x) / self.unit.to(x.dtype)).log()

    def inverse(self, y):
        return y.exp() * self.unit.to(y.dtype)

    def slope(self, x):
        return -x.log()

    def log_det(self, x, without=None):
        each = torch.where(x <= 0, -torch.inf, self.slope(x))
        return (each if without is None else each.masked_fill(without, 0.0)).flatten(1).sum(1)


class Crashing(Right):
    @classmethod
    def refuse(cls):
        raise RuntimeError("math domain error")


class Drifting(Right):
    def inverse(self, y):
        return super().inverse(y) * 1.001


class Upright(Right):
    def slope(self, x):
        return x.log()


class Sparse(Right):
    @classmethod
    def outlines(cls, options, data):
        return {"unit": (len(data.features) - 1,)}


class Forgetful(Right):
    @classmethod
    def restore(cls, options, data, tensors):
        return cls(tensors["unit"].round())


class Boundless(Right):
    def log_det(self, x, without=None):
        return super().log_det(torch.where(x <= 0, 1.0, x), without)


class Widening(Right):
    def log_det(self, x, without=None):
        return super().log_det(x, without).double()


class Options(genzoo.Settings):
    pass
