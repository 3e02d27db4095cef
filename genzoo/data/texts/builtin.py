"""Built-in texts: paragraphs of Python's manual, first names, and Shakespeare."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from pydoc_data import topics as _pydoc

from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset
from genzoo.data.download import find_file
from genzoo.data.texts.content import read_whole, windows_of
from genzoo.data.texts.lines import listed, read_texts
from genzoo.data.texts.windows import Windows

_GITHUB = "https://raw.githubusercontent.com/karpathy/"


_NAMES = "sha256:0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"


_SHAKESPEARE = "sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


_WINDOW = 256


_PARAGRAPHS, _LINE = re.compile(r"\n\s*\n"), re.compile(r"\W*")


_RULES = ("|", "+-")
"""Beginnings of lines of tables that are drawn with characters."""


def topics() -> Dataset:
    """The different paragraphs of the help on Python's syntax that comes with Python, each as one line.

    Versions of Python differ in their texts.
    """
    found: dict[str, None] = {}
    for _, text in sorted(_pydoc.topics.items()):
        for paragraph in _PARAGRAPHS.split(text):
            lines = (line.strip() for line in paragraph.splitlines())
            kept = [line for line in lines if not (_LINE.fullmatch(line) or line.startswith(_RULES))]
            found.setdefault(" ".join(kept))
    return dataclasses.replace(listed([text for text in found if text]), name="topics")


def names() -> Dataset:
    """32,033 first names in lower case (US Social Security Administration, by way of Karpathy's makemore)."""
    path = find_file("names", "names.txt", _NAMES, f"{_GITHUB}makemore/master/", "names.txt")
    return read_texts(path, DataSettings(source="names"))


def shakespeare() -> Dataset:
    """40,000 lines of Shakespeare's plays in windows of 256 bytes (by way of Karpathy's char-rnn).

    The last tenth is its own test set, which is the validation set of nanoGPT.
    """
    base = f"{_GITHUB}char-rnn/master/data/tinyshakespeare/"
    return _shakespeare(find_file("shakespeare", "input.txt", _SHAKESPEARE, base, "tinyshakespeare.txt"))


def _shakespeare(path: Path) -> Dataset:
    text, _ = read_whole(path)
    cut = int(0.9 * len(text))
    dataset = windows_of("shakespeare", "shakespeare", [text[:cut], text[cut:]], _WINDOW)
    assert isinstance(dataset.events, Windows)
    return dataclasses.replace(dataset, test_rows=len(dataset) - int(dataset.events.pieces[1]))
