"""Make the estimator class of any registered model from its spec."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from sklearn.base import ClusterMixin, DensityMixin

from genzoo.config.keywords import check_model
from genzoo.config.resolve import options_class, training_class
from genzoo.config.training import DirectTraining, EMTraining
from genzoo.models.factory import build_objective
from genzoo.models.objective import DirectObjective
from genzoo.models.reference import known_name
from genzoo.plugins.local import ModelSource
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Entry
from genzoo.sklearn.estimator import Encoding, ModelEstimator, Scoring, Weighted, constructor
from genzoo.sklearn.parameters import SettingParameter, beneath, parameters_of, signature_of
from genzoo.spec.entries import ModelSpec, ObjectiveSpec

HOME = "genzoo.sklearn"


def estimator(model: str | type, *, preset: str | None = None) -> type[ModelEstimator]:
    """Return the scikit-learn estimator class of a model.

    Its constructor has every setting of the model and of its training as a keyword, with the values of the model's
    recipe as defaults. It has the methods that the model is capable of.

    Arguments:
        model: name or id of any registered model, also of a plugin; or a class of your own, or `FILE.py:CLASS`, whose
            estimators stay in this process: they cannot be pickled.
        preset: alternative recipe of the model, which the defaults come from. Defaults to `None`.

    Raises:
        ConfigError: there is no such model or preset.
        PluginError: the plugin of the model cannot be used.

    Examples:
        >>> estimator("gmm")(n_components=3).get_params()["max_iter"]
        1000
    """
    registry = get_registry()
    return _class_of(registry.models.get(check_model(registry, known_name(model))).id, preset)


def _class_of(model_id: str, preset: str | None) -> type[ModelEstimator]:
    return _made(model_id, preset, get_registry().models.get(model_id).source)


@functools.cache
def _made(
    model_id: str,
    preset: str | None,
    source: ModelSource | None,  # noqa: ARG001 - a part of the key of the cache
) -> type[ModelEstimator]:
    """Make the class of a model, once; a class of the user's is another model if its `source` is."""
    registry = get_registry()
    entry = registry.models.get(model_id)
    able = entry.spec.capabilities
    weighted = any(_takes_weights(registry.objective_of(entry, known)) for known in entry.spec.objectives)
    bases: list[type] = [Weighted] if weighted else []
    if "components" in able and "n_components" in options_class(entry).model_fields:
        bases.append(ClusterMixin)
    if "encoder" in able:
        bases.append(Encoding)
    likely = able & {"likelihood", "likelihood-bound", "likelihood-estimate"}
    if likely or "anomaly-score" in able:
        bases.append(Scoring)
    if likely:
        bases.append(DensityMixin)
    bases.append(ModelEstimator)
    name = class_name(entry.spec.name)
    base = type(name, tuple(bases), {})
    reserved = frozenset({*dir(base), "self", "random_state", "labels_"})
    parameters = parameters_of(registry, entry, preset, reserved)
    content: dict[str, Any] = {
        "__doc__": _documentation(entry, parameters),
        "__init__": constructor(signature_of(parameters)),
        "__module__": HOME,
        "__qualname__": name,
        "model_id": model_id,
        "spec": entry.spec,
        "preset": preset,
        "_parameters": parameters,
        "_beneath": beneath(registry, entry, preset),
        "_weighted": weighted,
        "_rebuild": staticmethod(_rebuild),
    }
    return type(name, tuple(bases), content)


def _takes_weights(objective: Entry[ObjectiveSpec]) -> bool:
    kind = training_class(objective)
    if not issubclass(kind, DirectTraining):
        return issubclass(kind, EMTraining)
    built = build_objective(objective, {})
    return isinstance(built, DirectObjective) and built.weighted


def _rebuild(model_id: str, preset: str | None) -> ModelEstimator:
    """Return an empty estimator, whose state a copy or a pickle fills in."""
    cls = _class_of(model_id, preset)
    return cls.__new__(cls)


def class_name(model: str) -> str:
    """Return the name of a model's class.

    Examples:
        >>> [class_name(name) for name in ("gmm", "factor-analysis", "t-mixture", "dcgan", "ppca")]
        ['GMM', 'FactorAnalysis', 'TMixture', 'DCGAN', 'PPCA']
    """
    return "".join(word.upper() if _is_acronym(word) else word.capitalize() for word in model.split("-"))


def _is_acronym(word: str) -> bool:
    """Return whether a word has at most three letters, or begins with three consonants, as abbreviations do."""
    return len(word) <= 3 or not set(word[:3]) & set("aeiouy")


def class_names() -> dict[str, str]:
    """Return the ids of the models that `genzoo.sklearn` has a class for, by the name of the class.

    Models that share a name have none; `estimator` takes their ids.
    """
    found: dict[str, list[str]] = {}
    for entry in get_registry().models:
        found.setdefault(class_name(entry.spec.name), []).append(entry.id)
    return {name: ids[0] for name, ids in found.items() if len(ids) == 1 and name.isidentifier()}


def _documentation(entry: Entry[ModelSpec], parameters: tuple[SettingParameter, ...]) -> str:
    """Return the docstring of a class, in the form that scikit-learn's displays read."""
    lines = [f"{entry.spec.summary}.", "", "Parameters", "----------"]
    for parameter in parameters:
        kind = inspect.formatannotation(parameter.annotation)
        lines += [f"{parameter.name} : {kind}, default={parameter.default!r}", f"    {parameter.description}."]
    lines += ["random_state : int, Generator, RandomState or None, default=0"]
    lines += ["    Seed; an equal one gives equal results. None draws one."]
    return "\n".join(lines) + "\n"
