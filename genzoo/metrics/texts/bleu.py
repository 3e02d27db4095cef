"""BLEU of samples with held-out texts as references, and self-BLEU of each sample with the other samples.

The BLEU of one text is the geometric mean of its n-gram precisions for n from 1 to 4, times a penalty for brevity. An
n-gram counts as right at most as often as the reference that has it most often. The score is the mean over texts. It
equals sacrebleu's sentence BLEU with `effective_order`, smoothing `exp`, and every reference for every text.

Copies of real texts have the highest BLEU, and a model that repeats one real text, too: its self-BLEU shows that. And
random symbols have the lowest self-BLEU. So neither ranks models, and the score of the held-out texts among each other
is the value that samples from the data would have.

References:
    "BLEU: a Method for Automatic Evaluation of Machine Translation" (Papineni et al., 2002);
    "A Call for Clarity in Reporting BLEU Scores" (Post, 2018);
    "Texygen: A Benchmarking Platform for Text Generation Models" (Zhu et al., 2018), for self-BLEU;
    "A Systematic Comparison of Smoothing Techniques for Sentence-Level BLEU" (Chen and Cherry, 2014), for `exp`.
"""

from __future__ import annotations

import numpy as np

from genzoo.data.texts.flat import Texts
from genzoo.features.extractor import Features
from genzoo.metrics.halves.half_samples import Flags, HalfSpread, half_sample_spread, random_halves
from genzoo.metrics.metric import Direction, Metric, MetricInput, Need, Score
from genzoo.metrics.texts.tokens import Grams, Tokens, counted_grams, tokens_of
from genzoo.spec.modality import Modality
from genzoo.typing import Array

ORDER = 4
"""Length of the longest n-grams."""


_MOST = 2_000
"""Largest number of texts of each kind, because BLEU rises with the number of references."""


_TOKENS, _FEWEST = 1_000_000, 100
"""Largest number of tokens of these texts, if more than `_FEWEST` texts have fewer."""


class Corpus:
    """Texts and the references that they are compared with, which may be the same.

    Arguments:
        texts: the texts, `(N,)`; their tokens are numbered as in the references.
        references: the references, `(M,)`. Defaults to `None`: for each text all other texts.
    """

    def __init__(self, texts: Texts, references: Texts | None = None) -> None:
        self._own = references is None
        others = texts if references is None else references
        joined = [*texts.one_by_one(), *(() if self._own else others.one_by_one())]
        whole = Texts.joined([np.frombuffer(text, np.int64) for text in joined], texts.shape[1], texts.end)
        self._lengths, self._others = texts.lengths, others.lengths
        self._totals = np.maximum(self._lengths[:, None] - np.arange(ORDER), 0)
        self._sides = [self._divided(grams, len(texts)) for grams in counted_grams(whole, ORDER)]

    def _divided(self, grams: Grams, count: int) -> tuple[Grams, Grams]:
        """Return the n-grams of the texts and of the references."""
        if self._own:
            return grams, grams
        mine = grams.text < count
        theirs = Grams(grams.text[~mine] - count, grams.gram[~mine], grams.count[~mine])
        return Grams(grams.text[mine], grams.gram[mine], grams.count[mine]), theirs

    def scores(self, chosen: Flags | None = None) -> Features:
        """Return the BLEU of each text, from 0 to 100, `(N,)`.

        Arguments:
            chosen: which of the references there are, `(M,)`. Defaults to `None`: all.
        """
        return bleu_of(*self._counts(chosen))

    def whole(self) -> float:
        """Return the BLEU of the corpus: of the sums of counts over all texts."""
        matches, totals, lengths, closest = self._counts(None)
        return float(bleu_of(*(part.sum(axis=0)[None] for part in (matches, totals, lengths, closest)))[0])

    def _counts(self, chosen: Flags | None) -> tuple[Array, Array, Array, Array]:
        """Return matches and totals, `(N, ORDER)`, and lengths of texts and of the closest references, `(N,)`."""
        there = np.ones(len(self._others), bool) if chosen is None else chosen
        columns = [
            np.bincount(mine.text, self._clipped(mine, theirs, there), len(self._lengths))
            for mine, theirs in self._sides
        ]
        closest = _closest(self._lengths, self._others[there], own=self._own)
        return np.stack(columns, axis=1), self._totals, self._lengths, closest

    def _clipped(self, mine: Grams, theirs: Grams, there: Flags) -> Array:
        """Return how often each n-gram of each text counts as right, `(P,)`."""
        kept = there[theirs.text]
        gram, count, text = theirs.gram[kept], theirs.count[kept], theirs.text[kept]
        last = np.flatnonzero(np.diff(gram, append=-1))
        size = 1 + max(int(mine.gram[-1]) if len(mine.gram) else 0, int(gram[-1]) if len(gram) else 0)
        best = np.zeros(size)
        best[gram[last]] = count[last]
        right = best[mine.gram]
        if self._own:  # the text that has it most often has the second most as its reference
            second, holder = np.zeros(size), np.full(size, -1)
            holder[gram[last]] = text[last]
            before = last[(last > 0) & (gram[last - 1] == gram[last])]
            second[gram[before]] = count[before - 1]
            right = np.where(holder[mine.gram] == mine.text, second[mine.gram], right)
        return np.minimum(mine.count, right)


