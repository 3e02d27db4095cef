"""Find metrics and extractors of features by their names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from genzoo.data.dataset import Dataset
from genzoo.errors import ConfigError, PluginError, did_you_mean
from genzoo.features.extractor import Extractor, Material
from genzoo.metrics.metric import Metric, MetricInput, Score
from genzoo.plugins.registry import Entry, Registry, blame, resolve
from genzoo.spec.entries import ExtractorSpec, MetricSpec
from genzoo.spec.events import DataSpec
from genzoo.spec.modality import plurals
from genzoo.typing import Array
from genzoo.wording import Word, argument


def find_metrics(
    registry: Registry, names: Iterable[str] | None = None, features: str | None = None
) -> tuple[Metric, ...]:
    """Return the metrics of these names and those that belong beside them, or all registered metrics.

    If no names are given, a metric that cannot be loaded has a reason instead of a score, and metrics that are defined
    for other features are left out.

    Arguments:
        names: names of metrics. Defaults to all.
        features: name of the extractor. Defaults to `None`: plain pixels or columns.

    Raises:
        ConfigError: a name is not registered, or its metric is defined for other features.
        PluginError: a named metric cannot be loaded, or is not a `Metric`.
    """
    if names is not None:
        asked = tuple(_metric(registry.metrics.get(name)) for name in names)
        for metric in asked:
            _check_features(metric, registry, features)
        known = {metric.name for metric in asked}
        others = dict.fromkeys(name for metric in asked for name in metric.beside if name not in known)
        return (*asked, *(_metric(registry.metrics.get(name)) for name in others))
    shown = zip(registry.metrics.names(), registry.metrics, strict=True)
    found = (_any_metric(name, entry) for name, entry in shown)
    return tuple(metric for metric in found if metric.extractor in (None, features))


def _check_features(metric: Metric, registry: Registry, features: str | None) -> None:
    if metric.extractor in (None, features):
        return
    needed = registry.extractors.get(metric.extractor).spec
    option = argument("features", Word(f"{needed.name}=FILE" if needed.file else needed.name))
    raise ConfigError(
        f"Metric {metric.name!r} is defined for the features {needed.name!r} alone. Add {option}; docs/metrics.md says "
        f"how to get the file, and which metrics take other features."
    )


def _metric(entry: Entry[MetricSpec]) -> Metric:
    metric = resolve(entry.spec.metric, entry.spec)
    if not isinstance(metric, Metric):
        raise PluginError(f"Metric {entry.id!r} is of type {type(metric).__name__} and not a Metric.")
    return metric


def _any_metric(name: str, entry: Entry[MetricSpec]) -> Metric:
    """Return a metric under its unique name, or a placeholder if it cannot be loaded."""
    try:
        metric = _metric(entry)
    except PluginError as error:
        return _Missing(name, str(error))
    return metric if metric.name == name else _Named(name, metric)


class _Missing(Metric):
    """Placeholder for a plugin's metric that cannot be loaded."""

    direction = "higher"
    needs = frozenset()

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason

    def score(self, given: MetricInput) -> Score:
        raise PluginError(self.reason)


class _Named(Metric):
    """A metric under a different name."""

    def __init__(self, name: str, metric: Metric) -> None:
        self.name = name
        self.weighted = metric.weighted
        self.direction = metric.direction
        self.needs = metric.needs
        self.modalities = metric.modalities
        self.beside = metric.beside
        self.ranks = metric.ranks
        self.chance = metric.chance
        self.extractor = metric.extractor
        self._metric = metric

    def score(self, given: MetricInput) -> Score:
        return self._metric.score(given)


def _suits(spec: ExtractorSpec, data: DataSpec) -> bool:
    return data.modality in spec.modalities or spec.name == data.form.extractor


@dataclass(frozen=True, slots=True)
class Chosen:
    """An extractor that the user chose as `NAME` or `NAME=FILE`."""

    entry: Entry[ExtractorSpec]
    file: Path | None = None

    def build(self, dataset: Dataset, real: Array, device: str = "auto") -> Extractor:
        """Build the extractor.

        Arguments:
            real, device: as for `Material`.

        Raises:
            GenzooError: its weights cannot be found, or it cannot be built for these data.
        """
        spec = self.entry.spec
        with blame(f"Extractor {spec.name!r}"):
            extractor = resolve(spec.builder, spec)(Material(dataset.spec, real, dataset, self.file, device))
        if not isinstance(extractor, Extractor):
            raise PluginError(
                f"Extractor {self.entry.id!r} built a value of type {type(extractor).__name__} and not an Extractor."
            )
        return extractor


def find_extractor(registry: Registry, text: str | None, data: DataSpec) -> Chosen:
    """Find an extractor by `NAME` or `NAME=FILE`; if `text` is `None`, use plain pixels or columns.

    Raises:
        ConfigError: the name is unknown, the extractor is for other data, or it takes no file.
    """
    name, named, file = (text or data.form.extractor).partition("=")
    entry = registry.extractors.get(name)
    if not _suits(entry.spec, data):
        fitting = [e.spec.name for e in registry.extractors if _suits(e.spec, data)]
        kinds = " and ".join(plurals(entry.spec.modalities))
        raise ConfigError(
            f"Features {name!r} are for {kinds}, and these data have modality {data.modality!r}. "
            f"{did_you_mean('', fitting)}"
        )
    if named and not (file and entry.spec.file):
        problem = "need the name of a file after the =" if entry.spec.file else "take no file"
        raise ConfigError(f"{argument('features', text)}: features {name!r} {problem}.")
    return Chosen(entry, Path(file).expanduser() if file else None)
