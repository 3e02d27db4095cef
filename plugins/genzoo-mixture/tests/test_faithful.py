"""Old Faithful, compared with the numbers that R's mclust publishes for it."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from mixture_cases import OBJECTIVE, blocks, mixture

import genzoo
from genzoo.config.training import EMTraining
from genzoo.engine.em import EMEngine

FILE = Path(__file__).parents[3] / "tests/data/faithful.csv"


def fitted(covariance, components):
    """Return the best mixture of five restarts, and the events."""
    x = np.loadtxt(FILE, delimiter=",", skiprows=1)
    assert x.shape == (272, 2)
    generator = mixture(covariance, components, 2, start="kmeans")
    settings = EMTraining(n_init=5, max_iter=1000, tol=1e-6)
    engine = EMEngine(genzoo.Model(genzoo.Parts(generator)), OBJECTIVE, settings, seed=0)
    parts = blocks(x - x.mean(0))
    for step in range(1, 5001):
        engine.update(parts, step, 0.0)
        if engine.finished:
            break
    assert engine.converged
    return generator, parts


@pytest.mark.parametrize(
    ("covariance", "components", "bic", "icl"), [("tied", 3, 2314.32, 2357.8), ("full", 2, 2322.19, None)]
)
def test_restarts_find_the_mixtures_that_mclust_finds(covariance, components, bic, icl):
    generator, parts = fitted(covariance, components)
    total = generator.log_prob(parts[0].x).sum().item()
    assert generator.degrees_of_freedom == 11
    found = 11 * np.log(272) - 2 * total
    assert found == pytest.approx(bic, abs=0.05)
    if icl is not None:
        assert total > -1126.33
        certainty = generator.log_posterior(parts[0].x).amax(1).sum().item()
        assert found - 2 * certainty == pytest.approx(icl, abs=3)
        assert torch.equal(generator.log_posterior(parts[0].x).exp().sum(1).round(decimals=9), torch.ones(272).double())


MCLUST = """
suppressMessages(library(mclust))
words <- commandArgs(trailingOnly = TRUE)
found <- Mclust(as.matrix(read.csv(words[1])), G = as.integer(words[3]), modelNames = words[2], verbose = FALSE)
cat(sprintf("%.9f %d", found$loglik, as.integer(found$df)))
"""


@pytest.fixture(scope="module")
def mclust():
    """Return a function that runs mclust and returns log-likelihood and degrees of freedom."""
    program = shutil.which("Rscript")
    if program is None or subprocess.run([program, "-e", "library(mclust)"], capture_output=True).returncode:
        pytest.skip("there is no R with mclust")

    def call(name, components):
        words = [program, "-e", MCLUST, str(FILE), name, str(components)]
        likelihood, freedom = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
        return float(likelihood), int(freedom)

    return call


@pytest.mark.full
@pytest.mark.parametrize("components", [1, 2, 3])
@pytest.mark.parametrize(
    ("covariance", "name"), [("full", "VVV"), ("tied", "EEE"), ("diagonal", "VVI"), ("spherical", "VII")]
)
def test_no_mixture_is_less_likely_than_mclusts(mclust, covariance, name, components):
    likelihood, freedom = mclust(name, components)
    generator, parts = fitted(covariance, components)
    assert generator.degrees_of_freedom == freedom
    assert generator.log_prob(parts[0].x).sum().item() > likelihood - 0.025
