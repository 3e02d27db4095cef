"""Report what a model does as a fault of the file its weights come from, or of its own code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from genzoo.errors import ArtifactError, GenzooError, PluginError, explain_out_of_memory
from genzoo.plugins.local import place_of


@contextlib.contextmanager
def blame_file(origin: str | None, model: str) -> Iterator[None]:
    """Turn errors of a model into ones that name the file its weights come from, or the model.

    A file may come from anybody. Its weights can make a correct model fail in any way, with any exception.

    Arguments:
        origin: path of the file; `None` if the model was just trained.
        model: id of the model.

    Raises:
        ArtifactError: the model failed with weights from a file.
        PluginError: it failed as it was trained.
        OutOfMemoryError: memory ran out, which is no fault of the file.
    """
    try:
        with explain_out_of_memory(
            f"model {model!r} computed", "ask for fewer rows or samples at a time, or use a smaller model"
        ):
            yield
    except Exception as error:
        if isinstance(error, GenzooError):
            raise
        if origin is None:
            raise PluginError(f"Model {model!r} failed{place_of(error)}: {type(error).__name__}: {error}") from error
        first_line = str(error).partition("\n")[0]
        raise ArtifactError(
            f"{origin} cannot be used: with these weights model {model!r} fails, {type(error).__name__}: {first_line}."
        ) from error
