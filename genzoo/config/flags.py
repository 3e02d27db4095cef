"""Command-line options of settings, declared at the field they set.

A field states its option as an annotation, `Annotated[float, Flag("--lr")]`. Everything else comes from the field: its
description is the help text, its type is the type of the value, and its place in the settings is what the option sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from genzoo.config.explain import explain_value, members
from genzoo.errors import ConfigError

LISTED = "A,B"
"""Placeholder of a list of names. If its option is repeated, the lists are joined."""


@dataclass(frozen=True, slots=True)
class Flag:
    """The command-line option of a setting.

    Arguments:
        name: the option, such as `--lr`, or a pair such as `--header/--no-header`.
        metavar: placeholder of the value in help. Defaults to its type.
        envvar: environment variable that sets it, too.
        repeat: whether the option is given once per value, for a field that holds several.
        path: whether the value is a path, which is stored as an absolute one.
        former: names of the option in earlier versions.
        former_values: current values by former ones.
    """

    name: str
    metavar: str | None = None
    envvar: str | None = None
    repeat: bool = False
    path: bool = False
    former: tuple[str, ...] = ()
    former_values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FlaggedSetting:
    """A field of settings that has a command-line option.

    Arguments:
        path: names of the field and of the settings around it, such as `("training", "optimizer", "lr")`.
    """

    path: tuple[str, ...]
    flag: Flag
    field: FieldInfo

    @property
    def option(self) -> str:
        """The option as typed; the first one of a pair."""
        return self.flag.name.partition("/")[0]

    @property
    def key(self) -> str:
        """The option as a Python name: `keep_checkpoints` for `--keep-checkpoints`."""
        return self.option.removeprefix("--").replace("-", "_")

    @property
    def value_type(self) -> type | tuple[str, ...]:
        """The type of one value: `bool`, `int`, `float` or `str`, or a tuple of the choices."""
        kinds = [kind for kind in members(self.field.annotation) if kind is not NoneType]
        if bool in kinds:
            return bool
        if choices := _literals(kinds[0]):
            return choices
        return kinds[0] if kinds[0] in (int, float) else str

    @property
    def words(self) -> tuple[str, ...]:
        """What a switch takes as a value: `redraw` for `--binarize` or `--binarize redraw`; none of others."""
        kinds = members(self.field.annotation)
        if bool not in kinds or "/" in self.flag.name:
            return ()
        return tuple(str(word) for kind in kinds for word in _literals(kind))

    def parse(self, value: Any) -> Any:
        """Convert what was typed to what the field takes.

        Raises:
            ConfigError: the value is out of range, or lacks the `=KIND` of `COL=KIND`.
        """
        return self._parse(value, self.option)

    def parse_variable(self, value: Any) -> Any:
        """Convert the value of the environment variable, as `parse` does; errors name the variable."""
        return self._parse(value, self.flag.envvar or self.option)

    def _parse(self, value: Any, name: str) -> Any:
        if self.flag.path:
            return str(Path(value).absolute())
        if get_origin(self.field.annotation) is dict:
            value = dict(map(self._pair, value))
        elif isinstance(value, str):
            return value  # what a text may be is checked where all settings are known
        field: Any = Annotated[self.field.annotation, self.field]
        try:
            TypeAdapter(field, config=ConfigDict(allow_inf_nan=False)).validate_python(value)
        except ValidationError as error:
            part = str(self.flag.metavar or "").rpartition("=")[2].lower() or "value"
            raise ConfigError(explain_value(error, name, part=part)) from error
        return value

    def _pair(self, text: str) -> tuple[str, str]:
        name, equals, value = text.rpartition("=")
        if not equals:
            raise ConfigError(
                f"{self.option} {text!r} is not of the form {self.flag.metavar}. It sets the {self.field.description}."
            )
        return name, value


def choices_of(cls: type[BaseModel], name: str) -> tuple[Any, ...]:
    """Return the values that a setting chooses from, in their order; none if it is no such setting, or unknown."""
    if name not in cls.model_fields:
        return ()
    kinds = members(cls.model_fields[name].annotation)
    return (False, True) if bool in kinds else tuple(x for kind in kinds for x in _literals(kind))


def _literals(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def flagged_settings(cls: type[BaseModel]) -> list[FlaggedSetting]:
    """List the fields of `cls`, and of the settings inside it, that have a command-line option."""
    by_path = {setting.path: setting for setting in _walk(cls, ())}  # trainings share some
    return list(by_path.values())


def _walk(cls: type[BaseModel], path: tuple[str, ...]) -> Iterator[FlaggedSetting]:
    for name, info in cls.model_fields.items():
        for flag in info.metadata:
            if isinstance(flag, Flag):
                yield FlaggedSetting((*path, name), flag, info)
        for member in members(info.annotation):
            if isinstance(member, type) and issubclass(member, BaseModel):
                yield from _walk(member, (*path, name))


def settings_layer(
    settings: Iterable[FlaggedSetting], values: Mapping[str, Any], *, environment: bool = False
) -> dict[str, Any]:
    """Arrange the values of options as nested settings.

    Arguments:
        settings: the settings to read; values of other options are ignored.
        values: what was typed, by `FlaggedSetting.key`; `None` and `()` stand for an option that was not given.
        environment: whether the values come from environment variables, which errors then name. Defaults to false.

    Raises:
        ConfigError: a value is out of range, or not of the form that its option takes.
    """
    layer: dict[str, Any] = {}
    for setting in settings:
        value = values.get(setting.key)
        if value is None or value == ():
            continue
        section = layer
        for name in setting.path[:-1]:
            section = section.setdefault(name, {})
        section[setting.path[-1]] = setting.parse_variable(value) if environment else setting.parse(value)
    return layer
