"""Every error a user can meet, drawn as one tree; each class carries its exit code.

::

    GenzooError            1  the run failed (full disk, read-only folder ...)
    ├── ConfigError        2  usage, options, settings, an existing directory
    ├── PluginError        3  a plugin, or its installation
    ├── DataError          4  data that cannot be read or used
    ├── ArtifactError      4  a run, model folder or checkpoint that cannot be used
    ├── CheckError         5  a check or gate failed
    ├── DivergenceError    6  training produced a number that is not finite
    ├── IncompleteError    7  some candidates of a comparison failed that take the data, and the others did not
    ├── LostProcessError   1  another process of the same training is gone
    ├── OutOfMemoryError   1  memory ran out
    └── Interrupted      130  interrupted (143 when terminated)

`ConfigError` and `DataError` are also `ValueError`s, as other libraries expect, and `OutOfMemoryError` is also a
`MemoryError`.

An error message is one paragraph: what genzoo expected, what it found, and what you can do.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import re
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator


class GenzooError(Exception):
    """The run failed for a reason outside the model, such as a full disk."""

    exit_code = 1


class ConfigError(GenzooError, ValueError):
    """A command, option or setting is invalid."""

    exit_code = 2


class PluginError(GenzooError):
    """A plugin cannot be loaded, or does not behave as its interface requires.

    Arguments:
        remedy: what to do about it, if that is not part of the message.
    """

    exit_code = 3

    def __init__(self, message: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class DataError(GenzooError, ValueError):
    """Data cannot be read, or the model cannot use them."""

    exit_code = 4


class ArtifactError(GenzooError):
    """A run directory, model folder or checkpoint cannot be used."""

    exit_code = 4


class CheckError(GenzooError):
    """A check or gate failed."""

    exit_code = 5


class DivergenceError(GenzooError):
    """Training produced a loss or a weight that is not finite."""

    exit_code = 6


class IncompleteError(GenzooError):
    """Some candidates of a comparison failed that take the data, and the others did not.

    Only the command line raises it.
    """

    exit_code = 7


class LostProcessError(GenzooError):
    """Another process of the same training was killed, failed or cannot be reached."""


class OutOfMemoryError(GenzooError, MemoryError):
    """Memory ran out: of the machine, of the GPU, or what a limit of the system leaves."""


class Interrupted(GenzooError):  # noqa: N818 - an interruption is not an error
    """A signal ended the run. Everything up to the last step is saved, unless a second signal came."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@contextlib.contextmanager
def explain_interruption(message: Callable[[], str]) -> Iterator[None]:
    """Say what an interruption inside leaves behind.

    Arguments:
        message: gives the message. It is called after the interruption, so it can look at what is done.

    Raises:
        Interrupted: SIGINT or SIGTERM came. A training inside raises `Interrupted` with its exit code, which is kept,
            and with a message about its own run, which is replaced.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(message(), 130) from None
    except Interrupted as error:
        raise Interrupted(message(), error.exit_code) from None


_MEMORY = re.compile(
    r"(?:can't|cannot) allocate memory|out of memory|bad_alloc|bad allocation|could not create a (?:primitive|memory)"
    r"|failed to map segment|can't start new thread|failed to launch worker thread|unable to mmap"
    r"|error return without exception set|without setting an exception",
    re.IGNORECASE,
)
"""What libraries write if memory ran out and their error has no class of its own: torch, oneDNN, pyarrow, the loader
of C. The last two are Python's own words for C code that failed and could not even allocate its error."""


def is_out_of_memory(error: BaseException) -> bool:
    """Check whether an error means that memory ran out, in the words of any library.

    Examples:
        >>> is_out_of_memory(RuntimeError("could not create a primitive")), is_out_of_memory(RuntimeError("no"))
        (True, False)
    """
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    foreign = type(error).__module__.startswith("pyarrow")
    spoken = foreign or isinstance(error, RuntimeError | ImportError | SystemError)
    return isinstance(error, MemoryError) or (spoken and _MEMORY.search(str(error)) is not None)


def pass_out_of_memory(error: BaseException) -> None:
    """Raise an error again if memory ran out, before it is reported as the fault of a file or a plugin."""
    if is_out_of_memory(error):
        raise error


def pass_exit_by_signal(error: BaseException) -> None:
    """Raise `SystemExit` again if a handler of a signal raised it, before it is reported as the fault of a plugin."""
    if isinstance(error, SystemExit) and is_raised_by_signal(error):
        raise error


def is_raised_by_signal(error: BaseException) -> bool:
    """Return whether an error passed through the function that handles SIGINT or SIGTERM now."""
    handlers = (signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM))
    codes = {getattr(handler, "__code__", None) for handler in handlers} - {None}
    return any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))


@contextlib.contextmanager
def explain_out_of_memory(work: str, remedy: str) -> Iterator[None]:
    """Say what was being done when memory ran out inside, and what to lower.

    Arguments:
        work: what is done inside, such as `"'a.csv' was read"`.
        remedy: what to lower, as a clause that begins with a verb.

    Raises:
        OutOfMemoryError: memory ran out. The innermost explanation is kept.
    """
    try:
        yield
    except OutOfMemoryError:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(f"Memory ran out while {work}; {remedy}.") from error


class FormerNameWarning(FutureWarning):
    """An option or setting was used under its name from an earlier version."""


class PluginLeftOutWarning(UserWarning):
    """A plugin is not imported, because that would end or hang the process."""


class LoggerWarning(UserWarning):
    """A tool that gets the log of a training failed. Training goes on."""


class NotCompiledWarning(UserWarning):
    """A model is trained uncompiled, because `torch.compile` cannot take it."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint after an unknown word: the most similar known word, or all known words."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Known: {', '.join(names)}." if names else "None is known."
