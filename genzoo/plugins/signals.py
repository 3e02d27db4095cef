"""What signals mean while a plugin is loaded."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence
from types import FrameType

from genzoo.errors import Interrupted, is_raised_by_signal

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def is_interruption(error: BaseException, received: Sequence[int]) -> bool:
    """Return whether an error comes from a signal, and not from the plugin's own code.

    A plugin can raise `KeyboardInterrupt` itself. That is a fault of the plugin, and must not end the process.

    Arguments:
        received: the signals that arrived while the plugin was loaded, from `noted_signals`.
    """
    ends = isinstance(error, KeyboardInterrupt | Interrupted)
    return bool(received) and (ends or (isinstance(error, SystemExit) and is_raised_by_signal(error)))


@contextlib.contextmanager
def noted_signals() -> Iterator[list[int]]:
    """Note SIGINT and SIGTERM inside, and restore their handlers afterwards.

    Each signal still reaches the handler that was installed before: noting it changes nothing else. Handlers that
    code inside installs are removed at the end.

    Yields:
        The signals received so far. The list grows as they arrive.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # Python allows no other thread to set handlers
        yield received
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        handler = before[signal.Signals(number)]
        assert callable(handler)
        handler(number, frame)

    for number, handler in before.items():
        if callable(handler):  # SIG_IGN and SIG_DFL stay: an ignored signal must not be noted either
            signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            if handler is not None:  # a handler that C code installed is None here, and Python cannot restore it
                signal.signal(number, handler)
