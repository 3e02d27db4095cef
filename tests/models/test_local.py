"""A model in one file: train, compare and load a class that is in no package."""

import json

import numpy as np
import pytest
import torch
from refusals import assert_refused

import genzoo
from genzoo.errors import ArtifactError, ConfigError, PluginError
from genzoo.models.local import find_local, register_class
from genzoo.models.local_spec import entries_of
from genzoo.models.reference import known_name
from genzoo.plugins.local import ModelSource, split_candidate, split_reference
from genzoo.plugins.manager import get_registry

QUICK = {"steps": 20, "batch_size": 32, "precision": "fp32"}

FILE = '''
import torch
import genzoo

class MyModel(genzoo.Generator, genzoo.Likelihood):
    """Independent normals (Gauss, 1809)."""

    training = {"steps": 20, "batch_size": 32}
    kinds, modalities = ("continuous",), ("table",)
    degrees_of_freedom = None

    def __init__(self, data, width: int = 3, spread=1.0, centered: bool = False):
        super().__init__()
        self.mean = torch.nn.Parameter(torch.zeros(data.event_shape))
        self.scale = torch.nn.Parameter(torch.full(data.event_shape, spread))

    def log_prob(self, x):
        return torch.distributions.Normal(self.mean, self.scale).log_prob(x).sum(1)

    def sample(self, n, *, condition=None, temperature=1.0):
        noise = torch.randn(n, *self.mean.shape, dtype=self.mean.dtype, device=self.mean.device)
        return self.mean + temperature * self.scale * noise
'''


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my_model.py"
    path.write_text(FILE)
    return path


class Implicit(genzoo.Generator, genzoo.Decoder):
    """Decodes normals; a class in a module, with a discriminator and an objective of its own."""

    latent = 2

    def __init__(self, data, width: int = 4):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(2, width), torch.nn.Linear(width, data.event_shape[0]))

    def prior_sample(self, n):
        weight = self.layers[0].weight
        return torch.randn(n, 2, dtype=weight.dtype, device=weight.device)

    def decode(self, z):
        return self.layers(z)

    def sample(self, n, *, condition=None, **options):
        return self.decode(self.prior_sample(n))

    class discriminator(genzoo.Discriminator):  # noqa: N801 - an attribute of the model
        def __init__(self, data, width):
            super().__init__()
            self.layers = torch.nn.Linear(data.event_shape[0], 1)

        def forward(self, x):
            return self.layers(x)[:, 0]

    class objective(genzoo.GradientObjective):  # noqa: N801 - an attribute of the model
        needs_discriminator = True

        def __init__(self, margin: float = 1.0):
            self.margin = margin

        def losses(self, model, batch, progress):
            drawn = model.generator.sample(len(batch.x))
            real, fake = model.discriminator(batch.x), model.discriminator(drawn.detach())
            yield {"discriminator": (self.margin - real).relu().mean() + (self.margin + fake).relu().mean()}
            yield {"generator": -model.discriminator(drawn).mean()}


def in_a_notebook(cls, name=None):
    """Return a class as a notebook has it: no module holds it."""
    return type(name or cls.__name__, (cls,), {"__module__": "__main__", "spread": 3, "sample": Implicit.sample})


def test_a_reference_is_a_file_and_a_class():
    assert split_reference("./a/my_model.py:MyModel") == ("./a/my_model.py", "MyModel")
    assert split_reference("my_model.py") == ("my_model.py", "")
    assert split_reference("genzoo-gan/dcgan") == ("", "")
    assert split_candidate("C:/a.py:M:width=2") == ("C:/a.py:M", ":", "width=2")
    assert split_candidate("gmm:n_components=1..9") == ("gmm", ":", "n_components=1..9")


