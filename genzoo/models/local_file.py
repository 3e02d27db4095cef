"""Run the file of a model that the user has named, and take the digests of files and of classes."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.abc
import importlib.util
import inspect
import sys
import textwrap
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from genzoo.errors import ConfigError, PluginError, pass_exit_by_signal, pass_out_of_memory
from genzoo.plugins.local import module_name

_files: dict[tuple[Path, str], ModuleType] = {}
"""Files that were run, by path and digest, so that a class stays the same class."""


class _TheseBytes(importlib.abc.SourceLoader):
    """Runs exactly the bytes whose digest was taken, without a cache of compiled code."""

    def __init__(self, path: Path, content: bytes) -> None:
        self._path, self._content = path, content

    def get_filename(self, fullname: str) -> str:
        return str(self._path)

    def get_data(self, path: Any) -> bytes:
        return self._content


def run_file(path: Path) -> tuple[ModuleType, str]:
    """Run a file as a module, once for each content, and return the module and the digest of the file.

    Raises:
        ConfigError: the file cannot be read.
        PluginError: it cannot be run; the message names the line.
    """
    content = read_file(path)
    digest = digest_of(content)
    if (path, digest) in _files:
        return _files[path, digest], digest
    name = module_name(path.stem, digest)
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
        pass_exit_by_signal(error)
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


def read_file(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"The model file {path} cannot be read: {reason}.") from error


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of a text; line ends do not matter, because version control may change them."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def file_of(cls: type[Any]) -> Path | None:
    """Return the file of a class; `None` for one of a notebook, and of a script, which holds more than the model."""
    if cls.__module__ == "__main__":
        return None
    try:
        file = inspect.getsourcefile(cls)
    except (OSError, TypeError):
        return None
    return Path(file) if file is not None and Path(file).is_file() else None


def digest_of_methods(cls: type[Any]) -> str:
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
    return digest_of("\n".join(parts).encode())
