"""Memory that runs out is named as such: never an error of genzoo, of a plugin or of a file."""

import errno

import pyarrow as pa
import pytest
import starved
import torch

from genzoo.cli import main as command_line
from genzoo.errors import ArtifactError, ConfigError, OutOfMemoryError, explain_out_of_memory, is_out_of_memory
from genzoo.inference.blame import blame_file
from genzoo.plugins.registry import blame

SHORTAGES = [
    MemoryError(),
    pa.ArrowMemoryError("malloc of size 64 failed"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory: you tried to ..."),
    RuntimeError("could not create a primitive"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    pa.ArrowException("Unknown error: Failed to launch worker thread: Resource temporarily unavailable"),
    ImportError("libx.so: failed to map segment from shared object"),
    SystemError("error return without exception set"),
]


@pytest.mark.parametrize("error", SHORTAGES, ids=lambda error: type(error).__name__)
def test_every_library_s_error_is_recognized(error):
    assert is_out_of_memory(error)
    with (
        pytest.raises(OutOfMemoryError, match="Memory ran out while a model was trained; lower its size"),
        explain_out_of_memory("a model was trained", "lower its size"),
        blame("The objective"),
    ):
        raise error
    with pytest.raises(OutOfMemoryError, match="model 'gmm'"), blame_file("model.safetensors", "gmm"):
        raise error


def test_other_errors_stay_what_they_are():
    assert not is_out_of_memory(RuntimeError("shapes differ"))
    assert not is_out_of_memory(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(ConfigError), explain_out_of_memory("a", "b"):
        raise ConfigError("c")
    with pytest.raises(ArtifactError, match="fails"), blame_file("model.safetensors", "gmm"):
        raise RuntimeError("shapes differ")


def test_the_command_line_names_what_ran_out(monkeypatch, capsys):
    def fail(*_, **__):
        raise RuntimeError("could not create a primitive")

    monkeypatch.setattr(command_line.root, "main", fail)
    assert command_line.main(["sample", "RUN"]) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert error.startswith("Error: Memory ran out during `genzoo sample`; use fewer rows")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("starved")
    starved.prepare(folder)
    return folder


@pytest.mark.parametrize(("name", "spare"), [("read", 2), ("train vae", 8), ("sample", 8), ("compare", 8)])
def test_commands_with_little_memory_say_so(prepared, name, spare):
    well, said = starved.starve(name, spare, prepared)
    assert well, said
    assert "Memory ran out" in said
