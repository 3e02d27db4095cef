"""Promises about the options of a model and of its objectives."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from pydantic import BaseModel, ValidationError

from genzoo.config.resolve import options_class
from genzoo.config.sampling import sampling_class
from genzoo.errors import ConfigError, DataError, PluginError
from genzoo.models.factory import build_model
from genzoo.plugins.manager import get_registry
from genzoo.testing.promise import DoesNotApply, Promise, expect
from genzoo.testing.subject import Subject

Schema = Mapping[str, Any]


_LOW, _HIGH = ("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")


def _classes(subject: Subject) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the option classes of a model, of its sampling and of its objectives, each with its owner."""
    yield "the model", options_class(subject.entry)
    sampler = sampling_class(subject.entry)
    if sampler is not None:
        yield "sampling", sampler
    for name in subject.entry.spec.objectives:
        yield f"objective {name!r}", options_class(get_registry().objective_of(subject.entry, name))


def options_round_trip(subject: Subject) -> None:
    """Options stay the same when written to JSON and read back."""
    for whose, cls in _classes(subject):
        options = cls.model_validate(subject.options if whose == "the model" else {})
        again = cls.model_validate(json.loads(json.dumps(options.model_dump(mode="json"))))
        expect(again == options, f"The options of {whose} were {options!r} and come back from JSON as {again!r}.")


def options_refuse_unknown(subject: Subject) -> None:
    """Unknown options raise an error, also in groups of options."""
    for whose, cls in _classes(subject):
        for path in (), *_groups(cls):
            options: dict[str, Any] = {"no-such-option": 1}
            for name in reversed(path):
                options = {name: options}
            expect(
                _rejects(cls, options),
                f"The options of {whose} ignore the unknown {json.dumps(options)}. Derive their class from "
                f"genzoo.Settings.",
            )


def options_are_bounded(subject: Subject) -> None:
    """Every numeric option has a minimum and a maximum, and rejects NaN and infinity."""
    if subject.entry.source is not None:
        raise DoesNotApply("its options are arguments of a class in a file")
    for whose, cls in _classes(subject):
        for name, number in _numbers(cls):
            for bounds, kind in ((_LOW, "minimum (ge or gt)"), (_HIGH, "maximum (le or lt)")):
                expect(any(bound in number for bound in bounds), f"Option {name!r} of {whose} has no {kind}.")
        for name, field in cls.model_json_schema().get("properties", {}).items():
            if any(option.get("type") in ("integer", "number") for option in _choices(field)):
                for bad in (math.nan, math.inf, -math.inf):
                    expect(_rejects(cls, {name: bad}), f"Option {name!r} of {whose} accepts {bad}.")


def options_are_described(subject: Subject) -> None:
    """Every option has a default and a description; help and model cards are generated from them."""
    for whose, cls in _classes(subject):
        for name, field in cls.model_fields.items():
            expect(bool(field.description), f"Option {name!r} of {whose} has no description.")
            expect(not field.is_required(), f"Option {name!r} of {whose} has no default.")


def options_hold_at_bounds(subject: Subject) -> None:
    """With any numeric option at its minimum or maximum, the model builds or raises ConfigError or DataError."""
    cls = options_class(subject.entry)
    try:
        _build(subject, subject.options)
    except PluginError as error:
        reason = f"it cannot be built without memory, and the largest may need too much: {error}"
        raise DoesNotApply(reason) from error
    for name, field in cls.model_json_schema().get("properties", {}).items():
        for number in _choices(field):
            for value in _ends(number):
                if not _rejects(cls, {**subject.options, name: value}):
                    _build(subject, {**subject.options, name: value})


def _build(subject: Subject, options: Mapping[str, Any]) -> None:
    for case in subject.principal:
        try:
            with torch.device("meta"):  # the largest models do not fit in memory
                build_model(subject.entry, options, case.data)
        except (ConfigError, DataError):
            continue


def _ends(number: Schema) -> Iterator[float]:
    """Yield the smallest and the largest value of a number, if its schema has them."""
    whole = number.get("type") == "integer"
    for key, towards in (("minimum", 0), ("maximum", 0), ("exclusiveMinimum", 1), ("exclusiveMaximum", -1)):
        if key in number and "enum" not in number:
            end = number[key]
            yield int(end) + towards if whole else math.nextafter(end, math.inf * towards) if towards else float(end)


def smallest_and_choices(cls: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    """Yield the smallest value of each numeric option, and every choice of the others, with the option's name."""
    for name, field in cls.model_json_schema().get("properties", {}).items():
        for choice in _choices(field):
            values = [*choice.get("enum", ()), *((True, False) if choice.get("type") == "boolean" else ())]
            lowest = next(_ends({key: end for key, end in choice.items() if "aximum" not in key}), None)
            for value in (*values, *(() if lowest is None else (lowest,))):
                if not _rejects(cls, {name: value}):
                    yield name, value


def _rejects(cls: type[BaseModel], options: Mapping[str, Any]) -> bool:
    """Return whether a class of options rejects some options."""
    try:
        cls.model_validate(options)
    except ValidationError:
        return True
    return False


def _groups(cls: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """Yield the paths of options that are themselves groups of options."""
    for name, field in cls.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield (name,)
            yield from ((name, *rest) for rest in _groups(inner))


def _numbers(cls: type[BaseModel]) -> Iterator[tuple[str, Schema]]:
    """Yield every number among the options of a class: the option's name and the number's JSON schema."""
    schema = cls.model_json_schema()
    for name, field in schema.get("properties", {}).items():
        for number in _within(field, schema.get("$defs", {})):
            yield name, number


def _within(field: Schema, definitions: Schema) -> Iterator[Schema]:
    """Yield the numbers in a field: the field itself, or the numbers in its list, choice or group."""
    if "enum" in field or "const" in field:
        return
    if field.get("type") in ("integer", "number"):
        yield field
    inner = [*field.get("anyOf", ()), *field.get("prefixItems", ()), *field.get("properties", {}).values()]
    inner += [field[key] for key in ("items", "additionalProperties") if isinstance(field.get(key), Mapping)]
    if "$ref" in field:
        inner.append(definitions[field["$ref"].rpartition("/")[2]])
    for part in inner:
        yield from _within(part, definitions)


def _choices(field: Schema) -> list[Schema]:
    """Return the alternatives of a field, or the field itself if it has none."""
    alternatives: list[Schema] = field.get("anyOf", [field])
    return alternatives


PROMISES = tuple(
    Promise.of(check)
    for check in (
        options_round_trip,
        options_refuse_unknown,
        options_are_bounded,
        options_are_described,
        options_hold_at_bounds,
    )
)