def test_a_file_trains_samples_and_resumes_from_the_command_line(file, cli, tmp_path):
    name, run = f"{file}:MyModel", tmp_path / "run"
    words = ("--data", "iris", "-o", "width=5", "--out", run, "--precision", "fp32")
    code, out, err = cli("train", name, *words)
    assert code == 0, err
    assert f"genzoo sample {run} --model-file {file} -n 1000" in out
    stored = json.loads((run / "config.json").read_text())
    assert (stored["model"], stored["options"]["width"]) == ("local/MyModel", 5)
    assert stored["model_source"]["file"] == "my_model.py"
    assert str(tmp_path) not in (run / "model" / "config.json").read_text()
    for path in (run, run / "model"):
        code, _, err = cli("sample", path, "-n", 4, "-o", "temperature=2", "--model-file", file, "--out", "few.csv")
        assert code == 0, err
    assert cli("score", run, "--model-file", file)[0] == 0
    assert cli("evaluate", run, "--metric", "coverage", "--model-file", name)[0] == 0
    code, _, err = cli("train", "--resume", run, "--steps", 30, "--model-file", file)
    assert code == 0, err
    assert genzoo.Run(run).record["steps"] == 30
    assert_refused(cli("train", name, "--data", "iris", "-o", "widht=5"), 2, "Did you mean 'width'?")
    assert_refused(cli("train", name, "--data", "iris", "-o", "width=wide"), 2, "width must be a whole number")
    code, out, _ = cli("models", name)
    assert code == 0
    assert "Independent normals (Gauss, 1809)" in out
    assert "temperature" in out
    assert "MyModel" not in cli("models")[1]


def test_a_run_is_loaded_only_with_the_file_as_it_was(file, cli, tmp_path):
    run = genzoo.train(f"{file}:MyModel", "iris", **QUICK, out=tmp_path / "run")
    drawn = run.sample(3)
    assert np.array_equal(genzoo.load(run.path, model=file).sample(3), drawn)
    stored = run.config.model_source
    with pytest.raises(ArtifactError, match=r"model='my_model\.py'"):
        find_local("local/NeverSeen", stored, "elsewhere")
    other = tmp_path / "elsewhere.py"
    other.write_text(FILE + f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(ArtifactError, match=r"trained with 'my_model\.py' as it was then .* Give it as it was"):
        genzoo.load(run.path, model=other)
    assert not (tmp_path / "ran").exists()
    assert_refused(cli("sample", run.path, "--model-file", other), 4, "Give it as it was")
    assert_refused(cli("sample", run.path, "--model-file", "gone.py"), 2, "gone.py cannot be read: No such file")
    assert_refused(cli("sample", run.path, "--model-file", "gmm"), 2, "--model-file FILE takes a Python file")
    assert_refused(cli("sample", run.path, "--model-file", f"{file}:Other"), 4, "of the class 'MyModel', and not")
    file.write_bytes(FILE.replace("\n", "\r\n").encode())  # as a checkout on Windows has it
    assert np.array_equal(genzoo.load(run.path, model=file).sample(3), drawn)
    with pytest.raises(ArtifactError, match="no id of a model"):
        find_local("local/os.system", ModelSource(), "elsewhere")


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        ("x = 1\ndef f(:\n", PluginError, r"my_model\.py, line 2, is not valid Python: invalid syntax: def f\(:"),
        ("import os\n\nos.nothing\n", PluginError, r"my_model\.py, line 3, fails when the file is run: AttributeError"),
        ("import sys\nsys.exit(3)\n", PluginError, r"line 2, fails when the file is run: SystemExit: 3"),
        ("class Model: ...\n", ConfigError, r"has no class 'MyModel'"),
        ("MyModel = 3\n", ConfigError, "'MyModel' is not the class of a model. Derive it from genzoo.Generator"),
        ("import genzoo\nclass MyModel(genzoo.Generator): ...\n", ConfigError, "'MyModel' lacks sample"),
        (FILE.replace("(self, data, width", "(self, *data, width"), ConfigError, "must take what the data are first"),
        (FILE.replace("width: int = 3", "width=torch.relu"), ConfigError, "must be plain values"),
        (FILE.replace(", genzoo.Likelihood", ""), ConfigError, "does not say how it learns"),
        (FILE.replace("training =", "input = 'logarithmic'\n    training ="), ConfigError, "does not describe a model"),
    ],
)
def test_faults_of_a_file_are_one_sentence_with_their_line(content, kind, words, file):
    file.write_text(content)
    with pytest.raises(kind, match=words):
        known_name(f"{file}:MyModel")


