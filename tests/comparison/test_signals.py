"""Worker processes end with the process that started them."""

import subprocess
import sys

CHILD = """
import os, sys, time
from genzoo.comparison.signals import exit_with_parent

exit_with_parent(int(sys.argv[1]))
print("watches", flush=True)
time.sleep(600)
"""
PARENT = """
import os, signal, subprocess, sys

child = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())], stdout=subprocess.PIPE)
child.stdout.readline()
assert child.poll() is None
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_ends_when_its_parent_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stderr=subprocess.PIPE, text=True)
    _, err = parent.communicate(timeout=120)  # returns when the last process with this pipe has ended
    assert (parent.returncode, err) == (-9, "")


def test_a_process_whose_parent_is_gone_already_ends_too():
    child = subprocess.run([sys.executable, "-c", CHILD, "-1"], capture_output=True, timeout=120)
    assert child.returncode == 1
