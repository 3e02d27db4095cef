"""A folder on the path, for tests that unpack distributions."""

import sys

import pytest


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on the path to unpack distributions into."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    for name in ("GENZOO_LOAD_PLUGINS", "GENZOO_STRICT_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    yield folder
    for name, found in list(sys.modules.items()):
        if str(folder) in str(getattr(found, "__file__", "")):
            del sys.modules[name]
