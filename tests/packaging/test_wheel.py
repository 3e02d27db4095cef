"""Wheels are checked before they are installed."""

import json
import sys
import sysconfig
from pathlib import Path

import pytest
from distributions import build_wheel, contents, plugin_files, unpack, write_wheel

from genzoo.errors import PluginError
from genzoo.packaging.ownership import refuse_strangers_files
from genzoo.packaging.wheel import read_wheel


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
        ("theirs.py", "'theirs'.*belongs to theirs"),
        ("shared/one.py", "overwrite 'shared/one.py'.*theirs"),
    ],
)
def test_a_wheel_with_files_of_another_package_is_an_error(tmp_path, beside, file, told):
    with pytest.raises(PluginError, match=f"genzoo-new 1.0 .*{told}"):
        refuse_strangers_files([looked_into(tmp_path, {file: ""})])


def with_command(folder, name):
    entry_points = f"[genzoo]\nnew = genzoo_new\n[console_scripts]\n{name} = genzoo_new:main\n"
    return looked_into(folder, {"genzoo_new-1.0.dist-info/entry_points.txt": entry_points}, entries={})


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("pytest", "pytest"),
        ("python", "this environment"),
        ("python3.11", "this environment"),
        ("pip3", "pip"),
        ("genzoo", "genzoo"),
        ("activate", "this environment"),
        ("sh", "another program of this machine"),
    ],
)
def test_a_wheel_with_a_command_of_others_is_an_error(tmp_path, beside, name, owner):
    with pytest.raises(PluginError, match=f"overwrite .*{name}.* belongs to {owner}"):
        refuse_strangers_files([with_command(tmp_path, name)])
    script = looked_into(tmp_path, {f"genzoo_new-1.0.data/scripts/{name}": ""})
    assert script.others == {Path(sysconfig.get_path("scripts"), name)}
    with pytest.raises(PluginError, match=f"overwrite .*{name}.* belongs to {owner}"):
        refuse_strangers_files([script])


def test_a_command_of_its_own_may_be_installed(tmp_path):
    for name in ("genzoo-new", "pip-new", "newly-named"):
        refuse_strangers_files([with_command(tmp_path, name)])


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("../evil.py", "leads out"),
        ("./evil.pth", "another way"),
        ("./torch/mine.py", "another way"),
        ("./torch-1.0.dist-info/METADATA", "another way"),
        ("genzoo_new//evil.py", "another way"),
        ("genzoo_new-1.0.data/purelib//evil.pth", "another way"),
        ("torch-1.0.egg-info", "metadata of another"),
        ("genzoo_new-1.0.dist-info/direct_url.json", "only an installer"),
        ("/tmp/evil.py", "another way"),
        ("genzoo_new/../../evil.py", "leads out"),
        ("C:\\evil.py", "leads out"),
        ("genzoo_new-1.0.data/data/../pyvenv.cfg", "leads out"),
        ("genzoo_new-1.0.data/data/pyvenv.cfg", "data file"),
        ("genzoo_new-1.0.data/data/bin/python", "data file"),
        ("genzoo_new-1.0.data/data/lib/python3.11/site-packages/evil.pth", "data file"),
        ("genzoo_new-1.0.data/platform/evil.py", "data file"),
        ("genzoo_new-1.0.data/scripts/deep/tool", "is a path"),
        ("evil.pth", "every start of Python"),
        ("genzoo_new-1.0.data/purelib/evil.pth", "every start of Python"),
        ("evil.PTH", "every start of Python"),
        ("torch-1.0.dist-info/METADATA", "metadata of 2 packages"),
        ("genzoo_new-1.0.data/purelib/torch-1.0.dist-info/METADATA", "metadata of another"),
        ("genzoo_gan.egg-info/PKG-INFO", "metadata of another"),
        ("__pycache__/typing_extensions.cpython-311.pyc", "compiled from no file"),
    ],
)
def test_a_wheel_with_a_harmful_file_is_an_error(tmp_path, file, told):
    with pytest.raises(PluginError, match=f"genzoo-new 1.0 .*{told}.*Nothing was changed"):
        looked_into(tmp_path, {file: ""})


@pytest.mark.parametrize("name", ["../pyvenv.cfg", "/bin/sh", "deep/tool", ".."])
def test_a_command_that_is_a_path_is_an_error(tmp_path, name):
    with pytest.raises(PluginError, match="which is a path"):
        with_command(tmp_path, name)


