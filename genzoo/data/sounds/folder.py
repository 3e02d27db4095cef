"""Read folders of sounds, as events of one length and one rate."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset
from genzoo.data.sounds.files import FULL, Sound, UnreadableSoundError, read_sound
from genzoo.data.sounds.labels import METADATA, labels_of
from genzoo.errors import DataError
from genzoo.runtime.progress import Phase
from genzoo.spec.events import MOST_NUMBERS, DataSpec, Feature
from genzoo.spec.modality import SOUND_SUFFIXES
from genzoo.text import counted, shown_first
from genzoo.typing import Array
from genzoo.wording import Word, argument

_WHOLE = 0.98
"""Share of the recordings that fit the default length whole."""


def sound_spec(size: int, rate: int) -> DataSpec:
    """Return the spec of sounds of 16 bits, `(T,)`."""
    ends = (-float(FULL), float(FULL - 1))
    return DataSpec((size,), "audio", (Feature("amplitude"),), bounds=ends, quantum=1.0, storage="int16", rate=rate)


def read_folder(path: Path, settings: DataSettings) -> Dataset:
    """Read every sound in a folder and its subfolders.

    Files and folders whose name begins with a dot are left out. Channels are averaged. Recordings of other rates are
    resampled to `rate`, by default the most frequent one. They are cut at `seconds`, or followed by silence; by
    default, 98 % of the recordings fit whole, rounded up to a tenth of a second.

    Raises:
        DataError: there is no sound, one cannot be read (unless `skip_bad` is set), all are silent, or labels do not
            fit the files.
    """
    every = sorted(file for file in path.rglob("*") if file.is_file() and not _is_hidden(file.relative_to(path)))
    files = [file for file in every if file.suffix.lower() in SOUND_SUFFIXES]
    if not files:
        raise DataError(f"Folder {path} holds no sounds ({len(every)} other files). Known: {' '.join(SOUND_SUFFIXES)}.")
    labels = labels_of(path, files, settings)
    sounds, bad = _read(labels.files)
    _check_readable(path, sounds, bad, settings)
    label, codes = labels.chosen(settings)
    broken = {error.file for error in bad}
    kept = np.array([file not in broken for file in labels.files])
    found = dataset_of(path.resolve().name, sounds, settings)
    return dataclasses.replace(
        found,
        labels=None if codes is None else codes[kept],
        skipped=len(bad),
        unreadable=tuple(f"{error.file.relative_to(path)}: {error.reason}" for error in bad),
        notes=(*found.notes, *_left_out(path, every, files, labels.files)),
        label=label,
    )


def dataset_of(name: str, sounds: Sequence[Sound], settings: DataSettings) -> Dataset:
    """Return sounds as events of one length and one rate, as `read_folder` does.

    Raises:
        DataError: all are silent, or they are too long.
    """
    if all(sound.silent for sound in sounds):
        raise DataError(f"All {len(sounds)} sounds in {name} are silent, so there is nothing to learn.")
    rate = settings.rate or Counter(sound.rate for sound in sounds).most_common(1)[0][0]
    seconds = settings.seconds or _usual_seconds(sounds)
    size = max(1, round(seconds * rate))
    if size > MOST_NUMBERS:
        raise DataError(f"{seconds:g} s at {rate} Hz are more than {MOST_NUMBERS} samples. Use fewer seconds.")
    notes = tuple(_notes(sounds, rate, seconds, settings))
    return Dataset(name, sound_spec(size, rate), stacked(sounds, size, rate), facts=_facts(sounds), notes=notes)


def stacked(sounds: Sequence[Sound], size: int, rate: int) -> Array:
    """Return sounds at one rate, cut or followed by silence, `(N, T)` int16."""
    events = np.zeros((len(sounds), size), np.int16)
    for row, sound in enumerate(sounds):
        samples = sound.at(rate)[:size].clip(-FULL, FULL - 1)
        events[row, : len(samples)] = samples.round()
    return events


def _read(files: Sequence[Path]) -> tuple[list[Sound], list[UnreadableSoundError]]:
    sounds: list[Sound] = []
    bad: list[UnreadableSoundError] = []
    with Phase("reading sounds", len(files), "files") as phase:
        for file in phase.over(files, lambda _: 1):
            try:
                sounds.append(read_sound(file))
            except UnreadableSoundError as error:
                bad.append(error)
    return sounds, bad


def _check_readable(
    path: Path, sounds: Sequence[Sound], bad: Sequence[UnreadableSoundError], settings: DataSettings
) -> None:
    if bad and (not sounds or not settings.skip_bad):
        shown = shown_first([f"{error.file.relative_to(path)} ({error.reason})" for error in bad])
        remedy = f"Remove them, or leave such files out with {argument('skip_bad', True)}." if sounds else ""
        raise DataError(f"{len(bad)} of {len(bad) + len(sounds)} sounds in {path} cannot be read: {shown}. {remedy}")


def _usual_seconds(sounds: Sequence[Sound]) -> float:
    lengths = np.array([sound.seconds for sound in sounds])
    return float(np.ceil(np.quantile(lengths, _WHOLE, method="higher") * 10 - 1e-9) / 10)


def _facts(sounds: Sequence[Sound]) -> dict[str, str]:
    rates, channels = (Counter(getattr(sound, name) for sound in sounds) for name in ("rate", "channels"))
    lengths = [sound.seconds for sound in sounds]
    return {
        "rates": ", ".join(f"{rate} Hz ({count})" for rate, count in rates.most_common()),
        "channels": ", ".join(f"{number} ({count})" for number, count in channels.most_common()),
        "recorded": f"{min(lengths):.3g} to {max(lengths):.3g} s, median {np.median(lengths):.3g} s",
    }


def _notes(sounds: Sequence[Sound], rate: int, seconds: float, settings: DataSettings) -> list[str]:
    """Return what was done to recordings, and what looks wrong with them, each with all files that it concerns."""
    more = f" ({argument('seconds', Word('S'))} takes more)" if settings.seconds is None else ""
    about = (
        (f"resampled to {rate} Hz", [sound for sound in sounds if sound.rate != rate]),
        (
            f"cut at {seconds:g} s{more}",
            [sound for sound in sounds if sound.seconds > seconds + 1e-9],
        ),
        ("silent", [sound for sound in sounds if sound.silent]),
        ("clipped: samples stay at full scale", [sound for sound in sounds if sound.clipped]),
    )
    return [
        f"{counted(len(own), 'sound')} {what}: {shown_first([s.file.name for s in own])}" for what, own in about if own
    ]


def _left_out(path: Path, every: Sequence[Path], sounds: Sequence[Path], used: Sequence[Path]) -> list[str]:
    read, named = set(sounds), set(used)
    others = [file.relative_to(path).as_posix() for file in every if file not in read]
    others = [name for name in others if name != METADATA]
    unnamed = [file.relative_to(path).as_posix() for file in sounds if file not in named]
    notes = [f"files of other types left out: {len(others)} ({shown_first(others)})"] if others else []
    if unnamed:
        notes.append(f"{counted(len(unnamed), 'sound')} left out that {METADATA} does not name: {shown_first(unnamed)}")
    return notes


def _is_hidden(file: Path) -> bool:
    return any(part.startswith(".") for part in file.parts)
