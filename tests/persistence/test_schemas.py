"""Keys of files change only under a new number: `tests/data/schemas.json` lists them for each format.

If a test here fails, the files that genzoo writes have changed. Format 2 is released: give the format the next number,
let `genzoo/persistence` read the former one, and run `PYTHONPATH=tests/support python -m schemas`.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import schemas
from pydantic import create_model

import genzoo
from genzoo.config.run_config import RunConfig

DATA = Path(__file__).parents[1] / "data"
NEWEST = "0.2"
ROWS = np.random.default_rng(0).normal(size=(40, 2))


@pytest.mark.parametrize("file", schemas.FILES)
def test_the_keys_of_a_file_are_the_ones_of_its_format(file):
    stored = json.loads(schemas.STORED.read_text(encoding="utf-8"))
    assert schemas.keys_of(schemas.FILES[file]) == stored[schemas.titled(file)], __doc__


@pytest.mark.parametrize("changed", [{"later": (int, 0)}, {"seed": (str, "")}, {"data": (dict[str, str], {})}])
def test_another_key_or_type_is_another_schema(changed):
    other = create_model("Other", __base__=RunConfig, **changed)
    assert schemas.keys_of(other) != schemas.keys_of(RunConfig)


def test_a_description_or_a_default_is_no_part_of_a_schema():
    other = create_model("Other", __base__=RunConfig, seed=(int, 5))
    assert schemas.keys_of(other) == schemas.keys_of(RunConfig)


def test_new_files_have_the_keys_of_the_stored_ones(tmp_path, undrawn, cli):
    stored = DATA / "runs" / NEWEST / "gmm"
    code, _, err = cli("train", "gmm", "--config", stored / "config.json", "--out", tmp_path / "run")
    assert code == 0, err
    for file in ("config.json", "run.json", "model/config.json"):
        assert schemas.paths_in(tmp_path / "run" / file) == schemas.paths_in(stored / file), f"{file}: {__doc__}"
    genzoo.compare(["gaussian"], ROWS, folds=2, precision="fp64", out=tmp_path / "rows")
    for file in ("comparison.json", "report.json", "samples.json"):
        expected = schemas.paths_in(DATA / "comparisons" / NEWEST / "rows" / file)
        assert schemas.paths_in(tmp_path / "rows" / file) <= expected, f"{file}: {__doc__}"
