"""Keep finished candidates and fits on disk, so that an interrupted comparison resumes."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import importlib.metadata
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, TypeAdapter, ValidationError

from genzoo.comparison.aggregate import CandidateResult
from genzoo.comparison.candidate import Candidate
from genzoo.comparison.fits.job import FitJob, FitResult
from genzoo.comparison.fits.journal import FitJournal
from genzoo.config.data import SplitSettings
from genzoo.config.data_form import DataForm
from genzoo.config.run_config import Precision
from genzoo.config.settings import Settings
from genzoo.data.checks import data_difference
from genzoo.errors import ArtifactError, ConfigError, GenzooError
from genzoo.persistence.format1 import upgrade_candidate
from genzoo.plugins.discovery import distribution_of
from genzoo.plugins.manager import get_registry
from genzoo.reports.result import Row
from genzoo.storage.atomic import recover_folders
from genzoo.storage.json_files import read_json, read_settings, write_json
from genzoo.storage.lock import exclusive_lock
from genzoo.storage.paths import check_inside
from genzoo.storage.tensors import digest, read_tensors, write_tensors
from genzoo.version import version
from genzoo.wording import argument

_HEADER = "comparison.json"

_HELD_OUT = "held_out."
"""Prefix of the tensors of held-out scores."""

_RANGE = (np.finfo(np.float64).min, np.finfo(np.float64).max)


class StoreHeader(Settings):
    """`comparison.json`: the settings and data that all candidates of a comparison share."""

    format: Literal[1, 2] = 2
    data: str = Field(description="SHA-256 of the events")
    event: DataForm | None = Field(None, description="form of one row or image; not in format 1")
    events: int | None = Field(None, description="number of rows; not in format 1")
    test_rows: int = Field(description="number of rows that came as a test set")
    split: SplitSettings
    seed: int
    seeds: int
    folds: int
    device: str
    precision: Precision
    features: dict[str, Any] = Field(description="protocol of the feature extractor: name, digest, resizer ...")
    target: str | None = Field(None, description="column that metrics predict, or none; not in format 1")


class RowFile(Settings):
    """`rows/<key>.json`: one finished candidate."""

    format: Literal[2] = 2
    candidate: dict[str, Any] = Field(description="model, options, objective, training and package versions")
    row: dict[str, Any]
    resolution: float
    slack: float
    tensors: str = Field(description="SHA-256 of the held-out log-likelihoods and samples")


class ResultStore:
    """A folder of finished candidates.

    Arguments:
        path: the folder. `ResultStore.open` creates or opens one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = FitJournal(path / "fits.jsonl")
        # Looking a version up reads a file, and a comparison of many candidates asks hundreds of times.
        self._version_of = functools.cache(_version)

    @staticmethod
    def open(path: Path, shared: StoreHeader) -> ResultStore:
        """Create a folder, or open one of the same comparison.

        Raises:
            ConfigError: the folder contains something else, or a comparison with other settings.
            ArtifactError: it contains a comparison of other data, or is damaged.
            GenzooError: it cannot be created.
        """
        if (path / _HEADER).exists():
            known = read_settings(path / _HEADER, StoreHeader)
            _refuse_other(path, known, shared)
            return ResultStore(path)
        if path.exists() and (not path.is_dir() or any(not _is_beginning(entry) for entry in path.iterdir())):
            raise ConfigError(f"{path} exists already and contains no comparison. Choose another {argument('out')}.")
        try:
            path.mkdir(parents=True, exist_ok=True)
            with exclusive_lock(path):
                (path / "rows").mkdir(exist_ok=True)
                if not (path / _HEADER).exists():
                    write_json(path / _HEADER, shared.model_dump(mode="json"))
        except OSError as error:
            raise GenzooError(f"Cannot create {path}: {error.strerror}.") from error
        return ResultStore.open(path, shared)  # another process may have been quicker

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder against other processes, and clean up what a killed process left unfinished.

        Raises:
            ArtifactError: another process works here, or a subfolder links to a place outside.
        """
        for name in ("rows", "best"):
            check_inside(self.path / name, self.path)
        with exclusive_lock(self.path):
            recover_folders(self.path, "best")
            recover_folders(self.path / "rows")
            yield

    def find(self, candidate: Candidate) -> CandidateResult | None:
        """Return the stored result of a candidate, or `None`.

        Raises:
            ArtifactError: its file is damaged.
        """
        place = self._place(candidate)
        if not place.exists():
            former = self._former_place(candidate)
            if former is None:
                return None
            place = former
        content = read_settings(place, RowFile, upgrade_candidate)
        tensors = place.with_suffix(".safetensors")
        try:
            row = TypeAdapter(Row).validate_python(content.row)
        except ValidationError as error:
            raise ArtifactError(f"{place} is damaged. Delete it, and the candidate is fitted again.") from error
        scores = {name: value.numpy() for name, value in read_tensors(tensors, {}, content.tensors).items()}
        row = dataclasses.replace(row, id=candidate.id, options=dict(candidate.assigned))
        return CandidateResult(
            row,
            content.resolution,
            scores.get("test"),
            scores.get("cv"),
            content.slack,
            samples=scores.get("means", scores.get("samples")),
            means="means" in scores,
            held_out={name: scores[_HELD_OUT + name] for name in ("test", "cv") if _HELD_OUT + name in scores},
        )

    def add(self, candidate: Candidate, result: CandidateResult) -> None:
        """Store a finished candidate. A candidate with a failed fit is not stored, so the next call tries it again.

        Raises:
            GenzooError: the disk is full or read-only.
        """
        if result.row.status == "failed" or not result.whole:
            return
        place = self._place(candidate)
        tensors = place.with_suffix(".safetensors")
        scores = {"test": result.test, "cv": result.cv, "means" if result.means else "samples": result.samples}
        # The file of tensors holds finite numbers only.
        scores |= {_HELD_OUT + name: np.clip(own, *_RANGE) for name, own in result.held_out.items()}
        write_tensors(tensors, {name: torch.from_numpy(s) for name, s in scores.items() if s is not None})
        content = RowFile(
            candidate=self._settings_of(candidate),
            row=dataclasses.asdict(result.row),
            resolution=result.resolution,
            slack=result.slack,
            tensors=digest(tensors),
        )
        write_json(place, content.model_dump(mode="json"))

    def add_fit(self, candidate: Candidate, result: FitResult) -> None:
        """Store a finished fit of a candidate that has others to come. A failed fit is not stored.

        Raises:
            GenzooError: the disk is full or read-only.
        """
        if result.failure is None:
            self.journal.add(self._key_of_fit(candidate, result.trial), result)

    def find_fits(self, candidates: Sequence[Candidate], trials: Sequence[FitJob]) -> list[FitResult]:
        """Return the stored fits among those that are wanted.

        Arguments:
            candidates: the candidates that numbers in `trials` mean.
        """
        return self.journal.read({self._key_of_fit(candidates[trial.candidate], trial): trial for trial in trials})

    def _key_of_fit(self, candidate: Candidate, trial: FitJob) -> str:
        training = trial.config.training.model_dump(mode="json")  # fits for criteria have a tolerance of their own
        text = json.dumps([self._settings_of(candidate), training], sort_keys=True)
        return f"{hashlib.sha256(text.encode()).hexdigest()}/{trial.purpose}/{trial.repeat}/{trial.fold}"

    def _former_place(self, candidate: Candidate) -> Path | None:
        """Return the file of a candidate that was stored while its settings had other names, and so another digest."""
        wanted = self._settings_of(candidate)
        return next((place for place, settings in self._found_before if settings == wanted), None)

    @functools.cached_property
    def _found_before(self) -> list[tuple[Path, Any]]:
        """The candidates stored when the first one was missing, under their current names."""
        places = sorted((self.path / "rows").glob("*.json"))
        return [(place, upgrade_candidate(read_json(place, 2)).get("candidate")) for place in places]

    def _place(self, candidate: Candidate) -> Path:
        text = json.dumps(self._settings_of(candidate), sort_keys=True)
        return self.path / "rows" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"

    def _settings_of(self, candidate: Candidate) -> dict[str, Any]:
        """Return the settings that a stored result belongs to, and the versions of the plugins."""
        config = candidate.config
        zoo = get_registry()
        model = zoo.models.get(config.model)
        objective = zoo.objective_of(model, config.objective.name)
        versions = {name: self._version_of(name) for name in {model.distribution, objective.distribution}}
        settings = config.model_dump(mode="json", include={"model", "options", "objective", "training"})
        if config.sampling:  # results from before there were sampling options stay valid
            settings["sampling"] = config.sampling
        if config.model_source is not None:
            settings["model_source"] = config.model_dump(mode="json", include={"model_source"})["model_source"]
        return {**settings, "versions": {"genzoo": version(), **versions}}


def _is_beginning(entry: Path) -> bool:
    """Return whether an entry is left from a comparison that was killed before it wrote its header."""
    return entry.name.startswith(".") or (entry.name == "rows" and entry.is_dir() and not any(entry.iterdir()))


def _version(distribution: str) -> str | None:
    """Return the version of an installed plugin, or `None` for one that no distribution provides."""
    try:
        return importlib.metadata.version(distribution_of(distribution))
    except importlib.metadata.PackageNotFoundError:
        return None


def _refuse_other(path: Path, known: StoreHeader, shared: StoreHeader) -> None:
    if known.data != shared.data and known.split == shared.split:
        change = data_difference(known.event, shared.event, rows_before=known.events, rows=shared.events)
        raise ArtifactError(
            f"{path} contains a comparison of other data: {change}. Restore the data, or choose another "
            f"{argument('out')}."
        )
    # Groups and times are part of the data, so another split comes first.
    for name in ["split", *(name for name in StoreHeader.model_fields if name not in ("format", "event", "events"))]:
        before, now = getattr(known, name), getattr(shared, name)
        if before != now:
            raise ConfigError(
                f"{path} contains a comparison with {name} {before}, and now it is {now}. Use the same value, or "
                f"choose another {argument('out')}."
            )
