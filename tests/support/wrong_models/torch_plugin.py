"""A plugin that imports torch when it is loaded."""

import dataclasses

import torch  # noqa: F401

import genzoo
from wrong_models.plugin import NORMAL

GENZOO_API = 2


@genzoo.hookimpl
def register_models(register):
    register(dataclasses.replace(NORMAL, name="wrong-imports-no-torch", objectives=("genzoo-wrong/right-objective",)))