def test_an_error_in_the_constructor_names_its_line(file, tmp_path):
    file.write_text(FILE.replace("super().__init__()\n", "super().__init__()\n        self.nothing()\n"))
    with pytest.raises(PluginError, match=r"MyModel cannot be built \(.*my_model\.py, line 14\): AttributeError"):
        genzoo.train(f"{file}:MyModel", "iris", **QUICK, out=tmp_path / "run")


def test_a_file_may_use_those_beside_it_and_annotations_of_later_versions(file, tmp_path):
    (tmp_path / "beside_my_model.py").write_text("SPREAD = 2.0\n")
    content = FILE.replace("import torch", "from __future__ import annotations\nimport torch, beside_my_model", 1)
    file.write_text(content.replace("spread=1.0", "spread: float = beside_my_model.SPREAD"))
    assert genzoo.train(f"{file}:MyModel", "iris", **QUICK, out=tmp_path / "run").config.options["spread"] == 2.0


def test_a_class_trains_with_a_discriminator_and_an_objective_of_its_own(tmp_path):
    run = genzoo.train(Implicit, "iris", width=3, objective={"name": "implicit-objective", "margin": 2.0}, **QUICK)
    assert run.config.objective.options == {"margin": 2.0}
    assert run.config.model_source.file == "test_local.py"
    assert set(genzoo.load(run.path, model=Implicit).capabilities) == {"decoder"}
    with pytest.raises(ArtifactError, match="of the class 'Implicit', and not of 'Other'"):
        genzoo.load(run.path, model=in_a_notebook(Implicit, "Other"))


