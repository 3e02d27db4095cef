"""`ngram`: probabilities as in the paper, exact tables, and texts of all lengths."""

import itertools
import math
from collections import Counter, defaultdict

import numpy as np
import pytest
import torch

import genzoo
from genzoo import ArtifactError, Batch, Model
from genzoo.testing.keeping import keeps_promises
from genzoo_text.ngram.counting import PieceCounts
from genzoo_text.ngram.fitting import USUAL, discounts_of
from genzoo_text.ngram.model import Ngrams
from genzoo_text.ngram.objective import KneserNey
from genzoo_text.ngram.options import CountOptions


@keeps_promises("ngram", options={"order": 3})
def test_ngram(promise):
    promise()


@pytest.mark.full
@keeps_promises("ngram")
def test_ngram_of_the_usual_order(promise):
    promise()


@pytest.mark.full
@keeps_promises("ngram", options={"order": 1})
def test_ngram_without_context(promise):
    promise()


def block(texts, end, longest=None):
    """Return texts, given as lists of codes, as a block `(N, L)`."""
    longest = max(map(len, texts)) if longest is None else longest
    width = min(longest, max(map(len, texts)) + 1)
    return torch.tensor([[*text, *[end] * (width - len(text))] for text in texts]).view(len(texts), width)


def fitted(texts, order, end, longest=None, size=7):
    """Return a model in float64 that is fitted to blocks of `size` texts."""
    longest = max(1, *map(len, texts)) if longest is None else longest
    model = Model(genzoo.Parts(Ngrams(order, end, longest))).double()
    blocks = [Batch(block(texts[i : i + size], end, longest).double()) for i in range(0, len(texts), size)]
    KneserNey().fit(model, blocks)
    return model.generator


class Reference:
    """Modified Kneser-Ney smoothing by dictionaries, straight from the formulas of Chen and Goodman (1999)."""

    def __init__(self, texts, order, end, longest):
        self.order, self.end = order, end
        whole = [["start", *text, *(["end"] if len(text) < longest else [])] for text in texts]
        occurring = Counter(
            tuple(text[i : i + n]) for text in whole for n in range(1, order + 1) for i in range(len(text) - n + 1)
        )
        before = defaultdict(set)
        for piece in occurring:
            before[piece[1:]].add(piece[0])
        self.counts = [
            {
                piece: count if n == order or (piece[0] == "start" and n > 1) else len(before[piece])
                for piece, count in occurring.items()
                if len(piece) == n and piece != ("start",)
            }
            for n in range(1, order + 1)
        ]
        self.discounts = [self.three(list(counts.values())) for counts in self.counts]
        self.after = [defaultdict(list) for _ in range(order)]
        for n, counts in enumerate(self.counts):
            for piece, count in counts.items():
                self.after[n][piece[:-1]].append(count)

    @staticmethod
    def three(counts):
        n = {k: counts.count(k) for k in (1, 2, 3, 4)}
        found = []
        for k in (1, 2, 3):
            if n[1] and n[k] and n[k + 1]:
                y = n[1] / (n[1] + 2 * n[2])
                d = k - (k + 1) * y * n[k + 1] / n[k]
            else:
                d = None
            found.append(d if d is not None and 0 < d < k else 0.5 * k)
        return found

    def share(self, symbol, context):
        lower = 1 / (self.end + 1) if not context and context is not None else None
        if lower is None:
            lower = self.share(symbol, context[1:])
        n = len(context)
        counts = self.after[n][tuple(context)]
        if not counts:
            return lower
        d = self.discounts[n]
        left = sum(d[min(count, 3) - 1] for count in counts)
        own = self.counts[n].get((*context, symbol), 0)
        return (max(own - d[min(own, 3) - 1], 0) * (own > 0) + left * lower) / sum(counts)

    def log_each(self, text, longest):
        whole = ["start", *text, *(["end"] if len(text) < longest else [])]
        return [math.log(self.share(whole[i], whole[max(0, i - self.order + 1) : i])) for i in range(1, len(whole))]


def random_texts(seed, count=60, symbols=3, longest=6):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(symbols, 0.5), symbols)
    texts = []
    for _ in range(count):
        text = [int(rng.integers(symbols))]
        while len(text) < longest and rng.random() < 0.75:
            text.append(int(rng.choice(symbols, p=shares[text[-1]])))
        texts.append(text if rng.random() < 0.9 else [])
    return texts


