"""What runs and comparisons a folder holds, without loading a model: name, status, settings, size.

No torch is imported.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from genzoo.config.layers import leaves
from genzoo.config.run_config import runs_folder
from genzoo.errors import ArtifactError, GenzooError, did_you_mean
from genzoo.persistence.format1 import upgrade_config
from genzoo.storage.json_files import parse_json, read_json
from genzoo.storage.lock import exclusive_lock, is_locked
from genzoo.storage.paths import contains, open_regular, user_path
from genzoo.storage.temporary import temporary_folder
from genzoo.text import seconds_text, size_text

STATUSES = ("finished", "running", "stopped", "interrupted", "diverged", "failed", "created", "damaged")
"""What can have become of a run. One that was killed is "stopped"; one whose files cannot be read is "damaged"."""


_CONFIG_FORMAT = 2
_TAIL = 2**16
_MOST = 10**15
"""Largest number of steps or seconds that is believed."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a list says about a run, or about a comparison.

    Arguments:
        path: its folder.
        kind: a run, or the folder of a comparison.
        model: name of the model; of a comparison, id of the best candidate. Empty if it is unknown.
        data: what it was trained on: a built-in name, or the last part of a path.
        status: one of `STATUSES`.
        steps: number of steps so far; of a comparison, number of finished candidates.
        seconds: time of training so far.
        started: when training began, in UTC.
        bytes: size of all files.
    """

    path: Path
    kind: Literal["run", "comparison"]
    model: str = ""
    data: str = ""
    status: str = "damaged"
    steps: int | None = None
    seconds: float | None = None
    started: datetime | None = None
    bytes: int = 0

    @property
    def name(self) -> str:
        """Name of the folder."""
        return os.path.basename(os.path.abspath(self.path))  # noqa: PTH100, PTH119 - also of "." and "..", as given

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return {
            "name": self.name,
            "path": str(self.path),
            "kind": self.kind,
            "model": self.model,
            "data": self.data,
            "status": self.status,
            "steps": self.steps,
            "seconds": self.seconds,
            "started": None if self.started is None else self.started.isoformat(),
            "bytes": self.bytes,
        }


def list_runs(
    folder: str | Path | None = None,
    *,
    models: Iterable[str] = (),
    data: Iterable[str] = (),
    statuses: Iterable[str] = (),
) -> list[RunSummary]:
    """List the runs and comparisons in a folder, the newest first. A folder that does not exist holds none.

    Arguments:
        folder: Defaults to the folder of runs.
        models: list only runs of one of these models, by name or id. Defaults to all.
        data: list only those with one of these data, by name or path. Defaults to all.
        statuses: list only those with one of these statuses. Defaults to all.

    Raises:
        ArtifactError: the folder cannot be read.
    """
    place = runs_folder() if folder is None else user_path(folder)
    try:
        entries = sorted(place.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ArtifactError(f"{place} cannot be read: {error.strerror}.") from error
    asked = [(tuple(wanted), name) for wanted, name in ((models, "model"), (data, "data"), (statuses, "status"))]
    found = [summary for entry in entries if (summary := summarize(entry)) is not None]
    kept = [one for one in found if all(not wanted or _is(one, name, wanted) for wanted, name in asked)]
    return sorted(kept, key=lambda one: 0.0 if one.started is None else one.started.timestamp(), reverse=True)


def _is(summary: RunSummary, name: str, wanted: Sequence[str]) -> bool:
    if name == "model" and summary.kind == "comparison":
        return False  # it has many models, and this one is only the best
    return str(getattr(summary, name)) in {one.rstrip("/").rpartition("/")[2] for one in wanted}


def summarize(path: Path) -> RunSummary | None:
    """Return what is known about the run or comparison in a folder; `None` if it is neither."""
    if contains(path, "config.json", "run.json"):
        return _run(path)
    return _comparison(path) if contains(path, "comparison.json") else None


def _run(path: Path) -> RunSummary:
    try:
        config, record = read_config(path), read_json(path / "run.json")
    except ArtifactError:
        return RunSummary(path, "run", bytes=folder_size(path))
    status = record.get("status")
    if status == "running" and not is_locked(path):
        status = "stopped"
    source = config.get("data", {}).get("source")
    return RunSummary(
        path,
        "run",
        _text(config.get("model")).rpartition("/")[2],
        Path(_text(source)).name,
        status if status in STATUSES else "damaged",
        _number(record.get("steps"), int) if "steps" in record else _last_step(path),
        _number(record.get("seconds"), int, float),
        _time(record.get("started")),
        folder_size(path),
    )


def _comparison(path: Path) -> RunSummary:
    try:
        read_json(path / "comparison.json", _CONFIG_FORMAT)
        report = read_json(path / "report.json", 1, "schema") if contains(path, "report.json") else {}
    except ArtifactError:
        return RunSummary(path, "comparison", bytes=folder_size(path))
    ended = "finished" if report else "stopped"
    about = report.get("data")
    return RunSummary(
        path,
        "comparison",
        _text(report.get("best")),
        Path(_text(about.get("name") if isinstance(about, dict) else None)).name,
        "running" if is_locked(path) else ended,
        len(list((path / "rows").glob("*.json"))),
        None,
        datetime.fromtimestamp((path / "comparison.json").stat().st_mtime).astimezone(),
        folder_size(path),
    )


def summary_rows(summaries: Iterable[RunSummary]) -> list[list[str]]:
    """Return a header and one row of texts for each run."""
    header = ["name", "model", "data", "status", "steps", "time", "started", "size"]
    return [header, *([*_texts(one)] for one in summaries)]


def _texts(one: RunSummary) -> Iterator[str]:
    model = one.model if one.kind == "run" else f"comparison{f', best {one.model}' if one.model else ''}"
    yield from (one.name, model, one.data, one.status)
    yield "" if one.steps is None else f"{one.steps:,}"
    yield "" if one.seconds is None else seconds_text(one.seconds)
    yield "" if one.started is None else f"{one.started.astimezone():%Y-%m-%d %H:%M}"
    yield size_text(one.bytes)


def read_config(path: Path) -> dict[str, Any]:
    """Return the settings in `config.json` of a run as they are stored, in the form of this version.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    content = read_json(path / "config.json", _CONFIG_FORMAT)
    content = upgrade_config(content) if content.get("format") == 1 else content
    for part in ("data", "options", "objective", "training", "split"):
        if not isinstance(content.get(part, {}), dict):
            raise ArtifactError(f"{path / 'config.json'} holds {content[part]!r:.40} as {part}, not an object.")
    return content


