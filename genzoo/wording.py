"""Name arguments and settings as the reader of a message types them: flags in a shell, keywords in Python.

`argument("drop", ["age"])` is `--drop age` for a reader in a shell, and `drop=['age']` for one in Python. The command
line says once, at its entry, that it is a shell, and hands that on to its worker processes. Estimators of scikit-learn
have names of their own, which hold in the thread that fits one.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping
from contextvars import ContextVar

KEEPS_ROWS = "The model contains rows of its training data: people who have it can read them."

_FLAGS = {
    "kinds": "--kind",
    "model": "--model-file",
    "metrics": "--metric",
    "date_formats": "--date-format",
    "transforms": "--transform",
    "duplicates_together": "--keep-duplicates-together",
    "callbacks": "--callback",
    "n": "-n",
}
"""Flags that are not called like their settings; a test compares them with the declarations."""

_REPEATED = frozenset({"metrics", "missing", "bounds", "callbacks"})
"""Flags that are given once for each value. Others join their values by commas."""

_SECTIONS = ("training.optimizer.", "training.", "data.", "split.")
"""Beginnings of the full names of settings, which are no part of a keyword."""


class Word(str):
    """A placeholder for a value, such as `FILE`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class FrontEnd:
    """Where a message is read.

    Arguments:
        flags: whether arguments are flags. Defaults to false: they are keywords of Python.
        names: other names of keywords, by the full name of the setting, such as `training.batch_size`.
        templates: other expressions for keywords of Python, in which `{}` stands for the value.
    """

    def __init__(
        self, *, flags: bool = False, names: Mapping[str, str] | None = None, templates: Mapping[str, str] | None = None
    ) -> None:
        self.flags, self.names, self.templates = flags, names or {}, templates or {}


PYTHON, SHELL = FrontEnd(), FrontEnd(flags=True)

_of_process: list[FrontEnd] = []
"""The front ends that were set for all threads, the latest first; commands in several threads may overlap in time."""

_of_thread: ContextVar[FrontEnd | None] = ContextVar("front end", default=None)


def front_end() -> FrontEnd:
    """Return the front end that messages are for."""
    return _of_thread.get() or next(iter(_of_process), PYTHON)


def speak(to: FrontEnd) -> None:
    """Set the front end of this process."""
    _of_process[:] = [to]


def speak_in_thread(to: FrontEnd) -> None:
    """Set the front end of this thread, which starts with the one of the process."""
    _of_thread.set(to)


@contextlib.contextmanager
def speaking_everywhere(to: FrontEnd) -> Iterator[None]:
    """Set the front end of all threads of this process, and take it back afterwards."""
    _of_process.insert(0, to)
    try:
        yield
    finally:
        _of_process.remove(to)


@contextlib.contextmanager
def speaking(to: FrontEnd) -> Iterator[None]:
    """Set the front end of this thread."""
    token = _of_thread.set(to)
    try:
        yield
    finally:
        _of_thread.reset(token)


_NOTHING = object()


def argument(name: str, value: object = _NOTHING) -> str:
    """Return an argument as the reader types it, with a value if one is given.

    Arguments:
        name: name of the keyword in Python. A full name, such as `training.grad_clip`, is a setting without a flag.
        value: the value: a text, number, list, mapping, `True` for a switch, or a `Word`.

    Examples:
        >>> argument("drop", ["a b", "c"]), argument("drop_missing"), argument("size", Word("N"))
        ("drop=['a b', 'c']", 'drop_missing', 'size=N')
        >>> with speaking(SHELL):
        ...     print(argument("drop", ["a b", "c"]), argument("kinds", {"a": "count"}), argument("drop_missing", True))
        --drop 'a b,c' --kind a=count --drop-missing
        >>> with speaking(SHELL):
        ...     print(argument("training.patience", None), argument("missing", ["-1"]), argument("header", False))
        -o training.patience=null --missing=-1 --no-header
    """
    here = front_end()
    if here.flags:
        return _flag(name, value)
    template = here.templates.get(name)
    if template is not None:
        return template.partition("(")[0] if value is _NOTHING else template.format(repr(value))
    full = next((start + name for start in _SECTIONS if start + name in here.names), name)
    return setting_name(full) if value is _NOTHING else f"{setting_name(full)}={value!r}"


def _flag(name: str, value: object) -> str:
    if "." in name:
        return f"-o {name}" if value is _NOTHING else f"-o {shlex.quote(f'{name}={_typed(value)}')}"
    flag = _FLAGS.get(name, f"--{name.replace('_', '-')}")
    if value is _NOTHING or value is True:
        return flag
    if value is False:
        return flag.replace("--", "--no-", 1)
    if isinstance(value, Mapping):
        texts = [f"{key}={item}" for key, item in value.items()]
    elif isinstance(value, list | tuple):
        items = list(map(str, value))
        texts = items if name in _REPEATED else [",".join(f'"{item}"' if "," in item else item for item in items)]
    else:
        texts = [str(value)]
    words = (text if isinstance(value, Word) else shlex.quote(text) for text in texts)
    return " ".join(f"{flag}={word}" if word.startswith("-") else f"{flag} {word}" for word in words)


def _typed(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def setting_name(name: str) -> str:
    """Return the full name of a setting as the reader types it.

    Examples:
        >>> setting_name("training.batch_size"), setting_name("n_components"), setting_name("training.optimizer.name")
        ('batch_size', 'n_components', 'optimizer.name')
        >>> with speaking(SHELL):
        ...     setting_name("training.batch_size")
        'training.batch_size'
    """
    here = front_end()
    if here.flags:
        return name
    if name in here.names:
        return here.names[name]
    section = next((start for start in _SECTIONS if name.startswith(start) and name != f"{start}name"), "")
    short = name.removeprefix(section)
    return name if "." in short and section == "" else short


def shown_value(value: object) -> str:
    """Return `None`, true or false as the reader types it: `null` in a shell."""
    return _typed(value) if front_end().flags else repr(value)


def resuming(command: str, run: object, model_file: object = None) -> str:
    """Return how to resume a run.

    Arguments:
        command: how the command line starts, such as `genzoo`.
        run: its path.
        model_file: Python file that its model comes from. Defaults to `None`: it comes from a plugin.
    """
    if front_end().flags:
        file = "" if model_file is None else f" {argument('model', model_file)}"
        return f"{command} train --resume {shlex.quote(str(run))}{file}"
    file = "" if model_file is None else f", {argument('model', model_file)}"
    return f"genzoo.resume({str(run)!r}{file})"


def shown_given(name: str, value: str) -> str:
    """Return how the reader of a message gives a condition: `--given species=VALUE`, or `given={'species': VALUE}`."""
    return f"--given {shlex.quote(name)}={value}" if front_end().flags else f"given={{{name!r}: {value}}}"
