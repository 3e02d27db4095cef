"""A removal leaves alone what does not belong to the distribution, whatever its record lists."""

import importlib.metadata
import sys
import sysconfig

import pytest
from distributions import plugin_files, unpack

from genzoo.errors import GenzooError
from genzoo.packaging import freeze
from genzoo.packaging.freeze import note_origin
from genzoo.packaging.ownership import keep_strangers_files
from genzoo.storage import atomic

INFO = "genzoo_greedy-1.0.dist-info"
OWN = ("genzoo_greedy/__init__.py", "genzoo_greedy.pth", "../bin/greedy", "../share/greedy.txt")
FOREIGN = (
    *("../pyvenv.cfg", "../bin/python", "../bin/pip3", "../bin/activate", "../lib/os.py", "../../outside.txt"),
    *("theirs//data.txt", "./theirs/data.txt", "../site/theirs/data.txt", "theirs/data.txt"),
    *("/etc/hostname", "theirs.py", "theirs", "../bin/theirs", "..", "", "theirs-1.0.dist-info/METADATA"),
)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """The site-packages of an environment with a plugin that lists files of others, and another distribution."""
    site = tmp_path / "env" / "site"
    (tmp_path / "env" / "bin").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))
    monkeypatch.setattr(
        sysconfig, "get_path", lambda name: str(tmp_path / "env" / ("bin" if name == "scripts" else "site"))
    )
    unpack(site, "theirs", {"theirs.py": "", "theirs/data.txt": "", "../bin/theirs": ""}, entries={})
    unpack(site, "genzoo-greedy", {**plugin_files("genzoo_greedy", "greedy"), "genzoo_greedy.pth": ""})
    with (site / INFO / "RECORD").open("a", encoding="utf-8") as record:
        record.write("".join(f"{file},,\n" for file in (*FOREIGN, *OWN)))
    return site


def listed(site):
    return {line.split(",")[0] for line in (site / INFO / "RECORD").read_text(encoding="utf-8").splitlines()}


def test_a_removal_keeps_the_files_of_others(site):
    kept = keep_strangers_files("genzoo-greedy")
    assert set(kept) == set(FOREIGN)
    assert not listed(site) & set(FOREIGN)
    assert {*OWN, f"{INFO}/RECORD", "genzoo_greedy/plugin.py"} <= listed(site)
    assert keep_strangers_files("genzoo-greedy") == []


def test_a_removal_keeps_the_commands_of_others(site):
    commands = "python = a:b\ngreedy = a:b\n../pyvenv.cfg = a:b\ntheirs = a:b\n"
    (site / INFO / "entry_points.txt").write_text(f"[genzoo]\ngreedy = a.b\n[console_scripts]\n{commands}")
    assert {"python", "theirs", "../pyvenv.cfg"} <= set(keep_strangers_files("genzoo-greedy"))
    entries = importlib.metadata.distribution("genzoo-greedy").entry_points
    assert {entry.name for entry in entries} == {"greedy"}
    assert {entry.group for entry in entries} == {"genzoo", "console_scripts"}


def test_a_distribution_outside_the_environment_is_left_as_it_is(site, monkeypatch, tmp_path):
    before = listed(site)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "elsewhere"))
    assert keep_strangers_files("genzoo-greedy") == []
    assert listed(site) == before


def test_an_origin_is_noted_wholly_or_not_at_all(site, monkeypatch):
    before = listed(site)
    monkeypatch.setattr(atomic, "sync", full_disk)
    with pytest.raises(GenzooError, match="No space left"):
        note_origin("genzoo-greedy", {"url": "file:///x"})
    assert listed(site) == before
    assert not (site / INFO / "direct_url.json").exists()
    monkeypatch.undo()
    monkeypatch.syspath_prepend(str(site))
    note_origin("genzoo-greedy", {"url": "file:///x"})
    assert f"{INFO}/direct_url.json" in listed(site)
    assert freeze.frozen_line("genzoo-greedy", "1.0") == "genzoo-greedy @ file:///x"


def full_disk(path):
    raise OSError(28, "No space left on device")
