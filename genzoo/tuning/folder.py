"""The folder of a search: what it searches, its trials, and the comparison of the best."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from genzoo.config.settings import Settings
from genzoo.errors import ArtifactError, ConfigError, GenzooError
from genzoo.storage.json_files import read_settings, write_json
from genzoo.storage.lock import NAME as LOCK
from genzoo.storage.lock import exclusive_lock
from genzoo.storage.paths import check_inside
from genzoo.wording import argument

COMPARISON = "comparison"
"""Name of the folder of the comparison of the best trials."""

_HEADER = "tune.json"


class TuneHeader(Settings):
    """`tune.json`: everything that the trials of a search share."""

    format: Literal[1] = 1
    model: str
    options: dict[str, Any] = Field(description="settings of the model that every trial shares")
    common: dict[str, Any] = Field(description="settings of the run that every trial shares")
    source: dict[str, Any] | None = Field(description="settings of the data, or none if they were in memory")
    data: str = Field(description="SHA-256 of the events")
    search: dict[str, Any] = Field(description="what to try of each setting")
    metric: str | None = Field(description="metric that judges the trials, or none: the likelihood")
    features: str | None
    target: str | None
    trials: int = Field(description="number of trials that were asked for; a later call may ask for more")
    top: int = Field(description="number of the best trials to judge again; a later call may ask for others")


class TuneFolder:
    """The folder of a search.

    Arguments:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def trials(self) -> Path:
        """Optuna's journal of the trials."""
        return self.path / "trials.journal"

    @property
    def comparison(self) -> Path:
        """Folder of the comparison of the best trials."""
        return self.path / COMPARISON

    @property
    def page(self) -> Path:
        """The report."""
        return self.path / "report.html"

    def check(self) -> None:
        """Check that the folder is new, or has a search.

        Raises:
            ConfigError: it contains something else.
        """
        if (self.path / _HEADER).exists() or not self.path.exists():
            return
        if not self.path.is_dir() or any(one.name not in (LOCK, COMPARISON) for one in self.path.iterdir()):
            raise ConfigError(f"{self.path} exists already and contains no search. Choose another {argument('out')}.")

    def header(self) -> TuneHeader:
        """Return what the trials of the search share.

        Raises:
            ConfigError: there is no search in the folder.
            ArtifactError: the file is damaged.
        """
        if not (self.path / _HEADER).exists():
            raise ConfigError(f"{self.path} contains no search. Name the folder of a search that was kept.")
        return read_settings(self.path / _HEADER, TuneHeader)

    @contextlib.contextmanager
    def locked(self, header: TuneHeader) -> Iterator[None]:
        """Lock the folder against other processes, and keep what the search is about.

        Raises:
            ConfigError: it has a search with other settings.
            ArtifactError: it has a search in other data, or another process works here.
            GenzooError: the disk is full or read-only.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GenzooError(f"Cannot create {self.path}: {error.strerror}.") from error
        for path in (self.comparison, self.trials):
            check_inside(path, self.path)
        with exclusive_lock(self.path):
            if (self.path / _HEADER).exists():
                _check_same(self.path, self.header(), header)
            write_json(self.path / _HEADER, header.model_dump(mode="json"))
            yield


def _check_same(path: Path, known: TuneHeader, wanted: TuneHeader) -> None:
    before, now = known.model_dump(mode="json"), TuneHeader(**wanted.model_dump(mode="json")).model_dump(mode="json")
    for name in TuneHeader.model_fields:
        if name not in ("data", "trials", "top") and before[name] != now[name]:
            raise ConfigError(
                f"{path} contains a search with {name} {_shown(before[name])}, and now it is {_shown(now[name])}. Use "
                f"the same value, or choose another {argument('out')}."
            )
    if known.data != wanted.data:
        raise ArtifactError(
            f"{path} contains a search in other data: their values differ. Restore the data, or choose another "
            f"{argument('out')}."
        )


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={one}" for name, one in value.items()) or "none"
    return "none" if value is None else str(value)
