"""The log for MLflow."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from genzoo.training.loggers.logger import Logged, Logger, Opening

_EXPERIMENT = "genzoo"
_MOST_METRICS, _MOST_PARAMS, _LONGEST_PARAM = 1000, 100, 6000
"""Limits of MLflow for one call."""


class MLflowLogger(Logger):
    """Makes a run of the experiment `genzoo`, or of the one that `MLFLOW_EXPERIMENT_NAME` names.

    It goes to `MLFLOW_TRACKING_URI`, or by default into the current folder.
    """

    def __init__(self, opening: Opening) -> None:
        self._client = MlflowClient()
        found = opening.state.get("run")
        if found is None:
            found = self._create(opening)
        else:
            self._client.set_terminated(found, "RUNNING")
        self._run: str = found

    def _create(self, opening: Opening) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", _EXPERIMENT)
        experiment = self._client.get_experiment_by_name(name)
        number = self._client.create_experiment(name) if experiment is None else experiment.experiment_id
        run = self._client.create_run(
            number, run_name=opening.run.path.name, tags={"genzoo.run": str(opening.run.path)}
        )
        return str(run.info.run_id)

    def start(self, settings: Mapping[str, Any]) -> None:
        """Write the settings as parameters."""
        params = [Param(name, str(value)[:_LONGEST_PARAM]) for name, value in settings.items()]
        for first in range(0, len(params), _MOST_PARAMS):
            self._client.log_batch(self._run, params=params[first : first + _MOST_PARAMS])

    def state(self) -> dict[str, Any]:
        """Return the id of the run."""
        return {"run": self._run}

    def log(self, logged: Sequence[Logged]) -> None:
        """Write metrics, and files of samples as artifacts."""
        now = int(1000 * time.time())
        metrics = [Metric(name, value, now, one.step) for one in logged for name, value in one.values.items()]
        for first in range(0, len(metrics), _MOST_METRICS):
            self._client.log_batch(self._run, metrics=metrics[first : first + _MOST_METRICS])
        for one in logged:
            for path in one.samples:
                self._client.log_artifact(self._run, str(path), "samples")

    def close(self, *, finished: bool) -> None:
        """End the run, as finished or killed."""
        self._client.set_terminated(self._run, "FINISHED" if finished else "KILLED")
