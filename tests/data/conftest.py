"""What the tests of data share."""

import pytest

from genzoo.config.data import DataSettings
from genzoo.config.settings import validate
from genzoo.data.loading import open_dataset
from genzoo.plugins.manager import get_registry


@pytest.fixture
def table(tmp_path):
    """Write a text, or its bytes, and read it as a table, with settings."""

    def make(text, name="a.csv", **settings):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        found = validate(DataSettings, {"source": str(tmp_path / name), **settings}, "Data")
        return open_dataset(found, get_registry())

    return make
