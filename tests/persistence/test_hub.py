"""Models go to the Hugging Face Hub and come from it: here, a server on this machine that speaks its protocol."""

import json
import shutil
from pathlib import Path

import hub_server
import pytest
from huggingface_hub import ModelCard, constants

import genzoo
from genzoo.errors import ArtifactError, ConfigError, GenzooError
from genzoo.persistence import hub as hub_module

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of huggingface_hub itself


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return genzoo.train("gaussian", "iris", out=tmp_path_factory.mktemp("hub") / "run")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    hub_module._fetched.cache_clear()
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # a protocol of its own, for storage
    with hub_server.serving() as serving:
        monkeypatch.setenv("HF_ENDPOINT", serving.address)
        yield serving


def pushed(cli, run, *words):
    code, out, err = cli("push", run.path, "me/iris", "--metric", "log-likelihood", *words)
    assert code == 0, err
    return out


def test_a_pushed_model_draws_the_same_samples_by_its_address(hub, run, cli):
    out = pushed(cli, run)
    assert f"Uploaded to {hub.address}/me/iris" in out
    assert set(hub.files("me/iris")) == {"README.md", "config.json", "model.safetensors"}
    assert hub.files("me/iris")["model.safetensors"] == (run.model / "model.safetensors").read_bytes()
    for model, file in (("hub:me/iris", "fetched.csv"), (run.path, "own.csv")):
        code, _, err = cli("sample", model, "-n", 5, "--out", file)
        assert code == 0, err
    assert Path("fetched.csv").read_bytes() == Path("own.csv").read_bytes()


def test_the_card_has_scores_in_the_form_of_the_hub(hub, run, cli):
    pushed(cli, run)
    card = hub.files("me/iris")["README.md"].decode()
    metadata = ModelCard(card).data
    assert metadata.library_name == "genzoo"
    (result,) = metadata.eval_results
    assert (result.metric_type, result.dataset_name, result.dataset_split) == ("log-likelihood", "iris", "test")
    assert result.metric_value == run.evaluate(metrics="log-likelihood").scores["log-likelihood"].value
    assert "genzoo sample hub:me/iris" in card


def test_one_address_is_fetched_and_nothing_else(hub, run):
    genzoo.push(run, "me/iris", scores=False)
    hub.requests.clear()
    genzoo.load("hub:me/iris")
    assert all("me/iris" in request for request in hub.requests)
    assert not [request for request in hub.requests if "README" in request]


def test_a_revision_is_a_state_of_the_past(hub, run, tmp_path):
    genzoo.push(run, "me/iris", scores=False)
    genzoo.push(genzoo.train("gaussian", "wine", out=tmp_path / "wine"), "me/iris", scores=False)
    first = genzoo.load(f"hub:me/iris@{hub_server.sha('me/iris', 0)}")
    assert first.data.event_shape == (4,)
    assert genzoo.load("hub:me/iris").data.event_shape == (13,)


def test_a_model_from_a_stranger_is_not_trusted(hub, run):
    genzoo.push(run, "me/iris", scores=False)
    files = hub.repositories["me/iris"][-1]
    settings = json.loads(files["config.json"])
    files["config.json"] = json.dumps(settings | {"model": "os/system"}).encode()
    with pytest.raises(GenzooError, match="os/system"):
        genzoo.load("hub:me/iris")
    hub_module._fetched.cache_clear()
    files["config.json"] = json.dumps(settings).encode()
    files["model.safetensors"] = files["model.safetensors"][:-4] + b"\0\0\0\1"
    with pytest.raises(ArtifactError):
        genzoo.load("hub:me/iris")


def test_a_repository_of_something_else_is_explained(hub, run):
    hub.repositories["me/other"] = [{"weights.bin": b"1"}]
    with pytest.raises(ArtifactError, match="has no model of genzoo"):
        genzoo.load("hub:me/other")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hub:me/nothing", "There is no hub:me/nothing on the Hub"),
        ("hub:me", "'me' names no model on the Hub. Write user/name."),
        ("hub:../../etc", "names no model on the Hub"),
        ("hub:me/../x", "names no model on the Hub"),
        ("hub:me/a--b", "names no model on the Hub"),
        ("hub:me/x@..", "names no state of me/x"),
        ("hub:me/x@a/../..", "names no state of me/x"),
        ("hub:me/x@", "names no state of me/x"),
    ],
)
def test_an_address_without_a_model_is_explained(hub, cli, address, message):
    code, _, err = cli("sample", address, "-n", 1)
    assert code in (2, 4)
    assert message in " ".join(err.split())


def test_a_run_cannot_name_a_model_to_fetch(hub, run, tmp_path):
    """The folder of a run may be from a stranger: its settings name a model to start from, and nobody typed that."""
    genzoo.push(run, "me/iris", scores=False)
    theirs = genzoo.train("gaussian", "iris", out=tmp_path / "theirs")
    for name in ("checkpoints", "model"):
        shutil.rmtree(theirs.path / name)
    theirs.log.write_text("", encoding="utf-8")
    settings = json.loads((theirs.path / "config.json").read_text(encoding="utf-8")) | {"warm_start": "hub:me/iris"}
    (theirs.path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    hub.requests.clear()
    with pytest.raises(ArtifactError, match="genzoo fetches only what you name yourself"):
        genzoo.resume(theirs.path)
    assert not hub.requests


def test_a_model_that_was_withdrawn_is_not_used_from_the_cache(hub, run):
    genzoo.push(run, "me/iris", scores=False)
    genzoo.load("hub:me/iris")
    hub_module._fetched.cache_clear()
    hub.repositories["me/iris"].append({"config.json": hub.files("me/iris")["config.json"]})
    with pytest.raises(ArtifactError, match="has no model of genzoo"):
        genzoo.load("hub:me/iris")
    del hub.repositories["me/iris"]
    with pytest.raises(ArtifactError, match="There is no hub:me/iris"):
        genzoo.load("hub:me/iris")


def test_a_model_of_the_hub_is_not_pushed_again(hub):
    with pytest.raises(ConfigError, match="is on the Hub already"):
        genzoo.push("hub:me/iris", "me/other")


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_hub_that_does_not_answer_is_explained(hub, run, cli, status):
    hub.refuses = status
    code, _, err = cli("push", run.path, "me/iris", "--no-scores")
    assert code != 0
    assert "me/iris" in err
    assert "Traceback" not in err


def test_a_model_with_training_rows_asks_before_it_is_shared(hub, cli, tmp_path):
    kept = genzoo.train("kde", "iris", out=tmp_path / "kde")
    code, _, err = cli("push", kept.path, "me/kde", "--no-scores")
    assert code == ConfigError.exit_code
    assert "rows of its training data" in " ".join(err.split())
    assert not hub.requests
    assert cli("push", kept.path, "me/kde", "--no-scores", "--with-rows")[0] == 0
    assert "rows of its training data" in hub.files("me/kde")["README.md"].decode()


def test_a_repository_can_be_private(hub, run, cli):
    pushed(cli, run, "--private", "--json")
    assert hub.private["me/iris"] is True
