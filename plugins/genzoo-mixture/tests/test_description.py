"""Mixtures can be described before their weights are loaded, and compared, with no slow imports."""

import subprocess
import sys

PROGRAM = """
import sys, genzoo, torch
from genzoo import DataSpec, Feature
from genzoo_mixture.build import build_classes, build_gaussian, build_mixture
from genzoo_mixture.options import ClassOptions, GaussianOptions, MixtureOptions

data = DataSpec((2,), "table", (Feature("a"), Feature("b")), storage="float64")
with torch.device("meta"):
    for covariance in ("full", "tied", "diagonal", "spherical"):
        build_mixture(MixtureOptions(n_components=3, covariance_type=covariance), data)
    build_mixture(MixtureOptions(n_components=3, noise=True), data)
    build_gaussian(GaussianOptions(), data)
    build_classes(ClassOptions(n_components=3), data)
genzoo.compare(["gaussian"], "iris")
print("torch._dynamo" in sys.modules, "sympy" in sys.modules)
"""


def test_the_compiler_is_not_imported():
    """Its import would add two seconds to every `genzoo sample`, `score`, `evaluate` and `compare`."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
