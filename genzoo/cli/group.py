"""A group of commands, each in a file of its own that is imported when it is called, so that help stays quick."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from genzoo.errors import did_you_mean


class LazyGroup(click.Group):
    """Knows its commands by what one line says of each.

    Arguments:
        lines: what is said of each command by its name, in the order of the help.
        files: the module in `genzoo.cli` of each command that is not in `genzoo.cli.NAME`; its function is called
            `NAME_command` in any case.
    """

    def __init__(
        self,
        *given: Any,
        lines: Mapping[str, str],
        files: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*given, **options)
        self._lines = dict(lines)
        self._files = dict(files or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._lines)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self._lines:
            return None
        module = importlib.import_module(f"genzoo.cli.{self._files.get(name, name)}")
        command = getattr(module, f"{name}_command")
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self._lines:
            raise click.UsageError(f"There is no command {args[0]!r}. {did_you_mean(args[0], self._lines)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lines.items()))
