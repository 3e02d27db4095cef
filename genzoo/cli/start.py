"""Where a process of `genzoo` begins: before anything slow is imported, a signal already ends it in good order."""

from __future__ import annotations

import signal

from genzoo.cli.ending import WORDS, end_at_once


def run() -> None:
    """The console script."""
    for number in WORDS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):  # not where it is ignored
            signal.signal(number, end_at_once)
    from genzoo.cli.main import run as run_command  # which imports click

    run_command()
