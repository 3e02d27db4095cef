"""Ways to write numbers, and the kind of a text: a number, a date, a truth value or other text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from genzoo.config.data import DataSettings

CURRENCY = (
    r"(?:R?\$|[€£¥₹₽₩₺₪₫]|USD|EUR|GBP|CHF|JPY|CAD|AUD|NZD|CNY|INR|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|kr\.?|zł|Kč)"
)


_DATE = re.compile(
    r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([T ]\d.*)?|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}( \d.*)?|\d{1,2}:\d{2}(:\d{2}.*)?"
)


_PLAIN = re.compile(r"-?\d+(?:\.\d+)?")


_NUMBER_BEGINS = frozenset("0123456789+-−(.,iI$€£¥₹₽₩₺₪₫UEGCJANISDPHBMZRKkz")


_TRUTHS = frozenset({"true", "false"})
UNIT = re.compile(
    r"[\[(].*[\])]|%|°[CF]?|(?:[kmMGhcdnµuμ]?(?:g|m|s|Pa|bar|mol|V|A|W|Wh|J|N|Hz|l|L|B|eV)|kg|mmHg|lb|lbs|ft|in|min|h|hr"
    r"|hours?|days?|d|yr|years?|months?|K|C|F|deg[CFK]?|rad|ppm|ppb|USD|EUR|GBP|\$|€|£|dB|t|mph|kmh|rpm|count|units?)"
    r"(?:\^?-?[0-9²³])?(?:[/·* ].*)?"
)


def number_pattern(decimal: str, thousands: str | None) -> str:
    """Return the regular expression of a number, with an optional currency sign or percent sign.

    Arguments:
        decimal: the decimal mark.
        thousands: the mark between groups of three digits; None for none. A space also stands for no-break spaces.
    """
    mark = re.escape(decimal)
    group = {None: "", " ": r"[ \x{a0}\x{202f}\x{2009}]", "'": r"['’]"}.get(thousands, re.escape(thousands or ""))
    # 1,234,567, or 12,34,567 as in India
    whole = rf"(?:\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}}|\d+)" if thousands else r"\d+"
    bare = rf"(?:{whole}(?:{mark}\d*)?|{mark}\d+)(?:[eE][+−-]?\d+)?"
    return (
        rf"[+−-]?\s?(?:{CURRENCY}\s?)?[+−-]?{bare}(?:\s?{CURRENCY}|\s?%)?"
        rf"|\((?:{CURRENCY}\s?)?{bare}(?:\s?{CURRENCY}|\s?%)?\)|[+−-]?(?:inf|Inf|INF|[Ii]nfinity)"
    )


@dataclass(frozen=True, slots=True)
class Numbers:
    """How numbers are written."""

    decimal: str = "."
    thousands: str | None = None

    def matches(self, text: str) -> bool:
        """Return whether a text is such a number."""
        return _compiled(self).fullmatch(text) is not None


_PATTERNS: dict[Numbers, re.Pattern[str]] = {}


def _compiled(numbers: Numbers) -> re.Pattern[str]:
    if numbers not in _PATTERNS:
        pattern = number_pattern(numbers.decimal, numbers.thousands)
        _PATTERNS[numbers] = re.compile(re.sub(r"\\x\{(\w+)\}", lambda code: chr(int(code[1], 16)), pattern))
    return _PATTERNS[numbers]


FORMS = tuple(
    Numbers(decimal, thousands) for decimal in ".," for thousands in (None, "," if decimal == "." else ".", " ", "'")
)
"""Every way to write numbers, the usual ones first."""


def forms(settings: DataSettings, decimal: str = ".") -> list[Numbers]:
    """Return the ways to write numbers that the settings allow, those with the file's decimal mark first."""
    known = [form for form in FORMS if settings.decimal in (None, form.decimal)]
    if settings.thousands is not None:
        known = [form for form in known if form.decimal != settings.thousands]
        known = list(dict.fromkeys(Numbers(form.decimal, settings.thousands) for form in known))
    return sorted(known, key=lambda form: form.decimal != (settings.decimal or decimal))


def kind_of(text: str, known: Sequence[Numbers]) -> str:
    """Return `number`, `date`, `truth` or `text`."""
    if text[:1] in _NUMBER_BEGINS and (
        (_PLAIN.fullmatch(text) and known[0].decimal == ".") or any(form.matches(text) for form in known)
    ):
        return "number"
    if _DATE.fullmatch(text):
        return "date"
    return "truth" if text.lower() in _TRUTHS else "text"


def looks_numeric(text: str) -> bool:
    """Return whether a text is a number in any form."""
    return any(form.matches(text) for form in FORMS)


_LEAST_MARKED = 2


def may_be_thousands(texts: Sequence[str], decimal: str) -> str | None:
    """Return a number whose decimal mark may stand between groups of three digits; None if nothing hints at it.

    All numbers with the mark have three digits behind it, and others have no mark and at most three digits: 345, 1.234
    and 12.345. Measurements with three decimals have a mark in every number.

    Arguments:
        texts: some texts of a column.
        decimal: the decimal mark.
    """
    grouped = re.compile(rf"[+-]?[1-9]\d{{0,2}}{re.escape(decimal)}\d{{3}}")
    marked = [text for text in texts if decimal in text]
    bare = [text for text in texts if decimal not in text]
    if len(set(marked)) < _LEAST_MARKED or len(set(bare)) < _LEAST_MARKED or not all(map(grouped.fullmatch, marked)):
        return None
    return marked[0] if all(re.fullmatch(r"[+-]?\d{1,3}", text) for text in bare) else None
