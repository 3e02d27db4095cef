"""Freed memory stays with the process, even if its environment says otherwise. Peaks are tested with their use."""

import os
import platform
import subprocess
import sys

import pytest

PAGES = 512
"""Pages of the block that is taken and freed again and again."""

FAULTS = f"""
import resource, sys, torch
from genzoo.runtime.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones({PAGES} * 4096, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
keep_freed_memory()
faults()  # takes what is kept
print(before, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed memory on demand")
def test_freed_memory_is_kept_where_the_environment_returns_it():
    environment = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"}  # as the workers of Dask begin
    found = subprocess.run([sys.executable, "-c", FAULTS], env=environment, capture_output=True, text=True, check=True)
    before, after = map(int, found.stdout.split())
    assert before >= 20 * PAGES / 2
    assert after <= PAGES
