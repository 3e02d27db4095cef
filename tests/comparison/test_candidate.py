"""Grids of candidates are expanded, and errors in them are found before anything is fitted."""

import pytest

from genzoo.comparison.candidate import candidates, expand
from genzoo.errors import ConfigError
from genzoo.plugins.manager import get_registry

COMMON = {"data": {"source": "iris"}, "split": {"test": 0.25}, "seed": 7}


def ids(*wanted):
    return [candidate.id for candidate in candidates(get_registry(), wanted, COMMON)]


def test_a_grid_is_the_product_of_its_axes():
    assert ids("gmm:n_components=1..3..2,covariance_type=full|tied") == [
        "gmm:n_components=1,covariance_type=full",
        "gmm:n_components=1,covariance_type=tied",
        "gmm:n_components=3,covariance_type=full",
        "gmm:n_components=3,covariance_type=tied",
    ]


def test_values_are_parsed_as_train_parses_them():
    assert expand("toy:offset=-1.5|2,objective.scale=1e-1,training.steps=5") == [
        ("toy", {"offset": -1.5, "objective": {"scale": 0.1}, "training": {"steps": 5}}),
        ("toy", {"offset": 2, "objective": {"scale": 0.1}, "training": {"steps": 5}}),
    ]
    assert expand('toy:a=[1,2]|[3],b="x|y,z",c=-1..1')[0] == ("toy", {"a": [1, 2], "b": "x|y,z", "c": -1})


def test_one_configuration_takes_part_once():
    assert ids("gmm", "gmm:n_components=2", {"model": "gmm", "n_components": 2}, "genzoo-mixture/gmm") == ["gmm"]
    assert ids({"model": "gmm", "n_components": 3}, "gmm:n_components=2..3") == [
        "gmm:n_components=3",
        "gmm:n_components=2",
    ]


def test_synonyms_are_one_candidate_that_names_the_other():
    (one,) = candidates(get_registry(), ["gmm:covariance_type=diag|diagonal", "gmm:covariance_type=diag"], COMMON)
    assert (one.id, one.equals) == ("gmm:covariance_type=diag", ("gmm:covariance_type=diagonal",))


def test_all_share_what_is_common():
    for candidate in candidates(get_registry(), ["gmm:n_components=1..2", "toy"], COMMON):
        assert (candidate.config.seed, candidate.config.data.source, candidate.config.split.test) == (7, "iris", 0.25)


def test_an_expected_candidate_is_matched_by_what_it_says():
    (best,) = candidates(get_registry(), ["gmm:n_components=3,covariance_type=tied"], COMMON)
    for text in (
        "gmm",
        "genzoo-mixture/gmm",
        "gmm:n_components=3",
        "gmm:covariance_type=tied,init_params=several",
        "gmm:objective=em",
    ):
        assert all(best.matches(other) for other in candidates(get_registry(), [text], COMMON))
    for text in ("gaussian", "gmm:n_components=2", "gmm:covariance_type=full"):
        assert not any(best.matches(other) for other in candidates(get_registry(), [text], COMMON))


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("gm", "Did you mean 'gmm'"),
        ("gmm:n_component=3", "Did you mean 'n_components'"),
        ("gmm:n_components=0", "n_components"),
        ("gmm:n_components=9..1", "does not rise"),
        ("gmm:n_components=1..9..0", "does not rise"),
        ("gmm:n_components=1..99999999", "more than 10000"),
        ("gmm:n_components=1..999,reg_covar=1..999", "more than 10000"),
        ("gmm:", "MODEL:key=value"),
        (":n_components=3", "MODEL:key=value"),
        ("gmm:components", "key=a|b"),
        ("gmm:seed=3", "share"),
        ("gmm:split.test=0.5", "share"),
        ('gmm:training.callbacks=["toy-callback"]', "callbacks"),
        ('gmm:training.log=["csv"]', "log, which needs a run directory"),
        ("gmm:training.sample_every=3", "sample_every, which needs a run directory"),
        ({"n_components": 3}, "'model'"),
    ],
)
def test_a_wrong_candidate_is_an_error_before_any_fit(wanted, words):
    with pytest.raises(ConfigError) as error:
        candidates(get_registry(), ["gaussian", wanted], COMMON)
    assert words in str(error.value)


def test_no_candidate_is_an_error():
    with pytest.raises(ConfigError, match="Name a model"):
        candidates(get_registry(), [], COMMON)
