"""The other end of a worker's pipe."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from minicap.errors import MinicapError

_ROOT = Path(__file__).parents[1]
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
# Compile in the worker itself, so that no helper processes outlive it.
_TIDY = {"TORCHINDUCTOR_COMPILE_THREADS": "1", "PYTHONUTF8": "1"}


class WorkerFailed(MinicapError, RuntimeError):
    """A worker could not carry out an order, or has ended."""


def worker_command(place: str, side: str, case: str, threads: int, accelerate: bool) -> list[str]:
    """The command line of a worker."""
    command = [sys.executable, "-m", "benchmarks.worker", place, side, case, "--threads", str(threads)]
    return command if accelerate else [*command, "--no-accelerate"]


def worker_environment(threads: int, scratch: str, side: str = "") -> dict[str, str]:
    """Thread counts, which libraries read when they are first imported, and a folder for what is kept.

    What torch compiles and what minicap finds out about the machine is kept for one run of the benchmarks.
    CuPy lets cuBLAS round to TF32 where the side is called so, whatever the user's setting.
    """
    counts = dict.fromkeys(_THREAD_VARIABLES, str(threads))
    rounding = {"CUPY_TF32": str(int(side.endswith("-tf32")))}
    folders = {"TORCHINDUCTOR_CACHE_DIR": scratch, "MINICAP_CACHE": scratch}
    return dict(os.environ) | counts | _TIDY | rounding | folders


class WorkerProcess:
    """A worker in a process of its own; a context manager that ends it.

    longest: seconds that an order may take before the worker is ended.
    Raises WorkerFailed from any order that fails, with the worker's own words.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str], longest: float = 900) -> None:
        self.longest = longest
        # Not a pipe, which would block the worker when full.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=dict(environment),
            cwd=_ROOT,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> "WorkerProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def set_up(self) -> None:
        """See benchmarks.worker.Worker.set_up."""
        self._order("set_up")

    def prepare(self) -> dict[str, Any]:
        """See benchmarks.worker.Worker.prepare."""
        return self._order("prepare")

    def answer(self) -> dict[str, Any]:
        """See benchmarks.worker.Worker.answer."""
        return self._order("answer")

    def time(self, seconds: float) -> float:
        """See benchmarks.worker.Worker.time."""
        return self._order("time", seconds=seconds)

    def close(self) -> None:
        """End the process, at once if it is at work."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):  # an order it never read
                pipe.close()

    def _order(self, order: str, **options: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._process.kill()

        alarm = threading.Timer(self.longest, give_up)
        alarm.start()
        try:
            self._process.stdin.write(json.dumps({"order": order, **options}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            alarm.cancel()
        if late.is_set():
            raise WorkerFailed(f"no reply to {order!r} in {self.longest:g} s")
        if not line:
            code = self._process.wait()
            raise WorkerFailed(f"the worker ended with code {code}: {self._last_words() or 'without a word'}")
        reply = json.loads(line)
        if "error" in reply:
            raise WorkerFailed(reply["error"])
        return reply["result"]

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""
