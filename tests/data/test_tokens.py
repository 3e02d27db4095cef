"""Texts as characters and as tokens of BPE: no text changes on the way, and probabilities stay what they are."""

import itertools
import math
import random
import sys

import numpy as np
import pytest
import torch

from genzoo.config.settings import Settings
from genzoo.data.texts.symbols import byte_spec, encoded, printed
from genzoo.data.transforms.bpe import LONGEST, BpeOptions, BpeTransform
from genzoo.data.transforms.characters import SCALARS, CharacterTransform, decode
from genzoo.errors import DataError
from genzoo.plugins.registry import MissingExtraError

SCRIPTS = ["anna", "Zoë", "Дмитрий", "日本語", "😀x", "", "a\x00\n", "ÿ߿ࠀ￿𐀀\U0010ffff", "नमस्ते", "مرحبا"]
EDGES = [0, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC]
EDGES += [0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF7, 0xF8, 0xFF]


def blocks(texts, longest=None):
    """Return texts as a block `(N, T)`, and the spec of texts of so many bytes."""
    found = encoded(texts, "the texts")
    longest = longest or found.shape[1]
    return torch.from_numpy(found.as_long_as(longest, "the texts")[:]).double(), byte_spec(longest)


def characters(texts, longest=None):
    x, spec = blocks(texts, longest)
    return CharacterTransform.fit(Settings(), spec, [x.numpy()]), x, spec


def bpe(texts, vocabulary=300, longest=None):
    pytest.importorskip("tokenizers")
    x, spec = blocks(texts, longest)
    return BpeTransform.fit(BpeOptions(vocabulary=vocabulary), spec, np.array_split(x.numpy(), 2)), x, spec


def test_utf8_is_decoded_as_python_decodes_it():
    rng = random.Random(0)
    rows = [bytes(rng.choices(EDGES, k=rng.randint(0, 5))) for _ in range(20_000)]
    rows += [chr(point).encode() for point in (0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF)]
    x = torch.full((len(rows), 6), 256)
    for place, row in enumerate(rows):
        x[place, : len(row)] = torch.tensor(list(row))
    found = decode(x)
    for place, row in enumerate(rows):
        try:
            points = [ord(letter) for letter in row.decode("utf-8")]
        except UnicodeDecodeError:
            points = None
        assert bool(found.valid[place]) == (points is not None), row
        if points is not None:
            assert found.points[place][found.starts[place]].tolist() == points


@pytest.mark.parametrize("kind", [characters, bpe])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_no_text_changes_on_the_way_to_tokens_and_back(kind, dtype):
    transform, x, spec = kind(SCRIPTS)
    x = x.to(dtype)
    y = transform(x)
    inner = transform.spec_after(spec)
    assert y.dtype == dtype
    assert (y >= 0).all()
    assert (y <= inner.end).all()
    assert torch.equal(transform.inverse(y), x)
    assert inner.event_shape == spec.event_shape
    assert len(transform(x[:0])) == len(transform.inverse(y[:0])) == len(transform.log_det(x[:0])) == 0
    assert torch.equal(transform.inverse(transform(x[3:4])), x[3:4])


def test_characters_are_those_of_training_in_order_and_one_for_others():
    transform, _, spec = characters(["ba\n", "é\\a"], 6)
    names = transform.spec_after(spec).features[0].levels
    assert names == ("\\x0a", "\\x5c", "a", "b", "é", "unknown")
    assert len(set(map(printed, map(chr, range(3000))))) == 3000
    new, _ = blocks(["abc", "日é"], 6)
    assert transform(new).tolist()[0][:4] == [2, 3, 5, 6]
    assert bytes(transform.inverse(transform(new))[0].int().tolist()[:5]) == "ab\ufffd".encode()


def test_an_unknown_character_is_any_of_the_others():
    transform, _, _ = characters(["ab"])
    x, _ = blocks(["ab", "cd", "aé"], 4)
    assert transform.log_det(x).tolist() == pytest.approx([0, -2 * math.log(SCALARS - 2), -math.log(SCALARS - 2)])
    assert sum(1 for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000) == SCALARS