def _closest(lengths: Array, others: Array, *, own: bool) -> Array:
    """Return the length of the reference closest in length to each text, the shorter of two, `(N,)`.

    Arguments:
        own: whether the references are the texts themselves, and each has all others.
    """
    sizes, counts = np.unique(others, return_counts=True)
    places = np.searchsorted(sizes, lengths)
    alone = own & (np.append(counts, 0)[places] == 1) & (np.append(sizes, -1)[places] == lengths)
    padded = np.concatenate([[-np.inf], sizes, [np.inf]])
    below, above = padded[places], padded[places + 1 + alone]
    return np.where(lengths - below <= above - lengths, below, above)


def bleu_of(matches: Array, totals: Array, lengths: Array, closest: Array) -> Features:
    """Return the BLEU of texts, from 0 to 100, `(N,)`, with effective order and smoothing `exp`.

    Arguments:
        matches, totals: numbers of n-grams that are right, and of all, for n from 1 to `ORDER`, `(N, ORDER)`.
        lengths, closest: numbers of tokens of the texts, and of their closest references, `(N,)`.
    """
    there, missed = totals > 0, (totals > 0) & (matches == 0)
    doubled = 2.0 ** np.cumsum(missed, axis=1)  # the k-th length of n-grams without a match counts as 2^-k of one
    precision = np.where(missed, 1 / doubled, matches) / np.maximum(totals, 1)
    logs = np.log(precision, out=np.zeros(precision.shape), where=there).sum(axis=1)
    penalty = np.minimum(1 - closest / np.maximum(lengths, 1), 0.0)
    value = 100 * np.exp(logs / np.maximum(there.sum(axis=1), 1) + penalty)
    found: Features = np.where((matches > 0).any(axis=1), value, 0.0)
    return found


def _chosen(tokens: Tokens) -> tuple[Texts, Texts]:
    """Return as many real texts as samples, evenly spaced among all: the score depends on the number of references."""
    size = max(float(tokens.real.lengths.mean()), 1.0)
    most = min(_MOST, max(_FEWEST, int(_TOKENS / size)))
    count = min(most, len(tokens.real), len(tokens.samples))
    real, samples = (
        texts.take(np.linspace(0, len(texts) - 1, count).astype(np.int64)) for texts in (tokens.real, tokens.samples)
    )
    return real, samples


def _of_real(given: MetricInput) -> float:
    """Return the mean BLEU of real texts, each with all others as references."""
    return given.once("BLEU of real texts", lambda: float(Corpus(_chosen(tokens_of(given))[0]).scores().mean()))


class Bleu(Metric):
    """Mean BLEU of samples, each with all held-out texts as references, from 0 to 100."""

    name = "bleu"
    direction: Direction = "higher"
    needs: frozenset[Need] = frozenset({"samples"})
    modalities: tuple[Modality, ...] = ("text",)
    beside = ("self-bleu",)
    ranks = False

    def score(self, given: MetricInput) -> Score:
        real, samples = _chosen(tokens_of(given))
        corpus = Corpus(samples, real)

        def mean(weights: Array, kept: Array) -> float:
            return float(corpus.scores(weights > 0)[kept > 0].mean())

        spread = half_sample_spread(mean, np.ones(len(real)), len(samples), given.seed)
        return _score(self, given, len(real), corpus, spread)


class SelfBleu(Metric):
    """Mean BLEU of samples, each with all other samples as references, from 0 to 100; 100 if all are alike."""

    name = "self-bleu"
    direction: Direction = "lower"
    needs: frozenset[Need] = frozenset({"samples"})
    modalities: tuple[Modality, ...] = ("text",)
    ranks = False

    def score(self, given: MetricInput) -> Score:
        samples = _chosen(tokens_of(given))[1]
        corpus = Corpus(samples)
        halves = random_halves(len(samples), given.seed, 1)
        first, second = np.array([[corpus.scores(part)[part].mean() for part in (half, ~half)] for half in halves]).T
        spread = HalfSpread(HalfSpread.of(first, second).error, ())  # no part of it comes from real texts
        return _score(self, given, len(samples) - 1, corpus, spread)


def _score(metric: Metric, given: MetricInput, references: int, corpus: Corpus, spread: HalfSpread) -> Score:
    protocol = {
        "tokens": tokens_of(given).unit,
        "references": references,
        "mean": f"of texts, n-grams up to {ORDER}, effective order, smoothing exp",
    }
    return Score(
        metric.name,
        float(corpus.scores().mean()),
        metric.direction,
        spread.error,
        protocol,
        parts={"corpus": corpus.whole()},
        shared=spread.shared,
        real=_of_real(given),
    )


bleu = Bleu()


self_bleu = SelfBleu()
