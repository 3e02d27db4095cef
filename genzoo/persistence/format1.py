"""Read files of format 1, and understand the former names of settings.

genzoo 0.1.0 wrote format 1. Its settings and tensors get their current names when a file is read; the file itself does
not change. Options of models and objectives are renamed as their specs say (`renamed`).
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from genzoo.config.layers import merge
from genzoo.config.resolve import training_class
from genzoo.config.training import BOUND_DRAWS, GradientTraining
from genzoo.errors import ConfigError, FormerNameWarning, PluginError
from genzoo.plugins.api1 import PARAM_GROUPS, rename_keys, rename_training
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Entry, Registry
from genzoo.spec.entries import ModelSpec, ObjectiveSpec

if TYPE_CHECKING:
    from pydantic import BaseModel
    from torch import Tensor

_DATA = {"colour": "color", "binarise": "binarize"}
_COLORS = {"grey": "gray"}
_TENSORS = {"model.critic.": "model.discriminator.", "average.": "ema.", "optimiser.": "optimizer."}

Note = Callable[[str, str], None]
"""Called with a former name that was used and its current one."""


def current_layers(registry: Registry, model: str, *layers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return layers of settings, as `resolve_config` takes them, under their current names.

    Arguments:
        registry: installed plugins.
        model: a name or id.
        layers: settings that users gave. Each may use former names.

    Raises:
        ConfigError: a setting is given under both names, with different values.

    Warns:
        FormerNameWarning: a setting is given under a former name.
    """
    if not any(layers):
        return [dict(part) for part in layers]
    entry = registry.models.get(model)
    named = [part["objective"]["name"] for part in layers if "name" in part.get("objective", {})]
    try:
        objective = registry.objective_of(entry, str(named[-1]) if named else entry.spec.objectives[0])
    except ConfigError:  # `resolve_config` raises it, after more important errors
        return [dict(part) for part in layers]
    # Merge first: the two names of one setting may be in different layers.
    _current_layer(entry, objective, merge(*layers), _ignore)
    return [_current_layer(entry, objective, part, _warn) for part in layers]