@pytest.mark.parametrize("order", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("seed", [0, 1])
def test_probabilities_are_those_of_the_paper(order, seed):
    texts = random_texts(seed)
    longest = max(map(len, texts))
    generator, reference = fitted(texts, order, 4, longest), Reference(texts, order, 4, longest)
    new = random_texts(seed + 10, symbols=4, longest=longest) + texts
    logs = generator.log_prob_each(block(new, 4, longest).double())
    for row, text in enumerate(new):
        wanted = reference.log_each(text, longest)
        assert logs[row, : len(wanted)].tolist() == pytest.approx(wanted, rel=1e-12)
        assert not logs[row, len(wanted) :].any()
    assert generator.log_prob(block(new, 4, longest).double()).tolist() == pytest.approx(logs.sum(1).tolist())


def test_pieces_too_long_for_one_number_are_exact():
    texts, order, end = random_texts(3, count=40, symbols=4, longest=20), 12, 60_000
    texts = [[code * 19_999 for code in text] for text in texts]
    assert PieceCounts(order, end)._per_word < order
    generator, reference = fitted(texts, order, end, 20), Reference(texts, order, end, 20)
    logs = generator.log_prob(block(texts, end, 20).double())
    assert logs.tolist() == pytest.approx([sum(reference.log_each(text, 20)) for text in texts], rel=1e-12)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_probabilities_add_up_to_one_after_every_context(order):
    generator = fitted(random_texts(4), order, 3)
    for length in range(5):
        contexts = list(itertools.product(range(3), repeat=length))
        texts = [[*context, symbol] for context in contexts for symbol in range(4)]
        shares = generator.log_prob_each(torch.tensor(texts).double())[:, -1].exp().view(-1, 4)
        assert (shares > 0).all()
        assert torch.allclose(shares.sum(1), torch.ones(len(shares), dtype=torch.float64), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("texts", "end", "longest"),
    [
        ([[]], 1, 1),
        ([[0]], 1, 1),
        ([[0] * 9], 1, 9),
        ([[0, 0], [0]], 1, 3),
        ([[2, 1, 0]], 3, 5),
        ([[], [], [1]], 2, 4),
    ],
)
@pytest.mark.parametrize("order", [1, 2, 6])
def test_the_least_data_make_a_distribution(texts, end, longest, order):
    generator = fitted(texts, order, end, longest)
    every = [list(text) for size in range(longest + 1) for text in itertools.product(range(end), repeat=size)]
    logs = generator.log_prob(block(every, end, longest).double())
    assert logs.isfinite().all()
    assert float(logs.exp().sum()) == pytest.approx(1, abs=1e-12)
    assert generator.sample(20).shape[0] == 20
    assert generator.sample(20).shape[1] <= longest


def test_an_untrained_model_is_uniform():
    generator = Ngrams(4, 3, 5)
    assert generator.log_prob(torch.tensor([[0, 2, 3]])).item() == pytest.approx(-3 * math.log(4))
    assert generator.sample(7).shape[0] == 7


def test_discounts_are_those_of_the_paper_or_the_usual_ones():
    counts = np.repeat([1, 2, 3, 4, 9], [50, 20, 12, 6, 30])
    y = 50 / 90
    assert discounts_of(counts) == pytest.approx((1 - 2 * y * 20 / 50, 2 - 3 * y * 12 / 20, 3 - 4 * y * 6 / 12))
    assert discounts_of(np.array([0, 7, 7])) == USUAL
    assert discounts_of(np.array([1, 1, 1])) == USUAL
    assert discounts_of(np.array([1, 2, 3, 3, 3, 3]))[1] == USUAL[1]  # the formula gives less than 0


def test_blocks_and_merges_change_nothing(monkeypatch):
    texts = random_texts(5, count=200)
    whole = fitted(texts, 4, 3, size=200).state_dict()
    monkeypatch.setattr("genzoo_text.ngram.counting._FEW", 10)
    parts = fitted(texts, 4, 3, size=3).state_dict()
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())


def test_what_follows_the_end_changes_nothing():
    generator = fitted(random_texts(6), 3, 3)
    x = torch.tensor([[1, 0, 3, 3], [1, 0, 3, 2], [1, 0, 3, 0]]).double()
    logs = generator.log_prob_each(x)
    assert (logs == logs[0]).all()
    assert (logs[:, 3] == 0).all()


