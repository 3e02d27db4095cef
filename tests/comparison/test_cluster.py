"""Comparisons on Dask clusters: the same report, lost workers and schedulers, other software, other data."""

import dataclasses
import logging
import platform
import resource
import sys
import threading
import types

import dask
import numpy as np
import pytest
import torch
from comparisons import ONCE, prepared, three, timeless
from distributed import Client, KilledWorker, LocalCluster
from distributed.client import FutureCancelledError

import genzoo
from genzoo.comparison.cluster import connect, sending, work
from genzoo.comparison.cluster.dispatch import run_on_cluster
from genzoo.comparison.cluster.failures import lost_scheduler
from genzoo.comparison.fits.job import FitJob, FitResult
from genzoo.comparison.location import DataLocation, arrays_of
from genzoo.comparison.splits import SplitPlan
from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.loading import open_dataset
from genzoo.errors import ConfigError, GenzooError, PluginError
from genzoo.plugins.manager import get_registry
from genzoo.runtime import cluster_versions as versions
from genzoo.runtime.cluster import ask_workers
from genzoo.runtime.progress import Phase, observed

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # of sockets that dask closes late
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]


@pytest.fixture
def cluster():
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, memory_limit=0, dashboard_address=":0"
    ) as found:
        yield found


@pytest.fixture
def client(cluster):
    with Client(cluster) as found:
        yield found


def trials_of(made):
    return [trial for number, one in enumerate(made.candidates) for trial in made._trials(number, one)]


def stream(client, made, trials, phase=None):
    return run_on_cluster(
        made.dataset,
        made.division,
        trials,
        on=client,
        settings=made.settings,
        workers=None,
        threads=1,
        phase=phase or Phase("fitting", len(trials)),
    )


def pretended(monkeypatch, run=lambda trial: FitResult(trial, kind="exact")):
    """Let workers, which are threads of this process, only pretend to fit."""
    monkeypatch.setattr(work, "run_fit_job", lambda dataset, division, trial: run(trial))


def close(cluster, number):
    worker = list(cluster.workers.values())[number]
    cluster.sync(worker.close)


@pytest.mark.parametrize("weights", [None, np.linspace(0.5, 2, 60)])
def test_a_cluster_changes_nothing_for_data_in_memory(client, weights):
    settings = {"candidates": ["gaussian", "gmm:n_components=2"], "training": ONCE, "weights": weights}
    want = timeless(genzoo.compare(data=three(60), **settings))
    assert timeless(genzoo.compare(data=three(60), on=client, **settings)) == want
    assert client.status == "running"


def test_a_cluster_changes_nothing_for_a_file(client, tmp_path):
    np.savetxt(tmp_path / "a.csv", three(60), delimiter=",", header="a,b", comments="")
    settings = {"candidates": ["gaussian"], "data": tmp_path / "a.csv"}
    want = timeless(genzoo.compare(**settings))
    assert timeless(genzoo.compare(on=client.scheduler.address, **settings)) == want


def test_data_that_workers_do_not_find_are_sent(client, monkeypatch):
    sent, scatter = [], client.scatter
    monkeypatch.setattr(client, "scatter", lambda *a, **terms: (sent.append(1), scatter(*a, **terms))[1])
    pretended(monkeypatch)
    made = prepared("gaussian")
    assert len(list(stream(client, made, trials_of(made)))) == 2
    assert sent == []
    real = work.DataLocation.open

    def other(place, arrays=None):  # as if the path led to another file there
        dataset, division = real(place, arrays)
        if arrays is None:
            dataset = dataset.__class__(dataset.name, dataset.spec, dataset.events + 1)
        return dataset, division

    monkeypatch.setattr(work.DataLocation, "open", other)
    assert len(list(stream(client, made, trials_of(made)))) == 2
    assert sent == [1]


def test_data_that_all_workers_lost_are_sent_again(cluster, client, monkeypatch):
    made, slow = prepared("gaussian"), threading.Event()
    made = dataclasses.replace(made, settings=None)

    def run(trial):
        slow.wait(0.05)
        return FitResult(trial, kind="exact")

    pretended(monkeypatch, run)
    trials = [FitJob(number, made.candidates[0].config, "criteria") for number in range(12)]
    results = stream(client, made, trials)
    found = [next(results), next(results)]
    for number in (0, 1):
        close(cluster, number)
    cluster.scale(3)
    found += results
    assert sorted(result.trial.candidate for result in found) == list(range(12))


