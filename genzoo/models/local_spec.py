"""The spec of a model that is a class of the user's: read from its attributes, its bases and its signatures."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any, get_type_hints

from pydantic import BaseModel, Field, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticSerializationError

from genzoo.config.settings import Settings
from genzoo.config.tokens import TokenOptions
from genzoo.config.training import BUDGETS
from genzoo.errors import ConfigError, GenzooError, PluginError, pass_out_of_memory
from genzoo.models.base import CAPABILITIES, Generator, Likelihood, LikelihoodBound, Parts, capability_name
from genzoo.models.objective import Objective
from genzoo.plugins.manager import check_input, get_registry
from genzoo.spec.entries import ClassName, ModelSpec, ObjectiveKind, ObjectiveSpec
from genzoo.spec.events import DataSpec
from genzoo.spec.modality import MODALITIES

_STATED = (
    "input",
    "modalities",
    "kinds",
    "missing",
    "conditional",
    "keeps_rows",
    "data",
    "presets",
    "reference",
    "sampling_group",
    "objective_options",
)
"""Fields of a spec that the class of a model may state as attributes."""

_KINDS: dict[str, ObjectiveKind] = {"EMObjective": "em", "DirectObjective": "direct", "GradientObjective": "gradient"}

_USUAL = {"epochs": 100}
"""Budget of a model that learns by gradients and states none."""


def check_class(cls: object, name: str) -> None:
    """Check that an object is the class of a model.

    Raises:
        ConfigError: it is not.
    """
    if not (inspect.isclass(cls) and issubclass(cls, Generator)):
        raise ConfigError(f"{name!r} is not the class of a model. Derive it from genzoo.Generator.")
    if lacking := sorted(getattr(cls, "__abstractmethods__", ())):
        raise ConfigError(f"Class {name!r} lacks {', '.join(lacking)}, which its bases need.")


def entries_of(cls: type[Generator], file: str) -> tuple[ModelSpec, tuple[ObjectiveSpec, ...]]:
    """Return the spec of a model, and the specs of its own objectives.

    Arguments:
        file: name of the file that it is in; empty if there is none.

    Raises:
        ConfigError: an attribute or an argument of the class is unusable.
    """
    name = cls.__name__
    home = ModuleType(f"_genzoo_model_{name}")
    vars(home)["Options"] = _options_of(cls)
    vars(home)["build"] = _builder(cls)
    sampler = _sampling_of(cls)
    if sampler is not None:
        vars(home)["Sampling"] = sampler
    names, own = _objectives_of(cls, home)
    sys.modules[home.__name__] = home  # where `resolve` finds what the specs name
    stated = {field.name: _stated(cls, field.name) for field in dataclasses.fields(ModelSpec)}
    try:
        spec = ModelSpec(
            name=ClassName(name),
            family="local",
            summary=_summary(cls, file),
            builder=f"{home.__name__}:build",
            config=f"{home.__name__}:Options",
            objectives=names,
            capabilities=frozenset(capability_name(one) for one in CAPABILITIES if issubclass(cls, one)),
            training=_training_of(cls),
            sampling="" if sampler is None else f"{home.__name__}:Sampling",
            **{**_usual_data(stated), **{name: value for name, value in stated.items() if value is not None}},
        )
        check_input(spec, get_registry().transforms.names())
    except (PluginError, TypeError, ValueError) as error:
        raise ConfigError(f"Class {name!r} does not describe a model: {error}") from error
    return spec, own


def _stated(cls: type[Generator], name: str) -> Any:
    value = getattr(cls, name, None) if name in _STATED else None
    return None if inspect.isroutine(value) or isinstance(value, property) else value


def _usual_data(stated: Mapping[str, Any]) -> dict[str, str]:
    """Return the data of a class that names none: a table if it takes tables, or else what its modalities have."""
    taken = stated["modalities"]
    tables = [form.data for name, form in MODALITIES.items() if form.columns and (taken is None or name in taken)]
    return {"data": tables[0]} if tables else {}


def _summary(cls: type[Generator], file: str) -> str:
    text = inspect.cleandoc(cls.__dict__.get("__doc__") or "").partition("\n")[0].strip().rstrip(".")
    return text or f"{cls.__name__} in {file or 'this process'}"


def _training_of(cls: type[Generator]) -> dict[str, Any]:
    """Return the recipe that a class states, with a budget; settings of another kind of training are ignored later."""
    stated = getattr(cls, "training", None)  # an attribute of modules, too, but not of their class
    recipe = dict(stated) if isinstance(stated, Mapping) else {}
    return recipe if any(recipe.get(name) is not None for name in BUDGETS) else {**_USUAL, **recipe}


def _builder(cls: type[Generator]) -> Callable[[Settings, DataSpec], Parts]:
    """Return the function that builds the parts of a model from its options and its data."""
    discriminator = getattr(cls, "discriminator", None)
    takes = () if discriminator is None else inspect.signature(discriminator).parameters
    unneeded = _unneeded(cls)

    def build(config: Settings, data: DataSpec) -> Parts:
        options = {name: value for name, value in dict(config).items() if name not in unneeded}
        with _located(cls):
            generator = cls(data, **options)
            if discriminator is None:
                return Parts(generator)
            return Parts(generator, discriminator(data, **{key: options[key] for key in options if key in takes}))

    return build


def _unneeded(cls: type[Generator]) -> frozenset[str]:
    """Return the options that a constructor need not take: the core transforms texts as `TokenOptions` say."""
    own, taken = getattr(cls, "Options", None), inspect.signature(cls).parameters
    if not (inspect.isclass(own) and issubclass(own, TokenOptions)):
        return frozenset()
    if any(one.kind is one.VAR_KEYWORD for one in taken.values()):
        return frozenset()
    return frozenset(TokenOptions.model_fields.keys() - taken.keys())


@contextlib.contextmanager
def _located(cls: type[Any]) -> Iterator[None]:
    """Name the line of the user's file in errors of its code."""
    try:
        yield
    except (GenzooError, ValueError):  # which `build_model` explains
        raise
    except Exception as error:
        pass_out_of_memory(error)
        file = getattr(sys.modules.get(cls.__module__), "__file__", None)
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        where = f" ({file}, line {lines[-1]})" if lines else ""
        raise PluginError(f"{cls.__name__} cannot be built{where}: {type(error).__name__}: {error}") from error


