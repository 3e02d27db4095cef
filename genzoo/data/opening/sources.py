"""Find the reader of a file or folder, and check that settings belong to it and to the events that it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from genzoo.config.data import DataSettings
from genzoo.data.partitions.files import PartFile
from genzoo.data.partitions.listing import is_pattern, local_files, plain_name, remote_files
from genzoo.data.partitions.remote import is_url
from genzoo.errors import ConfigError, DataError
from genzoo.plugins.registry import resolve
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
    if is_url(settings.source) or is_local_pattern(settings):
        return plain_name(settings.source)
    path = path_of(settings)
    return Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem


def is_local_pattern(settings: DataSettings) -> bool:
    """Return whether the source is a pattern of files on this machine, such as `part-*.csv`."""
    return is_pattern(settings.source) and not is_url(settings.source) and not path_of(settings).exists()


@dataclass(frozen=True, slots=True)
class Several:
    """The files that a folder, a pattern or a URL stands for.

    Arguments:
        files: the files, in the order of their paths.
        form: modality of their events.
        kind: kind of all of the files.
    """

    files: tuple[PartFile, ...]
    form: ModalitySpec
    kind: SourceSpec

    @property
    def is_together(self) -> bool:
        """Whether the files are read as they are; a single file of another kind is copied to this machine first."""
        return len(self.files) > 1 or self.kind.ranged or (self.form.columns and bool(self.kind.reader))


def several_of(settings: DataSettings) -> Several | None:
    """Return the files that a source stands for, if it is a folder of tables, a pattern or a URL.

    Returns:
        The files; `None` if the source is one file of this machine, a folder of images or texts, or standard input.

    Raises:
        ConfigError, DataError: there are no such files, they are of several kinds, or they cannot be reached.
    """
    if settings.source == STANDARD_INPUT:
        return None
    if is_url(settings.source):
        return _of_one_kind(settings.source, remote_files(settings.source))
    if is_local_pattern(settings):
        return _of_one_kind(settings.source, local_files(settings.source))
    path = path_of(settings)
    if not path.is_dir() or _folder_kind(path) is not None:
        return None
    files = local_files(settings.source)
    return _of_one_kind(settings.source, files) if any(_named_kind(file) for file in files) else None


def _named_kind(file: PartFile) -> tuple[ModalitySpec, SourceSpec] | None:
    """Return the kind of file that is read together with others, by its name."""
    for form in MODALITIES.values():
        for source in form.sources:
            together = source.together or form.columns
            if together and file.name.lower().endswith(source.endings) and _holds(source, form, file):
                return form, source
    return None


def _holds(source: SourceSpec, form: ModalitySpec, file: PartFile) -> bool:
    return not source.holds or bool(resolve(source.holds, form)(file))


def _of_one_kind(shown: str, files: Sequence[PartFile]) -> Several:
    if len(files) == 1:
        found = _named_kind(files[0]) or _single_kind(files[0])
        return Several(tuple(files), *found)
    ends = {end for form in MODALITIES.values() for kind in form.sources for end in kind.endings if form.columns}
    known = [file for file in files if file.name.lower().endswith((*ends, ".tar"))]
    if not known:
        raise DataError(
            f"None of the {len(files)} files that {shown!r} stands for is a table or a tar file of images, which are "
            "what genzoo reads from several files."
        )
    suffixes = Counter(_suffix(file) for file in known)
    first = _named_kind(known[0])
    assert first is not None
    if not all(file.name.lower().endswith(first[1].endings) for file in known):
        seen = ", ".join(f"{suffix} ({count})" for suffix, count in suffixes.most_common())
        example = f"{shown.rstrip('/')}/*{suffixes.most_common(1)[0][0]}"
        raise DataError(
            f"{shown!r} stands for files of several kinds: {seen}. Name the files of one kind by a pattern, such as "
            f"{example!r}."
        )
    return Several(tuple(known), *first)


def _suffix(file: PartFile) -> str:
    return "".join(
        Path(file.name.lower()).suffixes[-2:]
        if file.name.lower().endswith(".gz")
        else Path(file.name.lower()).suffixes[-1:]
    )


def _single_kind(file: PartFile) -> tuple[ModalitySpec, SourceSpec]:
    """Return the kind of the only file of a source, which may be of any kind.

    Raises:
        DataError: genzoo has no reader for its format.
    """
    name = file.name.lower()
    for form in MODALITIES.values():
        for source in form.sources:
            if name.endswith(source.endings) and not source.holds:
                return form, source
    if name.endswith(ARRAY_SUFFIXES):
        return MODALITIES["table"], SourceSpec("arrays", "")
    raise DataError(f"{file.shown} has a format that genzoo cannot read. Known: {_known()}.")


def source_of(settings: DataSettings) -> tuple[ModalitySpec, SourceSpec] | None:
    """Return the modality and the kind of a file or folder; `None` if only its values can say its modality.

    Raises:
        DataError: it is neither a file nor a folder, or genzoo has no reader for its format.
    """
    several = several_of(settings)
    if several is not None:
        return (several.form, several.kind) if several.kind.reader else None
    path = path_of(settings)
    piped = settings.source == STANDARD_INPUT
    if not piped and not path.is_dir() and not path.is_file():
        raise DataError(f"{path} is neither a file nor a folder, and reading it might never end.")
    every = [(form, source) for form in MODALITIES.values() for source in form.sources]
    if path.is_dir():
        # Without a file that it knows, the reader of the first kind of folder says what is missing.
        return _folder_kind(path) or next((form, source) for form, source in every if source.folder)
    for form, source in every:
        if source.piped if piped else _is_such(path, form, source):
            return form, source
    if path.suffix in ARRAY_SUFFIXES and path.is_file():
        return None
    raise DataError(f"{path} has a format that genzoo cannot read. Known: {_known()}.")


def _is_such(path: Path, form: ModalitySpec, source: SourceSpec) -> bool:
    return path.name.lower().endswith(source.endings) and (not source.holds or _holds(source, form, PartFile.of(path)))


def _folder_kind(path: Path) -> tuple[ModalitySpec, SourceSpec] | None:
    """Return the kind of a folder of images or texts; `None` if it holds neither."""
    inside = _names_in(path)
    for form in MODALITIES.values():
        for source in form.sources:
            if source.folder and any(name.endswith(source.inside) for name in inside):
                return form, source
    return None


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