def test_a_killed_worker_costs_only_the_fit_that_it_ran(cluster, client, monkeypatch):
    ran, made = [], prepared("gaussian")

    def run(trial):
        ran.append(trial.candidate)
        threading.Event().wait(0.05)
        return FitResult(trial, kind="exact")

    pretended(monkeypatch, run)
    trials = [FitJob(number, made.candidates[0].config, "criteria") for number in range(12)]
    results = stream(client, made, trials)
    found = [next(results)]
    close(cluster, 0)
    found += results
    assert sorted(result.trial.candidate for result in found) == list(range(12))
    assert len(ran) <= 13 + 1  # and one that had ended there, but had not arrived


def test_fits_that_a_failure_makes_useless_are_not_begun(client, monkeypatch):
    made = prepared("gaussian")
    config, ran = made.candidates[0].config, []

    def run(trial):
        ran.append(trial.purpose)
        return FitResult(trial, failure="It broke." if trial.purpose == "criteria" else None, exit_code=6)

    pretended(monkeypatch, run)
    trials = [FitJob(0, config, "criteria"), *(FitJob(0, config, "fold", fold) for fold in range(200))]
    found = list(stream(client, made, trials))
    assert len(found) == 201
    assert len(ran) < 201
    assert {result.failure for result in found} >= {"It broke."}


def test_a_fit_that_kills_its_workers_is_a_failure_of_its_candidate(client, monkeypatch):
    made = prepared("gaussian")
    sender = sending.Dispatch(client, None, None, made.dataset, Phase("fitting"))
    trial = trials_of(made)[0]

    error = KilledWorker("fit", None, 3)
    (result,) = sender._received(sending._Errand(trial), None, error)
    assert "4 workers died while they ran this fit" in result.failure
    assert result.exit_code == 1


def test_a_lost_scheduler_keeps_what_is_finished(tmp_path):
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    settings = {"candidates": ["gaussian", "gmm:n_components=1"], "data": three(60), "out": tmp_path / "out"}
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, processes=False, memory_limit=0, dashboard_address=":0")
    with Client(cluster) as client, pytest.raises(GenzooError, match="scheduler of the cluster is gone") as error:
        genzoo.compare(on=client, callback=lambda *_: cluster.close(), **settings)
    assert str(error.value) == str(lost_scheduler())
    begun = []
    report = genzoo.compare(callback=lambda *about: begun.append(about), **settings)
    assert begun[0][1] <= 3  # of four fits
    settings.pop("out")
    assert timeless(report) == timeless(genzoo.compare(**settings))


def test_workers_report_what_they_do(client, monkeypatch):
    seen, made = [], prepared("gaussian")

    class Observer:
        def begin(self, phase):
            pass

        def end(self, phase, *, failed):
            pass

    def run(trial):
        with Phase("passing over", 4, "passes") as phase:
            phase.advance()
            for _ in range(40):
                if seen:
                    break
                threading.Event().wait(0.05)
        return FitResult(trial, kind="exact")

    pretended(monkeypatch, run)
    with observed(Observer()), Phase("fitting", 1) as phase:
        watcher = threading.Timer(0, lambda: watch(phase, seen))
        watcher.start()
        list(stream(client, made, trials_of(made)[:1], phase))
        watcher.join()
        assert "dashboard" in phase.view(0).detail
    assert ("passing over", 0.25, "1/4 passes") in seen


def watch(phase, seen):
    for _ in range(80):
        seen += [(view.name, view.fraction, view.detail) for lane in phase.lanes() for view in lane]
        if seen:
            return
        threading.Event().wait(0.05)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"torch": "0.1"}, "torch 0.1 instead of "),
        ({"numpy": "0.1", "scipy": "0.2"}, "numpy 0.1 instead of .*; scipy 0.2 instead of "),
        ({"genzoo-strange": "2"}, "genzoo-strange 2 instead of not installed"),
        ({"genzoo": None}, "genzoo not installed instead of "),
        ({"Python": "3.4"}, "Python 3.4 instead of 3"),
    ],
)
def test_differences_between_versions_are_named(change, words):
    there = {name: value for name, value in {**versions.versions_here(), **change}.items() if value is not None}
    with pytest.raises(PluginError, match=f"Worker tcp://a:1 has other software than this process.*{words}"):
        versions.check_same(there, "Worker tcp://a:1")


