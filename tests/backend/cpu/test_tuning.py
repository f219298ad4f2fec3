import json
import os
import subprocess
import sys
import threading

import pytest

from minicap.backend.cpu import tuning

WAYS = ["slow", "fast"]


class Clock:
    """A clock that only work moves, so that what these tests measure is the same on every machine."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


clock = Clock()


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(tuning, "_clock", clock)
    monkeypatch.setenv("MINICAP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MINICAP_AUTOTUNE", raising=False)
    tuning.forget()
    yield
    tuning.forget()


def answers_in(tmp_path):
    (file,) = (tmp_path / "cache").iterdir()
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def work(seconds):
    clock.now += seconds


def slow_and_fast(counts=None):
    def candidate(name, seconds):
        def run():
            if counts is not None:
                counts.append(name)
            work(seconds)

        return run

    return lambda: dict(slow=candidate("slow", 0.01), fast=candidate("fast", 0.001))


def test_the_fastest_is_chosen_and_measured_once():
    counts = []
    assert tuning.choose("which", WAYS, slow_and_fast(counts)) == "fast"
    measured = len(counts)
    assert measured >= 4
    assert tuning.choose("which", WAYS, slow_and_fast(counts)) == "fast"
    assert len(counts) == measured


def test_the_default_stays_when_nothing_is_clearly_faster():
    even = lambda: dict(a=lambda: work(0.005), b=lambda: work(0.005))  # noqa: E731
    assert tuning.choose("even", ["b", "a"], even) == "b"


def test_the_answer_is_found_on_the_disk_by_the_next_process(tmp_path):
    tuning.choose("which", WAYS, slow_and_fast())
    assert answers_in(tmp_path) == [["which", "fast"]]
    tuning.choose("other", WAYS, slow_and_fast())
    assert [question for question, _ in answers_in(tmp_path)] == ["which", "other"]
    tuning.forget()
    assert tuning.choose("which", WAYS, lambda: pytest.fail("measured again")) == "fast"


def test_switched_off_it_answers_the_default_and_writes_nothing(monkeypatch, tmp_path):
    tuning.choose("which", WAYS, slow_and_fast())
    monkeypatch.setenv("MINICAP_AUTOTUNE", "0")
    assert tuning.choose("which", WAYS, lambda: pytest.fail("measured")) == "slow"
    assert tuning.choose("new", WAYS, lambda: pytest.fail("measured")) == "slow"
    assert answers_in(tmp_path) == [["which", "fast"]]


@pytest.mark.parametrize(
    "line", ["", "not json", "3", "[1, 2, 3]", '["which", "gone"]', "\x00\udcff", "[" * 10_000, "9" * 5000]
)
def test_a_damaged_line_is_passed_over(line, tmp_path):
    tuning.choose("which", WAYS, slow_and_fast())
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(f"{line}\n".encode("utf-8", "surrogateescape"))
    tuning.forget()
    assert tuning.choose("which", WAYS, slow_and_fast()) == "fast"
    tuning.forget()
    assert tuning.choose("which", WAYS, lambda: pytest.fail("measured again")) == "fast"


@pytest.mark.skipif(sys.platform == "win32", reason="needs links and pipes")
@pytest.mark.parametrize("what", ["symlink", "link", "pipe"])
def test_a_link_or_a_pipe_in_its_place_is_neither_written_nor_waited_for(what, tmp_path):
    tuning.choose("which", WAYS, slow_and_fast())
    (file,) = (tmp_path / "cache").iterdir()
    file.unlink()
    (tmp_path / "precious").write_text("keep this", encoding="utf-8")
    if what == "pipe":
        os.mkfifo(file)
    else:
        getattr(os, what)(tmp_path / "precious", file)
    tuning.forget()
    assert tuning.choose("which", WAYS, lambda: pytest.fail("measured")) == "slow"
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "keep this"


def test_where_no_answer_can_be_kept_the_default_is_taken_so_that_runs_repeat(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    monkeypatch.setenv("MINICAP_CACHE", str(blocked / "cache"))
    assert tuning.choose("which", WAYS, lambda: pytest.fail("measured")) == "slow"


def test_the_first_answer_kept_counts_even_against_an_own_measurement(tmp_path):
    def another_process_is_quicker():
        (file,) = (tmp_path / "cache").iterdir()
        file.write_text('["which", "slow"]\n', encoding="utf-8")
        return slow_and_fast()()

    assert tuning.choose("which", WAYS, another_process_is_quicker) == "slow"
    assert answers_in(tmp_path) == [["which", "slow"], ["which", "fast"]]
    tuning.forget()
    assert tuning.choose("which", WAYS, lambda: pytest.fail("measured again")) == "slow"


ASK = """
import sys
from minicap.backend.cpu import tuning
for number in range(200):
    tuning.choose(f"question {number} of {sys.argv[1]}", ["a", "b"], lambda: {"a": int, "b": int})
print(tuning.choose("shared", [*"abcd"], lambda: {name: int for name in "abcd"}))
"""


def test_processes_that_answer_at_the_same_time_lose_no_answer_and_agree(tmp_path):
    processes = [
        subprocess.Popen([sys.executable, "-c", ASK, name], stdout=subprocess.PIPE, text=True)
        for name in ("one", "two", "three")
    ]
    shared = {process.communicate(timeout=200)[0] for process in processes}
    assert len(shared) == 1
    questions = {question for question, _ in answers_in(tmp_path)}
    assert len(questions) == 3 * 200 + 1


def test_two_threads_that_ask_the_same_measure_once():
    counts, answers = [], []
    ask = lambda: answers.append(tuning.choose("which", WAYS, slow_and_fast(counts)))  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["fast", "fast"]
    assert counts.count("slow") <= tuning.ROUNDS + 1


def test_the_real_clock_counts_the_work_of_this_thread(monkeypatch):
    monkeypatch.undo()
    before = tuning._clock()
    while tuning._clock() == before:
        pass
    assert tuning._clock() > before


def test_a_candidate_may_have_a_question_of_its_own():
    def nested():
        return tuning.choose("inner", WAYS, slow_and_fast())

    assert tuning.choose("outer", ["a"], lambda: {"a": nested}) == "a"
    assert tuning.choose("outer", ["a", "b"], lambda: {"a": nested, "b": nested}) == "a"
    assert tuning.choose("inner", WAYS, lambda: pytest.fail("measured again")) == "fast"
