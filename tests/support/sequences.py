"""A modality of tests, `sequence`: a fixed number of letters, all of one categorical feature. And a model of it.

Its reader and its report are here, too: nothing else in genzoo knows the modality.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

import genzoo
from genzoo.reports.modalities.report import ModalityReport
from genzoo.reports.modalities.values import reconstructed_rows, traversed_rows
from genzoo.reports.page import Notes, Text
from genzoo.spec.modality import ModalitySpec, SourceSpec

GENZOO_API = 2

SEQUENCE = ModalitySpec(
    name="sequence",
    plural="sequences",
    dataset="holds sequences",
    event="sequence",
    value="position",
    axes=("T",),
    sources=(SourceSpec("files of sequences", "sequences:read_lines", (".seq",), settings=("skip_bad",)),),
    report="sequences:REPORT",
)

LETTERS = genzoo.Feature("letter", "categorical", ("a", "c", "g", "t"))


def read_lines(path, settings):
    """Read a sequence from each line; `skip_bad` leaves out those with other letters."""
    lines = path.read_text().split()
    if settings.skip_bad:
        lines = [line for line in lines if set(line) <= set(LETTERS.levels)]
    codes = np.array([[LETTERS.levels.index(letter) for letter in line] for line in lines], "u1")
    return genzoo.Dataset(path.stem, genzoo.DataSpec(codes.shape[1:], "sequence", (LETTERS,), storage="uint8"), codes)


def show(sets, data):
    """Return the letters of the first sequences of each set as text."""
    letters = np.array(data.features[0].levels)
    return [
        block
        for caption, events in sets.items()
        for block in (Text(caption), Notes(tuple("".join(letters[event]) for event in events[:3].astype(int))))
    ]


REPORT = ModalityReport(show, reconstructed_rows, traversed_rows)


class Letters(genzoo.Generator, genzoo.Likelihood):
    """A distribution over letters for each position, independent of the others."""

    def __init__(self, length: int, letters: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(length, letters))

    @property
    def degrees_of_freedom(self) -> int:
        return self.logits.shape[0] * (self.logits.shape[1] - 1)

    def log_prob(self, x: Tensor) -> Tensor:
        shares = self.logits.log_softmax(1).expand(len(x), -1, -1)  # (N, T, letters)
        return shares.gather(2, x.long()[..., None])[..., 0].sum(1)

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        drawn = torch.multinomial(self.logits.softmax(1), n, replacement=True)  # (T, N)
        return drawn.T.to(self.logits.dtype)


def build(config: genzoo.Settings, data: genzoo.DataSpec) -> genzoo.Parts:
    (letter,) = data.features
    return genzoo.Parts(Letters(data.size, len(letter.levels or ())))


def data() -> genzoo.Dataset:
    """200 sequences of 12 letters; `a` comes first in nine of ten."""
    rng = np.random.default_rng(0)
    events = rng.integers(0, 4, (200, 12))
    events[:, 0] = rng.choice(4, 200, p=(0.9, 0.1, 0, 0))
    return genzoo.Dataset("reads", genzoo.DataSpec((12,), "sequence", (LETTERS,), storage="uint8"), events.astype("u1"))


@genzoo.hookimpl
def register_models(register):
    register(
        genzoo.ModelSpec(
            name="letters",
            family="toy",
            summary="Independent letters",
            builder="sequences:build",
            config="genzoo.config.settings:Settings",
            objectives=("maximum-likelihood",),
            capabilities={"likelihood"},
            input="raw",
            modalities=("sequence",),
            kinds=("categorical",),
            data="reads",
            training={"epochs": 60, "batch_size": 64, "optimizer": {"lr": 0.1}},
        )
    )


@genzoo.hookimpl
def register_datasets(register):
    register(genzoo.DatasetSpec("reads", "200 sequences of letters", "sequences:data", "sequence"))
