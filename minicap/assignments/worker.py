"""Runs a student's code, in a process of its own: requests come in on stdin, answers go out on stdout.

    python -m minicap.assignments.worker [--fork]

A request is a length and a message of `values`.  What the student's code prints is thrown away.  With --fork
every request has a process of its own, and whatever that leaves behind is ended after it.
"""

import contextlib
import copy
import importlib
import importlib.abc
import importlib.util
import json
import math
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from functools import cache, reduce
from importlib.machinery import SourceFileLoader
from inspect import signature
from types import CodeType, SimpleNamespace
from typing import Any, BinaryIO

import numpy as np

from minicap.assignments.running import time_limit
from minicap.assignments.values import Foreign, Named, decode, encode, leaves, names_only

CLOSE = 1e-4  # between the arguments of a call and those of the right one, relative to the largest entry
MOST_TEXT = 300
BETWEEN_COUNTS = 0.05  # seconds


def main() -> None:
    """Answer requests until there are no more."""
    limits = json.loads(os.environ.pop("MINICAP_WORKER", "{}"))
    sys.meta_path.insert(0, _Instead(limits.get("instead", {})))
    incoming = os.fdopen(os.dup(0), "rb")
    outgoing = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "r+b") as nothing:
        for descriptor in (0, 1, 2):
            os.dup2(nothing.fileno(), descriptor)
    if "--fork" in sys.argv:
        limit_resources(limits)
    while True:
        request = read_frame(incoming)
        if request is None:
            return
        if b'"hello"' in request[:64]:
            with contextlib.suppress(Exception):  # every request will raise it again
                importlib.import_module(limits.get("first", "numpy"))
            with contextlib.suppress(Exception):
                _calls(decode(request)["calls"])
            write_frame(outgoing, encode({"hello": True}))
        elif "--fork" in sys.argv:
            _in_a_child(request, outgoing, limits)
        else:
            with _watched(decode(request)["seconds"], outgoing):
                found = answer(request)
            write_frame(outgoing, found)


def read_frame(file: BinaryIO) -> bytes | None:
    """The next message, None at the end."""
    head = file.read(8)
    return file.read(int.from_bytes(head, "little")) if len(head) == 8 else None


def write_frame(file: BinaryIO, message: bytes) -> None:
    file.write(len(message).to_bytes(8, "little"))
    file.write(message)
    file.flush()


def _in_a_child(request: bytes, outgoing: BinaryIO, limits: dict[str, Any]) -> None:
    watched = os.getpid() == 1 and hasattr(signal, "sigtimedwait")
    if watched:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    child = os.fork()
    if child == 0:
        try:
            if watched:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            os.setsid()
            limit_processor_time(decode(request)["seconds"])
            write_frame(outgoing, answer(request))
        finally:
            os._exit(0)
    status, why = _wait_and_count(child, limits.get("processes", 64)) if watched else (_wait(child), "")
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    if os.getpid() == 1:  # the first of its namespace may end all others
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    write_frame(outgoing, encode({"ended": os.waitstatus_to_exitcode(status), "why": why}))


def _wait(child: int) -> int:
    return os.waitpid(child, 0)[1]


def _wait_and_count(child: int, most: int) -> tuple[int, str]:
    """Wait for a child; end all processes of this namespace if there are too many, and say so.

    The kernel does not count those of a grader who is root.
    """
    why = ""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status, why
        signal.sigtimedwait({signal.SIGCHLD}, BETWEEN_COUNTS)
        # Not from /proc, which some containers do not have: processes are numbered one after the other.
        if sum(map(_is_alive, range(child, child + 4 * most))) > most:
            why = f"more than {most} processes"
            os.kill(-1, signal.SIGKILL)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True


