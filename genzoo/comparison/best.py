"""The run of the best candidate of a comparison."""

from __future__ import annotations

import shutil
from pathlib import Path

from genzoo.comparison.division import Division, split_settings
from genzoo.config import RunConfig
from genzoo.data.dataset import Dataset
from genzoo.errors import GenzooError
from genzoo.files import put_in_place
from genzoo.preparation import prepare
from genzoo.run import Run
from genzoo.training import run_training, start_run
from genzoo.watch import selects


def train_best(path: Path, fit: RunConfig, dataset: Dataset, division: Division, *, everything: bool) -> None:
    """Train a run again as a comparison fitted it under its first seed, unless it is there already.

    Of cross-validation and of several seeds there are many fits, of which this is none, or the first.

    Arguments:
        path: of the run.
        fit: how it was fitted.
        everything: whether to all rows, or to those before the test rows.

    Raises:
        DivergenceError, Interrupted: as of any training; nothing is left at `path`.
        GenzooError: the disk is full or read-only.
    """
    watched = selects(fit.training)
    split = split_settings(division.settings, everything=everything, watched=watched)
    rows = division.split(everything=everything, watched=watched)
    prepared = prepare(fit.model_copy(update={"split": split}), dataset, rows)
    config = prepared.config.model_copy(update={"data_digest": dataset.digest()})
    if (path / "run.json").exists() and _is_of(Run(path), config):
        return
    temporary = path.with_name(f".{path.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        run_training(prepared, start_run(prepared, temporary))
        put_in_place(temporary, path)
    except OSError as error:
        raise GenzooError(f"{path} could not be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_of(run: Run, config: RunConfig) -> bool:
    return run.record.get("status") == "finished" and run.config == config
