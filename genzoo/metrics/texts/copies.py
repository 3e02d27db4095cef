"""Copies of training texts: samples that equal one, and long runs that samples share with one.

Held-out texts share runs with training texts, too, and short ones may equal one by chance. So both scores stand beside
the value of the held-out texts, and a note says so if samples copy significantly more.

If the data hold every text once, such as a list of names, no held-out text equals a training text. A good model still
draws some training texts by chance, as it draws held-out texts. So exact copies must be too many in a second way: among
all different training texts and held-out texts, samples must equal training texts more often than these labels explain
if they are exchanged at random.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from genzoo.data.texts.flat import Texts
from genzoo.data.texts.symbols import as_texts, of_bytes
from genzoo.metrics.membership import Area
from genzoo.metrics.memorization import LEVEL, MOSTLY, PARTLY, Flags, equal_note
from genzoo.metrics.metric import Direction, Metric, MetricInput, Need, Score
from genzoo.metrics.texts.spans import longest_spans
from genzoo.metrics.texts.tokens import LEAST, check_texts
from genzoo.spec.modality import Modality
from genzoo.typing import Array

_NEEDS: frozenset[Need] = frozenset({"samples", "training-events"})


_SPREAD = 1.96
"""Standard errors of a 95 % interval, to either side."""


_FAR = 0.99
"""Share of the held-out texts whose longest run is shorter than the runs that count as copied."""


class ExactCopies(Metric):
    """Share of samples that equal a training text.

    The parts are the excess over the share of held-out texts, and its standard error; and the share of samples that
    would equal a training text if the model drew each training text as often as each held-out text.
    """

    name = "exact-copies"
    direction: Direction = "lower"
    needs = _NEEDS
    modalities: tuple[Modality, ...] = ("text",)
    ranks = False

    def score(self, given: MetricInput) -> Score:
        found = given.once("copies of texts", lambda: Copies.of(*_texts(given)))
        value, floor = float(found.copied.mean()), float(found.seen.mean())
        error = _error_of_share(found.copied)
        parts = {
            "excess": value - floor,
            "excess_error": math.hypot(error, _error_of_share(found.seen)),
            "by_chance": found.by_chance,
        }
        return Score(self.name, value, self.direction, error, notes=found.notes, parts=parts, real=floor)


@dataclass(frozen=True, slots=True)
class Copies:
    """Which texts equal a training text.

    Arguments:
        copied, seen: whether each sample, and each held-out text, equals one, `(M,)` and `(N,)`.
        by_chance: share of samples that would if the model drew training texts as often as held-out texts.
        p_value: how often samples would equal training texts so often if the labels of texts were exchanged.
    """

    copied: Flags
    seen: Flags
    by_chance: float
    p_value: float

    @staticmethod
    def of(real: Texts, samples: Texts, train: Texts) -> Copies:
        """Find the samples and held-out texts that equal a training text."""
        held_out, known, drawn = real.one_by_one(), set(train.one_by_one()), samples.one_by_one()
        copied, seen = (np.array([text in known for text in texts]) for texts in (drawn, held_out))
        fresh = set(held_out) - known
        trained, whole = len(known - set(held_out)), len(known ^ set(held_out))
        times = Counter(text for text in drawn if text in known ^ set(held_out))
        counts = np.array([*times.values()], np.float64)
        of_train = sum(count for text, count in times.items() if text not in fresh)
        expected = counts.sum() * trained / max(whole, 1)
        spread = (
            trained * len(fresh) / max(whole * (whole - 1), 1) * (counts @ counts - counts.sum() ** 2 / max(whole, 1))
        )
        by_chance = (counts.sum() - of_train) * trained / max(len(fresh), 1) / len(drawn)
        p_value = float(ndtr((expected - of_train) / math.sqrt(spread))) if spread > 0 else 1.0
        return Copies(copied, seen, min(float(by_chance), 1.0), p_value)

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence if there are more copies than the held-out texts and chance explain."""
        many = float(self.copied.mean()) - max(float(self.seen.mean()), self.by_chance) >= PARTLY
        return equal_note(self.copied, self.seen) if many or self.p_value < LEVEL else ()


