import errno
import json
import math
import os
from pathlib import Path

import pytest
import torch

from genzoo.errors import ArtifactError, GenzooError
from genzoo.storage.atomic import write_bytes
from genzoo.storage.json_files import read_json, to_json, write_json
from genzoo.storage.tensors import read_tensors, write_tensors


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(GenzooError, match="No space left on device") as caught:
        write_json(path, {"new": 2})
    assert caught.value.exit_code == 1
    assert read_json(path) == {"old": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_read_only_folder_is_a_sentence(tmp_path):
    with pytest.raises(GenzooError, match="could not be written"):
        write_bytes(tmp_path / "absent" / "a", b"")


def test_numbers_that_are_not_finite_are_null():
    content = {"a": [math.nan, 1.5, {"b": math.inf}], "c": (1, None, True, "x")}
    assert json.loads(to_json(content)) == {"a": [None, 1.5, {"b": None}], "c": [1, None, True, "x"]}


@pytest.mark.parametrize("text", ["", "[1]", '{"a": 1, "a": 2}', "{" * 100_000, '{"a": ' + "[" * 100_000, "\xff"])
def test_json_with_surprises_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text, encoding="latin-1")
    with pytest.raises(ArtifactError, match=r"a\.json"):
        read_json(tmp_path / "a.json")


def test_tensors_survive_with_any_strides_and_tied_ones_once(tmp_path):
    shared = torch.randn(3, 4)
    tensors = {
        "plain": torch.arange(5),
        "strided": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "one": shared,
        "two": shared,
        "part": shared[1:],
        "turned": shared.t(),
        "empty": torch.zeros(0, 3),
    }
    tied = write_tensors(tmp_path / "a.safetensors", tensors)
    assert tied == {"two": "one"}
    found = read_tensors(tmp_path / "a.safetensors", tied)
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_tensors_have_the_permissions_of_other_files(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_tensors(tmp_path / "a.safetensors", {"one": torch.zeros(2)})
    finally:
        os.umask(before)
    assert (tmp_path / "a.safetensors").stat().st_mode & 0o777 == 0o666 & ~mask


def test_tensors_that_are_damaged_or_not_finite_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"bad": torch.tensor([1.0, torch.nan])})
    with pytest.raises(ArtifactError, match="'bad'"):
        read_tensors(path, {})
    write_tensors(path, {"good": torch.zeros(3)})
    with pytest.raises(ArtifactError, match="'ghost'"):
        read_tensors(path, {"twin": "ghost"})
    whole = path.read_bytes()
    for content in (b"", whole[:-1], whole + b"x", b"\xff" * 64):
        path.write_bytes(content)
        with pytest.raises(ArtifactError, match=r"a\.safetensors"):
            read_tensors(path, {})
    assert not Path(f"{path}.tmp").exists()
