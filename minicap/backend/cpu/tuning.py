"""Which of several ways is fastest here: measured once per machine and remembered.

Fast layers have choices that depend on the processor and its BLAS: how many rows a matrix product takes at
once, which algorithm a convolution of some shape uses.  `choose` answers such a question

* by its default if the environment variable MINICAP_AUTOTUNE is 0: the same on every machine;
* else from the file `tuning-<machine>.jsonl` in the cache folder, which holds earlier answers;
* else by a measurement of a few milliseconds, which is added to that file;
* by its default too if that file cannot be written: an answer that cannot be kept is not used.

Different answers give results that differ by rounding.  But an answer is stored before it is used, and the
first one stored counts for every process, so runs with the same cache folder repeat bit for bit, as they do
with MINICAP_AUTOTUNE=0.  Only the question of an affine layer, about the gradient of its input, depends on
how many samples there are.

One thread measures at a time, with one BLAS thread, as inside a shard; a second shard with the same question
waits for the answer instead of disturbing the measurement.
"""

import hashlib
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from minicap.backend.cpu.allocator import keep_freed_memory
from minicap.backend.cpu.threads import blas, one_blas_thread
from minicap.errors import FormatError, MinicapError
from minicap.formats import open_own, open_regular, parse_json
from minicap.formats.folders import default_cache_folder

Candidate: TypeAlias = Callable[[], Any]

ROUNDS = 5
MARGIN = 0.95  # another way must take less than this share of the default's time
_MOST_ANSWERS = 2**20  # bytes of the file; an answer takes a few dozen
LONGEST = 0.25  # seconds for one question; a slow machine gets fewer rounds

# The time of this thread alone, so that other programs have no say.  Windows counts it in steps of 15 ms, and
# in a browser there is no such clock.
_clock = time.perf_counter if sys.platform in ("win32", "emscripten") else time.thread_time
_lock = threading.RLock()  # a way being timed may ask a question of its own
_answers: dict[str, str] = {}


def choose(question: str, names: Sequence[str], candidates: Callable[[], dict[str, Candidate]]) -> str:
    """The name of the fastest candidate.

    question: a text that never changes.  names: of the candidates, the default first.
    candidates() makes the ways to be timed, by name; it is called only when a measurement is due.
    """
    if not enabled() or len(names) == 1:
        return names[0]
    if question not in _answers:
        with _lock:
            if question not in _answers:
                answer = _stored(question, names)
                if answer is None and _append():
                    _append(question, _measure(names[0], candidates()))
                    answer = _stored(question, names)  # another process may have been faster
                _answers[question] = answer or names[0]
    return _answers[question]


def enabled() -> bool:
    """Whether measurements are allowed: MINICAP_AUTOTUNE is not 0."""
    return os.environ.get("MINICAP_AUTOTUNE", "1") != "0"


def forget() -> None:
    """Forget the answers this process holds, not those on the disk."""
    with _lock:
        _answers.clear()


def _measure(default: str, candidates: dict[str, Candidate]) -> str:
    """Run the candidates in turn; the shortest time of each counts, since noise only ever adds."""
    keep_freed_memory()  # else malloc returns every temporary, and page faults drown the difference
    best = dict.fromkeys(candidates, float("inf"))
    with one_blas_thread():
        for candidate in candidates.values():
            candidate()
        started = time.perf_counter()
        for _ in range(ROUNDS):
            for name, candidate in candidates.items():
                begin = _clock()
                candidate()
                best[name] = min(best[name], _clock() - begin)
            if time.perf_counter() - started > LONGEST:
                break
    fastest = min(best, key=best.__getitem__)
    return fastest if best[fastest] < MARGIN * best[default] else default


def _stored(question: str, names: Sequence[str]) -> str | None:
    """The first answer on the disk that is one of the names; damaged lines are skipped."""
    try:
        with open_regular(_file()) as file:
            lines = file.read(_MOST_ANSWERS).decode("utf-8", errors="replace").splitlines()
    except (OSError, MinicapError):
        return None
    for line in lines:
        try:
            match parse_json(line, "tuning"):
                case [asked, str(answer)] if asked == question and answer in names:
                    return answer
        except FormatError:
            continue
    return None


def _append(*question_and_answer: str) -> bool:
    """Add a line to the file, in one write, so that processes do not tear each other's lines.

    Returns whether the file can be written; with nothing to add, that is all it does.
    """
    try:
        path = _file()
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_own(path, append=True) as file:
            if question_and_answer:
                os.write(file.fileno(), f"{json.dumps(question_and_answer)}\n".encode())
    except (OSError, MinicapError):
        return False
    return True


def _file() -> Path:
    return default_cache_folder() / f"tuning-{_machine()}.jsonl"


@cache
def _machine() -> str:
    """Changes when the processor, NumPy or its BLAS does."""
    libraries = [
        tuple(lib.get(key) for key in ("internal_api", "version", "architecture")) for lib in blas().info()
    ]
    parts = (platform.machine(), platform.processor(), os.cpu_count(), np.__version__)
    return hashlib.sha256(repr((*parts, sorted(map(str, libraries)))).encode("utf-8")).hexdigest()[:12]