def test_a_worker_without_a_plugin_is_found_before_anything_is_fitted(client, monkeypatch):
    versions.versions_here.cache_clear()
    monkeypatch.setattr(versions, "_distributions", lambda: {"genzoo", "genzoo-elsewhere"})
    monkeypatch.setattr(versions, "_version", lambda name: "1.0" if "else" in name else genzoo.__version__)
    try:
        with pytest.raises(PluginError, match=r"genzoo-elsewhere not installed instead of 1\.0"):
            genzoo.compare(["gaussian"], three(40), on=client)
    finally:
        versions.versions_here.cache_clear()


def test_a_worker_that_cannot_load_genzoo_is_explained(client, monkeypatch):
    def run(function, *arguments, on_error):  # as distributed hands on an import that failed
        return {"tcp://a:1": Exception("ModuleNotFoundError(\"No module named 'genzoo'\")")}

    monkeypatch.setattr(client, "run", run)
    with pytest.raises(PluginError, match=r"A worker cannot load genzoo: .*No module named"):
        versions.check_workers(client, "cpu")


def test_other_software_of_the_scheduler_is_named(client, monkeypatch):
    # It reads the fits that it hands on, and cannot without genzoo.
    found = client.get_versions(packages=list(versions.versions_here()))
    found["scheduler"]["packages"]["genzoo"] = None
    monkeypatch.setattr(client, "get_versions", lambda packages: found)
    with pytest.raises(PluginError, match=r"The scheduler has other software.*genzoo not installed instead of"):
        genzoo.compare(["gaussian"], three(40), on=client)


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ("cuda", "Worker tcp://a:1 computes on cuda where this process computes on cpu.*device='cpu'"),
        ("Device 'cpu' is not available.", "On worker tcp://a:1: Device 'cpu' is not available"),
    ],
)
def test_workers_on_another_kind_of_device_are_named(client, monkeypatch, there, words):
    answer = {"tcp://a:1": (versions.versions_here(), there)}
    monkeypatch.setattr(versions, "ask_workers", lambda *_: answer)
    with pytest.raises(ConfigError, match=words):
        genzoo.compare(["gaussian"], three(40), on=client, device="cpu")


def test_a_worker_that_joins_later_is_checked_before_its_first_fit(client, monkeypatch):
    made = prepared("gaussian")
    monkeypatch.setattr(work, "device_kind", lambda name: "cuda")
    with pytest.raises(ConfigError, match="computes on cuda where this process computes on cpu"):
        list(stream(client, made, trials_of(made)))


def test_a_cluster_without_workers_is_waited_for(cluster, client, monkeypatch):
    made, phase = prepared("gaussian"), Phase("fitting", 2)
    made = dataclasses.replace(made, settings=None)  # data that are sent need a worker, too
    pretended(monkeypatch)
    for number in (0, 1):
        close(cluster, number)
    seen = []

    def start():
        for _ in range(200):
            seen[:] = [phase.view(0).detail]
            if "waiting" in seen[0]:
                break
            threading.Event().wait(0.02)
        cluster.scale(3)  # it does not know that its two workers are closed

    starter = threading.Timer(0, start)
    starter.start()
    assert len(list(stream(client, made, trials_of(made), phase))) == 2
    starter.join()
    assert seen == [f"waiting for a worker to connect to {client.scheduler.address}"]


def test_a_result_that_is_lost_on_its_way_is_fetched_again(client, monkeypatch):
    pretended(monkeypatch)
    made, failures = prepared("gaussian"), [OSError("closed"), OSError("closed")]
    gather = client._gather_remote

    async def lossy(*arguments):
        if failures:
            client._gather_keys = client._gather_future = None
            raise failures.pop()
        return await gather(*arguments)

    monkeypatch.setattr(client, "_gather_remote", lossy)
    assert len(list(stream(client, made, trials_of(made)))) == 2
    assert not failures


@pytest.mark.parametrize("error", [FileNotFoundError("weights.pt"), ModuleNotFoundError("No module named 'x'")])
def test_a_fit_that_no_worker_can_run_is_a_failure_of_its_candidate(client, monkeypatch, error):
    first, ran = prepared("gaussian").candidates[0].config, []

    def run(trial):
        ran.append(trial.candidate)
        if trial.candidate == 0:
            raise error
        return FitResult(trial, kind="exact")

    pretended(monkeypatch, run)
    made = prepared("gaussian")
    found = {
        result.trial.candidate: result
        for result in stream(client, made, [FitJob(0, first, "criteria"), FitJob(1, first, "criteria")])
    }
    assert found[0].failure.startswith(f"2 workers could not run this fit: {type(error).__name__}: {error}. Mend")
    assert found[0].exit_code == 1
    assert found[1].failure is None
    assert sorted(ran) == [0, 0, 1]


