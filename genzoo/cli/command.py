"""Classes of commands: groups that import their commands late, help with sections, options that had other names."""

from __future__ import annotations

import importlib
import os
import shlex
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genzoo.errors import ConfigError, FormerNameWarning, did_you_mean
from genzoo.plugins.local import offering
from genzoo.spec.modality import endings

if TYPE_CHECKING:
    from click.parser import _OptionParser


class LazyGroup(click.Group):
    """A group that imports each command only when it is called, so that help is fast.

    Arguments:
        lines: one line of help per command name, in the order of the help.
        files: module in `genzoo.cli` by command name. Defaults to the command's own name. The function is always
            called `NAME_command`.
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


_ON = "\0"
"""Value of a switch that takes words and has none."""


class Option(click.Option):
    """An option with a section of the help, and with former names.

    Arguments:
        section: heading that the help lists it under. Defaults to "Options".
        former: names in earlier versions, which are still understood but not in the help.
        former_values: current values by former ones.
        words: values that it takes, if it is a switch that takes some. Defaults to none.
    """

    def __init__(
        self,
        *args: Any,
        words: Sequence[str] = (),
        section: str = "Options",
        former: Sequence[str] = (),
        former_values: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(*args, **settings)
        self.section = section
        self.former = tuple(former)
        self._former_values = dict(former_values or {})
        self.words = tuple(words)

    def add_to_parser(self, parser: _OptionParser, ctx: click.Context) -> None:
        super().add_to_parser(parser, ctx)
        for former in self.former:  # under a destination of its own, to know that it was used
            action = {"action": "store_const", "const": True} if self.is_flag else {"action": "store"}
            parser.add_option(self, [former], dest=former, **action)

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """Take a value under a former name, with a note.

        Raises:
            ConfigError: the option is given under both names, with different values.

        Warns:
            FormerNameWarning: it is given under a former name.
        """
        name = str(self.name)
        values = dict(opts)
        if isinstance(values.get(name), str):
            values[name] = self._current(values[name])
        for former in self.former:
            if former not in values:
                continue
            current, value = self.opts[0], self._current(values.pop(former))
            warnings.warn(f"{former} is now called {current}.", FormerNameWarning, stacklevel=2)
            if values.setdefault(name, value) != value:
                raise ConfigError(
                    f"{former} is the former name of {current}, and both are given, as {value} and {values[name]}. "
                    f"Leave {former} out."
                )
        return super().handle_parse_result(ctx, values, args)

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the value of a switch that takes some: true, or one of its words.

        Raises:
            BadParameter: it is another word.
        """
        found = super().type_cast_value(ctx, value)
        if not self.words or found is None:
            return found
        if found == _ON:
            return True
        if found not in self.words:
            raise click.BadParameter(f"{found!r} is not {' or '.join(self.words)}.", ctx, self)
        return found

    def _current(self, value: Any) -> Any:
        return self._former_values.get(value, value) if isinstance(value, str) else value


def _names_data(word: str) -> bool:
    """Return whether a word is the name of a dataset, or of a file or folder."""
    from genzoo.plugins.manager import get_registry  # help does not need it

    path = Path(word)
    known = bool(get_registry().datasets.candidates_for(word))
    return known or os.path.lexists(path) or word.lower().endswith(endings())


class Command(click.Command):
    """A command that lists its options under headings; its own options come first."""

    allow_extra_args = True  # parse_args explains them

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = list(args)  # the parser takes words out of args
        try:
            rest = super().parse_args(ctx, self._with_words(args))
        except click.NoSuchOption as error:
            hint = self.explain_flag(error.option_name, words)
            if hint is None:
                raise
            raise click.UsageError(hint, ctx) from error
        if rest and not ctx.resilient_parsing:
            raise click.UsageError(self.explain_extra(ctx, rest), ctx)
        return rest

    def _with_words(self, args: list[str]) -> list[str]:
        """Join switches and the words they take, so that a word that is none of these stays an argument."""
        words = {name: one.words for one in self.params if isinstance(one, Option) for name in (*one.opts, *one.former)}
        found: list[str] = []
        rest = iter(range(len(args)))
        for place in rest:
            arg, following = args[place], args[place + 1 : place + 2]
            if arg == "--":
                return [*found, *args[place:]]
            if words.get(arg):
                joined = following and following[0] in words[arg]
                found.append(f"{arg}={following[0] if joined else _ON}")
                if joined:
                    next(rest)
            else:
                found.append(arg)
        return found

    def explain_flag(self, flag: str, words: Sequence[str]) -> str | None:
        """Explain what a flag may mean that no option has; `None` if nothing is known about it.

        Arguments:
            flag: the flag.
            words: all words after the name of the command.
        """
        return None

    def explain_extra(self, ctx: click.Context, words: Sequence[str]) -> str:
        """Explain that a command line has words that no option or argument takes."""
        if ctx.params.get("data", "") is None and _names_data(words[0]):
            return f"Unexpected {words[0]!r}. Did you mean --data {shlex.quote(words[0])}?"
        return f"Got unexpected extra argument{'s' if len(words) > 1 else ''} ({' '.join(words)})."

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading in self._sections(ctx):
            self.format_section(ctx, formatter, heading)

    def format_section(self, ctx: click.Context, formatter: click.HelpFormatter, heading: str) -> None:
        """Write the options below one heading."""
        records = self._sections(ctx).get(heading)
        if records:
            with formatter.section(heading):
                formatter.write_dl(records)

    def _sections(self, ctx: click.Context) -> dict[str, list[tuple[str, str]]]:
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(parameter, "section", "Options"), []).append(record)
        return sections


def model_file_option() -> click.Option:
    """Make the option that names the file of a run's model, if that is a class of the user's."""

    def offer(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.with_resource(offering(value))

    return click.Option(
        ["--model-file"],
        metavar="FILE",
        expose_value=False,
        callback=offer,
        help="Python file of the run's model, if it is a class of your own.",
    )


class ComputingCommand(Command):
    """A command that computes with a model, and so needs torch, whose import may take long.

    Arguments:
        needs: module whose import takes most of that time. Defaults to the one that loads models.
        loads: whether it loads a run, whose model may be a class of the user's. Defaults to true.
    """

    def __init__(
        self, *args: Any, needs: str = "genzoo.persistence.open_run", loads: bool = True, **settings: Any
    ) -> None:
        super().__init__(*args, **settings)
        self._needs = needs
        if loads:
            self.params.append(model_file_option())

    def invoke(self, ctx: click.Context) -> Any:
        from genzoo.runtime.progress import Phase  # help does not need it

        with Phase("starting"):
            importlib.import_module(self._needs)
        return super().invoke(ctx)
