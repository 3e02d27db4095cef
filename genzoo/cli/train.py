"""`genzoo train`: one command per model, with the options of that model in its help."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from pydantic import BaseModel

from genzoo.cli.command import ComputingCommand, Option, model_file_option
from genzoo.cli.options import (
    HOLDING_OUT,
    READING_DATA,
    json_option,
    objective_rows,
    sampling_rows,
    setting_option,
    setting_text,
    settings_rows,
)
from genzoo.cli.output import numbers_to_give, print_json, print_line, show_notes
from genzoo.config.explain import describe_fields
from genzoo.config.flags import FlaggedSetting, flagged_settings, settings_layer
from genzoo.config.hints import explain_flag, explain_words
from genzoo.config.layers import parse_assignments, read_config_file
from genzoo.config.resolve import CALLED, layer, resolve_config, training_class
from genzoo.config.run_config import RunConfig
from genzoo.config.training import BUDGETS, DirectTraining
from genzoo.models.reference import known_name
from genzoo.persistence.format1 import current_layers, upgrade_config
from genzoo.plugins.local import offered_model, split_reference
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Entry
from genzoo.runtime.launch import launch_command, require_single_process
from genzoo.spec.entries import ModelSpec
from genzoo.text import about_starts, counted
from genzoo.wording import resuming

if TYPE_CHECKING:
    from genzoo.persistence.run import Run

_SETTINGS = tuple(flagged_settings(RunConfig))
"""Settings of a run that have an option of their own."""


_FIRST = (
    click.Option(
        ["-o", "--option", "options"],
        multiple=True,
        metavar="NAME=VALUE",
        help="Set an option that has no flag, listed below; may be repeated.",
    ),
    click.Option(
        ["--config", "config_file"],
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Read settings from a JSON or TOML file, such as config.json of a run.",
    ),
    click.Option(
        ["--out"], metavar="DIR", help="Run directory to create.  [default: a new one in GENZOO_RUNS or runs]"
    ),
)
_LAST = (
    click.Option(["--dry-run"], is_flag=True, help="Check everything and print the plan, but write nothing."),
    click.Option(["--json", "as_json"], is_flag=True, help="Print the result as JSON."),
)


class _Models(click.Group):
    """A group with one subcommand per model of the zoo."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name not in _names_of_options():
                raise
            raise click.UsageError(
                f"{error.option_name} belongs after a model's name, as in genzoo train MODEL {error.option_name} ...; "
                f"a resumed run keeps its settings, and accepts only a larger budget.",
                ctx,
            ) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return get_registry().models.names()

    def get_command(self, ctx: click.Context, name: str) -> click.Command:
        return _ModelCommand(name, get_registry().models.get(known_name(name)))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        zoo = get_registry()
        with formatter.section("Models"):
            formatter.write_dl([(n, e.spec.summary) for n, e in zip(zoo.models.names(), zoo.models, strict=True)])


@click.group(
    "train",
    cls=_Models,
    invoke_without_command=True,
    subcommand_metavar="MODEL [OPTIONS]...",
    params=[
        click.Option(["--resume"], metavar="RUN", help="Continue a run from its last checkpoint."),
        model_file_option(),
        *(setting_option(setting) for setting in _SETTINGS if setting.path[-1] in BUDGETS),
    ],
)
@json_option
@click.pass_context
def train_command(ctx: click.Context, /, resume: str | None, as_json: bool, **budget: Any) -> None:
    """Train a model by its name, or continue a run.

    \b
    genzoo train dcgan --epochs 50                         options come after the model's name
    genzoo train dcgan --help                              list the options of a model
    genzoo train --resume runs/RUN --epochs 100            continue with a larger budget
    """
    given = [name for name in BUDGETS if budget[name] is not None]
    if ctx.invoked_subcommand is not None:
        if resume is not None:
            raise click.UsageError(f"--resume takes no model's name: genzoo train --resume {shlex.quote(resume)}.", ctx)
        if given or as_json:
            example = f"--{given[0]} {_number(budget[given[0]])}" if given else "--json"
            raise click.UsageError(
                f"Options come after the model's name: genzoo train {ctx.invoked_subcommand} {example}.", ctx
            )
        return
    if resume is None:
        if given:
            raise click.UsageError("Name a model to train, such as: genzoo train dcgan --epochs 50.", ctx)
        click.echo(ctx.get_help())
        return
    settings_layer(_SETTINGS, budget)  # checks the values
    _resume(resume, budget, as_json)


