"""NVIDIA's compiler out of its wheel, and what it says of kernels, as CuPy calls it."""

import ctypes
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

VERSIONS = (12, 13)
WHEELS = {12: "nvidia-cuda-nvrtc-cu12", 13: "nvidia-cuda-nvrtc>=13"}
_FOLDERS = {12: "cuda_nvrtc/lib", 13: "cu13/lib"}
# What CuPy adds to the options that it is given.
OF_CUPY = ("-ftz=true", "--device-as-default-execution-space", "-I/nowhere/include")


class CompileError(Exception):
    """The compiler's log."""


class Compiled(NamedTuple):
    """What ptxas says of one kernel."""

    kernel: str
    registers: int
    spilled_bytes: int


class Program(NamedTuple):
    """A compiled file.  log: the report of ptxas.  ptx: the text of all its kernels."""

    log: str
    ptx: str

    def kernels(self) -> Iterator[Compiled]:
        for part in self.log.split("Compiling entry function")[1:]:
            name = re.search(r"'(\w+)'", part)
            registers = re.search(r"Used (\d+) registers", part)
            assert name, part
            assert registers, part
            spilled = sum(map(int, re.findall(r"(\d+) bytes spill", part)))
            yield Compiled(name[1], int(registers[1]), spilled)

    def texts(self) -> dict[str, str]:
        """The PTX of each kernel."""
        parts = self.ptx.split(".entry ")[1:]
        return {part.partition("(")[0].strip(): part for part in parts}


_LABEL = re.compile(r"(\$L\w+):")
_BRANCH = re.compile(r"\bbra(?:\.uni)?\s+(\$L\w+)")
_RETURN = re.compile(r"\bret;")
_DIVISION = re.compile(r"\b(?:div|rem)\.[su](?:32|64)\b")


def divisions_in_loops(ptx: str) -> list[str]:
    """The integer divisions of a kernel that its threads can come to again."""
    blocks: list[list[str]] = [[]]  # of lines that follow each other
    labels: dict[str, int] = {}
    for line in ptx.splitlines():
        if found := _LABEL.match(line):
            labels[found[1]] = len(blocks)
            blocks.append([])
        blocks[-1].append(line.strip())
        if _BRANCH.search(line) or _RETURN.search(line):
            blocks.append([])

    def next_of(block: int) -> list[int]:
        last = blocks[block][-1] if blocks[block] else ""
        to, ends = _BRANCH.search(last), _RETURN.search(last)
        goes_on = last.startswith("@") or not (to or ends)
        return ([labels[to[1]]] if to else []) + ([block + 1] if goes_on and block + 1 < len(blocks) else [])

    def comes_again(start: int) -> bool:
        seen, left = set(), next_of(start)
        while left:
            if (block := left.pop()) not in seen:
                seen.add(block)
                left += next_of(block)
        return start in seen

    divisions = {i: [line for line in block if _DIVISION.search(line)] for i, block in enumerate(blocks)}
    return [line for i, lines in divisions.items() if lines and comes_again(i) for line in lines]


@cache
def find(version: int) -> ctypes.CDLL | None:
    """NVRTC of that CUDA, or None where its wheel is not installed."""
    spec = find_spec("nvidia")
    for folder in spec.submodule_search_locations or () if spec else ():
        library = Path(folder) / _FOLDERS[version] / f"libnvrtc.so.{version}"
        if library.exists():
            # NVRTC looks it up by its bare name.
            for builtins in library.parent.glob(f"libnvrtc-builtins.so.{version}.*"):
                ctypes.CDLL(str(builtins), ctypes.RTLD_GLOBAL)
            return ctypes.CDLL(str(library))
    return None


def compile_kernels(nvrtc: ctypes.CDLL, source: str, options: tuple[str, ...]) -> Program:
    """Compile CUDA C++.  Raises CompileError with the compiler's log when it refuses."""
    program = ctypes.c_void_p()
    assert not nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None)

    def text(what: str) -> str:
        size = ctypes.c_size_t()
        getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
        room = ctypes.create_string_buffer(size.value)
        getattr(nvrtc, f"nvrtcGet{what}")(program, room)
        return room.value.decode()

    try:
        given = [option.encode() for option in (*options, *OF_CUPY, "--ptxas-options=-v")]
        if nvrtc.nvrtcCompileProgram(program, len(given), (ctypes.c_char_p * len(given))(*given)):
            raise CompileError(text("ProgramLog"))
        return Program(text("ProgramLog"), text("PTX"))
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
