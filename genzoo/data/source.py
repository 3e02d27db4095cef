"""From what stands after `--data` to a dataset."""

from __future__ import annotations

from pathlib import Path

from genzoo.config import DataSettings
from genzoo.data.dataset import Dataset, usable
from genzoo.errors import ConfigError, DataError, PluginError, did_you_mean
from genzoo.registry import Registry, blame, resolve


def is_registered(source: str, registry: Registry) -> bool:
    """Whether `source` is the name or id of a registered dataset."""
    return source in registry.datasets.names() or source in registry.datasets.ids()


def anchor(settings: DataSettings, registry: Registry) -> DataSettings:
    """The same data, found from any working directory."""
    path = Path(settings.source).expanduser()
    if is_registered(settings.source, registry) or not path.exists():
        return settings
    return settings.model_copy(update={"source": str(path.resolve())})


def open_dataset(settings: DataSettings, registry: Registry) -> Dataset:
    """The dataset of a built-in name or a path.

    A registered name wins over a file of the same name; write `./digits` for the file.

    Raises:
        DataError: neither, or the file cannot be used.
    """
    source = settings.source
    if not Path(source).expanduser().is_dir():
        _refuse_folder_settings(settings)
    if is_registered(source, registry):
        entry = registry.datasets.get(source)
        with blame(f"The loader of dataset {entry.id!r}"):
            dataset = resolve(entry.spec.loader, entry.spec)()
        if not isinstance(dataset, Dataset):
            raise PluginError(f"Dataset {entry.id!r} gave a {type(dataset).__name__} instead of a Dataset.")
        return usable(dataset, entry.id)
    path = Path(source).expanduser()
    if not path.exists():
        known = did_you_mean(source, registry.datasets.names())
        raise DataError(f"Data {source!r} is neither a built-in name nor an existing path. {known}")
    return _read(path, settings)


def _refuse_folder_settings(settings: DataSettings) -> None:
    given = settings.model_dump(include={"size", "colour", "skip_bad"}, exclude_defaults=True)
    if given:
        option = f"--{next(iter(given)).replace('_', '-')}"
        raise ConfigError(f"{option} is for folders of images, and {settings.source!r} is none. Leave it out.")


def _read(path: Path, settings: DataSettings) -> Dataset:
    # Readers bring libraries of their own, which only the kind of data at hand should cost.
    from genzoo.data import array, folder, idx

    if path.is_dir():
        return folder.read_folder(path, settings)
    if path.suffix in (".npy", ".npz"):
        return array.read_array(path)
    if idx.is_idx(path):
        return idx.read_idx(path)
    raise DataError(
        f"{path} is of no kind that genzoo reads. Known: .npy, .npz, idx files (…-ubyte, …-ubyte.gz) "
        f"and folders of images."
    )
