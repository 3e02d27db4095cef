"""A plugin that ends or hangs the process at import is left out, and the next command says so."""

import json
import os
import subprocess
import sys
import tempfile

import pytest
from distributions import plugin_files, unpack

from genzoo.errors import PluginError, PluginLeftOutWarning
from genzoo.plugins import first_import
from genzoo.plugins.discovery import installed_plugins
from genzoo.plugins.first_import import guarded_import, noted_import
from genzoo.plugins.manager import core_only_manager


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "plugins"


def put(site, prologue):
    unpack(site, "genzoo-odd", plugin_files("genzoo_odd", "odd", prologue))


def odd():
    (found,) = [plugin for plugin in installed_plugins() if plugin.distribution == "genzoo-odd"]
    return found


def loaded(around=guarded_import):
    """Load the plugin as a new command does, and return its state."""
    for name in [name for name in sys.modules if name.startswith("genzoo_odd")]:
        del sys.modules[name]
    zoo = core_only_manager()
    zoo.load(odd(), around)
    return zoo.states[-1]


def never(*words, **options):
    raise AssertionError("a process was started")


@pytest.mark.parametrize(
    ("prologue", "harm"),
    [
        ("import os\nos._exit(7)\n", "ended the process with exit code 7"),
        ("import os\nos._exit(0)\n", "ended the process with exit code 0"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "ended the process with SIGSEGV"),
        ("import os\nos.abort()\n", "ended the process with SIGABRT"),
        ("import atexit, os\natexit.register(os._exit, 0)\n", "ended the process with exit code 0"),
        ("while True: pass\n", "took longer than"),
        ("import time\ntime.sleep(1000)\n", "took longer than"),
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()\n", "took longer than"),
        ("import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(1000)\n", "took longer than"),
    ],
)
def test_a_plugin_that_ends_or_hangs_the_process_is_left_out(site, cache, monkeypatch, prologue, harm):
    put(site, prologue)
    if "longer" in harm:
        monkeypatch.setattr(first_import, "SECONDS", 2)
        monkeypatch.setattr(first_import, "_SILENT", 1)
    for _ in range(2):
        with pytest.warns(PluginLeftOutWarning, match=rf"'genzoo-odd' was left out: importing it {harm}.*uninstall"):
            state = loaded()
        assert state.state == "failed"
        assert harm in state.reason
        assert "genzoo uninstall genzoo-odd" in state.remedy
        assert "genzoo plugins doctor genzoo-odd" in state.remedy
        monkeypatch.setattr(subprocess, "Popen", never)  # the second command knows


@pytest.mark.parametrize(
    "prologue",
    [
        "import sys\nsys.exit(3)\n",
        "raise KeyboardInterrupt\n",
        "bytearray(1 << 60)\n",
        "input()\n",
        "import os\nassert os.read(0, 1)\n",
        "def deeper():\n    deeper()\ndeeper()\n",
    ],
)
def test_a_plugin_that_raises_at_import_fails_as_before(site, cache, prologue):
    put(site, prologue)
    state = loaded()
    assert state.state == "failed"
    assert "left out" not in state.reason


def test_a_plugin_that_works_is_tried_out_once(site, cache, monkeypatch):
    put(site, "")
    assert loaded().state == "loaded"
    monkeypatch.setattr(subprocess, "Popen", never)
    assert loaded().state == "loaded"
    assert not list(cache.glob("*.importing-*"))


def test_another_version_is_tried_out_again(site, cache):
    put(site, "import os\nos._exit(7)\n")
    with pytest.warns(PluginLeftOutWarning):
        loaded()
    put(site, "")
    assert loaded().state == "loaded"


def test_a_known_plugin_that_ends_a_process_later_is_left_out_by_the_next(site, cache, tmp_path):
    put(site, f"import os\nif os.path.exists({str(tmp_path / 'now')!r}): os._exit(7)\n")
    assert loaded().state == "loaded"
    (tmp_path / "now").touch()
    run = "import sys; sys.path[:] = sys.argv[1].split(':'); import genzoo.plugins.manager as m; m.get_manager()"
    command = [sys.executable, "-c", run, ":".join(sys.path)]
    assert subprocess.run(command).returncode == 7
    assert len(list(cache.glob("*.importing-*"))) == 1
    with pytest.warns(PluginLeftOutWarning, match="exit code 7"):
        assert loaded().state == "failed"
    assert not list(cache.glob("*.importing-*"))


def test_an_unfinished_import_by_a_process_of_the_same_number_counts(site, cache):
    put(site, "")
    assert loaded().state == "loaded"
    (harmless,) = cache.glob("*.harmless")
    harmless.with_suffix(f".importing-{first_import._HOST}-{os.getpid()}").touch()
    first_import._Notes(odd()).forget_ended_imports()
    assert {path.suffix for path in cache.iterdir()} == {".trying"}


