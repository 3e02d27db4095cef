"""A run: one directory with the settings, log, checkpoints, samples and model of one training."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from pydantic import TypeAdapter, ValidationError

import genzoo
from genzoo.config.data_form import DataForm
from genzoo.config.run_config import RunConfig
from genzoo.config.sampling import options_together
from genzoo.config.training import DirectTraining, GradientTraining
from genzoo.data.checks import data_difference, with_former_range
from genzoo.data.dataset import Dataset
from genzoo.data.download import without_fetching
from genzoo.data.loading import is_registered, open_dataset
from genzoo.data.opening.given import AnyData
from genzoo.errors import ArtifactError, ConfigError, DataError
from genzoo.inference.answers import Output
from genzoo.inference.data_units import Events
from genzoo.inference.trained_model import TrainedModel
from genzoo.persistence.checkpoint import CHECKPOINTS, checkpoints, load_checkpoint
from genzoo.persistence.environment import environment
from genzoo.persistence.format1 import upgrade_config
from genzoo.persistence.model_folder import load_model
from genzoo.persistence.safe_build import StoredModel, StoredWeights, build_from_file
from genzoo.plugins.api1 import with_former_names
from genzoo.plugins.manager import get_registry
from genzoo.runtime.launch import launch_command
from genzoo.runtime.progress import Phase
from genzoo.spec.events import DataSpec
from genzoo.storage.atomic import new_folder, recover_folders
from genzoo.storage.json_files import read_json, read_settings, write_json
from genzoo.storage.lock import exclusive_lock
from genzoo.storage.paths import check_inside, user_path
from genzoo.storage.temporary import remove_abandoned
from genzoo.typing import Array
from genzoo.wording import Word, argument, resuming

_DATA: TypeAdapter[DataSpec] = TypeAdapter(DataForm)


@with_former_names
class Run:
    """A run directory.

    Arguments:
        path: the directory. `Run.create` makes a new one, `Run(path)` opens an existing one.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._loaded: TrainedModel | None = None
        self._loaded_stamp: tuple[int | None, ...] = ()
        self.data_in_memory: Dataset | None = None
        """The data of a run that was trained here on data in memory, which no file holds."""

    def _repr_html_(self) -> str:
        return genzoo.view(self).html

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        """The folder of sample images or tables."""
        return self.path / "samples"

    @property
    def model(self) -> Path:
        """The portable model folder."""
        return self.path / "model"

    @property
    def log(self) -> Path:
        """One line of JSON per logged step."""
        return self.path / "metrics.jsonl"

    def pictures(self) -> list[Path]:
        """Return the files of samples saved during training, oldest first. Other files in the folder are ignored."""
        named = (path for path in self.samples.glob("step-*") if path.stem.removeprefix("step-").isdecimal())
        return sorted(named, key=lambda path: int(path.stem.removeprefix("step-")))

    @property
    def config(self) -> RunConfig:
        """The settings, read from `config.json`.

        Raises:
            ArtifactError: the file is missing or of another version.
        """
        return read_settings(self.path / "config.json", RunConfig, upgrade_config)

    @property
    def record(self) -> dict[str, Any]:
        """The record, read from `run.json`: status, versions, device, precision, seconds, steps."""
        return read_json(self.path / "run.json")

    @staticmethod
    def create(path: Path, config: RunConfig, *, numbered: bool = False, **record: Any) -> Run:
        """Make a run directory.

        Arguments:
            numbered: if the name is taken, add the first number that makes it free: `NAME-2`. Defaults to false.
            record: fields of `run.json`.

        Raises:
            ConfigError: it already exists; runs are never overwritten.
            GenzooError: the directory cannot be made.
        """

        def fill(fresh: Path) -> None:
            Run(fresh).configure(config)
            Run(fresh).update(status="created", **record)

        free = path
        for number in itertools.count(2):
            if new_folder(free, fill):
                break
            if not numbered:
                raise ConfigError(
                    f"{path} exists already, and runs are never overwritten. Choose another {argument('out')}."
                )
            free = path.with_name(f"{path.name}-{number}")
        return Run(free)

    @property
    def unfinished(self) -> str | None:
        """Why the model is not the end of a completed training, and what it is instead; `None` if it is."""
        record = self.record
        status = record.get("status")
        if status == "finished":
            kept = record.get("kept")
            if not isinstance(kept, dict) or kept.get("converged", True):
                return None
            return f"Its training ended before EM converged, after {kept.get('passes')} passes of the kept restart."
        saved = checkpoints(self.checkpoints)
        words = {
            "diverged": "diverged",
            "running": "has not finished; it may still go on",
            "interrupted": "was interrupted",
        }
        where = f"of its last checkpoint, {saved[-1].name}" if saved else "of the model in its folder"
        return f"Its training {words.get(str(status), f'has not finished ({status})')}. This is the model {where}."

    def configure(self, config: RunConfig) -> None:
        """Write the settings, such as those with a larger budget."""
        write_json(self.path / "config.json", config.model_dump(mode="json"))

    def update(self, **fields: Any) -> None:
        """Set fields of `run.json` and keep the others."""
        known = self.record if (self.path / "run.json").exists() else {"format": 1, **environment()}
        write_json(self.path / "run.json", {**known, **fields})

    def load(self, device: torch.device | None = None) -> TrainedModel:
        """Return the trained model, or the last checkpoint's if training has not finished.

        The files are read once: later calls, and methods such as `sample`, use the same object until training has
        replaced the files. To change a model, take one of your own with `genzoo.load`.

        Arguments:
            device: where it computes. Defaults to the host.

        Raises:
            ArtifactError: the run holds neither, or it is damaged.
        """
        stamp, loaded = self._stamp(), self._loaded
        if loaded is None or self._loaded_stamp != stamp or not _is_on(loaded.device, device or torch.device("cpu")):
            self._loaded = loaded = self._read(device)
            self._loaded_stamp = stamp
        return loaded

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_loaded": None, "_loaded_stamp": (), "data_in_memory": None}

    def _stamp(self) -> tuple[int | None, ...]:
        """Return when the files were last written that decide what `load` returns."""
        stamps: list[int | None] = []
        for path in (self.path / "run.json", self.checkpoints, self.model):
            try:
                stamps.append(path.stat().st_mtime_ns)
            except OSError:  # not there, or just being replaced
                stamps.append(None)
        return tuple(stamps)

    def _read(self, device: torch.device | None) -> TrainedModel:
        saved = checkpoints(self.checkpoints)
        try:
            finished = self.record.get("status") == "finished"
            if finished or (not saved and (self.model / "config.json").exists()):
                check_inside(self.model, self.path)
                return load_model(self.model, get_registry(), device)
            return self._read_checkpoint(saved, device)
        except ArtifactError:
            if checkpoints(self.checkpoints) == saved:
                raise
            return self._read(device)  # training goes on, and has replaced them meanwhile

    def _read_checkpoint(self, saved: list[Path], device: torch.device | None) -> TrainedModel:
        if not saved:
            raise ArtifactError(f"{self.path} holds neither a trained model nor a checkpoint. Train it first.")
        check_inside(saved[-1], self.path)
        config = self.config
        state, tensors = load_checkpoint(saved[-1])
        if isinstance(config.training, DirectTraining) and not state.numbers.get("fitted"):
            raise ArtifactError(
                f"{self.path} is a direct fit that has not ended, so it holds no model yet. Start the fit again with: "
                f"{resuming(launch_command(1), self.path, config.model_file)}"
            )
        kept = state.kept(tensors)
        outlines = {name: tensor.to("meta") for name, tensor in kept.items()}
        weights = StoredWeights(str(saved[-1]), outlines, lambda: kept)
        stored = StoredModel(
            config.model,
            config.options,
            self.data,
            state.transforms,
            config.model_source,
            config.sampling,
            config.sampling_group,
            channels_last=isinstance(config.training, GradientTraining) and len(self.data.event_shape) == 3,
        )
        return build_from_file(stored, weights, get_registry(), device)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training into this run. Repair first what a killed process left half done.

        Raises:
            ArtifactError: another process trains into the run, or a link in it leads out of it.
        """
        for folder in (self.model, self.checkpoints, self.samples):
            check_inside(folder, self.path)
        remove_abandoned(self.path.parent)
        with exclusive_lock(self.path):
            recover_folders(self.path, self.model.name)
            recover_folders(self.checkpoints, CHECKPOINTS)
            recover_folders(self.samples)
            yield

    @property
    def data(self) -> DataSpec:
        """Description of one event: the shape, the features and their kinds.

        Raises:
            ArtifactError: the record lacks it, or it is damaged.
        """
        try:
            return _DATA.validate_python(self.record.get("data"))
        except ValidationError as error:
            raise ArtifactError(f"{self.path / 'run.json'} does not say what one event is.") from error

    def open_data(self) -> Dataset:
        """Open the data that the run was trained on, held-out rows included. Nothing is downloaded.

        Raises:
            ArtifactError: the data have changed, or the settings do not suit them.
            DataError: the data cannot be found or read.
        """
        config, remedy = self.config, f"Restore them, or name other data: {argument('data', Word('DATA'))}."
        if self.data_in_memory is not None:
            return self.check_same_data(self.data_in_memory, remedy)
        self.check_data_on_disk()
        try:
            with without_fetching():
                dataset = open_dataset(config.data, get_registry(), config.split)
        except ConfigError as error:
            raise ArtifactError(f"{self.path} has settings that do not suit its data: {error}") from error
        return self.check_same_data(dataset, remedy)

    def check_data_on_disk(self) -> None:
        """Check that the run was not trained on data in memory, which no other process can open.

        Raises:
            DataError: it was.
        """
        source = self.config.data.source
        if not (os.path.lexists(user_path(source)) or is_registered(source, get_registry()) or os.sep in source):
            raise DataError(
                f"{self.path} was trained on data in memory, {source!r}, which it does not hold. Name them, or other "
                f"data: {argument('data', Word('DATA'))}."
            )

    def check_same_data(self, dataset: Dataset, remedy: str) -> Dataset:
        """Return the dataset that the run was trained on, after checking that this is it.

        The range of images is the run's own, even if other rules would now find another range in the same images.

        Arguments:
            remedy: what to do if it is not, as a sentence.

        Raises:
            ArtifactError: it is not; the message says in what they differ.
        """
        config, record = self.config, self.record
        with Phase("checking the data"):
            same = dataset.has_digest(config.data_digest)
        if same:
            return dataset
        try:
            before = self.data
        except ArtifactError:
            before = None
        if before is not None:
            dataset = with_former_range(dataset, before)
            if dataset.digest() == config.data_digest:
                return dataset
        difference = data_difference(before, dataset.spec, rows_before=record.get("events"), rows=len(dataset))
        raise ArtifactError(
            f"{self.path} was trained on other data than {config.data.source!r} holds now: {difference}. {remedy}"
        )

    # Each returns arrays for arrays, and tables for tables.

    @options_together
    def sample(
        self,
        n: int,
        *,
        seed: int = 0,
        output: Output | None = None,
        mean: bool = False,
        given: Mapping[str, object] | None = None,
        condition: Any = None,
        options: Mapping[str, Any] | None = None,
        prompt: str | None = None,
    ) -> Any:
        """Call `TrainedModel.sample` of the trained model."""
        how: dict[str, Any] = {"given": given, "condition": condition, "options": options, "prompt": prompt}
        return self.load().sample(n, seed=seed, output=output, mean=mean, **how)

    def log_prob(self, x: Events, *, condition: Any = None) -> Any:
        """Call `TrainedModel.log_prob` of the trained model."""
        return self.load().log_prob(x, condition=condition)

    def log_prob_each(self, texts: Any, *, condition: Any = None) -> list[Array]:
        """Call `TrainedModel.log_prob_each` of the trained model."""
        return self.load().log_prob_each(texts, condition=condition)

    def encode(self, x: Events, *, condition: Any = None, seed: int = 0) -> Any:
        """Call `TrainedModel.encode` of the trained model."""
        return self.load().encode(x, condition=condition, seed=seed)

    def decode(self, z: Events, *, output: Output | None = None, condition: Any = None) -> Any:
        """Call `TrainedModel.decode` of the trained model."""
        return self.load().decode(z, output=output, condition=condition)

    def reconstruct(self, x: Events, *, condition: Any = None) -> Any:
        """Call `TrainedModel.reconstruct` of the trained model."""
        return self.load().reconstruct(x, condition=condition)

    def anomaly_score(self, x: Events, *, condition: Any = None) -> Any:
        """Call `TrainedModel.anomaly_score` of the trained model."""
        return self.load().anomaly_score(x, condition=condition)

    def log_prob_bound(self, x: Events, *, condition: Any = None, draws: int = 1, seed: int = 0) -> Any:
        """Call `TrainedModel.log_prob_bound` of the trained model."""
        return self.load().log_prob_bound(x, condition=condition, draws=draws, seed=seed)

    def log_prob_estimate(self, x: Events, **options: Any) -> tuple[Array, Array]:
        """Call `TrainedModel.log_prob_estimate` of the trained model."""
        return self.load().log_prob_estimate(x, **options)

    def log_posterior(self, x: Events, *, condition: Any = None) -> Any:
        """Call `TrainedModel.log_posterior` of the trained model."""
        return self.load().log_posterior(x, condition=condition)

    def covers(self, x: Events, *, condition: Any = None) -> Any:
        """Call `TrainedModel.covers` of the trained model."""
        return self.load().covers(x, condition=condition)

    # The functions of `genzoo` that answer these need packages above this one; the façade imports them on first use.

    def evaluate(self, data: AnyData | None = None, **terms: Any) -> genzoo.Evaluation:
        """Call `genzoo.evaluate`: the log-likelihood and sample metrics, on the run's test rows or on all of `data`."""
        return genzoo.evaluate(self, data, **terms)

    def score(self, data: AnyData | None = None, **terms: Any) -> Any:
        """Call `genzoo.score`: how likely each row of the run's own data, or of `data`, is."""
        return genzoo.score(self, data, **terms)

    def cluster(self, data: AnyData | None = None, **terms: Any) -> Any:
        """Call `genzoo.cluster`: the most probable component of each row of the run's own data, or of `data`."""
        return genzoo.cluster(self, data, **terms)

    def embed(self, data: AnyData | None = None, **terms: Any) -> Any:
        """Call `genzoo.embed`: the latent vector of each row of the run's own data, or of `data`."""
        return genzoo.embed(self, data, **terms)

    def impute(self, data: AnyData | None = None, **terms: Any) -> Any:
        """Call `genzoo.impute`: the run's own data, or `data`, with missing values filled in."""
        return genzoo.impute(self, data, **terms)

    def report(self, out: str | Path | None = None, data: AnyData | None = None, **terms: Any) -> genzoo.RunReport:
        """Call `genzoo.report`: one HTML page about the run, written to `out` if it is given."""
        return genzoo.report(self, out, data, **terms)

    def picture(self, n: int = 64, **terms: Any) -> Image.Image:
        """Call `genzoo.picture`: images of the model, side by side."""
        return genzoo.picture(self, n, **terms)

    def traverse(self, **terms: Any) -> genzoo.Traversal:
        """Call `genzoo.traverse`: events along single latent dimensions."""
        return genzoo.traverse(self, **terms)

    def interpolate(
        self, ends: tuple[int, int] | Array, data: AnyData | None = None, **terms: Any
    ) -> genzoo.LatentPath:
        """Call `genzoo.interpolate`: events on a path between two rows of the run's own data, or of `data`."""
        return genzoo.interpolate(self, ends, data, **terms)

    def describe(self, data: AnyData | None = None, **terms: Any) -> genzoo.Description:
        """Call `genzoo.describe`: what the model says about the run's own data, or about `data`."""
        return genzoo.describe(self, data, **terms)


def _is_on(here: torch.device, wanted: torch.device) -> bool:
    return here.type == wanted.type and wanted.index in (None, here.index)
