"""The kinds of plugins that can be begun with: for each, a folder of templates and what they are about."""

from __future__ import annotations

from dataclasses import dataclass

_LEARNS = "genzoo train {name}\ngenzoo plugins check {name}   # which promises it keeps"


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of plugin brings.

    Arguments:
        summary: what its templates are, in a few words.
        sort: of the entry that it registers, as the plural that hooks are named by.
        dependencies: distributions that its code imports, besides genzoo.
        contents: where in the package to find what, as half a sentence.
        trial: commands to try it with; `{name}` is what users type.
    """

    summary: str
    sort: str
    dependencies: tuple[str, ...]
    contents: str
    trial: str = _LEARNS


_NETWORKS = ("pydantic>=2.7", "torch>=2.6")

KINDS = {
    "likelihood": Kind(
        "Affine coupling flow: an exact likelihood, maximised by gradients",
        "models",
        _NETWORKS,
        "`model.py` is the model, `options.py` what users can set",
    ),
    "em": Kind(
        "Mixture of t distributions: a likelihood maximised by expectation-maximisation",
        "models",
        _NETWORKS,
        "`model.py` is the model, `em.py` how it learns, `options.py` what users can set",
    ),
    "gan": Kind(
        "Adversarial network: generator, discriminator and an objective of their own",
        "models",
        _NETWORKS,
        "`model.py` holds both networks, `adversarial.py` how they learn, `options.py` what users can set",
    ),
    "vae": Kind(
        "Variational autoencoder: a bound of the likelihood, an encoder and a decoder",
        "models",
        _NETWORKS,
        "`model.py` is the model, `options.py` what users can set",
    ),
    "metric": Kind(
        "Sliced Wasserstein distance: a metric with its standard error",
        "metrics",
        ("numpy>=1.26",),
        "`metric.py` is the metric",
        "genzoo train gaussian --out runs/trial\ngenzoo evaluate runs/trial --metric {name}",
    ),
    "dataset": Kind(
        "Two arms of a spiral: a dataset by name",
        "datasets",
        ("numpy>=1.26",),
        "`dataset.py` is the dataset",
        "genzoo data {name}\ngenzoo compare gaussian gmm:components=2..8 --data {name}",
    ),
}
