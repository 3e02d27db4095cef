"""Write a new plugin distribution from templates."""

from __future__ import annotations

import importlib.util
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from string import Template

from genzoo.errors import ConfigError
from genzoo.plugins.registry import Registry
from genzoo.spec import is_name

_LEARNS = "genzoo train {name}\ngenzoo plugins check {name}   # which promises it keeps"


@dataclass(frozen=True, slots=True)
class ScaffoldKind:
    """What one kind of plugin brings.

    Arguments:
        summary: what its templates are, in a few words.
        kind: of the entry that it registers, as the plural that hooks are named by.
        dependencies: distributions that its code imports, besides genzoo.
        contents: where in the package to find what, as half a sentence.
        trial: commands to try it with; `{name}` is what users type.
    """

    summary: str
    kind: str
    dependencies: tuple[str, ...]
    contents: str
    trial: str = _LEARNS


_NETWORKS = ("pydantic>=2.7", "torch>=2.6")


KINDS = {
    "likelihood": ScaffoldKind(
        "Affine coupling flow: an exact likelihood, maximised by gradients",
        "models",
        _NETWORKS,
        "`model.py` is the model, `options.py` what users can set",
    ),
    "em": ScaffoldKind(
        "Mixture of t distributions: a likelihood maximised by expectation-maximization",
        "models",
        _NETWORKS,
        "`model.py` is the model, `em.py` how it learns, `options.py` what users can set",
    ),
    "gan": ScaffoldKind(
        "Adversarial network: generator, discriminator and an objective of their own",
        "models",
        _NETWORKS,
        "`model.py` holds both networks, `adversarial.py` how they learn, `options.py` what users can set",
    ),
    "vae": ScaffoldKind(
        "Variational autoencoder: a bound of the likelihood, an encoder and a decoder",
        "models",
        _NETWORKS,
        "`model.py` is the model, `options.py` what users can set",
    ),
    "metric": ScaffoldKind(
        "Sliced Wasserstein distance: a metric with its standard error",
        "metrics",
        ("numpy>=1.26",),
        "`metric.py` is the metric",
        "genzoo train gaussian --out runs/trial\ngenzoo evaluate runs/trial --metric {name}",
    ),
    "dataset": ScaffoldKind(
        "Two arms of a spiral: a dataset by name",
        "datasets",
        ("numpy>=1.26",),
        "`dataset.py` is the dataset",
        "genzoo data {name}\ngenzoo compare gaussian gmm:n_components=2..8 --data {name}",
    ),
}


_PREFIX = "genzoo-"


_LONGEST = 40


@dataclass(frozen=True, slots=True)
class PluginName:
    """A checked name, such as `my-flow`."""

    bare: str

    @property
    def distribution(self) -> str:
        """What pip installs, `genzoo-my-flow`."""
        return _PREFIX + self.bare

    @property
    def package(self) -> str:
        """What Python imports, `genzoo_my_flow`: its prefix lets any word follow, a keyword or a digit, too."""
        return self.distribution.replace("-", "_")


def check_name(text: str, taken: Collection[str] = ()) -> PluginName:
    """The name that `text` is, without a prefix `genzoo-`.

    Arguments:
        taken: names that are not suggested in place of one that cannot be.

    Raises:
        ConfigError: it is not lower-case words joined by hyphens, or too long.
    """
    bare = text.removeprefix(_PREFIX)
    if not is_name(bare):
        near = _nearest(text)
        free = near and near not in taken and not _is_installed(PluginName(near))
        hint = f" Try {near!r}." if free else " Such as 'my-flow'."
        raise ConfigError(f"A plugin's name is lower-case words joined by hyphens, and {text!r} was given.{hint}")
    if len(bare) > _LONGEST:
        raise ConfigError(f"A plugin's name has at most {_LONGEST} characters, and {bare!r} has {len(bare)}.")
    return PluginName(bare)


def _nearest(text: str) -> str:
    """A name that looks like `text`: MyFlow, my_flow and 'my flow' are my-flow; empty where none does."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", text).casefold()
    parted = "".join(c for c in unicodedata.normalize("NFKD", parted) if not unicodedata.combining(c))
    if any(c.isalpha() and not c.isascii() for c in parted):  # what is left of it would be another word
        return ""
    words = "-".join(re.findall(r"[a-z0-9]+", parted))
    return words.removeprefix(_PREFIX)[:_LONGEST].rstrip("-") if words != "genzoo" else ""


def refuse_taken(name: PluginName, kind: str, registry: Registry) -> None:
    """Refuse a name that something installed has.

    Arguments:
        kind: of the entry that would be registered, as the plural that hooks are named by.

    Raises:
        ConfigError: an entry of that kind has it, or a distribution or package.
    """
    table = registry.table(kind)
    for entry in table:
        if entry.spec.name == name.bare:
            raise ConfigError(
                f"There is a {table.kind} {name.bare!r} already, {entry.id}; with another, neither could be called by "
                f"that name alone. Choose another name."
            )
    if _is_installed(name):
        raise ConfigError(f"A package {name.distribution!r} is installed already. Choose another name.")


def _is_installed(name: PluginName) -> bool:
    try:
        importlib.metadata.version(name.distribution)
    except importlib.metadata.PackageNotFoundError:
        return importlib.util.find_spec(name.package) is not None
    return True


_SUFFIX = ".template"


def render(name: PluginName, kind: str, about: ScaffoldKind) -> dict[PurePosixPath, str]:
    """The files of a new distribution by their path in its folder."""
    words = {
        "name": name.bare,
        "distribution": name.distribution,
        "package": name.package,
        "title": about.summary,
        "contents": about.contents,
        "trial": about.trial.format(name=name.bare),
        "dependencies": ", ".join(f'"{text}"' for text in ("genzoo>=0.1", *about.dependencies)),
    }
    templates = files("genzoo.plugins.scaffold") / "templates"
    found = {}
    for folder in ("project", kind):
        for path, file in _walk(templates / folder, PurePosixPath()):
            parts = (name.package if part == "package" else part for part in path.parts)
            found[PurePosixPath(*parts)] = Template(file.read_text(encoding="utf-8")).substitute(words)
    return found


def _walk(folder: Traversable, below: PurePosixPath) -> Iterator[tuple[PurePosixPath, Traversable]]:
    """Every template below a folder, with the path of the file that it makes."""
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from _walk(item, below / item.name)
        elif item.name.endswith(_SUFFIX):
            yield below / item.name.removesuffix(_SUFFIX), item


def write_project(files: dict[PurePosixPath, str], out: Path) -> None:
    """Write files to a new folder, whole or not at all.

    Raises:
        ConfigError: the folder exists.
    """
    if out.exists() or out.is_symlink():
        raise ConfigError(f"{out} exists already, and nothing is overwritten. Choose another name, or --out.")
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        for path, text in files.items():
            file = beside / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        beside.chmod(0o755)  # a temporary folder is its maker's alone
        beside.rename(out)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
