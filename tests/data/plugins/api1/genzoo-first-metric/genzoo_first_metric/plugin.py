"""What this distribution brings to the zoo. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable

import genzoo

GENZOO_API = 1


@genzoo.hookimpl
def register_metrics(register: Callable[[genzoo.MetricSpec], None]) -> None:
    """Register the metric."""
    register(
        genzoo.MetricSpec(
            name="first-metric",
            summary="sliced Wasserstein distance of features: mean over random directions",
            metric="genzoo_first_metric.metric:metric",
        )
    )
