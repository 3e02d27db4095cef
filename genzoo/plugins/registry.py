"""Names to specs, each with the distribution it came from, or the plugin where that came with genzoo.

A bare name is enough where one distribution holds it; the id `distribution/name` always is. Two distributions
with one bare name make that name an error that lists both ids.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_args

from genzoo.errors import ConfigError, GenzooError, PluginError, did_you_mean
from genzoo.plugins.api1 import translate
from genzoo.plugins.discovery import CORE, distribution_of, normalize_name
from genzoo.spec import (
    API_VERSION,
    CallbackSpec,
    DatasetSpec,
    ExtractorSpec,
    MetricSpec,
    ModelSpec,
    ObjectiveKind,
    ObjectiveSpec,
    Spec,
    check_input,
)

SpecT = TypeVar("SpecT", ModelSpec, ObjectiveSpec, DatasetSpec, MetricSpec, ExtractorSpec, CallbackSpec)


@dataclass(frozen=True, slots=True)
class Entry(Generic[SpecT]):
    """A spec and the distribution that registered it."""

    distribution: str
    spec: SpecT
    api: int = API_VERSION

    @property
    def id(self) -> str:
        """`distribution/name`, the id that runs store."""
        return f"{self.distribution}/{self.spec.name}"

    @property
    def extra(self) -> str:
        """What brings the packages that only this entry needs, as pip takes it; empty where it needs none."""
        extra = getattr(self.spec, "extra", "")
        return f"{distribution_of(self.distribution)}[{extra}]" if extra else ""


class SpecTable(Generic[SpecT]):
    """All specs of one kind."""

    def __init__(self, kind: str, spec_class: type[SpecT]) -> None:
        self.kind = kind
        self.spec_class: type[SpecT] = spec_class
        self._entries: dict[str, Entry[SpecT]] = {}
        self._failures: dict[str, str] = {}
        self._left_out: set[str] = set()

    def __iter__(self) -> Iterator[Entry[SpecT]]:
        return iter(sorted(self._entries.values(), key=lambda entry: (entry.spec.name, entry.distribution)))

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, distribution: str, spec: SpecT, api: int = API_VERSION) -> None:
        """Add one spec under its distribution.

        Arguments:
            api: the plugin API that it is written for.

        Raises:
            PluginError: it is no spec of this kind, or the distribution already has that name.
        """
        if type(spec) is not self.spec_class:  # a class of a plugin's own could change after it was checked
            raise PluginError(f"register was handed {type(spec).__name__} where {self.spec_class.__name__} belongs.")
        try:
            own = dataclasses.replace(spec)  # checked once more, and no longer in the plugin's hands
            own = translate(own) if api == 1 else own
            if isinstance(own, ModelSpec):
                check_input(own)
            if isinstance(own, ObjectiveSpec) and own.kind is None and api > 1:
                raise ValueError(
                    f"Objective {own.name!r} does not state its kind: {', '.join(get_args(ObjectiveKind))}."
                )
        except ValueError as error:
            raise PluginError(str(error)) from error
        entry = Entry(distribution, own, api)
        if entry.id in self._entries:
            raise PluginError(f"{self.kind} {spec.name!r} is registered twice by {distribution!r}.")
        self.put(entry)

    def put(self, entry: Entry[SpecT]) -> None:
        """Take over an entry that another table has checked."""
        self._entries[entry.id] = entry

    def ids(self) -> set[str]:
        """The ids of all entries."""
        return set(self._entries)

    def names(self) -> list[str]:
        """What a user can type: bare names where they are unambiguous, ids where they are not."""
        bare = Counter(entry.spec.name for entry in self)
        return [entry.spec.name if bare[entry.spec.name] == 1 else entry.id for entry in self]

    def candidates_for(self, name: str) -> list[Entry[SpecT]]:
        """All entries of a bare name or an id."""
        if name in self._entries:
            return [self._entries[name]]
        found = [entry for entry in self if entry.spec.name == name]
        return found or [entry for entry in self if name in getattr(entry.spec, "former_names", ())]

    def get(self, name: str) -> Entry[SpecT]:
        """The entry of a bare name or an id.

        Raises:
            ConfigError: no such name, or several distributions have it.
            PluginError: it is the id of a plugin that failed to load.
        """
        found = self.candidates_for(name)
        if len(found) > 1:
            ids = " and ".join(entry.id for entry in found)
            raise ConfigError(f"The {self.kind} name {name!r} is claimed by {ids}. Name one of them in full.")
        if not found:
            self.refuse_failed(name)
            raise ConfigError(f"There is no {self.kind} {name!r}. {self.hint(name)}")
        return found[0]

    def hint(self, name: str) -> str:
        """What helps after an unknown name: the nearest one, and the plugins that might have brought it."""
        failed = f"These plugins failed to load: {', '.join(sorted(self._failures))}; see: genzoo plugins."
        words = [did_you_mean(name, self.names()), failed if self._failures else "", self.left_out]
        return " ".join(filter(None, words))

    @property
    def left_out(self) -> str:
        """Which plugins are not loaded because nobody asked for them, and how to load them; empty where all are."""
        names = ", ".join(sorted(self._left_out))
        return f"GENZOO_LOAD_PLUGINS leaves out {names}: unset GENZOO_LOAD_PLUGINS to load all." if names else ""

    def leaves_out(self, distribution: str) -> bool:
        """Whether a distribution is installed, and not loaded because nobody asked for it."""
        return normalize_name(distribution) in {normalize_name(name) for name in self._left_out}

    def clashes(self) -> dict[str, list[str]]:
        """The ids that share a bare name, by that name."""
        ids: dict[str, list[str]] = defaultdict(list)
        for entry in self:
            ids[entry.spec.name].append(entry.id)
        return {name: shared for name, shared in ids.items() if len(shared) > 1}

    def note_failure(self, distribution: str, reason: str) -> None:
        """Remember that a distribution would have brought more, and why it did not."""
        self._failures[distribution] = reason

    def note_left_out(self, distribution: str) -> None:
        """Remember that a distribution would have brought more, and was not asked for."""
        self._left_out.add(distribution)

    def refuse_failed(self, name: str) -> None:
        """Refuse an id whose distribution failed to load.

        Raises:
            PluginError: it did.
        """
        distribution = normalize_name(name.rpartition("/")[0])
        for failed, reason in self._failures.items():
            if distribution == normalize_name(failed) and name not in self._entries:
                raise PluginError(
                    f"The {self.kind} {name!r} cannot be had: {failed} failed to load: {reason} See: genzoo plugins."
                )


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything that plugins brought."""

    models: SpecTable[ModelSpec] = field(default_factory=lambda: SpecTable("model", ModelSpec))
    objectives: SpecTable[ObjectiveSpec] = field(default_factory=lambda: SpecTable("objective", ObjectiveSpec))
    datasets: SpecTable[DatasetSpec] = field(default_factory=lambda: SpecTable("dataset", DatasetSpec))
    metrics: SpecTable[MetricSpec] = field(default_factory=lambda: SpecTable("metric", MetricSpec))
    extractors: SpecTable[ExtractorSpec] = field(default_factory=lambda: SpecTable("extractor", ExtractorSpec))
    callbacks: SpecTable[CallbackSpec] = field(default_factory=lambda: SpecTable("callback", CallbackSpec))

    def table(self, kind: str) -> SpecTable[Any]:
        """One table by its plural name, which is also the end of its hook's name."""
        found = getattr(self, kind)
        assert isinstance(found, SpecTable)
        return found

    def objective_of(self, model: Entry[ModelSpec], name: str) -> Entry[ObjectiveSpec]:
        """The objective of a name or id among those that `model` lists.

        Of several with one bare name, that of the model's own distribution is meant.

        Raises:
            ConfigError: the model does not list it, or nobody registered it.
        """
        for listed in model.spec.objectives:
            own = f"{model.distribution}/{listed}"
            known = own if own in self.objectives.ids() else listed
            if name not in (listed, known, known.rpartition("/")[2]) and not name.endswith(f"/{listed}"):
                continue
            found = self.objectives.get(known)
            if name in (listed, found.id, found.spec.name):
                return found
        help_text = did_you_mean(name, model.spec.objectives)
        raise ConfigError(f"Model {model.spec.name!r} is not trained with an objective {name!r}. {help_text}")

    def note_failure(self, distribution: str, reason: str) -> None:
        """Remember that a distribution would have brought more, and why it did not."""
        for kind in KINDS:
            self.table(kind).note_failure(distribution, reason)

    def note_left_out(self, distribution: str) -> None:
        """Remember that a distribution would have brought more, and was not asked for."""
        for kind in KINDS:
            self.table(kind).note_left_out(distribution)

    def merge(self, other: Registry) -> None:
        """Take over all entries of `other`, or none.

        Raises:
            PluginError: one of them is already here, or claims a name of the core's.
        """
        for kind in KINDS:
            known = self.table(kind).ids()
            for entry in other.table(kind):
                if entry.id in known:
                    raise PluginError(f"{self.table(kind).kind} {entry.id!r} is registered twice.")
                if (owned := f"{CORE}/{entry.spec.name}") in known:
                    raise PluginError(
                        f"its {self.table(kind).kind} {entry.id!r} claims the name of {owned!r}, which is genzoo's own."
                    )
        for kind in KINDS:
            for entry in other.table(kind):
                self.table(kind).put(entry)


