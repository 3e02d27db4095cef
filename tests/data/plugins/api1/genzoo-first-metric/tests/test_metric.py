import numpy as np
import pytest

import genzoo
from genzoo_first_metric.metric import metric


def test_a_shift_along_the_only_direction_is_the_distance() -> None:
    real = np.random.default_rng(0).normal(size=(500, 1))
    found = metric.score(genzoo.Given(real_features=real, sample_features=real + 0.5))
    assert found.value == pytest.approx(0.5)


def test_too_few_events_are_refused() -> None:
    with pytest.raises(genzoo.DataError, match="at least 20"):
        metric.score(genzoo.Given(real_features=np.eye(3), sample_features=np.eye(3)))