def _number(value: float) -> str:
    """Write a number as it is typed: `50` rather than `50.0`."""
    return f"{value:.15g}"


def _resume(path: str, budget: dict[str, Any], as_json: bool) -> None:
    from genzoo.engine.distributed import join_processes
    from genzoo.training.resume import prepare_resume
    from genzoo.training.run_training import run_training

    with join_processes() as processes:
        run, setup, start = processes.agreed(lambda: prepare_resume(path, budget, processes=processes))
        for note in start.notes if processes.first else ():
            print_line(f"Note: {note}", err=True)
        run_training(setup, run, start=start)
    if processes.first:
        _report(run, as_json, converged=setup.engine.finished, model=offered_model())


class _ModelCommand(ComputingCommand):
    """`genzoo train MODEL`."""

    def __init__(self, name: str, entry: Entry[ModelSpec]) -> None:
        registry = get_registry()
        options = entry.spec.objective_options
        trainings = [
            training_class(registry.objective_of(entry, objective), options.get(objective))
            for objective in entry.spec.objectives
        ]
        self._trainings = list(dict.fromkeys(trainings))
        parameters = _parameters(entry.spec, self._trainings)
        super().__init__(
            name,
            needs="genzoo.training.run_training",
            loads=False,
            callback=self._train,
            params=parameters,
            help=entry.spec.summary,
        )
        self._model = entry.id
        self._entry = entry

    def explain_flag(self, flag: str, words: Sequence[str]) -> str | None:
        return explain_flag(self._entry, get_registry(), flag, words, _names_of_options())

    def explain_extra(self, ctx: click.Context, words: Sequence[str]) -> str:
        hint = explain_words(self._entry, get_registry(), words, ctx.params["options"])
        return hint or super().explain_extra(ctx, words)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_section(ctx, formatter, "Options")
        if rows := settings_rows(self._entry):
            with formatter.section("Options of the model, given as -o NAME=VALUE"):
                formatter.write_dl([(name, setting_text(text, kind, default)) for name, kind, default, text in rows])
        if sampling := sampling_rows(self._entry, "sampling."):
            with formatter.section("Sampling options of the model, given as -o sampling.NAME=VALUE"):
                formatter.write_dl(
                    [(name, setting_text(text, kind, default)) for name, kind, default, text in sampling]
                )
        with formatter.section("Objectives and their options, given as -o NAME=VALUE"):
            formatter.write_dl(objective_rows(self._entry, get_registry()))
        if self._entry.spec.presets:
            with formatter.section("Presets, given as -o preset=NAME"):
                formatter.write_dl([(n, _preset_text(p)) for n, p in self._entry.spec.presets.items()])
        recipe = self._entry.spec.training
        for training in self._trainings:
            method = CALLED[training.model_fields["kind"].default]
            with formatter.section(f"Settings of the training by {method}, given as -o training.NAME=VALUE"):
                formatter.write_dl(
                    [
                        (name, setting_text(text, kind, json.dumps(recipe[name]) if name in recipe else default))
                        for name, kind, default, text in describe_fields(training)
                        if name != "kind"
                    ]
                )
        self.format_section(ctx, formatter, HOLDING_OUT)
        self.format_section(ctx, formatter, READING_DATA)

    def _train(self, dry_run: bool, as_json: bool, out: str | None, **given: Any) -> None:
        from genzoo.engine.distributed import join_processes  # torch is needed from here on
        from genzoo.training.api import run_to_go_on, start_run
        from genzoo.training.run_training import run_training
        from genzoo.training.setup import build_setup

        if dry_run:
            require_single_process("--dry-run")
        config = self._config(given)
        if (again := run_to_go_on(config, out)) is not None:
            _resume(again, {}, as_json)
            return
        with join_processes() as processes:
            setup = processes.agreed(lambda: build_setup(config, processes=processes))
            if dry_run:
                show_notes(setup.notes)
                _show_plan(setup.summary(), config.model_dump(mode="json"), as_json)
                return
            run = start_run(setup, None if out is None else Path(out))
            if processes.first:
                print_line(_heading(setup.summary(), run), err=True)
                show_notes(setup.notes)
            run_training(setup, run)
        if processes.first:
            _report(run, as_json, converged=setup.engine.finished, model=self.name)

    def _config(self, given: dict[str, Any]) -> RunConfig:
        """Return the settings of the training, after every layer."""
        registry = get_registry()
        # Each layer on its own: a setting under its current name replaces one of a lower layer under its former name.
        layers = [part for one in _layers(given) for part in current_layers(registry, self._model, one)]
        return resolve_config(registry, self._model, *layers)


