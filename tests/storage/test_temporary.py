import os
import signal
import threading

import pytest

from genzoo.storage import temporary
from genzoo.storage.atomic import atomic_write, new_folder, remove_folder
from genzoo.storage.temporary import remove_abandoned, temporary_folder


def in_child(work):
    """Run work in a fork that never returns from it, and wait for its end."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(70)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_inside(folder):
    with temporary_folder(folder) as inside:
        (inside / "half").touch()
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_leaves_a_folder_that_the_next_one_removes(tmp_path):
    assert in_child(lambda: die_inside(tmp_path)) == -signal.SIGKILL
    assert len(list(tmp_path.glob(".genzoo-*.tmp/half"))) == 1
    atomic_write(tmp_path / "a.txt", lambda path: path.write_text("a", encoding="utf-8"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_the_folder_of_a_living_process_is_never_removed(tmp_path):
    with temporary_folder(tmp_path) as inside:
        (inside / "half").touch()
        remove_abandoned(tmp_path)
        in_child(lambda: remove_abandoned(tmp_path))
        assert (inside / "half").exists()


def test_folders_of_other_machines_and_without_locks_stay(tmp_path, monkeypatch):
    other = tmp_path / ".genzoo-00000000-0123456789abcdef.tmp"
    own = tmp_path / f"{temporary._PREFIX}0123456789abcdef.tmp"
    other.mkdir()
    own.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr("genzoo.storage.temporary.take_lock", lambda _: None)
        remove_abandoned(tmp_path)
        with temporary_folder(tmp_path) as inside:
            assert inside.is_dir()
    assert own.is_dir()
    remove_abandoned(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [other.name]


def test_a_folder_taken_for_abandoned_before_its_lock_is_made_again(tmp_path, monkeypatch):
    locked = iter([False, True])
    monkeypatch.setattr("genzoo.storage.temporary.take_lock", lambda _: next(locked))
    path, descriptor = temporary._claim(tmp_path)
    os.close(descriptor)
    assert path.is_dir()
    assert len(list(tmp_path.iterdir())) == 2
    assert temporary._is_at(os.open(path, os.O_RDONLY), tmp_path / "gone") is False


def test_one_of_many_threads_gets_a_name(tmp_path):
    got = []

    def take(number):
        if new_folder(tmp_path / "a", lambda fresh: (fresh / str(number)).touch()):
            got.append(str(number))

    threads = [threading.Thread(target=take, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == got


@pytest.mark.parametrize("make", ["touch", "mkdir", "symlink"])
def test_a_name_that_is_taken_is_left_alone(tmp_path, make):
    path = tmp_path / "a"
    {"touch": path.touch, "mkdir": path.mkdir, "symlink": lambda: path.symlink_to("nowhere")}[make]()
    assert not new_folder(path, lambda _: pytest.fail("filled"))
    assert os.path.lexists(path)


def test_a_name_that_is_taken_meanwhile_is_left_alone(tmp_path):
    path = tmp_path / "a"

    def fill(_):
        path.mkdir()
        (path / "mine").touch()

    assert not new_folder(path, fill)
    assert [entry.name for entry in tmp_path.rglob("*")] == ["a", "mine"]


def test_a_folder_is_removed_also_if_no_temporary_one_can_be_made(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    monkeypatch.setattr("genzoo.storage.temporary._claim", lambda _: (_ for _ in ()).throw(OSError))
    remove_folder(tmp_path / "a")
    assert not list(tmp_path.iterdir())
