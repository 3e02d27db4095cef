"""Progress of worker processes arrives at the process that waits for them."""

from genzoo.comparison.relay import Relay, ReportFile, read_lanes, relayed
from genzoo.runtime.progress import Phase, PhaseView, is_observed, observed


def test_the_phases_of_a_worker_can_be_read_elsewhere(tmp_path):
    with Relay(ReportFile(tmp_path / "1.json")) as relay, observed(relay):
        with Phase("gmm", 1, part=1), Phase("training", 4, "steps", at_most=True) as inner:
            inner.advance()
            relay.report()
            assert read_lanes(tmp_path) == [
                [PhaseView("gmm", 0.25, "", False), PhaseView("training", 0.25, "1/4 steps", True)]
            ]
        relay.report()
        assert read_lanes(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_half_written_report_is_passed_over(tmp_path):
    (tmp_path / "1.json").write_text('[["gmm", 0.')
    assert read_lanes(tmp_path) == []


def test_a_folder_that_is_gone_has_no_reports_and_ends_no_fit(tmp_path):
    assert read_lanes(tmp_path / "gone") == []
    with Relay(ReportFile(tmp_path / "gone" / "1.json")) as relay, observed(relay), Phase("gmm"):
        relay.report()


def test_without_a_folder_nothing_is_reported():
    with relayed(None):
        assert not is_observed()
