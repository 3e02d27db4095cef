"""The console script: handle signals before anything slow is imported."""

from __future__ import annotations

import os
import sys

from genzoo.cli.signals import exit_on_signals


def start() -> None:
    """Run the command line of this process."""
    _use_utf8()
    exit_on_signals()
    from genzoo.cli.main import run as run_command  # imports click

    run_command()


def _use_utf8() -> None:
    """Start again in Python's UTF-8 mode, if this process takes names of files and columns for ASCII.

    Python does so by itself in the C locale, unless PYTHONUTF8=0 forbids it.
    """
    if sys.getfilesystemencoding() == "ascii":
        os.environ["PYTHONUTF8"] = "1"  # for worker processes
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - the same program
