"""genzoo: a plugin-based zoo of generative models.

Everything below is imported on first use, so that `import genzoo` costs next to nothing.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # that of `typing`, whose import takes longer than all else here
if TYPE_CHECKING:
    from typing import Any

    from genzoo.comparison.compare import compare as compare
    from genzoo.config import Settings as Settings
    from genzoo.data.dataset import Dataset as Dataset
    from genzoo.device import full_precision as full_precision
    from genzoo.engine.fit import Step as Step
    from genzoo.errors import (
        ArtifactError as ArtifactError,
    )
    from genzoo.errors import (
        CheckError as CheckError,
    )
    from genzoo.errors import (
        ConfigError as ConfigError,
    )
    from genzoo.errors import (
        DataError as DataError,
    )
    from genzoo.errors import (
        DivergenceError as DivergenceError,
    )
    from genzoo.errors import (
        GenzooError as GenzooError,
    )
    from genzoo.errors import (
        Interrupted as Interrupted,
    )
    from genzoo.errors import (
        PluginError as PluginError,
    )
    from genzoo.features.extractor import Extractor as Extractor
    from genzoo.features.extractor import Material as Material
    from genzoo.fitted import Fitted as Fitted
    from genzoo.hookspecs import hookimpl as hookimpl
    from genzoo.latent import (
        interpolate as interpolate,
    )
    from genzoo.latent import (
        traverse as traverse,
    )
    from genzoo.metrics.jackknife import standard_error as standard_error
    from genzoo.metrics.metric import Given as Given
    from genzoo.metrics.metric import Metric as Metric
    from genzoo.metrics.metric import Score as Score
    from genzoo.metrics.metric import feature_pair as feature_pair
    from genzoo.model import (
        Components as Components,
    )
    from genzoo.model import (
        Decoder as Decoder,
    )
    from genzoo.model import (
        Discriminator as Discriminator,
    )
    from genzoo.model import (
        Encoder as Encoder,
    )
    from genzoo.model import (
        Generator as Generator,
    )
    from genzoo.model import (
        Imputation as Imputation,
    )
    from genzoo.model import (
        Likelihood as Likelihood,
    )
    from genzoo.model import (
        LikelihoodBound as LikelihoodBound,
    )
    from genzoo.model import (
        Model as Model,
    )
    from genzoo.model import (
        Outliers as Outliers,
    )
    from genzoo.model import (
        Parts as Parts,
    )
    from genzoo.model import (
        Reconstruction as Reconstruction,
    )
    from genzoo.objective import (
        Batch as Batch,
    )
    from genzoo.objective import (
        EMObjective as EMObjective,
    )
    from genzoo.objective import (
        GradientObjective as GradientObjective,
    )
    from genzoo.objective import (
        Objective as Objective,
    )
    from genzoo.objective import (
        Progress as Progress,
    )
    from genzoo.report.result import Report as Report
    from genzoo.run import Run as Run
    from genzoo.run import load as load
    from genzoo.spec import (
        CallbackSpec as CallbackSpec,
    )
    from genzoo.spec import (
        DatasetSpec as DatasetSpec,
    )
    from genzoo.spec import (
        DataSpec as DataSpec,
    )
    from genzoo.spec import (
        ExtractorSpec as ExtractorSpec,
    )
    from genzoo.spec import (
        Feature as Feature,
    )
    from genzoo.spec import (
        MetricSpec as MetricSpec,
    )
    from genzoo.spec import (
        ModelSpec as ModelSpec,
    )
    from genzoo.spec import (
        ObjectiveSpec as ObjectiveSpec,
    )
    from genzoo.training import resume as resume
    from genzoo.training import train as train

_HOME = {
    "genzoo.comparison.compare": ("compare",),
    "genzoo.config": ("Settings",),
    "genzoo.data.dataset": ("Dataset",),
    "genzoo.device": ("full_precision",),
    "genzoo.engine.fit": ("Step",),
    "genzoo.errors": (
        "ArtifactError",
        "CheckError",
        "ConfigError",
        "DataError",
        "DivergenceError",
        "GenzooError",
        "Interrupted",
        "PluginError",
    ),
    "genzoo.features.extractor": ("Extractor", "Material"),
    "genzoo.fitted": ("Fitted",),
    "genzoo.hookspecs": ("hookimpl",),
    "genzoo.latent": ("interpolate", "traverse"),
    "genzoo.metrics.jackknife": ("standard_error",),
    "genzoo.metrics.metric": ("Given", "Metric", "Score", "feature_pair"),
    "genzoo.model": (
        "Components",
        "Decoder",
        "Discriminator",
        "Encoder",
        "Generator",
        "Imputation",
        "Likelihood",
        "LikelihoodBound",
        "Model",
        "Outliers",
        "Parts",
        "Reconstruction",
    ),
    "genzoo.objective": ("Batch", "EMObjective", "GradientObjective", "Objective", "Progress"),
    "genzoo.report.result": ("Report",),
    "genzoo.run": ("Run", "load"),
    "genzoo.spec": (
        "CallbackSpec",
        "DataSpec",
        "DatasetSpec",
        "ExtractorSpec",
        "Feature",
        "MetricSpec",
        "ModelSpec",
        "ObjectiveSpec",
    ),
    "genzoo.training": ("resume", "train"),
}
_WHERE = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted([*_WHERE, "__version__"])  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("genzoo.config").version()
    if name not in _WHERE:
        raise AttributeError(f"module 'genzoo' has no attribute {name!r}")

    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
