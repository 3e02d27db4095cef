"""Options that several commands share, made from the fields of settings, and tables of settings."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from genzoo.cli.command import Option
from genzoo.config.data import DataSettings, SplitSettings, split_names
from genzoo.config.explain import as_sentence, describe_fields
from genzoo.config.flags import LISTED, FlaggedSetting, flagged_settings, settings_layer
from genzoo.config.layers import parse_assignments
from genzoo.config.resolve import layer, options_class
from genzoo.config.run_config import RunConfig
from genzoo.config.sampling import sampling_class
from genzoo.errors import ConfigError
from genzoo.plugins.registry import Entry, Registry
from genzoo.spec.entries import ModelSpec, ObjectiveSpec

READING_DATA = "Reading data"
"""Heading of the options that say how data are read."""


HOLDING_OUT = "Holding rows out"
"""Heading of the options that say which rows are held out."""


def settings_rows(entry: Entry[ModelSpec] | Entry[ObjectiveSpec], prefix: str = "") -> list[list[str]]:
    """List name, type, default and description of every option of a model or objective."""
    changed = entry.spec.options if isinstance(entry.spec, ModelSpec) else {}
    return [
        [prefix + name, kind, json.dumps(changed[name]) if name in changed else default, meaning]
        for name, kind, default, meaning in describe_fields(options_class(entry))
    ]


def sampling_rows(entry: Entry[ModelSpec], prefix: str = "") -> list[list[str]]:
    """List name, type, default and description of every sampling option of a model."""
    sampler = sampling_class(entry)
    return [] if sampler is None else [[prefix + row[0], *row[1:]] for row in describe_fields(sampler)]


def objective_rows(entry: Entry[ModelSpec], registry: Registry) -> list[tuple[str, str]]:
    """List each objective of a model with its summary and, below, its options."""
    rows = []
    for place, name in enumerate(entry.spec.objectives):
        objective = registry.objective_of(entry, name)
        rows.append((f"objective={name}", objective.spec.summary + (" (default)" if place == 0 else "")))
        rows += [
            (f"  objective.{field}", setting_text(meaning, kind, default))
            for field, kind, default, meaning in describe_fields(options_class(objective))
        ]
    return rows


def setting_text(description: str, kind: str, default: str) -> str:
    """Describe a setting in one line of help.

    Examples:
        >>> setting_text("rows per update", "integer ≥ 1", "128")
        'rows per update [integer ≥ 1; default 128]'
        >>> setting_text("largest norm", "number > 0 or null", "null")
        'largest norm [number > 0]'
    """
    if default == "null":
        return f"{description} [{kind.removesuffix(' or null')}]"
    return f"{description} [{kind}; default {default}]"


def setting_option(
    setting: FlaggedSetting, *, section: str = "Options", shown_default: object = None, **changes: Any
) -> Option:
    """Make the option of a setting; its help is the description of the field.

    Its value is None, or () if the option is given once per value, unless it is given.

    Arguments:
        section: heading that the help lists it under.
        shown_default: what the help shows as the default, if it is a text or a number.
        changes: other arguments of `click.Option`.
    """
    flag, kind = setting.flag, setting.value_type
    several = flag.repeat or flag.metavar == LISTED
    extras = ["may be repeated"] if several else []
    extras += [f"env var: {flag.envvar}"] if flag.envvar is not None else []
    if isinstance(shown_default, str | int | float):
        extras.append(f"default: {shown_default}")
    help_text = as_sentence(setting.field.description or "") + (f"  [{'; '.join(extras)}]" if extras else "")
    arguments: dict[str, Any] = {"metavar": flag.metavar, "envvar": flag.envvar, "help": help_text}
    if flag.metavar == LISTED:
        arguments |= {"multiple": True, "callback": _joined}
    elif flag.repeat:
        arguments["multiple"] = True
    elif kind is bool:
        arguments["default"] = None
    if isinstance(kind, tuple):
        arguments["type"] = click.Choice(kind)
    elif kind is not bool:
        arguments["type"] = kind
    elif setting.words:
        arguments["metavar"] = f"[{'|'.join(setting.words)}]"
    elif "/" not in flag.name:
        arguments["is_flag"] = True
    arguments |= {
        "words": setting.words,
        "section": section,
        "former": flag.former,
        "former_values": flag.former_values,
    }
    return Option([flag.name], **{**arguments, **changes})


def _joined(_: click.Context, __: click.Parameter, lists: tuple[str, ...]) -> str | None:
    """Return the names of all uses of an option; `--drop a --drop b` is `--drop a,b`."""
    return ",".join(lists) if lists else None


CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def with_options(*options: click.Option) -> Callable[[CommandT], CommandT]:
    """Return a decorator that adds options to a command, in their order."""

    def add(command: CommandT) -> CommandT:
        parameters: list[click.Parameter] = getattr(command, "__click_params__", [])
        command.__click_params__ = [*parameters, *reversed(options)]  # type: ignore[attr-defined]
        return command

    return add


_SOURCE, *_READING = flagged_settings(DataSettings)
_HELD_OUT = flagged_settings(SplitSettings)
_OF_A_RUN = {setting.key: setting for setting in flagged_settings(RunConfig)}


data_option = with_options(setting_option(_SOURCE, required=True))


own_data_option = with_options(setting_option(_SOURCE, shown_default="the run's own"))
"""A decorator that adds `--data` to a command; by default, it takes all rows of the run's own data."""