def _options_of(cls: type[Generator]) -> type[BaseModel]:
    """Return the class of a model's options: its own `Options`, or one made of the arguments of its constructor."""
    own = getattr(cls, "Options", None)
    if inspect.isclass(own) and issubclass(own, BaseModel):
        return own
    parameters = _parameters(cls.__init__)
    if not parameters or parameters[0].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        raise ConfigError(
            f"The constructor of {cls.__name__!r} must take what the data are first: def __init__(self, data, ...)."
        )
    return _settings(cls, f"{cls.__name__}Options", cls.__init__, parameters[1:])


def _sampling_of(cls: type[Generator]) -> type[BaseModel] | None:
    """Return the class of a model's sampling options, as for `_options_of`; `None` if it has none."""
    own = getattr(cls, "Sampling", None)
    if inspect.isclass(own) and issubclass(own, BaseModel):
        return own
    parameters = [one for one in _parameters(cls.sample)[1:] if one.name != "condition"]
    made = _settings(cls, f"{cls.__name__}Sampling", cls.sample, parameters)
    return made if made.model_fields else None


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters of a method after `self`."""
    return list(inspect.signature(function).parameters.values())[1:]


def _settings(
    owner: type[Any], name: str, function: Callable[..., Any], parameters: list[inspect.Parameter]
) -> type[BaseModel]:
    """Make a class of settings of the parameters of a function.

    Raises:
        ConfigError: a parameter has a type that no setting can have, or a default that files cannot hold.
    """
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, TypeError):  # annotations of names that exist for type checkers only
        hints = {}
    named = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    fields = {one.name: (_type(one, hints), _field(owner, one)) for one in named}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a field may have the name of one of pydantic's own methods
            made: type[BaseModel] = create_model(name, __base__=Settings, **fields)  # type: ignore[call-overload]
        made.model_construct().model_dump(mode="json", warnings=False)
    except (PydanticUserError, PydanticSerializationError, TypeError, ValueError, NameError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ConfigError(
            f"The options of {owner.__name__!r} must be plain values, such as numbers, texts and lists: {reason}."
        ) from error
    return made


def _type(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
    """Return the type of an option: its annotation, or the type of its default."""
    if parameter.name in hints:
        return hints[parameter.name]
    default = parameter.default
    return type(default) if type(default) in (bool, int, float, str) else Any


def _field(owner: type[Any], parameter: inspect.Parameter) -> Any:
    default = ... if parameter.default is parameter.empty else parameter.default
    if hasattr(parameter.annotation, "__metadata__"):  # Annotated, which describes itself
        return default
    return Field(default, description=f"argument of {owner.__name__}")


def _objectives_of(cls: type[Generator], home: ModuleType) -> tuple[tuple[str, ...], tuple[ObjectiveSpec, ...]]:
    """Return the names of a model's objectives, and the specs of those that are classes of the user's.

    Raises:
        ConfigError: the class names none, and has no likelihood to maximize.
    """
    stated = getattr(cls, "objective", None)
    if stated is None:
        usual = {Likelihood: "maximum-likelihood", LikelihoodBound: "maximum-bound"}
        found = tuple(name for capability, name in usual.items() if issubclass(cls, capability))
        if found:
            return found[:1], ()
        raise ConfigError(
            f"Class {cls.__name__!r} does not say how it learns. Derive it from genzoo.Likelihood and add log_prob, or "
            f"set the attribute objective to the name of an objective or to a class of yours."
        )
    listed = tuple(stated) if isinstance(stated, tuple | list) else (stated,)
    names: list[str] = []
    own: list[ObjectiveSpec] = []
    for one in listed:
        if isinstance(one, str):
            names.append(one)
        elif inspect.isclass(one) and issubclass(one, Objective):
            own.append(_objective(cls, one, home))
            names.append(own[-1].name)
        else:
            raise ConfigError(
                f"The objective of {cls.__name__!r} must be the name of an objective, or a class derived from one of "
                f"genzoo's, not {one!r}."
            )
    return tuple(names), tuple(own)


def _objective(cls: type[Generator], objective: type[Objective], home: ModuleType) -> ObjectiveSpec:
    """Return the spec of an objective of the user's; its options are the arguments of its constructor."""
    own = getattr(objective, "Options", None)
    if not (inspect.isclass(own) and issubclass(own, BaseModel)):
        parameters = [] if objective.__init__ is object.__init__ else _parameters(objective.__init__)
        own = _settings(objective, f"{objective.__name__}Options", objective.__init__, parameters)
    vars(home)[f"{objective.__name__}Options"] = own
    vars(home)[objective.__name__] = lambda options: objective(**dict(options))
    return ObjectiveSpec(
        name="-".join(_words(cls.__name__ + "-" + objective.__name__)),
        summary=inspect.cleandoc(objective.__dict__.get("__doc__") or objective.__name__).partition("\n")[0],
        builder=f"{home.__name__}:{objective.__name__}",
        config=f"{home.__name__}:{objective.__name__}Options",
        kind=next((_KINDS[base.__name__] for base in objective.__mro__ if base.__name__ in _KINDS), "gradient"),
    )


def _words(name: str) -> Iterator[str]:
    """Yield the words of a name, such as `MyModel`, in lower case."""
    return (word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name))
