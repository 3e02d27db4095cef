"""Which value on validation rows selects the best step."""

from __future__ import annotations

from dataclasses import dataclass

from genzoo.config.run_config import RunConfig
from genzoo.config.training import GradientTraining, Training
from genzoo.data.dataset import Dataset, Split
from genzoo.errors import ConfigError
from genzoo.metrics.evaluation.choice import Chosen, find_extractor, find_metrics
from genzoo.metrics.metric import Direction, Metric
from genzoo.models.objective import Objective
from genzoo.plugins.registry import Registry
from genzoo.spec.modality import plurals
from genzoo.wording import argument, setting_name

OBJECTIVE = "objective"
"""Name of the objective's own monitor, where a rule could name a metric."""


@dataclass(frozen=True, slots=True)
class SelectionRule:
    """What is evaluated on validation rows.

    Arguments:
        by: value that selects the best step: `objective`, or the name of a metric.
        direction: whether higher or lower is better.
        metrics: metrics to record.
        extractor: computes their features.
        monitored: whether the objective's own monitor is recorded.
        selects: whether the best step is kept. If not, evaluations are only logged and the last step is kept.
    """

    by: str
    direction: Direction
    metrics: tuple[Metric, ...]
    extractor: Chosen
    monitored: bool
    selects: bool

    def better(self, value: float, best: float | None) -> bool:
        """Return whether a value is better than the best so far."""
        if best is None:
            return True
        return value > best if self.direction == "higher" else value < best


def has_monitor(objective: Objective) -> bool:
    """Return whether an objective has a monitor of its own."""
    return type(objective).monitor is not Objective.monitor


def selects(training: Training) -> bool:
    """Return whether settings ask to select the best step on validation rows."""
    return isinstance(training, GradientTraining) and _option(training) is not None


def find_selection_rule(
    zoo: Registry, config: RunConfig, objective: Objective, dataset: Dataset, split: Split
) -> SelectionRule | None:
    """Return what a training evaluates, or `None` if nothing can be evaluated and the settings do not ask for it.

    Raises:
        ConfigError: the settings ask for something that cannot be evaluated.
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
            f"Objective {config.objective.name!r} does not measure quality on validation rows, so {option} has "
            f"nothing to monitor. Name a metric, such as {argument('metrics', ['frechet-distance'])}, or leave "
            f"{option} out."
        )
    if option is not None and not len(split.validation):
        off = " ".join(argument(f"training.{name}", None) for name in _asked(training) if name != "metrics")
        raise ConfigError(
            f"{option} needs validation rows, and the split has none ({setting_name('split.validation')} is 0). "
            f"Set it above 0, or leave "
            f"{option} out. If it comes from a recipe: {off}."
        )
    if not (monitored or named) or not len(split.validation):
        return None
    extractor = find_extractor(zoo, training.features, dataset.spec)
    metrics = find_metrics(zoo, dict.fromkeys(named), extractor.entry.spec.name)
    for metric in metrics:
        _check_metric(metric, zoo, config, dataset)
    by = training.monitor or (OBJECTIVE if monitored else metrics[0].name)
    if by == OBJECTIVE:
        if not monitored:
            raise ConfigError(f"Objective {config.objective.name!r} has no monitor of its own. Name a metric.")
        return SelectionRule(by, "lower", metrics, extractor, monitored, option is not None)
    chosen = metrics[named.index(by)]
    if not chosen.ranks:
        raise ConfigError(
            f"{argument('monitor', by)}: {by!r} chooses no weights, because copies of training events, or noise, can "
            f"have its best value. Monitor another metric, such as 'classifier-two-sample'."
        )
    return SelectionRule(chosen.name, chosen.direction, metrics, extractor, monitored, option is not None)


def _check_metric(metric: Metric, zoo: Registry, config: RunConfig, dataset: Dataset) -> None:
    """Check that a metric applies to such data and such a model."""
    modality = dataset.spec.modality
    if not metric.takes(modality):
        kinds = " and ".join(plurals(metric.modalities))
        raise ConfigError(f"Metric {metric.name!r} is for {kinds}, and these data are of modality {modality!r}.")
    if "target" in metric.needs:
        raise ConfigError(
            f"Metric {metric.name!r} needs a column to predict, which a training does not know. Compute it afterwards, "
            f"with {argument('target')} of evaluate."
        )
    capable = zoo.models.get(config.model).spec.capabilities & {"likelihood", "likelihood-bound", "likelihood-estimate"}
    if metric.needs & {"likelihood", "training-likelihood"} and not capable:
        raise ConfigError(f"Metric {metric.name!r} needs a likelihood, and model {config.model!r} has none.")


def _option(training: GradientTraining) -> str | None:
    """Return the first option that asks for evaluations."""
    asked = next(iter(_asked(training)), None)
    return None if asked is None else setting_name("training.eval_steps") if asked == "eval_steps" else argument(asked)


def _asked(training: GradientTraining) -> list[str]:
    """Return the settings that ask for evaluations."""
    names = ("patience", "metrics", "monitor", "eval_every", "eval_steps")
    return [name for name in names if getattr(training, name) not in (None, ())]
