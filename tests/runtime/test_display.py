"""What is shown of phases, with a clock that the test turns."""

import io
import re
import sys
import types

import pytest
from rich.console import Console

from genzoo.runtime import display
from genzoo.runtime.display import Display, LineSurface, NotebookSurface, TerminalSurface, show_progress
from genzoo.runtime.progress import Phase, is_observed, observed


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def passing(clock):
    """Let seconds pass for a display that looks four times in each."""

    def let_pass(shown, seconds):
        for _ in range(int(seconds * 4)):
            clock.now += 0.25
            shown.tick()

    return let_pass


def terminal(width):
    file = io.StringIO()
    return file, Console(file=file, force_terminal=True, width=width, color_system=None, legacy_windows=False)


@pytest.fixture
def lines(clock, capsys):
    with Display(LineSurface(), clock=clock, alone=False) as shown, observed(shown):
        yield shown, lambda: capsys.readouterr().err.splitlines()


def test_a_short_phase_leaves_no_line(lines, passing):
    shown, printed = lines
    with Phase("loading the model"):
        passing(shown, 0.25)
    assert printed() == []


def test_a_long_phase_has_a_line_at_its_start_and_then_one_in_four_seconds(lines, passing):
    shown, printed = lines
    with Phase("scoring", 100, "rows") as phase:
        passing(shown, 0.5)
        assert printed() == ["scoring  0%  0/100 rows  elapsed 0:01"]
        phase.advance(25)
        passing(shown, 3.75)
        assert printed() == []
        passing(shown, 0.25)
        assert printed() == ["scoring  25%  25/100 rows  elapsed 0:05  remaining 0:14"]
        passing(shown, 40)
        assert len(printed()) == 10
        phase.advance(75)
    assert printed() == ["scoring  100%  100/100 rows  took 0:45"]


def test_a_phase_that_cannot_be_counted_says_that_it_goes_on(lines, passing):
    shown, printed = lines
    with Phase("reading a.csv"):
        passing(shown, 9)
    assert [line.partition("  ")[2] for line in printed()] == [
        "elapsed 0:01",
        "elapsed 0:05",
        "elapsed 0:09",
        "took 0:09",
    ]


def test_phases_inside_share_the_line_of_the_outermost(lines, passing):
    shown, printed = lines
    with Phase("training", 1.0) as training:
        training.advance(0.5)
        training.describe("step 50/100")
        with Phase("evaluating validation rows"), Phase("scoring", 10, "rows"):
            passing(shown, 2)
    assert printed()[0] == (
        "training  50%  step 50/100  elapsed 0:01  remaining 0:01 | evaluating validation rows: scoring  0%  0/10 rows"
    )
    assert printed() == []


def test_work_that_may_end_early_takes_at_most_the_time_shown(lines, passing):
    shown, printed = lines
    with Phase("training", 1.0, at_most=True) as training:
        training.advance(0.5)
        passing(shown, 1)
    assert printed()[0].endswith("remaining at most 0:01")


def test_what_was_done_before_a_resume_does_not_count_as_speed(lines, passing):
    shown, printed = lines
    with Phase("training", 1.0, start=0.5) as training:
        training.done = 0.75
        passing(shown, 10.25)
    assert "elapsed 0:09  remaining 0:09" in printed()[-2]


