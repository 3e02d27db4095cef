"""Apply settings to an open dataset: the range of images, columns of tables, conditions."""

from __future__ import annotations

from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.dataset import Dataset
from genzoo.data.opening.sources import check_form_settings
from genzoo.data.texts.content import cut_again
from genzoo.errors import ConfigError
from genzoo.spec.events import DataSpec
from genzoo.wording import argument


def as_stated(dataset: Dataset, settings: DataSettings) -> Dataset:
    """Apply the settings of events in any source: the range of images, the conversion to 0 and 1, windows of texts.

    Raises:
        ConfigError: a setting is for events of another modality, or does not suit the events.
    """
    check_form_settings(settings, dataset.spec.form)
    if settings.text is not None:
        named = f"{argument('text')} names a column of a table"
        raise ConfigError(f"{named}, and {settings.source!r} holds texts. Leave it out.")
    if settings.window is not None and settings.window != _window_of(dataset):
        dataset = cut_again(dataset, settings.window)
    if settings.range is not None:
        from genzoo.data.value_range import overrule_range

        dataset = overrule_range(dataset, settings.range)
    if settings.binarize == "redraw":
        from genzoo.data.redraw import redraw  # needs torch

        return redraw(dataset)
    if settings.binarize:
        from genzoo.data.images import binarize

        dataset = binarize(dataset)
    return dataset


def _window_of(dataset: Dataset) -> int:
    """Return the size of the windows of a dataset.

    Raises:
        ConfigError: it holds whole texts.
    """
    if not dataset.spec.windows:
        raise ConfigError(
            f"{argument('window')} cuts long texts, and {dataset.name} holds short ones, each an event. Leave it out."
        )
    return dataset.spec.event_shape[0]


def with_window(settings: DataSettings, spec: DataSpec, *, texts: bool) -> DataSettings:
    """Return the settings of data for a trained model: long texts are cut into windows as in training.

    Arguments:
        texts: whether the source holds texts.

    Raises:
        ConfigError: the windows have another size than in training.
    """
    size = spec.event_shape[0]
    if settings.window is not None and spec.form.ended and (not spec.windows or settings.window != size):
        trained = f"windows of {size} bytes" if spec.windows else "whole texts"
        raise ConfigError(f"The model was trained on {trained}. Leave {argument('window')} out.")
    return settings.model_copy(update={"window": size}) if spec.windows and texts else settings


def with_rate(settings: DataSettings, spec: DataSpec) -> DataSettings:
    """Return the settings of files of sounds for a trained model: they get the rate and the length of training.

    Raises:
        ConfigError: the settings name another rate or length.
    """
    if spec.rate is None:
        return settings
    known = {"rate": spec.rate, "seconds": spec.size / spec.rate}
    for name, value in known.items():
        if getattr(settings, name) not in (None, value):
            raise ConfigError(
                f"The model was trained on {spec.describe()}, and brings other sounds to this rate and length. Leave "
                f"{argument(name)} out."
            )
    return settings.model_copy(update=known)


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
