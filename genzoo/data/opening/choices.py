"""Apply settings to an open dataset: the range of images, columns of tables, conditions."""

from __future__ import annotations

from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.dataset import Dataset
from genzoo.data.opening.sources import check_form_settings
from genzoo.errors import ConfigError
from genzoo.wording import argument


def as_stated(dataset: Dataset, settings: DataSettings) -> Dataset:
    """Apply the settings of images in any source: their range, and the conversion to 0 and 1.

    Raises:
        ConfigError: a setting is for events of another modality, or does not suit the images.
    """
    check_form_settings(settings, dataset.spec.form)
    if settings.range is not None:
        from genzoo.data.value_range import overrule_range

        dataset = overrule_range(dataset, settings.range)
    if settings.binarize:
        from genzoo.data.images import binarize

        dataset = binarize(dataset)
    return dataset


def with_columns(dataset: Dataset, settings: DataSettings, split: SplitSettings | None = None) -> Dataset:
    """Apply the settings of tables: columns, kinds, labels, weights, missing values, and what divides the rows.

    Raises:
        ConfigError: a setting names an unknown column, or rows that have no columns are divided by one.
        DataError: a column cannot be used.
    """
    split, form = split or SplitSettings(), dataset.spec.form
    divided = argument("split", split.method) if split.time is not None else argument("split_by") if split.by else None
    if divided is not None and not form.columns:
        raise ConfigError(f"{divided} is for tables, and {settings.source!r} {form.dataset}. Leave it out.")
    if not form.columns or (divided is None and settings.given(*form.settings) is None):
        return dataset
    from genzoo.data.splits.columns import select_divided

    return select_divided(dataset, settings, split)


def with_conditions(dataset: Dataset, settings: DataSettings, split: SplitSettings | None = None) -> Dataset:
    """Apply the settings of tables, and take the conditions that they name from the columns or the labels.

    Raises:
        ConfigError: as `with_columns`; or there is no such condition.
        DataError: a column cannot be used, or a row has no condition.
    """
    if not (settings.condition or settings.joint):
        return with_columns(dataset, settings, split)
    from genzoo.data.conditions import read_with_conditions, take_conditions

    table = dataset.spec.form.columns
    columns = [feature.name for feature in dataset.spec.features] if table else ()
    return take_conditions(with_columns(dataset, read_with_conditions(settings, columns), split), settings)
