"""Which of several ways is fastest here: measured once, remembered for the machine.

Fast layers have choices that depend on the processor and its BLAS: how many rows a matrix product takes at
once, which algorithm a convolution of some shape uses.  `choose` answers such a question

* by its default when the environment variable MINICAP_AUTOTUNE is 0: the same on every machine;
* else from the file `tuning-<machine>.json` in the cache folder, where earlier answers are;
* else by a measurement of some milliseconds, which goes into that file.

Different answers give results that differ by rounding.  With the file in place, or with MINICAP_AUTOTUNE=0,
a question has one answer, so runs repeat bit for bit.  Questions never name the batch size, so a batch in
shards is computed as one in a piece is.

One thread measures at a time, with one BLAS thread, as inside a shard; a second shard that comes to the same
question meanwhile waits for the answer instead of disturbing the measurement.
"""

import hashlib
import json
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from threadpoolctl import ThreadpoolController

from minicap.backend.cpu.allocator import keep_freed_memory
from minicap.backend.folders import default_cache_folder
from minicap.errors import MinicapError

Candidate: TypeAlias = Callable[[], Any]

ROUNDS = 5
MARGIN = 0.95  # another way must take less than this share of the default's time
LONGEST = 0.25  # seconds for one question; a slow machine gets fewer rounds

# The time of this thread alone: other programs must not decide.  Windows counts it in steps of 15 ms.
_clock = time.perf_counter if sys.platform == "win32" else time.thread_time
_lock = threading.RLock()  # a way that is timed may have a question of its own
_answers: dict[str, str] = {}


def choose(question: str, names: Sequence[str], candidates: Callable[[], dict[str, Candidate]]) -> str:
    """The name of the fastest candidate.

    question: what is asked, in words that never change.  names: of the candidates, the default first.
    candidates() makes the ways to be timed, by name; it is called only when a measurement is due.
    """
    if not enabled() or len(names) == 1:
        return names[0]
    if question not in _answers:
        with _lock:
            if question not in _answers:
                answer = _stored().get(question, "")
                if answer not in names:
                    answer = _measure(names[0], candidates())
                    _store(question, answer)
                _answers[question] = answer
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
    keep_freed_memory()  # else malloc gives every temporary back, and the page faults drown the difference
    best = dict.fromkeys(candidates, float("inf"))
    with _blas().limit(limits=1, user_api="blas"):
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


def _stored() -> dict[str, str]:
    """Answers on the disk; none when there is no file or it cannot be read."""
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, MinicapError):
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _store(question: str, answer: str) -> None:
    """Add an answer to the file.  A folder that cannot be written only means to measure again next time."""
    try:
        path = _file()
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(_stored() | {question: answer}, indent=1, sort_keys=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=path.name, delete=False
        ) as file:
            file.write(text)
        os.replace(file.name, path)
    except (OSError, MinicapError):
        return


def _file() -> Path:
    return default_cache_folder() / f"tuning-{_machine()}.json"


@cache
def _machine() -> str:
    """Changes when the processor, NumPy or its BLAS does."""
    blas = [
        (lib.get("internal_api"), lib.get("version"), lib.get("architecture"))
        for lib in _blas().info()
        if lib.get("user_api") == "blas"
    ]
    parts = (platform.machine(), platform.processor(), os.cpu_count(), np.__version__, sorted(map(str, blas)))
    return hashlib.sha256(repr(parts).encode("utf-8")).hexdigest()[:12]


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()
