"""`genzoo plugins new` and `genzoo plugins check`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.command import Command, Option
from genzoo.cli.options import json_option, with_options
from genzoo.cli.output import print_json, print_line, show_table
from genzoo.config.layers import parse_assignments
from genzoo.errors import CheckError, ConfigError
from genzoo.plugins.manager import get_registry
from genzoo.plugins.scaffold.project import KINDS, check_name, refuse_taken, render
from genzoo.storage.atomic import new_folder, sync

if TYPE_CHECKING:
    from genzoo.testing.promise import Outcome, Promise


@click.command("new", epilog="\b\n" + "\n".join(f"{name:<11} {kind.summary}" for name, kind in KINDS.items()))
@click.argument("name")
@click.option(
    "--kind", type=click.Choice(list(KINDS)), default="likelihood", show_default=True, help="Kind of plugin; see below."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder to create.  [default: genzoo-NAME]")
@json_option
def new_command(name: str, kind: str, out: Path | None, as_json: bool) -> None:
    """Create a working plugin for you to change: options, model, tests of the plugin contract, packaging.

    NAME is what users type, such as my-flow. The distribution is called genzoo-my-flow.

    \b
    genzoo plugins new my-flow --kind likelihood
    """
    about = KINDS[kind]
    checked = check_name(name, {entry.spec.name for entry in get_registry().table(about.kind)})
    refuse_taken(checked, about.kind, get_registry())
    folder = Path(checked.distribution) if out is None else out
    files = render(checked, kind, about)
    _write_project(files, folder)
    steps = f"cd {folder}\ngenzoo install -e .\npython -m pytest\n{about.trial.format(name=checked.bare)}".splitlines()
    if as_json:
        print_json({"folder": str(folder), "files": sorted(map(str, files)), "next": steps})
        return
    click.echo(f"{about.summary}.")
    print_line(f"Wrote {len(files)} files to {folder}.")
    click.echo("next:")
    for step in steps:
        click.echo(f"  {step}")


def _write_project(files: dict[PurePosixPath, str], out: Path) -> None:
    """Write files to a new folder, all or none.

    Raises:
        ConfigError: the folder exists.
        GenzooError: the disk is full or read-only.
    """

    def fill(fresh: Path) -> None:
        for path, text in files.items():
            file = fresh / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            sync(file)

    if not new_folder(out, fill):
        raise ConfigError(f"{out} exists already and is not overwritten. Choose another name, or --out.")


_KINDS = ("model", "metric", "dataset", "transform")


@click.command("check", cls=Command)
@click.argument("names", nargs=-1, metavar="NAME...")
@with_options(
    Option(
        ["--kind"],
        type=click.Choice(_KINDS),
        default="model",
        show_default=True,
        help="What the names are.",
        former=("--sort",),
    )
)
@click.option(
    "-o",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set an option of the models, training.NAME, or data.NAME for --data; may be repeated.",
)
@click.option(
    "--data",
    metavar="DATA",
    help="Your own data, a built-in name or a path, which models and transforms are checked on besides toy datasets.",
)
@click.option("--list", "listing", is_flag=True, help="Print the promises, but test nothing.")
@json_option
def check_command(
    names: tuple[str, ...], kind: str, options: tuple[str, ...], data: str | None, listing: bool, as_json: bool
) -> None:
    """Test models, metrics, datasets or transforms against the promises of the plugin contract.

    Exits with 5 if a promise is broken.

    \b
    genzoo plugins check gmm vae
    genzoo plugins check gmm -o n_components=3 -o covariance_type=tied
    genzoo plugins check ./my_model.py:MyModel --data rows.csv
    genzoo plugins check --list
    """
    # Imports torch, which help must not wait for.
    from genzoo.testing.check import promises, subject_of

    if listing:
        _list(promises(kind), as_json)  # type: ignore[arg-type]
        return
    if not names:
        raise click.UsageError("Give a name to check, such as: genzoo plugins check gmm", click.get_current_context())
    asked = _asked(options, kind, data)
    for name in names:
        _ = subject_of(name, kind).entry  # type: ignore[arg-type]
    results = {name: _check(name, kind, asked) for name in names}
    if as_json:
        print_json({name: [_as_dict(one) for one in outcomes] for name, outcomes in results.items()})
    else:
        for name, outcomes in results.items():
            _show(name, outcomes)
    broken = [name for name, outcomes in results.items() if any(one.state == "broken" for one in outcomes)]
    if broken:
        raise CheckError(f"{' and '.join(map(repr, broken))} broke promises; see above.")


def _asked(options: tuple[str, ...], kind: str, data: str | None) -> dict[str, Any]:
    """Arrange the options of the models as sections of settings, and the data with theirs."""
    given = parse_assignments(options)
    reading = given.pop("data", {})
    if data is None and reading:
        raise ConfigError("Option -o data.NAME says how --data is read, which was not given.")
    read = None if data is None else {**reading, "source": data}
    if given and kind != "model":
        raise ConfigError(f"Option -o is for models, and --kind is {kind}. Leave -o out.")
    asked: dict[str, Any] = {name: given.pop(name, None) for name in ("training", "objective")}
    return {**asked, "options": given, "data": read}


def _check(name: str, kind: str, asked: dict[str, Any]) -> tuple[Outcome, ...]:
    from genzoo.testing.check import check_promises

    return check_promises(name, kind=kind, **asked)  # type: ignore[arg-type]


def _as_dict(outcome: Outcome) -> dict[str, str]:
    promise = outcome.promise
    return {"promise": promise.name, "sentence": promise.sentence, "state": outcome.state, "reason": outcome.reason}


def _list(known: tuple[Promise, ...], as_json: bool) -> None:
    if as_json:
        print_json([{"promise": one.name, "sentence": one.sentence} for one in known])
    else:
        show_table(["promise", "meaning"], [[one.name, one.sentence] for one in known])


def _show(name: str, outcomes: tuple[Outcome, ...]) -> None:
    from genzoo.testing.reporting import counted, sentence

    rows = [[outcome.promise.name, outcome.state, _first(outcome.reason)] for outcome in outcomes]
    show_table(["promise", "state", "reason"], rows)
    click.echo(f"\n{sentence(name, counted(outcomes))}\n")


def _first(reason: str) -> str:
    """Return a reason in one line."""
    return " ".join(reason.split())
