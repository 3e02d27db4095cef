"""Continue texts that begin with a prompt, and watch a text while it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genzoo.data.texts.flat import lengths_of
from genzoo.data.texts.symbols import as_bytes, encoded
from genzoo.data.transforms.ended import lengths_in
from genzoo.errors import ConfigError, DataError, PluginError
from genzoo.inference.data_units import DataUnits
from genzoo.models.base import Autoregressive
from genzoo.models.next_symbol import collect_symbols
from genzoo.plugins.manager import models_that
from genzoo.spec.events import DataSpec
from genzoo.text import counted
from genzoo.typing import Array
from genzoo.wording import argument

Watch = Callable[[bytes], None]
"""Takes the bytes of a text so far, after each of its symbols."""


def spec_in_model(units: DataUnits) -> DataSpec:
    """Describe one text in model space: its symbols, and the longest text in these."""
    return units.inner


def in_model(units: DataUnits, codes: Array) -> Tensor:
    """Return one text, codes `(P,)` in data units, as symbols of the model, `(1, L)` int64, without its end."""
    if not len(codes):
        return torch.empty((1, 0), dtype=torch.int64, device=units.device)
    symbols: Tensor = units.transform(units.to_device(codes[None])).long()
    return symbols[:, : int(lengths_in(symbols, spec_in_model(units).end or 0))]


def in_data(units: DataUnits, symbols: Tensor) -> bytes:
    """Return the bytes of one text of the model, symbols `(1, L)`."""
    if not symbols.shape[1]:
        return b""
    block = units.to_data(symbols.to(units.dtype))
    return as_bytes(block[:, : int(lengths_of(block, units.data.end or 0)[0])], units.data)[0]


@dataclass(frozen=True, slots=True)
class Beginning:
    """What texts begin with, and who watches the first one while it is drawn.

    Arguments:
        prompt: symbols of the model, `(1, P)` int64; P may be 0.
        watch: as `Watch`. Defaults to `None`: nobody watches.
    """

    prompt: Tensor
    watch: Watch | None = None

    @staticmethod
    def of(units: DataUnits, prompt: object, watch: Watch | None = None) -> Beginning | None:
        """Return what texts of a model begin with; `None` if there is no prompt, and nobody watches.

        Arguments:
            prompt: a `str` that is not empty, or `None`.

        Raises:
            ConfigError: the model continues no texts, or not this one.
        """
        if prompt is None and watch is None:
            return None
        what, name = "A prompt begins a text", argument("prompt")
        if prompt is None:
            what, name = "A text is shown symbol by symbol", argument("stream", True)
        if not units.data.form.ended:
            raise ConfigError(f"{what}, and model {units.model!r} draws {units.data.form.events}. Leave {name} out.")
        if not isinstance(units.generator, Autoregressive):
            able = {"autoregressive"}
            others = models_that("has it", lambda spec: able <= spec.capabilities and spec.takes(units.data))
            raise ConfigError(
                f"{what}, and model {units.model!r} does not draw one symbol after another: it has no "
                f"'autoregressive'. Leave {name} out, or use {others}."
            )
        codes = _checked(units, prompt) if prompt is not None else units.no_events().reshape(-1)
        return Beginning(in_model(units, codes), watch)

    @property
    def unwatched(self) -> Beginning:
        """The same for texts that nobody watches."""
        return Beginning(self.prompt)

    def continued(self, units: DataUnits, n: int, wanted: int, condition: Tensor | None) -> Tensor:
        """Draw the texts of a group, `(n, L)` in model space, whose first ones are of use.

        Arguments:
            wanted: number of texts that are of use.
            condition: what to draw each text given, `(n, D)`, or `None`.

        Raises:
            PluginError: the model yields too few symbols.
        """
        generator, inner, watch = units.require(Autoregressive), spec_in_model(units), self.watch
        given: dict[str, Any] = {} if condition is None else {"condition": condition}
        prompt = self.prompt.expand(n, -1).contiguous()
        assert inner.end is not None
        try:
            return collect_symbols(
                generator.generate(prompt, **given, **units.sampling.options),
                prompt,
                end=inner.end,
                longest=inner.event_shape[0],
                wanted=min(n, wanted),
                watch=None if watch is None else lambda symbols: watch(in_data(units, symbols)),
            )
        except StopIteration as error:
            raise PluginError(f"Model {units.model!r} stops to generate before its texts have ended.") from error


def _checked(units: DataUnits, prompt: object) -> Array:
    """Return a prompt as codes in data units, `(P,)`.

    Raises:
        ConfigError: it is no text, is empty, is too long, or holds what no text of the model can hold.
    """
    if not isinstance(prompt, str):
        raise ConfigError(f"A prompt is a str, and {prompt!r} is of type {type(prompt).__name__}.")
    if not prompt:
        raise ConfigError(f"The prompt is empty. Leave {argument('prompt')} out to draw whole texts.")
    try:
        codes = encoded([prompt], "The prompt", units.data).codes
    except DataError as error:
        raise ConfigError(str(error)) from error
    longest = units.data.event_shape[0]
    symbols = in_model(units, codes)
    if len(codes) >= longest or symbols.shape[1] >= spec_in_model(units).event_shape[0]:
        raise ConfigError(
            f"The prompt has {counted(len(codes), units.data.features[0].name)}, and the longest text of the model has "
            f"{longest}, so nothing is left to draw. Shorten the prompt."
        )
    if in_data(units, symbols) != as_bytes(codes[None], units.data)[0]:
        strange = next((letter for letter in dict.fromkeys(prompt) if not _survives(units, letter)), prompt)
        raise ConfigError(
            f"The prompt holds {strange!r}, which no training text of model {units.model!r} holds, so the model cannot "
            f"write it. Leave it out of the prompt, or train on texts that hold it."
        )
    return codes


def _survives(units: DataUnits, letter: str) -> bool:
    """Return whether a character is the same after it has been symbols of the model."""
    codes = encoded([letter], "The prompt", units.data).codes
    return in_data(units, in_model(units, codes)) == as_bytes(codes[None], units.data)[0]
