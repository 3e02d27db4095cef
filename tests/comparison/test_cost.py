"""What candidates cost."""

import sys

import numpy as np
import pytest
import torch

import genzoo
from genzoo import ConfigError
from genzoo.reports.formats import read_report
from genzoo.reports.result import Cost, Row
from genzoo.runtime.memory import peak_memory


@pytest.mark.once
def test_a_comparison_measures_what_each_candidate_costs(tmp_path):
    report = genzoo.compare(
        ["gaussian", "vae:training.steps=5"], "iris", by="test", tie="cheapest", out=tmp_path / "out"
    )
    vae, gaussian = report["vae:training.steps=5"].cost, report["gaussian"].cost
    assert gaussian.parameters == report["gaussian"].degrees_of_freedom == 14
    fitted = genzoo.train("vae", "iris", training={"steps": 1}, out=tmp_path / "run").load()
    assert vae.parameters == sum(value.numel() for value in fitted.generator.parameters())
    for cost in (vae, gaussian):
        assert cost.seconds == cost.training_seconds + cost.sampling_seconds > 0
    stored = read_report(tmp_path / "out" / "report.json")
    assert stored["gaussian"].cost == gaussian
    again = genzoo.compare(["gaussian"], "iris", by="test", out=tmp_path / "out")
    assert again["gaussian"].cost == gaussian, "a finished candidate keeps its cost"
    header, *rows = (tmp_path / "out" / "report.csv").read_text().splitlines()
    assert {"training_seconds", "sampling_seconds", "peak_memory", "parameters"} <= set(header.split(","))
    assert "14.0" in rows[0].split(",")


def test_a_report_without_costs_can_be_read():
    assert Row("a", "x/a").cost == Cost()
    assert Cost(1.0).seconds == np.inf


def test_an_unknown_tie_is_refused():
    with pytest.raises(ConfigError, match=r"A tie cannot go to 'cheap'.*cheapest"):
        genzoo.compare(["gaussian"], "iris", tie="cheap")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux records the memory of a part of a process")
@pytest.mark.parametrize("size", [50_000_000, 200_000_000])
def test_the_memory_of_a_block_is_what_it_takes_at_most(size):
    with peak_memory(torch.device("cpu")) as before:
        np.ones(400_000_000, np.uint8)
    with peak_memory(torch.device("cpu")) as peak:
        np.ones(size, np.uint8)
        np.ones(size // 2, np.uint8)
    # Pages that were there before and are used again do not count.
    assert 399_000_000 < before.bytes < 420_000_000
    assert size - 1_000_000 < peak.bytes < size + 20_000_000


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_memory_of_a_gpu_is_what_was_allocated_there():
    with peak_memory(torch.device("cuda")) as peak:
        torch.empty(10_000_000, device="cuda")
    assert 40_000_000 <= peak.bytes < 50_000_000
