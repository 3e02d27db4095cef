"""What the layout promises: layers, a light façade, no plugin's name in the core, no unsafe call."""

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

import genzoo
from genzoo.spec.modality import MODALITIES

ROOT = Path(genzoo.__file__).parent
PLUGINS = ROOT.parent / "plugins"

# A package imports only from packages on lines above its own, and from itself.
ORDER = (
    ("errors", "text", "spec", "typing", "version", "wording"),
    ("plugins",),
    ("config",),
    ("runtime", "storage"),
    ("models",),
    ("data",),
    ("inference",),
    ("features", "engine"),
    ("persistence",),
    ("metrics",),
    ("training",),
    ("reports",),
    ("verbs",),
    ("comparison", "sklearn", "testing"),
    ("tuning",),
    ("packaging",),
    ("cli",),
)
RANK = {name: rank for rank, line in enumerate(ORDER) for name in line}


parsed = functools.cache(ast.parse)


def tree_of(path):
    return parsed(path.read_text(encoding="utf-8"))


def sources(folder=ROOT):
    return sorted(folder.rglob("*.py"))


def part(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_imports_only_from_packages_above_it(path):
    name = part(path)
    if name in ("__init__", "__main__"):
        return
    for module in imported(tree_of(path)):
        words = module.split(".")
        if words[0] == "genzoo" and len(words) > 1 and words[1] in RANK:
            allowed = words[1] == name or RANK[words[1]] < RANK[name] or path.parent == ROOT
            assert allowed, f"{name} imports {module}"


def test_every_package_has_its_place_in_the_order():
    assert {part(path) for path in sources()} - {"__init__", "__main__"} == set(RANK)


def test_the_root_and_every_package_stay_small():
    assert len(list(ROOT.glob("*.py"))) <= 8
    for folder in {path.parent for path in sources()}:
        assert len(list(folder.glob("*.py"))) <= 20, folder


def test_tests_stand_in_the_folder_of_the_package_they_are_about():
    folders = {path.name for path in (ROOT.parent / "tests").iterdir() if any(path.glob("test_*.py"))}
    assert folders <= {part(path) for path in sources() if path.parent != ROOT}


def test_the_page_on_the_architecture_names_files_and_names_that_exist():
    page = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py)`(?: \|)?((?:(?:,| and)? `[\w.]+`)*)", page)
    assert len(named) > 40
    for file, names in named:
        tree = tree_of(ROOT.parent / file if file.startswith("tests/") else ROOT / file.removeprefix("genzoo/"))
        defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)}
        for name in re.findall(r"`([\w.]+)`", names):
            assert set(name.split(".")) <= defined, f"{file} has no {name}"


def test_a_public_class_has_a_name_of_its_own():
    homes: dict[str, list[str]] = {}
    for path in product():
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(str(path))
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


def test_no_file_imports_in_a_circle_within_its_folder():
    graph = {}
    for path in sources():
        name = ".".join(["genzoo", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")
        graph[name] = set(imported(tree_of(path)))
    for name, targets in graph.items():
        graph[name] = {target for target in targets if target in graph and target != name} - {"genzoo"}
    done: set[str] = set()

    def visit(name, trail):
        assert name not in trail, " -> ".join([*trail, name])
        if name not in done:
            for target in graph[name]:
                visit(target, [*trail, name])
            done.add(name)

    for name in graph:
        visit(name, [])


def test_the_core_knows_no_plugin_and_plugins_know_only_the_facade():
    names = {path.name for path in PLUGINS.iterdir()} | {"dcgan", "genzoo_gan"}
    for path in sources():
        strings = [n.value for n in ast.walk(tree_of(path)) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        documentation = {
            ast.get_docstring(n, clean=False)
            for n in ast.walk(tree_of(path))
            if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef)
        }
        for module in imported(tree_of(path)):
            assert not any(name.replace("-", "_") in module for name in names), path
        for value in set(strings) - documentation:
            assert "genzoo_gan" not in value, path
    for plugin in PLUGINS.glob("*/genzoo_*"):
        for path in sources(plugin):
            for module in imported(tree_of(path)):
                words = module.split(".")
                if words[0] == "genzoo" and len(words) > 1:
                    assert words[1] in {*genzoo.__all__, "testing"}, f"{path} imports {module}"
                if words[0].startswith("genzoo_"):
                    assert words[0] == plugin.name, f"{path} imports {module}"


def modality_tests(tree):
    """Yield the places that compare with the name of a modality, or look something up by it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [side for top in (node.left, *node.comparators) for side in ast.walk(top)]
            texts = {side.value for side in sides if isinstance(side, ast.Constant)}
            asked = {getattr(side, "attr", getattr(side, "id", None)) for side in sides}
            if texts & set(MODALITIES) or ("modality" in asked and any(isinstance(text, str) for text in texts)):
                yield ast.unparse(node)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            if getattr(node.slice, "attr", "") == "modality" and ast.unparse(node.value) not in _BY_MODALITY:
                yield ast.unparse(node)
        elif isinstance(node, ast.Match) and getattr(node.subject, "attr", "") == "modality":
            yield ast.unparse(node.subject)


_BY_MODALITY = {"MODALITIES"}
"""Tables that have an entry for each modality: only one."""


def test_nothing_asks_for_the_name_of_a_modality():
    for path in product():
        assert list(modality_tests(tree_of(path))) == [], path


@pytest.mark.parametrize(
    "text",
    [
        'data.modality == "table"',
        '"image" != spec.modality',
        '"image" in spec.modalities',
        'modality in ("text", "audio")',
        'data.modality.startswith("im") == True or data.modality == "x"',
        "_MOST[data.modality]",
        '{"image": 1, "table": 2}[spec.modality]',
        "match data.modality:\n    case 'table':\n        pass",
    ],
)
def test_the_check_for_names_of_modalities_finds(text):
    assert list(modality_tests(ast.parse(text)))


def test_the_facade_exports_what_it_says_sorted_and_whole():
    assert genzoo.__all__ == sorted(genzoo.__all__)
    for name in genzoo.__all__:
        assert getattr(genzoo, name) is not None
    typed = {
        alias.asname
        for node in ast.walk(tree_of(ROOT / "__init__.pyi"))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert typed == set(genzoo.__all__) - {"__version__"}
    with pytest.raises(AttributeError):
        _ = genzoo.nothing


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "models",
        "data",
        "plugins",
        "train --help",
        "compare --help",
        "tune --help",
        "score --help",
        "impute --help",
        "embed --help",
        "sample --help",
        "report --help",
        "install --help",
        "uninstall --help",
        "plugins doctor --help",
        "plugins freeze",
        "models dcgan",
        "train dcgan --help",
    ],
)
def test_listing_and_help_import_no_torch(words):
    program = (
        "import sys; from genzoo.cli.main import main; code = main(sys.argv[1:]);"
        "sys.exit(code or (9 if 'torch' in sys.modules else 0))"
    )
    command = [sys.executable, "-X", "utf8", "-c", program, *words.split()]  # whose output any locale can hold
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr


def test_importing_genzoo_imports_next_to_nothing():
    program = "import sys; before = set(sys.modules); import genzoo; print(*set(sys.modules) - before)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {name.partition(".")[0] for name in found} & {"torch", "numpy", "pydantic", "click", "rich", "pluggy"}


def test_calls_import_no_large_package_before_they_need_it():
    names = "train resume score embed impute cluster describe evaluate report compare load runs"
    program = f"import sys, genzoo; [getattr(genzoo, name) for name in {names.split()}]; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    large = "scipy.signal scipy.stats scipy.optimize scipy.interpolate pandas sklearn matplotlib optuna"
    assert "torch" in found
    assert not {*large.split(), "dask", "distributed", "soundfile", "torch._dynamo", "torch._inductor"} & {*found}


UNSAFE_MODULES = {
    "pickle",
    "_pickle",
    "cPickle",
    "cloudpickle",
    "dill",
    "marshal",
    "shelve",
    "jsonpickle",
    "runpy",
    "code",
}
UNSAFE_NAMES = {"eval", "exec", "compile", "__import__", "execfile"}
UNSAFE_CALLS = {
    "builtins.eval",
    "builtins.exec",
    "builtins.compile",
    "joblib.load",
    "numpy.fromregex",
    "os.popen",
    "os.system",
    "pandas.read_pickle",
    "torch.hub.load",
    "torch.jit.load",
    "torch.load",
    "yaml.load",
    "yaml.unsafe_load",
}
CONVERTERS = {"convert_efficientnet.py", "convert_inception.py"}
"""Run by hand, once, for their features; reached by nothing else, as a test below says."""


IMPORTERS = (
    ROOT / "__init__.py",
    ROOT / "plugins" / "registry.py",
    ROOT / "cli" / "command.py",
    ROOT / "testing" / "__init__.py",
)
"""The lazy façade, the one door to what plugins registered, and the commands."""


RUNS_A_FILE = ROOT / "models" / "local_file.py"
"""Runs the file of a model that the user has named."""


def product():
    return [*sources(), *(path for plugin in PLUGINS.glob("*/genzoo_*") for path in sources(plugin))]


@pytest.mark.parametrize("path", product(), ids=lambda path: path.name)
def test_nothing_in_the_product_can_unpickle_evaluate_or_open_a_shell(path):
    tree = tree_of(path)
    named = set(imported(tree))
    assert not UNSAFE_MODULES & {name.partition(".")[0] for name in named}
    assert not UNSAFE_CALLS & named  # from torch import load
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            assert node.id not in UNSAFE_NAMES
        if isinstance(node, ast.Attribute):
            called = ast.unparse(node).replace("np.", "numpy.")
            assert called not in UNSAFE_CALLS - ({"torch.load"} if path.name in CONVERTERS else set())
            assert not called.startswith(("os.exec", "os.spawn", "os.posix_spawn", "subprocess.getoutput"))
            assert not called.endswith("import_module") or path in IMPORTERS
            assert not called.endswith(("exec_module", "spec_from_file_location")) or path == RUNS_A_FILE
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            assert "weights_only=True" in ast.unparse(node)
        if isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle"):
            assert ast.unparse(node.value) == "False"


def test_the_check_for_unsafe_code_finds_some(tmp_path):
    texts = (
        "import pickle",
        "from torch import load",
        "x = map(eval, y)",
        "np.load(f, allow_pickle=True)",
        "torch.load(f)",
    )
    for text in (
        *texts,
        "subprocess.run(c, shell=True)",
        "os.system(c)",
        "yaml.load(f)",
        "importlib.import_module(name)",
        "importlib.util.spec_from_file_location(name, path)",
    ):
        (tmp_path / "a.py").write_text(text, encoding="utf-8")
        with pytest.raises(AssertionError):
            test_nothing_in_the_product_can_unpickle_evaluate_or_open_a_shell(tmp_path / "a.py")


def test_loading_and_evaluating_never_import_the_files_that_read_pickles():
    converters = {name.removesuffix(".py") for name in CONVERTERS}
    for path in [*sources(), *(p for plugin in PLUGINS.glob("*/genzoo_*") for p in sources(plugin))]:
        assert converters.isdisjoint(m.rpartition(".")[2] for m in imported(tree_of(path))), path
