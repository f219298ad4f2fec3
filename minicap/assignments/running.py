"""A worker process seen from outside: send it a request, and wait for the answer for a limited time."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minicap.assignments.values import decode, encode
from minicap.errors import FormatError

MOST_BYTES = 64 * 2**20  # of an answer
MOST_FRAMES = 4  # that wait to be read
PATIENCE = 30.0  # seconds that a message waits to be read
START = 60.0
LEAST_WAIT, PATIENT = 30.0, 12.0  # seconds, and times the limit: on a busy machine all takes longer

COMMAND = (sys.executable, "-s", "-m", "minicap.assignments.worker")


class Worker:
    """Runs `minicap.assignments.worker`; started at the first request, and again after it was lost.

    command: in front of the worker's own, such as a sandbox.  forks: whether every request has a process.
    start: seconds that the worker may take to come up, including the import of the student's module.
    calls: the text of calls.py, which the worker runs once before the first request: what it imports is then
    there for all of them.
    """

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        variables: Mapping[str, str] | None = None,
        folder: Path | None = None,
        forks: bool = False,
        start: float = START,
        calls: str = "",
    ) -> None:
        self.command = [*command, "--fork"] if forks else list(command)
        self.variables, self.folder, self.forks = dict(variables or os.environ), folder, forks
        self.start, self.calls = start, calls
        self.process: subprocess.Popen[bytes] | None = None
        self.frames: queue.Queue[bytes | None] = queue.Queue(MOST_FRAMES)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def ask(self, request: bytes, seconds: float) -> dict[str, Any]:
        """The worker's reply; {"lost": why} when it gave none in time, or none that can be read.

        seconds: of processor time, which the worker counts itself.  Only what neither answers nor computes
        is ended from here, after a multiple of that: a busy machine must not cost points.
        """
        wait = max(LEAST_WAIT, PATIENT * seconds)
        if self.process is None:
            why = self._start()
            if why:
                return {"lost": why}
        assert self.process is not None
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(len(request).to_bytes(8, "little"))
            self.process.stdin.write(request)
            self.process.stdin.flush()
        except OSError:
            self.stop()
            return {"lost": "the process had already ended"}
        reply = self._reply(wait)
        if "lost" in reply:
            self.stop()
        if self.forks and "lost" not in reply:
            if "ended" in reply:
                return {"lost": _ended(reply, seconds)}
            last = self._reply(5.0)
            if "ended" not in last:
                self.stop()
                return {"lost": "more answers than one"}
        return reply

    def stop(self) -> None:
        """End the worker and all that it started."""
        if self.process is None:
            return
        process, self.process = self.process, None
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _start(self) -> str:
        """Start the worker.  Returns why it does not come up, or ""."""
        self.frames = queue.Queue(MOST_FRAMES)
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self.variables,
            cwd=self.folder,
            start_new_session=hasattr(os, "setsid"),
        )
        threading.Thread(target=_read, args=(self.process.stdout, self.frames), daemon=True).start()
        assert self.process.stdin is not None
        greeting = encode({"hello": True, "calls": self.calls})
        with contextlib.suppress(OSError):
            self.process.stdin.write(len(greeting).to_bytes(8, "little") + greeting)
            self.process.stdin.flush()
        if "hello" not in self._reply(self.start):
            self.stop()
            return f"the file cannot be imported: it ends the process, or takes more than {self.start:g} s"
        return ""

    def _reply(self, seconds: float) -> dict[str, Any]:
        try:
            frame = self.frames.get(timeout=seconds)
        except queue.Empty:
            self.stop()
            return {"lost": f"time limit: no answer in {seconds:g} s"}
        if frame is None:
            self.stop()
            return {"lost": "the process ended without an answer (os._exit, a crash, or out of memory)"}
        try:
            reply = decode(frame)
        except FormatError as error:
            self.stop()
            return {"lost": str(error)}
        if not isinstance(reply, dict):
            self.stop()
            return {"lost": "an answer that is none"}
        return reply


def _read(file: Any, frames: "queue.Queue[bytes | None]") -> None:
    """Split what arrives into messages; None when there are no more, or one is too large."""
    with contextlib.suppress(OSError, ValueError, queue.Full):
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head, "little")
            if size > MOST_BYTES:
                break
            body = file.read(size)
            if len(body) < size:
                break
            frames.put(body, timeout=PATIENCE)
    with contextlib.suppress(queue.Full):
        frames.put(None, timeout=PATIENCE)


def time_limit(seconds: float) -> str:
    """What is said of a call that computes for longer than that."""
    return f"time limit: more than {seconds:g} s of processor time"


def _ended(reply: dict[str, Any], seconds: float) -> str:
    code, why = reply["ended"], str(reply.get("why", ""))[:80]
    if why:
        return f"the process was ended: {why}"
    if hasattr(signal, "SIGXCPU") and code == -signal.SIGXCPU:
        return time_limit(seconds)
    if code == -9:
        return "the process was ended: too much CPU time, or out of memory"
    return f"the process ended without an answer (exit code {code}): os._exit, a crash, or out of memory"
