"""What a training logs reaches other tools: each step once, also after kills, and no tool can end a training."""

import csv
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import venv

import numpy as np
import pytest
from checkout import ROOT

import genzoo
from genzoo.errors import ArtifactError, Interrupted, LoggerWarning
from genzoo.plugins.registry import MissingExtraError
from genzoo.storage.metrics_log import read_log
from genzoo.training.loggers import csv as csv_logger

SETTINGS = {
    "data": np.random.default_rng(0).normal(size=(60, 2)),
    "widths": [4],
    "precision": "fp32",
    "training": {"steps": 12, "batch_size": 16, "checkpoint_every": 5, "log_every": 1, "eval_steps": 4},
}


def stop(number, how=signal.SIGTERM):
    def watch(step):
        if step.number == number:
            os.kill(os.getpid(), how)

    return watch


def table(run):
    with (run.path / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_has_each_number_of_the_log(tmp_path):
    run = genzoo.train("vae", log=["csv"], out=tmp_path / "run", **SETTINGS)
    rows = table(run)
    assert [int(row["step"]) for row in rows] == list(range(1, 13))
    losses = {line["step"]: line["loss"]["generator"] for _, line in read_log(run.log) if "loss" in line}
    assert {int(row["step"]): float(row["loss/generator"]) for row in rows} == losses
    evaluated = {line["step"]: line["validation"] for _, line in read_log(run.log) if "validation" in line}
    found = {int(row["step"]): float(row["validation/objective"]) for row in rows if row["validation/objective"]}
    assert found == evaluated
    assert set(found) == {4, 8, 12}


@pytest.mark.parametrize("stops", [(3, 7), (4, 8, 10)])
def test_a_resumed_training_logs_each_step_once(tmp_path, stops):
    whole = table(genzoo.train("vae", log=["csv"], out=tmp_path / "whole", **SETTINGS))
    with pytest.raises(Interrupted):
        genzoo.train("vae", log=["csv"], out=tmp_path / "part", callbacks=[stop(stops[0])], **SETTINGS)
    for number in stops[1:]:
        with pytest.raises(Interrupted):
            genzoo.resume(tmp_path / "part", SETTINGS["data"], callbacks=[stop(number)])
    assert table(genzoo.resume(tmp_path / "part", SETTINGS["data"])) == whole


class KilledError(Exception):
    """What ends a training at once, as a kill would."""


def test_a_killed_training_sends_what_no_checkpoint_covers_only_once(tmp_path, monkeypatch):
    sent = []

    def log(self, logged):
        sent.extend(one.step for one in logged)

    def kill(step):
        if step.number == 8:
            raise KilledError

    monkeypatch.setattr(csv_logger.CSVLogger, "log", log)
    with pytest.raises(KilledError):
        genzoo.train("vae", log=["csv"], out=tmp_path / "run", callbacks=[kill], **SETTINGS)
    assert sent == [1, 2, 3, 4, 5]
    genzoo.resume(tmp_path / "run", SETTINGS["data"])
    assert sent == list(range(1, 13))


def test_steps_that_a_damaged_checkpoint_lost_are_not_sent_again(tmp_path, monkeypatch):
    sent = []
    monkeypatch.setattr(csv_logger.CSVLogger, "log", lambda self, logged: sent.extend(one.step for one in logged))
    settings = SETTINGS | {"training": SETTINGS["training"] | {"keep_checkpoints": 3}}
    with pytest.raises(Interrupted):
        genzoo.train("vae", log=["csv"], out=tmp_path / "run", callbacks=[stop(11)], **settings)
    (tmp_path / "run/checkpoints/step-000011/state.safetensors").write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="Continuing from step-000010"):
        genzoo.resume(tmp_path / "run", SETTINGS["data"])
    assert sent == list(range(1, 13))


@pytest.mark.parametrize("place", ["loggers", "metrics.csv", "tensorboard"])
def test_a_link_that_leads_out_of_the_run_is_an_error(tmp_path, place):
    with pytest.raises(Interrupted):
        genzoo.train("vae", log=["csv"], out=tmp_path / "run", callbacks=[stop(3)], **SETTINGS)
    own = tmp_path / "run" / place
    if own.is_dir():
        shutil.rmtree(own)
    own.unlink(missing_ok=True)
    (tmp_path / "elsewhere").mkdir()
    own.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="leads out"):
        genzoo.resume(tmp_path / "run", SETTINGS["data"])


