"""Which settings are tried: pruning as Optuna's, no repetition, the same trials again, and damaged journals."""

import math

import numpy as np
import pytest
from optuna.pruners import MedianPruner
from optuna.trial import TrialState

from genzoo.comparison.fits.job import FitJob, FitResult, Judgment, TrialJudge
from genzoo.errors import ArtifactError, ConfigError
from genzoo.plugins.manager import get_registry
from genzoo.tuning.parsing import parse_search
from genzoo.tuning.result import ranked
from genzoo.tuning.search import SettingSearch
from genzoo.tuning.study import quiet


def search(given=None, *, model="gmm", trials=20, seed=0, direction="higher", file=None, defaults=None):
    space = parse_search(get_registry(), model, {}, {}, given or {"n_components": "1..20", "reg_covar": "0..1"})
    return SettingSearch(space, defaults, trials=trials, seed=seed, direction=direction, file=file)


def judged(value=None, losses=(), *, pruned=False, failure=None, measure=None, reason=None, number=0):
    trial = FitJob(number, None, "validation", judge=TrialJudge())
    judgment = Judgment(value, 0.1, tuple(losses), pruned, reason)
    return FitResult(trial, 1.0, measure=measure, judgment=judgment, failure=failure, exit_code=6 if failure else 0)


def worth(settings):
    return -((settings["n_components"] - 13) ** 2) / 40 - (settings["reg_covar"] - 0.2) ** 2


def run(made, value=worth, stop=None):
    """Run trials whose value is a function of their settings."""
    for _ in range(stop or 1000):
        asked = made.ask()
        if asked is None:
            break
        made.tell(asked[0], judged(value(asked[1])))
    return made.trials


def test_the_sampler_comes_closer_to_the_best_than_its_first_trials():
    trials = run(search(trials=40))
    best = ranked(trials, "higher")[0]
    assert best.value > max(trial.value for trial in trials[:10])
    assert worth(best.settings) > -0.05


def test_the_same_seed_tries_the_same_and_another_seed_others():
    tried = [[trial.settings for trial in run(search(trials=14, seed=seed))] for seed in (3, 3, 4)]
    assert tried[0] == tried[1] != tried[2]


@pytest.mark.parametrize("stop", [1, 12])
def test_a_search_that_goes_on_tries_what_it_would_have_tried(tmp_path, stop):
    want = run(search(trials=15))
    file = tmp_path / "trials.journal"
    run(search(trials=15, file=file), stop=stop)
    begun = search(trials=15, file=file)
    assert begun.ask() is not None  # this trial is killed
    with file.open("ab") as opened:
        opened.write(b'{"op_code": 4, "half a li')
    assert run(search(trials=15, file=file)) == want


def test_a_journal_of_something_else_is_an_error(tmp_path):
    file = tmp_path / "trials.journal"
    file.write_bytes(b"nothing\nof the kind\n")
    with pytest.raises(ArtifactError, match="damaged"):
        search(file=file)


def test_settings_are_tried_once_and_all_of_a_small_space():
    made = search({"n_components": "1..4", "covariance_type": "full,tied"}, trials=50)
    trials = run(made, lambda settings: -settings["n_components"])
    assert len({str(trial.settings) for trial in trials}) == len(trials) == 8
    assert made.ask() is None


def test_the_first_trial_has_the_default_settings():
    made = search({"n_components": "1..9"}, defaults={"n_components": 4})
    assert made.ask()[1] == {"n_components": 4}


def test_a_kill_in_the_first_trial_does_not_lose_the_default_settings(tmp_path):
    file = tmp_path / "trials.journal"
    given = {"given": {"n_components": "1..9"}, "defaults": {"n_components": 4}, "file": file}
    for _ in range(2):  # the first one is killed
        assert search(**given).ask()[1] == {"n_components": 4}


def test_trials_are_returned_as_they_end_and_keep_their_numbers():
    made = search(trials=4)
    first, second = made.ask()[0], made.ask()[0]
    assert [made.tell(number, judged(1.0)).number for number in (second, first)] == [2, 1]
    third = made.ask()[0]
    assert made.fail(third, ConfigError("they do not go together")).number == 3
    assert [trial.number for trial in made.trials] == [1, 2, 3]


