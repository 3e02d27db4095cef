"""Settings to search: how ranges and choices are read, and what is wrong before anything is trained."""

import numpy as np
import pytest

from genzoo.errors import ConfigError
from genzoo.plugins.manager import get_registry
from genzoo.tuning.parsing import parse_pairs, parse_search, plain_search


def space(model, options=None, common=None, **search):
    given = {name.replace("__", "."): wanted for name, wanted in search.items()}
    return parse_search(get_registry(), model, options or {}, common or {}, given)


def axis(model, **search):
    return space(model, **search).axes[0]


def test_a_range_has_the_type_of_its_setting():
    whole, numbers = axis("gmm", n_components="1..20"), axis("gmm", reg_covar="0..1")
    assert (whole.low, whole.high, whole.whole, whole.log) == (1, 20, True, False)
    assert (whole.value(7), type(whole.value(7.0))) == (7, int)
    assert not numbers.whole
    assert numbers.value(0.123456789) == 0.1235


def test_a_rounded_number_stays_in_its_range():
    found = axis("gmm", reg_covar="1.23456e-6..1.23457e-6@log")
    assert all(1.23456e-6 <= found.value(drawn) <= 1.23457e-6 for drawn in (1.23456e-6, 1.234565e-6, 1.23457e-6))


def test_a_narrow_range_has_many_values():
    found, rng = axis("vae", objective__beta="0.99995..0.99999"), np.random.default_rng(0)
    assert len({found.value(found.draw(rng)) for _ in range(50)}) > 40
    assert axis("vae", objective__beta="0..500").value(200.45678) == 200.5


def test_choices_of_numpy_and_ranges_of_python_become_plain():
    given = {"n_components": np.arange(1, 3).tolist(), "max_iter": range(1, 3), "x": [np.int64(1), np.float64(0.5)]}
    assert plain_search(given) == {"n_components": [1, 2], "max_iter": [1, 2], "x": [1, 0.5]}
    assert plain_search({"n_components": "1..3"}) == {"n_components": "1..3"}


@pytest.mark.parametrize("name", ["lr", "optimizer__lr", "training__optimizer__lr"])
def test_short_names_of_settings_of_the_training_are_understood(name):
    found = axis("vae", **{name: "1e-4..1e-1@log"})
    assert (found.name, found.low, found.high, found.log) == ("training.optimizer.lr", 1e-4, 1e-1, True)
    config = space("vae", **{name: "1e-4..1e-1@log"}).candidate(get_registry(), {found.name: 0.01}).config
    assert config.training.optimizer.lr == 0.01


def test_choices_may_be_texts_numbers_or_lists():
    assert axis("gmm", covariance_type="full,tied").choices == {"full": "full", "tied": "tied"}
    assert axis("vae", widths="[8],[16, 16]").choices == {"[8]": [8], "[16, 16]": [16, 16]}
    assert axis("gmm", n_components=[1, 4]).ends == (1, 4)


def test_steps_are_counted_and_drawn():
    found = axis("gmm", n_components="1..9..3")
    assert found.count == 3
    assert {found.draw(np.random.default_rng(seed)) for seed in range(30)} == {1, 4, 7}
    assert [found.place(value) for value in (4, 5, 10, True)] == [4, None, None, None]


def test_draws_with_log_are_even_in_the_logarithm():
    found, rng = axis("gmm", reg_covar="1e-6..1e-2@log"), np.random.default_rng(0)
    drawn = np.log10([found.draw(rng) for _ in range(4000)])
    assert np.histogram(drawn, bins=4, range=(-6, -2))[0] == pytest.approx(1000, abs=120)


def test_the_default_settings_are_found_in_the_space():
    assert space("gmm", n_components="1..9", covariance_type="full,tied").defaults(get_registry()) is not None
    assert space("gmm", n_components="5..9").defaults(get_registry()) is None
    found = space("vae", lr="1e-5..1e-1@log", objective__beta="0.1..4").defaults(get_registry())
    assert found["objective.beta"] == 1.0
    assert (
        found["training.optimizer.lr"]
        == space("vae", lr="1..2").candidate(get_registry(), {}).config.training.optimizer.lr
    )


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"n_component": "1..3"}, "no option 'n_component'. Did you mean 'n_components'"),
        ({"n_components": "3..1"}, "does not rise"),
        ({"n_components": "3..3"}, "does not rise"),
        ({"n_components": "0..3"}, "at least 1, not 0"),
        ({"n_components": "1.5..3"}, "takes whole numbers"),
        ({"n_components": "1..x"}, "a range has the form"),
        ({"n_components": "1..5..9"}, "at most 4"),
        ({"n_components": "1..9..2@log"}, "has no step"),
        ({"reg_covar": "0..1@log"}, "both ends must be above 0"),
        ({"covariance_type": "1..3"}, "is no number.*full,tied"),
        ({"covariance_type": "full,foo"}, "not 'foo'"),
        ({"covariance_type": "full"}, "at least two different choices"),
        ({"covariance_type": "full,full"}, "at least two different choices"),
        ({"n_components": 3}, "a list of choices, not 3"),
        ({"seed": "1..3"}, "all trials of a search share 'seed'"),
        ({"data.size": "8..16"}, "all trials of a search share"),
        ({"lr": "1e-3..1e-1@log"}, "lr"),
        ({"tol": "1e-9..1e-3@log", "training.tol": "0..1"}, "searched twice"),
        ({}, "Name a setting to search"),
        ({"n_components": "1..1e400"}, "too large"),
        ({3: "1..2"}, "named by texts"),
        ({"n_components": [1, object()]}, "choices are numbers, texts"),
    ],
)
def test_a_wrong_search_is_one_clear_paragraph(search, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse_search(get_registry(), "gmm", {}, {}, plain_search(search))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "common", "name"),
    [
        ({"n_components": 3}, {}, "n_components"),
        ({}, {"training": {"tol": 1e-3}}, "training.tol"),
        ({"training": {"tol": 1e-3}}, {}, "tol"),
    ],
)
def test_a_setting_cannot_be_fixed_and_searched(options, common, name):
    with pytest.raises(ConfigError, match="searched, too"):
        parse_search(get_registry(), "gmm", options, common, {name: "1..3"})


@pytest.mark.parametrize("pair", ["n_components", "=1..3", "n_components="])
def test_pairs_have_a_name_and_a_range(pair):
    with pytest.raises(ConfigError, match="not of the form"):
        parse_pairs([pair])
    with pytest.raises(ConfigError, match="searched twice"):
        parse_pairs(["a=1..2", "a=3..4"])
