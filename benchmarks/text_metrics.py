"""Check the metrics of texts on generators whose rank is known.

The generators draw texts like the lines of a file: held-out lines; n-gram models of order 1 to 5 over
characters, with Witten and Bell's interpolation; shuffled training lines, which are copies; held-out lines with a fifth
of copies; one line, again and again; and random characters. The first table shows the metrics of each. The two-sample
accuracy and the Fréchet distance should fall from order 1 to order 5: the second table counts in how many steps from
one order to the next they do, for each extractor of features. The last line counts how often the metrics that look for
copies flag held-out lines, over several splits; each test does so in 1 of 100 cases by its level.

    python benchmarks/text_metrics.py [FILE] [--texts 2000] [--seeds 20] [--longest 200]

By default, the texts are genzoo's numerals.
"""

from __future__ import annotations

import argparse
import bisect
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from genzoo.data.builtin import numerals
from genzoo.data.texts.lines import listed
from genzoo.data.texts.symbols import byte_spec, decoded, encoded
from genzoo.errors import DataError
from genzoo.features.extractor import Extractor, Material
from genzoo.features.ngrams import build_ngrams
from genzoo.features.symbols import build_symbols
from genzoo.metrics.evaluation.choice import find_metrics
from genzoo.metrics.metric import Metric, MetricInput
from genzoo.plugins.manager import get_registry
from genzoo.typing import Array

ORDERS = range(1, 6)
METRICS = (
    "bleu",
    "self-bleu",
    "distinct-n",
    "exact-copies",
    "longest-copied-span",
    "memorization",
    "classifier-two-sample",
    "frechet-distance",
)
FLAGGING = ("exact-copies", "longest-copied-span", "memorization")
OF_FEATURES = ("classifier-two-sample", "frechet-distance")


class Ngrams:
    """An n-gram model over characters, interpolated with all shorter ones by Witten and Bell's weights.

    Arguments:
        lines: texts to count, without ends of lines.
        order: number of characters of an n-gram.
    """

    def __init__(self, lines: Sequence[str], order: int) -> None:
        self.order = order
        counts: list[dict[str, Counter[str]]] = [defaultdict(Counter) for _ in range(order)]
        for line in lines:
            text = "\n" * (order - 1) + line + "\n"
            for place in range(order - 1, len(text)):
                for length, known in enumerate(counts):
                    known[text[place - length : place]][text[place]] += 1
        self._tables = [
            {past: (list(found), np.cumsum([*found.values()])) for past, found in known.items()} for known in counts
        ]

    def sample(self, count: int, seed: int, longest: int) -> list[str]:
        """Draw texts of at most `longest` characters, none of them empty."""
        rng, texts = np.random.default_rng(seed), []
        while len(texts) < count:
            text = ""
            while len(text) < longest and (letter := self._next(("\n" * self.order + text), rng)) != "\n":
                text += letter
            texts += [text] if text else []
        return texts

    def _next(self, past: str, rng: np.random.Generator) -> str:
        for length in range(self.order - 1, -1, -1):
            found = self._tables[length].get(past[len(past) - length :])
            if found is None:
                continue
            letters, sums = found
            if not length or rng.random() < sums[-1] / (sums[-1] + len(letters)):
                return letters[bisect.bisect_right(sums, rng.random() * sums[-1])]
        raise AssertionError


