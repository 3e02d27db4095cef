"""Promises about building a model for a dataset."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from genzoo.config.resolve import options_class
from genzoo.errors import ConfigError, DataError, PluginError
from genzoo.models.base import Discriminator, Generator, capabilities_of
from genzoo.models.factory import build_model
from genzoo.models.measure import measures_of
from genzoo.runtime.seeding import random_scope
from genzoo.spec.events import DataSpec
from genzoo.testing.promise import Promise, expect
from genzoo.testing.subject import Subject

_OF_IMAGES = ("level", "step", "bounds", "channel", "height", "width", "side", "size", "square")


def builds(subject: Subject) -> None:
    """The model builds for data of each modality it claims, and raises ConfigError or DataError for unsuitable data."""
    built = set()
    for name, dataset in subject.datasets.items():
        if not subject.takes(dataset.spec):
            continue
        try:
            parts = _built(subject, dataset.spec)
        except (ConfigError, DataError):
            continue
        built.add(dataset.spec.modality)
        generator, discriminator = parts.generator, parts.discriminator
        expect(
            isinstance(generator, Generator),
            f"On {name}, its generator is of type {type(generator).__name__}, which is not a genzoo.Generator.",
        )
        expect(
            discriminator is None or isinstance(discriminator, Discriminator),
            f"On {name}, its discriminator is of type {type(discriminator).__name__}, which is not a "
            "genzoo.Discriminator.",
        )
        measures_of(generator, dataset.spec)
    expect(not subject.misshapen, subject.misshapen)
    for modality in subject.entry.spec.modalities:
        expect(modality in built, f"It claims modality {modality!r}, but builds for no toy dataset of it.")


def refuses_by_name(subject: Subject) -> None:
    """Errors about unsuitable data name the column, its kind, or the property of the images at fault."""
    for name, dataset in subject.datasets.items():
        try:
            _built(subject, dataset.spec)
        except PluginError:
            continue  # see 'builds'
        except (ConfigError, DataError) as error:
            if not subject.takes(dataset.spec):
                continue  # the error is the core's, not the model's
            message = str(error.__cause__ or error)
            expect(
                any(word in message.lower() for word in _words(dataset.spec)),
                f"On {dataset.spec.describe()} ({name}) it raises {message!r}, which does not say what is wrong with "
                f"these data.",
            )


def announces_capabilities(subject: Subject) -> None:
    """The generator has only capabilities that its spec announces, and has each of them with some choice of options."""
    announced = subject.entry.spec.capabilities
    found: set[str] = set()
    for case in subject.cases.values():
        own = capabilities_of(case.parts().generator)
        hidden = sorted(own - announced)
        expect(not hidden, f"On {case.name}, its generator has {', '.join(hidden)}, which its spec does not announce.")
        found |= own
    for options in _variants(subject):
        if announced <= found:
            return
        for dataset in subject.datasets.values():
            if not subject.takes(dataset.spec):
                continue
            try:
                found |= capabilities_of(build_model(subject.entry, options, dataset.spec).generator)
            except (ConfigError, DataError):
                continue
    lacking = sorted(announced - found)
    expect(not lacking, f"Its spec announces {', '.join(lacking)}, which its generator does not have.")


def _built(subject: Subject, data: DataSpec) -> Any:
    with random_scope(0, "build"):
        return build_model(subject.entry, subject.options, data)


def _words(data: DataSpec) -> Iterator[str]:
    """Yield words about such data; a helpful error contains at least one of them."""
    if data.form.columns:
        yield from (f"'{feature.name}'" for feature in data.features)
    else:
        yield from (data.form.event, data.form.value, *_OF_IMAGES)
    yield from ("missing",) if data.missing else ()
    yield from {feature.kind for feature in data.features}


def _variants(subject: Subject) -> Iterator[dict[str, Any]]:
    """Yield the options with one of the choices changed."""
    for name, field in options_class(subject.entry).model_json_schema().get("properties", {}).items():
        choices = field.get("anyOf", [field])
        for value in itertools.chain.from_iterable(_values(choice) for choice in choices):
            yield {**subject.options, name: value}


def _values(choice: Mapping[str, Any]) -> Sequence[Any]:
    """Return the values of a JSON schema that has few of them; none for others."""
    return (True, False) if choice.get("type") == "boolean" else choice.get("enum", ())


PROMISES = tuple(Promise.of(check) for check in (builds, refuses_by_name, announces_capabilities))