def test_unfinished_imports_of_other_machines_count_after_a_day(site, cache):
    put(site, "")
    assert loaded().state == "loaded"
    (harmless,) = cache.glob("*.harmless")
    other = harmless.with_suffix(".importing-0badcafe-1")
    other.touch()
    first_import._Notes(odd()).forget_ended_imports()
    assert other.exists()
    assert harmless.exists()
    os.utime(other, (0, 0))
    first_import._Notes(odd()).forget_ended_imports()
    assert not other.exists()
    assert not harmless.exists()


def test_a_plugin_that_took_too_long_gets_another_try_after_a_day(site, cache):
    put(site, "")
    notes = first_import._Notes(odd())
    notes.note("took longer than 60 seconds")
    assert notes.harm
    (harmful,) = cache.glob("*.harmful")
    os.utime(harmful, (0, 0))
    assert loaded().state == "loaded"


def test_processes_that_start_together_try_a_plugin_once(site, cache, tmp_path):
    tries = tmp_path / "tries"
    mark = f"if os.getsid(0) == os.getpid():\n    open({str(tries)!r}, 'a').write('x')\n"
    put(site, f"import os, time\n{mark}time.sleep(0.5)\n")
    run = "import sys; sys.path[:] = sys.argv[1].split(':'); import genzoo.plugins.manager as m; m.get_manager()"
    command = [sys.executable, "-c", run, ":".join(sys.path)]
    started = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert tries.read_text() == "x"


def test_the_first_use_from_several_threads_keeps_the_streams(site, cache):
    put(site, "import time\ntime.sleep(0.2)\n")
    run = """
import sys, threading
sys.path[:] = sys.argv[1].split(":")
from genzoo.plugins.manager import get_manager
before, found = (sys.stdin, sys.stdout, sys.stderr), []
threads = [threading.Thread(target=lambda: found.append(get_manager())) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert before == (sys.stdin, sys.stdout, sys.stderr)
print(sys.stdin.read(), len(set(map(id, found))))
"""
    command = [sys.executable, "-c", run, ":".join(sys.path)]
    done = subprocess.run(command, input="typed", capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("typed 1\n", 0)


def test_a_known_plugin_that_hangs_is_tried_out_after_an_interruption(site, cache):
    put(site, "")
    assert loaded().state == "loaded"
    assert list(cache.glob("*.harmless"))
    with pytest.raises(KeyboardInterrupt), guarded_import(odd()):
        raise KeyboardInterrupt
    assert not list(cache.glob("*.harmless"))
    assert not list(cache.glob("*.importing-*"))


def test_the_import_of_another_living_process_is_no_reason_for_doubt(site, cache, monkeypatch):
    put(site, "")
    with guarded_import(odd()):
        (own,) = cache.glob(f"*.importing-{first_import._HOST}-{os.getpid()}")
    other = own.with_suffix(f".importing-{first_import._HOST}-{os.getppid()}")
    other.touch()
    monkeypatch.setattr(subprocess, "Popen", never)
    with guarded_import(odd()):
        assert other.exists()


def test_a_plugin_that_was_repaired_is_loaded_after_a_diagnosis(site, cache, monkeypatch, tmp_path):
    put(site, f"import os\nif not os.path.exists({str(tmp_path / 'repaired')!r}): os._exit(7)\n")
    with pytest.warns(PluginLeftOutWarning):
        loaded()
    (tmp_path / "repaired").touch()
    with pytest.warns(PluginLeftOutWarning):
        assert loaded().state == "failed"
    with pytest.raises(PluginError, match="left out"), noted_import(odd()):
        pass
    with noted_import(odd(), again=True):
        pass
    assert loaded().state == "loaded"


@pytest.mark.parametrize("home", ["/proc", "/dev/null"])
def test_a_home_folder_that_cannot_be_written_to_is_no_hindrance(site, tmp_path, monkeypatch, home):
    monkeypatch.delenv("GENZOO_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", home)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    put(site, "")
    assert loaded().state == "loaded"
    assert list(tmp_path.glob("genzoo-*/plugins/*.harmless"))
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    assert loaded().state == "loaded"


def test_a_folder_of_another_user_is_not_believed(site, tmp_path, monkeypatch):
    monkeypatch.setattr(first_import, "_user", lambda: 12345)
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert first_import._folder() is None


def test_a_command_goes_on_and_names_the_plugin(site, cache, tmp_path):
    put(site, "import os\nos._exit(7)\n")
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    for _ in range(2):
        command = [sys.executable, "-m", "genzoo", "plugins", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        states = {state["distribution"]: state["state"] for state in json.loads(done.stdout)}
        assert states["genzoo-odd"] == "failed"
        assert states["genzoo-gan"] == "loaded"
        assert done.stderr.startswith(
            "Note: Plugin 'genzoo-odd' was left out: importing it ended the process with exit"
        )
        assert done.stderr.count("\n") == 1
