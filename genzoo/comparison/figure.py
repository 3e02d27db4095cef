"""Check the figure that ranks candidates, or the trials of a search."""

from __future__ import annotations

from collections.abc import Sequence

from genzoo.comparison.fits.sample_metrics import sample_metrics
from genzoo.errors import ConfigError, did_you_mean
from genzoo.metrics.information_criteria import CRITERIA
from genzoo.metrics.metric import Metric
from genzoo.plugins.registry import Registry
from genzoo.spec.modality import MODALITIES
from genzoo.wording import argument


def check_figure(zoo: Registry, by: str | None, folds: int, target: str | None, features: str | None) -> None:
    """Check that candidates can be ranked by a figure, as for `compare`.

    Raises:
        ConfigError: they cannot.
    """
    if by is None:
        return
    if by == "log-likelihood" or is_rate(by):
        raise ConfigError(
            f"{by!r} ranks candidates as 'test' does: it is their log-likelihood of the same rows in another unit. Ask "
            f"for {argument('by', 'test')}."
        )
    if by == "token-perplexity":
        raise ConfigError(
            f"Candidates are not ranked by {by!r}: it means the same only within one vocabulary. Ask for "
            f"{argument('by', 'test')}, which has the same meaning for all kinds of symbols."
        )
    if by == "cv" and not folds:
        raise ConfigError(
            f"{argument('by', 'cv')} ranks by cross-validation; give the number of folds, such as "
            f"{argument('folds', 10)}."
        )
    if by not in (figures := (*CRITERIA, "test", "cv")):
        check_ranking_metric(zoo, "by", by, target, features, figures)


def is_rate(name: str) -> bool:
    """Return whether a figure is the log-likelihood in another unit, such as `bits-per-dim`."""
    return any(name in form.rates for form in MODALITIES.values())


def check_ranking_metric(
    zoo: Registry, asked: str, name: str, target: str | None, features: str | None, others: Sequence[str] = ()
) -> Metric:
    """Return the metric of samples that ranks.

    Arguments:
        asked: the argument that names it, for errors.
        others: other figures that the argument takes, for errors.

    Raises:
        ConfigError: there is none of this name, it ranks nothing, or it needs a target.
    """
    metrics = {metric.name: metric for metric in sample_metrics(zoo, features)}
    if name not in metrics:
        raise ConfigError(f"Cannot rank by {name!r}. {did_you_mean(name, [*others, *metrics])}")
    found = metrics[name]
    if not found.ranks:
        raise ConfigError(
            f"{name!r} ranks nothing: copies of training events, or noise, can have its best value. Rank by "
            f"another figure, such as {argument(asked, 'classifier-two-sample')}; the report shows {name!r}, too."
        )
    if target is None and "target" in found.needs:
        raise ConfigError(
            f"{argument(asked, name)} needs the name of a column to predict. Name it with {argument('target')}."
        )
    return found