def test_a_worker_that_can_run_nothing_costs_no_fit(client, monkeypatch):
    broken, ran = min(client.nthreads()), []

    def run(trial):
        threading.Event().wait(0.02)
        ran.append(work._address() == broken)
        if ran[-1]:
            raise OSError(5, "Input/output error")
        return FitResult(trial, kind="exact")

    pretended(monkeypatch, run)
    made = prepared("gaussian")
    trials = [FitJob(number, made.candidates[0].config, "criteria") for number in range(30)]
    found = list(stream(client, made, trials))
    assert sorted(result.trial.candidate for result in found) == list(range(30))
    assert not any(result.failure for result in found)
    assert any(ran)


def test_a_scheduler_that_dies_during_the_checks_is_an_error_of_the_call(client, monkeypatch):
    def die(*_):
        client.close()
        raise OSError("Stream is closed")

    monkeypatch.setattr("genzoo.comparison.cluster.dispatch.check_workers", die)
    with pytest.raises(GenzooError, match="scheduler of the cluster is gone"):
        genzoo.compare(["gaussian"], three(40), on=client)


def cancelled():
    return FutureCancelledError("fit-1", "already forgotten")


def test_data_may_be_lost_again_and_again_if_fits_end_meanwhile(client, monkeypatch):
    made, sent = prepared("gaussian"), []
    place = DataLocation.of(made.dataset, made.division, None)
    terms = work.FitTerms(place, {}, "cpu", 1, "shell", None, ())
    sender = sending.Dispatch(client, terms, "lost", made.dataset, Phase("fitting"))
    monkeypatch.setattr(sending, "send_data", lambda *_: sent.append(1) or f"data {len(sent)}")
    errand = sending._Errand(trials_of(made)[0], arrays="lost", tries=sending._TRIES, count=3)
    sender._count = 4
    sender._mend(errand, cancelled())
    assert sender._arrays == "data 1"
    sender._count = 3
    words = (
        "lost a fit 20 times while no other ended, gaussian.*: FutureCancelledError: fit-1 .*already forgotten[.] With"
    )
    with pytest.raises(GenzooError, match=words):
        sender._mend(errand, cancelled())


def test_sent_fits_are_counted_while_none_ends():
    errand = sending._Errand(None).sent(None, 0).sent(None, 0)
    assert errand.tries == 2
    assert errand.sent(None, 7).tries == 1
    assert errand.sent(None, 7).sent(None, 7).tries == 2


def test_data_are_sent_again_if_the_worker_that_takes_them_dies(client, monkeypatch):
    failures, scatter = [OSError("closed"), OSError("closed")], client.scatter

    def lossy(*arguments, **terms):
        if failures:
            raise failures.pop()
        return scatter(*arguments, **terms)

    monkeypatch.setattr(client, "scatter", lossy)
    monkeypatch.setattr("genzoo.runtime.cluster._NOTICE", 0.01)
    pretended(monkeypatch)
    made = dataclasses.replace(prepared("gaussian"), settings=None)
    assert len(list(stream(client, made, trials_of(made)))) == 2
    failures += [OSError("no way in")] * sending._TRIES
    with pytest.raises(GenzooError, match="cannot be sent to any worker: OSError: no way in"):
        list(stream(client, made, trials_of(made)))


def test_an_interruption_does_not_wait_for_workers(client, monkeypatch):
    pretended(monkeypatch)
    made, asked, run = prepared("gaussian"), [], client.run
    monkeypatch.setattr(client, "run", lambda *a, **k: (asked.append(a[0]), run(*a, **k))[1])
    results = stream(client, made, trials_of(made))
    next(results)
    results.close()
    assert work.forget_data not in asked
    list(stream(client, made, trials_of(made)))
    assert work.forget_data in asked


def test_a_worker_that_is_lost_while_it_is_asked_has_no_part(client, monkeypatch):
    monkeypatch.setattr(client, "run", lambda *_, on_error: {"tcp://a:1": OSError("gone"), "tcp://b:1": None})
    assert ask_workers(client, int) == {"tcp://b:1": None}


@pytest.mark.parametrize(
    ("on", "words"),
    [
        ("dsak", "takes 'dask' for this machine"),
        ("10.0.0.5:8786", "Did you mean 'tcp://10.0.0.5:8786'?"),
        (3, "not 3"),
    ],
)
def test_what_names_no_cluster_is_explained(on, words):
    with pytest.raises(ConfigError) as error:
        genzoo.compare(["gaussian"], three(40), on=on)
    assert words in str(error.value)
    with pytest.raises(ConfigError, match="address of a scheduler"):
        genzoo.synthesize(three(40), 5, "rows.csv", on=on)


