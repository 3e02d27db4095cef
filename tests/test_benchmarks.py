"""Every benchmark runs to its end in its shortest form; what it measures is not looked at."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
SHORTEST = {
    "adult": '--model made:{"training":{"steps":50}}',
    "cluster": "overhead --trials 8 --workers 2",
    "dcgan": "--rounds 1 --batch-size 32",
    "density": "truth speed --density 8-gaussians --rows 200 --rounds 2 -o training.epochs=1",
    "diffusion": "--seeds 1 --draws 500 --rows 300 --images 2 --alone -o training.steps=2",
    "digits": "--seeds 1 -o training.epochs=1",
    "evaluate": "--events 200 --threads 1",
    "gan": "modes --steps 2",
    "gmm": "--rounds 1 --passes 1 --case 3",
    "gpu": "--short",
    "keel": "--shortest",
    "ngram": "names logs --order 3 --lines 2000",
    "precision": "--model dcgan --data digits --steps 2 --seeds 1",
    "parts": "--short --seeds 1 -o training.steps=2",
    "peers": "",
    "pixels": "--seeds 1 -o training.epochs=1",
    "photos": "--files 20 --size 8 --steps 2 --batch-size 8",
    "plugins": "--rounds 1 --many 4 --few 2",
    "processes": "--rounds 1 --rows 512 --epochs 2",
    "promises": "gaussian",
    "remote": "--parts 1 2 --rows 20000 --passes 1",
    "scale": "--rows 1 2 --passes 4",
    "scoring": "--rows 1 --rounds 1 --components 2",
    "selection": "--repeats 2 --jobs 2",
    "sound": "--short -o training.steps=2",
    "startup": "--rounds 1",
    "synthesis": "--table iris --model copula:marginals=normal --draws 1",
    "tables": "--gigabytes 0.001 --rounds 1",
    "text_metrics": "--texts 60 --seeds 1",
    "text": "--short",
    "truth": "--pairs 2 --rows 40 --columns 2",
    "vae": "digits --seeds 1 -o training.epochs=1",
}


def test_every_benchmark_has_a_shortest_form():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(SHORTEST)


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(SHORTEST))
def test_a_benchmark_runs_to_its_end(name, tmp_path):
    words = [sys.executable, str(FOLDER / f"{name}.py"), *SHORTEST[name].split()]
    variables = {**os.environ, "PYTHONUTF8": "1"}
    ended = subprocess.run(words, cwd=tmp_path, env=variables, capture_output=True, encoding="utf-8", check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(set(SHORTEST) - {"promises"}))  # whose words are names of models
def test_a_benchmark_explains_itself(name):
    words = [sys.executable, str(FOLDER / f"{name}.py"), "--help"]
    ended = subprocess.run(words, capture_output=True, encoding="utf-8", check=False)
    assert ended.returncode == 0, ended.stderr
    assert "usage:" in ended.stdout
