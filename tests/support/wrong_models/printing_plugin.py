"""A plugin that prints when it is loaded."""

import dataclasses

import genzoo
from wrong_models.plugin import NORMAL

GENZOO_API = 2

print("Thank you for installing this plugin!")


@genzoo.hookimpl
def register_models(register):
    register(dataclasses.replace(NORMAL, name="wrong-registers", objectives=("genzoo-wrong/right-objective",)))
