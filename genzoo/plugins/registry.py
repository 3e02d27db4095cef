"""Look up specs by name, each with the distribution that registered it.

A bare name is enough if only one distribution has it. The id `distribution/name` always works. If two distributions
share a bare name, using it is an error that lists both ids. Plugins that come with genzoo count as distributions of
their own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_args

from genzoo.errors import ConfigError, GenzooError, PluginError, did_you_mean, pass_exit_by_signal, pass_out_of_memory
from genzoo.plugins.api1 import translate
from genzoo.plugins.discovery import CORE, distribution_of, normalize_name
from genzoo.plugins.local import ModelSource, place_of
from genzoo.spec.entries import (
    API_VERSION,
    LOCAL,
    CallbackSpec,
    ClassName,
    DatasetSpec,
    ExtractorSpec,
    MetricSpec,
    ModelSpec,
    ObjectiveKind,
    ObjectiveSpec,
    Spec,
    TransformSpec,
)
from genzoo.spec.modality import Modality, ModalitySpec

SpecT = TypeVar("SpecT", ModelSpec, ObjectiveSpec, DatasetSpec, MetricSpec, ExtractorSpec, TransformSpec, CallbackSpec)


_OTHER_NAMES = {
    "bpb": "bits-per-byte",
    "bpd": "bits-per-dim",
    "c2st": "classifier-two-sample",
    "dcr": "memorization",
    "distinct-1": "distinct-n",
    "distinct-2": "distinct-n",
    "emd": "wasserstein",
    "fd": "frechet-distance",
    "kd": "kernel-distance",
    "loglik": "log-likelihood",
    "mia": "membership-auc",
    "nll": "log-likelihood",
    "sacrebleu": "bleu",
    "selfbleu": "self-bleu",
    "tv": "total-variation",
}
"""Names of metrics in genzoo by their usual abbreviations, for hints."""


@dataclass(frozen=True, slots=True)
class Entry(Generic[SpecT]):
    """A spec and the distribution that registered it.

    Arguments:
        source: the source of a model that is a class of the user's; `None` for entries of plugins.
    """

    distribution: str
    spec: SpecT
    api: int = API_VERSION
    source: ModelSource | None = None

    @property
    def id(self) -> str:
        """`distribution/name`, the id that runs store."""
        return f"{self.distribution}/{self.spec.name}"

    @property
    def extra(self) -> str:
        """The argument for pip that installs the packages of the entry's extra; empty without an extra."""
        extra = getattr(self.spec, "extra", "")
        return f"{distribution_of(self.distribution)}[{extra}]" if extra else ""


