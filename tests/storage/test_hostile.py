"""Folders from strangers: every one is refused in one paragraph, with exit code 4, before it costs anything."""

import json
import os
import random
import shutil
import struct
import sys
from pathlib import Path

import forked
import fuzz_folders
import hostile
import pytest
import torch
import watched
from hostile import divided, joined, read_files, redigested, write_files
from refusals import assert_refused

import genzoo
from genzoo import ArtifactError, DataSpec, Feature
from genzoo.comparison.store import ResultStore
from genzoo.data.transforms import AffineTransform
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.factory import build_model
from genzoo.persistence.model_folder import save_model
from genzoo.persistence.run import Run
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Entry
from genzoo.reports.html import write_pictures
from genzoo.reports.page import Page, Picture, Pictures, Section
from genzoo.storage import temporary

RUNS = fuzz_folders.RUNS
MEBIBYTE = 2**20


@pytest.fixture
def model(tmp_path):
    """The folder of a model that is whole."""
    shutil.copytree(RUNS / "gmm/model", tmp_path / "m")
    return tmp_path / "m"


def rewritten(folder, change):
    """Change the settings of a model folder."""
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    change(content)
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")


def with_weights(folder, content):
    """Put other weights into a model folder, with a fresh digest."""
    (folder / "model.safetensors").write_bytes(content)
    write_files(folder, redigested(read_files(folder)))


CONFIGS = {
    "list": b"[]",
    "empty": b"",
    "number": b"7",
    "deep": b"[" * 100_000,
    "deep object": b'{"a":' * 100_000,
    "deep within": b'{"format": 1, "options": ' + b"[" * 900 + b"]" * 900 + b"}",
    "twins": b'{"format": 1, "format": 1}',
    "marked": b'\xef\xbb\xbf{"format": 1}',
    "not UTF-8": b'{"format": "\xff\xfe"}',
    "UTF-16": '{"format": 1}'.encode("utf-16"),
    "nan": b'{"format": NaN}',
    "infinity": b'{"format": -Infinity}',
    "huge float": b'{"format": 1e999}',
    "huge whole": b'{"format": 1' + b"0" * 400 + b"}",
    "endless whole": b'{"format": 1' + b"0" * 100_000 + b"}",
    "unterminated": b'{"format": "' + b'\\"' * 100_000,
    "large": b'{"format": "' + b"x" * (17 * MEBIBYTE) + b'"}',
}


@pytest.mark.parametrize("name", CONFIGS)
def test_settings_that_are_no_json_of_ours_are_refused(name, model, cli):
    (model / "config.json").write_bytes(CONFIGS[name])
    assert_refused(cli("sample", model), 4, "config.json")
    for file in ("config.json", "run.json"):
        shutil.copytree(RUNS / "gmm", model.parent / "run", dirs_exist_ok=True)
        (model.parent / "run" / file).write_bytes(CONFIGS[name])
        for words in (["sample"], ["evaluate"], ["report"], ["score", "--data", "iris"]):
            result = cli(words[0], model.parent / "run", *words[1:])
            if file == "config.json" and words[0] in ("sample", "score"):
                continue  # a finished run is sampled from its model folder
            assert_refused(result, 4)


FIELDS = {
    "format": [3, 10**9, 0, "1", None, -1, 1.5],
    "model": ["nobody/nothing", "gmm", "", None, 7, "../x/gmm", "a b/gmm", "x" * 10_000],
    "options": [None, [], {"n_components": 10**400}, {"n_components": 10**6}, {"n_components": "many"}, {"none": 1}],
    "data": [
        None,
        {},
        {"event_shape": [10**9], "modality": "table", "features": []},
        {"event_shape": [1, 10**9, 10**9], "modality": "image", "features": [{"name": "pixel"}]},
        {"event_shape": [10**400], "modality": "table", "features": []},
        {"event_shape": [3, 4000, 4000], "modality": "image", "features": [{"name": "pixel"}]},
    ],
    "tensors": ["", None, "0" * 64, 7],
    "tied": [{"generator.x": "generator.y"}, {"generator.means": "generator.scale"}, [], {"a": 1}],
    "extra": [1],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in FIELDS.items() for value in values])
def test_settings_of_wrong_types_and_values_are_refused(name, value, model, cli):
    rewritten(model, lambda content: content.update({name: value}))
    with pytest.raises(ArtifactError):
        genzoo.load(model)
    assert_refused(cli("sample", model), 4)


