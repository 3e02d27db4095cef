"""The section of a report on a search."""

import pytest

from genzoo.tuning.page import log_ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (2, 32, [2, 5, 10, 20]),
        (1e-4, 1e-1, [1e-4, 1e-3, 1e-2, 1e-1]),
        (1e-9, 1, [1e-9, 1e-7, 1e-5, 1e-3, 1e-1]),
        (3, 4, [3, 4]),
        (7, 7, [7]),
    ],
)
def test_logarithmic_axes_have_few_round_labels(low, high, ticks):
    assert log_ticks(low, high) == pytest.approx(ticks)
