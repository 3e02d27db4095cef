"""genzoo: a plugin-based zoo of generative models.

Everything below is imported on first use, so that `import genzoo` costs next to nothing. Type checkers read the same
names from `__init__.pyi`.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # like `typing.TYPE_CHECKING`, whose import takes longer than all else here
if TYPE_CHECKING:
    from typing import Any

_HOME = {
    "genzoo.comparison.api": ("compare",),
    "genzoo.comparison.synthesize": ("Synthesis", "synthesize"),
    "genzoo.config.settings": ("Settings",),
    "genzoo.config.tokens": ("TextSampling", "TokenOptions"),
    "genzoo.data.dataset": ("Dataset",),
    "genzoo.errors": (
        "ArtifactError",
        "CheckError",
        "ConfigError",
        "DataError",
        "DivergenceError",
        "FormerNameWarning",
        "GenzooError",
        "Interrupted",
        "PluginError",
    ),
    "genzoo.data.transforms.transform": ("Transform",),
    "genzoo.features.extractor": (
        "Extractor",
        "Material",
    ),
    "genzoo.inference.description.figures": ("Description",),
    "genzoo.inference.latent": (
        "LatentPath",
        "Traversal",
    ),
    "genzoo.inference.trained_model": ("TrainedModel",),
    "genzoo.metrics.evaluate": ("Evaluation",),
    "genzoo.metrics.metric": (
        "Metric",
        "MetricInput",
        "Score",
        "feature_pair",
    ),
    "genzoo.metrics.statistics": ("standard_error",),
    "genzoo.models.base": (
        "AnomalyScore",
        "Autoregressive",
        "Components",
        "Decoder",
        "Discriminator",
        "Encoder",
        "Floor",
        "Generator",
        "Imputation",
        "Likelihood",
        "LikelihoodBound",
        "LikelihoodEstimate",
        "Model",
        "Outliers",
        "ParameterTable",
        "Parts",
        "Reconstruction",
    ),
    "genzoo.models.events": ("check_condition", "map_events"),
    "genzoo.models.maximum_likelihood": ("MaximumLikelihood",),
    "genzoo.models.missing": ("missing_patterns",),
    "genzoo.models.next_symbol": ("collect_symbols", "draw_symbols"),
    "genzoo.models.objective": (
        "Batch",
        "DirectObjective",
        "EMObjective",
        "GradientObjective",
        "Objective",
        "Progress",
    ),
    "genzoo.models.shared_blocks": ("SharedBlocks",),
    "genzoo.plugins.hookspecs": ("hookimpl",),
    "genzoo.reports.result": ("Report",),
    "genzoo.persistence.open_run": ("load",),
    "genzoo.persistence.run": ("Run",),
    "genzoo.persistence.run_list": ("runs",),
    "genzoo.runtime.device": ("full_precision", "quick_precision"),
    "genzoo.runtime.display": ("show_progress",),
    "genzoo.spec.composite": ("CompositeSpec",),
    "genzoo.spec.entries": (
        "CallbackSpec",
        "DatasetSpec",
        "ExtractorSpec",
        "MetricSpec",
        "ModelSpec",
        "ObjectiveSpec",
        "TransformSpec",
    ),
    "genzoo.spec.events": (
        "DataSpec",
        "Feature",
    ),
    "genzoo.tuning.api": ("tune",),
    "genzoo.tuning.result": (
        "Tuning",
        "TuningTrial",
    ),
    "genzoo.training.api": (
        "resume",
        "train",
    ),
    "genzoo.training.trainer": (
        "Callback",
        "Step",
        "Trainer",
    ),
    "genzoo.verbs.description": ("describe",),
    "genzoo.verbs.evaluation": ("evaluate",),
    "genzoo.verbs.latent": (
        "interpolate",
        "traverse",
    ),
    "genzoo.verbs.report": (
        "RunReport",
        "report",
    ),
    "genzoo.verbs.rows": (
        "embed",
        "impute",
    ),
    "genzoo.verbs.scoring": (
        "cluster",
        "score",
    ),
    "genzoo.verbs.sharing": ("push",),
    "genzoo.verbs.view": (
        "View",
        "description_figure",
        "picture",
        "report_figure",
        "view",
    ),
    "genzoo.wording": ("argument",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted([*_MODULE_OF, "__version__"])


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("genzoo.version").version()
    if name not in _MODULE_OF:
        name = importlib.import_module("genzoo.plugins.api1").PUBLIC_NAMES.get(name, name)
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'genzoo' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