def _heading(summary: dict[str, Any], run: Run) -> str:
    processes = f", {summary['processes']} processes" if summary["processes"] > 1 else ""
    return f"{summary['model']} on {summary['device']}, {summary['precision']}{processes}: {run.path}"


def _preset_text(preset: Any) -> str:
    return "; ".join(f"{part}: {json.dumps(content)}" for part, content in preset.items())


def _parameters(spec: ModelSpec, trainings: Sequence[type[BaseModel]]) -> list[click.Parameter]:
    """Make the options of `genzoo train MODEL`.

    Arguments:
        trainings: settings classes of the model's trainings. An option of another training is hidden, yet understood,
            so that the error can name the settings that there are.
    """
    options = {setting.key: _option(setting, spec, trainings) for setting in _SETTINGS}
    return [options.pop("data"), *_FIRST, *options.values(), *_LAST]


def _option(setting: FlaggedSetting, spec: ModelSpec, trainings: Sequence[type[BaseModel]]) -> Option:
    if setting.path == ("data", "source"):
        return setting_option(setting, shown_default=spec.data)
    if setting.path[0] == "data":
        return setting_option(setting, section=READING_DATA)
    if setting.path[0] == "split":
        return setting_option(setting, section=HOLDING_OUT)
    if setting.path[0] == "training":
        known = {name for training in trainings for name in training.model_fields}
        default = _default(setting, spec.training)
        return setting_option(setting, shown_default=default, hidden=setting.path[1] not in known)
    return setting_option(setting, shown_default=setting.field.default)


def _default(setting: FlaggedSetting, recipe: Mapping[str, Any]) -> object:
    """Return the default of a setting of the training, from the model's recipe or else from its field."""
    value: Any = recipe
    for name in setting.path[1:]:
        value = value.get(name) if isinstance(value, Mapping) else None
    return setting.field.default if value is None else value


def _names_of_options() -> set[str]:
    """Return every name, current or former, of an option of `genzoo train MODEL`."""
    names = {name for option in (*_FIRST, *_LAST) for name in option.opts}
    return names | {name for setting in _SETTINGS for name in (*setting.flag.name.split("/"), *setting.flag.former)}


def _layers(given: dict[str, Any]) -> list[dict[str, Any]]:
    """Arrange config file, environment, `-o` and flags as layers of settings, the strongest last."""
    context = click.get_current_context()
    environment = [
        setting for setting in _SETTINGS if context.get_parameter_source(setting.key) is ParameterSource.ENVIRONMENT
    ]
    flags = [setting for setting in _SETTINGS if setting not in environment]
    path = given["config_file"]
    file = {} if path is None else layer(_config_file(path), file=True)
    options = layer(parse_assignments(given["options"]))
    return [file, settings_layer(environment, given, environment=True), options, settings_layer(flags, given)]