class SpecTable(Generic[SpecT]):
    """All entries of one kind."""

    def __init__(self, kind: str, spec_class: type[SpecT]) -> None:
        self.kind = kind
        self.spec_class: type[SpecT] = spec_class
        self._entries: dict[str, Entry[SpecT]] = {}
        self._local: dict[str, Entry[SpecT]] = {}
        self._failures: dict[str, str] = {}
        self._left_out: set[str] = set()

    def __iter__(self) -> Iterator[Entry[SpecT]]:
        return iter(sorted(self._entries.values(), key=lambda entry: (entry.spec.name, entry.distribution)))

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._local

    def add(self, distribution: str, spec: SpecT, api: int = API_VERSION) -> None:
        """Add one spec under its distribution.

        Arguments:
            api: plugin API that the spec is written for.

        Raises:
            PluginError: it is no spec of this kind, or the distribution already has that name.
        """
        if distribution == LOCAL or isinstance(getattr(spec, "name", None), ClassName):
            raise PluginError(f"{LOCAL!r} is what ids of models in a file of the user's begin with, and no plugin.")
        if type(spec) is not self.spec_class:  # a subclass could change its values after this check
            raise PluginError(
                f"register got a value of type {type(spec).__name__}, and takes a {self.spec_class.__name__}."
            )
        try:
            own = dataclasses.replace(spec)  # a copy, which the plugin cannot change, and which is checked again
            own = translate(own) if api == 1 else own
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
        """Add an entry that another table has checked."""
        self._entries[entry.id] = entry

    def put_local(self, entry: Entry[SpecT]) -> None:
        """Add an entry of the user's own, or replace an earlier one. Listings and hints leave it out."""
        self._local[entry.id] = entry

    def ids(self) -> set[str]:
        """Return the ids of all entries."""
        return set(self._entries)

    def names(self, able: Callable[[SpecT], bool] = lambda _: True) -> list[str]:
        """Return the names that users can type: bare names if they are unambiguous, otherwise ids.

        Arguments:
            able: returns whether to list an entry. Defaults to all.
        """
        bare = Counter(entry.spec.name for entry in self)
        return [entry.spec.name if bare[entry.spec.name] == 1 else entry.id for entry in self if able(entry.spec)]

    def candidates_for(self, name: str) -> list[Entry[SpecT]]:
        """Return all entries with a bare name or an id. Former names count if there is no current one."""
        if name in self:
            return [self._local[name] if name in self._local else self._entries[name]]
        found = [entry for entry in self if entry.spec.name == name]
        found = found or [entry for entry in self if name in getattr(entry.spec, "former_names", ())]
        own = self._local.get(f"{LOCAL}/{name}")
        return found if own is None or found else [own]

    def get(self, name: str) -> Entry[SpecT]:
        """Return the entry with a bare name or an id.

        Raises:
            ConfigError: there is no such name, or several distributions have it.
            PluginError: it is the id of a plugin that failed to load.
        """
        found = self.candidates_for(name)
        if len(found) > 1:
            ids = " and ".join(entry.id for entry in found)
            raise ConfigError(f"The {self.kind} name {name!r} is claimed by {ids}. Use one of these ids.")
        if not found:
            self.refuse_failed(name)
            raise ConfigError(f"There is no {self.kind} {name!r}. {self.hint(name)}")
        return found[0]

    def hint(self, name: str, *others: str) -> str:
        """Return advice after an unknown name: the nearest name, and the plugins that might provide it.

        Arguments:
            others: names that can be used as well.
        """
        names = [*self.names(), *others]
        usual = _OTHER_NAMES.get(name.lower())
        near = did_you_mean(usual if usual in names else name, names)
        failed = f"These plugins failed to load: {', '.join(sorted(self._failures))}; see: genzoo plugins."
        words = [near, failed if self._failures else "", self.left_out]
        return " ".join(filter(None, words))

    @property
    def left_out(self) -> str:
        """A sentence about plugins that `GENZOO_LOAD_PLUGINS` leaves out, or an empty text."""
        names = ", ".join(sorted(self._left_out))
        return f"GENZOO_LOAD_PLUGINS leaves out {names}: unset GENZOO_LOAD_PLUGINS to load all." if names else ""

    def leaves_out(self, distribution: str) -> bool:
        """Return whether `GENZOO_LOAD_PLUGINS` leaves out an installed distribution."""
        return normalize_name(distribution) in {normalize_name(name) for name in self._left_out}

    def clashes(self) -> dict[str, list[str]]:
        """Return the bare names that several entries share, with their ids."""
        ids: dict[str, list[str]] = defaultdict(list)
        for entry in self:
            ids[entry.spec.name].append(entry.id)
        return {name: shared for name, shared in ids.items() if len(shared) > 1}

    def note_failure(self, distribution: str, reason: str) -> None:
        """Remember that a distribution failed to load, and why."""
        self._failures[distribution] = reason

    def note_left_out(self, distribution: str) -> None:
        """Remember that a distribution was left out."""
        self._left_out.add(distribution)

    def refuse_failed(self, name: str) -> None:
        """Raise an error if an unknown id belongs to a distribution that failed to load.

        Raises:
            PluginError: it does.
        """
        distribution = normalize_name(name.rpartition("/")[0])
        for failed, reason in self._failures.items():
            if distribution == normalize_name(failed) and name not in self._entries:
                raise PluginError(
                    f"The {self.kind} {name!r} is not available: {failed} failed to load: {reason} See: genzoo plugins."
                )


