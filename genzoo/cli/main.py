"""The `genzoo` command: run a subcommand, and turn every error into one paragraph and an exit code."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TextIO

import click

from genzoo.cli.command import LazyGroup
from genzoo.cli.output import CommandOutput
from genzoo.cli.signals import Stop, forget_interrupt
from genzoo.errors import (
    ConfigError,
    FormerNameWarning,
    GenzooError,
    Interrupted,
    LoggerWarning,
    LostProcessError,
    NotCompiledWarning,
    PluginLeftOutWarning,
    is_out_of_memory,
)
from genzoo.text import printable, with_period
from genzoo.wording import SHELL, speaking_everywhere

_COMMANDS = {
    "models": "List the models of the zoo, or describe one.",
    "data": "List built-in data, or inspect a dataset.",
    "train": "Train a model by its name, or continue a run.",
    "sample": "Draw samples from a trained model.",
    "evaluate": "Score a trained model on its test rows, or on other data.",
    "score": "Compute the log-likelihood, or the anomaly score, of every row.",
    "cluster": "Assign every row to a component of a trained model.",
    "embed": "Compute the latent vector of every row with a trained model.",
    "reconstruct": "Encode and decode every row with a trained model.",
    "impute": "Fill in missing values with a trained model.",
    "compare": "Fit several models to the same data and rank them.",
    "tune": "Search settings of a model, and judge the best on rows that the search never saw.",
    "synthesize": "Write synthetic rows of a table, from the model that explains it best.",
    "describe": "Describe what a trained model says about its data.",
    "report": "Write one HTML page about a run or a comparison.",
    "runs": "List, show, compare and remove runs.",
    "push": "Upload a trained model to the Hugging Face Hub.",
    "plugins": "List, test, create, freeze and restore plugins.",
    "install": "Install plugins without changing genzoo.",
    "uninstall": "Remove plugins.",
    "completion": "Let the Tab key complete commands, options and names.",
}


_FILES = {
    **dict.fromkeys(("cluster", "embed", "reconstruct", "impute"), "inference"),
    **{name: f"selection.{name}" for name in ("compare", "synthesize", "tune")},
    "describe": "report",
    "push": "runs",
    **dict.fromkeys(("install", "uninstall"), "plugins.install"),
    "plugins": "plugins.command",
    "completion": "completion.command",
}


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        import genzoo

        click.echo(f"genzoo {genzoo.__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    lines=_COMMANDS,
    files=_FILES,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
@click.pass_context
def root(ctx: click.Context, /) -> None:
    """Train, sample and compare generative models by name.

    \b
    genzoo train dcgan                                     train a GAN on handwritten digits
    genzoo train dcgan --data FOLDER --size 32             train it on your images
    genzoo sample runs/RUN -n 64 --out grid.png            draw 64 samples
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    elif ctx.invoked_subcommand != "train":
        from genzoo.runtime.launch import require_single_process  # help does not need it

        require_single_process(f"genzoo {ctx.invoked_subcommand}")


