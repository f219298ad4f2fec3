import json
import threading
import time

import pytest

from minicap.backend.cpu import tuning

WAYS = ["slow", "fast"]


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MINICAP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MINICAP_AUTOTUNE", raising=False)
    tuning.forget()
    yield
    tuning.forget()


def work(seconds):
    """Keep this thread busy: time asleep does not count."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


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
    (file,) = (tmp_path / "cache").iterdir()
    assert json.loads(file.read_text(encoding="utf-8")) == {"which": "fast"}
    tuning.choose("other", WAYS, slow_and_fast())
    assert set(json.loads(file.read_text(encoding="utf-8"))) == {"which", "other"}
    tuning.forget()
    assert tuning.choose("which", WAYS, lambda: pytest.fail("measured again")) == "fast"


def test_switched_off_it_answers_the_default_and_writes_nothing(monkeypatch, tmp_path):
    tuning.choose("which", WAYS, slow_and_fast())
    monkeypatch.setenv("MINICAP_AUTOTUNE", "0")
    assert tuning.choose("which", WAYS, lambda: pytest.fail("measured")) == "slow"
    assert tuning.choose("new", WAYS, lambda: pytest.fail("measured")) == "slow"
    (file,) = (tmp_path / "cache").iterdir()
    assert json.loads(file.read_text(encoding="utf-8")) == {"which": "fast"}


@pytest.mark.parametrize("text", ["", "not json", "[1, 2]", '{"which": "gone"}'])
def test_a_damaged_file_means_to_measure_again(text, tmp_path):
    tuning.choose("which", WAYS, slow_and_fast())
    (file,) = (tmp_path / "cache").iterdir()
    file.write_text(text, encoding="utf-8")
    tuning.forget()
    assert tuning.choose("which", WAYS, slow_and_fast()) == "fast"


def test_a_cache_folder_that_cannot_be_written_does_no_harm(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    monkeypatch.setenv("MINICAP_CACHE", str(blocked / "cache"))
    assert tuning.choose("which", WAYS, slow_and_fast()) == "fast"


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


def test_a_candidate_may_have_a_question_of_its_own():
    def nested():
        return tuning.choose("inner", WAYS, slow_and_fast())

    assert tuning.choose("outer", ["a"], lambda: {"a": nested}) == "a"
    assert tuning.choose("outer", ["a", "b"], lambda: {"a": nested, "b": nested}) == "a"
    assert tuning.choose("inner", WAYS, lambda: pytest.fail("measured again")) == "fast"