@pytest.mark.parametrize("options", [{}, {"temperature": 1.0 + 1e-12}])
def test_each_way_of_drawing_has_the_probabilities(options):
    texts = random_texts(7, symbols=2, longest=3)
    generator = fitted(texts, 3, 2, 3)
    torch.manual_seed(0)
    drawn = torch.nn.functional.pad(generator.sample(5_000, **options).long(), (0, 3), value=2)[:, :3]
    ends = (drawn == 2).long().cumsum(1)
    found = Counter(map(tuple, drawn.masked_fill(ends > 0, 2).tolist()))
    every = [list(text) for size in range(4) for text in itertools.product(range(2), repeat=size)]
    x = block(every, 2, 3)
    for row, mass in zip(x.tolist(), generator.log_prob(x.double()).exp().tolist(), strict=True):
        assert found[tuple(row)] / 5_000 == pytest.approx(mass, abs=6 * math.sqrt(mass / 5_000))


@pytest.mark.parametrize("prompt", [[], [1], [0, 1, 0, 1], [2, 2, 2, 2, 2, 2]])
def test_a_prompt_is_the_context_of_what_follows(prompt):
    generator = fitted(random_texts(8), 4, 3, 12)
    texts = torch.tensor([[*prompt, symbol] for symbol in range(4)])
    wanted = generator.log_prob_each(texts.double())[:, -1].exp()
    torch.manual_seed(0)
    many = torch.tensor([prompt]).long().view(1, -1).repeat(5_000, 1)
    drawn = next(generator.generate(many))
    shares = torch.bincount(drawn, minlength=4) / len(drawn)
    assert torch.allclose(shares.double(), wanted, atol=0.05)
    best = next(generator.generate(many[:5], top_k=1))
    assert (best == wanted.argmax()).all()


def test_the_same_pieces_in_float32_have_the_same_probabilities():
    generator = fitted(random_texts(9), 4, 3)
    x = block(random_texts(10), 3, 6)
    wide = generator.log_prob(x)
    assert torch.allclose(generator.float().log_prob(x.float()).double(), wide, rtol=1e-6)


def damaged(state, name):
    keys, counts, discounts = (state[each].clone() for each in ("keys", "counts", "discounts"))
    changes = {
        "order": lambda: keys.flip(0),
        "negative": lambda: keys - keys[0] - 1,
        "beyond": lambda: torch.cat([keys[:-1], keys[-1:] + 2**40]),
        "deeper": lambda: torch.cat([keys, torch.tensor([(len(counts) - 1) * 4])]),
        "short": lambda: keys[:-1],
    }
    if name in changes:
        keys = changes[name]()
        if name == "deeper":
            counts = torch.cat([counts, torch.ones(1, dtype=torch.int64)])
    elif name == "no count":
        counts[-1] = 0
    elif name == "huge":
        counts[-1] = 2**62
    else:
        discounts[1, 0] = {"nan": math.nan, "zero": 0.0, "large": 1.5}[name]
    return {"keys": keys, "counts": counts, "discounts": discounts}


@pytest.mark.parametrize(
    "name", ["order", "negative", "beyond", "deeper", "short", "no count", "huge", "nan", "zero", "large"]
)
def test_tables_that_do_not_fit_together_are_an_error(name):
    generator = fitted(random_texts(11), 3, 3)
    state = damaged(generator.state_dict(), name)
    other = Ngrams(3, 3, 6).double()
    other.keys, other.counts = torch.empty_like(state["keys"]), torch.empty_like(state["counts"])
    with pytest.raises(ArtifactError):
        other.load_state_dict(state)


def test_a_model_of_texts_is_trained_saved_and_scored(tmp_path):
    texts = ["anna", "hannah", "nina", "ann", "inna"] * 5
    run = genzoo.train("ngram", texts, order=3, out=tmp_path / "run", progress=False)
    logs = run.load().log_prob(["anna", "xyz", ""])
    assert logs[0] > logs[1]
    assert np.isfinite(logs).all()
    assert len(run.load().sample(5, seed=1)) == 5
    assert np.array_equal(genzoo.load(tmp_path / "run").log_prob(["anna", "xyz", ""]), logs)


def test_the_fit_says_how_much_it_counted():
    texts = [[0, 1], [0, 1], [1]]
    model = Model(genzoo.Parts(Ngrams(2, 2, 3)))
    facts = KneserNey().fit(model, [Batch(block(texts, 2, 3).float())])
    assert facts["texts"] == 3
    assert facts["pieces"] == 7  # a, b, the end; and start-a, start-b, ab, b-end


def test_options_have_their_bounds():
    assert CountOptions().model_dump() == {}
    with pytest.raises(genzoo.ConfigError, match="order"):
        genzoo.train("ngram", ["a"], order=0)
