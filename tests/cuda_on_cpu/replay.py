"""Launches that are recorded here and replayed under ThreadSanitizer, in a program of its own (races.h).

It finds what one thread reads or writes of another's without a barrier in between, whatever values come out.
Kernels that find arrays by addresses inside a struct (updates.cu) cannot be replayed.
"""

import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from strict_cupy import StrictArray

import cuda_on_cpu

# ThreadSanitizer knows atomic reads, but no volatile ones.
POLL, ATOMIC_READ = "*(volatile unsigned*)turn", "__atomic_load_n(turn, __ATOMIC_ACQUIRE)"


@dataclass
class Recorded:
    """Launches of one file's kernels.  names: of its kernels.  launches: as replay.h reads them."""

    names: list[str]
    launches: list[bytes] = field(default_factory=list)


class Recording:
    """Launches by the code of their modules."""

    def __init__(self) -> None:
        self.of_code: dict[tuple[str, tuple[str, ...]], Recorded] = {}

    def add(self, launch: "cuda_on_cpu.LaunchMade") -> None:
        """Keep a launch as it is before it runs."""
        key = launch.module.code, launch.module.options
        recorded = self.of_code.setdefault(key, Recorded(launch.module.names))
        recorded.launches.append(_packed(recorded.names.index(launch.name), launch))


@contextmanager
def recording() -> Iterator[Recording]:
    """Keep all launches inside the `with` block."""
    recorded = Recording()
    cuda_on_cpu.listeners.append(recorded.add)
    try:
        yield recorded
    finally:
        cuda_on_cpu.listeners.remove(recorded.add)


def replay(recorded: Recorded, code: str, options: tuple[str, ...], folder: Path) -> str:
    """Run the launches under ThreadSanitizer; returns what it says, nothing for no races.

    Raises CompileException where it cannot be built, RuntimeError where it does not run here.
    """
    launchers = "\n".join(f"ON_CPU({name})" for name in recorded.names)
    table = ", ".join(f'{{"{name}", {name}__launch}}' for name in recorded.names)
    text = f"""#include "cuda_on_cpu.h"
{code.replace(POLL, ATOMIC_READ)}
{launchers}
#include "replay.h"
const replay::Kernel replay::kernels[] = {{{table}}};
"""
    (folder / "replay.cpp").write_text(text, encoding="utf-8")
    (folder / "launches").write_bytes(struct.pack("=i", len(recorded.launches)) + b"".join(recorded.launches))
    flags = [flag for flag in cuda_on_cpu.flags_of(options) if flag not in ("-shared", "-fPIC")]
    include = f"-I{cuda_on_cpu.HEADER.parent}"
    command = ["g++", *flags, "-g", "-fsanitize=thread", include, "replay.cpp", "-o", "replay"]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if built.returncode:
        raise cuda_on_cpu.CompileException(built.stderr[-4000:])
    environment = os.environ | {"TSAN_OPTIONS": "exitcode=66 halt_on_error=1 history_size=7"}
    done = subprocess.run(
        ["./replay", "launches"], cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode == 66 or "data race" in done.stderr:
        return done.stderr
    if done.returncode or done.stdout.count("\n") != len(recorded.launches):
        raise RuntimeError(f"{done.returncode}: {done.stdout[-1000:]}{done.stderr[-2000:]}")
    return ""


def _packed(kernel: int, launch: "cuda_on_cpu.LaunchMade") -> bytes:
    """A launch with the memory that it reads."""
    sizes = [*_three(launch.grid), *_three(launch.block)]
    head = struct.pack("=i6IQii", kernel, *sizes, launch.shared_bytes, launch.cooperative, launch.order)
    memory: dict[int, np.ndarray] = {}
    arguments = b""
    for value in launch.arguments:
        if isinstance(value, StrictArray):
            owner = _owner(value._host)
            memory.setdefault(id(owner), owner)
            offset = value._host.ctypes.data - owner.ctypes.data
            arguments += struct.pack("=iQ", list(memory).index(id(owner)), offset)
        else:
            number = value.tobytes()
            arguments += struct.pack("=iQ", -1, len(number)) + number
    contents = [owner.tobytes("A") for owner in memory.values()]  # in its own order of axes
    arrays = b"".join(struct.pack("=Q", len(content)) + content for content in contents)
    counts = struct.pack("=i", len(memory)), struct.pack("=i", len(launch.arguments))
    return head + counts[0] + arrays + counts[1] + arguments


def _owner(host: np.ndarray) -> np.ndarray:
    while isinstance(host.base, np.ndarray):
        host = host.base
    return host


def _three(sizes: tuple[int, ...]) -> tuple[int, ...]:
    return (*sizes, *(1,) * (3 - len(sizes)))