def limit_resources(limits: dict[str, Any]) -> None:
    """Memory, CPU, processes, files: what this process may take from here on."""
    import resource

    named = {
        "memory": resource.RLIMIT_AS,
        "cpu": resource.RLIMIT_CPU,
        "file": resource.RLIMIT_FSIZE,
        "files": resource.RLIMIT_NOFILE,
        "processes": resource.RLIMIT_NPROC,
    }
    for name, number in named.items():
        if name in limits:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(number, (limits[name], limits[name]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_processor_time(seconds: float) -> None:
    """End this process once it has computed for so long: what it waits for others does not count."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    most = math.ceil(seconds)
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (most, most + 1))


@contextlib.contextmanager
def _watched(seconds: float, outgoing: BinaryIO) -> Iterator[None]:
    """The same where a process answers many requests: it says that the time is over, and ends."""
    over, end = threading.Event(), time.process_time() + seconds

    def watch() -> None:
        while not over.wait(BETWEEN_COUNTS):
            if time.process_time() > end:
                write_frame(outgoing, encode({"lost": time_limit(seconds)}))
                os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def answer(request: bytes) -> bytes:
    """The message that answers a request: what the function returned, or what it raised."""
    stands = _StandIns()
    try:
        asked = decode(request, build=_build)
        stands.needs = asked["needs"]
        with np.errstate(all="ignore"):
            function = _function(asked, stands)
            args, kwargs = asked["args"], asked["kwargs"]
            before = copy.deepcopy((args, kwargs))
            returned = function(*args, **kwargs)
            return encode(
                {
                    "answer": returned,
                    "wrote": _changed(asked["names"], before, (args, kwargs)),
                    "stand_ins": stands.complaints,
                }
            )
    except MemoryError:
        return encode({"error": "MemoryError", "message": "more memory than is allowed", "where": ""})
    except BaseException as error:
        return encode(_told(error) | {"stand_ins": stands.complaints})
    finally:
        stands.restore()


def _told(error: BaseException) -> dict[str, Any]:
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    own = [f for f in frames if not f.filename.startswith("<")] or frames
    where = f"{own[-1].filename}:{own[-1].lineno}" if own else ""
    if isinstance(error, SyntaxError):
        where = f"{error.filename}:{error.lineno}"
    with contextlib.suppress(Exception):
        message = " ".join(str(error).split())[:MOST_TEXT]
        return {"error": type(error).__name__, "message": message, "where": where}
    return {"error": type(error).__name__, "message": "", "where": where}


def _function(asked: dict[str, Any], stands: "_StandIns") -> Callable[..., Any]:
    for name in asked["needs"]:
        stands.put(importlib.import_module(asked["module"]), name)
    if asked["call"]:
        return _calls(asked["calls"])[asked["call"]]
    function: Any = reduce(getattr, asked["function"].split("."), importlib.import_module(asked["module"]))
    return getattr(function, "textbook", function)


def _calls(text: str) -> dict[str, Any]:
    """What calls.py defines, anew for every request; only its imports are kept."""
    names: dict[str, Any] = {"__name__": "calls"}
    exec(_compiled(text), names)
    return names


@cache
def _compiled(text: str) -> CodeType:
    return compile(text, "<string>", "exec")


def _build(named: Named) -> Any:
    """The cache that is meant: the package's own class where it still has these fields."""
    if named.module.startswith("minicap."):
        module = importlib.import_module(named.module)
        kind: Any = getattr(module, named.name, None)
        if getattr(kind, "_fields", None) == named.fields:
            return kind(*named.values)
    return SimpleNamespace(**dict(zip(named.fields, named.values, strict=True)))


def _changed(names: list[str], before: Any, after: Any) -> list[str]:
    """Which of its arguments the function wrote into."""
    found = []
    (args, kwargs), (new_args, new_kwargs) = before, after
    pairs = [
        *zip(names, args, new_args, strict=False),
        *((key, value, new_kwargs.get(key)) for key, value in kwargs.items()),
    ]
    for name, old, new in pairs:
        olds, news = dict(leaves(old, name)), dict(leaves(new, name))
        for path, value in olds.items():
            is_array = isinstance(value, np.ndarray)
            if is_array and not np.array_equal(
                value, np.asarray(news.get(path)), equal_nan=value.dtype.kind == "f"
            ):
                found.append(path)
    return found


class _StandIns:
    """Functions of other exercises, which answer the right calls as the right functions do."""

    def __init__(self) -> None:
        self.needs: dict[str, list[Any]] = {}
        self.complaints: list[str] = []
        self.own: list[tuple[Any, str, Callable[..., Any]]] = []

    def put(self, module: Any, name: str) -> None:
        """Let a stand-in answer to a name of the module."""
        own = getattr(module, name)
        self.own.append((module, name, own))
        setattr(module, name, self.of(name, own))

    def restore(self) -> None:
        """Put the student's own functions back."""
        for module, name, own in self.own:
            setattr(module, name, own)

    def of(self, name: str, own: Callable[..., Any]) -> Callable[..., Any]:
        """A function that looks its arguments up; for unknown ones it calls the student's own function."""
        calls = self.needs[name]

        def stand_in(*args: Any, **kwargs: Any) -> Any:
            handed = dict(signature(own).bind(*args, **kwargs).arguments)
            out = handed.pop("out", None)  # memory for the result
            for known, result in calls:
                if _close(list(handed.values()), list(known.values())):
                    if out is None:
                        return copy.deepcopy(result)
                    out[...] = result
                    return out
            try:
                return own(*args, **kwargs)
            except NotImplementedError:
                self.complaints.append(name)
                raise

        return stand_in


def _close(a: Any, b: Any) -> bool:
    ours, theirs = ([v for _, v in leaves(value)] for value in (names_only(a), b))
    return len(ours) == len(theirs) and all(_equal(x, y) for x, y in zip(ours, theirs, strict=True))


def _equal(x: Any, y: Any) -> bool:
    if isinstance(y, Foreign):  # a namespace of arrays, say
        return True
    if isinstance(x, (np.ndarray, np.generic, float)) and isinstance(y, (np.ndarray, np.generic, float)):
        if np.shape(x) != np.shape(y):
            return False
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        scale = float(np.abs(y).max(initial=0.0)) or 1.0
        return bool(np.allclose(x, y, rtol=0, atol=CLOSE * scale, equal_nan=True))
    return type(x) is type(y) and bool(x == y)


class _Instead(importlib.abc.MetaPathFinder):
    """Loads some modules from other files: the student's in the place of the handout's."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """The specification of a module that has another file, else None."""
        if fullname not in self.files:
            return None
        file = self.files[fullname]
        loader = SourceFileLoader(fullname, file)  # for sources in CUDA too, which are only looked up
        return importlib.util.spec_from_file_location(fullname, file, loader=loader)


if __name__ == "__main__":
    main()
