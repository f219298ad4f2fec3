"""A worker: what it keeps from one request to the next, and how long a call may take."""

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

COUNTS = """
import builtins

builtins.runs = getattr(builtins, "runs", 0) + 1


def count():
    return builtins.runs
"""
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def asked(call: str, seconds: float, calls: str = CALLS) -> bytes:
    nothing = dict(module="math", function="", args=[], kwargs={}, needs={}, names=[])
    return encode(nothing | dict(call=call, calls=calls, seconds=seconds))


@pytest.mark.parametrize("forks", [False, pytest.param(True, marks=needs_fork)])
def test_a_call_that_computes_for_too_long_is_ended_and_one_that_waits_is_not(forks):
    with Worker(forks=forks) as worker:
        assert worker.ask(asked("endless", 1), 1) == {"lost": "time limit: more than 1 s of processor time"}
        assert worker.ask(asked("patient", 1), 1)["answer"] == 2


@needs_fork
def test_calls_are_run_once_for_all_requests_and_what_a_request_changes_is_gone_with_it():
    with Worker(forks=True, calls=COUNTS) as worker:
        assert [worker.ask(asked("count", 1, COUNTS), 1)["answer"] for _ in range(3)] == [2, 2, 2]
