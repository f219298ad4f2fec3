"""Runs CUDA kernels in Python, one thread after the other, where there is neither a GPU nor a compiler.

It knows the part of C++ that the kernels of assignments need: numbers, arrays, structures, functions, if,
for and while; `real` is double.  It says what a GPU does not: an index outside of an array, and an entry that
one thread writes while another reads or writes it.  Kernels whose threads wait for each other are beyond it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minicap.arrays import Array
from minicap.assignments.cuda_syntax import Function, Node, Program, parse
from minicap.errors import InputError

OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "%": lambda a, b: int(math.fmod(a, b)),
}
BUILT_IN: dict[str, Callable[..., Any]] = {
    "tanh": math.tanh,
    "exp": math.exp,
    "sigmoid": lambda x: 0.5 * (math.tanh(0.5 * x) + 1),
    "fmax": max,
    "fmin": min,
    "max": max,
    "min": min,
    "real": float,
    "double": float,
    "float": float,
    "int": int,
    "unsigned": int,
}


class KernelError(InputError):
    """What a kernel does that it must not, with the file and the line.  thread: which one, -1 before any."""

    thread = -1


class Memory:
    """An array on the device, flat, and which thread has touched which entry in this launch."""

    def __init__(self, name: str, array: Array) -> None:
        self.name, self.array = name, array.reshape(-1)
        self.written: dict[int, int] = {}
        self.read: dict[int, set[int]] = {}


class Pointer(NamedTuple):
    """An address: `memory` from entry `start` on."""

    memory: Memory
    start: int
    writable: bool

    def __add__(self, by: Any) -> "Pointer":
        return self._replace(start=self.start + by)


class _Jump(Exception):
    """A return, break or continue on its way."""

    def __init__(self, kind: str, value: Any = None) -> None:
        self.kind, self.value = kind, value


def launch(
    files: Mapping[str, str], kernel: str, blocks: int, threads: int, order: Sequence[int] = (), **values: Any
) -> None:
    """Run a kernel: arrays are C-contiguous and written in place, None is a null pointer.

    files: the texts of the kernel and of what it includes, by name.  blocks, threads: of a block.
    order: in which the threads run; by default from the first to the last.
    Raises KernelError for what a kernel must not do or this module does not know.
    """
    program = _program(tuple(files.items()))
    if kernel not in program.functions:
        raise KernelError(f"there is no kernel {kernel}")
    function = program.functions[kernel]
    memories = {name: Memory(name, v) for name, v in values.items() if isinstance(v, np.ndarray)}
    given: list[Any] = []
    for parameter in function.parameters:
        if parameter.name not in values:
            raise KernelError(f"{kernel} takes {parameter.name}, which it is not handed")
        memory = memories.get(parameter.name)
        given.append(Pointer(memory, 0, not parameter.const) if memory else values[parameter.name])
    for number in order or range(blocks * threads):
        _Thread(program, number, threads, blocks).call(function, given)


@lru_cache(maxsize=64)
def _program(files: tuple[tuple[str, str], ...]) -> Program:
    program = Program({}, {})
    for name, text in files:
        parse(text, name, program)
    return program


class _Thread:
    """One thread of a launch."""

    def __init__(self, program: Program, number: int, threads: int, blocks: int) -> None:
        self.program, self.number = program, number
        self.places = {
            "threadIdx": {"x": number % threads, "y": 0, "z": 0},
            "blockIdx": {"x": number // threads, "y": 0, "z": 0},
            "blockDim": {"x": threads, "y": 1, "z": 1},
            "gridDim": {"x": blocks, "y": 1, "z": 1},
        }

    def call(self, function: Function, given: Sequence[Any]) -> Any:
        """What a function returns."""
        if len(given) != len(function.parameters):
            raise KernelError(f"{function.name} takes {len(function.parameters)} arguments, not {len(given)}")
        names = {parameter.name: value for parameter, value in zip(function.parameters, given, strict=True)}
        try:
            self.run(function.body, names, function.file)
        except _Jump as jump:
            return self.as_type(function.type, jump.value)
        return None

    def run(self, statements: Iterable[Node], names: dict[str, Any], file: str) -> None:
        for statement in statements:
            try:
                getattr(self, f"do_{statement.kind}")(names, file, *statement.parts)
            except (KernelError, ArithmeticError, TypeError, KeyError, IndexError) as error:
                if isinstance(error, KernelError) and error.args[0].startswith(tuple(self.files())):
                    raise
                said = str(error) if isinstance(error, KernelError) else f"{type(error).__name__}: {error}"
                told = KernelError(f"{file}:{statement.line}: {said} (thread {self.number})")
                told.thread = self.number
                raise told from None

    def files(self) -> set[str]:
        return {f"{function.file}:" for function in self.program.functions.values()}

    def do_block(self, names: dict[str, Any], file: str, *statements: Node) -> None:
        self.run(statements, names, file)

    def do_expression(self, names: dict[str, Any], file: str, value: Node) -> None:
        self.value(value, names)

    def do_declare(
        self, names: dict[str, Any], file: str, kind: str, name: str, size: Any, value: Any
    ) -> None:
        if value is not None:
            names[name] = self.as_type(kind, self.value(value, names))
        else:
            names[name] = math.nan if size is None else [math.nan] * int(self.value(size, names))

    def do_if(self, names: dict[str, Any], file: str, condition: Node, then: Node, other: Any) -> None:
        if self.value(condition, names):
            self.run([then], names, file)
        elif other is not None:
            self.run([other], names, file)

    def do_loop(
        self, names: dict[str, Any], file: str, first: Any, condition: Any, step: Any, body: Node
    ) -> None:
        if first is not None:
            self.run([first], names, file)
        while condition is None or self.value(condition, names):
            try:
                self.run([body], names, file)
            except _Jump as jump:
                if jump.kind == "return":
                    raise
                if jump.kind == "break":
                    return
            if step is not None:
                self.value(step, names)

    def do_return(self, names: dict[str, Any], file: str, value: Any) -> None:
        raise _Jump("return", None if value is None else self.value(value, names))

    def do_break(self, names: dict[str, Any], file: str) -> None:
        raise _Jump("break")

    def do_continue(self, names: dict[str, Any], file: str) -> None:
        raise _Jump("continue")

    def as_type(self, kind: str, value: Any) -> Any:
        """The value as a variable of that type holds it."""
        if kind in self.program.structures and isinstance(value, list):
            return dict(zip(self.program.structures[kind], value, strict=True))
        if kind in ("int", "unsigned") and isinstance(value, (float, bool)):
            return int(value)
        return float(value) if kind == "real" and isinstance(value, (int, bool)) else value

    def value(self, node: Node, names: dict[str, Any]) -> Any:
        """The value of an expression."""
        kind, parts = node.kind, node.parts
        if kind == "number":
            return parts[0]
        if kind == "name":
            return self.named(parts[0], names)
        if kind == "list":
            return [self.value(part, names) for part in parts]
        if kind == "comma":
            return [self.value(part, names) for part in parts][-1]
        if kind == "binary":
            return self.binary(parts[0], parts[1], parts[2], names)
        if kind == "choice":
            return self.value(parts[1] if self.value(parts[0], names) else parts[2], names)
        if kind == "unary":
            operand = self.value(parts[1], names)
            return not operand if parts[0] == "!" else (-operand if parts[0] == "-" else operand)
        if kind == "assign":
            operator, target, given = parts
            value = self.value(given, names)
            if operator != "=":
                value = self.operate(operator[0], self.value(target, names), value)
            return self.assign(target, value, names)
        if kind == "count":  # ++ and --
            operator, target, is_prefix = parts
            before = self.value(target, names)
            after = self.assign(target, before + (1 if operator == "++" else -1), names)
            return after if is_prefix else before
        if kind == "index":
            return self.entry(self.value(parts[0], names), self.value(parts[1], names))
        if kind == "member":
            return self.value(parts[0], names)[parts[1]]
        return self.called(parts[0], parts[1:], names)

    def named(self, name: str, names: dict[str, Any]) -> Any:
        if name in names:
            return names[name]
        if name in self.places:
            return self.places[name]
        raise KernelError(f"{name} is not known here")

    def binary(self, operator: str, left: Node, right: Node, names: dict[str, Any]) -> Any:
        a = self.value(left, names)
        if operator in ("&&", "||"):
            return bool(self.value(right, names)) if bool(a) == (operator == "&&") else bool(a)
        return self.operate(operator, a, self.value(right, names))

    def operate(self, operator: str, a: Any, b: Any) -> Any:
        if operator == "/":
            return int(a / b) if isinstance(a, int) and isinstance(b, int) else a / b
        if isinstance(b, Pointer):
            a, b = b, a
        return OPERATIONS[operator](a, b)

    def called(self, name: str, arguments: Sequence[Node], names: dict[str, Any]) -> Any:
        if name == "NOT_WRITTEN":
            raise NotImplementedError(arguments[0].parts[0])
        given = [self.value(argument, names) for argument in arguments]
        if name == "thread":
            return self.places["blockIdx"]["x"] * self.places["blockDim"]["x"] + self.places["threadIdx"]["x"]
        if name in self.program.functions:
            return self.call(self.program.functions[name], given)
        if name not in BUILT_IN:
            raise KernelError(f"{name}() is not known here")
        return BUILT_IN[name](*given)

    def entry(self, of: Any, index: Any) -> Any:
        if not isinstance(of, Pointer):
            if isinstance(of, list) and not 0 <= index < len(of):
                raise KernelError(f"entry {index} of {len(of)}")
            if of is None:
                raise KernelError("an entry of a null pointer")
            return of[index]
        memory, place = of.memory, self.place(of, index)
        if memory.written.get(place, self.number) != self.number:
            raise KernelError(f"reads {memory.name}[{place}], which thread {memory.written[place]} writes")
        memory.read.setdefault(place, set()).add(self.number)
        return memory.array[place].item()

    def place(self, of: Pointer, index: Any) -> int:
        place = of.start + index
        if not 0 <= place < len(of.memory.array):
            raise KernelError(f"{of.memory.name}[{place}] is outside: it has {len(of.memory.array)} entries")
        return int(place)

    def assign(self, target: Node, value: Any, names: dict[str, Any]) -> Any:
        if target.kind == "name":
            names[target.parts[0]] = value
        elif target.kind == "member":
            self.value(target.parts[0], names)[target.parts[1]] = value
        elif target.kind == "index":
            self.store(self.value(target.parts[0], names), self.value(target.parts[1], names), value)
        else:
            raise KernelError("an assignment to what is no variable")
        return value

    def store(self, of: Any, index: Any, value: Any) -> None:
        if not isinstance(of, Pointer):
            of[index] = value
            return
        memory, place = of.memory, self.place(of, index)
        others = {memory.written.get(place, self.number), *memory.read.get(place, ())} - {self.number}
        if not of.writable:
            raise KernelError(f"writes into {memory.name}, which is const")
        if others:
            raise KernelError(f"writes {memory.name}[{place}], which thread {min(others)} uses too")
        memory.written[place] = self.number
        memory.array[place] = value
