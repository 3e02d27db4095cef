"""The example of a web service: its answers, its errors, requests at once, and the recipe of its container."""

import contextlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import genzoo

pytest.importorskip("uvicorn", reason="the extra `service` is not installed")
pytest.importorskip("fastapi", reason="the extra `service` is not installed")
if not any(map(importlib.util.find_spec, ("httpx2", "httpx"))):  # without which this import raises a RuntimeError
    pytest.skip("httpx2 is not installed", allow_module_level=True)
testclient = pytest.importorskip("fastapi.testclient")

ROOT = Path(genzoo.__file__).parents[1]
DOCS = ROOT / "docs"
MODELS = ROOT / "tests" / "data" / "models" / "0.2"
GMM = MODELS / "gmm"


@pytest.fixture
def served(monkeypatch):
    """Return a function that makes a client of the service around a stored model."""

    def serve(name):
        monkeypatch.setenv("MODEL", str(MODELS / name))
        spec = importlib.util.spec_from_file_location("served_app", DOCS / "service" / "app.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return testclient.TestClient(module.service)

    return serve


def post(client, path, **body):
    answer = client.post(path, json=body)
    return answer.status_code, answer.json()


def test_samples_of_a_table_are_objects_and_come_again_by_their_seed(served):
    client = served("gmm")
    status, found = post(client, "/sample", n=3)
    assert status == 200
    assert len(found["samples"]) == 3
    assert post(client, "/sample", n=3, seed=found["seed"]) == (200, found)
    assert post(client, "/sample", n=3)[1]["seed"] != found["seed"]
    expected = genzoo.load(GMM).sample(3, seed=found["seed"], output="pyarrow").to_pylist()
    assert found["samples"] == expected


def test_scores_are_the_scores_of_the_model_and_null_if_infinite(served):
    client, rows = served("gmm"), genzoo.load(GMM).sample(3, seed=1, output="pyarrow")
    impossible = dict.fromkeys(rows.column_names, 1e30)
    nothing = dict.fromkeys(rows.column_names)
    status, found = post(client, "/score", rows=[*rows.to_pylist(), impossible, nothing], threshold=0.05)
    assert status == 200
    values = [row["log_likelihood"] for row in found["scores"]]
    np.testing.assert_allclose(values[:3], genzoo.load(GMM).log_prob(rows), rtol=1e-6)
    assert values[3:] == [None, None]
    assert [row["flagged"] for row in found["scores"]][3:] == [True, False]


@pytest.mark.parametrize(
    ("name", "form"),
    [("copula", dict), ("dcgan", list), ("gpt", str), ("mvae", dict), ("vae", dict), ("autoencoder", dict)],
)
def test_samples_of_every_form_can_be_scored(served, name, form):
    client = served(name)
    status, found = post(client, "/sample", n=2, seed=5, **({"given": {"label": 3}} if name == "dcgan" else {}))
    assert status == 200
    assert {type(sample) for sample in found["samples"]} == {form}
    status, scored = post(client, "/score", rows=found["samples"])
    if name == "dcgan":
        assert status == 422
        assert "likelihood" in scored["detail"] or "condition" in scored["detail"]
    else:
        assert status == 200
        assert len(scored["scores"]) == 2


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/sample", {"n": 0}, "greater than or equal to 1"),
        ("/sample", {"n": 1001}, "less than or equal to 1000"),
        ("/sample", {"m": 1}, "Extra inputs"),
        ("/sample", {"seed": -1}, "greater than or equal to 0"),
        ("/sample", {"given": {"color": "red"}}, "'color' is no column"),
        ("/sample", {"given": {"sepal length (cm)": 1e308}}, "too far from the training rows"),
        ("/score", {"rows": []}, "at least 1 item"),
        ("/score", {"rows": [{}] * 1001}, "at most 1000 items"),
        ("/score", {"rows": [{"petal": 1}]}, "has no column 'sepal length"),
        ("/score", {"rows": [{"a": 1}, {"a": "x"}]}, "the form of samples"),
        ("/score", {"rows": [{"a": 1}, [1]]}, "the form of samples"),
        ("/score", {"rows": [[1], [1, 2]]}, "the form of samples"),
        ("/score", {"rows": ["a text"]}, "must be numbers"),
        ("/score", {"rows": [[1, 2, 3, 4]], "threshold": 1}, "less than 1"),
    ],
)
def test_a_request_that_does_not_fit_says_why(served, path, body, reason):
    status, found = post(served("gmm"), path, **body)
    assert status == 422
    assert reason in json.dumps(found)


@contextlib.contextmanager
def running(command, folder=None, **variables):
    """Run a server on a free port and yield its address."""
    command = [sys.executable, "-m", *command] if command[0] == "uvicorn" else command
    variables = {**os.environ, "UVICORN_HOST": "127.0.0.1", "UVICORN_PORT": "0", "OMP_NUM_THREADS": "1", **variables}
    with subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True, cwd=folder) as server:
        try:
            lines = []
            for line in server.stderr:
                lines.append(line)
                if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
                    break
            else:
                pytest.fail("".join(lines))
            threading.Thread(target=server.stderr.read, daemon=True).start()
            yield found[1]
        finally:
            server.terminate()
            assert server.wait(timeout=30) in (0, -15)


