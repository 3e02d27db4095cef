"""Lines of a log that are whole are kept, whatever stands between them, and what is no log is not read to its end."""

import json
import os

import pytest

from genzoo import ArtifactError
from genzoo.persistence.run import Run
from genzoo.reports.curves import curve_section
from genzoo.storage.metrics_log import keep_lines_until, read_log


def line(step, **more):
    return json.dumps({"step": step, **(more or {"loss": {"a": 1.0}})}).encode() + b"\n"


def steps(path):
    return [(content["step"], "loss" in content) for _, content in read_log(path)]


def test_later_and_repeated_lines_are_dropped_from_a_log(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(line(1) + line(1, validation=2.0) + line(1) + line(3) + line(3, validation=1.0) + line(4))
    keep_lines_until(path, 3, evaluated=True)
    assert steps(path) == [(1, True), (1, False), (3, True), (3, False)]
    keep_lines_until(path, 3, evaluated=False)
    assert steps(path) == [(1, True), (1, False), (3, True)]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize(
    "spoilt",
    [
        *(bytes(5_000), b"\xff\n", b"[1]\n", b'{"step": true, "loss": {}}\n', b'{"step": [2], "loss": {}}\n'),
        *(b'{"step": 2, "step": 2}\n', b'{"step": 1e999}\n', b"[" * 100_000 + b"\n", bytes(3 * 2**20) + b"\n"),
    ],
)
def test_what_is_no_line_is_passed_over(spoilt, tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(line(1) + spoilt + (b"" if spoilt.endswith(b"\n") else b"\n") + line(2) + line(3)[:-1])
    assert steps(path) == [(1, True), (2, True)]
    keep_lines_until(path, 9, evaluated=True)
    assert path.read_bytes() == line(1) + line(2)


def test_a_log_of_gigabytes_that_take_no_place_is_refused(tmp_path):
    run = Run(tmp_path)
    run.log.write_bytes(line(1))
    os.truncate(run.log, 2**32)
    with pytest.raises(ArtifactError, match="not a training log"):
        curve_section(run)
    with pytest.raises(ArtifactError, match="not a training log"):
        keep_lines_until(run.log, 9, evaluated=True)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]
    assert run.log.stat().st_size == 2**32


def test_a_log_that_leads_out_of_its_folder_is_not_read(tmp_path):
    (tmp_path / "own.jsonl").write_bytes(line(1))
    (tmp_path / "run").mkdir()
    log = tmp_path / "run" / "metrics.jsonl"
    log.symlink_to(tmp_path / "own.jsonl")
    with pytest.raises(ArtifactError, match="leads out of"):
        keep_lines_until(log, 9, evaluated=True)
    assert log.is_symlink()
