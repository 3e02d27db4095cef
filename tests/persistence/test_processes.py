"""Training, sampling and comparing with one job start no other process."""

import subprocess
import sys

PROGRAM = """
import sys

STARTS = ("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen")

def note(event, details):
    if event in STARTS:
        print("started:", event, details[:2], file=sys.stderr, flush=True)

import torch  # a build for CUDA looks for its libraries
sys.addaudithook(note)
from genzoo.cli.main import main

for line in (
    "train vae --data iris --steps 2 --out vae",
    "train gmm --data iris --out gmm",
    "sample vae -n 4 --out samples.csv",
    "evaluate vae --samples 20",
    "describe gmm",
    "compare gmm gaussian --data iris --jobs 1 --out comparison",
):
    assert main(line.split()) == 0, line
"""


def test_nothing_starts_a_process(tmp_path):
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "started:" not in done.stderr, done.stderr
