"""The rule by which the best step is chosen on validation rows."""

from __future__ import annotations

from dataclasses import dataclass

from genzoo.config.settings import GradientTraining, RunConfig, Training
from genzoo.data.dataset import Dataset, Split
from genzoo.errors import ConfigError
from genzoo.metrics.evaluator import Chosen, find_extractor, find_metrics
from genzoo.metrics.metric import Direction, Metric
from genzoo.models.objective import Objective
from genzoo.plugins.registry import Registry

OBJECTIVE = "objective"
"""What the rule is called that goes by the objective's own monitor."""


@dataclass(frozen=True, slots=True)
class SelectionRule:
    """What is evaluated on validation rows.

    Arguments:
        by: what the best step goes by: `objective`, or the name of a metric.
        direction: which way is better.
        metrics: those that are recorded.
        extractor: of their features.
        monitored: whether the objective's own monitor is recorded.
        selects: whether the best step is the one to keep; else evaluations are only told.
    """

    by: str
    direction: Direction
    metrics: tuple[Metric, ...]
    extractor: Chosen
    monitored: bool
    selects: bool

    def better(self, value: float, best: float | None) -> bool:
        """Whether a value is better than the best so far."""
        if best is None:
            return True
        return value > best if self.direction == "higher" else value < best


def has_monitor(objective: Objective) -> bool:
    """Whether an objective itself gives patience something to watch."""
    return type(objective).monitor is not Objective.monitor


def selects(training: Training) -> bool:
    """Whether settings ask for validation rows, by which the best step is then chosen."""
    return isinstance(training, GradientTraining) and _option(training) is not None


def find_selection_rule(
    zoo: Registry, config: RunConfig, objective: Objective, dataset: Dataset, split: Split
) -> SelectionRule | None:
    """What a training watches; `None` where there is nothing to see, and nobody asked.

    Raises:
        ConfigError: what was asked for cannot be watched.
    """
    training = config.training
    if not isinstance(training, GradientTraining):  # EM ends when its likelihood has converged
        return None
    option, monitored = _option(training), has_monitor(objective)
    named = training.metrics
    if training.monitor not in (None, OBJECTIVE, *named):
        named = (*named, str(training.monitor))
    if option is not None and not monitored and not named:
        raise ConfigError(
            f"Objective {config.objective.name!r} says nothing about quality on validation rows, so {option} has "
            f"nothing to watch. Name a metric, such as --metric frechet-distance, or leave {option} out."
        )
    if option is not None and not len(split.validation):
        off = " ".join(f"-o training.{name}=null" for name in _asked(training).values() if name != "metrics")
        raise ConfigError(
            f"{option} watches the validation rows, and the split has none (split.validation is 0). Leave some, or "
            f"leave that out (what a recipe asks for with {off})."
        )
    if not (monitored or named) or not len(split.validation):
        return None
    metrics = find_metrics(zoo, dict.fromkeys(named))
    for metric in metrics:
        _check_metric(metric, zoo, config, dataset)
    extractor = find_extractor(zoo, training.features, dataset.spec)
    by = training.monitor or (OBJECTIVE if monitored else metrics[0].name)
    if by == OBJECTIVE:
        if not monitored:
            raise ConfigError(f"Objective {config.objective.name!r} has nothing to watch itself; name a metric.")
        return SelectionRule(by, "lower", metrics, extractor, monitored, option is not None)
    chosen = metrics[named.index(by)]
    return SelectionRule(chosen.name, chosen.direction, metrics, extractor, monitored, option is not None)


def _check_metric(metric: Metric, zoo: Registry, config: RunConfig, dataset: Dataset) -> None:
    """Refuse a metric that says nothing of such data or of such a model."""
    modality = dataset.spec.modality
    if modality not in metric.modalities:
        kinds = " and ".join(f"{kind}s" for kind in metric.modalities)
        raise ConfigError(f"Metric {metric.name!r} is for {kinds}, and these data are of modality {modality!r}.")
    capable = zoo.models.get(config.model).spec.capabilities & {"likelihood", "likelihood-bound"}
    if "likelihood" in metric.needs and not capable:
        raise ConfigError(f"Metric {metric.name!r} is of a likelihood, and model {config.model!r} has none.")


def _option(training: GradientTraining) -> str | None:
    """The first option that asks for evaluations."""
    return next(iter(_asked(training)), None)


def _asked(training: GradientTraining) -> dict[str, str]:
    """The options that ask for evaluations, and the settings that they are."""
    names = {
        "--patience": "patience",
        "--metric": "metrics",
        "--monitor": "monitor",
        "--eval-every": "eval_every",
        "training.eval_steps": "eval_steps",
    }
    return {option: name for option, name in names.items() if getattr(training, name) not in (None, ())}
