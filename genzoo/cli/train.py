"""`genzoo train`: one command per model, with that model's own options in its help."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from pydantic import BaseModel

from genzoo.cli.options import DATA_OPTIONS, data_layer
from genzoo.config.explain import describe_fields
from genzoo.config.layers import parse_assignments, read_config_file
from genzoo.config.resolve import CALLED, FLAGS, layer, resolve_config, training_class
from genzoo.config.settings import BUDGETS, RunConfig
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Entry
from genzoo.runs.format1 import current_layers, upgrade_config
from genzoo.runtime.launch import launch_command, require_single_process
from genzoo.spec import ModelSpec

if TYPE_CHECKING:
    from genzoo.runs.run import Run

_BUDGET_OPTIONS = (
    click.Option(["--epochs"], type=float, help="Train for N passes over the training rows."),
    click.Option(["--steps"], type=int, help="Train for N steps."),
    click.Option(["--minutes"], type=float, help="Train for M minutes."),
)


_AS_JSON = click.Option(["--json", "as_json"], is_flag=True, help="Print the result as JSON.")


_SETTINGS = {flag.removeprefix("--").replace("-", "_"): name for name, flag in FLAGS.items()} | {"metrics": "metrics"}
"""The settings of a training behind options, by the name of the option."""


class _Models(click.Group):
    """Every model of the zoo is a subcommand."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name not in {name for option in _parameters() for name in option.opts}:
                raise
            raise click.UsageError(
                f"{error.option_name} stands after a model's name, as in genzoo train gmm {error.option_name} ...; "
                f"a run that is resumed keeps its settings, and takes only a larger budget.",
                ctx,
            ) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return get_registry().models.names()

    def get_command(self, ctx: click.Context, name: str) -> click.Command:
        return _ModelCommand(name, get_registry().models.get(name))

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
        click.Option(["--resume"], metavar="RUN", help="Go on with a run from its last checkpoint."),
        *_BUDGET_OPTIONS,
        _AS_JSON,
    ],
)
@click.pass_context
def train_command(ctx: click.Context, /, resume: str | None, as_json: bool, **budget: Any) -> None:
    """Train a model by its name, or go on with a run.

    Options come after the model's name: genzoo train dcgan --epochs 50. With --resume only a larger budget is taken.
    """
    given = [name for name in BUDGETS if budget[name] is not None]
    if ctx.invoked_subcommand is not None:
        if resume is not None or given or as_json:
            raise click.UsageError("Options come after the model's name: genzoo train MODEL --epochs 50.", ctx)
        return
    if resume is None:
        if given:
            raise click.UsageError("Name a model to train, such as: genzoo train dcgan --epochs 50.", ctx)
        click.echo(ctx.get_help())
        return
    _resume(resume, budget, as_json)


def _resume(path: str, budget: dict[str, Any], as_json: bool) -> None:
    from genzoo.cli.progress import Display
    from genzoo.engine.distributed import join_processes
    from genzoo.training.resume import prepare_resume
    from genzoo.training.run_training import run_training

    with join_processes() as processes, Display(quiet=not processes.first) as display:
        display.phase("reading the run")
        run, prepared, start = processes.agreed(lambda: prepare_resume(path, budget, processes=processes))
        for note in start.notes if processes.first else ():
            click.echo(f"Note: {note}", err=True)
        display.training(prepared.budget)
        run_training(prepared, run, [display], start)
    if processes.first:
        _report(run, as_json, converged=prepared.engine.finished)