def last_losses(path: Path) -> dict[str, Any]:
    """Return the last line of the log of a run; empty if there is none."""
    try:
        with open_regular(path / "metrics.jsonl") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            lines = file.read().splitlines()
    except (ArtifactError, OSError):
        return {}
    for line in reversed(lines):
        with contextlib.suppress(ValueError):
            content = parse_json(line)
            if isinstance(content, dict) and isinstance(content.get("loss"), dict):
                return content
    return {}


def _last_step(path: Path) -> int | None:
    step: int | None = _number(last_losses(path).get("step"), int)
    return step


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any, *kinds: type) -> Any:
    """Return a number that a run can have counted or measured; `None` for anything else in a damaged file."""
    return value if type(value) in kinds and 0 <= value < _MOST else None


def _time(text: Any) -> datetime | None:
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        return datetime.fromisoformat(text).astimezone()
    return None


def folder_size(path: Path) -> int:
    """Return the size of all files in a folder, in bytes. Links are not followed."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(folder) / name).lstat().st_size
    return total


def find_run(path: str | Path) -> RunSummary:
    """Return what is known about the run or comparison at a path, or of that name in the folder of runs.

    Raises:
        ArtifactError: there is none.
    """
    for place in (user_path(path), runs_folder() / path):
        found = summarize(place)
        if found is not None:
            return found
    folder = runs_folder()
    names = [entry.name for entry in folder.glob("*") if summarize(entry) is not None]
    hint = did_you_mean(str(path), names) if names else f"{folder} holds none."
    raise ArtifactError(f"{str(path)!r} is no run and no comparison, and nothing in {folder} has that name. {hint}")


def describe_run(summary: RunSummary) -> dict[str, Any]:
    """Return settings, record and last losses of a run as nested values.

    Raises:
        ArtifactError: it is a comparison, or its files are damaged.
    """
    if summary.kind == "comparison":
        best = summary.path / "best"
        hint = f"Its best model is {best}." if best.exists() else "It has no best model yet."
        raise ArtifactError(f"{summary.path} is the folder of a comparison. {hint}")
    record = read_json(summary.path / "run.json")
    record.pop("data", None)  # a description of every column, which `genzoo data` shows better
    last = last_losses(summary.path)
    return {**summary.as_dict(), "config": read_config(summary.path), "record": record, "loss": last.get("loss")}


def differences(described: Sequence[Mapping[str, Any]], *, everything: bool = False) -> dict[str, list[Any]]:
    """Return the settings and results in which runs differ, by name; a list holds one value for each run.

    Arguments:
        described: as `describe_run` returns them.
        everything: return what is equal, too. Defaults to false.
    """
    flat = [dict(_flat(one)) for one in described]
    names = list(dict.fromkeys(name for one in flat for name in one))
    values = {name: [one.get(name) for one in flat] for name in names}
    return {name: found for name, found in values.items() if everything or any(value != found[0] for value in found)}


def _flat(described: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what a comparison of runs shows: results first, then settings by the names with which they are given."""
    for name in ("model", "data", "status", "steps", "seconds"):
        yield name, described[name]
    for name, value in (described["loss"] or {}).items():
        yield f"loss {name}", value
    record = described["record"]
    kept = record.get("kept")
    if isinstance(kept, Mapping):
        yield "log-likelihood", kept.get("log_likelihood")
    for name in ("device", "precision", "genzoo", "torch"):
        yield name, record.get(name)
    config = {name: part for name, part in described["config"].items() if name not in ("format", "model")}
    for path, value in leaves(config):
        yield ".".join(path[1:] if path[0] == "options" else path), value


def remove_run(summary: RunSummary) -> None:
    """Remove a run or a comparison with all its files. A process that is killed meanwhile leaves nothing half removed.

    Raises:
        ArtifactError: a process is writing into it.
        GenzooError: it cannot be removed.
    """
    path = Path(os.path.abspath(summary.path))  # noqa: PTH100 - a link is not followed
    if path.is_symlink():
        raise GenzooError(f"{summary.path} is a link. Remove the folder that it leads to, or the link, yourself.")
    try:
        with exclusive_lock(path), temporary_folder(path.parent) as folder:
            path.rename(folder / path.name)
    except OSError as error:
        raise GenzooError(f"{summary.path} cannot be removed: {error.strerror or error}.") from error