@contextlib.contextmanager
def blame(what: str) -> Iterator[None]:
    """Turn whatever a plugin's code raises into an error that says whose it is.

    Arguments:
        what: the code that runs, as the beginning of a sentence: `"The loader of dataset 'x'"`.

    Raises:
        PluginError: the code raised something that is no error of genzoo's.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):  # results are what stdout is for
            yield
    except (GenzooError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f"{what} failed: {type(error).__name__}: {error}") from error


KINDS = ("models", "objectives", "datasets", "metrics", "extractors", "callbacks")


def resolve(reference: str, spec: Spec) -> Any:
    """The object that a registered spec's `"package.module:attribute"` names, imported now.

    The one lazy door: only strings that a plugin's own code registered go through it, never a string from a file.

    Raises:
        PluginError: the module fails to import, or has no such attribute.
    """
    module_name, _, attribute = reference.partition(":")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return getattr(importlib.import_module(module_name), attribute)
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{type(spec).__name__.removesuffix('Spec')} {spec.name!r} names {reference!r}, which cannot be "
            f"imported: {type(error).__name__}: {error}. Reinstall or remove the plugin that brought it."
        ) from error


class MissingExtraError(PluginError):
    """A model needs packages that an extra brings, and that extra is not installed."""


@contextlib.contextmanager
def extra_named(entry: Entry[Any]) -> Iterator[None]:
    """Turn the error about a module that cannot be found into one that names the extra which brings it.

    Raises:
        MissingExtraError: code of an entry that names an extra needs a module of others that is not installed.
    """
    try:
        yield
    except PluginError as error:
        missing = _missing(error.__cause__, entry)
        if not missing:
            raise
        raise MissingExtraError(
            f"Model {entry.spec.name!r} needs packages that are not installed (missing: {missing!r}). Install them "
            f"with: pip install '{entry.extra}'"
        ) from error


def _missing(cause: BaseException | None, entry: Entry[Any]) -> str:
    """The module that cannot be found, where it is one of an extra's packages and not of the plugin itself."""
    if not isinstance(cause, ModuleNotFoundError) or not cause.name or not entry.extra:
        return ""
    own = {str(entry.spec.builder).partition(".")[0].partition(":")[0], CORE}
    return "" if cause.name.partition(".")[0] in own else cause.name


def refuse_without_extra(entry: Entry[ModelSpec]) -> None:
    """Import the code of a model that names an extra, before anything slow is done for it.

    Raises:
        MissingExtraError: the extra is not installed.
        PluginError: the code cannot be imported for another reason.
    """
    if entry.spec.extra:
        with extra_named(entry):
            resolve(entry.spec.config, entry.spec)
            resolve(entry.spec.builder, entry.spec)
