"""Handmade distributions, as wheels or unpacked, so that tests build nothing."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

PLUGIN = '''"""A plugin."""
import genzoo

GENZOO_API = 2


@genzoo.hookimpl
def register_models(register):
    register(
        genzoo.ModelSpec(
            name="{model}",
            family="toy",
            summary="A model of {package}",
            builder="{package}.parts:build",
            config="{package}.parts:Options",
            objectives=("{model}-loss",),
            data="iris",
            training={{"steps": 3, "batch_size": 16}},
        )
    )


@genzoo.hookimpl
def register_objectives(register):
    register(
        genzoo.ObjectiveSpec(
            name="{model}-loss",
            summary="Squares",
            builder="{package}.parts:build_loss",
            config="{package}.parts:LossOptions",
            kind="gradient",
        )
    )
'''

PARTS = '''"""Its parts."""
import torch

import genzoo


class Options(genzoo.Settings):
    depth: int = 1


class LossOptions(genzoo.Settings):
    pass


class Normal(genzoo.Generator):
    def __init__(self, shape):
        super().__init__()
        self.mean = torch.nn.Parameter(torch.zeros(shape))

    def sample(self, n, *, condition=None, **options):
        return self.mean + torch.randn(n, *self.mean.shape)


class Squares(genzoo.GradientObjective):
    def losses(self, model, batch, progress):
        yield {"generator": (batch.x - model.generator.mean).square().mean()}


def build(config, data):
    return genzoo.Parts(Normal(data.event_shape))


def build_loss(options):
    return Squares()
'''


def plugin_files(package: str, model: str, prologue: str = "", epilogue: str = "") -> dict[str, str]:
    """Return the files of a plugin with one working model; `prologue` and `epilogue` can break it."""
    module = prologue + PLUGIN.format(package=package, model=model) + epilogue
    return {f"{package}/__init__.py": "", f"{package}/plugin.py": module, f"{package}/parts.py": PARTS}


def contents(
    name: str,
    files: Mapping[str, str],
    *,
    version: str = "1.0",
    entries: Mapping[str, str] | None = None,
    requires: Sequence[str] = (),
) -> dict[str, str]:
    """Return all files of an unpacked distribution, including its metadata."""
    stem = name.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    if entries is None:
        package = next(iter(files)).partition("/")[0]
        entries = {name.removeprefix("genzoo-"): f"{package}.plugin"}
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    found = {
        **files,
        f"{info}/METADATA": "\n".join(metadata) + "\n\nName: readme\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if entries:
        lines = "".join(f"{key} = {value}\n" for key, value in entries.items())
        found[f"{info}/entry_points.txt"] = f"[genzoo]\n{lines}"
    record = "".join(f"{path},{_digest(text)},{len(text.encode())}\n" for path, text in found.items())
    return {**found, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}


def unpack(folder: Path, name: str, files: Mapping[str, str], **options) -> None:
    """Write a distribution to a folder as pip does."""
    for path, text in contents(name, files, **options).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def build_wheel(folder: Path, name: str, files: Mapping[str, str], *, version: str = "1.0", **options) -> Path:
    """Write a wheel to a folder, which pip's `--find-links` can use."""
    path = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return write_wheel(path, contents(name, files, version=version, **options).items())


def write_wheel(path: Path, members: Iterable[tuple[str, str]]) -> Path:
    """Write the members of a wheel as they are, even if no honest tool would."""
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in members:
            archive.writestr(member, text)
    return path


def _digest(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
