"""Sampling options: how a model draws its samples, such as the number of steps."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from pydantic import BaseModel

from genzoo.config.settings import validate
from genzoo.errors import ConfigError, PluginError, did_you_mean
from genzoo.plugins.registry import Entry, extra_named, resolve
from genzoo.spec.entries import SAMPLING_GROUP, ModelSpec
from genzoo.wording import setting_name

ParamsT = ParamSpec("ParamsT")
ResultT = TypeVar("ResultT")


_TAKEN = ("n", "condition")
"""Arguments of `Generator.sample` that are no options."""


def sampling_class(entry: Entry[ModelSpec]) -> type[BaseModel] | None:
    """Return the pydantic class of a model's sampling options; `None` if it has none.

    Raises:
        PluginError: the spec names something else, or an option has the name of another argument of `sample`.
    """
    if not entry.spec.sampling:
        return None
    with extra_named(entry):
        found = resolve(entry.spec.sampling, entry.spec)
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise PluginError(
            f"{entry.id!r} names {entry.spec.sampling!r} as its sampling options, which is not a pydantic model."
        )
    if taken := [name for name in _TAKEN if name in found.model_fields]:
        raise PluginError(f"{entry.id!r} has a sampling option {taken[0]!r}, which is another argument of sample.")
    return found


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a model draws its samples.

    Arguments:
        model: name of the model, for messages. Defaults to an empty text.
        settings: its sampling options. Defaults to `None`: it has none.
        group: number of events that one call of `sample` draws. Defaults to 64.
    """

    model: str = ""
    settings: BaseModel | None = None
    group: int = SAMPLING_GROUP

    @staticmethod
    def of(
        entry: Entry[ModelSpec], given: Mapping[str, Any], group: int | None = None, *, section: str = "sampling"
    ) -> Sampling:
        """Validate the sampling options of a model.

        Arguments:
            given: values by the name of the option; the others have their defaults.
            group: number of events of one call. Defaults to the model's own.
            section: what comes before an option's name where the reader typed it. Defaults to "sampling".

        Raises:
            ConfigError: an unknown option, a value out of range, or the model has no sampling options.
        """
        cls = sampling_class(entry)
        return Sampling(
            entry.spec.name, _validated(cls, given, entry.spec.name, section), group or entry.spec.sampling_group
        )

    @property
    def options(self) -> dict[str, Any]:
        """The keywords of `Generator.sample`."""
        return {} if self.settings is None else dict(self.settings)

    @property
    def stored(self) -> dict[str, Any]:
        """The options as plain values, as files and protocols hold them."""
        return {} if self.settings is None else self.settings.model_dump(mode="json")

    def replaced(self, given: Mapping[str, Any] | None, *, section: str = "") -> Sampling:
        """Return the same with other values of some options.

        Arguments:
            given: values by the name of the option. `None` changes nothing.
            section: as for `of`. Defaults to none.

        Raises:
            ConfigError: as for `of`.
        """
        if not given and isinstance(given, Mapping | None):
            return self
        cls = None if self.settings is None else type(self.settings)
        known = given if not isinstance(given, Mapping) else {**dict(self.settings or ()), **given}
        return Sampling(self.model, _validated(cls, known, self.model, section), self.group)


def _validated(
    cls: type[BaseModel] | None, given: Mapping[str, Any] | Any, model: str, section: str
) -> BaseModel | None:
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"Sampling options are a mapping of names to values, and this is of type {type(given).__name__}."
        )
    if cls is not None:
        return validate(cls, given, f"Sampling with model {model!r}", section)
    if given:
        place = f"{section}.{next(iter(given))}" if section else str(next(iter(given)))
        raise ConfigError(
            f"Model {model!r} has no sampling options, so it takes no {setting_name(place)!r}. Leave it out."
        )
    return None


def options_together(function: Callable[ParamsT, ResultT]) -> Callable[ParamsT, ResultT]:
    """Let a function that has an argument `options` explain that sampling options are given in it.

    Raises:
        ConfigError: an option, or a misspelled argument, is given as a keyword of its own.
    """
    known = [name for name in inspect.signature(function).parameters if name != "self"]

    @functools.wraps(function)
    def call(*args: ParamsT.args, **keywords: ParamsT.kwargs) -> ResultT:
        for name, value in keywords.items():
            if name not in known:
                near = did_you_mean(name, known)
                hint = f" {near}" if near.startswith("Did") else ""
                raise ConfigError(
                    f"{function.__name__} has no argument {name!r}.{hint} Sampling options of the model are given "
                    f"together: options={{{name!r}: {value!r}}}."
                )
        return function(*args, **keywords)

    return call
