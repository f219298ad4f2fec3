import os
import subprocess
import sys

import pytest

# A block is freed and asked for again; what is printed is how many pages had to be mapped the second time.
STEP = """
import resource, numpy as np
from minicap.backend.cpu.allocator import keep_freed_memory
print(keep_freed_memory())
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(3_000_000)
    pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(pages)
"""


def pages_of_a_second_step(**environment):
    pytest.importorskip("resource", reason="the system does not count pages")
    done = subprocess.run(
        [sys.executable, "-c", STEP], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    kept, pages = done.stdout.split()
    return kept == "True", int(pages)


def test_a_freed_block_comes_back_without_new_pages_where_malloc_can_keep_it():
    kept, pages = pages_of_a_second_step()
    if not kept:
        pytest.skip("this C library's malloc has no such setting")
    assert pages < 10


def test_malloc_stays_as_it_is_on_request():
    kept, _ = pages_of_a_second_step(MINICAP_KEEP_MEMORY="0")
    assert not kept