class _ModelCommand(click.Command):
    """`genzoo train MODEL`."""

    def __init__(self, name: str, entry: Entry[ModelSpec]) -> None:
        registry = get_registry()
        given = entry.spec.objective_options
        found = [
            training_class(registry.objective_of(entry, objective), given.get(objective))
            for objective in entry.spec.objectives
        ]
        self._settings = list(dict.fromkeys(found))
        super().__init__(name, callback=self._train, params=_parameters(self._settings), help=entry.spec.summary)
        self._model = name
        self._entry = entry

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from genzoo.cli.options import objective_rows, settings_rows

        super().format_options(ctx, formatter)
        with formatter.section("Options of the model, given as -o NAME=VALUE"):
            rows = settings_rows(self._entry)
            formatter.write_dl([(name, f"{text} [{kind}; default {default}]") for name, kind, default, text in rows])
        with formatter.section("Objectives and their options, given as -o NAME=VALUE"):
            formatter.write_dl(objective_rows(self._entry, get_registry()))
        if self._entry.spec.presets:
            with formatter.section("Presets, given as -o preset=NAME"):
                formatter.write_dl([(n, _preset_text(p)) for n, p in self._entry.spec.presets.items()])
        recipe = self._entry.spec.training
        for settings in self._settings:
            called = CALLED[settings.model_fields["kind"].default]
            with formatter.section(f"Settings of the training by {called}, given as -o training.NAME=VALUE"):
                formatter.write_dl(
                    [
                        (name, f"{text} [{kind}; default {json.dumps(recipe[name]) if name in recipe else default}]")
                        for name, kind, default, text in describe_fields(settings)
                        if name != "kind"
                    ]
                )

    def _train(self, dry_run: bool, as_json: bool, out: str | None, **given: Any) -> None:
        if dry_run:
            require_single_process("--dry-run")
        file, *typed = _layers(given, _from_environment())
        # A file may use former names of what the command line sets: the command line wins, as always.
        layers = [
            *current_layers(get_registry(), self._model, file),
            *current_layers(get_registry(), self._model, *typed),
        ]
        config = resolve_config(get_registry(), self._model, *layers)
        self._run(config, dry_run, as_json, None if out is None else Path(out))

    def _run(self, config: RunConfig, dry_run: bool, as_json: bool, out: Path | None) -> None:
        from genzoo.cli.progress import Display  # torch is needed from here on
        from genzoo.engine.distributed import join_processes
        from genzoo.training.api import start_run
        from genzoo.training.run_training import run_training
        from genzoo.training.setup import build_setup

        with join_processes() as processes, Display(quiet=not processes.first) as display:
            display.phase("preparing")
            prepared = processes.agreed(lambda: build_setup(config, processes=processes))
            if dry_run:
                _show_plan(prepared.summary(), config.model_dump(mode="json"), as_json)
                return
            run = start_run(prepared, out)
            if processes.first:
                click.echo(_heading(prepared.summary(), run), err=True)
            display.training(prepared.budget)
            run_training(prepared, run, [display])
        if processes.first:
            _report(run, as_json, converged=prepared.engine.finished)


def _heading(summary: dict[str, Any], run: Run) -> str:
    processes = f", {summary['processes']} processes" if summary["processes"] > 1 else ""
    return f"{summary['model']} on {summary['device']}, {summary['precision']}{processes}: {run.path}"


def _preset_text(preset: Any) -> str:
    return "; ".join(f"{part}: {json.dumps(content)}" for part, content in preset.items())


def _parameters(trainings: Sequence[type[BaseModel]] = ()) -> list[click.Parameter]:
    """The options of `genzoo train MODEL`.

    Arguments:
        trainings: the settings classes of the model's trainings; options of settings that none of them has are left
            out of the help, and still understood, to be refused with what there is instead.
    """
    known = {name for settings in trainings for name in settings.model_fields}
    options = [
        click.Option(["--data"], metavar="D", help="Built-in name or path; see: genzoo data."),
        *DATA_OPTIONS,
        click.Option(
            ["-o", "--option", "options"], multiple=True, metavar="KEY=VALUE", help="Set an option; see below."
        ),
        click.Option(
            ["--config", "config_file"], type=click.Path(path_type=Path), help="Read settings from JSON or TOML."
        ),
        click.Option(["--out"], metavar="DIR", help="The run directory to make; below GENZOO_RUNS or runs by default."),
        *_BUDGET_OPTIONS,
        click.Option(["--batch-size"], type=int, help="Events per update."),
        click.Option(["--lr"], type=float, help="Learning rate of every group."),
        click.Option(["--device"], envvar="GENZOO_DEVICE", help="auto, cpu, cuda, cuda:N or mps."),
        click.Option(["--precision"], envvar="GENZOO_PRECISION", help="auto, fp64, fp32, tf32, bf16 or fp16."),
        click.Option(["--seed"], type=int, envvar="GENZOO_SEED", help="Same seed, same weights."),
        click.Option(["--warm-start"], metavar="RUN", help="Go on from the weights of another run of this model."),
        click.Option(["--patience"], type=int, help="Stop after N evaluations without improvement."),
        click.Option(["--eval-every"], type=float, help="Epochs between evaluations on validation rows."),
        click.Option(
            ["--metric", "metrics"],
            multiple=True,
            metavar="M",
            help="A metric to record at each; see: genzoo evaluate.",
        ),
        click.Option(["--monitor"], metavar="M", help="What patience and the best step go by: objective, or a metric."),
        click.Option(["--features"], metavar="NAME[=FILE]", help="Extractor of the features that metrics look at."),
        click.Option(["--keep-checkpoints"], type=int, help="How many of the last checkpoints to keep."),
        click.Option(["--callback", "callbacks"], multiple=True, help="A registered callback."),
        click.Option(["--dry-run"], is_flag=True, help="Check everything, show the plan, write nothing."),
        _AS_JSON,
    ]
    for option in options:
        option.hidden = bool(trainings) and _SETTINGS.get(str(option.name), "epochs") not in known
    return [*options]


