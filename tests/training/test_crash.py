"""A part of the crash harness; `make crash` runs all of it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FAMILIES = ["gmm", "vae", "dcgan"]


@pytest.mark.precision
@pytest.mark.long
def test_killed_starved_and_simultaneous_commands_lose_nothing():
    families = [f"--family={family}" for family in FAMILIES]
    words = ["-m", "crash", "--kills", "12", "--every", "83", "--rounds", "2", "--together", "0", *families]
    here = Path(__file__).parents[1] / "support"  # where `crash` is found
    ended = subprocess.run([sys.executable, *words], cwd=here, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for family in FAMILIES:
        rows = re.findall(rf"^(.*?) +{family} +(\d+) +(\d+)$", ended.stdout, re.MULTILINE)
        assert rows[0][1:] == ("4", "4")
        assert all(tried == survived for _, tried, survived in rows)
        assert len(rows) == 9 or "no C compiler" in ended.stdout
    assert re.search(r"start at once, 2 times +gaussian +16 +16$", ended.stdout, re.MULTILINE)