def test_an_interruption_says_after_how_long(lines, passing):
    shown, printed = lines
    phase = Phase("scoring", 4, "rows")
    phase.advance()

    def work():
        with phase:
            passing(shown, 2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert printed()[-1] == "scoring  25%  1/4 rows  stopped after 0:02"


def test_names_from_files_cannot_move_the_cursor(lines, passing):
    shown, printed = lines
    with Phase("reading \x1b[2Ja.csv"):
        passing(shown, 1)
    assert all("\x1b" not in line for line in printed())


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_bar_fits_its_terminal(clock, passing, width):
    file, console = terminal(width)
    fits, inner = Phase("fitting candidates", 10, "fits", part=1), Phase("training", 1.0)
    fits.advance(3)
    inner.advance(0.5)
    inner.describe("pass 12  negative_log_likelihood 1234.567")
    between = Phase("gmm:n_components=12,covariance_type=full, fold 3", 1, part=1)
    with Display(TerminalSurface(console), clock=clock, alone=False) as shown, observed(shown), fits, between, inner:
        passing(shown, 1)
        drawn = file.getvalue()
    rows = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", drawn).replace("\r", "\n").split("\n")
    assert all(len(row) <= width for row in rows)
    assert any("35%" in row for row in rows)
    if width >= 40:
        assert any("remaining 0:0" in row for row in rows)
    if width >= 80:
        assert any("━" in row and "3/10 fits" in row and "elapsed 0:00" in row for row in rows)


def test_a_terminal_keeps_one_line_of_a_phase_and_no_bar(clock, passing):
    file, console = terminal(80)
    with Display(TerminalSurface(console), clock=clock, alone=False) as shown, observed(shown):
        with Phase("scoring", 4, "rows") as phase:
            passing(shown, 1)
            phase.advance(4)
        assert file.getvalue().endswith("scoring  100%  4/4 rows  took 0:01\n")
    assert file.getvalue().rfind("\x1b[?25h") > file.getvalue().rfind("\x1b[?25l")


def test_a_terminal_keeps_no_line_of_what_cannot_be_counted(clock, passing):
    file, console = terminal(80)
    with Display(TerminalSurface(console), clock=clock, alone=False) as shown, observed(shown), Phase("starting"):
        passing(shown, 5)
    assert "starting" in file.getvalue()
    assert "took" not in file.getvalue()


def test_a_terminal_shows_nothing_of_short_phases(clock):
    file, console = terminal(80)
    with Display(TerminalSurface(console), clock=clock, alone=False) as shown, observed(shown), Phase("sampling"):
        shown.tick()
    assert file.getvalue() == ""


class Handle:
    """Takes what IPython would show."""

    def __init__(self):
        self.shown = []

    def update(self, content, raw):
        assert raw
        self.shown.append(content["text/plain"])


@pytest.fixture
def notebook(monkeypatch):
    handle = Handle()

    def show(content, raw, display_id):
        assert display_id
        handle.shown.append("(new)")
        handle.update(content, raw)
        return handle

    module = types.SimpleNamespace(display=show)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(display=module))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return handle.shown


def test_a_notebook_has_one_output_that_changes(clock, passing, notebook):
    with (
        Display(NotebookSurface(), clock=clock, alone=False) as shown,
        observed(shown),
        Phase("scoring", 4, "rows") as phase,
    ):
        phase.advance()
        passing(shown, 1)
    assert notebook[1] == "█████░░░░░░░░░░░░░░░ scoring  25%  1/4 rows  elapsed 0:00  remaining 0:01"
    assert notebook[-1] == "scoring  25%  1/4 rows  took 0:01"


def test_a_notebook_has_no_empty_outputs_between_phases(clock, passing, notebook):
    with Display(NotebookSurface(), clock=clock, alone=False) as shown, observed(shown):
        with Phase("starting"):
            passing(shown, 1)
        with Phase("scoring", 1, "rows") as phase:
            passing(shown, 1)
            phase.advance()
    assert notebook.count("(new)") == 1


def test_a_notebook_is_recognized_by_its_kernel(monkeypatch, notebook):
    monkeypatch.setattr("rich.console.Console", lambda: types.SimpleNamespace(is_jupyter=True))
    assert isinstance(display.find_surface(None), NotebookSurface)


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("JPY_PARENT_PID", "12", LineSurface),
        ("MPLBACKEND", "module://matplotlib_inline.backend_inline", LineSurface),
        ("MPLBACKEND", "agg", TerminalSurface),
    ],
)
def test_a_command_of_a_cell_prints_lines_although_it_has_a_terminal(monkeypatch, name, value, kind):
    for other in ("JPY_PARENT_PID", "MPLBACKEND"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stderr", types.SimpleNamespace(isatty=lambda: True))
    assert type(display.find_surface(None)) is kind


def test_nothing_is_shown_by_default_unless_somebody_looks(capsys):
    with show_progress(None):
        assert not is_observed()
    with show_progress(True):
        assert is_observed()
    with show_progress():
        assert is_observed()


def test_an_outer_display_goes_on_showing_unless_it_is_switched_off(capsys):
    with show_progress(True):
        with show_progress(None):
            assert is_observed()
        with show_progress(False):
            assert not is_observed()


def test_a_stream_that_cannot_be_written_ends_nothing(clock, passing, monkeypatch):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    with Display(LineSurface(), clock=clock, alone=False) as shown, observed(shown), Phase("scoring"):
        passing(shown, 5)


def test_a_display_looks_by_itself(monkeypatch, capsys):
    looked = []
    monkeypatch.setattr(display, "_TICK", 0.001)
    monkeypatch.setattr(Display, "tick", lambda self: looked.append(1))
    with Display(LineSurface()) as shown, observed(shown), Phase("working"):
        while not looked:
            pass
    assert shown._thread is not None
    assert not shown._thread.is_alive()


def test_work_that_ended_early_leaves_no_percentage(lines, passing):
    shown, printed = lines
    with Phase("training", 100, at_most=True) as phase:
        phase.advance(60)
        passing(shown, 8)
    assert printed()[-1] == "training  took 0:08"
