"""Metrics: a correct one, and others with one fault each."""

import numpy as np

import genzoo


class Right(genzoo.Metric):
    """The distance between mean features."""

    name = "right-metric"
    direction = "lower"
    needs = frozenset({"features"})
    modalities = ("table",)

    def __init__(self, name="right-metric"):
        self.name = name

    def value(self, real, samples):
        return float(np.linalg.norm(real.mean(axis=0) - samples.mean(axis=0)))

    def score(self, given):
        real, samples = given.real_features, given.sample_features
        if min(len(real), len(samples)) < 2:
            raise genzoo.DataError("This metric needs at least 2 events.")
        if not (np.isfinite(real).all() and np.isfinite(samples).all()):
            raise genzoo.DataError("These events hold numbers that are not finite.")
        return self.made(self.value(real, samples))

    def made(self, value):
        return genzoo.Score(self.name, value, self.direction)


class Nameless(Right):
    direction = "lower"
    needs = frozenset({"everything"})


class Unfinished(Right):
    def made(self, value):
        return genzoo.Score(self.name, value, self.direction, error=-1.0)


class Reversed(Right):
    direction = "higher"


class Noisy(Right):
    def value(self, real, samples):
        return super().value(real, samples) + 1e-9 * np.random.random()


class Ordered(Right):
    def value(self, real, samples):
        return super().value(real, samples) + 1e-3 * float(np.abs(real[0] - samples[0]).sum())


class Trusting(Right):
    def score(self, given):
        return self.made(self.value(np.nan_to_num(given.real_features), given.sample_features))


class Centring(Right):
    def value(self, real, samples):
        found = super().value(real, samples)
        real -= real.mean(axis=0)
        return found


right = Right()
is_described = Nameless("wrong-is-described")
score_is_whole = Unfinished("wrong-score-is-whole")
direction_is_right = Reversed("wrong-direction-is-right")
score_follows_the_seed = Noisy("wrong-score-follows-the-seed")
order_does_not_matter = Ordered("wrong-order-does-not-matter")
refuses_what_it_cannot_score = Trusting("wrong-refuses-what-it-cannot-score")
leaves_events_alone = Centring("wrong-leaves-events-alone")
