"""Show tables: as rows, with the distribution of every column, and components and pairs of columns in pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from genzoo.reports.description_figure import table_picture
from genzoo.reports.modalities.marginals import marginals
from genzoo.reports.modalities.report import ModalityReport
from genzoo.reports.modalities.values import WIDEST, about_width, cell, reconstructed_rows, rows_of, traversed_rows
from genzoo.reports.overview.plane import components_picture, pairs_picture
from genzoo.reports.page import Block, Table
from genzoo.spec.events import DataSpec, Feature
from genzoo.typing import Array


def _typical_rows(table: Table, real: Array, posterior: Array, data: DataSpec) -> list[Block]:
    """Return the table of components with the mean or the most frequent level of each column."""
    features = data.features[:WIDEST]
    rows = tuple(
        (*row, *(_typical(real[:, place], weights, feature) for place, feature in enumerate(features)))
        for row, weights in zip(table.rows, posterior.T, strict=True)
    )
    caption = f"{table.caption}, and its mean or most frequent level"
    header = (*table.header, *(feature.name for feature in features))
    return [replace(table, caption=caption, header=header, rows=rows), *about_width(data, WIDEST)]


def _typical(values: Array, weights: Array, feature: Feature) -> str:
    """Return the weighted mean of a column, or its most frequent level."""
    known = ~np.isnan(values)
    if not weights[known].sum() > 0:
        return "–"
    if feature.levels is None:
        return f"{np.average(values[known], weights=weights[known]):.4g}"
    counts = np.bincount(values[known].astype(np.int64), weights[known], len(feature.levels))
    return cell(float(counts.argmax()), feature)


TABLES = ModalityReport(
    rows_of,
    reconstructed_rows,
    traversed_rows,
    components=_typical_rows,
    distributions=marginals,
    components_picture=components_picture,
    pairs_picture=pairs_picture,
    description=table_picture,
)
