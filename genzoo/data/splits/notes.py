"""What the user should know about a split, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genzoo.config.data import SplitSettings
from genzoo.data.dataset import Dataset, Split
from genzoo.data.splits.duplicates import repeated, row_keys, stand_in
from genzoo.data.splits.large import LARGE_ROWS
from genzoo.data.texts.windows import Windows
from genzoo.text import counted
from genzoo.wording import argument

MOST_BYTES = 2**32
"""Size of data, in bytes, above which a training does not look for equal rows: it would read all of them once more."""


def split_notes(dataset: Dataset, split: Split, settings: SplitSettings) -> list[str]:
    """Return how the rows of a dataset are divided, if not at random, and how many equal rows are on both sides.

    Arguments:
        split: the rows, as `settings` divide them.
    """
    return [*how_divided(dataset, split, settings), *repeats(dataset, split, settings)]


def how_divided(dataset: Dataset, split: Split, settings: SplitSettings) -> list[str]:
    """Return how the rows of a dataset are divided, as sentences; none if at random."""
    return [*_about_groups(dataset, split, settings), *_about_order(dataset, split, settings)]


def _parts(split: Split) -> dict[str, np.ndarray]:
    named = {"training": split.train, "validation": split.validation, "test": split.test}
    return {name: rows for name, rows in named.items() if len(rows)}


def _about_groups(dataset: Dataset, split: Split, settings: SplitSettings) -> list[str]:
    groups = dataset.groups
    if groups is None:
        return []
    found = {name: np.unique(groups[rows]) for name, rows in _parts(split).items()}
    shares = _listed([f"{len(names)} in {part}" for part, names in found.items()])
    by = f" by {_listed(list(settings.by))}" if settings.by else ""
    notes = [f"rows are held out in whole groups{by}: {counted(len(np.unique(groups)), 'group')}, {shares}"]
    if dataset.test_rows:
        both = int(np.isin(found["test"], np.concatenate([found[name] for name in found if name != "test"])).sum())
        notes += [f"{counted(both, 'group')} of the data's own test rows also have training or validation rows"] * (
            both > 0
        )
    return [*notes, *_about_features(dataset, settings.by)]


def _about_order(dataset: Dataset, split: Split, settings: SplitSettings) -> list[str]:
    if settings.method == "contiguous" or dataset.spec.windows:
        what = "windows" if dataset.spec.windows else "rows"
        order = f"{what} are held out in their order: first training, then validation, then test {what}"
        return [order, *(dataset.events.about_rests if isinstance(dataset.events, Windows) else ())]
    if settings.hashed is not None:
        stay = f"rows are held out by a hash of {settings.hashed}: rows with one value stay together"
        return [stay, *_about_features(dataset, (settings.hashed,))]
    if settings.time is None or dataset.times is None:
        return []
    ends = [f"{name} {_span(dataset.times[rows])}" for name, rows in _parts(split).items()]
    return [
        f"the latest rows by {settings.time} are held out: {', '.join(ends)}",
        *_about_features(dataset, (settings.time,)),
    ]


def _span(times: np.ndarray) -> str:
    ends = np.array([times.min(), times.max()])
    if ends.dtype.kind != "M":
        return f"{ends[0]:.15g} to {ends[1]:.15g}"
    seconds = ends.astype("datetime64[s]")
    exact = seconds if (seconds == ends).all() else ends
    first, last = np.datetime_as_string(ends if ends.dtype == "datetime64[D]" else exact)
    return f"{first} to {last}".replace("T", " ")


def _about_features(dataset: Dataset, columns: Sequence[str]) -> list[str]:
    """Say whether the columns that divide the rows are learned from."""
    names = {feature.name for feature in dataset.spec.features}
    return [
        f"the model learns from {name}, too"
        if name in names
        else f"the model does not see {name}, unless {argument('columns')} names it"
        for name in columns
    ]


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many rows are exactly equal.

    Arguments:
        rows: rows that repeat an earlier row.
        validation, test: validation rows and test rows that equal a training row.
    """

    rows: int
    validation: int
    test: int


def count_repeats(dataset: Dataset, split: Split) -> Repeats:
    """Count the equal rows of a dataset; images count as rows."""
    keys = row_keys(dataset.events)
    train = np.sort(keys[split.train])
    both = [stand_in(keys[rows], train) for rows in (split.validation, split.test)]
    return Repeats(repeated(keys), *both)


def repeats(dataset: Dataset, split: Split, settings: SplitSettings) -> list[str]:
    """Return a sentence about exactly equal rows; none if there are none, or if they are no surprise.

    Rows of a table without continuous columns repeat because there are few different ones.
    """
    if len(dataset.spec.discrete) == len(dataset.spec.features):
        return []
    what = dataset.spec.form.event
    if dataset.events.nbytes > MOST_BYTES:
        return [f"equal {what}s were not counted, because the data are larger than {MOST_BYTES / 2**30:g} GiB"]
    if len(dataset) > LARGE_ROWS and not isinstance(dataset.events, np.ndarray):
        return [f"equal {what}s were not counted, because there are more than {LARGE_ROWS:,} {what}s"]
    found = count_repeats(dataset, split)
    if not found.rows:
        return []
    verb = "repeats" if found.rows == 1 else "repeat"
    text = f"{found.rows:,} of {len(dataset):,} {what}s {verb} an earlier {what} exactly"
    sides = {"validation": found.validation, "test": found.test}
    counts = [f"{count:,} of {len(getattr(split, part)):,} {part} {what}s" for part, count in sides.items() if count]
    if not counts:
        return [f"{text}, none on both sides of the split"]
    plural = "stands" if sum(sides.values()) == 1 else "stand"
    text += f"; {_listed(counts)} also {plural} in the training {what}s"
    own = dataset.test_rows and not found.validation
    return [
        text
        if own or settings.method != "random" or dataset.spec.windows
        else f"{text}, and {argument('duplicates_together', True)} prevents that"
    ]


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""
