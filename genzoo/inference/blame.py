"""Report what a model does with weights from a file as a fault of that file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from genzoo.errors import ArtifactError, GenzooError, explain_out_of_memory


@contextlib.contextmanager
def blame_file(origin: str | None, model: str) -> Iterator[None]:
    """Turn errors of a model into an `ArtifactError` that names the file its weights come from.

    A file may come from anybody. Its weights can make a correct model fail in any way, with any exception.

    Arguments:
        origin: path of the file. If it is `None`, the model was just trained and errors pass unchanged.
        model: id of the model.

    Raises:
        ArtifactError: the model failed.
        OutOfMemoryError: memory ran out, which is no fault of the file.
    """
    try:
        with explain_out_of_memory(
            f"model {model!r} computed", "ask for fewer rows or samples at a time, or use a smaller model"
        ):
            yield
    except Exception as error:
        if origin is None or isinstance(error, GenzooError):
            raise
        first_line = str(error).partition("\n")[0]
        raise ArtifactError(
            f"{origin} cannot be used: with these weights model {model!r} fails, {type(error).__name__}: {first_line}."
        ) from error
