"""The name of a new plugin: what users type, and what its distribution and package are called after."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from genzoo.errors import ConfigError
from genzoo.registry import Registry
from genzoo.spec import is_name

_PREFIX = "genzoo-"
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Name:
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


def check_name(text: str, taken: Collection[str] = ()) -> Name:
    """The name that `text` is, without a prefix `genzoo-`.

    Arguments:
        taken: names that are not suggested in place of one that cannot be.

    Raises:
        ConfigError: it is not lower-case words joined by hyphens, or too long.
    """
    bare = text.removeprefix(_PREFIX)
    if not is_name(bare):
        near = _nearest(text)
        free = near and near not in taken and not _is_installed(Name(near))
        hint = f" Try {near!r}." if free else " Such as 'my-flow'."
        raise ConfigError(f"A plugin's name is lower-case words joined by hyphens, and {text!r} was given.{hint}")
    if len(bare) > _LONGEST:
        raise ConfigError(f"A plugin's name has at most {_LONGEST} characters, and {bare!r} has {len(bare)}.")
    return Name(bare)


def _nearest(text: str) -> str:
    """A name that looks like `text`: MyFlow, my_flow and 'my flow' are my-flow; empty where none does."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", text).casefold()
    parted = "".join(c for c in unicodedata.normalize("NFKD", parted) if not unicodedata.combining(c))
    if any(c.isalpha() and not c.isascii() for c in parted):  # what is left of it would be another word
        return ""
    words = "-".join(re.findall(r"[a-z0-9]+", parted))
    return words.removeprefix(_PREFIX)[:_LONGEST].rstrip("-") if words != "genzoo" else ""


def refuse_taken(name: Name, sort: str, registry: Registry) -> None:
    """Refuse a name that something installed has.

    Arguments:
        sort: of the entry that would be registered, as the plural that hooks are named by.

    Raises:
        ConfigError: an entry of that sort has it, or a distribution or package.
    """
    table = registry.table(sort)
    for entry in table:
        if entry.spec.name == name.bare:
            raise ConfigError(
                f"There is a {table.sort} {name.bare!r} already, {entry.id}; with another, neither could be called by "
                f"that name alone. Choose another name."
            )
    if _is_installed(name):
        raise ConfigError(f"A package {name.distribution!r} is installed already. Choose another name.")


def _is_installed(name: Name) -> bool:
    try:
        importlib.metadata.version(name.distribution)
    except importlib.metadata.PackageNotFoundError:
        return importlib.util.find_spec(name.package) is not None
    return True
