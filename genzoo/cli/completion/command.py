"""`genzoo completion`."""

from __future__ import annotations

import importlib.resources
import os
import shlex
from pathlib import Path

import click

from genzoo.cli.completion.table import current_table
from genzoo.cli.options import json_option
from genzoo.cli.output import print_json, print_line
from genzoo.errors import ConfigError, GenzooError
from genzoo.storage.atomic import atomic_text

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", required=False, metavar="bash|zsh|fish")
@click.option("--install", is_flag=True, help="Set completion up for every new shell, instead of printing a script.")
@json_option
def completion_command(shell: str | None, install: bool, as_json: bool) -> None:
    """Let the Tab key complete commands, options, models, runs, datasets and settings.

    By default, print the script of a shell, which is the shell that you use if you name none. With --install, write it
    to a file and add a line that reads it to ~/.bashrc or ~/.zshrc; fish needs no such line.

    \b
    genzoo completion --install
    source <(genzoo completion bash)                       for this shell only
    """
    chosen = _chosen(shell)
    script = (
        importlib.resources.files("genzoo.cli.completion")
        .joinpath(f"shells/genzoo.{chosen}")
        .read_text(encoding="utf-8")
    )
    if not install:
        if as_json:
            print_json({"shell": chosen, "script": script})
        else:
            click.echo(script, nl=False)
        return
    path, startup = _install(chosen, script)
    current_table()  # so that the first answer is quick, too
    if as_json:
        facts = {"shell": chosen, "out": str(path), "startup": None if startup is None else str(startup)}
        print_json(facts)
        return
    print_line(f"Wrote {path}{f', which {startup} reads' if startup is not None else ''}.")
    click.echo(f"Start a new {chosen} to use it.")


def _chosen(shell: str | None) -> str:
    """Return the shell that was named, or that the user has.

    Raises:
        ConfigError: genzoo has no completion for it.
    """
    name = Path(os.environ.get("SHELL", "")).name if shell is None else shell
    if name in _SHELLS:
        return name
    if shell is None:
        raise ConfigError(f"Name your shell, such as: genzoo completion bash. Known: {', '.join(_SHELLS)}.")
    raise ConfigError(f"There is no completion for {shell!r}. Known: {', '.join(_SHELLS)}.")


def _install(shell: str, script: str) -> tuple[Path, Path | None]:
    """Write a script to the home folder; return its path, and the file that reads it when a shell starts.

    Raises:
        GenzooError: one of the files cannot be written.
    """
    home = Path.home()
    if shell == "fish":
        folder = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "fish" / "completions"
        startup = None
    else:
        folder = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "genzoo"
        startup = home / ".bashrc" if shell == "bash" else Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"
    path = (folder / f"genzoo.{shell}").absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_text(path, script)
        if startup is not None:
            quoted = shlex.quote(str(path))
            _add_line(startup, f"[ -r {quoted} ] && . {quoted}")
    except OSError as error:
        raise GenzooError(f"{error.filename or path} cannot be written: {error.strerror}.") from error
    return path, startup


def _add_line(startup: Path, line: str) -> None:
    """Add a line to the end of a file, unless the file has it."""
    before = startup.read_text(encoding="utf-8", errors="surrogateescape") if startup.exists() else ""
    if line in before.splitlines():
        return
    with startup.open("a", encoding="utf-8") as file:
        file.write(f"{'' if not before or before.endswith(chr(10)) else chr(10)}{line}\n")
