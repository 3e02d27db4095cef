"""Models that are classes in a file of the user's, named as `./my_model.py:MyModel`: the words for them, without torch.

`genzoo.models.local` loads such files. Only files that the user names are run. A run holds the name and the digest of
the file, and never its path.
"""

from __future__ import annotations

import contextlib
import os
import re
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from genzoo.spec.entries import LOCAL

_REFERENCE = re.compile(r"(?P<file>.*\.py):(?P<name>[A-Za-z_]\w*)", re.DOTALL)

_MODULES = "_genzoo_file_"
"""Beginning of the names of modules that files of the user's are run as."""

_CANDIDATE = re.compile(r"\s*([^=|]*\.py:[A-Za-z_]\w*)\s*(?:(:)(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """What a run holds of the class of its model.

    Arguments:
        file: name of the file, without its folder; empty for a class that no file holds.
        digest: SHA-256 of the source; empty if it cannot be read.
        of: what the digest is of: the whole `file`, the methods of the `class`, or nothing, so that only the `name` is
            known.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    file: str = ""
    digest: str = ""
    of: Literal["file", "class", "name"] = "name"


def split_reference(text: str) -> tuple[str, str]:
    """Return the file and the class of `FILE.py:CLASS`. The class is empty for a file alone, and both for a name."""
    found = _REFERENCE.fullmatch(text.strip())
    if found is not None:
        return found["file"], found["name"]
    return (text.strip(), "") if text.strip().endswith(".py") else ("", "")


def split_candidate(text: str) -> tuple[str, str, str]:
    """Split a candidate of a comparison at the colon after its model, as `str.partition` does.

    Examples:
        >>> split_candidate("gmm:n_components=3"), split_candidate("./my_model.py:MyModel:width=8")
        (('gmm', ':', 'n_components=3'), ('./my_model.py:MyModel', ':', 'width=8'))
    """
    found = _CANDIDATE.fullmatch(text)
    return text.partition(":") if found is None else (found[1], found[2] or "", found[3] or "")


def is_local(model: str) -> bool:
    """Return whether the id of a model is one of a class in a file of the user's."""
    return model.startswith(f"{LOCAL}/")


def module_name(file: str, digest: str) -> str:
    """Return the name of the module that a file with this stem and digest is run as."""
    return f"{_MODULES}{file}_{digest[:12]}"


def place_of(error: BaseException) -> str:
    """Return the line of a file of the user's at which an error arose, such as ` (my_model.py, line 7)`.

    Returns:
        An empty text if no such file took part.
    """
    places = [
        f" ({os.path.basename(frame.f_code.co_filename)}, line {line})"  # noqa: PTH119 - a name of any form
        for frame, line in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).startswith(_MODULES)
    ]
    return places[-1] if places else ""


_offered: ContextVar[Any] = ContextVar("model file", default=None)


@contextlib.contextmanager
def offering(model: Any) -> Iterator[None]:
    """Offer a file, `FILE.py` or `FILE.py:CLASS`, or a class to runs that are loaded inside and need it.

    Arguments:
        model: `None` leaves what is offered already.
    """
    if model is None:
        yield
        return
    token = _offered.set(model)
    try:
        yield
    finally:
        _offered.reset(token)


def offered_model() -> Any:
    """Return the file or class that is offered to runs, or `None`."""
    return _offered.get()