def test_bytes_that_are_no_utf8_have_no_characters():
    transform, x, spec = characters(["abc"])
    broken = x.clone()
    broken[0, 1] = 0xFF
    assert transform.log_det(broken).tolist() == [-math.inf]
    assert transform(broken).isfinite().all()
    with pytest.raises(DataError, match="tokens=bytes"):
        CharacterTransform.fit(Settings(), spec, [broken.numpy()])


def uniform(y, end, longest):
    """Log-probability of texts `(N, L)` of a model that draws every symbol and the end alike."""
    lengths = (y != end).long().cumprod(1).sum(1)
    return (lengths + 1).clamp(max=longest) * -math.log(end + 1)


def test_all_texts_of_characters_have_at_most_probability_1():
    longest = 4
    transform, _, spec = characters(["aé"], longest)
    texts = ["".join(text) for size in range(longest + 1) for text in itertools.product("aéb", repeat=size)]
    texts = [text for text in texts if len(text.encode()) <= longest]
    x, _ = blocks(texts, longest)
    inner = transform.spec_after(spec)
    logs = uniform(transform(x), inner.end, longest) + transform.log_det(x)
    # How many texts there are with so many known and unknown characters, by the bytes of a character.
    unknown = {1: 128 - 1, 2: 0x800 - 0x80 - 1, 3: 0x10000 - 0x800 - 0x800, 4: 0x110000 - 0x10000}
    assert sum(unknown.values()) == SCALARS - 2
    choices = [(1, 1.0), (2, 1.0), *((size, count / (SCALARS - 2)) for size, count in unknown.items())]
    share, total = 1 / (inner.end + 1), 0.0
    for size in range(longest + 1):
        for text in itertools.product(choices, repeat=size):
            if sum(bytes_ for bytes_, _ in text) <= longest:
                total += math.prod(weight for _, weight in text) * share ** min(size + 1, longest)
    assert total < 1  # the rest are texts of more bytes
    for text, log in zip(texts, logs.tolist(), strict=True):
        own = share ** min(len(text) + 1, longest) / (SCALARS - 2) ** text.count("b")
        assert log == pytest.approx(math.log(own))


def test_all_texts_of_ascii_characters_have_probability_1():
    transform, _, spec = characters(["ab"], 3)
    texts = ["".join(text) for size in range(4) for text in itertools.product("ab", repeat=size)]
    x, _ = blocks(texts, 3)
    inner = transform.spec_after(spec)
    without_unknown = torch.where(transform(x) == inner.end, 2, transform(x))  # a model that never draws `unknown`
    assert uniform(without_unknown, 2, 3).exp().sum().item() == pytest.approx(1)


def ways(text, tokens):
    """All ways to write bytes as tokens."""
    if not text:
        return [()]
    return [(token, *rest) for token in tokens if text.startswith(token) for rest in ways(text[len(token) :], tokens)]


def test_one_way_to_write_a_text_is_a_lower_bound():
    longest = 6
    transform, _, spec = bpe(["abab", "ab", "éé", "é"] * 3, 259, longest)
    assert set(transform.tokens[256:]) == {b"ab", "é".encode(), "éé".encode()} or len(transform.tokens) == 259
    end = transform.spec_after(spec).end
    x, _ = blocks(["abab", "ab", "éé", "aéb", "", "ba", "ababab"], longest)
    bound = uniform(transform(x), end, longest)
    assert not transform.log_det(x).any()
    for row, log in zip(x.int().tolist(), bound.tolist(), strict=True):
        text = bytes(code for code in row if code < 256)
        found = ways(text, transform.tokens)
        whole = math.log(sum((end + 1) ** -min(len(way) + 1, longest) for way in found))
        assert log <= whole + 1e-9
        if len(found) == 1:
            assert log == pytest.approx(whole)


