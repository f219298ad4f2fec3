"""Look at a training step thousands of times, and note each time what it is doing.

Profilers that hook into calls (cProfile, pyinstrument) see no ufuncs, which is where the time goes, and none
knows the layers of a network by name.  Here a second thread reads the stack of the first: NumPy lets it do so
in the midst of an operation, and the instruction pointer of the innermost frame says which one that is.
"""

import ast
import dis
import sys
import threading
from collections import Counter
from collections.abc import Callable
from functools import cache
from linecache import getlines
from pathlib import Path, PurePath
from types import CodeType, FrameType
from typing import Any, cast

import minicap
from benchmarks.watch import Phase, TrainingStep, watched
from minicap.nn import Module

Call = tuple[CodeType, int]  # and where in the code it is
Stack = tuple[str, ...]  # phase, layer, functions from the outermost to the innermost, operation

INTERVAL = 5e-4  # seconds between two looks
_PACKAGE = Path(minicap.__file__).parent
_ROOMS = (_PACKAGE / "backend", _PACKAGE / "layers", _PACKAGE / "optim")
_GLUE = {"checks", "dispatch", "override", "pieces", "threads"}  # modules that only hand the work on
_OPERATORS: dict[type, str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.MatMult: "matmul",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Lt: "less",
    ast.Eq: "equal",
}
PYTHON = "Python"  # between two operations


class Sampler:
    """Counts what one thread is doing.

    counts: how often each path was seen.  Within `benchmarks.watch.watched`, its `wrap` tells it the layer.
    """

    def __init__(self) -> None:
        self.counts: Counter[Stack] = Counter()
        self.where: tuple[str, ...] = ()
        self._stop = threading.Event()

    def wrap(self, name: str, layer: Module, phase: Phase, method: Callable[..., Any]) -> Callable[..., Any]:
        def told(*args: Any, **kwargs: Any) -> Any:
            self.where = (phase, name)
            try:
                return method(*args, **kwargs)
            finally:
                self.where = (phase,)

        return told

    def run(self, work: Callable[[], None], interval: float = INTERVAL) -> None:
        """Do the work in this thread, watched from another."""
        watcher = threading.Thread(target=self._watch, args=(threading.get_ident(), interval), daemon=True)
        switching = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)  # else the watcher gets its turn when an operation begins
        try:
            watcher.start()
            work()
        finally:
            self._stop.set()
            watcher.join()
            sys.setswitchinterval(switching)

    def _watch(self, thread: int, interval: float) -> None:
        while not self._stop.wait(interval):
            where, calls = self.where, _calls(sys._current_frames()[thread])
            if where:
                self.counts[(*where, *what_runs(calls))] += 1


def sample(step: TrainingStep, count: int) -> Counter[Stack]:
    """What `count` training steps, after one to warm up, are doing: samples by path."""
    sampler = Sampler()
    step.run()

    def steps() -> None:
        for _ in range(count):
            grads = step.gradients()
            sampler.where = ("update",)
            step.update(grads)
            sampler.where = ()

    with watched(step.net, sampler.wrap):
        sampler.run(steps)
    return sampler.counts


def _calls(frame: FrameType | None) -> list[Call]:
    """The stack from the innermost frame on; quickly, for the thread goes on meanwhile."""
    calls = []
    while frame is not None:
        calls.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return calls


def what_runs(calls: list[Call]) -> Stack:
    """minicap's functions in a stack, the outermost first, and what the innermost just does."""
    functions = [_function(code) for code, _ in calls]
    innermost = next((call for call, name in zip(calls, functions, strict=True) if name is not None), None)
    operation = operation_at(*innermost) if innermost else PYTHON
    return (*(name for name in reversed(functions) if name), operation)


@cache
def _function(code: CodeType) -> str | None:
    """As "winograd.to_points"; empty for private functions and glue, None for code outside of minicap."""
    file = PurePath(code.co_filename)
    if _PACKAGE not in file.parents:
        return None
    shown = any(room in file.parents for room in _ROOMS) and file.stem not in _GLUE
    private = code.co_name.startswith(("_", "<")) or "<locals>" in code.co_qualname
    return f"{file.stem}.{code.co_name}" if shown and not private else ""


@cache
def operation_at(code: CodeType, instruction: int) -> str:
    """What an instruction does, by NumPy's name: matmul, add, copy; PYTHON for what is no operation.

    instruction: its place in the code in bytes, as in frame.f_lasti.
    """
    kind = dis.opname[code.co_code[instruction]]
    if kind in ("STORE_SUBSCR", "STORE_SLICE"):
        return "copy"
    if not kind.startswith(("CALL", "PRECALL", "BINARY_OP", "COMPARE_OP")):
        return PYTHON
    try:
        return _name(ast.parse(_source(code, instruction)).body[0])
    except (SyntaxError, IndexError, TypeError):  # no source at hand
        return PYTHON


def _source(code: CodeType, instruction: int) -> str:
    """The expression or statement that an instruction is made from."""
    where = list(code.co_positions())[instruction // 2]
    first, last, begin, end = cast(tuple[int, int, int, int], where)  # without positions: a TypeError below
    lines = [line.encode() for line in getlines(code.co_filename)[first - 1 : last]]
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][begin:]
    return b"".join(lines).decode()


def _name(node: ast.AST) -> str:
    match node:
        case ast.Expr():
            return _name(node.value)
        case ast.BinOp() | ast.AugAssign():
            return _OPERATORS.get(type(node.op), PYTHON)
        case ast.Compare():
            return _OPERATORS.get(type(node.ops[0]), PYTHON)
        case ast.Call():
            return _name(node.func)
        case ast.Attribute():
            return node.attr
        case ast.Name():
            return node.id
    return PYTHON
