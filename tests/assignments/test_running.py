"""Time limits count what a call computes, not how long a busy machine takes for it."""

import os

import pytest

from minicap.assignments.running import Worker
from minicap.assignments.values import encode

CALLS = """
import time


def endless():
    while True:
        pass


def patient():
    time.sleep(1.2)
    return 2.0
"""


def asked(call: str, seconds: float) -> bytes:
    nothing = dict(module="math", function="", args=[], kwargs={}, needs={}, names=[])
    return encode(nothing | dict(call=call, calls=CALLS, seconds=seconds))


@pytest.mark.parametrize(
    "forks",
    [False, pytest.param(True, marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"))],
)
def test_a_call_that_computes_for_too_long_is_ended_and_one_that_waits_is_not(forks):
    with Worker(forks=forks) as worker:
        assert worker.ask(asked("endless", 1), 1) == {"lost": "time limit: more than 1 s of processor time"}
        assert worker.ask(asked("patient", 1), 1)["answer"] == 2
