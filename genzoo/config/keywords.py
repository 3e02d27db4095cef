"""Settings as keywords of `genzoo.train` and `genzoo.compare`, each under its own name."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel

from genzoo.config.data import DataSettings, SplitSettings
from genzoo.config.layers import merge_training
from genzoo.config.resolve import options_class
from genzoo.config.training import TRAINING_CLASSES, OptimizerConfig
from genzoo.errors import ConfigError
from genzoo.plugins.registry import Entry, Registry
from genzoo.spec.entries import ModelSpec

_ARGUMENTS = frozenset({"kind", "name", "callbacks", "source", "method", "by"})
"""Settings that are no keywords: their words mean something else in a call, or they have an argument of their own."""


def _places() -> dict[str, tuple[str, ...]]:
    """Return the place of each setting that is a keyword, such as `("training", "optimizer", "lr")`, by its name."""
    sections: list[tuple[tuple[str, ...], type[BaseModel]]] = [
        (("split",), SplitSettings),
        (("data",), DataSettings),
        (("training", "optimizer"), OptimizerConfig),
        *((("training",), kind) for kind in TRAINING_CLASSES.values()),
    ]
    places = {name: (*path, name) for path, settings in sections for name in settings.model_fields}
    return {name: path for name, path in places.items() if name not in _ARGUMENTS}


PLACES = _places()
"""Place of each setting that is a keyword, by its name."""


@dataclass(frozen=True, slots=True)
class Keywords:
    """Keywords of a call, by what they set.

    Arguments:
        options: options of the model; names that nothing has are among them.
        training, data, split: settings of these.
    """

    options: dict[str, Any]
    training: dict[str, Any]
    data: dict[str, Any]
    split: dict[str, Any]

    def read(self, data: Any) -> Any:
        """Return what a call names as its data, with the settings that say how they are read."""
        if not self.data:
            return data
        if isinstance(data, Mapping):
            return {**data, **self.data}
        return self.data if data is None else {"source": data, **self.data}

    def trained(self, training: Any) -> Any:
        """Return the training settings that a call has as a mapping, with its keywords over them."""
        known = isinstance(training or {}, Mapping)  # otherwise the settings' own check fails
        return merge_training(training or {}, self.training) if known else training


def sort_keywords(given: Mapping[str, Any], options: Collection[str] = ()) -> Keywords:
    """Sort keywords into options of the model and settings of the run.

    Arguments:
        options: names of the model's options, which a keyword of the same name sets. Defaults to none.
    """
    sections: dict[str, dict[str, Any]] = {name: {} for name in ("options", "training", "data", "split")}
    for name, value in given.items():
        section, *groups, last = PLACES[name] if name in PLACES and name not in options else ("options", name)
        place = sections[section]
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = value.item() if isinstance(value, np.generic) else value
    return Keywords(**sections)


def option_names(entry: Entry[ModelSpec]) -> frozenset[str]:
    """Return the names of a model's options, former ones included."""
    return frozenset({*options_class(entry).model_fields, *entry.spec.renamed})


def check_model(registry: Registry, model: object) -> str:
    """Return the name of a model, after checking that it is a text.

    Raises:
        ConfigError: it is something else; the message says what a model is, and lists the names.
    """
    if isinstance(model, str):
        return model
    given, hint = _described(registry, model)
    raise ConfigError(
        f"A model is given by its name, such as 'gmm', and this is {given}. {hint}Names: "
        f"{', '.join(registry.models.names()) or 'none is installed'}; `genzoo models` describes them."
    )


def _described(registry: Registry, model: object) -> tuple[str, str]:
    """Return what an object is, and a sentence on what to do with it."""
    what = model if inspect.isclass(model) else type(model)
    name = f"the class {what.__name__}" if inspect.isclass(model) else f"of type {what.__name__}"
    if model is None:
        return "None", ""
    own = getattr(model, "model_id", None) if hasattr(model, "get_params") else None
    if isinstance(own, str) and registry.models.candidates_for(own):
        short = registry.models.get(own).spec.name
        name = f"{name}, an estimator" if inspect.isclass(model) else f"an estimator {name}"
        return name, f"Call its fit(X), or name its model: {short!r}. "
    if any(base.__module__.partition(".")[0] == "torch" and base.__name__ == "Module" for base in what.__mro__):
        return f"{name} of torch", "To train a network of your own, derive its class from genzoo.Generator. "
    return name, ""
