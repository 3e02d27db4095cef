"""Messages name arguments as their reader types them: in Python, in a shell, or with an estimator."""

import ast
import re
import uuid
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
import torch

import genzoo
from genzoo import wording
from genzoo.cli.main import root
from genzoo.config.flags import flagged_settings
from genzoo.config.run_config import RunConfig
from genzoo.errors import GenzooError
from genzoo.text import about_starts
from genzoo.wording import SHELL, FrontEnd, Word, argument, setting_name, speaking, speaking_everywhere

ROOT = Path(genzoo.__file__).parent
RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(120, 3))
TABLE = pd.DataFrame(NUMBERS, columns=["a", "b c", "d"])
IMAGES = RNG.integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
FLAG = re.compile(r"(?<![\w-])(?:--[a-z][a-z-]+|-o \w)")


def commands(group=root):
    """Every command below a group."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield command
        if isinstance(command, click.Group):
            yield from commands(command)


def flags():
    """Every long flag of every command."""
    options = [option for command in commands() for option in command.params if isinstance(option, click.Option)]
    return {name for option in options for name in (*option.opts, *option.secondary_opts) if name.startswith("--")}


def test_every_setting_with_a_flag_is_named_by_it():
    renamed = {"source": "data", "method": "split", "by": "split_by"}
    with speaking(SHELL):
        for setting in flagged_settings(RunConfig):
            name = setting.path[-1]
            assert argument(renamed.get(name, name)) == setting.option


@pytest.mark.parametrize(
    ("name", "value", "python", "shell"),
    [
        ("drop", ["a b", "c,d"], "drop=['a b', 'c,d']", """--drop 'a b,"c,d"'"""),
        ("kinds", {"a": "count"}, "kinds={'a': 'count'}", "--kind a=count"),
        ("date_formats", {"a": Word("FORMAT")}, "date_formats={'a': FORMAT}", "--date-format a=FORMAT"),
        ("metrics", ["x", "y"], "metrics=['x', 'y']", "--metric x --metric y"),
        ("missing", ["-1"], "missing=['-1']", "--missing=-1"),
        ("drop_missing", True, "drop_missing=True", "--drop-missing"),
        ("header", False, "header=False", "--no-header"),
        ("size", Word("N"), "size=N", "--size N"),
        ("training.patience", None, "patience=None", "-o training.patience=null"),
        ("features", "inception=a b", "features='inception=a b'", "--features 'inception=a b'"),
    ],
)
def test_an_argument_is_written_as_its_reader_types_it(name, value, python, shell):
    assert argument(name, value) == python
    with speaking(SHELL):
        assert argument(name, value) == shell


def test_an_estimator_has_names_of_its_own():
    with speaking(FrontEnd(names={"training.optimizer.lr": "training_lr"}, templates={"drop": "X.drop(columns={})"})):
        assert argument("lr", 1) == "training_lr=1"
        assert setting_name("training.optimizer.lr") == "training_lr"
        assert (argument("drop", ["a"]), argument("drop")) == ("X.drop(columns=['a'])", "X.drop")
        assert argument("patience") == "patience"


def train(model="gmm", data=TABLE, **settings):
    return lambda runs: genzoo.train(model, data, out=runs / f"made-{uuid.uuid4()}", **settings)


def compare(*candidates, data=TABLE, **settings):
    return lambda runs: genzoo.compare(list(candidates) or ["gmm"], data, **settings)


PROVOKED = {
    "missing values": train("dcgan", np.where(IMAGES > 250, np.nan, IMAGES / 255.0), steps=1, precision="fp32"),
    "a constant column": train("vae", TABLE.assign(d=1.0), steps=2, precision="fp32"),
    "a constant column for a mixture": train(data=TABLE.assign(d=1.0), n_components=2),
    "a repeated column": train(data=TABLE.assign(e=TABLE["a"])),
    "an empty column": train(data=TABLE.assign(d=np.nan)),
    "a column of texts": train(data=TABLE.assign(d="x")),
    "a column of lists": train(data=TABLE.assign(d=[[1]] * 120)),
    "a column of mixed types": train(data=TABLE.assign(d=[object()] * 120)),
    "an unknown column": train(drop=["z"]),
    "a column chosen twice": train(columns=["a", "a"]),
    "an unknown kind": train(kinds={"a": "real"}),
    "a kind of an unknown column": train(kinds={"z": "count"}),
    "bounds of an unknown column": train(bounds={"z": (0, 1)}),
    "inverted bounds": train(bounds={"a": (1, 0)}),
    "bounds that are no numbers": train(bounds=["a=x..y"]),
    "a format of dates that fits nothing": train(date_formats={"a": "%Q"}),
    "a mark of an unknown column": train(missing=["z=1"]),
    "no row without a missing value": train(
        data=TABLE.assign(d=[np.nan, 1.0] * 60, a=[1.0, np.nan] * 60), drop_missing=True
    ),
    "a range of a table": train(range=(0, 1)),
    "black and white of a table": train(binarize=True),
    "the size of a table": train(size=16),
    "marks in a table in memory": train(decimal=","),
    "columns of images": train("vae", IMAGES, drop=["a"], precision="fp32"),
    "a range that leaves values out": train("vae", IMAGES, range=(0, 9), precision="fp32"),
    "a batch that is too large": train("vae", batch_size=1000, precision="fp32"),
    "a text for a number": train(n_components="3"),
    "a truth value for a number": train(max_iter=True),
    "a number out of range": train(max_iter=0),
    "a rate out of range": train("vae", lr=-1.0, precision="fp32"),
    "a setting of another training": train(batch_size=3),
    "a group of another training": train(lr=0.5),
    "a misspelled setting": train("vae", epoch=3, precision="fp32"),
    "a misspelled nested setting": train("vae", training={"optimizer": {"lrr": 1}}),
    "no validation rows": train("vae", patience=3, validation=0.0, steps=2, precision="fp32"),
    "an unknown metric": train("vae", metrics=["fid"], steps=2, precision="fp32"),
    "weights for gradients": train("vae", weights=np.ones(120), steps=2, precision="fp32"),
    "a wrong precision": train(precision="bf16"),
    "a device that is not there": train(device="cuda:77"),
    "a split by time of no time": train(split="time=z"),
    "groups in order": train(split={"method": "contiguous", "by": ["a"]}),
    "too many folds": compare(folds=500),
    "cross-validation without folds": compare(by="cv"),
    "too few seeds": compare(seeds=0),
    "an unknown figure": compare(by="bicc"),
    "no candidate that shares a setting": compare(n_components=3),
    "a run that exists": lambda runs: genzoo.train("gmm", TABLE, out=runs / "gmm"),
    "a spent budget": lambda runs: genzoo.resume(runs / "vae", TABLE, steps=1),
    "a run to resume without its data": lambda runs: genzoo.resume(runs / "vae", steps=9),
    "a share that is none": lambda runs: genzoo.Run(runs / "gmm").score(TABLE, threshold=3.0),
    "a column that is missing": lambda runs: genzoo.Run(runs / "gmm").evaluate(TABLE[["a"]]),
    "data that are gone": lambda runs: genzoo.Run(runs / "gmm").evaluate(),
    "missing rows dropped": lambda runs: genzoo.Run(runs / "gmm").embed({"source": TABLE, "drop_missing": True}),
    "images for a table": lambda runs: genzoo.Run(runs / "gmm").impute(IMAGES),
    "an unknown extractor": lambda runs: genzoo.Run(runs / "gmm").evaluate(TABLE, features="pixels=a"),
    "a file that is not there": lambda runs: genzoo.Run(runs / "gmm").evaluate("nothing.csv"),
    "a folder that is none": lambda runs: genzoo.load(runs / "nothing"),
    "a path between no rows": lambda runs: genzoo.Run(runs / "vae").interpolate((0, 999), TABLE),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    genzoo.train("gmm", TABLE, n_components=2, out=folder / "gmm")
    genzoo.train("vae", TABLE, steps=2, precision="fp32", out=folder / "vae")
    return folder


@pytest.fixture
def provoke(runs, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def call(name):
        with pytest.raises(GenzooError) as found:
            PROVOKED[name](runs)
        return str(found.value)

    return call


@pytest.mark.parametrize("name", PROVOKED)
def test_no_error_of_a_call_names_a_flag(provoke, name):
    assert not FLAG.search(provoke(name))


@pytest.mark.parametrize(
    ("name", "python", "shell"),
    [
        ("a constant column", "drop=['d']", "--drop d"),
        ("a column of texts", "kinds", "--kind"),
        ("a batch that is too large", "batch_size=84", "--batch-size 84"),
        ("no validation rows", "patience needs", "--patience needs"),
        ("a wrong precision", "precision='fp32'", "--precision fp32"),
        ("a device that is not there", "device='cpu'", "--device cpu"),
        ("too many folds", "folds=500", "--folds 500"),
        ("a run that exists", "another out", "another --out"),
        ("a spent budget", "steps=1", "--steps 1"),
    ],
)
def test_the_same_error_names_flags_in_a_shell(provoke, name, python, shell):
    assert python in provoke(name)
    with speaking_everywhere(SHELL):
        assert shell in provoke(name)


def test_an_estimator_names_what_its_user_can_change():
    from genzoo.sklearn import GMM, VAE

    for estimator, x, words in (
        (GMM(max_iter=0), NUMBERS, "max_iter must be at least 1"),
        (VAE(batch_size=1000, precision="fp32"), NUMBERS, "batch_size="),
        (VAE(precision="fp32"), TABLE.assign(d=1.0), r"X.drop\(columns=\['d'\]\)"),
        (GMM(n_components="3"), NUMBERS, "n_components must be a whole number"),
        (GMM(), TABLE.assign(d=[[1]] * 120), r"X.drop\(columns=\['d'\]\)"),  # a message of another thread
        (GMM(), TABLE.assign(d=["x", "y"] * 60), "set its kind with X.astype"),
    ):
        with pytest.raises(GenzooError, match=words) as found:
            estimator.fit(x)
        assert not FLAG.search(str(found.value))


def test_worker_processes_speak_as_their_parent_does():
    for to, words in ((wording.PYTHON, "drop="), (SHELL, "--drop")):
        with speaking_everywhere(to):
            report = genzoo.compare(["gaussian", "gmm:n_components=2"], TABLE.assign(d=1.0), jobs=2)
        assert all(words in row.reasons["status"] for row in report.rows)


def literals(path):
    """Texts of a file outside docstrings, and outside declarations of flags."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    apart = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Flag":
            apart.update(map(id, ast.walk(node)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart:
            yield node.lineno, node.value


def test_only_the_mechanism_and_the_command_line_write_flags():
    known = flags() | {"--no-header", "--no-whole"}
    apart = {"cli", "packaging", "plugins"}  # what runs in a shell: commands, pip, and advice on both
    plugins = ROOT.parent / "plugins"
    files = [path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] not in apart]
    files += plugins.glob("*/genzoo_*/**/*.py")
    found = [
        f"{path}:{line}: {flag}"
        for path in files
        if path.name != "wording.py"
        for line, text in literals(path)
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)
        if flag in known and "pip install" not in text
    ]
    assert found == []


def test_commands_that_overlap_leave_python_as_it_was():
    with speaking_everywhere(wording.PYTHON):
        first, second = speaking_everywhere(SHELL), speaking_everywhere(SHELL)
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert argument("drop") == "--drop"
        second.__exit__(None, None, None)
        assert argument("drop") == "drop"


def test_python_reads_about_settings_without_their_section(tmp_path):
    assert "a larger n_init may" in about_starts(40, 1)
    with speaking(SHELL):
        assert "a larger training.n_init may" in about_starts(40, 1)
    run = genzoo.train("gmm", "iris", n_components=3, max_iter=1, out=tmp_path / "run")
    with pytest.raises(GenzooError, match=r"with a larger max_iter\."):
        genzoo.resume(run)


def test_a_run_of_a_model_in_a_file_is_resumed_with_the_file():
    assert wording.resuming("genzoo", "a b") == "genzoo.resume('a b')"
    assert wording.resuming("genzoo", "run", "own.py") == "genzoo.resume('run', model='own.py')"
    with speaking(SHELL):
        assert wording.resuming("genzoo", "a b") == "genzoo train --resume 'a b'"
        assert wording.resuming("genzoo", "run", Word("FILE.py")) == "genzoo train --resume run --model-file FILE.py"
