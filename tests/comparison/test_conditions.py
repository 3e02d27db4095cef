"""Candidates given conditions: one measure of their own, for conditional and for joint models."""

import numpy as np
import pandas as pd
import pytest
import torch

import genzoo
from genzoo.data.transforms import AffineTransform
from genzoo.inference.conditional_view import as_conditional
from genzoo.inference.row_likelihoods import measure_of
from genzoo.inference.trained_model import TrainedModel


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    rng = np.random.default_rng(2)
    kind = rng.integers(2, size=160)
    rows = pd.DataFrame({"x": rng.normal(6 * kind, 1), "y": rng.normal(size=160), "kind": np.array(["a", "b"])[kind]})
    return genzoo.compare(
        ["naive-bayes:n_components=2", "vae:training.steps=60,widths=[8],latent=2", "gaussian"],
        rows,
        condition=["kind"],
        by="test",
        precision="fp32",
        out=tmp_path_factory.mktemp("c") / "out",
        progress=False,
    )


def test_conditional_and_joint_candidates_have_one_measure(report):
    measures = {row.log_likelihood.measure for row in report.rows if row.status == "ok"}
    assert measures == {"density given kind"}
    assert {row.model for row in report.rows if row.status == "ok"} == {"genzoo-mixture/naive-bayes", "genzoo-vae/vae"}


def test_a_joint_candidate_has_no_criteria_of_its_joint_likelihood(report):
    joint = next(row for row in report.rows if row.model.endswith("naive-bayes"))
    assert joint.bic is None
    assert "jointly" in joint.reasons["bic"]
    assert joint.log_likelihood.test == pytest.approx(-2.84, abs=0.4)  # the entropy of two standard normals


def test_a_candidate_that_cannot_be_scored_fails_with_the_reason(report):
    failed = next(row for row in report.rows if row.status != "ok")
    assert failed.model.endswith("gaussian")


def test_the_best_joint_candidate_is_a_run_of_all_columns(report):
    best = next(row for row in report.rows if row.run)
    run = genzoo.load(best.run)
    drawn = run.sample(200, given={"kind": "b"}, output="array")
    assert drawn[:, 0].mean() == pytest.approx(6, abs=1)


def test_measures_of_a_joint_model_leave_out_its_conditions():
    class Named(genzoo.Generator, genzoo.Likelihood):
        degrees_of_freedom = None
        measures = ("density", "mass", "density")

        def log_prob(self, x, missing=None):
            return x.sum(1)

        def sample(self, n, *, condition=None):
            return torch.zeros(n, 3)

    features = (genzoo.Feature("x"), genzoo.Feature("k"), genzoo.Feature("c"))
    whole = genzoo.DataSpec((3,), "table", features)
    data = genzoo.DataSpec((2,), "table", features[:2], condition=features[2:])
    joint = TrainedModel("local/Named", Named(), AffineTransform(torch.zeros(3), torch.ones(3)), whole, missing=True)
    assert measure_of(as_conditional(joint, data)) == "density of x; mass of k given c"