@pytest.fixture(autouse=True)
def _runs(tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_RUNS", str(tmp_path / "runs"))


def test_a_class_of_a_notebook_is_known_by_the_source_of_its_methods():
    one = in_a_notebook(Implicit)
    run = genzoo.train(one, "iris", **QUICK)
    source = run.config.model_source
    assert (source.file, source.of, len(source.digest)) == ("", "class", 64)
    assert np.array_equal(genzoo.load(run.path, model=in_a_notebook(Implicit)).sample(2), run.sample(2))
    other = in_a_notebook(Implicit)
    other.spread = 4
    with pytest.raises(ArtifactError, match="trained with 'the class Implicit' as it was then"):
        genzoo.load(run.path, model=other)
    of_a_file = ModelSource("my_model.py", "0" * 64, "file")
    with pytest.raises(ArtifactError, match="comes from no file, so it cannot be compared"):
        find_local("local/Implicit", of_a_file, "elsewhere")


def test_a_class_without_readable_source_is_known_by_name_only():
    bare = in_a_notebook(Implicit, "Bare")
    bare.decode = eval("lambda self, z: self.layers(z)", {})
    with pytest.warns(UserWarning, match="The source of Bare cannot be read"):
        run = genzoo.train(bare, "iris", **QUICK)
    assert run.config.model_source == ModelSource()
    assert genzoo.load(run.path).sample(2).shape == (2, 4)


def test_a_comparison_fits_files_and_classes_also_in_other_processes(file, tmp_path):
    wanted = [f"{file}:MyModel:spread=2", {"model": in_a_notebook(Implicit, "Own"), "width": 2}]
    shared = {**QUICK, "test": 0.3, "jobs": 2, "by": "coverage"}
    report = genzoo.compare(wanted, "iris", **shared, out=tmp_path / "all")
    names = {"local/MyModel:spread=2", "local/Own:width=2"}
    assert {row.id for row in report.rows if row.status == "ok"} == names
    again = genzoo.compare(wanted, "iris", **shared, out=tmp_path / "all")
    assert {row.id: row.metrics for row in again.rows} == {row.id: row.metrics for row in report.rows}
    with pytest.raises(ConfigError, match="Two different models are called 'Own'"):
        genzoo.compare([in_a_notebook(Implicit, "Own"), in_a_notebook(Implicit, "Own")], "iris")


def test_attributes_and_bases_of_a_class_are_its_spec(file):
    known_name(f"{file}:MyModel")
    spec = get_registry().models.get("local/MyModel").spec
    assert (spec.name, spec.capabilities, spec.objectives) == ("MyModel", {"likelihood"}, ("maximum-likelihood",))
    assert (spec.input, spec.training) == ("standardized", {"steps": 20, "batch_size": 32})
    own = type("Stated", (Implicit,), {"input": "unit", "kinds": ("continuous",), "missing": True, "training": {}})
    found, (objective,) = entries_of(own, "")
    assert (found.input, found.kinds, found.missing, found.training) == ("unit", ("continuous",), True, {"epochs": 100})
    assert (objective.name, objective.kind) == ("stated-objective", "gradient")


def test_plugins_cannot_take_the_place_of_a_local_model():
    spec = get_registry().models.get(register_class(Implicit)).spec
    for distribution in ("local", "genzoo-other"):
        with pytest.raises(PluginError, match="file of the user's"):
            get_registry().models.add(distribution, spec)


def test_the_kit_checks_a_class_in_a_file(file, cli):
    code, out, err = cli("plugins", "check", f"{file}:MyModel", "--json")
    states = {one["promise"]: one["state"] for one in json.loads(out)[f"{file}:MyModel"]}
    assert states["registers"] == "does not apply"
    assert states["sampling-options"] == states["log-prob-integrates-to-one"] == "kept"
    assert states["options-are-bounded"] == "does not apply"
    assert (code, states["training-improves"]) == (5, "broken")  # on standardized data it starts at its best
    assert "broke promises" in " ".join(err.split())


FAULTS = """
import torch
import genzoo


class Base(genzoo.Generator, genzoo.Likelihood):
    degrees_of_freedom = None
    training = {"steps": 2, "batch_size": 8}

    def __init__(self, data):
        super().__init__()
        self.m = torch.nn.Parameter(torch.zeros(data.event_shape))

    def log_prob(self, x):
        return -(x - self.m).square().sum(1)

    def sample(self, n):
        return self.m.expand(n, *self.m.shape)


class Sampling(Base):
    def sample(self, n):
        raise RuntimeError("no luck")


class Density(Base):
    def log_prob(self, x):
        return self.nothing


class Shape(Base):
    def sample(self, n):
        return torch.zeros(n, 3)


class Constant(Base):
    def log_prob(self, x):
        return 0 * x.sum(1)


class Start(Base):
    class objective(genzoo.EMObjective):
        def initialize(self, model, blocks):
            return model.nothing

        def statistics(self, model, batch):
            return {}

        def maximize(self, model, statistics):
            pass


class Sums(Base):
    class objective(Start.objective):
        def initialize(self, model, blocks):
            pass
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Sampling", r"'local/Sampling' failed \(faults.py, line 23\): RuntimeError: no luck"),
        ("Density", r"objective failed \(faults.py, line 28\): AttributeError"),
        ("Shape", r"draws samples of shape \(64, 3\), not \(64, 4\)"),
        ("Constant", "loss for 'generator' depends on no parameter"),
        ("Start", r"objective failed \(faults.py, line \d+\): AttributeError"),
        ("Sums", "statistics lack log_likelihood, weight"),
    ],
)
def test_faults_of_methods_are_one_sentence_with_their_line(name, said, tmp_path):
    path = tmp_path / "faults.py"
    path.write_text(FAULTS)
    with pytest.raises(PluginError, match=said):
        genzoo.train(f"{path}:{name}", "iris", precision="fp32", out=tmp_path / "run", progress=False)
    assert len(genzoo.runs(tmp_path, status="failed")) == 1
