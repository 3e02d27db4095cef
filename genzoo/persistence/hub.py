"""Fetch models from the Hugging Face Hub, by addresses such as `hub:user/name` that the user typed."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import Any

from genzoo.data.download import may_fetch
from genzoo.errors import ArtifactError, ConfigError, GenzooError
from genzoo.plugins.registry import MissingExtraError
from genzoo.runtime.progress import Phase
from genzoo.storage.cache import cache_folder
from genzoo.storage.paths import contains

HUB = "hub:"
"""How the address of a model on the Hub begins: `hub:user/name`, or `hub:user/name@REVISION`."""

_FILES = ["config.json", "model.safetensors"]
_REVISION = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)*", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def located(path: str | Path) -> str | Path:
    """Return a path as it is, or the folder of a model that was fetched from the Hub.

    Arguments:
        path: a path, or `hub:user/name`, with `@` and a branch, tag or commit if it is not the newest state.

    Raises:
        ArtifactError: there is no such model, or a folder names it and not the user.
        ConfigError: the address is none.
        MissingExtraError: `huggingface_hub` is not installed.
    """
    text = os.fspath(path)
    if not text.startswith(HUB):
        return path
    if not may_fetch():  # a folder names it, and the folder may be from a stranger
        raise ArtifactError(f"{text} is a model on the Hub, and genzoo fetches only what you name yourself.")
    return _fetched(text)


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
    name, mark, revision = address.removeprefix(HUB).partition("@")
    check_name(name)
    if mark and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise ConfigError(f"{address} names no state of {name}. Write a branch, a tag or a commit after the @.")
    library = hub_library(address)
    with Phase(f"fetching {name}"):
        try:
            state = library.HfApi(endpoint=endpoint()).model_info(name, revision=revision or None)
            files = {file.rfilename for file in state.siblings or ()}
            # Each commit has a folder of its own, so that files of two states never mix.
            folder = cache_folder("hub") / name.replace("/", "--") / str(state.sha)
            if files.issuperset(_FILES) and not contains(folder, *_FILES):
                library.snapshot_download(
                    name, revision=state.sha, local_dir=folder, allow_patterns=_FILES, endpoint=endpoint()
                )
        except GenzooError:
            raise
        except Exception as error:  # of the package, of its network library or of the disk
            raise explained(error, address) from error
    if not (files.issuperset(_FILES) and contains(folder, *_FILES)):
        raise ArtifactError(f"{address} has no model of genzoo: config.json and model.safetensors are not both there.")
    return folder


def check_name(name: str) -> None:
    """Check that a text names a repository.

    Raises:
        ConfigError: it does not.
    """
    if not _NAME.fullmatch(name) or ".." in name or "--" in name:
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
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return GenzooError(f"The Hub does not let you do this with {address}. Log in with: hf auth login")
    causes: list[str] = []
    cause: BaseException | None = error
    while cause is not None:  # the first often says only which file it was about
        causes += [line for line in str(cause).strip().splitlines()[:1] if line not in causes]
        cause = cause.__cause__
    words = "; ".join(dict.fromkeys([causes[0], causes[-1]])) if causes else kind
    return GenzooError(f"The Hub could not be asked about {address}: {words}")