def _from_environment() -> set[str]:
    """The options whose values come from environment variables."""
    context = click.get_current_context()
    names = ("seed", "device", "precision")
    return {name for name in names if context.get_parameter_source(name) is ParameterSource.ENVIRONMENT}


def _layers(given: dict[str, Any], from_environment: set[str]) -> list[dict[str, Any]]:
    """Config file, environment, `-o` and flags, as layers of settings."""
    training = {
        "epochs": given["epochs"],
        "steps": given["steps"],
        "minutes": given["minutes"],
        "batch_size": given["batch_size"],
        "patience": given["patience"],
        "eval_every": given["eval_every"],
        "metrics": given["metrics"] or None,
        "monitor": given["monitor"],
        "features": given["features"],
        "keep_checkpoints": given["keep_checkpoints"],
        "callbacks": given["callbacks"] or None,
        "optimizer": None if given["lr"] is None else {"lr": given["lr"]},
    }
    plain = {key: given[key] for key in ("seed", "device", "precision", "warm_start") if given[key] is not None}
    if "warm_start" in plain:
        plain["warm_start"] = str(Path(plain["warm_start"]).absolute())
    environment = {key: value for key, value in plain.items() if key in from_environment}
    flags: dict[str, Any] = {key: value for key, value in plain.items() if key not in from_environment}
    flags["training"] = {key: value for key, value in training.items() if value is not None}
    data = data_layer(given["data"], given)
    if data:
        flags["data"] = data
    file = {} if given["config_file"] is None else layer(_config_file(given["config_file"]), file=True)
    return [file, environment, layer(parse_assignments(given["options"])), flags]


def _config_file(path: Path) -> dict[str, Any]:
    """The settings in a file, which may be the `config.json` of a run in the first format."""
    content = read_config_file(path)
    return upgrade_config(content) if content.get("format") == 1 else content


def _show_plan(summary: dict[str, Any], config: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"plan": summary, "config": config}, indent=2))
        return
    for key, value in summary.items():
        text = ", ".join(f"{name} {count:,}" for name, count in value.items()) if isinstance(value, dict) else value
        click.echo(f"{key.replace('_', ' ')}: {text}")
    click.echo(f"options: {json.dumps(config['options'])}")
    click.echo(f"objective: {json.dumps(config['objective'])}")
    click.echo("Nothing was written.")


def _restarts(record: dict[str, Any]) -> list[str]:
    """What is to be known of the restarts of EM; nothing for other trainings."""
    restarts = record.get("restarts") or []
    if not restarts:
        return []
    best = record.get("kept") or restarts[0]
    ended = "converged" if best["converged"] else "did NOT converge: give more with -o training.max_iter=N"
    lines = [
        f"restart {restarts.index(best) + 1} of {len(restarts)} is kept: {best['log_likelihood']:.6g} nats per event "
        f"after {best['passes']} passes, {ended}"
    ]
    return lines if best["fault"] is None else [*lines, f"look at: {best['fault']}"]


def _report(run: Run, as_json: bool, *, converged: bool) -> None:
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
        "restarts": record.get("restarts"),
    }
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    click.echo(f"Trained {result['steps']} steps in {record.get('seconds', 0):.0f} s.")
    for line in _restarts(record):
        click.echo(line)
    click.echo(f"samples:  {result['samples']}")
    click.echo(f"model:    {run.model}")
    click.echo(f"log:      {run.log}")
    click.echo("next:")
    few = "grid.png" if run.data.modality == "image" else "samples.csv"
    click.echo(f"  genzoo sample {run.path} -n 64 --out {few}")
    click.echo(f"  genzoo sample {run.path} -n 1000 --out samples.npz")
    if not converged:
        click.echo(f"  {launch_command(record.get('processes', 1))} train --resume {run.path} --epochs N")
