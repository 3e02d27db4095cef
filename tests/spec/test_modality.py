"""A modality is data: an entry of one table, and nothing else asks for its name."""

import json
from dataclasses import replace

import numpy as np
import pytest
import sequences
import torch
import toy_plugin

import genzoo
from genzoo.config.data import DataSettings
from genzoo.data.loading import open_dataset
from genzoo.data.opening.given import given_data
from genzoo.inference.row_likelihoods import measure_of
from genzoo.plugins import builtin
from genzoo.plugins.manager import PluginManager
from genzoo.plugins.registry import resolve
from genzoo.reports.modalities.report import report_of
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
    letters = np.array(list("acgt"))
    drawn = "".join(letters[run.sample(1, seed=0)[0]])
    assert "Samples of the model" in page
    assert drawn in page


def test_a_new_modality_is_read_by_its_own_reader(zoo, cli, tmp_path):
    (tmp_path / "reads.seq").write_text("acgt\nxxxx\nggtt\n")
    code, shown, problem = cli("data", "reads.seq")
    assert code == 0, problem
    assert "2 events" in shown or "2 sequences" in shown
    data = given_data({"source": tmp_path / "reads.seq", "skip_bad": True})[1]
    assert open_dataset(DataSettings(**data), zoo.registry).events.tolist() == [[0, 1, 2, 3], [2, 2, 3, 3]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--kind", "a=count"], "--kind is for tables, and 'reads.seq' holds sequences"),
        (["--range", "0..1"], "--range is for images, and 'reads.seq' holds sequences"),
        (
            ["--size", "8"],
            "--size is for folders of images, tar files of images or Parquet files of images, and",
        ),
        (["--separator", ";"], "--separator is for .csv and .tsv files or tables on standard input, and"),
    ],
)
def test_settings_of_other_modalities_are_refused(zoo, cli, tmp_path, words, expected):
    (tmp_path / "reads.seq").write_text("acgt\nggtt\n")
    code, _, problem = cli("data", "reads.seq", *words)
    assert code == 2
    assert expected in " ".join(problem.split())


def test_settings_of_a_new_kind_of_file_are_refused_elsewhere(zoo, cli):
    code, _, problem = cli("data", "iris", "--skip-bad")
    assert code == 2
    assert "Parquet files of images, folders of sounds or files of sequences, and 'iris' is none" in " ".join(
        problem.split()
    )


def test_a_new_modality_without_a_picture_says_so(run, cli):
    code, _, problem = cli("describe", run.path, "--out", "picture.png")
    assert code == 2
    assert "a model of sequences has no picture" in problem


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


def test_arrays_are_events_of_the_new_modality_of_a_model(run, tmp_path):
    events = sequences.data().events.astype("int64")
    np.save(tmp_path / "more.npy", events)
    expected = run.load().log_prob(events)
    assert genzoo.score(run, data=tmp_path / "more.npy").values == pytest.approx(expected)
    assert genzoo.score(run, data=events).values == pytest.approx(expected)
    events[3, 5] = 7
    with pytest.raises(genzoo.DataError, match=r"holds 7 in event 3, position \(5,\)"):
        genzoo.score(run, data=events)


def test_a_model_of_a_new_modality_names_its_default_data(zoo):
    spec = zoo.registry.models.get("letters").spec
    with pytest.raises(ValueError, match="does not name the sequences that it is trained on by default: set data"):
        replace(spec, data="")


def test_a_model_of_tables_refuses_a_new_modality(zoo, cli):
    code, _, problem = cli("train", "toy", "--data", "reads", "--precision", "fp32")
    assert code == 4
    assert "takes images or tables, and these data are: categorical sequence 12" in problem


@pytest.mark.parametrize("name", sorted(MODALITIES))
def test_what_a_modality_names_exists(name):
    form = MODALITIES[name]
    assert form.name == name
    assert form.suffix in form.suffixes
    for reference in filter(None, (form.picture, form.array, *(source.reader for source in form.sources))):
        assert callable(resolve(reference, form))
    assert callable(report_of(form).show)
    assert {*form.settings, *(name for source in form.sources for name in source.settings)} <= set(
        DataSettings.model_fields
    )
    assert bool(form.array) == bool(form.layouts)


def test_an_array_and_a_file_belong_to_one_modality():
    ranks = [rank for form in MODALITIES.values() for rank in form.array_ranks]
    assert len(set(ranks)) == len(ranks)
    sources = [source for form in MODALITIES.values() for source in form.sources]
    # A source that looks into files may share an ending with another.
    endings = [ending for source in sources if source.holds is None for ending in source.endings]
    assert len(set(endings)) == len(endings)


@pytest.mark.parametrize("shape", [(), (3,), (1, 0, 2), (1, 2, 3, 4)])
def test_an_event_has_the_axes_of_its_modality(shape):
    with pytest.raises(ValueError, match=r"has the shape \(C, H, W\), with sides of at least 1, not"):
        genzoo.DataSpec(shape, "image", (genzoo.Feature("pixel"),))


def test_an_unknown_modality_is_refused():
    with pytest.raises(ValueError, match="'sound' is no modality"):
        replace(sequences_spec(), modality="sound")


def sequences_spec():
    return genzoo.DataSpec((2,), "table", (genzoo.Feature("a"), genzoo.Feature("b")))
