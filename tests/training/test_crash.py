"""Parts of the crash harness; `make crash` runs all of it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FAMILIES = ["gmm", "vae", "dcgan"]


def crash(*words):
    """Run a part of the harness. Return the rows of its table: fault, family, trials, survivors."""
    here = Path(__file__).parents[1] / "support"  # where `crash` is found
    ended = subprocess.run(
        [sys.executable, "-m", "crash", *words], cwd=here, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = re.findall(r"^(.*?) +(\w+) +(\d+) +(\d+)$", ended.stdout, re.MULTILINE)
    assert all(tried == survived for _, _, tried, survived in rows)
    return rows, "no C compiler" not in ended.stdout


@pytest.mark.once
@pytest.mark.long
@pytest.mark.parametrize("family", [pytest.param(one, marks=[pytest.mark.full] * (one == "vae")) for one in FAMILIES])
def test_killed_and_starved_runs_resume_to_the_same_bits(family):
    rows, struck = crash("--kills", "3", "--every", "139", "--only", "runs", "--family", family)
    assert rows[0][2:] == ("3", "3")
    assert len(rows) == 9 or not struck


@pytest.mark.full
def test_outputs_of_killed_and_starved_commands_are_whole_or_absent():
    rows, struck = crash("--every", "139", "--only", "outputs")
    assert len(rows) >= 4 or not struck


@pytest.mark.long
def test_trainings_that_start_at_once_get_a_run_each():
    rows, _ = crash("--rounds", "2", "--only", "starts")
    assert [row[2:] for row in rows] == [("16", "16")]
