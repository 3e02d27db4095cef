"""Write a new plugin distribution from templates."""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from string import Template

from genzoo.errors import ConfigError
from genzoo.plugins.registry import Registry
from genzoo.spec.entries import is_name

_LEARNS = "genzoo train {name}\ngenzoo plugins check {name}   # does it keep genzoo's promises?"


@dataclass(frozen=True, slots=True)
class ScaffoldKind:
    """One kind of plugin that can be scaffolded.

    Arguments:
        summary: what its templates contain, in a few words.
        kind: kind of the entry that it registers, in the plural, as in the names of hooks.
        dependencies: distributions that its code imports, besides genzoo.
        contents: what the files of the package contain, as half a sentence.
        trial: commands to try it with; `{name}` is the name of the entry.
    """

    summary: str
    kind: str
    dependencies: tuple[str, ...]
    contents: str
    trial: str = _LEARNS


_NETWORKS = ("pydantic>=2.7", "torch>=2.6")


KINDS = {
    "likelihood": ScaffoldKind(
        "Affine coupling flow: an exact likelihood, maximized by gradients",
        "models",
        _NETWORKS,
        "`model.py` contains the model and `options.py` its options",
    ),
    "em": ScaffoldKind(
        "Mixture of t distributions: a likelihood maximized by expectation-maximization",
        "models",
        _NETWORKS,
        "`model.py` contains the model, `em.py` its training and `options.py` its options",
    ),
    "gan": ScaffoldKind(
        "Adversarial network: a generator, a discriminator and their own objective",
        "models",
        _NETWORKS,
        "`model.py` contains both networks, `adversarial.py` their training and `options.py` their options",
    ),
    "vae": ScaffoldKind(
        "Variational autoencoder: a bound on the likelihood, an encoder and a decoder",
        "models",
        _NETWORKS,
        "`model.py` contains the model and `options.py` its options",
    ),
    "image": ScaffoldKind(
        "Convolutional autoencoder of images: a bound on the likelihood, an encoder and a decoder",
        "models",
        _NETWORKS,
        "`model.py` contains the model and `options.py` its options",
    ),
    "diffusion": ScaffoldKind(
        "Diffusion model: samples in a number of steps that users choose",
        "models",
        _NETWORKS,
        "`model.py` contains the model, `denoising.py` its training and `options.py` all options",
        _LEARNS + "\ngenzoo sample RUN -o steps=20",
    ),
    "text": ScaffoldKind(
        "Perceptron over symbols: texts drawn one symbol after another, with prompts and conditions",
        "models",
        _NETWORKS,
        "`model.py` contains the model and `options.py` its options",
        _LEARNS + '\ngenzoo sample RUN -n 5 -o temperature=0.8 --prompt "one"',
    ),
    "direct": ScaffoldKind(
        "Kernel density: a fit in one go, which keeps the training rows",
        "models",
        _NETWORKS,
        "`model.py` contains the model, `fit.py` its fit and `options.py` its options",
    ),
    "metric": ScaffoldKind(
        "Sliced Wasserstein distance: a metric with a standard error",
        "metrics",
        ("numpy>=1.26",),
        "`metric.py` contains the metric",
        "genzoo train gaussian --out runs/trial\ngenzoo evaluate runs/trial --metric {name}",
    ),
    "dataset": ScaffoldKind(
        "Two arms of a spiral: a dataset with a name",
        "datasets",
        ("numpy>=1.26",),
        "`dataset.py` contains the dataset",
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
        """The name for pip, such as `genzoo-my-flow`."""
        return _PREFIX + self.bare

    @property
    def package(self) -> str:
        """The name for Python, such as `genzoo_my_flow`. Its prefix allows any word, even a keyword."""
        return self.distribution.replace("-", "_")


def check_name(text: str, taken: Collection[str] = ()) -> PluginName:
    """Check a name for a plugin, with or without the prefix `genzoo-`.

    Arguments:
        taken: names that must not be suggested.

    Raises:
        ConfigError: it is not lower-case words joined by hyphens, or it is too long.
    """
    bare = text.removeprefix(_PREFIX)
    if not is_name(bare):
        near = _nearest(text)
        free = near and near not in taken and not _is_installed(PluginName(near))
        hint = f" Try {near!r}." if free else ""
        raise ConfigError(
            f"A plugin's name consists of lower-case words joined by hyphens, such as 'my-flow', not {text!r}.{hint}"
        )
    if len(bare) > _LONGEST:
        raise ConfigError(f"A plugin's name has at most {_LONGEST} characters, but {bare!r} has {len(bare)}.")
    return PluginName(bare)


def _nearest(text: str) -> str:
    """Return a valid name that looks like `text`, or an empty text: MyFlow, my_flow and 'my flow' become my-flow."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", text).casefold()
    parted = "".join(c for c in unicodedata.normalize("NFKD", parted) if not unicodedata.combining(c))
    if any(c.isalpha() and not c.isascii() for c in parted):  # without these letters it would be another word
        return ""
    words = "-".join(re.findall(r"[a-z0-9]+", parted))
    return words.removeprefix(_PREFIX)[:_LONGEST].rstrip("-") if words != "genzoo" else ""


def refuse_taken(name: PluginName, kind: str, registry: Registry) -> None:
    """Check that nothing installed has this name.

    Arguments:
        kind: kind of the new entry, in the plural, as in the names of hooks.

    Raises:
        ConfigError: an entry of that kind, a distribution or a package has it.
    """
    table = registry.table(kind)
    for entry in table:
        if entry.spec.name == name.bare:
            raise ConfigError(
                f"There is already a {table.kind} {name.bare!r} ({entry.id}). With a second one, the name would be "
                f"ambiguous. Choose another name."
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
    """Return the files of a new plugin, by their path in its folder."""
    words = {
        "name": name.bare,
        "distribution": name.distribution,
        "package": name.package,
        "title": about.summary,
        "contents": about.contents,
        "trial": about.trial.format(name=name.bare),
        "dependencies": ", ".join(f'"{text}"' for text in ("genzoo>=0.2", *about.dependencies)),
    }
    templates = files("genzoo.plugins.scaffold") / "templates"
    found = {}
    for folder in ("project", kind):
        for path, file in _walk(templates / folder, PurePosixPath()):
            parts = (name.package if part == "package" else part for part in path.parts)
            found[PurePosixPath(*parts)] = Template(file.read_text(encoding="utf-8")).substitute(words)
    return found


def _walk(folder: Traversable, below: PurePosixPath) -> Iterator[tuple[PurePosixPath, Traversable]]:
    """Yield every template below a folder, with the path of the file that it becomes."""
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from _walk(item, below / item.name)
        elif item.name.endswith(_SUFFIX):
            yield below / item.name.removesuffix(_SUFFIX), item
