"""Models that are classes in a file of the user's: run the file, enter the class in the zoo, find it for a run.

A run holds the name of the file and its digest. The file of a run is never looked for: the user names it, or hands over
the class, and its digest must be the one in the run.
"""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from genzoo.errors import ArtifactError, ConfigError, PluginError, did_you_mean
from genzoo.models.base import Generator
from genzoo.models.local_file import digest_of, digest_of_methods, file_of, read_file, run_file
from genzoo.models.local_spec import check_class, entries_of
from genzoo.plugins.local import ModelSource, offered_model, split_reference
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Entry
from genzoo.spec.entries import LOCAL, ModelSpec
from genzoo.wording import Word, argument


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A class of the user's that is a model, for this process and for those that it starts.

    Arguments:
        name: name of the class.
        cls: the class; `None` in another process, which runs the file.
        path: the file that it was loaded from; `None` for a class that was handed over.
        source: what runs hold of it.
        methods: SHA-256 of the source of its methods and of its attributes; empty if it cannot be read.
    """

    name: str
    cls: type[Generator] | None
    path: Path | None
    source: ModelSource
    methods: str

    def portable(self) -> LocalModel:
        """Return the same for another process. A class that no file was named for is sent as it is."""
        return self if self.path is None else replace(self, cls=None)


_known: dict[str, LocalModel] = {}
"""The models of this process, by id."""


def register_reference(text: str) -> str:
    """Enter the class that `FILE.py:CLASS` names in the zoo, and return its id. The file is run.

    Raises:
        ConfigError: the file or the class does not exist, or the class is not one of a model.
        PluginError: the file cannot be run.
    """
    file, name = split_reference(text)
    path = Path(os.path.abspath(os.path.expanduser(file)))  # noqa: PTH100, PTH111 - raise nothing
    module, digest = run_file(path)
    if not name:
        found = sorted(_models_in(module)) or ["MyModel"]
        raise ConfigError(f"Name the class of the model in {path.name}, too: {file}:{found[0]}.")
    cls = getattr(module, name, None)
    if cls is None:
        raise ConfigError(f"{path} has no class {name!r}. {did_you_mean(name, _models_in(module))}")
    check_class(cls, name)
    return _enter(LocalModel(name, cls, path, ModelSource(path.name, digest, "file"), digest_of_methods(cls)))


def register_class(cls: type[Any]) -> str:
    """Enter a class in the zoo, and return its id.

    Raises:
        ConfigError: the class is not one of a model.

    Warns:
        UserWarning: its source cannot be read, so that a run can hold its name only.
    """
    check_class(cls, cls.__name__)
    file, methods = file_of(cls), digest_of_methods(cls)
    if file is not None:
        source = ModelSource(file.name, digest_of(file.read_bytes()), "file")
    elif methods:
        source = ModelSource("", methods, "class")
    else:
        source = ModelSource()
        warnings.warn(
            f"The source of {cls.__name__} cannot be read, so its run holds only its name, and loading cannot check "
            f"that it is the same class. Save it in a file.",
            stacklevel=2,
        )
    return _enter(LocalModel(cls.__name__, cls, None, source, methods))


def local_models(ids: Iterator[str]) -> tuple[LocalModel, ...]:
    """Return what other processes need to know the models among `ids` that are classes of the user's."""
    return tuple(_known[name].portable() for name in dict.fromkeys(ids) if name in _known)


def register_again(model: LocalModel) -> None:
    """Enter a model of another process in the zoo of this one.

    Raises:
        PluginError: its file has changed since.
    """
    known = _known.get(f"{LOCAL}/{model.name}")
    if known is not None and known.source == model.source and (model.path is not None or known.cls is model.cls):
        return
    if model.path is None:
        _enter(model)
        return
    module, digest = run_file(model.path)
    if digest != model.source.digest:
        raise PluginError(f"{model.path} has changed since the comparison began. Start it again.")
    _enter(replace(model, cls=getattr(module, model.name)))


def find_local(model: str, source: ModelSource | None, path: str) -> Entry[ModelSpec]:
    """Return the zoo entry of a model that is a class of the user's.

    Arguments:
        model: its id.
        source: what the run or model folder at `path` holds of it.

    Raises:
        ArtifactError: the user has not named its file or handed over the class, or it is another one now.
    """
    name, source = model.removeprefix(f"{LOCAL}/"), source or ModelSource()
    offered = offered_model()
    if not name.isidentifier():
        raise ArtifactError(f"{path} holds a model {model[:100]!r}, which is no id of a model.")
    if offered is not None:
        _take_offer(offered, name, source, path)
    known = _known.get(model)
    if known is None:
        raise ArtifactError(
            f"{path} holds a model of the class {name!r}, which is in a file of its author's and not in the zoo. Name "
            f"the file if you have it and trust it: {_remedy(source)}."
        )
    _check_same(known.source, known.methods, source, name, path)
    registry = get_registry()
    if model not in registry.models:  # another registry than the one that it was entered in
        _enter(known)
    return registry.models.get(model)


def _take_offer(offered: Any, name: str, source: ModelSource, path: str) -> None:
    """Enter an offered class in the zoo. A file with another digest is not even run."""
    if inspect.isclass(offered):
        if offered.__name__ != name:
            raise ArtifactError(f"{path} holds a model of the class {name!r}, and not of {offered.__name__!r}.")
        register_class(offered)
        return
    file, named = split_reference(str(offered))
    if not file:
        raise ConfigError(
            f"{argument('model_file', Word('FILE'))} takes a Python file, such as my_model.py, not {str(offered)!r}."
        )
    if named not in ("", name):
        raise ArtifactError(f"{path} holds a model of the class {name!r}, and not of {named!r}.")
    if source.of == "file":
        content = read_file(Path(file).expanduser())
        _check_same(ModelSource(Path(file).name, digest_of(content), "file"), "", source, name, path)
    register_reference(f"{file}:{name}")


def _check_same(given: ModelSource, methods: str, wanted: ModelSource, name: str, path: str) -> None:
    """Check that a class is the one that a run was trained with.

    Arguments:
        methods: digest of the methods of the given class.

    Raises:
        ArtifactError: it is another one.
    """
    own = {"file": given.digest if given.of == "file" else "", "class": methods, "name": ""}[wanted.of]
    if own == wanted.digest:
        return
    trained = wanted.file[:100] or f"the class {name}"
    if not own:
        raise ArtifactError(
            f"{path} was trained with the file {trained!r}, and the class {name!r} at hand comes from no file, so it "
            f"cannot be compared. Name the file: {_remedy(wanted)}."
        )
    raise ArtifactError(
        f"{path} was trained with {trained!r} as it was then (SHA-256 {wanted.digest[:12]}), and what you gave differs "
        f"(SHA-256 {own[:12]}). Give it as it was, for example from version control, or train a new run."
    )


def _remedy(source: ModelSource) -> str:
    return argument("model", source.file[:100] or Word("FILE.py"))


def _enter(model: LocalModel) -> str:
    """Enter a class and its own objectives in the zoo of this process, and return its id."""
    assert model.cls is not None
    spec, objectives = entries_of(model.cls, model.source.file)
    registry = get_registry()
    for objective in objectives:
        registry.objectives.put_local(Entry(LOCAL, objective))
    entry = Entry(LOCAL, spec, source=model.source)
    registry.models.put_local(entry)
    _known[entry.id] = model
    return entry.id


def _models_in(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if _is_model(value) and value.__module__ == module.__name__]


def _is_model(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, Generator)
