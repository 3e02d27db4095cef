"""Wheels are checked before they are installed."""

import json
import sysconfig
import zipfile
from pathlib import Path

import pytest
from distributions import build_wheel, plugin_files, unpack

from genzoo.errors import PluginError
from genzoo.packaging.wheel import read_wheel, refuse_strangers_files

PINS = ("genzoo", "pluggy", "torch")


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """A folder on the path with one distribution of another author."""
    unpack(tmp_path / "site", "theirs", {"theirs.py": "", "shared/one.py": "", "tool/__init__.py": ""}, entries={})
    unpack(tmp_path / "site", "part-of-core", {"core_space/one.py": "", "core_whole.py": ""}, entries={})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def looked_into(folder, files, **options):
    return read_wheel(build_wheel(folder, "genzoo-new", {**plugin_files("genzoo_new", "new"), **files}, **options))


def test_a_wheel_lists_its_modules_and_other_files(tmp_path):
    data = "genzoo_new-1.0.data"
    files = {f"{data}/purelib/more/one.py": "", f"{data}/scripts/tool": "", f"{data}/data/share/it.txt": ""}
    wheel = looked_into(tmp_path, files)
    assert (wheel.name, wheel.version, wheel.plugin) == ("genzoo-new", "1.0", True)
    assert wheel.tops == {"genzoo_new", "more"}
    assert "more/one.py" in wheel.modules
    assert wheel.others == {
        Path(sysconfig.get_path("scripts"), "tool"),
        Path(sysconfig.get_path("data"), "share", "it.txt"),
    }
    assert not looked_into(tmp_path, {}, entries={}).plugin


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("genzoo/extra.py", "'genzoo'.*belongs to genzoo"),
        ("pluggy/__init__.py", "'pluggy'.*belongs to pluggy"),
        ("pluggy.py", "'pluggy'"),
        ("torch/nn/mine.py", "'torch'.*belongs to torch"),
        ("genzoo_new-1.0.data/platlib/torch/mine.so", "'torch'"),
        ("random.py", "'random'.*Python itself"),
        ("sitecustomize.py", "'sitecustomize'"),
        ("core_whole.py", "'core_whole'.*belongs to part-of-core"),
        ("core_space/one.py", "overwrite 'core_space/one.py'.*part-of-core"),
        ("theirs.py", "overwrite 'theirs.py'.*theirs"),
        ("shared/one.py", "overwrite 'shared/one.py'.*theirs"),
    ],
)
def test_a_wheel_with_files_of_another_package_is_an_error(tmp_path, beside, file, told):
    with pytest.raises(PluginError, match=f"genzoo-new 1.0 .*{told}"):
        refuse_strangers_files([looked_into(tmp_path, {file: ""})], (*PINS, "part-of-core"))


def test_a_wheel_with_a_script_of_another_package_is_an_error(tmp_path, beside):
    wheel = tmp_path / "genzoo_new-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        text = "[genzoo]\nnew = genzoo_new\n[console_scripts]\npytest = genzoo_new:main\n"
        archive.writestr("genzoo_new-1.0.dist-info/entry_points.txt", text)
    found = read_wheel(wheel)
    assert found.others == {Path(sysconfig.get_path("scripts"), "pytest")}
    with pytest.raises(PluginError, match=r"overwrite .*pytest.* belongs to pytest"):
        refuse_strangers_files([found], PINS)


def test_new_and_replaced_files_may_be_installed(tmp_path, beside):
    files = {"shared/two.py": "", "core_space/two.py": "", "tool/__init__.py": ""}
    theirs = read_wheel(build_wheel(tmp_path, "theirs", {"theirs.py": ""}, version="2.0", entries={}))
    refuse_strangers_files([looked_into(tmp_path, files), theirs], (*PINS, "part-of-core"))


def test_a_damaged_wheel_is_an_error(tmp_path):
    (tmp_path / "genzoo_new-1.0-py3-none-any.whl").write_text(json.dumps({}), encoding="utf-8")
    with pytest.raises(PluginError, match="cannot be read as a wheel"):
        read_wheel(tmp_path / "genzoo_new-1.0-py3-none-any.whl")
