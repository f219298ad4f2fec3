"""Thousands of wrong inputs: each is used or refused in words, in time, within a bound of memory."""

import logging
import signal
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from fuzz.inputs import KINDS

from minicap.errors import MinicapError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(sys.platform == "win32", reason="needs an alarm for each input"),
]

SECONDS = 20  # for one input; a usual one takes milliseconds
MEMORY = 2 * 2**30  # bytes in all; Pillow's limit lets a photo take 0.27e9, and copies of it
AT_MOST_SHOWN = 5


class Hang(BaseException):
    """One input took too long."""


@contextmanager
def alarm(seconds):
    def ring(number, frame):
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def peak_memory():
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.parametrize(("kind", "count"), KINDS.items(), ids=[kind.__name__ for kind in KINDS])
def test_every_wrong_input_is_used_or_refused_in_words(kind, count, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("MINICAP_CACHE", str(tmp_path / "caches"))
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.CRITICAL)
    attempt = kind(tmp_path)
    used, wrong = 0, []
    for number in range(count):
        try:
            with alarm(SECONDS), np.errstate(all="ignore"):
                attempt(np.random.default_rng([number, count]))
            used += 1
        except MinicapError as error:
            if not str(error).strip():
                wrong.append(f"{number}: an error without words")
        except (Exception, Hang) as error:
            trace = error.__traceback__
            while trace and trace.tb_next:
                trace = trace.tb_next
            place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
            wrong.append(f"{number}: {type(error).__name__}: {str(error)[:200]} ({place})")
        assert peak_memory() < MEMORY, f"{number} took the memory to {peak_memory() / 2**20:.0f} MiB"
    print(
        f"\n{kind.__name__}: {count} inputs, {used} used, {count - used - len(wrong)} refused, "
        f"{len(wrong)} wrong; peak {peak_memory() / 2**20:.0f} MiB"
    )
    assert not wrong, f"{len(wrong)} of {count}:\n" + "\n".join(wrong[:AT_MOST_SHOWN])
