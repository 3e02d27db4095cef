"""A bad plugin of any kind leaves the rest of the zoo as it was."""

import json
import os
import signal
import subprocess
import sys
import types
import warnings
from pathlib import Path
from unittest import mock

import pytest
from distributions import plugin_files, unpack
from refusals import assert_refused

import genzoo
from genzoo.cli.plugins import command as plugins
from genzoo.errors import ConfigError, PluginError
from genzoo.metrics.evaluation.choice import find_metrics
from genzoo.packaging.references import findings
from genzoo.persistence.safe_build import find_entry
from genzoo.plugins import manager as plugins_module
from genzoo.plugins.builtin import GENZOO_API
from genzoo.plugins.manager import LONGEST, PluginManager, core_only_manager, get_registry
from genzoo.plugins.registry import KINDS


def module(**content):
    found = types.ModuleType("third_party")
    vars(found).update({"GENZOO_API": GENZOO_API, **content})
    return found


def good(register):
    register(get_registry().models.get("dcgan").spec)


def good_then_fails(register):
    good(register)
    raise RuntimeError("half way")


def good_then_exits(register):
    good(register)
    raise SystemExit(3)


def twice(register):
    good(register)
    good(register)


def misspelt_argument(registr):
    pass


def default_argument(register=None):
    pass


def registers_text(register):
    register("dcgan")


def unmarked(register):
    good(register)


def no_argument():
    pass


def more_arguments(register, config):
    pass


def any_arguments(*register):
    pass


def generator(register):
    good(register)
    yield


async def asynchronous(register):
    good(register)


class SubSpec(genzoo.MetricSpec):
    def __post_init__(self):
        pass


def registers_subclass(register):
    register(SubSpec("NOT A NAME", "", ""))


def registers_mutated(register):
    spec = genzoo.MetricSpec("name", "summary", "a.b:c")
    object.__setattr__(spec, "summary", "two\nlines")
    register(spec)


def claims_a_name_of_the_cores(register):
    register(genzoo.DatasetSpec("digits", "Others", "a.b:c", "image"))


def cancelled(register):
    raise GeneratorExit


class MuteError(Exception):
    def __str__(self):
        raise ValueError("no words")


def mute(register):
    raise MuteError


class Register:
    def __call__(self, register):
        good(register)


HOOK = genzoo.hookimpl


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"GENZOO_API": 99}, "99.*newer genzoo"),
        ({"GENZOO_API": 0}, "0.*newer version of it"),
        ({"GENZOO_API": None}, "None"),
        ({"GENZOO_API": True}, "True"),
        ({"GENZOO_API": 1.0}, r"1\.0"),
        ({"GENZOO_API": "1"}, "'1'"),
        ({}, "no hook"),
        ({"register_models": good_then_fails}, "half way"),
        ({"register_models": good_then_exits}, "SystemExit"),
        ({"register_models": twice}, "twice"),
        (
            {"register_models": good, "register_modles": registers_text},
            "register_modles.*Did you mean 'register_models'",
        ),
        ({"register_models": misspelt_argument}, "registr"),
        ({"register_models": default_argument}, "default"),
        ({"register_models": registers_text}, "str"),
        ({"register_models": good, "register_metrics": good}, "MetricSpec"),
        ({"register_models": no_argument}, "none"),
        ({"register_models": more_arguments}, "config"),
        ({"register_models": any_arguments}, "register"),
        ({"register_models": generator}, "generator"),
        ({"register_models": asynchronous}, "a coroutine"),
        ({"register_models": good, "register_metrics": registers_subclass}, "SubSpec"),
        ({"register_models": good, "register_metrics": registers_mutated}, "one line"),
        ({"register_models": good, "register_datasets": claims_a_name_of_the_cores}, "genzoo/digits"),
        ({"register_models": cancelled}, "GeneratorExit"),
        ({"register_models": mute}, "MuteError"),
        ({"register_models": Register()}, "not a function"),
    ],
)
def test_a_bad_plugin_leaves_nothing_registered(content, reason):
    zoo = core_only_manager()
    del zoo.states[:]
    before = {kind: zoo.registry.table(kind).ids() for kind in KINDS}
    marked = {name: HOOK(value) if callable(value) else value for name, value in content.items()}
    with pytest.raises(PluginError, match=reason):
        zoo.add("bad", module(**marked))
    assert {kind: zoo.registry.table(kind).ids() for kind in KINDS} == before
    assert not zoo.states


