"""`minicap serve` under load: many clients at once, how long each waits, and the memory it takes.

    python -m benchmarks.serving

Every client sends one photo of the embedded sample after another, for its caption (a beam of 3) and its five
classes with their maps.  The server is a process of its own on this machine, so both share its cores.
"""

import argparse
import contextlib
import http.client
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from minicap.data import open_dataset

_GIVE_UP = 300.0  # seconds without an answer


@dataclass
class Load:
    """statuses: how often each was answered, 0 for no answer.  seconds: of every answer, in order of arrival.

    wall: seconds from the first request to the last answer.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    wall: float = 0.0


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3, help="memory must not grow from round to round")
    args = parser.parse_args(argv)
    photos = [image.path.read_bytes() for image in open_dataset("sample").images]
    with serving() as (process, host, port):
        under_load(host, port, photos, 1, 1)  # loads the models
        print(f"with the models loaded: {memory(process.pid)}")
        for number in range(1, args.rounds + 1):
            load = under_load(host, port, photos, args.requests, args.clients)
            answered = ", ".join(f"{n} x {status or 'lost'}" for status, n in sorted(load.statuses.items()))
            p50, p90, p99 = np.percentile(load.seconds, [50, 90, 99])
            print(
                f"round {number}: {answered}; {args.requests / load.wall:.1f} photos/s; latency "
                f"50 % {p50:.2f} s, 90 % {p90:.2f} s, 99 % {p99:.2f} s; {memory(process.pid)}",
                flush=True,
            )


@contextmanager
def serving() -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """The server as a process of its own; gives it, its host and its port."""
    command = [sys.executable, "-m", "minicap", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://([\d.]+):(\d+)/", process.stdout.readline())
            if not found:
                raise SystemExit("minicap serve did not start")
            yield process, found[1], int(found[2])
        finally:
            process.terminate()


def under_load(host: str, port: int, photos: Sequence[bytes], requests: int, clients: int) -> Load:
    """So many requests from so many clients, each of which sends its next when it has its answer."""
    load, waiting, lock = Load(), list(range(requests)), threading.Lock()

    def client() -> None:
        connection = http.client.HTTPConnection(host, port, timeout=_GIVE_UP)
        while True:
            with lock:
                if not waiting:
                    break
                number = waiting.pop(0)
            started = perf_counter()
            status = ask(connection, photos[number % len(photos)])
            with lock:
                load.statuses[status] += 1
                load.seconds.append(perf_counter() - started)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    started = perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.wall = perf_counter() - started
    return load


def ask(connection: http.client.HTTPConnection, photo: bytes) -> int:
    """The status of one answer that was read to its end; 0 where there was none."""
    try:
        connection.request("POST", "/api/describe", photo, {"Content-Type": "image/jpeg"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        connection.close()  # the next request opens it again
        return 0


def memory(pid: int) -> str:
    """What a process holds and what it has held at most, where the system says so (Linux)."""
    sizes: dict[str, Any] = {}
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        sizes = dict(line.split(":", 1) for line in lines)
    if "VmRSS" not in sizes:
        return "memory unknown"
    now, most = (int(sizes[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return f"{now:.0f} MB, at most {most:.0f} MB"


if __name__ == "__main__":
    main()