def test_a_newer_format_and_a_model_that_is_not_installed_say_what_to_do(model, cli):
    rewritten(model, lambda content: content.update(format=3))
    assert_refused(cli("sample", model), 4, "newer", "pip install --upgrade genzoo")
    rewritten(model, lambda content: content.update(format=1, model="genzoo-flow/nsf"))
    assert_refused(cli("sample", model), 4, "no installed plugin", "genzoo install genzoo-flow")
    rewritten(model, lambda content: content.update(model="a; rm -rf ~/gmm"))
    code, _, err = cli("sample", model)
    assert code == 4
    assert "genzoo install" not in err
    shutil.copytree(RUNS / "gmm-interrupted", model.parent / "run")
    rewritten(model.parent / "run", lambda content: content.update(model="genzoo-flow/nsf"))
    assert_refused(cli("sample", model.parent / "run"), 4, "genzoo install genzoo-flow")


def changed_header(folder, change):
    header, numbers = divided((folder / "model.safetensors").read_bytes())
    found = change(header)
    with_weights(folder, joined(header if found is None else found, numbers))


def first(header):
    return header["generator.log_weights"]


HEADERS = {
    "overlap": lambda h: first(h).update(data_offsets=h["generator.emissions.0.means"]["data_offsets"]),
    "negative": lambda h: first(h).update(data_offsets=[-8, 0]),
    "backwards": lambda h: first(h).update(data_offsets=first(h)["data_offsets"][::-1]),
    "beyond": lambda h: first(h).update(data_offsets=[2**62, 2**62 + 8]),
    "float offsets": lambda h: first(h).update(data_offsets=[0.0, 8.0]),
    "negative side": lambda h: first(h).update(shape=[-2]),
    "huge side": lambda h: first(h).update(shape=[2**62, 2**62]),
    "nothing times huge": lambda h: h.update(
        {"generator.z": {"dtype": "F32", "shape": [0, 2**62], "data_offsets": [0, 0]}}
    ),
    "unknown type": lambda h: first(h).update(dtype="Q8"),
    "another type": lambda h: first(h).update(dtype="I32"),
    "no type": lambda h: first(h).pop("dtype") and None,
    "other shape": lambda h: h["generator.emissions.0.means"].update(shape=[4, 2]),
    "no object": lambda h: b"[1, 2]",
    "deep": lambda h: b'{"a":' * 50_000,
    "twins": lambda h: (json.dumps(h)[:-1] + ', "generator.log_weights": {}}').encode(),
    "hole": lambda h: h.pop("transform.shift") and None,
    "another name": lambda h: h.update({"generator.means": h.pop("generator.emissions.0.means")}),
    "odd name": lambda h: h.update({"generator.\x1b[31m": h.pop("generator.emissions.0.means")}),
    "of no part": lambda h: h.update({"evil": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_of_tensors_that_lie_are_refused(name, model, cli):
    changed_header(model, HEADERS[name])
    assert_refused(cli("sample", model), 4, "m")


@pytest.mark.parametrize("length", [0, 1, 7, 10**6, 2**32, 2**63, 2**64 - 1])
def test_a_header_of_another_length_than_it_says_is_refused(length, model, cli):
    header, numbers = divided((model / "model.safetensors").read_bytes())
    with_weights(model, joined(header, numbers, length=length))
    assert_refused(cli("sample", model), 4, "header")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("tensor", ["generator.log_weights", "transform.scale", "validation_scores"])
def test_numbers_that_are_not_finite_are_refused(number, tensor, model, cli):
    header, numbers = divided((model / "model.safetensors").read_bytes())
    kind = {"F32": "<f", "F64": "<d"}[header[tensor]["dtype"]]
    numbers = bytearray(numbers)
    struct.pack_into(kind, numbers, header[tensor]["data_offsets"][0], number)
    with_weights(model, joined(header, bytes(numbers)))
    assert_refused(cli("sample", model), 4, tensor, "not finite")


def test_weights_that_are_finite_and_useless_are_told_as_such(model, cli):
    header, numbers = divided((model / "model.safetensors").read_bytes())
    numbers = bytearray(numbers)
    struct.pack_into("<f", numbers, header["generator.log_weights"]["data_offsets"][0], 1e30)
    with_weights(model, joined(header, bytes(numbers)))
    assert_refused(cli("sample", model), 4, "cannot be used", "with these weights")


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b"", lambda b: b[: len(b) // 2]])
@pytest.mark.parametrize("fresh", [True, False])
def test_weights_cut_short_or_too_long_are_refused(change, fresh, model, cli):
    content = change((model / "model.safetensors").read_bytes())
    if fresh:
        with_weights(model, content)
    else:
        (model / "model.safetensors").write_bytes(content)
    assert_refused(cli("sample", model), 4, "model.safetensors", *(() if fresh else ("has changed",)))


@pytest.mark.parametrize("way", range(8))
@pytest.mark.parametrize("file", ["model/config.json", "model/model.safetensors", "config.json", "run.json"])
def test_what_is_no_file_of_the_folder_is_refused_and_never_waited_for(way, file, tmp_path, cli):
    shutil.copytree(RUNS / "gmm", tmp_path / "run")
    (tmp_path / "secret").write_bytes((tmp_path / "run" / file).read_bytes())

    class Ordered(random.Random):
        def choice(self, ways):
            return ways[way]

    hostile.odd_file(tmp_path / "run" / file, Ordered(), tmp_path / "secret")
    if file != "config.json":  # which sampling a finished run has no need of
        folder = tmp_path / "run" / "model" if file.startswith("model/") else tmp_path / "run"
        assert_refused(cli("sample", folder), 4)
    assert_refused(cli("report", tmp_path / "run"), 4)


@pytest.mark.parametrize("part", ["model", "checkpoints", "checkpoints/step-000003"])
def test_folders_that_lead_out_of_a_run_are_refused(part, tmp_path, cli):
    name = "gmm" if part == "model" else "gmm-interrupted"
    shutil.copytree(RUNS / name, tmp_path / "run")
    shutil.move(tmp_path / "run" / part, tmp_path / "elsewhere")
    (tmp_path / "run" / part).symlink_to(tmp_path / "elsewhere")
    assert_refused(cli("sample", tmp_path / "run"), 4, "leads out of")


def test_a_run_behind_a_link_is_a_run(tmp_path, cli):
    (tmp_path / "latest").symlink_to(RUNS / "gmm")
    assert cli("sample", "latest", "--out", "a.csv")[0] == 0


def rise(tmp_path, folder):
    """Bytes by which the memory of a process rose that loaded a model, above what loading another had taken."""
    ended = forked.run(tmp_path / "loading", watched.load, str(RUNS / "gmm"), str(folder))
    assert ended.code == 0, ended.err
    return ended.told["rise"]


BOMBS = {
    "options": lambda c: c["options"].update(components=10_000),
    "widths": lambda c: c.update(model="genzoo-vae/vae", options={"widths": [65_536] * 32, "latent": 65_536}),
    "channels": lambda c: c.update(
        model="genzoo-vae/vae", options={"channels": [65_536] * 12, "network": "convolutional"}
    ),
    "discriminator": lambda c: c.update(
        model="genzoo-gan/dcgan", options={"discriminator_widths": [8192, 8192], "kernel": 15}
    ),
    "errors": lambda c: c["data"].update(features=[0] * 400_000),
    "levels": lambda c: c["data"]["features"][0].update(levels=[0] * 400_000),
    "features": lambda c: c["data"].update(features=[{"name": str(n)} for n in range(99_000)], event_shape=[99_000]),
    "keys": lambda c: c["options"].update({f"k{n}": 0 for n in range(200_000)}),
    "image": lambda c: c["data"].update(modality="image", event_shape=[1, 8192, 8192], features=[{"name": "pixel"}]),
    "tied": lambda c: c.update(tied={f"generator.{n}": "generator.log_weights" for n in range(100_000)}),
    "containers": lambda c: c["options"].update(x=[[]] * 200_000),
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux to measure")
def test_what_settings_ask_for_is_refused_before_it_takes_memory(name, model, tmp_path):
    rewritten(model, BOMBS[name])
    size = sum(path.stat().st_size for path in model.iterdir())
    assert rise(tmp_path, model) <= 2 * size + 64 * MEBIBYTE


def test_the_discriminator_that_options_ask_for_is_never_made(tmp_path):
    shutil.copytree(RUNS / "dcgan/model", tmp_path / "m")
    rewritten(tmp_path / "m", lambda content: content["options"].update(discriminator_widths=[8192, 8192]))
    assert rise(tmp_path, tmp_path / "m") <= 64 * MEBIBYTE


def test_events_out_of_all_proportion_to_the_weights_are_refused(tmp_path, cli):
    shutil.copytree(RUNS / "vae/model", tmp_path / "m")
    rewritten(tmp_path / "m", lambda content: content["data"].update(event_shape=[1, 8192, 8192]))
    assert_refused(cli("sample", tmp_path / "m"), 4, "too large")


@pytest.mark.parametrize(
    "source", ["pipe.npy", "pipe.csv", "pipe.npz", "pipe", "/dev/zero", "pipe-ubyte.gz", "no/such.csv"]
)
def test_a_run_whose_data_are_no_file_is_not_waited_for(source, tmp_path, cli):
    shutil.copytree(RUNS / "gmm", tmp_path / "run")
    if source.startswith("pipe"):
        os.mkfifo(tmp_path / source)
    rewritten(tmp_path / "run", lambda content: content["data"].update(source=source))
    assert_refused(cli("evaluate", "run"), 4)


def test_a_run_whose_settings_do_not_suit_its_data_is_at_fault_itself(tmp_path, cli):
    shutil.copytree(RUNS / "gmm", tmp_path / "run")
    rewritten(tmp_path / "run", lambda content: content["data"].update(columns=["nobody"]))
    assert_refused(cli("evaluate", "run"), 4, "nobody")


def test_a_report_is_not_written_through_links(tmp_path, cli):
    shutil.copytree(RUNS / "gmm", tmp_path / "run")
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    (tmp_path / "run" / "report.html").symlink_to(tmp_path / "mine")
    assert cli("report", "run", "--metric", "log-likelihood")[0] == 0
    assert (tmp_path / "mine").read_text(encoding="utf-8") == "mine"
    assert "<html" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_a_large_model_takes_no_more_than_twice_its_file(tmp_path):
    data = DataSpec((12,), "table", tuple(Feature(f"x{i}") for i in range(12)), storage="float64")
    options = {"widths": [3584, 3584], "latent": 8}
    generator = build_model(get_registry().models.get("vae"), options, data).generator
    transform = AffineTransform(torch.zeros(12, dtype=torch.float64), torch.ones(12, dtype=torch.float64))
    save_model(tmp_path / "big", TrainedModel("genzoo-vae/vae", generator, transform, data), options, {})
    size = (tmp_path / "big/model.safetensors").stat().st_size
    assert size > 96 * MEBIBYTE, "a third copy does not fit below the bound"
    assert rise(tmp_path, tmp_path / "big") <= 2 * size + 64 * MEBIBYTE
    genzoo.load(tmp_path / "big").sample(2)


@pytest.mark.parametrize(
    "words",
    [
        "sample gmm/model -n 3 --out OUT/a.csv",
        "sample vae/model -n 3 --out OUT/a.png",
        "sample gmm-interrupted -n 3 --out OUT/a.npz",
        "score gmm/model --data iris --out OUT/a.csv",
        "evaluate gmm --metric log-likelihood --metric wasserstein",
        "report vae --metric bits-per-dim --out OUT/a.html",
    ],
)
def test_reading_a_folder_runs_nothing_and_writes_nowhere_else(words, tmp_path):
    shutil.copytree(RUNS, tmp_path / "runs")
    (tmp_path / "out").mkdir()
    called = [word.replace("OUT", str(tmp_path / "out")) for word in words.split()]
    ended = forked.run(tmp_path / "seen", watched.audit, str(tmp_path / "runs"), str(tmp_path / "out"), called)
    assert ended.told == {"code": 0, "seen": []}, ended.err


def test_mutants_of_folders_end_in_events_scores_or_documented_errors(tmp_path):
    tally = fuzz_folders.fuzz(fuzz_folders.make_cases(tmp_path), 330, 7, tmp_path)
    assert not tally.failures
    assert tally.hangs == 0
    assert tally.fresh >= 0.75
    assert {"load: used", "load: ArtifactError"} <= set(tally.ends)


class Odd(genzoo.Settings):
    layers: int = 1


def build_odd(config, data):
    generator = torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(config.layers)))
    return genzoo.Parts(generator)


def test_a_million_layers_are_cut_short(tmp_path, model, monkeypatch, cli):
    spec = genzoo.ModelSpec("odd", "odd", "Odd", "test_hostile:build_odd", "test_hostile:Odd", ("em",))
    monkeypatch.setitem(get_registry().models._entries, "genzoo-odd/odd", Entry("genzoo-odd", spec))
    monkeypatch.setitem(sys.modules, "test_hostile", sys.modules[__name__])
    rewritten(model, lambda content: content.update(model="genzoo-odd/odd", options={"layers": 10**9}))
    assert_refused(cli("sample", model), 4, "layers", "far fewer")


ABANDONED = f"{temporary._PREFIX}0123456789abcdef.tmp"


def stranger(folder, name="gmm-interrupted"):
    """A run of somebody else's, and a folder of the user's own with what looks like leftovers; gives both."""
    run, own = folder / "run", folder / "own"
    shutil.copytree(RUNS / name, run)
    files = {".photos.old/a.png": b"a", "photos/b.png": b"b", ".draft.tmp": b"c", ".genzoo-mine.tmp/d": b"d"}
    write_files(own, {**files, f"{ABANDONED}/e": b"e", ".step-000009.old/f": b"f", "step-000009/g": b"g"})
    return run, own


@pytest.mark.parametrize("part", ["samples", "checkpoints", "model", "checkpoints/step-000003"])
def test_going_on_with_a_run_removes_and_writes_nothing_behind_links(part, tmp_path, cli):
    run, own = stranger(tmp_path)
    if (run / part).exists():
        shutil.copytree(run / part, own, dirs_exist_ok=True)
        shutil.rmtree(run / part)
    (run / part).symlink_to(own)
    before = read_files(own)
    assert_refused(cli("train", "--resume", "run"), 4, "leads out of")
    assert read_files(own) == before


def test_pictures_of_a_comparison_are_not_written_through_links(tmp_path):
    _, own = stranger(tmp_path)
    compared = shutil.copytree(RUNS.parent.parent / "comparisons/0.1/iris", tmp_path / "compared")
    picture = Picture("", "", "svg+xml", b"new", "differences", b"new")
    page = Page("", "", (Section("", (Pictures((picture,)),)),), "")
    (compared / "pictures").symlink_to(own)
    before = read_files(own)
    with pytest.raises(ArtifactError, match="leads out of"):
        write_pictures(compared, page)
    assert read_files(own) == before
    (compared / "pictures").unlink()
    (compared / "pictures").mkdir()
    (compared / "pictures" / "differences.png").symlink_to(own / "photos" / "b.png")
    write_pictures(compared, page)
    assert read_files(own) == before
    assert (compared / "pictures" / "differences.png").read_bytes() == b"new"


@pytest.mark.parametrize("part", ["rows", "best"])
def test_going_on_with_a_comparison_removes_nothing_behind_links(part, tmp_path):
    _, own = stranger(tmp_path)
    (tmp_path / "compared").mkdir()
    (tmp_path / "compared" / part).symlink_to(own)
    before = read_files(own)
    with pytest.raises(ArtifactError, match="leads out of"), ResultStore(tmp_path / "compared").locked():
        pytest.fail("locked")
    assert read_files(own) == before


def test_what_a_user_hid_in_a_run_stays_there(tmp_path):
    run, own = stranger(tmp_path)
    kept = {".photos.old/a.png", "photos/b.png", ".draft.tmp", ".genzoo-mine.tmp/d", "step-000009/g"}
    for folder in (run / "samples", run / "checkpoints"):
        shutil.copytree(own, folder, dirs_exist_ok=True)
    with Run(run).locked():
        assert kept | {".step-000009.old/f"} == set(read_files(run / "samples"))
        assert kept < set(read_files(run / "checkpoints"))
        assert not (run / "checkpoints" / ".step-000009.old").exists()
        assert not (run / "checkpoints" / ABANDONED).exists()


def test_an_enormous_file_of_tensors_is_refused_by_its_size(model, monkeypatch, cli):
    monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("all of it was read"))
    os.truncate(model / "model.safetensors", 2**38)
    assert_refused(cli("sample", model), 4, "model.safetensors", str(2**38))


def test_more_scores_than_are_ever_kept_are_not_read(model, cli):
    header, numbers = divided((model / "model.safetensors").read_bytes())
    begin, end = header.pop("validation_scores")["data_offsets"]
    numbers = numbers[:begin] + numbers[end:]
    for told in header.values():
        told["data_offsets"] = [offset - (end - begin) * (offset > begin) for offset in told["data_offsets"]]
    offsets = [len(numbers), len(numbers) + 2**33]
    content = joined(
        {**header, "validation_scores": {"dtype": "F64", "shape": [2**30], "data_offsets": offsets}}, numbers
    )
    (model / "model.safetensors").write_bytes(content)
    os.truncate(model / "model.safetensors", len(content) + 2**33)
    assert_refused(cli("sample", model), 4, "validation_scores", "at most 10000")


@pytest.mark.parametrize(
    "features",
    [
        [{"name": f"x{n}", "kind": "continuous"} for n in range(100_001)],
        [{"name": "x", "kind": "categorical", "levels": [str(n) for n in range(60_000)]}] * 2,
        [{"name": f"x{n}", "kind": "none"} for n in range(9_000)],
        [{"name": f"x{n}", "kind": "continuous", "type": "none"} for n in range(9_000)],
        [{"name": f"x{n}", "none": 1} for n in range(9_000)],
    ],
)
def test_of_too_many_or_wrong_features_none_is_built(features, model, monkeypatch):
    monkeypatch.setattr(genzoo.Feature, "__post_init__", lambda _: pytest.fail("one was"))
    rewritten(model, lambda content: content["data"].update(features=features))
    with pytest.raises(ArtifactError, match=r"at most 100000 columns|number 0 of its features is none") as refused:
        genzoo.load(model)
    assert len(str(refused.value)) < 500


def test_only_the_features_of_data_may_be_many(model):
    rewritten(model, lambda content: content["options"].update(features=[0] * 60_001))
    with pytest.raises(ArtifactError, match="more values"):
        genzoo.load(model)


@pytest.mark.parametrize("value", [True, 1.0, "1", None])
def test_a_version_is_a_whole_number(value, model, tmp_path, cli):
    rewritten(model, lambda content: content.update(format=value))
    assert_refused(cli("sample", model), 4, "format", "not a whole number")
    shutil.copytree(RUNS / "gmm-interrupted", tmp_path / "run")
    record = json.loads((tmp_path / "run/run.json").read_text(encoding="utf-8"))
    (tmp_path / "run/run.json").write_text(json.dumps({**record, "format": value}), encoding="utf-8")
    assert_refused(cli("sample", "run"), 4, "run.json", "not a whole number")


def test_settings_without_a_version_are_refused(model, cli):
    rewritten(model, lambda content: content.pop("format"))
    assert_refused(cli("sample", model), 4, "does not state its format")


@pytest.mark.parametrize("notes", [7, None, "x", [], ["x"], {"x": 7}, {"x": None}, {"x": ["y"]}])
def test_notes_in_a_header_that_are_no_texts_are_refused(notes, model, cli):
    changed_header(model, lambda header: header.update(__metadata__=notes))
    assert_refused(cli("sample", model), 4, "__metadata__")


def test_notes_that_others_put_into_a_header_are_passed_over(model):
    changed_header(model, lambda header: header.update(__metadata__={"format": "pt"}))
    assert len(genzoo.load(model).sample(2)) == 2


@pytest.mark.parametrize("path", ["x" * 300, "a/" * 2_500, "~nobody-of-that-name/x", "a\nb"])
@pytest.mark.parametrize(
    "words",
    ["sample PATH", "evaluate PATH", "score PATH --data iris", "report PATH", "train --resume PATH", "data PATH"],
)
def test_a_path_that_cannot_be_opened_is_refused_as_one_where_nothing_is(words, path, cli):
    assert_refused(cli(*(path if word == "PATH" else word for word in words.split())), 4)


@pytest.mark.parametrize("way", ["pipe", "folder", "device", "link to itself", "missing"])
@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_errors_of_a_model_folder_name_the_fault_in_it(way, file, model, tmp_path, cli):
    class Chosen(random.Random):
        def choice(self, ways):
            return way

    hostile.odd_file(model / file, Chosen(), tmp_path)
    code, _, err = cli("sample", model)
    assert code == 4
    assert f"m/{file}" in "".join(err.split())
    assert "run directory" not in err


def test_a_run_of_somebody_else_fetches_nothing_when_it_is_gone_on_with(tmp_path, monkeypatch, cli):
    pooch = pytest.importorskip("pooch")
    monkeypatch.setattr(pooch, "retrieve", lambda *_, **__: pytest.fail("fetched"))
    monkeypatch.setattr(pooch, "os_cache", lambda _: tmp_path)
    monkeypatch.delenv("GENZOO_DATA", raising=False)
    run, _ = stranger(tmp_path)
    rewritten(run, lambda content: content["data"].update(source="mnist"))
    assert_refused(cli("train", "--resume", "run"), 4, "genzoo data mnist")
    shutil.rmtree(run / "checkpoints")
    (run / "metrics.jsonl").unlink()
    assert_refused(cli("train", "--resume", "run"), 4, "genzoo data mnist")