@pytest.mark.parametrize("text", ["import genzoo\n", "import genzoo\nif __name__ == '__main__':\n    pass\n"])
def test_a_script_that_its_workers_would_run_again_is_explained(tmp_path, monkeypatch, text):
    (tmp_path / "script.py").write_text(text)
    script = types.ModuleType("__main__")
    script.__file__ = str(tmp_path / "script.py")
    monkeypatch.setitem(sys.modules, "__main__", script)
    monkeypatch.setattr("distributed.LocalCluster", lambda **_: (_ for _ in ()).throw(RuntimeError("It began.")))
    words = "It began" if "__name__" in text else "below the line if __name__ == '__main__':"
    with pytest.raises(GenzooError, match=words), connect("dask", workers=1):
        pass


def test_a_scheduler_that_does_not_answer_is_an_error_of_the_call(monkeypatch, tmp_path):
    monkeypatch.setattr("genzoo.runtime.cluster._PATIENCE", 0.2)
    with pytest.raises(GenzooError, match=r"No scheduler answers at tcp://127\.0\.0\.1:1 within 0\.2 seconds"):
        genzoo.compare(["gaussian"], three(40), on="tcp://127.0.0.1:1")
    with pytest.raises(ConfigError, match=r"tls://127\.0\.0\.1:1 needs certificates"):
        genzoo.compare(["gaussian"], three(40), on="tls://127.0.0.1:1")
    with pytest.raises(GenzooError, match="no scheduler file that can be read"):
        genzoo.compare(["gaussian"], three(40), on=str(tmp_path / "none.json"))


def test_a_scheduler_file_names_the_cluster(cluster, tmp_path):
    (tmp_path / "s.json").write_text(f'{{"address": "{cluster.scheduler_address}"}}')
    with connect(str(tmp_path / "s.json")) as client:
        assert len(client.nthreads()) == 2


def test_a_client_that_is_closed_or_jobs_beside_an_address_are_errors(cluster):
    with Client(cluster) as client, pytest.raises(ConfigError, match="Leave it out, or start 2 workers"):
        genzoo.compare(["gaussian"], three(40), on=client, jobs=2)
    with pytest.raises(ConfigError, match="is closed"):
        genzoo.compare(["gaussian"], three(40), on=client)


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(PluginError, match=r"pip install 'genzoo\[dask\]'"):
        genzoo.compare(["gaussian"], three(40), on="dask")


@pytest.mark.full
def test_a_cluster_of_this_machine_starts_and_ends_with_the_call():
    want = timeless(genzoo.compare(["gaussian"], "iris"))
    assert timeless(genzoo.compare(["gaussian"], "iris", on="dask", jobs=2)) == want


def page_faults():
    """Return how many page faults it takes to use 1 MiB again and again."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(2**20, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.full
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed memory on demand")
def test_worker_processes_keep_freed_memory():
    with connect("dask", workers=1) as client:
        (before,) = client.run(page_faults).values()
        genzoo.compare(["gaussian"], three(40), on=client, progress=False)
        after = [fault for _ in range(3) for fault in client.run(page_faults).values()]
    assert min(after) < before / 10  # threads of Dask have faults of their own


@pytest.mark.full
def test_no_fit_waits_behind_another_while_a_worker_is_idle():
    with connect("dask", workers=1) as client:
        assert client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.WORKER_SATURATION) == 1
        (interval,) = client.run(dask.config.get, "distributed.worker.profile.interval").values()
    assert interval == "1s"
    assert dask.config.get("distributed.scheduler.worker-saturation") != 1


def test_data_that_were_sent_are_divided_by_the_hash_of_their_key(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("key,a\n" + "".join(f"{row % 20},{row / 7:.3f}\n" for row in range(200)))
    split = SplitSettings(method="hash=key", validation=0.2, test=0.3)
    dataset = open_dataset(DataSettings(source=str(path), columns=("a",)), get_registry(), split)
    division = SplitPlan.of(dataset, split, 3, 4)
    sent, again = DataLocation.of(dataset, division, None).open(arrays_of(dataset))
    assert np.array_equal(sent.buckets, dataset.buckets)
    assert np.array_equal(again.test_rows, division.test_rows)
    assert np.array_equal(again.fold, division.fold)
    assert not set(again.test_rows % 20) & set(np.setdiff1d(np.arange(200), again.test_rows) % 20)
