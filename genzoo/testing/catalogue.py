"""All promises."""

from __future__ import annotations

from genzoo.errors import ConfigError, did_you_mean
from genzoo.testing.accelerator import PROMISES as ACCELERATOR
from genzoo.testing.answer import PROMISES as ANSWER
from genzoo.testing.bound import PROMISES as BOUND
from genzoo.testing.building import PROMISES as BUILDING
from genzoo.testing.component import PROMISES as COMPONENT
from genzoo.testing.configuration import PROMISES as CONFIGURATION
from genzoo.testing.dataset import PROMISES as DATASET
from genzoo.testing.density import PROMISES as DENSITY
from genzoo.testing.imputation import PROMISES as IMPUTATION
from genzoo.testing.latent import PROMISES as LATENT
from genzoo.testing.metric import PROMISES as METRIC
from genzoo.testing.promise import Promise, Sort
from genzoo.testing.randomness import PROMISES as RANDOMNESS
from genzoo.testing.registration import PROMISES as REGISTRATION
from genzoo.testing.sampling import PROMISES as SAMPLING
from genzoo.testing.training import PROMISES as TRAINING

_ALL = (
    *REGISTRATION,
    *CONFIGURATION,
    *BUILDING,
    *SAMPLING,
    *RANDOMNESS,
    *ACCELERATOR,
    *TRAINING,
    *ANSWER,
    *DENSITY,
    *BOUND,
    *LATENT,
    *COMPONENT,
    *IMPUTATION,
    *METRIC,
    *DATASET,
)


def promises(sort: Sort = "model") -> tuple[Promise, ...]:
    """What everything of a sort promises, in the order in which it is checked.

    Raises:
        ConfigError: there is no such sort.
    """
    found = tuple(promise for promise in _ALL if promise.sort == sort)
    if not found:
        known = {promise.sort for promise in _ALL}
        raise ConfigError(f"Nothing is promised of a {sort!r}. {did_you_mean(sort, known)}")
    return found
