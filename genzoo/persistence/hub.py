"""Fetch models from the Hugging Face Hub, by addresses such as `hub:user/name` that the user typed."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import Any

from genzoo.errors import ArtifactError, ConfigError, GenzooError
from genzoo.plugins.registry import MissingExtraError
from genzoo.runtime.progress import Phase
from genzoo.storage.cache import cache_folder
from genzoo.storage.paths import contains

HUB = "hub:"
"""How the address of a model on the Hub begins: `hub:user/name`, or `hub:user/name@REVISION`."""

_FILES = ["config.json", "model.safetensors"]
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def located(path: str | Path) -> str | Path:
    """Return a path as it is, or the folder of a model that was fetched from the Hub.

    Arguments:
        path: a path, or `hub:user/name`, with `@` and a branch, tag or commit if it is not the newest state.

    Raises:
        ArtifactError: there is no such model, or it cannot be fetched.
        ConfigError: the address is none.
        MissingExtraError: `huggingface_hub` is not installed.
    """
    text = os.fspath(path)
    return _fetched(text) if text.startswith(HUB) else path


def hub_library(asked: str) -> Any:
    """Return the package `huggingface_hub`.

    Arguments:
        asked: what needs it, for the message.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import huggingface_hub
        from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]
    except ImportError as error:
        raise MissingExtraError(
            f"{asked} needs the package huggingface_hub, which is not installed: pip install 'genzoo[hub]'."
        ) from error
    disable_progress_bars()  # genzoo has its own
    return huggingface_hub


def endpoint() -> str | None:
    """Return the address of the Hub if it is another one than usual, from HF_ENDPOINT."""
    return os.environ.get("HF_ENDPOINT") or None


@functools.cache
def _fetched(address: str) -> Path:
    """Fetch a model once in a process. It is then treated like any folder from a stranger."""
    name, _, revision = address.removeprefix(HUB).partition("@")
    check_name(name)
    library = hub_library(address)
    folder = cache_folder("hub") / name.replace("/", "--") / (revision or "main").replace("/", "--")
    with Phase(f"fetching {name}"):
        try:
            library.snapshot_download(
                name, revision=revision or None, local_dir=folder, allow_patterns=_FILES, endpoint=endpoint()
            )
        except Exception as error:  # of the package, of its network library or of the disk
            raise explained(error, address) from error
    if not contains(folder, *_FILES):
        raise ArtifactError(f"{address} has no model of genzoo: config.json and model.safetensors are not both there.")
    return folder


def check_name(name: str) -> None:
    """Check that a text names a repository.

    Raises:
        ConfigError: it does not.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise ConfigError(f"{name!r} names no model on the Hub. Write user/name.")


def explained(error: Exception, address: str) -> GenzooError:
    """Return an error of `huggingface_hub` in genzoo's words.

    Arguments:
        address: what was asked for.
    """
    kind = type(error).__name__
    if kind == "RepositoryNotFoundError":
        return ArtifactError(
            f"There is no {address} on the Hub, or you may not see it. If it is private, log in with: hf auth login"
        )
    if kind == "RevisionNotFoundError":
        return ArtifactError(f"{address}: the repository has no such branch, tag or commit.")
    if kind == "GatedRepoError":
        return ArtifactError(f"{address} is only for people whom its owner let in. Ask for access on its page.")
    causes: list[str] = []
    cause: BaseException | None = error
    while cause is not None:  # the first often says only which file it was about
        causes += [line for line in str(cause).strip().splitlines()[:1] if line not in causes]
        cause = cause.__cause__
    return GenzooError(f"The Hub could not be asked about {address}: {'; '.join(causes) or kind}")