def test_marks_that_pluggy_ignores_are_errors():
    for content, reason in (
        ({"register_models": good_unmarked()}, "not decorated"),
        ({"register_models": HOOK(wrapper=True)(generator_unmarked())}, "wrapper"),
        ({"anything": HOOK(specname="hookimpl")(good_unmarked())}, "'hookimpl'"),
        ({"register_modles": HOOK(optionalhook=True)(good_unmarked())}, "register_modles"),
    ):
        with pytest.raises(PluginError, match=reason):
            PluginManager().add("bad", module(**content))


def good_unmarked():
    return lambda register: good(register)


def generator_unmarked():
    def wrap(register):
        yield

    return wrap


def test_a_hook_may_have_another_name_and_a_module_may_hold_odd_objects():
    zoo = PluginManager()
    zoo.add(
        "fine", module(mine=HOOK(specname="register_models", tryfirst=True)(good_unmarked()), call=mock.MagicMock())
    )
    assert zoo.registry.models.ids() == {"fine/dcgan"}


def test_an_entry_point_must_name_a_module():
    with pytest.raises(PluginError, match="SimpleNamespace"):
        PluginManager().add("bad", types.SimpleNamespace(GENZOO_API=1, register_models=HOOK(good_unmarked())))


def test_settings_of_a_spec_are_out_of_its_plugins_hands_once_registered():
    settings = {"steps": 5}
    spec = genzoo.ModelSpec("mine", "toy", "A model", "a.b:c", "a.b:d", ("loss",), training=settings)
    zoo = PluginManager()
    zoo.add("fine", module(register_models=HOOK(lambda register: register(spec))))
    settings["steps"] = 7
    spec.training["steps"] = 8
    assert zoo.registry.models.get("mine").spec.training == {"steps": 5}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"family": 3}, "family"),
        ({"reference": "two\nlines"}, "reference"),
        ({"objectives": (1,)}, "objectives"),
        ({"options": [("a", 1)]}, "options"),
        ({"training": {"lr": object()}}, "plain data"),
        ({"options": {1: 2}}, "plain data"),
        ({"presets": {"quick": 3}}, "quick"),
        ({"missing": "no"}, "missing"),
    ],
)
def test_a_spec_with_a_malformed_field_is_an_error(change, reason):
    content = {"name": "mine", "family": "toy", "summary": "x", "builder": "a:b", "config": "a:b", "objectives": ("o",)}
    with pytest.raises(ValueError, match=reason):
        genzoo.ModelSpec(**{**content, **change})


def loaded():
    zoo = core_only_manager()
    zoo.load_entry_points()
    return zoo, {f"{state.distribution}:{state.name}": state for state in zoo.states}


