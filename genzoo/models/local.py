"""Models that are classes in a file of the user's: run the file, enter the class in the zoo, find it for a run.

A run holds the name of the file and its digest. The file of a run is never looked for: the user names it, or hands over
the class, and its digest must be the one in the run.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.abc
import importlib.util
import inspect
import os
import sys
import textwrap
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from genzoo.errors import ArtifactError, ConfigError, PluginError, did_you_mean, pass_out_of_memory
from genzoo.models.base import Generator
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

_files: dict[tuple[Path, str], ModuleType] = {}
"""Files that were run, by path and digest, so that a class stays the same class."""


def register_reference(text: str) -> str:
    """Enter the class that `FILE.py:CLASS` names in the zoo, and return its id. The file is run.

    Raises:
        ConfigError: the file or the class does not exist, or the class is not one of a model.
        PluginError: the file cannot be run.
    """
    file, name = split_reference(text)
    path = Path(os.path.abspath(os.path.expanduser(file)))  # noqa: PTH100, PTH111 - raise nothing
    module, digest = _run_file(path)
    if not name:
        found = sorted(_models_in(module)) or ["MyModel"]
        raise ConfigError(f"Name the class of the model in {path.name}, too: {file}:{found[0]}.")
    cls = getattr(module, name, None)
    if cls is None:
        raise ConfigError(f"{path} has no class {name!r}. {did_you_mean(name, _models_in(module))}")
    check_class(cls, name)
    return _enter(LocalModel(name, cls, path, ModelSource(path.name, digest, "file"), _digest_of_methods(cls)))


def register_class(cls: type[Any]) -> str:
    """Enter a class in the zoo, and return its id.

    Raises:
        ConfigError: the class is not one of a model.

    Warns:
        UserWarning: its source cannot be read, so that a run can hold its name only.
    """
    check_class(cls, cls.__name__)
    file, methods = _file_of(cls), _digest_of_methods(cls)
    if file is not None:
        source = ModelSource(file.name, _digest(file.read_bytes()), "file")
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
    module, digest = _run_file(model.path)
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
        content = _read(Path(file).expanduser())
        _check_same(ModelSource(Path(file).name, _digest(content), "file"), "", source, name, path)
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


class _TheseBytes(importlib.abc.SourceLoader):
    """Runs exactly the bytes whose digest was taken, without a cache of compiled code."""

    def __init__(self, path: Path, content: bytes) -> None:
        self._path, self._content = path, content

    def get_filename(self, fullname: str) -> str:
        return str(self._path)

    def get_data(self, path: Any) -> bytes:
        return self._content


def _run_file(path: Path) -> tuple[ModuleType, str]:
    """Run a file as a module, once for each content, and return the module and the digest of the file.

    Raises:
        ConfigError: the file cannot be read.
        PluginError: it cannot be run; the message names the line.
    """
    content = _read(path)
    digest = _digest(content)
    if (path, digest) in _files:
        return _files[path, digest], digest
    name = f"_genzoo_file_{path.stem}_{digest[:12]}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_TheseBytes(path, content))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # which dataclasses and annotations in the file look for
    try:
        with _beside(path), contextlib.redirect_stdout(sys.stderr):
            assert spec.loader is not None
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        pass_out_of_memory(error)
        raise PluginError(_fault(path, error)) from error
    _files[path, digest] = module
    return module, digest


def _fault(path: Path, error: BaseException) -> str:
    """Describe why a file cannot be run, with the line at fault."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        code = f": {error.text.strip()}" if error.text else ""
        return f"{path}, line {error.lineno}, is not valid Python: {error.msg}{code}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    where = f", line {lines[-1]}," if lines else ""
    return f"{path}{where} fails when the file is run: {type(error).__name__}: {error}"


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[None]:
    """Let a file import the files beside it, as a script does."""
    folder = str(path.parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"The model file {path} cannot be read: {reason}.") from error


def _digest(content: bytes) -> str:
    """Return the SHA-256 of a text; line ends do not matter, because version control may change them."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def _file_of(cls: type[Any]) -> Path | None:
    """Return the file of a class; `None` for one of a notebook, and of a script, which holds more than the model."""
    if cls.__module__ == "__main__":
        return None
    try:
        file = inspect.getsourcefile(cls)
    except (OSError, TypeError):
        return None
    return Path(file) if file is not None and Path(file).is_file() else None


def _digest_of_methods(cls: type[Any]) -> str:
    """Return the SHA-256 of the source of a class's own methods and of its plain attributes.

    Python cannot read the source of a class in a notebook, only of its functions. The text is the same wherever the
    class stands.

    Returns:
        An empty text if a source cannot be read.
    """
    parts = [" ".join(base.__name__ for base in cls.__bases__)]
    for name, value in sorted(vars(cls).items()):
        found = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if isinstance(found, FunctionType):
            try:
                parts.append(textwrap.dedent(inspect.getsource(found)))
            except (OSError, TypeError):
                return ""
        elif not name.startswith("__") and isinstance(value, str | int | float | tuple | dict):
            parts.append(f"{name} = {value!r}")
    return _digest("\n".join(parts).encode())
