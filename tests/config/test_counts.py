"""Counts among the arguments of calls are whole numbers."""

import numpy as np
import pytest

import genzoo
from genzoo.config.counts import check_count
from genzoo.errors import ConfigError


@pytest.mark.parametrize("value", ["x", 2.5, True, None, -1, np.nan])
def test_what_is_no_count_is_named(value):
    with pytest.raises(ConfigError, match="steps must be a whole number of at least 1"):
        check_count("steps", value)


def test_a_count_of_numpy_is_one():
    assert check_count("steps", np.int64(3)) == 3
    assert check_count("rows", 0, 0) == 0


@pytest.mark.parametrize("name", ["folds", "seeds", "jobs", "threads"])
@pytest.mark.parametrize("value", ["x", 2.5])
def test_a_comparison_takes_whole_numbers_only(name, value):
    with pytest.raises(ConfigError, match=f"{name} must be a whole number"):
        genzoo.compare(["gaussian"], "iris", **{name: value})