class LongestCopiedSpan(Metric):
    """Median over samples of the longest run of symbols that stands in a training text.

    The parts are the excess over the median of held-out texts, and its standard error; the probability that a sample
    has a longer run than a held-out text, where ties count as a half, and its standard error; the share of samples with
    a longer run than 99 of 100 held-out texts; and the longest run of all. The probability and the share leave out
    texts that equal a training text, unless there are too many to be chance.
    """

    name = "longest-copied-span"
    direction: Direction = "lower"
    needs = _NEEDS
    modalities: tuple[Modality, ...] = ("text",)
    ranks = False

    def score(self, given: MetricInput) -> Score:
        assert given.data is not None
        real, samples, train = _texts(given)
        mine, theirs = longest_spans(samples, train), longest_spans(real, train)
        value, floor = float(np.median(mine)), float(np.median(theirs))
        (error, low, high), (of_real, _, _) = _spread_of_median(mine), _spread_of_median(theirs)
        copies = given.once("copies of texts", lambda: Copies.of(real, samples, train))
        longest = {"longest": float(mine.max()), "real_longest": float(theirs.max())}
        if not copies.notes:
            mine, theirs = _others(mine, copies.copied), _others(theirs, copies.seen)
        area = Area.of(mine, theirs)
        parts = {
            "excess": value - floor,
            "excess_error": math.hypot(error, of_real),
            "longer": area.value,
            "longer_error": area.error,
            "beyond": float((mine > np.quantile(theirs, _FAR)).mean()),
            **longest,
        }
        unit = "bytes" if of_bytes(given.data) else "symbols"
        notes = () if _p_value(mine, theirs) >= LEVEL else (_note(value, floor, unit, parts["beyond"], area),)
        protocol = {"unit": unit}
        return Score(self.name, value, self.direction, error, protocol, low, high, notes, parts, real=floor)


def _texts(given: MetricInput) -> tuple[Texts, Texts, Texts]:
    """Return real texts, samples and training texts.

    Raises:
        DataError: there are fewer than `LEAST` of a kind, or they are no texts.
    """
    assert given.data is not None
    assert given.real is not None
    assert given.samples is not None
    assert given.train is not None
    found = {"real texts": given.real, "samples": given.samples, "training texts": given.train}
    check_texts(found)
    real, samples, train = (as_texts(texts, given.data, f"The array of {name}") for name, texts in found.items())
    return real, samples, train


def _others(spans: Array, copied: Flags) -> Array:
    """Return the runs of texts that equal no training text; of all if these are fewer than `LEAST`."""
    return spans if (~copied).sum() < LEAST else spans[~copied]


def _error_of_share(flags: Flags) -> float:
    """Return the standard error of a share, which is above 0 even for a share of 0."""
    share = (float(flags.sum()) + 0.5) / (len(flags) + 1)
    return math.sqrt(share * (1 - share) / len(flags))


def _spread_of_median(values: Array) -> tuple[float, float, float]:
    """Return the standard error of a median and its 95 % interval, which order statistics give."""
    reach = _SPREAD * math.sqrt(len(values)) / 2
    ends = np.array([math.floor(len(values) / 2 - reach), math.ceil(len(values) / 2 + reach) - 1])
    low, high = np.sort(values)[ends.clip(0, len(values) - 1)].tolist()
    return (high - low) / (2 * _SPREAD), low, high


def _p_value(mine: Array, theirs: Array) -> float:
    """Return how often runs as much longer would come from equal distributions, by Mann and Whitney's test."""
    if len(np.unique(np.concatenate([mine, theirs]))) == 1:
        return 1.0
    from scipy.stats import mannwhitneyu  # takes a third of a second to import

    return float(mannwhitneyu(mine, theirs, alternative="greater", method="asymptotic").pvalue)


def _note(value: float, floor: float, unit: str, beyond: float, area: Area) -> str:
    """Return a sentence on samples that share longer runs, in words that fit the share with very long runs."""
    grade = "samples share somewhat longer runs with training texts than held-out texts do"
    if beyond >= PARTLY:
        grade = f"the model copies {'' if beyond >= MOSTLY else 'some '}long runs of its training texts"
    return (
        f"{grade}: {value:g} {unit} at the median, and {floor:g} for held-out texts. A sample has a longer run than a "
        f"held-out text with a probability of {area.value:.0%} ± {area.error:.0%}, and {beyond:.0%} of samples have "
        f"a longer run than {_FAR:.0%} of held-out texts."
    )


exact_copies = ExactCopies()


longest_copied_span = LongestCopiedSpan()
