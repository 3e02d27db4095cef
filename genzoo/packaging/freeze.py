"""Write and read frozen lists of plugins."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from genzoo.errors import ConfigError, DataError
from genzoo.packaging.plan import NothingThereError, Request, parse_request
from genzoo.plugins.discovery import CORE, installed_plugins
from genzoo.storage.atomic import atomic_text


def frozen_lines() -> dict[str, str]:
    """Return the lines that install all plugins again, in the form of pip's requirements, by distribution.

    Plugins that come with genzoo are left out, and so are other distributions with their names: these cannot be
    installed.
    """
    found = {}
    for plugin in installed_plugins():
        if plugin.bundled or plugin.displaced:
            continue
        if plugin.entry is not None and plugin.distribution not in found:
            found[plugin.distribution] = frozen_line(plugin.distribution, plugin.version)
    return found


def frozen_line(name: str, version: str) -> str:
    """Return the line that installs a distribution again from where it came."""
    try:
        text = importlib.metadata.distribution(name).read_text("direct_url.json")
        return f"{name}=={version}" if text is None else _direct_reference(name, json.loads(text))
    except (ValueError, KeyError, importlib.metadata.PackageNotFoundError):
        return f"{name}=={version}"


def _direct_reference(name: str, origin: Mapping[str, Any]) -> str:
    """Return the line of a distribution that was installed from a path, a URL or a repository."""
    url = origin["url"]
    below = f"#subdirectory={origin['subdirectory']}" if "subdirectory" in origin else ""
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        return f"{name} @ {vcs['vcs']}+{url}@{vcs['commit_id']}{below}"
    if origin.get("dir_info", {}).get("editable"):
        return f"-e {shlex.quote(unquote(urlsplit(url).path))}"
    digest = origin.get("archive_info", {}).get("hashes", {}).get("sha256")
    return f"{name} @ {url}{f'#sha256={digest}' if digest else below}"


def header() -> str:
    """Return a comment with the versions of genzoo and Python."""
    import platform

    return f"# plugins of genzoo {importlib.metadata.version(CORE)} on Python {platform.python_version()}"


def read_frozen(path: Path) -> tuple[list[Request], dict[str, str]]:
    """Read a file of frozen lines.

    Returns:
        The requests, and the lines whose file or folder is gone, each with a message.

    Raises:
        ConfigError: a line is neither a requirement nor `-e PATH`.
        DataError: the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    requests, gone = [], {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            requests.append(read_line(text))
        except NothingThereError as error:
            gone[text] = str(error)
        except ConfigError as error:
            raise ConfigError(f"{path}, line {number}: {error}") from error
    return requests, gone


def frozen_digest(name: str) -> str | None:
    """Return the SHA-256 of the file that a distribution was installed from, or `None` if it is not recorded."""
    try:
        origin = json.loads(importlib.metadata.distribution(name).read_text("direct_url.json") or "{}")
        found = origin["archive_info"]["hashes"]["sha256"]
    except (ValueError, KeyError, importlib.metadata.PackageNotFoundError):
        return None
    return str(found)


def note_origin(name: str, origin: Mapping[str, Any]) -> None:
    """Record where an installed distribution came from, as pip does for downloads (PEP 610)."""
    distribution = importlib.metadata.distribution(name)
    record = next(
        (
            Path(str(distribution.locate_file(file)))
            for file in distribution.files or ()
            if file.match("*.dist-info/RECORD")
        ),
        None,
    )
    if record is None:
        return
    # If this is interrupted between the two, the record lists a file too many, which pip ignores.
    atomic_text(record, f"{record.read_text(encoding='utf-8')}{record.parent.name}/direct_url.json,,\n")
    atomic_text(record.parent / "direct_url.json", json.dumps(origin))


def read_line(text: str) -> Request:
    """Parse one frozen line.

    Raises:
        ConfigError: it is neither a requirement nor `-e PATH`.
    """
    place = re.fullmatch(r"(-e|--editable)[ =](.+)", text)
    if place is None:
        return parse_request(re.sub(r"\s#.*$", "", text).strip())
    return parse_request("".join(shlex.split(place[2], comments=True)), editable=True)