with_data_options = with_options(*(setting_option(setting, section=READING_DATA) for setting in _READING))
"""A decorator that adds the options that say how `--data` is read."""


with_split_options = with_options(*(setting_option(setting, section=HOLDING_OUT) for setting in _HELD_OUT))
"""A decorator that adds the options that say which rows are held out."""


device_option = with_options(setting_option(_OF_A_RUN["device"], default="auto", shown_default="auto"))


precision_option = with_options(setting_option(_OF_A_RUN["precision"], default="auto", shown_default="auto"))


def seed_option(purpose: str) -> Callable[[CommandT], CommandT]:
    """Return a decorator that adds `--seed`, 0 by default.

    Arguments:
        purpose: what is random, as the end of a phrase: "sampling".
    """
    return click.option(
        "--seed",
        type=int,
        default=0,
        envvar="GENZOO_SEED",
        show_default=True,
        show_envvar=True,
        help=f"Random seed for {purpose}.",
    )


yes_option = click.option(
    "--yes", "-y", is_flag=True, help="Do not ask for confirmation. Needed to install without a terminal."
)


json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


metric_option = click.option(
    "--metric", "metrics", multiple=True, metavar="METRIC", help="Compute only this metric; may be repeated."
)


features_option = click.option(
    "--features",
    metavar="EXTRACTOR[=FILE]",
    help="Feature extractor of the metrics, such as pixels, columns, classifier, efficientnet-lite0 or inception=FILE; "
    "docs/metrics.md says how to get the file, which fid and kid need. On other features, frechet-distance and "
    "kernel-distance are the same, and efficientnet-lite0 is the nearest.",
)


target_option = click.option(
    "--target",
    metavar="COL",
    help="Column that tstr predicts: train on samples, test on real rows.  [default: none; tstr has no score]",
)


samples_option = click.option(
    "--samples",
    type=click.IntRange(1),
    metavar="N",
    help="Number of samples, and largest number of real rows to compare with.  [default: one per row, at most 10,000]",
)


draws_option = click.option(
    "--draws",
    type=click.IntRange(1),
    metavar="N",
    help="Number of draws for the likelihood bound.  [default: training.bound_draws of the model]",
)


sampling_option = click.option(
    "-o",
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a sampling option of the model, such as steps=20; may be repeated. `genzoo models` lists them.",
)


