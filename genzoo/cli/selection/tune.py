"""`genzoo tune`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from genzoo.cli.command import ComputingCommand
from genzoo.cli.options import (
    data_layer,
    device_option,
    features_option,
    fits_on_option,
    jobs_option,
    json_option,
    precision_option,
    run_layer,
    seed_option,
    setting_option,
    split_layer,
    target_option,
    with_data_options,
    with_options,
    with_split_options,
)
from genzoo.cli.output import print_json, print_line, show_remarks, terminal_width
from genzoo.config.data import DataSettings
from genzoo.config.flags import flagged_settings, settings_layer
from genzoo.config.hints import explain_flag, named_models
from genzoo.config.layers import SECTIONS, merge, merge_training, parse_assignments
from genzoo.config.resolve import layer
from genzoo.config.run_config import RunConfig
from genzoo.errors import ConfigError
from genzoo.models.reference import known_name
from genzoo.plugins.manager import get_registry

if TYPE_CHECKING:
    from genzoo.tuning.result import Tuning

_NOT_HERE = frozenset({"keep_checkpoints", "callback", "log", "metric", "features"})
"""Settings of a training that have no use in a search, or another meaning."""

_TRAINING = tuple(
    setting for setting in flagged_settings(RunConfig) if setting.path[0] == "training" and setting.key not in _NOT_HERE
)
"""Settings of a training that have an option of their own here."""

_OF_A_CALL = frozenset({"resume", "trials", "top", "jobs", "threads", "on", "as_json"})
"""Arguments that a search that goes on takes."""


class _TuneCommand(ComputingCommand):
    """`genzoo tune`."""

    def explain_flag(self, flag: str, words: Sequence[str]) -> str | None:
        zoo = get_registry()
        known = named_models(zoo, words)
        flags = [name for option in self.params for name in option.opts]
        return explain_flag(zoo.models.get(known[0]), zoo, flag, words, flags) if known else None


@click.command("tune", cls=_TuneCommand, needs="genzoo.tuning.api", loads=False)
@click.argument("model", required=False)
@with_options(setting_option(flagged_settings(DataSettings)[0]))
@click.option(
    "--search",
    multiple=True,
    metavar="NAME=RANGE",
    help="Setting to search, as -o names it: NAME=1..20, NAME=1e-4..1e-1@log (ratios count), NAME=0..1..0.25 (steps) "
    "or NAME=a,b,c; may be repeated.",
)
@click.option(
    "--trials",
    type=int,
    metavar="N",
    help="Number of trials, kept ones included.  [default: 50, or as many as the search that goes on]",
)
@click.option("--top", type=int, metavar="N", help="Number of the best trials to judge again.  [default: 3]")
@click.option(
    "--metric",
    metavar="METRIC",
    help="Metric of samples that judges the trials.  [default: the log-likelihood of validation rows]",
)
@click.option("--resume", type=click.Path(path_type=Path), metavar="DIR", help="Continue the search in this folder.")
@jobs_option
@click.option("--threads", type=int, default=1, show_default=True, metavar="N", help="Threads per trial.")
@fits_on_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for the trials, the report and the best model. A search that it already holds is continued.",
)
@click.option(
    "-o",
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set an option of all trials, as for train; may be repeated.",
)
@with_options(*(setting_option(setting) for setting in _TRAINING))
@features_option
@target_option
@seed_option("the search, splits and trainings")
@device_option
@precision_option
@json_option
@with_split_options
@with_data_options
def tune_command(model: str | None, as_json: bool, **given: Any) -> None:
    """Search settings of MODEL, and judge the best of them again on rows that the search never saw.

    A fifth of the rows are held out first, unless the data bring test rows. Each trial is a training, judged on the
    validation rows. Trainings by gradients that are worse than most trials before are ended early. The best trials and
    the default settings are compared on the test rows in one table.

    \b
    genzoo tune gmm --data iris --search n_components=1..9 --search covariance_type=full,tied,diag --out tuned
    genzoo tune vae --data digits --search lr=1e-4..1e-1@log --search latent=2..32@log --trials 30 --jobs 2
    genzoo tune --resume tuned --trials 100
    """
    from genzoo.data.download import without_fetching  # torch is needed from here on
    from genzoo.tuning.api import TOP, TRIALS, prepare_tuning, settings_to_go_on

    names = ("trials", "top", "jobs", "threads", "on")
    terms = {name: given[name] for name in names}
    guard: AbstractContextManager[None] = nullcontext()
    if given["resume"] is not None:
        _check_resumed()
        stored = settings_to_go_on(given["resume"])
        guard = without_fetching()  # the folder names its data, and may be from a stranger
    else:
        stored = {**_asked(model, given), "trials": TRIALS, "top": TOP}
    asked = {name: one for name, one in terms.items() if name in ("jobs", "on") or one is not None}
    with guard:
        tuner = prepare_tuning(**{**stored, **asked})
        show_remarks(tuner.comparison.dataset)
        found = tuner.run()
    _show(found, as_json)


def _check_resumed() -> None:
    """Check that a search that goes on is given no other settings.

    Raises:
        ConfigError: it is.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        name = str(parameter.name)
        if name not in _OF_A_CALL and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise ConfigError(
                f"A search that goes on keeps its settings, and takes only --trials, --top, --jobs, --threads, --on "
                f"and --json, not {parameter.opts[0] if parameter.opts[0].startswith('-') else name.upper()}."
            )


def _asked(model: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `prepare_tuning` that say what is searched."""
    from genzoo.tuning.api import TEST
    from genzoo.tuning.parsing import parse_pairs

    if model is None:
        raise ConfigError("Name a model, such as: genzoo tune gmm --data iris --search n_components=1..20.")
    if given["data"] is None:
        raise ConfigError("Name the data with --data, such as --data iris.")
    sections = layer(parse_assignments(given["options"]))
    if strange := sorted({"data", "seed", "device", "precision", "warm_start"} & set(sections)):
        raise ConfigError(f"-o {strange[0]} cannot be set here: it has an option of its own, or no use in a search.")
    flags = settings_layer(_TRAINING, given).get("training", {})
    common = {
        "split": merge({"test": TEST}, sections.pop("split", {}), split_layer(given)),
        "training": merge_training(sections.pop("training", {}), flags),
        "sampling": sections.pop("sampling", {}),
        **run_layer(("seed", "device", "precision"), given),
    }
    own = {name: value for name, value in sections.items() if name in (*SECTIONS, "preset")}
    return {
        "model": known_name(model),
        "options": {**sections["options"], **own},
        "search": parse_pairs(given["search"]),
        "data": (None, data_layer(given["data"], given)),
        "common": common,
        **{name: given[name] for name in ("metric", "out", "features", "target")},
    }


def _show(found: Tuning, as_json: bool) -> None:
    if as_json:
        print_json(found.as_dict())
        return
    from rich.console import Console

    from genzoo.reports.terminal import print_report

    print_report(found.report, Console(width=terminal_width(), highlight=False, soft_wrap=False))
    if found.out is None:
        click.echo("Nothing was saved; --out DIR saves the trials, the report and a run of the best model.")
        return
    print_line(f"report: {found.out / 'report.html'}")
    if found.report.best is not None:
        print_line(f"model:  {found.report[found.report.best].run}")
    tried, most = len(found.trials), found.combinations
    if most is None or tried < most:
        more = 2 * tried if most is None else min(2 * tried, most)
        print_line(f"next:   genzoo tune --resume {shlex.quote(str(found.out))} --trials {more}")
