"""Find the reader of a file or folder, and check that settings belong to it and to the events that it holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from genzoo.config.data import DataSettings
from genzoo.errors import ConfigError, DataError
from genzoo.spec.modality import ARRAY_SUFFIXES, MODALITIES, ModalitySpec, SourceSpec, endings
from genzoo.text import one_of

STANDARD_INPUT = "-"
"""Source that stands for standard input."""


def path_of(settings: DataSettings) -> Path:
    """Return the source as a path, which need not exist.

    Raises:
        DataError: the system cannot look up the path.
    """
    try:
        path = Path(settings.source).expanduser()
        path.exists()
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"Data {settings.source[:100]!r} cannot be opened: {reason}.") from error
    return path


def name_of(settings: DataSettings) -> str:
    """Return the name of a dataset in a file."""
    if settings.source == STANDARD_INPUT:
        return "stdin"
    path = path_of(settings)
    return Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem


def source_of(settings: DataSettings) -> tuple[ModalitySpec, SourceSpec] | None:
    """Return the modality and the kind of a file or folder; `None` if only its values can say its modality.

    Raises:
        DataError: it is neither a file nor a folder, or genzoo has no reader for its format.
    """
    path = path_of(settings)
    piped = settings.source == STANDARD_INPUT
    if not piped and not path.is_dir() and not path.is_file():
        raise DataError(f"{path} is neither a file nor a folder, and reading it might never end.")
    every = [(form, source) for form in MODALITIES.values() for source in form.sources]
    inside = _names_in(path) if path.is_dir() else []
    for form, source in every:
        if source.piped if piped else _is_such(path, source, inside):
            return form, source
    for form, source in every if path.is_dir() else []:
        if source.folder:
            return form, source  # whose reader says what is missing
    if path.suffix in ARRAY_SUFFIXES and path.is_file():
        return None
    raise DataError(f"{path} has a format that genzoo cannot read. Known: {_known()}.")


def _is_such(path: Path, source: SourceSpec, inside: Sequence[str]) -> bool:
    if path.is_dir():
        return source.folder and any(name.endswith(source.inside) for name in inside)
    return path.name.lower().endswith(source.endings)


def _names_in(path: Path) -> list[str]:
    """Return the names of the files in a folder and its subfolders, in lower case, without hidden ones."""
    files = (file.relative_to(path) for file in path.rglob("*"))
    return [file.name.lower() for file in files if not any(part.startswith(".") for part in file.parts)]


def _known() -> str:
    """Return the endings of files that can be read, and the kinds of folders."""
    files = [ending if ending[0] == "." else f"…{ending}" for ending in endings()]
    folders = [source.name for form in MODALITIES.values() for source in form.sources if source.folder]
    return one_of([*files, *folders])


def check_source_settings(settings: DataSettings, source: SourceSpec | None) -> None:
    """Check that no setting belongs to other kinds of files or folders.

    Arguments:
        source: kind of the file or folder; `None` for data that are read in no such way.

    Raises:
        ConfigError: one does.
    """
    own = () if source is None else source.settings
    every = [source for form in MODALITIES.values() for source in form.sources]
    for name in dict.fromkeys(name for other in every for name in other.settings):
        if name not in own and (given := settings.given(name)):
            owners = one_of([other.name for other in every if name in other.settings])
            raise ConfigError(f"{given} is for {owners}, and {settings.source!r} is none. Leave it out.")


def check_form_settings(settings: DataSettings, form: ModalitySpec) -> None:
    """Check that no setting belongs to events of other modalities.

    Raises:
        ConfigError: one does.
    """
    for name in dict.fromkeys(name for other in MODALITIES.values() for name in other.settings):
        if name not in form.settings and (given := settings.given(name)):
            owners = one_of([other.plural for other in MODALITIES.values() if name in other.settings])
            raise ConfigError(f"{given} is for {owners}, and {settings.source!r} {form.dataset}. Leave it out.")