def sampling_layer(given: Sequence[str]) -> dict[str, Any]:
    """Return the sampling options that `-o` sets, with or without `sampling.` before their names.

    Raises:
        ConfigError: another option is set, which the model took when it was trained.
    """
    own = [word.strip().removeprefix("sampling.") for word in given]
    sections = layer(parse_assignments(own))
    sampling: dict[str, Any] = sections.pop("options")
    if sections:
        place = next(word for word in own if word.split(".")[0].partition("=")[0] in sections).partition("=")[0]
        raise ConfigError(
            f"-o {place} cannot be set for a trained model, only sampling options can, such as -o steps=20. "
            f"`genzoo models NAME` lists them."
        )
    return sampling


rows_option = click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Output file: .csv, .tsv, .parquet, .arrow, .feather or .npy.  [default: CSV on stdout]",
)


def _split_each(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for value in values for name in split_names(value))


keep_option = click.option(
    "--keep",
    multiple=True,
    metavar="A,B",
    callback=_split_each,
    help="Copy these columns of the data to the output, to join rows by; may be repeated.",
)


formulas_option = click.option(
    "--escape-formulas",
    is_flag=True,
    help="In .csv and .tsv files, put an apostrophe before texts and column names that a spreadsheet would run as a "
    "formula: those that begin with = + - @, a tab or a line end.",
)


def data_layer(source: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Arrange the options of data as settings; empty if none was given.

    Arguments:
        given: the values of `with_data_options` by name, among others.

    Raises:
        ConfigError: `--kind` without a kind.
    """
    return settings_layer([_SOURCE, *_READING], {**_as_utf8(given), _SOURCE.key: source})


def run_layer(names: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Arrange options that a run has, too, such as `--seed`, as settings.

    Arguments:
        names: their names among `given`.

    Raises:
        ConfigError: a value is out of range; the message names the option, or the variable that it comes from.
    """
    found: dict[str, Any] = {}
    for name in names:
        variable = click.get_current_context().get_parameter_source(name) is ParameterSource.ENVIRONMENT
        found |= settings_layer([_OF_A_RUN[name]], given, environment=variable)
    return found


def split_layer(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arrange the values of `with_split_options` as settings; empty if none was given."""
    return settings_layer(_HELD_OUT, _as_utf8(given))


def _as_utf8(value: Any) -> Any:
    """Return words of the command line as UTF-8, as names of columns are, also if the locale takes them for ASCII."""
    if isinstance(value, str):
        return os.fsencode(value).decode("utf-8", "surrogateescape")
    if isinstance(value, Mapping):
        return {name: _as_utf8(one) for name, one in value.items()}
    return type(value)(map(_as_utf8, value)) if isinstance(value, list | tuple) else value


def check_data_given(given: Mapping[str, Any]) -> None:
    """Check that no option says how data are read if there is no `--data`.

    Raises:
        ConfigError: one does.
    """
    if given["data"] is not None:
        return
    for setting in _READING:
        if settings_layer([setting], given):
            option = setting.flag.name.rpartition("/")[2] if given[setting.key] is False else setting.option
            raise ConfigError(f"{option} says how --data is read, which was not given.")


on_option = click.option(
    "--on",
    metavar="CLUSTER",
    help="Compute on a Dask cluster: dask for one of this machine, or an address such as tcp://HOST:8786. It needs "
    "--out and Parquet files, and all workers read the same files.",
)

drawn_on_option = click.option(
    "--on",
    metavar="CLUSTER",
    help="Draw on a Dask cluster: dask for one of this machine, or an address such as tcp://HOST:8786. It needs a "
    "table in --out as .parquet, .csv or .tsv, and all workers read the same run.",
)

jobs_option = click.option(
    "--jobs",
    type=int,
    metavar="N",
    help="Number of fits at a time.  [default: 1, and as many as the cores allow with --on dask]",
)

fits_on_option = click.option(
    "--on",
    metavar="CLUSTER",
    help="Run the fits on a Dask cluster: dask for one of this machine, or an address such as tcp://HOST:8786.",
)