def test_a_bar_is_the_median_of_at_least_five_losses():
    made = search(trials=20)
    for length in (3, 3, 2, 2, 2):
        made.tell(made.ask()[0], judged(0.0, range(length)))
    assert made.bars() == (0.0, 1.0)


@pytest.mark.parametrize("name", ["training.monitor", "training.eval_steps", "training.eval_every"])
def test_losses_of_other_evaluations_are_not_compared(name):
    choices = ["mmd", "wasserstein"] if name == "training.monitor" else [1, 40]
    space = parse_search(get_registry(), "vae", {}, {}, {name: choices})
    assert not space.compares_losses


@pytest.mark.parametrize("line", [b"null", b"[]", b"5"])
def test_a_journal_with_a_strange_line_is_an_error(tmp_path, line):
    file = tmp_path / "trials.journal"
    run(search(trials=2, file=file))
    file.write_bytes(file.read_bytes() + line + b"\n")
    with pytest.raises(ArtifactError, match="damaged"):
        search(file=file)


def test_a_trial_without_its_record_is_an_error(tmp_path):
    file = tmp_path / "trials.journal"
    run(search(trials=2, file=file))
    file.write_bytes(file.read_bytes().replace(b'"status"', b'"states"'))
    with pytest.raises(ArtifactError, match="damaged"):
        search(file=file)


def test_several_trials_at_a_time_have_settings_of_their_own():
    made = search({"n_components": "1..3"}, trials=9)
    asked = [made.ask() for _ in range(4)]
    assert sorted(one[1]["n_components"] for one in asked[:3]) == [1, 2, 3]
    assert asked[3] is None


def test_failures_are_kept_with_their_reason_and_the_search_goes_on():
    made = search(trials=4)
    for result in (
        judged(failure="it diverged"),
        judged(math.inf),
        judged(-1.0, measure="density"),
        judged(-0.5, measure="mass"),
    ):
        made.tell(made.ask()[0], result)
    assert [trial.status for trial in made.trials] == ["failed", "failed", "complete", "failed"]
    assert made.trials[0].reason == "it diverged"
    assert made.trials[0].exit_code == 6
    assert "is a mass, and the likelihoods before are a density" in made.trials[3].reason
    assert [trial.number for trial in ranked(made.trials, "higher")] == [3]


@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_bars_prune_what_the_median_pruner_of_optuna_prunes(direction):
    rng = np.random.default_rng(1)
    made, decisions = search(trials=60, direction=direction), []
    sign = -1.0 if direction == "higher" else 1.0
    pruner = MedianPruner(n_min_trials=5)
    for _ in range(60):
        number, _ = made.ask()
        bars = made.bars()
        losses = list(rng.normal(size=rng.integers(1, 6)) + rng.normal())
        mine = next((n for n, bar in enumerate(bars[: len(losses)]) if min(losses[: n + 1]) > bar), None)
        with quiet():
            trial = made._study.ask()  # a trial of its own, to ask Optuna's pruner about
            made._study.pruner = pruner
            theirs = None
            for n, loss in enumerate(losses):
                trial.report(sign * loss, n + 1)
                if trial.should_prune():
                    theirs = n
                    break
            made._study.tell(trial, state=TrialState.FAIL)
        assert mine == theirs
        decisions.append(mine is not None)
        kept = losses if mine is None else losses[: mine + 1]
        made.tell(number, judged(None if mine is not None else sign * losses[-1], kept, pruned=mine is not None))
    assert 5 < sum(decisions) < 55
    assert "median of earlier trials" in next(one for one in made.trials if one.status == "pruned").reason


def test_losses_are_not_compared_between_different_objectives():
    for given, any_bars in (({"objective.beta": "0.5..2"}, False), ({"latent": "2..16"}, True)):
        made = search(given, model="vae", trials=9)
        for place in range(6):
            made.tell(made.ask()[0], judged(float(place), [1.0, 2.0]))
        assert bool(made.bars()) is any_bars


def test_the_space_of_another_search_is_an_error_of_the_call(tmp_path):
    with pytest.raises(ConfigError):
        search({"n_components": "0..2"}, file=tmp_path / "trials.journal")
    assert not (tmp_path / "trials.journal").exists()
