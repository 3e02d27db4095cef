"""Store real rows and samples of a comparison for its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field

from genzoo.config.data_form import DataForm
from genzoo.config.settings import Settings
from genzoo.errors import ArtifactError
from genzoo.spec.events import DataSpec
from genzoo.storage.json_files import read_settings, write_json
from genzoo.storage.tensors import digest, read_tensors, write_tensors
from genzoo.typing import Array

_HEADER, _TENSORS = "samples.json", "samples.safetensors"


_REAL, _MISSING, _DRAWS, _MEANS = "real", "missing", "candidate-", "means-"
"""Names of tensors, and beginnings of the names of candidates' tensors."""


_ALL, _ALL_MISSING = "all", "all-missing"
"""Tensors that earlier versions did not write, and do not read."""


_MOST = 10_000


@dataclass(frozen=True, slots=True)
class PageSamples:
    """Real rows and samples for a page.

    Arguments:
        data: form of one row or image.
        real: rows that no candidate was trained on, `(N, *event)`; NaN if a value is missing.
        samples: samples by candidate, `(M, *event)`.
        means: candidates whose samples are means, without the noise that the model adds to images. Defaults to none.
        all: some of all rows of a table, which the best candidate may have been trained on, `(K, *event)`. Defaults to
            `None`: not kept.
    """

    data: DataSpec
    real: Array
    samples: Mapping[str, Array]
    means: frozenset[str] = frozenset()
    all: Array | None = None


class PageSamplesFile(Settings):
    """`samples.json`."""

    format: Literal[1] = 1
    data: DataForm
    candidates: dict[str, str] = Field(description="name of the tensor with its samples, by candidate")
    tensors: str = Field(description="SHA-256 of samples.safetensors")


def write_page_samples(folder: Path, shown: PageSamples) -> None:
    """Write both files, and replace earlier ones.

    Raises:
        GenzooError: the disk is full or read-only.
    """
    kinds = {candidate: _MEANS if candidate in shown.means else _DRAWS for candidate in shown.samples}
    names = {candidate: f"{kinds[candidate]}{number}" for number, candidate in enumerate(shown.samples)}
    tensors = {names[candidate]: torch.from_numpy(events) for candidate, events in shown.samples.items()}
    tensors |= _with_missing(shown.real, _REAL, _MISSING)
    if shown.all is not None:
        tensors |= _with_missing(shown.all, _ALL, _ALL_MISSING)
    write_tensors(folder / _TENSORS, tensors)
    content = PageSamplesFile(data=shown.data, candidates=names, tensors=digest(folder / _TENSORS))
    write_json(folder / _HEADER, content.model_dump(mode="json"))


def _with_missing(events: Array, name: str, missing: str) -> dict[str, torch.Tensor]:
    lacking = np.isnan(events)
    return {name: torch.from_numpy(np.where(lacking, 0, events)), missing: torch.from_numpy(lacking)}


def read_page_samples(folder: Path) -> PageSamples | None:
    """Read the files of `write_page_samples`, or return `None` if there are none.

    Raises:
        ArtifactError: they are damaged.
    """
    if not (folder / _HEADER).exists():
        return None
    content = read_settings(folder / _HEADER, PageSamplesFile)
    found = read_tensors(folder / _TENSORS, {}, content.tensors)
    tensors = {name: value.numpy() for name, value in found.items() if value.dtype != torch.bfloat16}
    more = (_ALL, _ALL_MISSING) if _ALL in tensors else ()
    for name in (_REAL, _MISSING, *more, *content.candidates.values()):
        if name not in tensors or tensors[name].shape[1:] != content.data.event_shape or len(tensors[name]) > _MOST:
            raise ArtifactError(f"{folder / _TENSORS} lacks samples that {_HEADER} lists. Run the comparison again.")
    samples = {candidate: tensors[name] for candidate, name in content.candidates.items()}
    means = frozenset(candidate for candidate, name in content.candidates.items() if name.startswith(_MEANS))
    real = _with_gaps(tensors[_REAL], tensors[_MISSING])
    some = _with_gaps(tensors[_ALL], tensors[_ALL_MISSING]) if more else None
    return PageSamples(content.data, real, samples, means, some)


def _with_gaps(events: Array, missing: Array) -> Array:
    return np.where(missing, np.nan, events) if missing.any() else events