KINDS = {
    1: "failed",
    2: "usage",
    3: "plugin",
    4: "data",
    5: "check",
    6: "diverged",
    7: "candidates",
    130: "interrupted",
    143: "terminated",
}
"""Word for each exit code, in errors that are printed as JSON."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    0 is success, 1 a failed run, 2 wrong usage or settings, 3 a plugin, 4 data, a model folder or a checkpoint, 5 a
    failed check, 6 diverged training, 7 a comparison in which some candidates failed, 130 an interrupt (SIGINT) and
    143 a termination (SIGTERM).

    Arguments:
        arguments: words of the command line. Defaults to `sys.argv`.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    output = CommandOutput(debug="--debug" in words[:1], as_json="--json" in words)
    with Stop() as stop, speaking_everywhere(SHELL):
        try:
            with stop.work, _warnings_noted(), _memory_kept(), _progress_shown(words):
                if words and not _HELP.intersection(words):
                    _check_folder()
                result = root.main(words, prog_name="genzoo", standalone_mode=False, obj=output)
            return result if isinstance(result, int) else 0
        except LostProcessError as error:
            return _fail(str(error), error.exit_code, output)
        except Interrupted as error:
            return _fail_once(str(error).replace("Interrupted", stop.word, 1), stop.code(error.exit_code), output)
        except (click.ClickException, GenzooError) as error:
            return _fail_once(_text(error), error.exit_code, output)
        except (KeyboardInterrupt, click.Abort):
            return _fail(f"{stop.word}.", stop.code(130), output)
        except BrokenPipeError:
            sys.stderr.close()
            return 1
        except Exception as error:
            return _fail(_unforeseen(error, words), 1, output)


def _unforeseen(error: Exception, words: Sequence[str]) -> str:
    """Return the message of an error that no command expected."""
    if is_out_of_memory(error):
        command = next((word for word in words if word in _COMMANDS), "")
        lower = "use fewer rows, columns or samples, a smaller model, or a machine with more"
        return f"Memory ran out during `{f'genzoo {command}'.rstrip()}`; {lower}."
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"The operating system reported: {error.strerror or error}{where}."
    return f"genzoo met an error of its own: {type(error).__name__}: {error}. Run `genzoo --debug ...` for details."


def _check_folder() -> None:
    """Check that the current folder exists, because torch's libraries end the process if it does not.

    Raises:
        ConfigError: it does not.
    """
    try:
        os.getcwd()  # noqa: PTH109 - as light as possible
    except FileNotFoundError:
        raise ConfigError("The current folder was deleted. Change to a folder that exists, and try again.") from None


_HELP = frozenset({"-h", "--help", "--version"})


def _progress_shown(words: Sequence[str]) -> AbstractContextManager[object]:
    """Show progress inside, except for help and the list of models, which take less time than importing the display."""
    if not words or words[0] == "models" or _HELP.intersection(words):
        return contextlib.nullcontext()
    from genzoo.runtime.display import show_progress
    from genzoo.runtime.launch import is_first_process

    return show_progress(is_first_process())


_NOTED = (FormerNameWarning, LoggerWarning, NotCompiledWarning, PluginLeftOutWarning)


@contextlib.contextmanager
def _memory_kept() -> Iterator[None]:
    """Keep some memory for the message, in case it runs out inside."""
    kept = bytearray(4 * 2**20)  # pages that nothing is written to cost nothing
    try:
        yield
    finally:
        kept.clear()


@contextlib.contextmanager
def _warnings_noted() -> Iterator[None]:
    """Print one note per option given under a former name, and per plugin that is left out."""
    noted: set[str] = set()
    shown = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not issubclass(category, _NOTED):
            shown(message, category, filename, lineno, file, line)
        elif str(message) not in noted:
            noted.add(str(message))
            click.echo(f"Note: {printable(str(message))}", err=True)

    with warnings.catch_warnings():
        for category in _NOTED:
            warnings.simplefilter("always", category)
        warnings.showwarning = show
        yield


def _text(error: click.ClickException | GenzooError) -> str:
    if isinstance(error, GenzooError):
        return str(error)
    context = getattr(error, "ctx", None)
    return error.format_message() + (f" See: {context.command_path} --help" if context is not None else "")


def _fail_once(message: str, code: int, output: CommandOutput) -> int:
    """Print an error that every process of a launch meets, but only from one process per machine."""
    from genzoo.runtime.launch import process_count  # help does not need it

    first = process_count() == 1 or os.environ.get("LOCAL_RANK", "0") == "0"
    return _fail(message, code, output) if first else code


def _fail(message: str, code: int, output: CommandOutput) -> int:
    """Print an error on stderr, and on stdout as JSON if a program waits for JSON and got none."""
    if output.debug:
        import traceback  # help does not need it, and neither the next one

        traceback.print_exc()
    paragraph = with_period(" ".join(printable(message).split()))
    if output.as_json and not output.printed:
        import json

        content = {"error": {"code": code, "kind": KINDS.get(code, "failed"), "message": paragraph}}
        with contextlib.suppress(OSError):  # nobody reads it any more, or the disk is full
            click.echo(json.dumps(content, indent=2))
    click.echo(textwrap.fill(f"Error: {paragraph}", 100, break_long_words=False, break_on_hyphens=False), err=True)
    return code


def _replace_unprintable() -> None:
    """Print `?` for a character that the terminal's encoding lacks, such as ± in ASCII, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
            stream.reconfigure(errors="replace")


def run() -> None:
    """Run the command line of this process and exit."""
    _replace_unprintable()
    code = main()
    try:
        sys.stdout.flush()
        last = 2  # output of plugins at exit goes to stderr
    except BrokenPipeError:
        code, last = code or 1, os.open(os.devnull, os.O_WRONLY)
    except OSError as error:
        code, last = (
            _fail(f"The operating system reported: {error.strerror or error}.", 1, CommandOutput()),
            os.open(os.devnull, os.O_WRONLY),
        )
    with contextlib.suppress(OSError):
        os.dup2(last, 1)
    forget_interrupt()
    sys.exit(code)