def fetch(address, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


APP = ("uvicorn", "--app-dir", str(DOCS / "service"), "app:service")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sample", '{"n": NaN}'),
        ("/sample", '{"n": 1, "seed": NaN}'),
        ("/score", '{"rows": [[NaN]], "threshold": NaN}'),
        ("/score", '{"rows": [[1, ' + "9" * 400 + "]]}"),
    ],
)
def test_numbers_that_json_or_floats_lack_are_faults_of_the_request(served, path, body):
    answer = served("gmm").post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_requests_at_once_get_what_they_get_alone():
    rows = genzoo.load(GMM).sample(50, seed=2, output="pyarrow").to_pylist()
    asked = [("/sample", {"n": 40, "seed": seed % 4}) for seed in range(16)]
    asked += [("/score", {"rows": rows[first:]}) for first in range(8)]
    with running(APP, MODEL=str(GMM)) as address, ThreadPoolExecutor(8) as pool:
        alone = [fetch(address + path, body) for path, body in asked]
        together = list(pool.map(lambda one: fetch(address + one[0], one[1]), asked * 2))
        assert fetch(f"{address}/health")[1]["status"] == "ok"
    assert {status for status, _ in alone} == {200}
    assert together == alone * 2


@pytest.mark.full
def test_a_server_that_is_full_says_so_at_once():
    with running((*APP, "--limit-concurrency", "2"), MODEL=str(GMM)) as address, ThreadPoolExecutor(12) as pool:
        assert fetch(f"{address}/sample", {"n": 2})[0] == 200
        found = set(pool.map(lambda seed: fetch(f"{address}/sample", {"n": 1000, "seed": seed})[0], range(24)))
    assert 503 in found <= {200, 503}


@pytest.mark.full
def test_a_server_with_no_model_ends_with_the_reason(tmp_path):
    variables = {**os.environ, "MODEL": str(tmp_path / "nothing"), "UVICORN_PORT": "0"}
    done = subprocess.run([sys.executable, "-m", *APP], env=variables, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "There is no folder" in done.stderr


def test_the_page_shows_what_the_service_answers(tmp_path, cli, served):
    page = (DOCS / "service.md").read_text(encoding="utf-8")
    (training,) = re.findall(r"^\$ genzoo (train .*)$", page, re.MULTILINE)
    assert cli(*shlex.split(training))[0] == 0
    asked = re.findall(
        r"^curl localhost:8000(\S+) --json '(.*?)'\n```\n\n```json\n(.*?)```", page, re.MULTILINE | re.DOTALL
    )
    assert len(asked) == 2
    with running(APP, tmp_path, MODEL="runs/iris") as address:
        for path, body, shown in asked:
            status, found = fetch(address + path, json.loads(body))
            assert status == 200
            assert close(found, json.loads(shown)), found


def close(found, shown):
    """Return whether two answers are the same but for rounding."""
    if isinstance(found, dict):
        return found.keys() == shown.keys() and all(close(found[name], shown[name]) for name in found)
    if isinstance(found, list):
        return len(found) == len(shown) and all(map(close, found, shown))
    return found == (pytest.approx(shown, abs=0.15) if isinstance(found, float) else shown)


INSTRUCTIONS = {"ARG", "CMD", "COPY", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN", "USER", "WORKDIR"}


def instructions():
    """Return the instructions of the Containerfile, each with its words."""
    text = (DOCS / "service" / "Containerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def test_the_recipe_copies_what_exists_and_runs_as_no_root():
    steps = instructions()
    assert {name for name, _ in steps} <= INSTRUCTIONS
    assert steps[0][0] == "FROM"
    assert "/" not in steps[0][1], "a registry of its own"
    for name, words in steps:
        if name == "COPY":
            *sources, _ = words.split()
            assert all((ROOT / source).exists() for source in sources), words
    order = [name for name, _ in steps]
    assert order.index("USER") > max(place for place, name in enumerate(order) if name in ("RUN", "COPY"))
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", dict(steps)["USER"])
    version = re.search(r"python:(3\.\d+)", steps[0][1])[1]
    assert f"Programming Language :: Python :: {version}" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.full
def test_the_steps_of_the_recipe_make_a_service_that_is_healthy(tmp_path):
    """Follow the Containerfile in a fresh environment; only the base image, the user and the port are others."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    work = tmp_path / "service"
    work.mkdir()
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("GENZOO_", "PYTHON"))}
    variables = {**clean, "PATH": f"{tmp_path / 'env' / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    for name, words in instructions():
        if name == "ARG":
            key, _, value = words.partition("=")
            variables[key] = value.strip('"')
        elif name == "ENV":
            variables |= dict(word.split("=", 1) for word in shlex.split(words))
        elif name == "COPY":
            copy(words.split(), work)
        elif name == "RUN":
            subprocess.run(["/bin/sh", "-c", words], cwd=work, env=variables, check=True)
    steps = dict(instructions())
    variables |= {"MODEL": str(GMM), "HOME": str(tmp_path)}
    health = json.loads(steps["HEALTHCHECK"].partition("CMD")[2])
    del variables["UVICORN_PORT"], variables["UVICORN_HOST"]
    program = tmp_path / "env" / "bin" / json.loads(steps["CMD"])[0]
    with running((str(program), *json.loads(steps["CMD"])[1:]), work, **variables) as address:
        variables["UVICORN_PORT"] = address.rpartition(":")[2]
        program = tmp_path / "env" / "bin" / health[0]
        assert subprocess.run([program, *health[1:]], env=variables).returncode == 0
        assert fetch(f"{address}/sample", {"n": 2})[0] == 200
    assert subprocess.run([program, *health[1:]], env=variables, capture_output=True).returncode != 0


def copy(words, work):
    """Copy files and folders of the repository as COPY does."""
    *sources, place = words
    for source in sources:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, work / place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (work / place).mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, work / place)