def test_a_wheel_that_lists_files_of_others_as_its_own_is_an_error(tmp_path):
    record = {"genzoo_new-1.0.dist-info/RECORD": "../../../../bin/python,,\ngenzoo_new/__init__.py,,\n"}
    files = {**contents("genzoo-new", plugin_files("genzoo_new", "new")), **record}
    with pytest.raises(PluginError, match=r"lists '../../../../bin/python' as its own"):
        read_wheel(write_wheel(tmp_path / "genzoo_new-1.0-py3-none-any.whl", files.items()))


def test_a_wheel_with_two_files_of_one_name_is_an_error(tmp_path):
    files = [*contents("genzoo-new", plugin_files("genzoo_new", "new")).items(), ("genzoo_new/plugin.py", "evil")]
    with pytest.warns(UserWarning, match="Duplicate"):
        wheel = write_wheel(tmp_path / "genzoo_new-1.0-py3-none-any.whl", files)
    with pytest.raises(PluginError, match=r"'genzoo_new/plugin.py' twice"):
        read_wheel(wheel)


def test_a_wheel_with_the_metadata_of_another_is_an_error(tmp_path):
    files = contents("genzoo-gan", plugin_files("genzoo_new", "new"))
    with pytest.raises(PluginError, match="has the metadata of genzoo-gan"):
        read_wheel(write_wheel(tmp_path / "genzoo_new-1.0-py3-none-any.whl", files.items()))
    named = {
        name.replace("genzoo_gan-", "genzoo_new-"): text.replace("genzoo_gan-", "genzoo_new-")
        for name, text in files.items()
    }
    with pytest.raises(PluginError, match="calls itself 'genzoo-gan'"):
        read_wheel(write_wheel(tmp_path / "genzoo_new-1.0-py3-none-any.whl", named.items()))


@pytest.mark.parametrize("package", ["genzoo_gan", "genzoo_vae", "genzoo_mixture"])
def test_a_wheel_that_shadows_a_bundled_plugin_is_an_error(tmp_path, package):
    with pytest.raises(PluginError, match=f"contains a module '{package}'"):
        refuse_strangers_files([looked_into(tmp_path, {f"{package}/__init__.py": ""})])


def test_a_wheel_that_shadows_an_editable_package_is_an_error(tmp_path, monkeypatch):
    source = tmp_path / "source"
    (source / "edited").mkdir(parents=True)
    (source / "edited" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(source))
    with pytest.raises(PluginError, match=r"contains a module 'edited', which belongs to .*source/edited/__init__.py"):
        refuse_strangers_files([looked_into(tmp_path, {"edited/__init__.py": ""})])
    origin = json.dumps({"url": source.as_uri(), "dir_info": {"editable": True}})
    unpack(tmp_path / "site", "genzoo-new", {"genzoo_new-1.0.dist-info/direct_url.json": origin})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    refuse_strangers_files([looked_into(tmp_path, {"edited/__init__.py": ""})])


def test_files_that_belong_to_nobody_are_not_overwritten(tmp_path, monkeypatch):
    site = tmp_path / "site"
    (site / "loose").mkdir(parents=True)
    (site / "loose" / "data.json").touch()
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(site))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(PluginError, match=r"overwrite 'loose/data.json', which belongs to no package that is replaced"):
        refuse_strangers_files([looked_into(tmp_path, {"loose/data.json": ""})])
    (site / "linked").symlink_to(Path(__file__).parent)
    with pytest.raises(PluginError, match=r"overwrite 'linked/data.json'.*outside this environment"):
        refuse_strangers_files([looked_into(tmp_path, {"linked/data.json": ""})])


def test_two_new_wheels_do_not_overwrite_each_other(tmp_path):
    other = read_wheel(build_wheel(tmp_path, "other", {"genzoo_new/parts.py": ""}, entries={}))
    with pytest.raises(PluginError, match="belongs to genzoo-new"):
        refuse_strangers_files([looked_into(tmp_path, {}), other])


def test_new_and_replaced_files_may_be_installed(tmp_path, beside):
    files = {"shared/two.py": "", "core_space/two.py": "", "tool/__init__.py": ""}
    theirs = read_wheel(build_wheel(tmp_path, "theirs", {"theirs.py": ""}, version="2.0", entries={}))
    refuse_strangers_files([looked_into(tmp_path, files), theirs])


def test_a_damaged_wheel_is_an_error(tmp_path):
    (tmp_path / "genzoo_new-1.0-py3-none-any.whl").write_text(json.dumps({}), encoding="utf-8")
    with pytest.raises(PluginError, match="cannot be read as a wheel"):
        read_wheel(tmp_path / "genzoo_new-1.0-py3-none-any.whl")
