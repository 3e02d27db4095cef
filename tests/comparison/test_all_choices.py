"""An option that is `all` tries every choice that the model has for it."""

import numpy as np
import pytest

import genzoo
from genzoo.comparison.candidate import candidates
from genzoo.config.flags import choices_of
from genzoo.config.settings import Settings
from genzoo.plugins.manager import get_registry

COMMON = {"data": {"source": "iris"}}
FAMILIES = {
    "full",
    "tied",
    "diagonal",
    "spherical",
    "EII",
    "EEI",
    "VEI",
    "EVI",
    "VEE",
    "EVE",
    "VVE",
    "EEV",
    "VEV",
    "EVV",
}


def found(*wanted):
    return candidates(get_registry(), list(wanted), COMMON)


def test_all_covariance_types_are_the_fourteen_families():
    every = found("gmm:covariance_type=all")
    assert {one.config.options["covariance_type"] for one in every} == FAMILIES
    assert len(every) == 14
    assert every[0].id == "gmm:covariance_type=full"


def test_all_multiplies_with_other_grids():
    ids = [one.id for one in found("gmm:n_components=1..9,covariance_type=all")]
    assert len(ids) == len(set(ids)) == 9 * 14
    assert ids[0] == "gmm:n_components=1,covariance_type=full"


def test_all_works_in_mappings_and_for_switches_and_former_names():
    assert len(found({"model": "gmm", "covariance_type": "all", "noise": "all"})) == 28
    with pytest.warns(genzoo.FormerNameWarning):
        assert len(found("gmm:covariance=all")) == 14
    assert found("gaussian:covariance_type=all|VVV")[0].id == "gaussian:covariance_type=full"


def test_other_names_of_a_family_are_the_same_candidate():
    (one,) = found("gmm:covariance_type=VVV|full")
    assert one.config.options["covariance_type"] == "full"
    assert one.equals == ("gmm:covariance_type=full",)


@pytest.mark.parametrize("wanted", ["gmm:n_components=all", "gmm:colour=all", "gmm:training.max_iter=all"])
def test_all_of_an_option_without_choices_is_an_error(wanted):
    with pytest.raises(genzoo.ConfigError):
        found(wanted)


def test_choices_are_those_of_literals_and_switches():
    class Options(Settings):
        way: str = "all"
        number: int | None = None

    assert choices_of(Options, "way") == choices_of(Options, "number") == choices_of(Options, "other") == ()


def test_a_comparison_of_all_families_ranks_them():
    x = np.random.default_rng(0).normal(size=(60, 2))
    report = genzoo.compare(["gmm:covariance_type=all,n_components=1"], x)
    assert len(report.rows) == 14
    assert all(row.bic is not None for row in report.rows)
