"""What a report shows of the events of one modality."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from genzoo.data.dataset import Dataset, Rows
from genzoo.inference.description.figures import Description
from genzoo.inference.latent import Traversal
from genzoo.inference.trained_model import TrainedModel
from genzoo.plugins.registry import resolve
from genzoo.reports.page import Block, Picture, Table
from genzoo.spec.events import DataSpec
from genzoo.spec.modality import ModalitySpec
from genzoo.typing import Array


@dataclass(frozen=True, slots=True)
class ModalityReport:
    """The parts of reports that differ between modalities. Parts that default to `None` are left out.

    Arguments:
        show: shows sets of events beside each other, each under its caption: `show(sets, data)`.
        reconstructions: shows events beside their reconstructions: `reconstructions(real, again, data)`.
        traversal: shows what changes along the dimensions of a latent space: `traversal(found)`.
        components: completes a table with a line for each component of a model by what their rows are like:
            `components(table, real, posterior, data)`, where `posterior` is `(N, lines)`. Defaults to `None`: the
            table stays as it is.
        distributions: draws the distribution of each value in real events and in samples:
            `distributions(real, samples, data, most)`, of the first `most` values; by default of many. Defaults to
            `None`.
        components_picture: draws the components of a model over events, or returns `None`:
            `components_picture(model, events, seed, what)`, where `what` is what messages call the events. Defaults to
            `None`.
        pairs_picture: draws pairs of values of real events and of samples, or returns `None`:
            `pairs_picture(real, samples, data, what)`. Defaults to `None`.
        about_distributions: says what they are: `about_distributions(count, samples, where)`, of so many real events,
            called `where`, and so many samples. Defaults to `None`: they are of columns.
        surprise: shows which parts of real events surprise a model: `surprise(model, dataset, rows, where)`. Defaults
            to `None`.
        description: draws the description of a model as a PNG: `description(found)`. Defaults to `None`.
        leads: whether samples come first on a page, before scores. Defaults to false.
    """

    show: Callable[[Mapping[str, Array], DataSpec], list[Block]]
    reconstructions: Callable[[Array, Array, DataSpec], list[Block]]
    traversal: Callable[[Traversal], list[Block]]
    components: Callable[[Table, Array, Array, DataSpec], list[Block]] | None = None
    distributions: Callable[..., list[Block]] | None = None
    components_picture: Callable[[TrainedModel, Array, int, str], Picture | None] | None = None
    pairs_picture: Callable[[Array, Array, DataSpec, str], Picture | None] | None = None
    about_distributions: Callable[[int, int, str], str] | None = None
    surprise: Callable[[TrainedModel, Dataset, Rows, str], list[Block]] | None = None
    description: Callable[[Description], bytes] | None = None
    leads: bool = False


def report_of(form: ModalitySpec) -> ModalityReport:
    """Return what reports show of the events of a modality."""
    found: Any = resolve(form.report, form)
    assert isinstance(found, ModalityReport)
    return found
