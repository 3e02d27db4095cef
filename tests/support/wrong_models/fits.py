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


class Weighted(Moments):
    weighted = True
    passes = 1

    def fit(self, model, blocks):
        batches = list(blocks)
        x = torch.cat([batch.x for batch in batches])
        w = torch.cat([self.weigh(batch) for batch in batches])[:, None]
        mean = (w * x).sum(0) / w.sum()
        model.generator.mean.copy_(mean)
        model.generator.log_deviation.copy_(((w * (x - mean).square()).sum(0) / w.sum()).sqrt().log())
        return {"events": len(x)}

    def weigh(self, batch):
        return torch.ones(len(batch)) if batch.weight is None else batch.weight


class Unweighted(Weighted):
    """Says that it uses weights, and does not."""

    def weigh(self, batch):
        return torch.ones(len(batch))


class Twofold(Moments):
    """Says that it iterates over the blocks twice."""

    passes = 2


class Chunked(Moments):
    """Takes the mean of the blocks' means."""

    exact_maximum = False

    def fit(self, model, blocks):
        means = [batch.x.mean(0) for batch in blocks]
        super().fit(model, blocks)
        model.generator.mean.copy_(torch.stack(means).mean(0))


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
    """Collects events in the objective, which keeps them if a fit is cut short."""

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


class Hiding(Keeping):
    """Keeps the training events with another sign."""

    def keep(self, model, found):
        model.generator.points = -torch.cat(found)
