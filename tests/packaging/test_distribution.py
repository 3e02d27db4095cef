"""Contents of genzoo's source distribution and wheel, both built from a copy of the tree."""

import configparser
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest
from checkout import ROOT, leave_out
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

PACKAGES = {"genzoo", *(path.name for path in ROOT.glob("plugins/*/genzoo_*"))}
STRAYS = (
    ".hypothesis/examples/one",
    ".venv/bin/python",
    ".pytest_cache/README.md",
    "runs/demo/model/weights.safetensors",
    "dist/genzoo-0.0.1.tar.gz",
    "notes.txt",
    "genzoo/__pycache__/build.cpython-311.pyc",
    "plugins/genzoo-gan/.hypothesis/examples/one",
    "plugins/genzoo-gan/runs/demo/config.json",
    "tests/.hypothesis/examples/one",
)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The unpacked source distribution of a tree with stray files."""
    folder = tmp_path_factory.mktemp("distribution")
    shutil.copytree(ROOT, folder / "tree", ignore=leave_out)
    for stray in STRAYS:
        (folder / "tree" / stray).parent.mkdir(parents=True, exist_ok=True)
        (folder / "tree" / stray).write_text("stray")
    (archive,) = SdistBuilder(str(folder / "tree")).build(directory=str(folder / "dist"), versions=["standard"])
    with tarfile.open(archive) as opened:
        opened.extractall(folder / "unpacked", filter="data")
    (found,) = (folder / "unpacked").iterdir()
    return found


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """The wheel built from the source distribution."""
    folder = tmp_path_factory.mktemp("wheel")
    (archive,) = WheelBuilder(str(sdist)).build(directory=str(folder), versions=["standard"])
    return zipfile.ZipFile(archive)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_source_distribution_holds_all_that_belongs_and_no_strays(sdist):
    found = files(sdist)
    assert {name.partition("/")[0] for name in found} == {
        *("genzoo", "plugins", "tests", "benchmarks", "docs", ".gitignore", "PKG-INFO"),
        *(
            "CHANGELOG.md",
            "CONTRIBUTING.md",
            "LICENSE",
            "Makefile",
            "README.md",
            "constraints.txt",
            "pyproject.toml",
            "requirements.lock",
        ),
    }
    assert not found & set(STRAYS)
    assert not [name for name in found if ".hypothesis" in name or "__pycache__" in name]
    for folder in ("genzoo", "plugins", "tests", "benchmarks", "docs"):
        tree = {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md")}
        assert {name for name in tree if "/." not in name} <= found
    assert "tests/data/runs/0.1/dcgan/config.json" in found


def test_the_wheel_holds_the_packages_of_all_bundled_plugins(sdist, wheel):
    names = [name for name in wheel.namelist() if ".dist-info/" not in name]
    assert {name.partition("/")[0] for name in names} == PACKAGES
    for package in PACKAGES:
        source = sdist if package == "genzoo" else next(sdist.glob(f"plugins/*/{package}")).parent
        assert {name for name in names if name.startswith(f"{package}/")} == {
            f"{package}/{name}" for name in files(source / package)
        }


def test_the_wheel_names_every_bundled_plugin_as_its_folder_is_named(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt")]
    entries = configparser.ConfigParser()
    entries.optionxform = str
    entries.read_string(wheel.read(name).decode())
    assert dict(entries["genzoo"]) == {
        path.parent.name: f"{path.name}.plugin" for path in ROOT.glob("plugins/*/genzoo_*")
    }
    assert entries["console_scripts"]["genzoo"]
    assert not list(ROOT.glob("plugins/*/pyproject.toml")), "two distributions may not hold the same files"