def _config_file(path: Path) -> dict[str, Any]:
    """Read the settings in a file, which may be `config.json` of a run in the first format."""
    content = read_config_file(path)
    return upgrade_config(content) if content.get("format") == 1 else content


def _show_plan(summary: dict[str, Any], config: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json({"plan": summary, "config": config})
        return
    for key, value in summary.items():
        text = ", ".join(f"{name} {count:,}" for name, count in value.items()) if isinstance(value, dict) else value
        print_line(f"{key.replace('_', ' ')}: {text}")
    click.echo(f"options: {json.dumps(config['options'])}")
    click.echo(f"objective: {json.dumps(config['objective'])}")
    if config["sampling"]:
        click.echo(f"sampling: {json.dumps(config['sampling'])}")
    click.echo("Nothing was written.")


def _restarts(record: dict[str, Any]) -> list[str]:
    """Describe the restarts of EM; empty for other trainings."""
    restarts = record.get("restarts") or []
    if not restarts:
        return []
    best = record.get("kept") or restarts[0]
    ended = "converged" if best["converged"] else "did NOT converge: allow more passes with -o training.max_iter=N"
    lines = [
        f"restart {restarts.index(best) + 1} of {len(restarts)} is kept: {best['log_likelihood']:.6g} nats per event "
        f"after {counted(best['passes'], 'pass')}, {ended}"
    ]
    starts = record.get("starts")
    if starts is not None:
        lines.append(("look at: " if starts["agreed"] == 1 else "") + about_starts(**starts))
    return lines if best["fault"] is None else [*lines, f"look at: {best['fault']}"]


def _report(run: Run, as_json: bool, *, converged: bool, model: object = None) -> None:
    """Print what a training has made, and what to do next.

    Arguments:
        model: the file of the model, if it is a class of the user's.
    """
    from genzoo.reports.curves import about_best

    record = run.record
    pictures = run.pictures()
    result = {
        "run": str(run.path),
        "status": record["status"],
        "steps": record.get("steps"),
        "seconds": record.get("seconds"),
        "model": str(run.model),
        "samples": str(pictures[-1]) if pictures else None,
        "weights": record.get("weights"),
        "best": record.get("best"),
        "restarts": record.get("restarts"),
        "starts": record.get("starts"),
        "density_rests_on": record.get("density_rests_on"),
    }
    if as_json:
        print_json(result)
        return
    direct = isinstance(run.config.training, DirectTraining)
    did = "Fitted" if direct else f"Trained {counted(result['steps'], 'step')}"
    click.echo(f"{did} in {record.get('seconds', 0):.0f} s.")
    for line in _restarts(record):
        click.echo(line)
    if (best := about_best(record)) is not None:
        print_line(best)
    if record.get("density_rests_on"):
        print_line(f"look at: {record['density_rests_on']}")
    print_line(f"samples:  {result['samples']}")
    print_line(f"model:    {run.model}")
    print_line(f"log:      {run.log}")
    click.echo("next:")
    given_file = split_reference(str(model))[0] if run.config.model_source else None
    path = shlex.quote(str(run.path)) + (f" --model-file {shlex.quote(given_file)}" if given_file else "")
    pictured = run.data.form.pictured
    sample = f"genzoo sample {path}{numbers_to_give(run.data)}"
    if pictured:
        print_line(f"  {sample} -n 64 --out {'samples.wav' if run.data.form.timed else 'grid.png'}")
    print_line(f"  {sample} -n 1000 --out samples{'.npz' if pictured else run.data.form.suffix}")
    if not converged:
        print_line(f"  {resuming(launch_command(record.get('processes', 1)), run.path, given_file)} --epochs N")
