"""Classifier two-sample test: how well a small network learns to distinguish samples from real events.

References:
    "Revisiting Classifier Two-Sample Tests" (Lopez-Paz and Oquab, 2017).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from genzoo.errors import DataError
from genzoo.features.extractor import Features
from genzoo.metrics.distances import Distinct
from genzoo.metrics.metric import Direction, Metric, MetricInput, Score, feature_pair
from genzoo.runtime.seeding import derive, random_scope

_LEAST = 20


_HIDDEN = 128


_DROPPED = 0.2
"""Share of hidden units that dropout leaves out."""


_BATCH = 128


_EPOCHS = 30


_UPDATES = 200, 1_000
"""Smallest and largest number of updates; `_EPOCHS` decides in between."""


_ADAMW: Mapping[str, Any] = {
    "lr": 2e-3,
    "weight_decay": 1e-2,
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-8,
    "amsgrad": False,
    "maximize": False,
}


Flags = np.ndarray[Any, np.dtype[np.bool_]]


class ClassifierTwoSample(Metric):
    """Accuracy of a classifier on held-out events; 0.5 is chance, and the best score. Rankings take lower as better.

    Half of the events train the classifier. Equal events are in the same half, or the classifier could memorize them.
    The score is the mean of the accuracies on real events and on samples, so their numbers do not matter.
    """

    name = "classifier-two-sample"
    direction: Direction = "lower"
    weighted = True
    chance = 0.5

    def score(self, given: MetricInput) -> Score:
        real, samples = feature_pair(given, _LEAST)
        events = np.concatenate([real, samples])
        drawn = np.arange(len(events)) >= len(real)
        train = halves(events, drawn, given.seed)
        rates, errors = [], []
        updates = int(np.clip(_EPOCHS * len(events) / 2 / _BATCH, *_UPDATES))
        weights = np.concatenate([given.weights_of_real, np.ones(len(samples))])
        right = _classified(events, drawn, train, updates, given.seed, weights)
        for kind in (False, True):
            tested = (drawn == kind) & ~train
            rate, variance = _share(right[tested], weights[tested])
            rates.append(rate)
            errors.append(variance)
        protocol = {"classifier": f"{_HIDDEN} hidden units, {updates} updates of {_BATCH}, half of the events"}
        parts = {"real": rates[0], "samples": rates[1]}
        error = math.sqrt(sum(errors)) / 2
        return Score(self.name, sum(rates) / 2, self.direction, error, protocol, parts=parts, real=self.chance)


def _share(right: Flags, weights: Features) -> tuple[float, float]:
    """Return the weighted share of events that are classified correctly, and its variance."""
    share = float(np.average(right, weights=weights))
    w = weights / weights.sum()
    return share, float((w**2) @ (right - share) ** 2) / (1 - float(w @ w))


def halves(events: Features, drawn: Flags, seed: int) -> Flags:
    """Return which events to train on: half of the distinct events of each kind; equal events stay together.

    Arguments:
        events: real events and samples, `(N, F)`.
        drawn: true for samples, `(N,)`.
        seed: seed of the split.

    Raises:
        DataError: there are too few distinct events.
    """
    distinct = Distinct.of(events)
    count = len(distinct.rows)
    kinds = np.zeros(count, np.int64)
    np.bitwise_or.at(kinds, distinct.inverse, np.where(drawn, 2, 1))  # 1 real, 2 sample, 3 both
    chosen = np.zeros(count, bool)
    order = np.random.default_rng(derive(seed, "halves")).permutation(count)
    for kind in (1, 2, 3):
        own = order[kinds[order] == kind]
        chosen[own[: (len(own) + (kind == 1)) // 2]] = True
    train: Flags = chosen[distinct.inverse]
    for name, of_kind in (("real events", ~drawn), ("samples", drawn)):
        for half in (train, ~train):
            if (of_kind & half).sum() < _LEAST // 4:
                raise DataError(
                    f"There are too few different {name}, {len(np.unique(distinct.inverse[of_kind]))}, to train a "
                    f"classifier on half of them and test it on the others."
                )
    return train


@torch.inference_mode()
def _classified(events: Features, drawn: Flags, train: Flags, updates: int, seed: int, weights: Features) -> Flags:
    """Train the classifier on the events in `train`, and return for every event whether it is classified correctly."""
    center, deviation = events[train].mean(axis=0), events[train].std(axis=0)
    changing = np.ptp(events[train], axis=0) > 0
    scaled = ((events - center) / np.where(changing, deviation, 1.0)).clip(-10, 10)
    x = torch.from_numpy(scaled).to(torch.float32)
    y = torch.from_numpy(drawn).to(torch.float32)
    with random_scope(seed, "two-sample"):
        network = _trained(
            x[torch.from_numpy(train)], y[torch.from_numpy(train)], torch.from_numpy(weights[train]).float(), updates
        )
    predicted = network(x).squeeze(1).numpy() > 0
    correct: Flags = predicted == drawn
    return correct


def _trained(x: Tensor, y: Tensor, own: Tensor, updates: int) -> nn.Module:
    """Train the network; gradients are written out, because autograd takes longer than so small a network."""
    network = nn.Sequential(nn.Linear(x.shape[1], _HIDDEN), nn.ReLU(), nn.Dropout(_DROPPED), nn.Linear(_HIDDEN, 1))
    own = own / own[y == 0].mean()  # real events and samples count alike, and so they weigh 1 in the mean
    weights = torch.where(y > 0, 0.5 / y.mean(), 0.5 * own / (1 - y.mean()))
    flat = nn.utils.parameters_to_vector(network.parameters())
    nn.utils.vector_to_parameters(flat, network.parameters())  # which now are views of it
    inner, inner_bias, outer, outer_bias = (parameter.data for parameter in network.parameters())
    first, second, step = torch.zeros_like(flat), torch.zeros_like(flat), torch.zeros(())
    for _ in range(updates):
        rows = torch.randint(len(x), (min(_BATCH, len(x)),))
        batch = x[rows]
        hidden = nn.functional.dropout(torch.addmm(inner_bias, batch, inner.T).relu_(), _DROPPED)  # (B, H)
        logits = torch.addmm(outer_bias, hidden, outer.T)[:, 0]
        wrong = (logits.sigmoid_() - y[rows]).mul_(weights[rows]).div_(len(rows))  # of weighted cross-entropy
        behind = torch.outer(wrong, outer[0]).mul_(hidden > 0).div_(1 - _DROPPED)
        gradient = torch.cat([(behind.T @ batch).view(-1), behind.sum(0), wrong @ hidden, wrong.sum(0, keepdim=True)])
        # `torch.optim.AdamW` is this function in a class, and the class imports torch's compiler. That would add one to
        # two seconds to every `genzoo evaluate` and `genzoo compare`.
        adamw([flat], [gradient], [first], [second], [], [step], fused=True, **_ADAMW)
    return network.eval()


classifier_two_sample = ClassifierTwoSample()
