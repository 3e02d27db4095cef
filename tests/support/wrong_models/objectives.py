import logging

import torch

import genzoo


class Right(genzoo.GradientObjective):
    def __init__(self, options):
        pass

    def losses(self, model, batch, progress):
        yield {"generator": self.loss(model, batch)}

    def loss(self, model, batch):
        return model.generator.loss(batch.x, batch.missing)

    def monitor(self, model, batch):
        return self.loss(model, batch)


class Given(Right):
    """Of models with conditions."""

    def loss(self, model, batch):
        return model.generator.loss(batch.x, batch.missing, batch.condition)


class Host(Right):
    """Makes a tensor on the CPU."""

    def losses(self, model, batch, progress):
        yield {"generator": self.loss(model, batch) + (batch.x * torch.zeros(len(batch), 1, device="cpu")).sum()}


class Logging(Right):
    """Calls code that cannot be traced."""

    def losses(self, model, batch, progress):
        loss = self.loss(model, batch)
        logging.getLogger("wrong").debug("a step")
        yield {"generator": loss}


class Idle(Right):
    """Gives no parameter a gradient."""

    def losses(self, model, batch, progress):
        yield {"generator": 0.0 * self.loss(model, batch)}


class Noting(Right):
    """Keeps something about the events that is not saved."""

    def losses(self, model, batch, progress):
        model.generator.shift = batch.x.detach().mean(0)
        yield {"generator": self.loss(model, batch)}


class Counting(Right):
    """Counts steps itself, in an attribute that is not saved."""

    def __init__(self, options):
        self.calls = 0

    def losses(self, model, batch, progress):
        self.calls += 1
        yield {"generator": self.loss(model, batch) * (1 + 1e-5 * self.calls)}
