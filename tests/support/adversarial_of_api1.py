"""An adversarial objective written for API 1."""

from dataclasses import dataclass

import torch

import genzoo


class Adversarial(genzoo.GradientObjective):
    def losses(self, model, batch, progress):
        yield {"critic": torch.zeros(())}
        yield {"generator": torch.zeros(())}


def build(options):
    return Adversarial()


@dataclass(frozen=True)
class Frozen(Adversarial):
    weight: float = 1.0


class Slotted(Adversarial):
    __slots__ = ("weight",)


def build_frozen(options):
    return Frozen()


def build_slotted(options):
    return Slotted()


def build_demanding(options):
    raise genzoo.ConfigError("it wants an option that was not given")
