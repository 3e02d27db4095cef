"""Phases: what they count, and what they look like to whoever observes them."""

from genzoo.runtime.progress import Phase, is_observed, observed, views


class Recorder:
    """Writes down what it sees."""

    def __init__(self):
        self.seen = []

    def begin(self, phase):
        self.seen.append(("begin", phase.name))

    def end(self, phase, *, failed):
        self.seen.append(("failed" if failed else "end", phase.name))


def test_an_observer_sees_phases_begin_and_end_in_order():
    recorder = Recorder()
    with observed(recorder), Phase("outer"), Phase("inner"):
        assert is_observed()
    assert recorder.seen == [("begin", "outer"), ("begin", "inner"), ("end", "inner"), ("end", "outer")]


def test_an_error_reaches_the_caller_and_the_observer():
    recorder = Recorder()
    try:
        with observed(recorder), Phase("work"):
            raise ValueError
    except ValueError:
        recorder.seen.append("raised")
    assert recorder.seen == [("begin", "work"), ("failed", "work"), "raised"]


def test_nobody_sees_phases_where_observation_is_switched_off():
    recorder = Recorder()
    with observed(recorder):
        with observed(None), Phase("hidden"):
            assert not is_observed()
        assert is_observed()
    assert recorder.seen == []
    assert not is_observed()


def test_items_count_once_they_are_worked_on():
    phase = Phase("reading", 5, "rows")
    done = [(phase.done, phase.part) for _ in phase.over(["ab", "cde"], len)]
    assert done == [(0, 2), (2, 3)]
    assert (phase.done, phase.part) == (5, 0)


def test_a_phase_inside_moves_the_one_around_it():
    outer, inner = Phase("scoring", 100, "rows", part=50), Phase("likelihoods", 10)
    inner.advance(5)
    assert [view.fraction for view in views([outer, inner])] == [0.25, 0.5]


def test_a_second_phase_inside_does_not_move_it_back():
    outer = Phase("fit", 1, part=1)
    training = Phase("training", 1.0)
    training.done = 0.9
    assert views([outer, training])[0].fraction == 0.9
    assert views([outer, Phase("scoring", 10)])[0].fraction == 0.9


def test_other_processes_move_a_phase_too():
    outer = Phase("fits", 4, "fits")
    outer.advance()
    outer.lanes = lambda: [views([Phase("a")]), views([_half()])]
    assert outer.view(0.0).fraction == 1.5 / 4


def _half():
    phase = Phase("b", 2)
    phase.advance()
    return phase


def test_a_phase_without_a_total_has_counts_and_no_share():
    phase = Phase("passing over", unit="rows")
    phase.advance(12_000)
    assert views([phase])[0] == phase.view(0.0)
    assert phase.view(0.0).fraction is None
    assert phase.view(0.0).detail == "12,000 rows"


def test_details_are_asked_for_only_by_whoever_looks():
    asked = []
    phase = Phase("training", 1.0)
    phase.describe(lambda: asked.append(1) or "loss 0.5")
    with phase:
        phase.advance(0.5)
    assert not asked
    assert phase.view(0.0).detail == "loss 0.5"
