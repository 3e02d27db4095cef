"""Open what a question is about: a run or a trained model, and rows for it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from genzoo.config.data import DataSettings
from genzoo.data.align import known_to_model
from genzoo.data.dataset import Dataset, Rows
from genzoo.data.frames.kinds import is_frame
from genzoo.data.frames.results import frame_of, matrix_like, usual_library
from genzoo.data.frames.source import in_one_piece, kept_of_frame, with_columns
from genzoo.data.loading import open_source
from genzoo.data.opening.given import AnyData, matching_data, matching_settings
from genzoo.data.opening.reuse import read_as_before
from genzoo.data.parts import are_parts
from genzoo.data.table import kept_names
from genzoo.errors import ConfigError, GenzooError
from genzoo.inference.answers import ResultT
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.base import capabilities_of
from genzoo.persistence.open_run import is_model_folder, load, open_run
from genzoo.persistence.run import Run
from genzoo.plugins.manager import get_registry
from genzoo.runtime.device import resolve_device
from genzoo.runtime.progress import Phase
from genzoo.storage.blocks import BLOCK_SUFFIXES
from genzoo.storage.paths import check_not_source
from genzoo.typing import Array
from genzoo.wording import Word, argument

AnswerT = TypeVar("AnswerT")

Asked = Run | TrainedModel | str | Path
"""What can be asked: a run, a trained model, or the path of a run or model folder."""


def open_asked(asked: Asked, device: str | None = None) -> tuple[Run | None, TrainedModel]:
    """Return the run, if it is one, and its model.

    Arguments:
        device: where the model computes: `auto | cpu | cuda | cuda:N | mps`. Defaults to the host for runs and paths.

    Raises:
        ArtifactError: there is no such run or model folder, or it is damaged.
        ConfigError: it is something else.
    """
    if isinstance(asked, TrainedModel):
        return None, _on(asked, device)
    if isinstance(asked, Run):
        return asked, _on(asked.load(), device)
    if not isinstance(asked, str | os.PathLike):
        raise ConfigError(f"A run, a trained model or a path is needed, and this is of type {type(asked).__name__}.")
    if is_model_folder(asked):
        return None, _on(load(asked), device)
    run = open_run(str(asked))
    with Phase("loading the model"):
        return run, _on(run.load(), device)


def _on(fitted: TrainedModel, device: str | None) -> TrainedModel:
    return fitted if device is None else fitted.to(resolve_device(str(device), float64=fitted.generator.needs_float64))


def check_capable(fitted: TrainedModel, verb: str, *capabilities: str) -> None:
    """Check that a model has one of the capabilities that a question needs.

    Arguments:
        verb: what is asked: "cluster".

    Raises:
        ConfigError: it has none; the message lists the models that have.
    """
    if not capabilities_of(fitted.generator).isdisjoint(capabilities):
        return
    zoo = get_registry().models
    names = zoo.names(lambda spec: not spec.capabilities.isdisjoint(capabilities))
    model = next((name for name in zoo.names() if zoo.get(name).id == fitted.model), fitted.model)
    raise ConfigError(f"Model {model!r} cannot {verb}. Models that can: {', '.join(names) or 'none is installed'}.")


@dataclass(frozen=True, slots=True)
class GivenRows:
    """Rows that a model is applied to, and the form of the answer.

    Arguments:
        dataset: the rows, in the form that the model was trained on.
        frame: the table in memory that they come from, or `None`.
        settings: how to open the source by its name or path; `None` if the rows are in memory.
        tabular: whether the answer is a table. Defaults to false.
    """

    dataset: Dataset
    frame: Any = None
    settings: DataSettings | None = None
    tabular: bool = False

    def answer(self, names: Sequence[str], values: Array) -> Any:
        """Return values `(N, C)` as a table for a table in memory or in a file, and otherwise as they are."""
        if self.frame is not None:
            return matrix_like(self.frame, names, values)
        if not self.tabular:
            return values
        columns = {name: values[:, place] for place, name in enumerate(names)}
        return frame_of(columns, usual_library(self.dataset.spec))


def kept_columns(
    settings: DataSettings, fitted: TrainedModel, keep: Sequence[str], taken: Sequence[str]
) -> dict[str, pa.ChunkedArray]:
    """Return columns of data with a name or path, by name, as they were written.

    Arguments:
        keep: their names; the model need not use them, and `drop` does not matter.
        taken: names of the result's own columns.

    Raises:
        ConfigError: a name is unknown or taken, or the data are no table.
        DataError: a column cannot be read.
    """
    if not keep:
        return {}
    source = open_source(settings, get_registry(), fitted.data)
    if source is None:
        what = fitted.data.form.plural
        raise ConfigError(f"{argument('keep')} names columns of a table, and these data are {what}. Leave it out.")
    names = kept_names(source.shown, source.names, keep, ("row", *taken))
    return dict(zip(names, source.with_nested(source.read(names, names)).columns, strict=True))


def open_rows(run: Run | None, fitted: TrainedModel, data: AnyData | None, *, keep_unknown: bool = False) -> GivenRows:
    """Open the rows that a question is about: `data`, or else all rows of the run's own data.

    Arguments:
        keep_unknown: as for `matching_data`. Defaults to false.

    Raises:
        ArtifactError: the data of the run have changed.
        ConfigError: there are neither; or a setting does not suit the data.
        DataError: the data cannot be read, or do not fit the model.
    """
    if data is None:
        if run is None:
            raise ConfigError(
                f"A model folder does not name its data. Name the data to use: {argument('data', Word('DATA'))}."
            )
        dataset = run.open_data()
        if run.data_in_memory is not None:
            return GivenRows(dataset, tabular=fitted.data.frame is not None)
        return GivenRows(dataset, settings=run.config.data, tabular=dataset.spec.form.columns)
    data = shared_reading(run, fitted, data)
    source = data.get("source") if isinstance(data, Mapping) else data
    if isinstance(data, Mapping) and is_frame(source):
        source = in_one_piece(source)
        asked = {**data, "source": source}
        return GivenRows(matching_data(asked, fitted.data, get_registry(), keep_unknown=keep_unknown), source)
    dataset = matching_data(data, fitted.data, get_registry(), keep_unknown=keep_unknown)
    if not isinstance(source, str | Path):
        return GivenRows(dataset)
    return GivenRows(dataset, settings=matching_settings(data), tabular=dataset.spec.form.columns)


def path_of(asked: Asked) -> Path | None:
    """Return the path of a run or model folder; `None` for a model in memory."""
    if isinstance(asked, TrainedModel):
        return None
    return asked.path if isinstance(asked, Run) else Path(asked)


def file_settings(run: Run | None, fitted: TrainedModel, data: AnyData | None, out: Path) -> DataSettings:
    """Return how data with a name or path are read, for an answer that is written to a file.

    Arguments:
        data: as for `open_rows`.
        out: the file.

    Raises:
        ConfigError: there are no data, they are in memory, or `out` would overwrite them.
    """
    if data is None:
        if run is None:
            raise ConfigError(
                f"A model folder does not name its data. Name the data to use: {argument('data', Word('DATA'))}."
            )
        run.check_data_on_disk()
        settings = known_to_model(run.config.data)
    else:
        source = data.get("source") if isinstance(data, Mapping) else data
        if not isinstance(source, str | Path):
            raise ConfigError(
                f"{argument('out')} is for data with a name or path, and these are in memory. Leave it out, and write "
                f"the result."
            )
        settings = matching_settings(shared_reading(run, fitted, data))
    check_not_source(out, settings.source)
    return settings


def written(answer: AnswerT | None, fitted: TrainedModel, out: Path) -> AnswerT:
    """Return what was written to a file.

    Arguments:
        answer: what is known of it; `None` if nothing could be written.

    Raises:
        ConfigError: the data or the file are of a kind that has no answers in a file.
    """
    if answer is not None:
        return answer
    known = ", ".join(BLOCK_SUFFIXES)
    raise ConfigError(
        f"{argument('out', str(out))} needs a file with the suffix {known}, a table without weights, and answers that "
        f"are no estimates; this model takes {fitted.data.form.plural}. Leave it out, and write the result."
    )


def answer_columns(
    rows: GivenRows, fitted: TrainedModel, keep: Sequence[str], taken: Sequence[str], result: ResultT
) -> ResultT | Any:
    """Return a result as a table for rows of a table in memory or with a name or path, and otherwise as it is.

    Arguments:
        keep: columns of the data to copy.
        taken: names of the result's own columns.

    Raises:
        ConfigError: a column to keep is unknown, or the rows are no table.
    """
    if rows.frame is not None:
        return with_columns(rows.frame, kept_of_frame(rows.frame, keep, taken), result.columns())
    if keep and (rows.settings is None or not rows.tabular):
        raise ConfigError(
            "keep names columns of a table, and only the columns of the model are at hand. Hand over the table."
            if rows.tabular
            else "keep names columns of a table, and these data are none. Leave it out."
        )
    if not rows.tabular:
        return result
    kept = {} if rows.settings is None else kept_columns(rows.settings, fitted, keep, taken)
    table = {name: column.to_pylist() for name, column in kept.items()} | dict(result.columns())
    return frame_of(table, usual_library(fitted.data))


def shared_reading(run: Run | None, fitted: TrainedModel, data: Any) -> Any:
    """Return data with the settings of the run's own data that new data share, such as marks of missing values.

    Settings that are given with the data come first.
    """
    if run is None or data is None or are_parts(data) or isinstance(data, Dataset):
        return data
    given = dict(data) if isinstance(data, Mapping) else {"source": data}
    shared = read_as_before(run.config.data, given, fitted.data, get_registry())
    return {**shared, **given} if shared else data


def read_for(run: Run | None, fitted: TrainedModel, data: AnyData, *, keep_unknown: bool = False) -> Dataset:
    """Return data that a call names, in the form that the model of a run was trained on.

    Arguments:
        keep_unknown: as for `matching_data`. Defaults to false.

    Raises:
        ConfigError, DataError: as `matching_data`.
    """
    given = shared_reading(run, fitted, data)
    return matching_data(given, fitted.data, get_registry(), keep_unknown=keep_unknown)


def is_array_or_frame(data: object) -> bool:
    """Return whether data are an array or a table in memory, which `TrainedModel` itself answers for."""
    return not (data is None or isinstance(data, str | Path | Mapping | Dataset))


def own_rows(run: Run) -> tuple[Dataset, Rows, Rows]:
    """Return the data of a run, and the numbers of its training and test rows.

    Raises:
        ArtifactError: the data have changed.
    """
    dataset = run.open_data()
    split = dataset.split(run.config.split, run.config.seed)
    return dataset, split.train, split.test


def training_rows(run: Run | None) -> tuple[Dataset, Rows] | None:
    """Return the training rows of a run, or `None` if its data are gone or have changed."""
    if run is None:
        return None
    try:
        dataset, train, _ = own_rows(run)
    except GenzooError:
        return None
    return dataset, train
