"""The name under which the zoo knows a model that is given by its name, as `./my_model.py:MyModel`, or as a class."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from genzoo.errors import ConfigError
from genzoo.plugins.local import split_reference


def known_name(model: Any) -> Any:
    """Return the name of a model. A class of the user's becomes known first, and its file is run if it is named.

    Arguments:
        model: a name or id, `FILE.py:CLASS`, or a class derived from `genzoo.Generator`. Anything else comes back as it
            is.

    Raises:
        ConfigError: the file or the class does not exist, or the class is not one of a model.
        PluginError: the file cannot be run.
    """
    if not (isinstance(model, str) and split_reference(model)[0]) and not _is_module_class(model):
        return model
    from genzoo.models.local import register_class, register_reference  # imported here, because names need no torch

    return register_reference(model) if isinstance(model, str) else register_class(model)


def check_distinct(models: Iterable[Any]) -> None:
    """Check that no two different classes of the user's have the same name, which is all that reports show of them.

    Arguments:
        models: as for `known_name`.

    Raises:
        ConfigError: two have.
    """
    seen: dict[str, Any] = {}
    for model in models:
        file, name = split_reference(model) if isinstance(model, str) else ("", getattr(model, "__name__", ""))
        if (file or _is_module_class(model)) and seen.setdefault(name, model) != model:
            raise ConfigError(f"Two different models are called {name!r}. Rename one of the classes.")


def _is_module_class(model: Any) -> bool:
    """Return whether something is a class of torch's modules; torch is not imported to find out."""
    return inspect.isclass(model) and any(
        base.__module__ == "torch.nn.modules.module" and base.__name__ == "Module" for base in model.__mro__
    )