def _warn(former: str, current: str) -> None:
    """Warn at the line that called genzoo."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "genzoo":
        frame, level = frame.f_back, level + 1
    warnings.warn(f"{former} is now called {current}.", FormerNameWarning, stacklevel=level)


def _current_layer(
    entry: Entry[ModelSpec], objective: Entry[ObjectiveSpec], layer: Mapping[str, Any], note: Note
) -> dict[str, Any]:
    owner = f"Model {entry.spec.name!r}"
    found = dict(layer)
    if "options" in layer:
        found["options"] = _options(entry.spec.renamed, layer["options"], owner, note)
    if isinstance(layer.get("training"), Mapping):
        found["training"] = _metrics(rename_training(layer["training"], owner, note), note)
    if isinstance(layer.get("data"), Mapping):
        found["data"] = _data(layer["data"], note)
    chosen = layer.get("objective", {})
    if "options" in chosen:
        about = f"Objective {objective.spec.name!r}"
        options = _options(objective.spec.renamed, chosen["options"], about, note, "objective.")
        found["objective"] = {**chosen, "options": options}
    return found


def _options(
    renamed: Mapping[str, str], options: Mapping[str, Any], owner: str, note: Note, prefix: str = ""
) -> dict[str, Any]:
    """Return options under their current names, with their current values."""
    names = {former: current for former, current in renamed.items() if "=" not in former}
    valued = {}
    for name, value in options.items():
        own = names.get(name, name)
        current = renamed.get(f"{own}={value}") if isinstance(value, str) else None
        if current is not None:
            note(f"{prefix}{own}={value}", f"{prefix}{own}={current}")
        valued[name] = value if current is None else current
    return rename_keys(valued, names, owner, note, prefix)


def _data(data: Mapping[str, Any], note: Note) -> dict[str, Any]:
    valued = {
        name: _COLORS.get(value, value) if name in ("color", "colour") and isinstance(value, str) else value
        for name, value in data.items()
    }
    return rename_keys(valued, _DATA, "The data", note, "data.")


def _metrics(training: Mapping[str, Any], note: Note) -> dict[str, Any]:
    """Return settings of a training with metrics under their current names."""
    found = dict(training)
    if isinstance(training.get("metrics"), list | tuple):
        found["metrics"] = [_metric(name, note) for name in training["metrics"]]
    if isinstance(training.get("monitor"), str):
        found["monitor"] = _metric(training["monitor"], note)
    return found


def _metric(name: Any, note: Note) -> Any:
    known = get_registry().metrics.candidates_for(name) if isinstance(name, str) else []
    if len(known) != 1 or name not in known[0].spec.former_names:
        return name
    note(f"metric {name}", known[0].spec.name)
    return known[0].spec.name


def current_metric(name: str) -> str:
    """Return the current name of a metric.

    Warns:
        FormerNameWarning: it is given under a former name.
    """
    found = _metric(name, _warn)
    assert isinstance(found, str)
    return found


def former_metrics() -> dict[str, str]:
    """Return the current names of metrics by their former names."""
    return {former: entry.spec.name for entry in get_registry().metrics for former in entry.spec.former_names}


def current_line(line: Mapping[str, Any], metrics: Mapping[str, str]) -> dict[str, Any]:
    """Return a line of `metrics.jsonl` with parameter groups and metrics under their current names.

    Arguments:
        line: the line.
        metrics: from `former_metrics`, called once for all lines of a log.
    """
    found = {metrics.get(name, name): value for name, value in line.items()}
    if isinstance(found.get("loss"), Mapping):
        found["loss"] = {PARAM_GROUPS.get(name, name): value for name, value in found["loss"].items()}
    return found


ADDED = {"bound_draws": BOUND_DRAWS, "log": []}
"""Settings of a training that earlier versions did not have, and the values with which they trained."""


def upgrade_config(content: dict[str, Any]) -> dict[str, Any]:
    """Return `config.json` of a run as this version would have written it.

    Options get the current names of their model and objective. In format 1 all other settings do, too. Format 1 stored
    the settings of both kinds of training for every model; the unused ones are dropped.
    """
    found = dict(content)
    settings: type[BaseModel] | None = None
    with _unchanged_if_invalid():
        registry = get_registry()
        entry = registry.models.get(str(content["model"]))
        with _unchanged_if_invalid():
            found["options"] = _options(entry.spec.renamed, content["options"], "The model", _ignore)
        chosen = content.get("objective", {}).get("name", entry.spec.objectives[0])
        objective = registry.objective_of(entry, str(chosen))
        settings = training_class(objective, content.get("objective", {}).get("options"))
        given = content["objective"]["options"]
        options = _options(objective.spec.renamed, given, "The objective", _ignore)
        found["objective"] = {**content["objective"], "options": options}
    if content.get("format") != 1:
        return found
    with _unchanged_if_invalid():
        training = _metrics(rename_training(content["training"], "The run"), _ignore)
        settings = settings or GradientTraining  # the plugin is not installed, which is reported later
        own = {name: value for name, value in training.items() if name in settings.model_fields}
        found["training"] = {**ADDED, **own, "kind": settings.model_fields["kind"].default}
    with _unchanged_if_invalid():
        found["data"] = _data(content["data"], _ignore)
    return _raised(found)


def upgrade_model(content: dict[str, Any]) -> dict[str, Any]:
    """Return `config.json` of a model folder as this version would have written it."""
    found = dict(content)
    with _unchanged_if_invalid():
        entry = get_registry().models.get(str(content["model"]))
        found["options"] = _options(entry.spec.renamed, content["options"], "The model", _ignore)
    return _raised(found)


def upgrade_checkpoint(content: dict[str, Any]) -> dict[str, Any]:
    """Return `state.json` of a checkpoint as this version would have written it."""
    if content.get("format") != 1:
        return content
    found = dict(content)
    numbers = content.get("numbers")
    if isinstance(numbers, Mapping) and isinstance(numbers.get("scalers"), Mapping):
        scalers = {PARAM_GROUPS.get(name, name): value for name, value in numbers["scalers"].items()}
        found["numbers"] = {**numbers, "scalers": scalers}
    if isinstance(content.get("tied"), Mapping):
        names = content["tied"].items()
        found["tied"] = {_tensor(name): _tensor(other) if isinstance(other, str) else other for name, other in names}
    return _raised(found)


def upgrade_candidate(content: dict[str, Any]) -> dict[str, Any]:
    """Return the record of a finished candidate of a comparison as this version would have written it."""
    found = dict(content)
    with _unchanged_if_invalid():
        candidate = upgrade_config({**content["candidate"], "format": content["format"]})
        found["candidate"] = {key: value for key, value in candidate.items() if key != "format"}
        found["candidate"]["training"] = {**ADDED, **candidate["training"]}
        metrics = get_registry().metrics
        known = {name: metrics.get(name).spec.name for name in content["row"]["metrics"]}
        scores = {known[name]: {**score, "metric": known[name]} for name, score in content["row"]["metrics"].items()}
        found["row"] = {**content["row"], "metrics": scores}
    return _raised(found)


def _raised(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content with the current format's number if it has format 1."""
    return {**content, "format": 2} if content.get("format") == 1 else content


def current_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint under their current names."""
    return {_tensor(name): value for name, value in tensors.items()}


def _tensor(name: str) -> str:
    for former, current in _TENSORS.items():
        if name.startswith(former):
            name = current + name.removeprefix(former)
    group, _, rest = name.removeprefix("optimizer.").partition(".")
    return (
        f"optimizer.{PARAM_GROUPS[group]}.{rest}" if name.startswith("optimizer.") and group in PARAM_GROUPS else name
    )


def _ignore(former: str, current: str) -> None:
    """Ignore a former name: files of format 1 always use them."""


@contextlib.contextmanager
def _unchanged_if_invalid() -> Iterator[None]:
    """Leave content that is not valid format 1 to the checks that follow, which report what is wrong with it."""
    with contextlib.suppress(ConfigError, PluginError, KeyError, TypeError, AttributeError):
        yield
