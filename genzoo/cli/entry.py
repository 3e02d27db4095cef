"""The console script: set up signals and streams before anything slow is imported."""

from __future__ import annotations

import io
import os
import sys

from genzoo.cli.signals import exit_on_signals


def start() -> None:
    """Run the command line of this process."""
    exit_on_signals()
    _open_streams()
    if "_GENZOO_COMPLETE" in os.environ:
        from genzoo.cli.completion.answer import answer_shell  # does not import click

        answer_shell()
        return
    from genzoo.cli.main import run as run_command  # imports click

    run_command()


def _open_streams() -> None:
    """Let each standard stream that is closed lead nowhere, and let nothing fail because stderr does.

    Otherwise the next file that is opened would take the closed stream's descriptor, and what libraries print would be
    written into that file. A training must not end because nobody can read its progress any more.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor, which is the stream's own
            setattr(sys, name, os.fdopen(descriptor, mode))
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(_Tolerant(sys.stderr.fileno(), "w", closefd=False)),
        encoding=sys.stderr.encoding,
        errors="backslashreplace",
        line_buffering=True,
    )


class _Tolerant(io.FileIO):
    """A file that takes what cannot be written, such as to a closed pipe."""

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        try:
            return super().write(data)
        except OSError:
            return len(data)
