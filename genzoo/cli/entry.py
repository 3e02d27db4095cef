"""The console script: handle signals before anything slow is imported."""

from __future__ import annotations

import signal

from genzoo.cli.signals import WORDS, exit_at_once


def start() -> None:
    """The console script."""
    for number in WORDS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):  # not where it is ignored
            signal.signal(number, exit_at_once)
    from genzoo.cli.main import run as run_command  # which imports click

    run_command()
