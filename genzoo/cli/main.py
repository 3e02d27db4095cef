"""The `genzoo` command: finds the subcommand, and turns every error into one paragraph and an exit code."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import textwrap
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import TextIO

import click

from genzoo.cli.group import LazyGroup
from genzoo.cli.signals import Stop, forget_interrupt
from genzoo.errors import FormerNameWarning, GenzooError, Interrupted, LostProcessError
from genzoo.text import printable

_COMMANDS = {
    "models": "List the zoo; with NAME what a model is and can do.",
    "data": "List built-in data; with DATA what was found in it.",
    "train": "Train a model by its name, or go on with a run.",
    "sample": "Draw events from a trained model.",
    "evaluate": "Judge a trained model by its test rows, or by other data.",
    "score": "Tell the log-likelihood of every row under a trained model.",
    "cluster": "Assign every row to a component of a trained model.",
    "embed": "Find the latent vector of every row with a trained model.",
    "impute": "Fill in missing values with a trained model.",
    "compare": "Fit several models to the same data and rank them.",
    "report": "Write one HTML page about a run or a comparison.",
    "plugins": "List, check, write, freeze and restore plugins.",
    "install": "Install plugins beside genzoo, which stays as it is.",
    "uninstall": "Remove plugins.",
}


_FILES = {
    **dict.fromkeys(("score", "cluster", "embed", "impute"), "inference"),
    "uninstall": "install",
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
    genzoo train dcgan                    train the default model on handwritten digits
    genzoo train dcgan --data FOLDER --size 32
    genzoo sample RUN -n 64 --out grid.png
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    elif ctx.invoked_subcommand != "train":
        from genzoo.runtime.launch import require_single_process  # which every command needs, and help does not

        require_single_process(f"genzoo {ctx.invoked_subcommand}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit code.

    0 ok; 1 the run failed; 2 usage or settings; 3 plugin; 4 data, model folder or checkpoint; 5 a check failed;
    6 training diverged; 130 and 143 interrupted and terminated.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words[:1]
    with Stop() as stop:
        try:
            with stop.work, _former_names_noted():
                words = _current(words)
                result = root.main(words, prog_name="genzoo", standalone_mode=False)
            return result if isinstance(result, int) else 0
        except LostProcessError as error:
            return _fail(str(error), error.exit_code, debug)
        except Interrupted as error:
            return _refuse(str(error).replace("Interrupted", stop.word, 1), stop.code(error.exit_code), debug)
        except (click.ClickException, GenzooError) as error:
            return _refuse(_text(error), error.exit_code, debug)
        except (KeyboardInterrupt, click.Abort):
            return _fail(f"{stop.word}.", stop.code(130), debug)
        except BrokenPipeError:
            sys.stderr.close()
            return 1
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            return _fail(f"The system refused: {error.strerror or error}{where}.", 1, debug)
        except Exception as error:
            seen = f"{type(error).__name__}: {error}"
            return _fail(f"genzoo met an error of its own: {seen}. Run `genzoo --debug ...` for details.", 1, debug)


@contextlib.contextmanager
def _former_names_noted() -> Iterator[None]:
    """Print a note, once, for each option that is given under a former name."""
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
        if not issubclass(category, FormerNameWarning):
            shown(message, category, filename, lineno, file, line)
        elif str(message) not in noted:
            noted.add(str(message))
            click.echo(f"Note: {printable(str(message))}", err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always", FormerNameWarning)
        warnings.showwarning = show
        yield


def _current(words: Sequence[str]) -> list[str]:
    """The words with every flag under its current name."""
    if not any(word.startswith("--") for word in words[1:]):
        return list(words)
    from genzoo.runs.format1 import current_words  # which help of the command itself does not need

    return current_words(words)


def _text(error: click.ClickException | GenzooError) -> str:
    if isinstance(error, GenzooError):
        return str(error)
    context = getattr(error, "ctx", None)
    return error.format_message() + (f" See: {context.command_path} --help" if context is not None else "")


def _told_by_another() -> bool:
    """Whether this is one of several processes that meet the same error, and not the one of its machine to tell it."""
    from genzoo.runtime.launch import process_count  # which help does not need

    return process_count() > 1 and os.environ.get("LOCAL_RANK", "0") != "0"


def _refuse(message: str, code: int, debug: bool) -> int:
    """Tell an error that several processes may meet, of which one tells it."""
    return code if _told_by_another() else _fail(message, code, debug)


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    paragraph = " ".join(printable(message).split())
    click.echo(textwrap.fill(f"Error: {paragraph}", 100, break_long_words=False, break_on_hyphens=False), err=True)
    return code


def _show_what_can_be_shown() -> None:
    """Print `?` for a character that the terminal's encoding lacks, such as ± in ASCII, rather than fail at it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
            stream.reconfigure(errors="replace")


def run() -> None:
    """The command line of this process, and its end."""
    _show_what_can_be_shown()
    code = main()
    try:
        sys.stdout.flush()
        last = 2  # what plugins print once results are complete
    except BrokenPipeError:
        code, last = code or 1, os.open(os.devnull, os.O_WRONLY)
    except OSError as error:
        code, last = (
            _fail(f"The system refused: {error.strerror or error}.", 1, False),
            os.open(os.devnull, os.O_WRONLY),
        )
    with contextlib.suppress(OSError):
        os.dup2(last, 1)
    forget_interrupt()
    sys.exit(code)
