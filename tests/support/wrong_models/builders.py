"""Builders for all model classes of this package: `normal_Right` builds `wrong_models.normal.Right`."""

import importlib

import genzoo


def __getattr__(name):
    module, _, cls = name.partition("_")
    if module not in ("normal", "outliers", "factor", "kernels", "given", "words", "chains"):
        raise AttributeError(name)
    made = getattr(importlib.import_module(f"wrong_models.{module}"), cls)
    return lambda config, data: genzoo.Parts(made(config, data))
