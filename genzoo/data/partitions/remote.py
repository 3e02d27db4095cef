"""File systems behind URLs, through fsspec: which there are, what goes wrong there, and copies on this machine."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from genzoo.data.download import may_fetch
from genzoo.errors import ConfigError, DataError, GenzooError, pass_out_of_memory
from genzoo.plugins.cache import cache_home
from genzoo.runtime.progress import Phase
from genzoo.storage.atomic import atomic_write
from genzoo.text import one_of

_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "http": "aiohttp", "https": "aiohttp"}
"""What fsspec needs for a kind of URL, beyond itself."""

_OTHERS = {"az": "adlfs", "abfs": "adlfs", "hf": "huggingface_hub"}
"""The same for URLs whose packages the extra `remote` does not name."""

_IN_EXTRA = {"s3fs", "aiohttp", "fsspec"}
"""Packages that the extra `remote` installs."""

_ADVICE = {
    "s3": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for public data, set FSSPEC_S3_ANON=true",
    "gs": "Set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account; for public data, set "
    "FSSPEC_GS_TOKEN=anon",
}
"""How to give credentials, by kind of URL."""

_OWN_DISK = (errno.ENOSPC, errno.EROFS, errno.EDQUOT)
"""Faults of the disk that a copy is written to: the file itself is fine."""

_SECRETS = {"access_token", "api_key", "apikey", "password", "secret", "sig", "signature", "token"} | {
    "x-amz-security-token",
    "x-amz-signature",
    "x-goog-signature",
}
"""Names of secrets in the query of an address, in lower case."""

_LONGEST = 60
"""Letters of the name of a copy; a disk may take no more than 255 bytes."""

_UNUSED = 30 * 24 * 3600.0
"""Seconds after which a copy that nobody used makes room for others."""


def is_url(source: str) -> bool:
    """Return whether a source names files behind a URL."""
    return "://" in source


def scheme_of(url: str) -> str:
    """Return the kind of a URL, such as `s3`."""
    return url.partition("://")[0].lower()


def file_system(url: str) -> Any:
    """Return the fsspec file system of a URL.

    Raises:
        ConfigError: the URL holds a password.
        DataError: there is no such kind of URL, a package is missing, or the file system cannot be used.
    """
    scheme = scheme_of(url)
    packages = _PACKAGES | _OTHERS
    _check_secrets(url, packages.get(scheme))
    if scheme not in packages and scheme != "memory":
        known = one_of([f"{name}://" for name in _PACKAGES])
        raise DataError(f"genzoo cannot read {scheme}:// URLs such as {url!r}. Known: {known}.")
    if not may_fetch():
        raise DataError(f"{url} is not on this machine, and only you may ask for a download. Name it with the command.")
    package = packages.get(scheme, "fsspec")
    try:
        import fsspec  # optional

        with explained(url):
            return fsspec.filesystem(scheme, use_listings_cache=False)
    except ImportError as error:
        further = "" if package in _IN_EXTRA else f" {package}"
        reason = error.__cause__ or error  # fsspec's own error only says which package to install
        raise DataError(
            f"{url} needs fsspec and the package {package}, and one of them cannot be imported ({reason}). Install "
            f"them with: pip install 'genzoo[remote]'{further}."
        ) from error


def _check_secrets(url: str, package: str | None) -> None:
    """Check that a URL can be read as one, and holds nothing that must not be stored.

    Raises:
        ConfigError: it holds a name, a password or a signature.
        DataError: it is no URL.
    """
    if any(map(_names_user, url.split("://")[1:])):
        place = f", and put it where {package} looks for it, such as the environment" if package else ""
        raise ConfigError(
            f"The URL of the data holds a name or a password, which would be stored with the run. Leave it out{place}."
        )
    try:
        query = parse_qsl(urlsplit(url).query)
    except ValueError as error:
        raise DataError(f"{url} is no address of a file: {error}.") from error
    if secret := next((name for name, _ in query if name.lower() in _SECRETS), None):
        raise ConfigError(
            f"The URL of the data holds a secret, {secret!r}, which would be stored with the run. Download the file "
            "first, and name the copy."
        )


def _names_user(rest: str) -> bool:
    """Return whether something stands before a host; a password may hold signs that end the host of other URLs."""
    found = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host, _, port = found.rpartition(":")
    return "@" in found or (bool(host) and "@" in rest and not host.startswith("[") and not port.isdecimal())


def version_of(found: Mapping[str, Any]) -> str:
    """Return what changes with the content of a file, as far as its file system says."""
    names = ("ETag", "etag", "md5Hash", "Last-Modified", "LastModified", "mtime", "updated", "created")
    return next((f"{name} {found[name]}" for name in names if found.get(name)), "")


@contextlib.contextmanager
def explained(shown: str, missing: str = "") -> Iterator[None]:
    """Turn what goes wrong with files and file systems inside into one paragraph.

    Arguments:
        shown: the path or URL, for messages.
        missing: what to add if there is no such file, as a clause and a remedy. Defaults to nothing.

    Raises:
        DataError: something went wrong.
    """
    try:
        yield
    except (GenzooError, ImportError):
        raise
    except Exception as found:  # each file system has errors of its own
        pass_out_of_memory(found)
        error: BaseException = found
        gone = False
        if isinstance(found, FileNotFoundError):
            # A web server that cannot be reached counts as a missing file, too; the cause says what happened.
            error = found.__cause__ or found
            status = getattr(error, "status", 0)
            gone = isinstance(error, FileNotFoundError) or not (status or isinstance(error, OSError))
        if gone or getattr(error, "status", 0) == 404:
            raise DataError(f"{shown} does not exist{f', and {missing}' if missing else ''}.") from found
        if isinstance(error, OSError) and error.errno in _OWN_DISK:
            raise
        name = type(error).__name__
        reason = " ".join(str(error).split())[:300].rstrip(".") or name
        if isinstance(error, PermissionError) or "Credential" in name or getattr(error, "status", 0) in (401, 403):
            scheme = {"s3a": "s3", "gcs": "gs"}.get(scheme_of(shown), scheme_of(shown))
            advice = _ADVICE.get(scheme, "Check who may read it, and how you log in")
            raise DataError(f"{shown} may not be read with your credentials ({reason}). {advice}.") from error
        if not is_url(shown):
            raise DataError(f"{shown} cannot be read: {reason}.") from error
        remedy = "Check the address and the network"
        if scheme_of(shown).startswith("s3"):
            remedy += ", and AWS_ENDPOINT_URL if the data are not at Amazon"
        raise DataError(f"{shown} cannot be read: {reason}. {remedy}.") from error


def name_in(path: str) -> str:
    """Return the name of a file in its path on a file system; in the address of a web page, without its query."""
    return PurePosixPath(urlsplit(path).path if is_url(path) else path).name


def _short(name: str) -> str:
    """Return a name that any disk takes, with the same ending."""
    return re.sub(r"[^\w.-]", "_", name)[-_LONGEST:]


def fetched(system: Any, path: str, shown: str, size: int, version: str) -> Path:
    """Return a copy of a file in the folder for caches, which is made if there is none of this version.

    Raises:
        DataError: the file cannot be reached.
        GenzooError: the disk is full or read-only.
    """
    key = hashlib.sha256(f"{shown}\n{size}\n{version}".encode()).hexdigest()[:32]
    place = cache_home() / "remote" / key / _short(name_in(path))
    if version and place.is_file() and (not size or place.stat().st_size == size):
        with contextlib.suppress(OSError):  # a cache that others share may be read-only
            place.parent.touch()  # it is in use
        return place
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_unused(place.parent.parent)
    except OSError as error:
        raise GenzooError(f"{place.parent} cannot be used: {error}.") from error

    def copy(fresh: Path) -> None:
        with explained(shown), Phase(f"downloading {place.name}"):
            system.get_file(path, str(fresh))
        if size and fresh.stat().st_size != size:
            raise DataError(f"{shown} has {size} bytes, and {fresh.stat().st_size} came. Try again.")

    atomic_write(place, copy)
    return place


def _remove_unused(folder: Path) -> None:
    for old in folder.iterdir():
        with contextlib.suppress(OSError):
            if old.stat().st_mtime < time.time() - _UNUSED:
                shutil.rmtree(old)