def test_a_fit_with_no_losses_writes_no_table(tmp_path):
    run = genzoo.train("kde", SETTINGS["data"], log=["csv"], out=tmp_path / "run")
    assert not (run.path / "metrics.csv").exists()


@pytest.mark.parametrize("method", ["__init__", "log", "close"])
def test_a_tool_that_fails_ends_no_training(tmp_path, monkeypatch, method):
    def fail(self, *_, **__):
        raise OSError("the server is gone")

    monkeypatch.setattr(csv_logger.CSVLogger, method, fail)
    with pytest.warns(LoggerWarning, match="failed: the server is gone"):
        run = genzoo.train("vae", log=["csv"], out=tmp_path / "run", **SETTINGS)
    assert run.record["status"] == "finished"


def test_a_missing_package_is_named_before_training(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'genzoo\[wandb\]'"):
        genzoo.train("vae", log=["wandb"], out=tmp_path / "run", **SETTINGS)
    assert not (tmp_path / "run").exists()


READ = """
import glob, json, os, signal, sys
from pathlib import Path

import genzoo

def stop(step):
    if step.number == 30:
        os.kill(os.getpid(), signal.SIGTERM)

tools = ["csv", "tensorboard", "mlflow", "wandb"]
settings = dict(steps=60, checkpoint_every=20, log_every=1, precision="fp32", widths=[16])
try:
    genzoo.train("vae", "digits", log=tools, out="run", callbacks=[stop], **settings)
except genzoo.errors.Interrupted:
    genzoo.resume("run")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator("run/tensorboard", size_guidance={"scalars": 0, "images": 0})
events.Reload()
board = [(one.step, one.value) for one in events.Scalars("loss/generator")]
pictures = len(events.Images("samples"))

from mlflow import MlflowClient
client = MlflowClient()
(run,) = client.search_runs([client.get_experiment_by_name("genzoo").experiment_id])
flow = sorted((one.step, one.value) for one in client.get_metric_history(run.info.run_id, "loss/generator"))
artifacts = len(client.list_artifacts(run.info.run_id, "samples"))

from wandb.proto import wandb_internal_pb2

def records(path):
    # LevelDB's format: blocks of 32 KiB, and parts of records, each with a header of 7 bytes.
    data, place, kept = Path(path).read_bytes(), 7, b""
    while place + 7 <= len(data):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        kept += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or its last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(kept)
            kept = b""
            yield record

weights = []
for path in sorted(glob.glob("run/wandb/offline-run-*/*.wandb")):
    for record in records(path):
        values = {(item.key or item.nested_key[0]): json.loads(item.value_json) for item in record.history.item}
        if "loss/generator" in values:
            weights.append((record.history.step.num, values["loss/generator"]))

lines = map(json.loads, open("run/metrics.jsonl"))
losses = [(line["step"], line["loss"]["generator"]) for line in lines if "loss" in line]
rest = [pictures, artifacts, run.info.status, run.data.params["training.steps"]]
print(json.dumps([losses, board, flow, weights, rest]))
"""


@pytest.mark.full
def test_each_tool_reads_back_what_was_logged(tmp_path):
    """In an environment of its own: the tools need versions of packages that are not the locked ones."""
    venv.create(tmp_path / "env", with_pip=True, symlinks=True)
    python = tmp_path / "env" / "bin" / "python"
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("GENZOO_", "PYTHON"))}
    tools = ["tensorboard", "mlflow", "wandb"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *tools], env=variables, check=True)
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    (site / "torch.pth").write_text(str(importlib.metadata.distribution("torch").locate_file("")), encoding="utf-8")
    variables |= {"WANDB_MODE": "offline", "OMP_NUM_THREADS": "1"}
    variables["PYTHONPATH"] = os.pathsep.join([str(ROOT), *map(str, (ROOT / "plugins").iterdir())])
    ended = subprocess.run([python, "-c", READ], env=variables, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    losses, board, flow, weights, rest = json.loads(ended.stdout.splitlines()[-1])
    assert [step for step, _ in losses] == list(range(1, 61))
    assert flow == losses
    assert weights == losses
    assert [step for step, _ in board] == [step for step, _ in losses]
    assert np.allclose([value for _, value in board], [value for _, value in losses], rtol=1e-6)  # it keeps float32
    assert rest == [10, 10, "FINISHED", "60"]