@pytest.mark.parametrize(
    ("prologue", "reason"),
    [
        ("raise ImportError('no such thing')", "ImportError: no such thing"),
        ("import one_that_is_missing", "'one_that_is_missing', which is not installed"),
        ("from . import nothing_here", "nothing_here"),
        ("import bad_import.gone", "installation is incomplete"),
        ("raise SystemExit(1)", "SystemExit"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("import asyncio; raise asyncio.CancelledError", "CancelledError"),
        ("def f(:", "SyntaxError"),
        ("class E(Exception):\n    def __str__(self): raise OSError\nraise E", "E: (its message cannot be shown)"),
        ("raise ValueError('x' * 10000)", "…"),
        ("raise ValueError('\\x1b[31mred\\nlines')", "ValueError: [31mred lines"),
        ("import warnings; warnings.simplefilter('error'); warnings.warn('careful')", "UserWarning: careful"),
    ],
)
def test_a_plugin_that_fails_at_import_is_a_state_with_a_remedy(site, monkeypatch, prologue, reason):
    unpack(site, "genzoo-bad", plugin_files("bad_import", "bad", prologue + "\n"))
    with warnings.catch_warnings():
        zoo, states = loaded()
    state = states["genzoo-bad:bad"]
    assert state.state == "failed"
    assert reason in state.reason
    assert len(state.reason) < LONGEST + 50
    assert state.reason.isprintable()
    assert state.reason[-1] in ".…"
    assert "genzoo uninstall genzoo-bad" in state.remedy
    assert states["genzoo-gan:genzoo-gan"].state == "loaded"
    assert "bad" not in zoo.registry.models.names()
    assert not [spec for spec in zoo.registry.objectives if spec.distribution == "genzoo-bad"]
    monkeypatch.setenv("GENZOO_STRICT_PLUGINS", "1")
    sys.modules.pop("bad_import.plugin", None)
    with pytest.raises(PluginError, match="genzoo-bad"):
        PluginManager().load_entry_points()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_no_failure_of_a_plugin(site, monkeypatch, number):
    stop = f"import os, signal\nos.kill(os.getpid(), {int(number)})\nwhile True: pass\n"
    unpack(site, "genzoo-bad", plugin_files(f"bad_signal_{int(number)}", "bad", stop))
    monkeypatch.setenv("GENZOO_LOAD_PLUGINS", "genzoo-bad")
    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            PluginManager().load_entry_points()
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("raised", ["KeyboardInterrupt", "__import__('genzoo').errors.Interrupted('x', 130)"])
def test_an_interruption_that_nobody_sent_is_a_failure_of_its_plugin(site, raised):
    unpack(site, "genzoo-bad", plugin_files("bad_interrupt", "bad", f"raise {raised}\n"))
    sys.modules.pop("bad_interrupt.plugin", None)
    _, states = loaded()
    assert states["genzoo-bad:bad"].state == "failed"
    assert states["genzoo-gan:genzoo-gan"].state == "loaded"


def test_what_a_plugin_changes_around_it_at_import_is_put_back(site, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    change = "import os, signal, sys\nos.chdir('/')\nsys.path = ['/nowhere']\nsys.setrecursionlimit(5000)\n"
    change += "for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)\n"
    unpack(site, "genzoo-rude", plugin_files("rude", "rude", change))
    signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    path, before, depth = sys.path, list(sys.path), sys.getrecursionlimit()
    _, states = loaded()
    assert states["genzoo-rude:rude"].state == "loaded"
    assert Path.cwd() == tmp_path
    assert sys.path is path
    assert path == before
    assert sys.getrecursionlimit() == depth
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == signals


def test_a_name_that_is_not_found_points_to_the_plugins_that_failed(site, monkeypatch, cli):
    unpack(site, "genzoo-bad", plugin_files("bad_lookup", "bad", "raise ImportError('no such library')\n"))
    installed = loaded()[0]
    monkeypatch.setattr(plugins_module, "get_manager", lambda: installed)
    for words in (("models", "bad"), ("train", "bad", "--dry-run")):
        assert_refused(cli(*words), 2, "no model 'bad'", "genzoo-bad", "genzoo plugins")
    assert_refused(cli("data", "bad"), 4, "genzoo-bad", "genzoo plugins")
    for words in (("models", "genzoo-bad/bad"), ("train", "Genzoo_Bad/bad"), ("data", "genzoo-bad/bad")):
        assert_refused(cli(*words), 3, "genzoo-bad failed to load", "no such library.")
    with pytest.raises(PluginError, match="no such library"):
        find_entry("genzoo-bad/bad", installed.registry, str(site))


def test_entry_points_of_one_name_or_one_distribution_all_load(site):
    for name in ("one", "two"):
        unpack(site, f"genzoo-{name}", plugin_files(f"same_{name}", name), entries={"same": f"same_{name}.plugin"})
    files = plugin_files("many_a", "a") | plugin_files("many_b", "b")
    unpack(site, "genzoo-many", files, entries={"a": "many_a.plugin", "b": "many_b.plugin"})
    zoo, states = loaded()
    assert {"one", "two", "a", "b"} <= set(zoo.registry.models.names())
    assert [states[key].state for key in ("genzoo-one:same", "genzoo-two:same", "genzoo-many:a", "genzoo-many:b")] == [
        "loaded"
    ] * 4


def test_a_bad_plugin_leaves_the_others_of_its_distribution(site):
    files = plugin_files("half_a", "a") | plugin_files("half_b", "b", epilogue="\nraise ValueError('late')\n")
    unpack(site, "genzoo-half", files, entries={"a": "half_a.plugin", "b": "half_b.plugin"})
    zoo, states = loaded()
    assert (states["genzoo-half:a"].state, states["genzoo-half:b"].state) == ("loaded", "failed")
    assert {"a"} == {entry.spec.name for entry in zoo.registry.models if entry.distribution == "genzoo-half"}


@pytest.mark.once
def test_shared_names_are_listed_by_id_and_ambiguous_alone(site, monkeypatch, cli):
    for name in ("one", "two"):
        unpack(site, f"genzoo-{name}", plugin_files(f"clash_{name}", "flow"))
    installed, states = loaded()
    for state in (states["genzoo-one:one"], states["genzoo-two:two"]):
        assert state.state == "loaded"
        assert "genzoo-one/flow and genzoo-two/flow" in state.reason
        assert state.remedy
    assert not states["genzoo-gan:genzoo-gan"].reason
    monkeypatch.setattr(plugins_module, "get_manager", lambda: installed)
    monkeypatch.setattr(plugins, "get_manager", lambda: installed)
    assert "genzoo-one/flow and genzoo-two/flow" in cli("plugins")[1]
    code, out, _ = cli("models")
    assert code == 0
    assert {"genzoo-one/flow", "genzoo-two/flow", "dcgan"} <= {line.split()[0] for line in out.splitlines()}
    assert_refused(cli("models", "flow"), 2, "genzoo-one/flow", "genzoo-two/flow")
    assert cli("models", "genzoo-two/flow")[0] == 0
    assert_refused(cli("train", "flow", "--dry-run"), 2, "genzoo-one/flow", "genzoo-two/flow")
    assert cli("train", "genzoo-one/flow", "--dry-run")[0] == 0


@pytest.mark.parametrize(
    ("path", "content", "word"),
    [
        ("METADATA", None, "name"),
        ("METADATA", b"Metadata-Version: 2.1\nName: genzoo-broken\n\nVersion: 3\n", "version"),
        ("METADATA", b"\xff\xfe", "UnicodeDecodeError"),
        ("entry_points.txt", b"[genzoo]\nno equals sign\n", "damaged"),
        ("entry_points.txt", b"[genzoo]\nbroken = \xff\n", "UnicodeDecodeError"),
    ],
)
def test_damaged_metadata_are_that_plugins_problem_only(site, path, content, word):
    unpack(site, "genzoo-broken", plugin_files("broken", "broken"))
    file = site / "genzoo_broken-1.0.dist-info" / path
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    zoo, states = loaded()
    state = states["genzoo_broken:"]
    assert state.state == "failed"
    assert word in state.reason
    assert "genzoo_broken-1.0.dist-info" in state.remedy
    assert "dcgan" in zoo.registry.models.names()


def test_what_an_interrupted_removal_left_behind_is_no_plugin(site):
    unpack(site, "genzoo-left", plugin_files("left", "left"))
    (site / "genzoo_left-1.0.dist-info").rename(site / "~enzoo_left-1.0.dist-info")
    stale = site / "genzoo_gan-0.0.1.dist-info"
    stale.mkdir()
    (stale / "entry_points.txt").write_text("[genzoo]\ngan = genzoo_gan.plugin\n", encoding="utf-8")
    _, states = loaded()
    assert not [key for key in states if "left" in key]
    assert [state.version for key, state in states.items() if key.startswith("genzoo-gan")] != []
    assert not [state for state in states.values() if state.state == "failed"]


def test_what_a_plugin_prints_or_warns_of_at_import_is_kept_aside(site, monkeypatch):
    shout = "import os, sys, warnings\nprint('hello')\nos.system('echo from a shell')\nwarnings.warn('careful')\n"
    shout += "print('straight', file=sys.__stdout__)\n"
    unpack(
        site, "genzoo-loud", plugin_files("loud", "loud", shout, "\nprint('bye')\n"), entries={"loud": "loud.plugin"}
    )
    command = [sys.executable, "-m", "genzoo", "plugins", "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *sys.path])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    states = {state["distribution"]: state for state in json.loads(done.stdout)}
    assert states["genzoo-loud"]["state"] == "loaded"
    assert states["genzoo-loud"]["output"].startswith("hello")
    assert "careful" in states["genzoo-loud"]["output"]
    assert "bye" in states["genzoo-loud"]["output"]
    assert "from a shell" in done.stderr
    assert "straight" in done.stderr


@pytest.mark.once
def test_an_error_in_lazy_code_names_its_plugin(site, monkeypatch, cli):
    files = plugin_files("gone", "gone")
    files["gone/plugin.py"] = files["gone/plugin.py"].replace('gone.parts:build"', 'gone.nowhere:build"')
    unpack(site, "genzoo-gone", files)
    files = plugin_files("plain", "plain")
    files["plain/parts.py"] = files["plain/parts.py"].replace("class Options(genzoo.Settings)", "class Options")
    unpack(site, "genzoo-plain", files)
    installed = loaded()[0]
    monkeypatch.setattr(plugins_module, "get_manager", lambda: installed)
    assert cli("models")[0] == 0
    assert_refused(cli("train", "gone"), 3, "gone.nowhere:build", "'gone'")
    assert_refused(cli("models", "plain"), 3, "genzoo-plain/plain", "not a pydantic model")
    assert cli("train", "gaussian", "--dry-run")[0] == 0


def test_broken_references_are_listed_without_imports(site, monkeypatch, cli):
    changes = {
        "lost": ('.parts:build"', '.nowhere:build"', "no module 'glance_lost.nowhere'"),
        "mistyped": ('.parts:build"', '.parts:biuld"', "has no 'biuld'"),
        "method": ('.parts:build"', '.parts:sample"', "has no 'sample'"),
        "elsewhere": ('"glance_elsewhere.parts:Options', '"not_there_at_all:Options', "no module 'not_there_at_all'"),
        "torchless": ('"glance_torchless.parts:Options', '"torch.nn:Module', ""),
        "fine": ("", "", ""),
        "dynamic": ('.parts:build"', '.dynamic:anything"', ""),
        "broken": ('.parts:build"', '.syntax:build"', "SyntaxError"),
    }
    for name, (old, new, _) in changes.items():
        files = plugin_files(f"glance_{name}", name)
        files[f"glance_{name}/plugin.py"] = files[f"glance_{name}/plugin.py"].replace(old, new)
        files[f"glance_{name}/dynamic.py"] = "def __getattr__(name):\n    return name\n"
        files[f"glance_{name}/syntax.py"] = "def build(:\n"
        unpack(site, f"genzoo-{name}", files)
    installed = loaded()[0]
    monkeypatch.setattr(plugins, "get_manager", lambda: installed)
    code, out, _ = cli("plugins", "--json")
    assert code == 0
    states = {state["distribution"]: state for state in json.loads(out)}
    for name, (_, _, expected) in changes.items():
        state = states[f"genzoo-{name}"]
        assert state["state"] == "loaded"
        assert expected in state["reason"]
        assert bool(expected) == bool(state["reason"]), state
        assert not expected or f"genzoo plugins doctor genzoo-{name}" in state["remedy"]
        assert f"glance_{name}.parts" not in sys.modules
    assert not [state for name, state in states.items() if name.startswith("genzoo-gan") and state["reason"]]
    assert "biuld" in cli("plugins")[1]


def test_output_of_a_plugin_at_exit_stays_out_of_results(site):
    last = "import atexit, sys\natexit.register(lambda: (print('goodbye'), sys.stdout.flush()))\n"
    unpack(site, "genzoo-late", plugin_files("late", "late", last))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *sys.path])}
    command = [sys.executable, "-m", "genzoo", "models", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "genzoo-late/late" in {model["id"] for model in json.loads(done.stdout)}
    assert "goodbye" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_results_that_could_not_be_written_are_a_failure():
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        command = [sys.executable, "-m", "genzoo", "models", "--json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: The operating system reported")
    assert "Exception" not in done.stderr


def test_the_environment_chooses_which_plugins_are_loaded(monkeypatch):
    monkeypatch.setenv("GENZOO_LOAD_PLUGINS", "")
    zoo = PluginManager()
    zoo.load_entry_points()
    assert {state.state for state in zoo.states} == {"not loaded"}
    for words in ("genzoo-gan", "Genzoo_GAN, ", "genzoo-gan:genzoo-gan"):
        monkeypatch.setenv("GENZOO_LOAD_PLUGINS", words)
        zoo = PluginManager()
        zoo.load_entry_points()
        assert zoo.registry.models.names() == ["dcgan", "r3gan"]
    monkeypatch.setenv("GENZOO_LOAD_PLUGINS", "genzoo-gna")
    zoo = PluginManager()
    zoo.load_entry_points()
    (state,) = [state for state in zoo.states if state.state == "not installed"]
    assert "Did you mean 'genzoo-gan'" in state.remedy


def test_a_broken_metric_is_a_reason_and_shared_names_use_ids(site):
    hook = "\n\n@genzoo.hookimpl\ndef register_metrics(register):\n"
    hook += '    register(genzoo.MetricSpec("{}", "A metric", "{}"))\n'
    metric = "genzoo.metrics.precision_recall:coverage"
    for name, called, reference in (("one", "same", metric), ("two", "same", metric), ("three", "lost", "lost.at:sea")):
        files = plugin_files(f"metric_{name}", name, epilogue=hook.format(called, reference))
        unpack(site, f"genzoo-{name}", files)
    found = {metric.name: metric for metric in find_metrics(loaded()[0].registry)}
    assert {"coverage", "genzoo-one/same", "genzoo-two/same", "lost"} <= set(found)
    assert found["genzoo-one/same"].direction == "higher"
    with pytest.raises(PluginError, match=r"lost\.at:sea"):
        found["lost"].score(None)
    with pytest.raises(ConfigError, match="genzoo-one/same and genzoo-two/same"):
        find_metrics(loaded()[0].registry, ["same"])


def test_the_doctor_finds_faulty_entries_before_they_are_used(site):
    changes = {
        "fine": ("", ""),
        "nowhere": ('.parts:build"', '.nowhere:build"'),
        "plain": (".parts:Options", ".parts:Normal"),
        "untrained": ('objectives=("untrained-loss",)', 'objectives=("no-loss",)'),
        "recipe": ('"steps": 3', '"stepz": 3'),
        "dataless": ('data="iris"', 'data="irises"'),
        "unsuited": ('data="iris"', 'modalities=("table",), data="digits"'),
        "uncalled": (".parts:build_loss", ".parts:__doc__"),
    }
    expected = {
        "fine": [],
        "nowhere": ["ModuleNotFoundError"],
        "plain": ["not a pydantic model"],
        "untrained": ["no-loss"],
        "recipe": ["stepz"],
        "dataless": ["irises"],
        "unsuited": ["are images"],
        "uncalled": ["cannot be called"],
    }
    for name, (old, new) in changes.items():
        files = plugin_files(f"entry_{name}", name)
        files[f"entry_{name}/plugin.py"] = files[f"entry_{name}/plugin.py"].replace(old, new)
        unpack(site, f"genzoo-{name}", files)
    for name in ("left", "right"):
        unpack(site, f"genzoo-{name}", plugin_files(f"entry_{name}", "both"))
    found = loaded()[0].registry
    for name, words in expected.items():
        brought = [("models", f"genzoo-{name}/{name}"), ("objectives", f"genzoo-{name}/{name}-loss")]
        told = findings(found, brought)
        assert bool(told) == bool(words), told
        assert all(any(word in text for text in told) for word in words), told
    (clash,) = findings(found, [("models", "genzoo-left/both")])
    assert "has the same name as genzoo-right/both" in clash
