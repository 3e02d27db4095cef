"""Check that everything the entries of the zoo refer to exists and has the right kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from genzoo.config.resolve import check_usual_data, options_class, resolve_config
from genzoo.errors import GenzooError, pass_out_of_memory
from genzoo.plugins.manager import describe_error
from genzoo.plugins.registry import Entry, MissingExtraError, Registry, extra_named, resolve


@dataclass(frozen=True, slots=True)
class _Subject:
    """One entry to check, in the registry with all others."""

    registry: Registry
    kind: str
    entry: Entry[Any]

    @property
    def words(self) -> str:
        """The entry in words, such as `model 'genzoo-theirs/theirs'`."""
        return f"{self.registry.table(self.kind).kind} {self.entry.id!r}"

    def refer(self, field: str) -> Any:
        """Return the object that a field of its spec refers to."""
        with extra_named(self.entry):
            return resolve(getattr(self.entry.spec, field), self.entry.spec)


Check = Callable[[_Subject], Iterator[str]]


def findings(registry: Registry, brought: Iterable[tuple[str, str]]) -> list[str]:
    """Return what is wrong with entries, one sentence each.

    Arguments:
        brought: kind and id of each entry to check.
    """
    found: list[str] = []
    for kind, name in sorted(brought):
        subject = _Subject(registry, kind, registry.table(kind).get(name))
        for check in (_clash, *_CHECKS[kind]):
            try:
                found += check(subject)
            except MissingExtraError:  # an extra is optional, so its absence is no fault
                continue
            except Exception as error:
                pass_out_of_memory(error)
                found.append(
                    f"{subject.words}: {str(error) if isinstance(error, GenzooError) else describe_error(error)}"
                )
    return list(dict.fromkeys(found))


def _clash(subject: _Subject) -> Iterator[str]:
    claims = subject.registry.table(subject.kind).candidates_for(subject.entry.spec.name)
    others = [other.id for other in claims if other.id != subject.entry.id]
    if others:
        yield f"{subject.words} has the same name as {' and '.join(others)}, so only the ids can be used."


def _called(field: str) -> Check:
    def check(subject: _Subject) -> Iterator[str]:
        if not callable(subject.refer(field)):
            yield f"{subject.words}: its {field} {getattr(subject.entry.spec, field)!r} cannot be called."

    return check


def _options(subject: _Subject) -> Iterator[str]:
    options_class(subject.entry)
    yield from ()


def _recipe(subject: _Subject) -> Iterator[str]:
    """Check the model's default settings, and the settings of each preset."""
    check_usual_data(subject.registry, subject.entry.spec)
    for preset in (None, *subject.entry.spec.presets):
        try:
            resolve_config(subject.registry, subject.entry.id, {} if preset is None else {"preset": preset})
        except MissingExtraError:
            raise
        except GenzooError as error:
            yield f"{subject.words}{f', preset {preset!r}' if preset else ''}: {error}"


def _objectives(subject: _Subject) -> Iterator[str]:
    for name in subject.entry.spec.objectives:
        try:
            subject.registry.objective_of(subject.entry, name)
        except GenzooError as error:
            yield f"{subject.words}: {error}"


def _metric(subject: _Subject) -> Iterator[str]:
    from genzoo.metrics.metric import Metric

    found = subject.refer("metric")
    if not isinstance(found, Metric):
        yield f"{subject.words} is of type {type(found).__name__}, not a Metric."
    elif found.name != subject.entry.spec.name:
        yield f"{subject.words} has another name in its class, {found.name!r}."


def _transform(subject: _Subject) -> Iterator[str]:
    builder = subject.refer("builder")
    if lacking := [name for name in ("outlines", "fit", "restore") if not callable(getattr(builder, name, None))]:
        yield f"{subject.words}: its builder {subject.entry.spec.builder!r} has no {' and no '.join(lacking)}."


_CHECKS: dict[str, tuple[Check, ...]] = {
    "models": (_called("builder"), _options, _recipe, _objectives),
    "objectives": (_called("builder"), _options),
    "datasets": (_called("loader"),),
    "metrics": (_metric,),
    "extractors": (_called("builder"),),
    "transforms": (_transform, _options),
    "callbacks": (_called("builder"),),
}
