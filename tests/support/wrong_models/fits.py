"""Direct objectives: right ones, and others with one fault each."""

import torch

import genzoo


class Moments(genzoo.DirectObjective):
    """The maximum of the likelihood of independent normals."""

    exact_maximum = True
    factor = 1.0

    def __init__(self, options):
        pass

    def fit(self, model, blocks):
        x = torch.cat([batch.x for batch in blocks])
        model.generator.mean.copy_(x.mean(0))
        model.generator.log_deviation.copy_((x.std(0, correction=0) * self.factor).log())


class Widening(Moments):
    factor = 1.3


class Keeping(genzoo.DirectObjective):
    """Keeps the training events."""

    def __init__(self, options):
        pass

    def fit(self, model, blocks):
        self.keep(model, [batch.x for batch in blocks])

    def keep(self, model, found):
        model.generator.points = torch.cat(found)
        model.generator.width.fill_(0.5)


class Adding(Keeping):
    """Collects events in the objective, where those of a fit that was cut short stay."""

    def __init__(self, options):
        self.found = []

    def fit(self, model, blocks):
        for batch in blocks:
            self.found.append(batch.x)
        self.keep(model, self.found)


class Pointing(Keeping):
    """Puts a spike at each training event if values recur."""

    def keep(self, model, found):
        super().keep(model, found)
        if len(model.generator.points[:, 0].unique()) < 0.8 * len(model.generator.points):
            model.generator.width.fill_(1e-3)
