"""What a user asks to have installed: a name, a path, a wheel or an address, as pip would take it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from genzoo.errors import ConfigError
from genzoo.installed import normalised

_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_PATH = re.compile(r"(?P<path>.+?)(?P<extras>\[[\w\s,.-]*\])?")


class NothingThereError(ConfigError):
    """A path leads to nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to install.

    Arguments:
        text: in pip's terms.
        editable: whether it is installed in place, so that changes to its source take effect.
        name: the normalised name of the distribution, where the request tells it.
    """

    text: str
    editable: bool = False
    name: str | None = None

    @property
    def wheel(self) -> Path | None:
        """The wheel on this machine that is asked for, if one is."""
        text = self.text.rpartition(" @ ")[2]
        path = Path(unquote(urlsplit(text).path) if text.startswith("file:") else text)
        return path if path.suffix == ".whl" and path.is_file() else None

    @property
    def words(self) -> tuple[str, ...]:
        """The request as arguments of `pip install`, before and after which others may stand."""
        return (f"--editable={self.text}",) if self.editable else (self.text,)


def parse_request(text: str, *, editable: bool = False) -> Request:
    """What one argument asks for.

    Raises:
        ConfigError: it is none of a name, a path, a wheel and an address; or a path to nothing.
    """
    if not text.strip() or not text.isprintable():
        raise ConfigError(f"{text!r} names no package.")
    if text.lstrip().startswith("-"):
        raise ConfigError(f"{text!r} is an option, and none is handed on to pip. Set PIP_... variables for pip's own.")
    if editable or _is_path(text):
        return _path_request(text, editable)
    if _ADDRESS.fullmatch(text):
        file = unquote(urlsplit(text).path).rpartition("/")[2]
        return Request(text, name=_wheels_name(file))
    return _named_request(text)


def _is_path(text: str) -> bool:
    """As pip tells them apart: a separator, a leading dot, or the name of an archive."""
    if _ADDRESS.match(text) or "@" in text.partition(os.sep)[0]:
        return False
    return os.sep in text or text.startswith((".", "~")) or text.endswith(_ARCHIVES)


def _path_request(text: str, editable: bool) -> Request:
    found = _PATH.fullmatch(text)
    assert found is not None
    path = Path(found["path"]).expanduser()
    if not path.exists():
        raise NothingThereError(f"There is no file or folder {str(path)!r} to install.")
    if editable and not path.is_dir():
        raise ConfigError(f"-e {str(path)!r} is no folder; only a folder can be installed in place.")
    if path.is_dir() and not any((path / name).is_file() for name in ("pyproject.toml", "setup.py")):
        raise ConfigError(f"The folder {str(path)!r} holds no package: neither pyproject.toml nor setup.py is in it.")
    return Request(f"{path.resolve()}{found['extras'] or ''}", editable, _wheels_name(path.name))


def _wheels_name(file: str) -> str | None:
    """The name of the distribution that a file holds, where it is a wheel."""
    return normalised(file.partition("-")[0]) if file.endswith(".whl") else None


def _named_request(text: str) -> Request:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ConfigError(f"{text!r} is neither a package's name, with or without versions, nor a path.") from error
    return Request(str(requirement), name=normalised(requirement.name))