def test_bpe_learns_the_same_from_the_same_texts():
    one, x, spec = bpe(SCRIPTS * 4)
    two, _, _ = bpe(SCRIPTS * 4)
    assert torch.equal(one.merges, two.merges)
    assert max(map(len, one.tokens)) <= LONGEST
    again = BpeTransform.restore(BpeOptions(vocabulary=300), spec, {"merges": one.merges})
    assert torch.equal(again(x), one(x))
    assert again.tokens == one.tokens
    other, _, _ = bpe(["xyzxyz"] * 9)
    other.merges.resize_(one.merges.shape)
    other.load_state_dict(one.state_dict())  # as a resumed training does
    assert torch.equal(other(x), one(x))


def test_bytes_that_are_no_utf8_are_tokens_of_their_own():
    transform, x, _ = bpe(["abab"] * 4)
    broken = x.clone()
    broken[0] = torch.tensor([0xFF, 0x80, 97, 98])
    y = transform(broken)
    assert y[0].tolist() == [0xFF, 0x80, 97, 98]
    assert torch.equal(transform.inverse(y), broken)
    merged = BpeTransform.fit(BpeOptions(vocabulary=300), byte_spec(4), [broken.numpy()])
    assert torch.equal(merged.inverse(merged(broken)), broken)


@pytest.mark.parametrize("kind", [characters, bpe])
def test_a_text_that_is_too_long_is_cut(kind):
    transform, _, spec = kind(["aé", "éaé"], longest=5)
    inner = transform.spec_after(spec)
    wide, _ = blocks(["éé" * 2 + "é"])
    y = torch.full((1, 5), float(inner.end - 2))  # `é`, or the last token
    found = transform.inverse(y)
    assert found.shape == (1, 5)
    if kind is characters:
        assert bytes(code for code in found[0].int().tolist() if code < 256) == "éé".encode()
    else:
        assert 256 not in found
    assert wide.shape == (1, 10)


@pytest.mark.parametrize(
    ("merges", "why"),
    [
        ([[0, 256]], "come before it"),
        ([[97, 98], [256, 257]], "come before it"),
        ([[-1, 3]], "come before it"),
        ([[97, 97], *[[256 + place, 256 + place] for place in range(30)]], "at most 64"),
        ([[97, 98]] * 90, "shape"),
        ([[97, place] for place in range(60)], "make 316 tokens"),
    ],
)
def test_merges_of_strangers_are_checked(merges, why):
    with pytest.raises(ValueError, match=why):
        BpeTransform.restore(BpeOptions(vocabulary=300), byte_spec(9), {"merges": torch.tensor(merges)})


@pytest.mark.parametrize("points", [[98, 97], [97, 97], [-1, 5], [0xD800], [0x110000], [[97]]])
def test_characters_of_strangers_are_checked(points):
    with pytest.raises(ValueError, match="its characters are"):
        CharacterTransform.restore(Settings(), byte_spec(9), {"characters": torch.tensor(points)})


@pytest.mark.parametrize("builder", [CharacterTransform, BpeTransform])
def test_tokens_are_for_texts_of_bytes(builder):
    options = Settings() if builder is CharacterTransform else BpeOptions()
    two = byte_spec(3).__class__((3,), "table", tuple(byte_spec(3).features[0].__class__(name) for name in "abc"))
    with pytest.raises(DataError, match="texts of bytes"):
        builder.fit(options, two, [np.zeros((2, 3))])


def test_bpe_names_the_extra_that_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    x, spec = blocks(["ab"])
    with pytest.raises(MissingExtraError, match=r"genzoo\[text\]"):
        BpeTransform.fit(BpeOptions(), spec, [x.numpy()])
    loaded = BpeTransform.restore(BpeOptions(), spec, {"merges": torch.tensor([[97, 98]])})
    assert torch.equal(loaded.inverse(torch.tensor([[256, 257]])), x.long())