def generators(train: Sequence[str], fresh: Sequence[str], longest: int, seed: int) -> dict[str, list[str]]:
    """Draw as many texts as `fresh` from every generator, by name."""
    rng, count = np.random.default_rng(seed), len(fresh)
    copies = [train[row] for row in rng.permutation(len(train))[:count]]
    letters = sorted({letter for line in train for letter in line})
    orders = {f"order {order}": Ngrams(train, order).sample(count, seed, longest) for order in ORDERS}
    return {
        "held out": list(fresh),
        **orders,
        "copies": copies,
        "a fifth copies": [*copies[: count // 5], *fresh[count // 5 :]],
        "one text": [fresh[0]] * count,
        "noise": ["".join(rng.choice(letters, len(line))) for line in fresh],
    }


def codes_of(lines: Sequence[str], longest: int) -> Array:
    """Return lines as a block of bytes, `(N, longest)`."""
    return np.asarray(encoded(lines, "The lines", byte_spec(longest)))


def parted(lines: Sequence[str], texts: int, seed: int) -> tuple[list[str], list[str], list[str]]:
    """Return test lines, as many fresh lines, and training lines."""
    order = np.random.default_rng(seed).permutation(len(lines))
    mixed = [lines[row] for row in order]
    return mixed[:texts], mixed[texts : 2 * texts], mixed[2 * texts :]


class Measure:
    """Metrics of samples beside the same real texts and training texts."""

    def __init__(self, test: Sequence[str], train: Sequence[str], longest: int, seed: int) -> None:
        self._longest, self._seed = longest, seed
        self._real = codes_of(test, longest)
        self._train = encoded(train, "The lines", byte_spec(longest)).as_array()
        material = Material(byte_spec(longest), self._real, listed(list(test)))
        self.extractors: Mapping[str, Extractor] = {
            "ngrams": build_ngrams(material),
            "symbols": build_symbols(material),
        }
        self._train_features = self.extractors["ngrams"](np.asarray(self._train[:]))

    def given(self, samples: Sequence[str], features: str = "ngrams") -> MetricInput:
        """Return the input of metrics for samples."""
        extractor, codes = self.extractors[features], codes_of(samples, self._longest)
        return MetricInput(
            data=byte_spec(self._longest),
            real=self._real,
            samples=codes,
            real_features=extractor(self._real),
            sample_features=extractor(codes),
            train_features=self._train_features,
            train=self._train,
            seed=self._seed,
        )


def shown(metric: Metric, given: MetricInput) -> str:
    """Return a score as text, with the value of the real texts in brackets and `!` for a flag."""
    try:
        score = metric.score(given)
    except DataError as error:
        return str(error)[:20]
    real = "" if score.real is None else f" ({score.real:.3g})"
    flag = "!" if metric.name in FLAGGING and score.notes else ""
    return f"{score.value:.3g} ± {score.error:.1g}{real}{flag}"


def falls(values: Sequence[float]) -> int:
    """Return in how many steps values fall."""
    return int((np.diff(values) < 0).sum())


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--texts", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--longest", type=int, default=200)
    arguments = parser.parse_args()
    if arguments.file is None:
        source = numerals()
        lines = decoded(source.events[:], source.spec)
    else:
        lines = arguments.file.read_text(encoding="utf-8").split("\n")
    lines = [line for line in lines if 0 < len(line.encode()) <= arguments.longest]
    texts = min(arguments.texts, len(lines) // 4)
    metrics = {metric.name: metric for metric in find_metrics(get_registry(), METRICS)}
    show_generators(lines, texts, arguments.longest, metrics)
    count_orders(lines, texts, arguments.longest, metrics, min(arguments.seeds, 3))
    count_flags(lines, texts, arguments.longest, metrics, arguments.seeds)


def show_generators(lines: Sequence[str], texts: int, longest: int, metrics: Mapping[str, Metric]) -> None:
    """Print the metrics of every generator."""
    test, fresh, train = parted(lines, texts, 0)
    measure = Measure(test, train, longest, 0)
    print(f"{len(test)} test lines, as many samples, {len(train)} training lines")
    for name, samples in generators(train, fresh, longest, 0).items():
        given = measure.given(samples)
        cells = [f"{other} {shown(metric, given)}" for other, metric in metrics.items()]
        print(f"{name:15}", *cells, sep="  ", flush=True)


def count_orders(lines: Sequence[str], texts: int, longest: int, metrics: Mapping[str, Metric], seeds: int) -> None:
    """Print by how many of the steps from one order to the next the scores of features fall."""
    counts: Counter[tuple[str, str]] = Counter()
    for seed in range(seeds):
        test, fresh, train = parted(lines, texts, seed)
        measure = Measure(test, train, longest, seed)
        drawn = generators(train, fresh, longest, seed)
        for features in measure.extractors:
            given = [measure.given(drawn[f"order {order}"], features) for order in ORDERS]
            for name in OF_FEATURES:
                counts[features, name] += falls([metrics[name].score(one).value for one in given])
    for (features, name), count in counts.items():
        print(f"{features:8} {name:22} falls in {count} of {seeds * (len(ORDERS) - 1)} steps")


def count_flags(lines: Sequence[str], texts: int, longest: int, metrics: Mapping[str, Metric], seeds: int) -> None:
    """Print how often held-out lines are flagged as copies."""
    flagged: Counter[str] = Counter()
    for seed in range(seeds):
        test, fresh, train = parted(lines, texts, seed)
        given = Measure(test, train, longest, seed).given(fresh)
        flagged.update(name for name in FLAGGING if metrics[name].score(given).notes)
    print(f"flagged among {seeds} splits of held-out lines:", *(f"{name} {flagged[name]}" for name in FLAGGING))


if __name__ == "__main__":
    main()