@dataclass(frozen=True, slots=True)
class Registry:
    """All entries of all kinds."""

    models: SpecTable[ModelSpec] = field(default_factory=lambda: SpecTable("model", ModelSpec))
    objectives: SpecTable[ObjectiveSpec] = field(default_factory=lambda: SpecTable("objective", ObjectiveSpec))
    datasets: SpecTable[DatasetSpec] = field(default_factory=lambda: SpecTable("dataset", DatasetSpec))
    metrics: SpecTable[MetricSpec] = field(default_factory=lambda: SpecTable("metric", MetricSpec))
    extractors: SpecTable[ExtractorSpec] = field(default_factory=lambda: SpecTable("extractor", ExtractorSpec))
    transforms: SpecTable[TransformSpec] = field(default_factory=lambda: SpecTable("transform", TransformSpec))
    callbacks: SpecTable[CallbackSpec] = field(default_factory=lambda: SpecTable("callback", CallbackSpec))

    def table(self, kind: str) -> SpecTable[Any]:
        """Return one table by its plural name, with which its hook's name ends, too."""
        found = getattr(self, kind)
        assert isinstance(found, SpecTable)
        return found

    def objective_of(self, model: Entry[ModelSpec], name: str) -> Entry[ObjectiveSpec]:
        """Return the objective with a name or id among those that `model` lists.

        If several have the same bare name, the one from the model's own distribution is meant.

        Raises:
            ConfigError: the model does not list it, or it is not registered.
        """
        for listed in model.spec.objectives:
            own = f"{model.distribution}/{listed}"
            known = own if own in self.objectives else listed
            if name not in (listed, known, known.rpartition("/")[2]) and not name.endswith(f"/{listed}"):
                continue
            found = self.objectives.get(known)
            if name in (listed, found.id, found.spec.name):
                return found
        help_text = did_you_mean(name, model.spec.objectives)
        raise ConfigError(f"Model {model.spec.name!r} cannot be trained with objective {name!r}. {help_text}")

    def input_of(self, model: Entry[ModelSpec], modality: Modality) -> Entry[TransformSpec]:
        """Return the transform to the space that a model computes in. Its own distribution's comes first.

        Raises:
            ConfigError: no installed plugin has it.
            PluginError: its plugin failed to load.
        """
        name = model.spec.input_of(modality)
        own = f"{model.distribution}/{name}"
        return self.transforms.get(own if own in self.transforms.ids() else name)

    def note_failure(self, distribution: str, reason: str) -> None:
        """Remember in all tables that a distribution failed to load, and why."""
        for kind in KINDS:
            self.table(kind).note_failure(distribution, reason)

    def note_left_out(self, distribution: str) -> None:
        """Remember in all tables that a distribution was left out."""
        for kind in KINDS:
            self.table(kind).note_left_out(distribution)

    def merge(self, other: Registry) -> None:
        """Add all entries of another registry, or none.

        Raises:
            PluginError: an entry exists already, or claims a name of genzoo's own.
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
    """Turn any error of a plugin's code into one that names the plugin.

    Arguments:
        what: the code that runs, as the beginning of a sentence, such as `"The loader of dataset 'x'"`.

    Raises:
        PluginError: the code raised an error of another class than genzoo's. If memory ran out, that error passes, and
            so does the `SystemExit` of a signal's handler.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):  # standard output is for results
            yield
    except GenzooError:
        raise
    except (Exception, SystemExit) as error:
        pass_out_of_memory(error)
        pass_exit_by_signal(error)
        raise PluginError(f"{what} failed{place_of(error)}: {type(error).__name__}: {error}") from error


KINDS = ("models", "objectives", "datasets", "metrics", "extractors", "transforms", "callbacks")


def resolve(reference: str, spec: Spec | ModalitySpec) -> Any:
    """Import the object that a registered spec's `"package.module:attribute"` names.

    All lazy imports go through here, and only with strings that a plugin's code registered. A string from a file is
    never imported.

    Raises:
        PluginError: the module cannot be imported, or has no such attribute.
    """
    module_name, _, attribute = reference.partition(":")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return getattr(importlib.import_module(module_name), attribute)
    except (Exception, SystemExit) as error:
        pass_out_of_memory(error)
        pass_exit_by_signal(error)
        raise PluginError(
            f"{type(spec).__name__.removesuffix('Spec')} {spec.name!r} names {reference!r}, which cannot be "
            f"imported: {type(error).__name__}: {error}. Reinstall or remove the plugin that brought it."
        ) from error


class MissingExtraError(PluginError):
    """A model needs packages of an extra that is not installed."""


@contextlib.contextmanager
def extra_named(entry: Entry[Any]) -> Iterator[None]:
    """Name the extra to install, if code of an entry cannot import a module.

    Raises:
        MissingExtraError: an entry with an extra needs a module that is not installed.
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
    """Return the module that cannot be imported, if it may belong to the extra and not to the plugin itself."""
    if not isinstance(cause, ModuleNotFoundError) or not cause.name or not entry.extra:
        return ""
    own = {str(entry.spec.builder).partition(".")[0].partition(":")[0], CORE}
    return "" if cause.name.partition(".")[0] in own else cause.name


def refuse_without_extra(entry: Entry[ModelSpec]) -> None:
    """Import the code of a model with an extra, before anything slow is done for it.

    Raises:
        MissingExtraError: the extra is not installed.
        PluginError: the code cannot be imported for another reason.
    """
    if entry.spec.extra:
        with extra_named(entry):
            resolve(entry.spec.config, entry.spec)
            resolve(entry.spec.builder, entry.spec)
