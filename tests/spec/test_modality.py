"""A modality is data: an entry of one table, and nothing else asks for its name."""

import json
from dataclasses import replace

import numpy as np
import pytest
import sequences
import torch
import toy_plugin

import genzoo
from genzoo.inference.row_likelihoods import measure_of
from genzoo.plugins import builtin
from genzoo.plugins.manager import PluginManager
from genzoo.spec.modality import MODALITIES


@pytest.fixture(scope="module")
def zoo():
    """A zoo with a modality of its own, and a model and data of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODALITIES, "sequence", sequences.SEQUENCE)
        found = PluginManager()
        found.add("genzoo", builtin)
        found.add("genzoo-sequences", sequences)
        found.add("genzoo-toy", toy_plugin)
        patch.setattr("genzoo.plugins.manager.get_manager", lambda: found)
        assert [state.state for state in found.states] == ["loaded"] * 3
        yield found


@pytest.fixture(scope="module")
def run(zoo, tmp_path_factory):
    return genzoo.train("letters", out=tmp_path_factory.mktemp("runs") / "letters", device="cpu", precision="fp32")


def test_a_model_of_a_new_modality_trains_loads_and_samples(run):
    samples = genzoo.load(run.path).sample(500, seed=1)
    assert samples.shape == (500, 12)
    assert samples.dtype == np.uint8
    assert (samples[:, 0] == 0).mean() == pytest.approx(0.9, abs=0.05)
    assert set(np.unique(samples)) == {0, 1, 2, 3}


def test_the_likelihood_of_a_new_modality_is_a_mass(run):
    model = run.load()
    events = sequences.data().events
    expected = model.generator.log_prob(torch.as_tensor(events)).detach().numpy()
    assert model.log_prob(events) == pytest.approx(expected, rel=1e-5)
    assert measure_of(model) == "mass"


def test_a_new_modality_is_evaluated_and_reported(run, tmp_path):
    found = genzoo.evaluate(run)
    assert {"log-likelihood", "precision"} <= set(found.scores)
    genzoo.report(run).save(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "position 0" in page
    assert "The first 8 of 12 positions are shown." in page


def test_a_new_modality_is_described_listed_and_compared(run, cli):
    for words in (["data"], ["data", "reads"], ["models", "letters"], ["describe", run.path], ["score", run.path]):
        code, _, problem = cli(*words)
        assert code == 0, problem
    code, shown, problem = cli(
        "compare", "letters", "--data", "reads", "--json", "--device", "cpu", "--precision", "fp32", "--out", "compared"
    )
    assert code == 0, problem
    assert json.loads(shown)["rows"][0]["status"] == "ok"
    code, _, problem = cli("report", "compared")
    assert code == 0, problem


def test_samples_of_a_new_modality_are_arrays(run, cli, tmp_path):
    assert cli("sample", run.path, "-n", "3")[0] == 0
    (file,) = tmp_path.glob("letters-*.npy")
    assert np.load(file).shape == (3, 12)
    code, _, problem = cli("sample", run.path, "-n", "3", "--out", "samples.csv")
    assert code == 2
    assert "sequence" in problem


def test_a_model_of_tables_refuses_a_new_modality(zoo, cli):
    code, _, problem = cli("train", "toy", "--data", "reads", "--precision", "fp32")
    assert code == 4
    assert "takes images or tables, and these data are: categorical sequence 12" in problem


@pytest.mark.parametrize("name", sorted(MODALITIES))
def test_what_a_modality_names_exists(name):
    form = MODALITIES[name]
    assert form.name == name
    assert form.suffix in form.suffixes
    if form.pictured:
        module, _, attribute = form.picture.partition(":")
        assert hasattr(__import__(module, fromlist=[attribute]), attribute)


def test_an_unknown_modality_is_refused():
    with pytest.raises(ValueError, match="'sound' is no modality"):
        replace(sequences_spec(), modality="sound")


def sequences_spec():
    return genzoo.DataSpec((2,), "table", (genzoo.Feature("a"), genzoo.Feature("b")))
