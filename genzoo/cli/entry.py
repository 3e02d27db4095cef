"""The console script: handle signals before anything slow is imported."""

from __future__ import annotations

from genzoo.cli.signals import exit_on_signals


def start() -> None:
    """Run the command line of this process."""
    exit_on_signals()
    from genzoo.cli.main import run as run_command  # imports click

    run_command()
