"""Columns of text: trimmed, their missing values marked, and converted to numbers if most of them are."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genzoo.data.columns.ids import has_codes
from genzoo.data.marks import MISSING, missing_option
from genzoo.data.readers.number_formats import CURRENCY, FORMS, Numbers, number_pattern
from genzoo.errors import DataError
from genzoo.wording import argument

_LIKE_A_NUMBER = (
    rf"^[(+−-]?\s?(?:{CURRENCY}\s?)?[+−-]?[\d.,'’ \x{{a0}}\x{{202f}}\x{{2009}}]+(?:[eE][+-]?\d+)?"
    rf"(?:\s?{CURRENCY}|\s?%)?\)?$|^[+-]?[Ii][Nn][Ff]"
)
_WITH_UNIT = (
    r"^(?P<number>[+−-]?\d[\d.,' \x{a0}]*?)[\s\x{a0}]?"
    r"(?P<unit>[^\d\s.,:/'()+−\x{00}-\x{1f}-][^\d\s\x{00}-\x{1f}]{0,11}|[a-zµ]{0,2}m[23])$"
)
_TRUTHS = pa.array(["true", "True", "TRUE", "false", "False", "FALSE"])


@dataclass(frozen=True, slots=True)
class Cells:
    """How the texts of a table are read.

    Arguments:
        shown: name of the table, for messages.
        where: returns the position of a row, for messages.
        forms: the ways to write numbers, by preference.
        facts: gains an entry for each column whose numbers are written in an unusual way.
        numeric: columns that hold numbers even if these begin with 0, as 05412. Defaults to none.
    """

    shown: str
    where: Callable[[int], str]
    forms: Sequence[Numbers]
    facts: dict[str, str]
    numeric: Collection[str] = ()

    def settled(self, name: str, values: Any, marks: Sequence[str]) -> Any:
        """Return a column of texts as numbers, if most are numbers; else as trimmed texts, of either type.

        Arguments:
            name: name of the column.
            values: a `pyarrow.ChunkedArray` of strings, or of a dictionary of strings.
            marks: texts that mean a missing value in this column.

        Raises:
            DataError: a text is not a number in a column of numbers.
        """
        compact = pa.types.is_dictionary(values.type)
        coded = (values.unify_dictionaries() if compact else values.dictionary_encode()).combine_chunks()
        if isinstance(coded, pa.ChunkedArray):
            coded = coded.unify_dictionaries().combine_chunks()
        texts = trimmed(coded.dictionary, marks)
        codes = name not in self.numeric and has_codes(texts)
        numbers = None if codes else self._numbers(name, values, texts, coded.indices)
        if numbers is not None:
            return _taken(numbers, coded.indices)
        plain = texts.drop_null()
        if len(plain) and pc.all(pc.is_in(plain, _TRUTHS)).as_py():
            return _taken(pc.utf8_lower(texts).cast(pa.bool_()), coded.indices)
        if not texts.equals(coded.dictionary):
            return _taken(texts, coded.indices)
        return pa.chunked_array([coded]) if compact else values

    def _numbers(self, name: str, values: Any, texts: Any, indices: Any) -> Any:
        """Return the number of each distinct text; None if most of the rows are no numbers."""
        present = np.asarray(texts.is_valid())
        texts, unit = _without_unit(texts)
        like = pc.match_substring_regex(texts, _LIKE_A_NUMBER).fill_null(False)
        if not pc.any(like).as_py():
            return None  # without a count of the rows, which takes longer
        counts = np.bincount(np.asarray(indices.drop_null()), minlength=len(texts)) * present
        total = counts.sum()
        if not total or counts[np.asarray(like)].sum() * 2 <= total:
            return None
        best, most = None, total // 2
        for form in self.forms:
            match = np.asarray(_matches(texts, form))
            share = counts[match].sum()
            if share > most:
                best, most = form, share
            if share == total:
                break
        if best is None:
            return None
        others = texts.filter(pc.and_(texts.is_valid(), pc.invert(_matches(texts, best)))).to_pylist()
        mixed = _mixed(texts.drop_null())
        if others or mixed:
            raise self._not_numbers(name, values, others or mixed)
        if unit:
            self.facts[f"unit of {name}"] = unit
        self._remember(name, texts, best)
        return _parsed(texts, best)

    def _remember(self, name: str, texts: Any, form: Numbers) -> None:
        """Note the numbers whose reading a user may want to check."""
        plain = pc.match_substring_regex(texts, r"^[+-]?\d*\.?\d*(?:[eE][+-]?\d+)?$|^[+-]?[Ii]nf").fill_null(True)
        odd = texts.filter(pc.invert(plain))
        if len(odd):
            value = _parsed(odd.slice(0, 1), form)[0].as_py()
            self.facts[f"numbers of {name}"] = f"{odd[0].as_py()!r} is {value:.15g}"

    def _not_numbers(self, name: str, values: Any, others: Sequence[str]) -> DataError:
        row = next(row for row, text in enumerate(values.to_pylist()) if text is not None and text.strip() == others[0])
        kind = argument("kinds", {name: "categorical"})
        if others[0] == name:
            return DataError(
                f"{self.shown}: column {name!r} must hold numbers, and {self.where(row)} repeats its name, as in files "
                f"that were joined. Delete such lines."
            )
        return DataError(
            f"{self.shown}: column {name!r} must hold numbers, and holds {others[0]!r} in {self.where(row)}. "
            f"{self._remedy(name, others)}Correct it, or train with the column as categories: {kind}."
        )

    def _remedy(self, name: str, others: Sequence[str]) -> str:
        """Return the options that read the texts, as a sentence."""
        for form in FORMS:
            if form not in self.forms and all(form.matches(text) for text in others):
                option = argument("decimal", form.decimal)
                if form.thousands is not None:
                    option = argument("thousands", form.thousands)
                return f"Say {option} if that is how numbers are written. "
        faulty = re.compile(r"#\w+(/\w+)?[!?]?")  # as spreadsheets write what they cannot compute
        if any(re.search(r"\d", text) and not faulty.fullmatch(text) for text in others) or len(others) > 3:
            return ""
        options = " ".join(missing_option(text) for text in others)
        return f"Say {options} if it means a missing value. "


def trimmed(texts: Any, marks: Sequence[str]) -> Any:
    """Return texts without blanks at their ends; those that mean a missing value become null."""
    plain = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.is_in(plain, pa.array([*MISSING, *marks], plain.type)), None, plain)


def _without_unit(texts: Any) -> tuple[Any, str]:
    """Return texts without the unit that all share, such as kg in 5 kg and 7.5 kg, and the unit; empty if none."""
    plain = texts.drop_null()
    parts = pc.extract_regex(plain, _WITH_UNIT)
    if len(plain) < 2 or parts.null_count:
        return texts, ""
    units = parts.field("unit").unique()
    if len(units) > 1 or pc.all(pc.match_substring_regex(units, rf"^(?:{CURRENCY}|%)$")).as_py():
        return texts, ""
    return pc.extract_regex(texts, _WITH_UNIT).field("number"), units[0].as_py()


def _matches(texts: Any, form: Numbers) -> Any:
    pattern = f"^(?:{number_pattern(form.decimal, form.thousands)})$"
    return pc.match_substring_regex(texts, pattern).fill_null(False)


def _mixed(texts: Any) -> list[str]:
    """Return a text if some numbers have a percent or currency sign that others lack; empty if none has."""
    percent = pc.match_substring(texts, "%")
    some = pc.sum(percent).as_py() or 0
    bare_zero = pc.match_substring_regex(texts, r"^[+-]?0[.,]?0*$")
    if some and not pc.all(pc.or_(percent, bare_zero)).as_py():
        return [texts.filter(percent)[0].as_py()]
    signs = pc.extract_regex(texts, rf"(?P<sign>{CURRENCY})").field("sign").drop_null().unique()
    if len(signs) > 1:
        return [texts.filter(pc.match_substring(texts, signs[1].as_py()))[0].as_py()]
    return []


def _parsed(texts: Any, form: Numbers) -> Any:
    """Return the numbers that texts of one form are; whole numbers as int64."""
    bare = pc.replace_substring_regex(texts, rf"^\+|{CURRENCY}\s?\+?|[\s%()\x{{a0}}\x{{202f}}\x{{2009}}]", "")
    if form.thousands is not None and form.thousands != " ":
        for mark in (form.thousands, "’"):
            bare = pc.replace_substring(bare, mark, "")
    if form.decimal != ".":
        bare = pc.replace_substring(bare, form.decimal, ".")
    bare = pc.replace_substring(bare, "−", "-")
    negative = pc.match_substring_regex(texts, r"^\(")
    bare = pc.if_else(negative, pc.binary_join_element_wise("-", bare, ""), bare)
    whole = pc.all(pc.match_substring_regex(bare, r"^-?\d{1,15}$")).as_py()
    return bare.cast(pa.int64()) if whole else bare.cast(pa.float64())


def _taken(dictionary: Any, indices: Any) -> Any:
    return pa.chunked_array([dictionary.take(indices)])
