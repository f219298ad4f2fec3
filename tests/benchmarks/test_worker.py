import io
import json
import os
import sys

import numpy as np
import pytest

from benchmarks.case import Task
from benchmarks.devices import Host
from benchmarks.memory import peak_memory
from benchmarks.process import WorkerFailed, WorkerProcess, worker_command, worker_environment
from benchmarks.worker import Worker, serve

TRIVIAL = """
import os, sys
import numpy as np
from benchmarks.case import Task
from benchmarks.devices import Host
from benchmarks.memory import peak_memory
from benchmarks.worker import Worker, serve
serve(Worker(lambda: Task(lambda: {run}, lambda: dict(threads=float(os.environ["OMP_NUM_THREADS"])))),
      sys.stdin, sys.stdout)
"""


def process(run, threads=1):
    command = [sys.executable, "-c", TRIVIAL.format(run=run)]
    return WorkerProcess(command, worker_environment(threads, scratch=""))


class Clock:
    """Every run takes the next of the given times."""

    def __init__(self, *times):
        self.times, self.now, self.runs = list(times), 0.0, 0

    def __call__(self):
        return self.now

    def run(self):
        self.runs += 1
        self.now += self.times.pop(0)


def test_prepare_warms_up_before_it_times():
    clock = Clock(100, 2)
    worker = Worker(lambda: Task(clock.run, dict), Host(clock))
    worker.set_up()
    assert worker.prepare()["seconds"] == 2


def test_a_time_is_the_median_of_the_runs_after_a_warm_up():
    clock = Clock(9, 1, 50, 1, 3, 2, 1)  # warm-up, prepare, warm-up, four runs
    worker = Worker(lambda: Task(clock.run, dict), Host(clock))
    worker.set_up()
    worker.prepare()
    assert worker.time(seconds=6.5) == 1.5


def test_what_takes_longer_than_its_turn_is_run_once_without_warm_up():
    clock = Clock(9, 8, 7)
    worker = Worker(lambda: Task(clock.run, dict), Host(clock))
    worker.set_up()
    worker.prepare()
    assert worker.time(seconds=0.3) == 7


@pytest.mark.skipif(peak_memory() is None, reason="this system does not tell the peak of a process")
def test_the_peak_counts_what_a_run_needs_for_a_while():
    with process("np.ones(10_000_000).sum()") as worker:
        worker.set_up()
        peak = worker.prepare()["peak_mb"]
    assert peak == pytest.approx(80, rel=0.1)


def test_the_answer_comes_from_a_task_of_its_own():
    weights = []

    def make():
        w = np.zeros(1)
        weights.append(w)

        def run():
            w[...] += 1

        return Task(run, lambda: {"w": w})

    worker = Worker(make)
    worker.set_up()
    worker.prepare()
    assert worker.answer()["w"]["entries"] == [0.0]
    assert weights[0] == 2


def test_an_error_is_told_and_the_next_order_awaited():
    orders = io.StringIO('{"order": "answer"}\n{"order": "answer"}\n')
    replies = io.StringIO()
    tasks = [Task(list, lambda: {"loss": 3.0}), Task(list, lambda: 1 / 0)]
    serve(Worker(tasks.pop), orders, replies)
    first, second = map(json.loads, replies.getvalue().splitlines())
    assert first == {"error": "ZeroDivisionError: division by zero"}
    assert second["result"]["loss"]["entries"] == [3.0]


def test_orders_go_through_the_pipe_and_threads_through_the_environment():
    with process("sum(range(1000))", threads=3) as worker:
        worker.set_up()
        assert worker.prepare()["seconds"] > 0
        assert worker.time(0.01) > 0
        assert worker.answer()["threads"]["entries"] == [3.0]
        assert worker.pid != os.getpid()


def test_a_failing_run_says_why():
    with process("[][0]") as worker:
        worker.set_up()
        with pytest.raises(WorkerFailed, match="IndexError: list index out of range"):
            worker.prepare()


def test_a_worker_that_dies_leaves_its_code_and_last_words():
    with process("print('out of memory', file=sys.stderr, flush=True) or os._exit(9)") as worker:
        worker.set_up()
        with pytest.raises(WorkerFailed, match="code 9: out of memory"):
            worker.prepare()
        with pytest.raises(WorkerFailed):
            worker.prepare()


def test_a_worker_that_hangs_is_ended():
    with process("__import__('time').sleep(60)") as worker:
        worker.set_up()
        worker.longest = 0.5
        with pytest.raises(WorkerFailed, match=r"no reply to 'prepare' in 0.5 s"):
            worker.prepare()


def test_closing_ends_a_worker_at_work():
    worker = process("__import__('time').sleep(60)")
    worker.set_up()
    worker._process.stdin.write('{"order": "prepare"}\n')
    worker._process.stdin.flush()
    worker.close()
    assert worker._process.returncode is not None


def test_the_textbook_is_asked_for_on_the_workers_command_line():
    assert "--no-accelerate" in worker_command("cpu", "minicap", "lstm/128", 2, accelerate=False)
    assert "--no-accelerate" not in worker_command("cpu", "minicap", "lstm/128", 2, accelerate=True)
