"""Draw the samples of a command line, write them, and show texts on a terminal: also while they are drawn."""

from __future__ import annotations

import codecs
import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from genzoo.data.texts.symbols import decoded
from genzoo.errors import ArtifactError, ConfigError, did_you_mean
from genzoo.inference.export import check_suffix, save_events
from genzoo.inference.joint import how_drawn
from genzoo.inference.trained_model import TrainedModel
from genzoo.runtime.progress import observed
from genzoo.spec.composite import CompositeSpec
from genzoo.spec.events import DataSpec
from genzoo.text import counted, harmless
from genzoo.typing import Array
from genzoo.verbs.blockwise import SampleRows
from genzoo.verbs.on_cluster import OnCluster
from genzoo.verbs.streaming import check_drawn_here, stream_samples

_MOST_TEXTS = 10
"""Largest number of texts that are shown whole."""


class TextStream:
    """Prints a text on stdout while it grows: complete characters only, and none that acts on a terminal."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._done: int | None = None

    def __call__(self, text: bytes) -> None:
        """Print what is new in the text so far."""
        self._print(self._decoder.decode(text[self._done or 0 :]))
        self._done = len(text)

    def end(self) -> None:
        """Print what is left of an incomplete character, and end the line if there is one."""
        if self._done is not None:
            self._print(self._decoder.decode(b"", final=True) + "\n")

    def _print(self, text: str) -> None:
        if text:
            click.echo(harmless(text), nl=False)
            sys.stdout.flush()


@contextlib.contextmanager
def streamed() -> Iterator[TextStream]:
    """Print a text while it is drawn, and no progress. The line ends in any case, also after an interrupt."""
    stream = TextStream()
    try:
        with observed(None):
            yield stream
    finally:
        stream.end()


def show_texts(events: Array, data: DataSpec) -> None:
    """Print the first texts, as they can be shown on a terminal."""
    for text in decoded(events[:_MOST_TEXTS], data):
        click.echo(harmless(text))
    if len(events) > _MOST_TEXTS:
        click.echo(f"and {len(events) - _MOST_TEXTS} more")


@dataclass(frozen=True, slots=True)
class Wish:
    """What to draw, as a command line says it: `TrainedModel.sample` explains the fields."""

    count: int
    seed: int
    mean: bool
    options: dict[str, Any]
    given: dict[str, str]
    prompt: str | None
    show: tuple[str, ...] = ()

    def shown(self, data: DataSpec) -> DataSpec:
        """Return what is written of events: all of them, one of their parts, or events of some parts.

        Raises:
            ConfigError: they have no such part.
        """
        if not self.show:
            return data
        parts = {piece.name: piece.spec for piece in data.pieces if piece.name}
        for name in self.show:
            if name not in parts:
                hint = did_you_mean(name, parts) if parts else "They have no parts. Leave --show out."
                raise ConfigError(f"--show names {name!r}, and the model draws {data.describe()}. {hint}")
        return (
            parts[self.show[0]] if len(self.show) == 1 else CompositeSpec.of({name: parts[name] for name in self.show})
        )

    def taken(self, events: Array, data: DataSpec) -> Array:
        """Return of events `(N, *event)` what is written."""
        if not self.show:
            return events
        chosen = [piece.take(events) for piece in data.pieces if piece.name in self.show]
        if len(chosen) > 1:
            return np.concatenate([part.reshape(len(events), -1) for part in chosen], 1)
        return np.asarray(chosen[0].astype(self.shown(data).storage))

    def drawn(self, fitted: TrainedModel, watch: TextStream | None) -> tuple[Array, Array | None]:
        """Draw the samples, and return them with their conditions."""
        return self.question.draw(fitted, self.count, watch=watch)

    @property
    def question(self) -> SampleRows:
        """The same without the number of samples, as parts of them are asked for."""
        return SampleRows(self.seed, self.mean, tuple(self.given.items()), json.dumps(self.options), self.prompt)

    def about(self, fitted: TrainedModel) -> str:
        """Return what the samples are, in words."""
        given = ", ".join(f"{name}={value}" for name, value in self.given.items())
        begin = "" if self.prompt is None else f" that begin{'s'[: self.count == 1]} with {self.prompt!r}"
        what = counted(self.count, "mean" if self.mean else "sample")
        return f"{what}{begin}{f' given {given}' if given else ''} ({self.shown(fitted.data).describe()})"

    def content(self, fitted: TrainedModel) -> dict[str, Any]:
        """Return the same for JSON."""
        used = fitted.sampling.replaced(self.options).stored
        drawn = {"count": self.count, "seed": self.seed, "mean": self.mean, "prompt": self.prompt}
        return {**drawn, "sampling": used}


def save_samples(
    fitted: TrainedModel,
    wish: Wish,
    out: Path | None,
    escape_formulas: bool,
    *,
    stream: bool | None,
    on: OnCluster | None = None,
) -> tuple[dict[str, Any], str]:
    """Draw and write samples. Return what was done, for JSON and as a line.

    Arguments:
        stream: whether to print a text while it is drawn; false if only on a terminal, and `None` if never.
        on: where samples are drawn. Defaults to `None`: in this process.
    """
    known = wish.given
    if wish.mean and "decoder" not in fitted.capabilities:
        raise ConfigError(f"Model {fitted.model!r} has no latent space to decode, so its samples have no means.")
    data = wish.shown(fitted.data)
    out = out or default_path(fitted, f"{wish.count}-seed{wish.seed}{'-mean' if wish.mean else ''}", data)
    check_suffix(out, wish.count, data)
    how: dict[str, Any] = {"escape_formulas": escape_formulas}
    whole = not wish.show
    if not (whole and stream_samples(fitted, wish.question, wish.count, out, check_finite, cluster=on, **how)):
        check_drawn_here(on)
        events, conditions = _drawn(fitted, wish, stream)
        check_finite(fitted, events)
        save_events(out, wish.taken(events, fitted.data), data, conditions=conditions, **how)
    content = {"out": str(out), **wish.content(fitted)}
    if known:
        content |= {"given": known, "draws": how_drawn(fitted.units, known)}
    noisy = not wish.mean and fitted.data.form.pictured and fitted.adds_noise
    value = fitted.units.inner.form.value
    hint = f"; they include the noise of each {value}, and --mean leaves it out" if noisy else ""
    hint += f"; {drawn}" if (drawn := how_drawn(fitted.units, known)) else ""
    return content, f"{wish.about(fitted)}: {out}{hint}"


def _drawn(fitted: TrainedModel, wish: Wish, stream: bool | None) -> tuple[Array, Array | None]:
    """Draw samples, and print texts on a terminal: a single one while it is drawn."""
    terminal = stream is not None and fitted.data.form.ended and sys.stdout.isatty()
    if not (stream or terminal):
        return wish.drawn(fitted, None)
    if stream or (wish.count == 1 and "autoregressive" in fitted.capabilities):
        with streamed() as watch:
            return wish.drawn(fitted, watch)
    events, conditions = wish.drawn(fitted, None)
    show_texts(events, fitted.data)
    return events, conditions


def check_finite(fitted: TrainedModel, events: Array) -> Array:
    """Return the events if all their values are finite.

    Raises:
        ArtifactError: one is not.
    """
    bad = int((~np.isfinite(events)).reshape(len(events), -1).any(1).sum())
    if bad:
        raise ArtifactError(
            f"{bad} of {len(events)} samples from {fitted.origin} hold values that are not finite. Its weights cannot "
            f"be used."
        )
    return events


def default_path(fitted: TrainedModel, name: str, data: DataSpec | None = None) -> Path:
    """Return the file that samples are written to if the command line names none.

    Arguments:
        data: what is written. Defaults to `None`: whole events.
    """
    return Path(f"{fitted.model.rpartition('/')[2]}-{name}{(data or fitted.data).form.suffix}")
