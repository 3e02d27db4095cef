"""What a process concludes from the signs of life of the others."""

import time
from datetime import timedelta

import pytest
from together import free_port
from torch.distributed import HashStore, TCPStore

from genzoo.engine import heartbeat
from genzoo.engine.heartbeat import Heartbeat


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(heartbeat, "_EVERY", 0.05)
    monkeypatch.setattr(heartbeat, "_LIMIT", 0.6)
    monkeypatch.setattr(heartbeat.atexit, "register", lambda _: None)


def look(watch, seconds):
    """Look as often as a process that waits; return what was found."""
    end = time.monotonic() + seconds
    while watch.found is None and time.monotonic() < end:
        time.sleep(0.02)
    return watch.found


def test_a_process_without_signs_of_life_is_named():
    watch = Heartbeat(HashStore(), 0, 2)
    with watch.beating():
        assert "Rank 1 has not answered for 1 s." in look(watch, 20)


def test_two_processes_that_beat_are_alive():
    store = HashStore()
    first, second = Heartbeat(store, 0, 2), Heartbeat(store, 1, 2)
    with first.beating(), second.beating():
        assert look(first, 2) is None
        assert second.found is None


def test_a_process_that_is_done_is_not_frozen():
    store = HashStore()
    first = Heartbeat(store, 0, 2)
    with first.beating():
        with Heartbeat(store, 1, 2).beating():
            assert look(first, 0.3) is None
        assert look(first, 2) is None


def test_a_store_that_does_not_answer_is_named_only_after_a_while_awake():
    watch = Heartbeat(HashStore(), 0, 2)  # its thread never runs, as if it waited for the store
    time.sleep(1.0)  # like a process that was stopped and continued
    assert watch.found is None
    assert "Rank 0 or its launcher" in look(watch, 20)


def test_the_connection_is_one_of_its_own():
    port = free_port()
    server = TCPStore("127.0.0.1", port, is_master=True, timeout=timedelta(seconds=20), wait_for_workers=False)
    heartbeat.connect("127.0.0.1", port).set("key", "value")
    assert server.get("key") == b"value"
