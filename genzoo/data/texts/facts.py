"""Facts about texts for `genzoo data`: lengths, the alphabet, and characters that look wrong."""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import Any

import numpy as np

from genzoo.data.dataset import Dataset
from genzoo.data.splits.duplicates import repeated, row_keys
from genzoo.data.texts.flat import Texts
from genzoo.data.texts.symbols import as_texts, of_bytes
from genzoo.typing import Array
from genzoo.wording import argument

_PART = 1 << 22
"""Number of symbols that are counted at a time."""


_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


_SHOWN = 10
"""Number of the most frequent characters that are shown."""


_BEGINNING = 20


_UNICODE = 0x110000


_NAMES = {
    "\ufeff": "byte order marks within texts",
    "\ufffd": "replacement characters, U+FFFD",
    "\r": "carriage returns that no line feed follows",
}


def text_facts(dataset: Dataset) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return lengths, characters and repeated texts, in words by what they are called, and as plain values for JSON."""
    texts = as_texts(dataset.events, dataset.spec, dataset.name)
    lengths = texts.lengths
    bytewise = of_bytes(dataset.spec)
    what = "bytes" if bytewise else "symbols"
    quantiles = dict(zip(_QUANTILES, np.quantile(lengths, _QUANTILES, method="inverted_cdf").tolist(), strict=True))
    used = np.flatnonzero(_counted(texts.codes, texts.end))
    same = repeated(row_keys(dataset.events))
    shown = ", ".join(f"{share:.0%} {value:g}" for share, value in quantiles.items())
    words: dict[str, Any] = {
        f"{what} of a text": f"{lengths.min()} to {lengths.max()}, median {np.median(lengths):g}",
        f"quantiles of {what}": shown,
        f"{what} of all texts": int(lengths.sum()),
        f"different {what}": len(used),
    }
    lengths_by_share = {f"{share:g}": value for share, value in quantiles.items()}
    plain: dict[str, Any] = {
        "shortest": int(lengths.min()),
        "longest": int(lengths.max()),
        "quantiles": lengths_by_share,
        "symbols": int(lengths.sum()),
        "different_symbols": len(used),
        "repeated": same,
    }
    if bytewise:
        found = _characters(texts)
        words |= _in_words(found)
        plain |= {"characters": dict(found.most_common()), "scripts": _scripts(found), "odd_characters": _odd(found)}
    return {**words, "repeated texts": same}, plain


def text_remarks(dataset: Dataset) -> list[str]:
    """Return what looks wrong with texts: odd characters, or most of them end long before the longest."""
    texts = as_texts(dataset.events, dataset.spec, dataset.name)
    remarks = []
    if of_bytes(dataset.spec) and (odd := _odd(_characters(texts))):
        some = ", ".join(f"{name} ({count})" for name, count in odd.items())
        remarks.append(f"odd characters, which the model learns, too: {some}")
    lengths = texts.lengths
    usual, most = np.quantile(lengths, 0.99), int(lengths.max())
    if most <= 4 * max(usual, 1):
        return remarks
    row = int(lengths.argmax())
    begins = ""
    if of_bytes(dataset.spec):
        own = texts.codes[texts.offsets[row] : texts.offsets[row] + 4 * _BEGINNING].tobytes()
        begins = f", which begins with {own.decode('utf-8', 'replace')[:_BEGINNING]!r},"
    return [
        *remarks,
        f"the longest text has {most} symbols, and 99 of 100 have at most {usual:g}; it is event {row}{begins} "
        f"and costs memory and time, so divide or remove it",
    ]


def about_empty_lines(empty: int, lines: int) -> tuple[str, ...]:
    """Return a note if so many lines of a file are empty that it may be one long text."""
    if empty * 20 < lines or lines < 100:
        return ()
    return (f"if the empty lines divide paragraphs of one long text, learn it with {argument('window', 256)}",)


def _in_words(found: Counter[str]) -> dict[str, Any]:
    total = found.total()
    shares = [f"{_shown(char)} {count / total:.1%}" for char, count in found.most_common(_SHOWN)]
    scripts = _scripts(found)
    letters = sum(scripts.values())
    return {
        "characters": f"{total}, {len(found)} different ones, most often {', '.join(shares)}" if total else "none",
        "scripts": ", ".join(f"{name} {_share(count, letters)}" for name, count in scripts.items()) or "no letters",
    }


def _share(count: int, total: int) -> str:
    """Return a share in percent that is 100 % only if it is all, and 0 % never."""
    percent = 100 * count / total
    if percent > 99.9:
        return "100 %" if count == total else "> 99.9 %"
    return "< 0.1 %" if percent < 0.1 else f"{percent:.1f} %"


def _shown(char: str) -> str:
    names = {" ": "space", "\n": "line feed", "\t": "tab"}
    return names.get(char) or (char if char.isprintable() else f"U+{ord(char):04X}")


def _counted(codes: Array, end: int) -> Array:
    """Return how often each code occurs, `(end,)`, without a copy of all codes in a larger type."""
    counts = np.zeros(end, np.int64)
    for start in range(0, len(codes), _PART):
        counts += np.bincount(codes[start : start + _PART], minlength=end)
    return counts


def _characters(texts: Texts) -> Counter[str]:
    """Count the characters of texts of bytes; bytes that are no UTF-8 count as U+FFFD."""
    if not len(texts.codes) or texts.codes.max() < 128:
        counts = _counted(texts.codes, 128)
    else:
        counts = np.zeros(_UNICODE, np.int64)
        start = 0
        while start < len(texts.codes):
            stop = min(start + _PART, len(texts.codes))
            while stop < len(texts.codes) and texts.codes[stop] & 0xC0 == 0x80:
                stop += 1
            own = texts.codes[start:stop].tobytes().decode("utf-8", "replace")
            counts += np.bincount(np.frombuffer(own.encode("utf-32-le"), np.uint32), minlength=_UNICODE)
            start = stop
    return Counter({chr(place): int(counts[place]) for place in np.flatnonzero(counts).tolist()})


def _scripts(found: Counter[str]) -> dict[str, int]:
    """Return the number of letters of each script, the most frequent first, by the first word of a letter's name."""
    scripts: Counter[str] = Counter()
    for char, count in found.items():
        plain = unicodedata.normalize("NFKC", char)[:1]
        if unicodedata.category(plain).startswith("L"):
            name = unicodedata.name(plain, "other").split()[0].removesuffix("-COMPATIBILITY")
            scripts[name if name == "CJK" else name.capitalize()] += count
    return dict(scripts.most_common())


def _odd(found: Counter[str]) -> dict[str, int]:
    """Return the number of characters that hardly belong in a text, by what they are called."""
    odd: dict[str, int] = {}
    for char, count in found.items():
        if char in _NAMES:
            odd[_NAMES[char]] = count
        elif unicodedata.category(char) == "Cc" and char not in "\n\t":
            odd[f"control characters U+{ord(char):04X}"] = count
    return dict(sorted(odd.items(), key=lambda item: -item[1]))
