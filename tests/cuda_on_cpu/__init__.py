"""A RawModule that runs CUDA C++ kernels on the CPU, for machines without a GPU.

It stands in for cupy.RawModule: the same source is compiled by g++ behind cuda_on_cpu.h, once, and kept under
its hash in the folder for temporary files.  Arguments must be device arrays and NumPy scalars of exactly the
sizes that the kernel declares; CuPy would not notice.
"""

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from strict_cupy import StrictArray
from strict_cupy.counts import count
from strict_cupy.devices import Device as CudaDevice
from strict_cupy.devices import current_device
from strict_cupy.streams import Stream, current_stream, used

ORDERS = ("forward", "reversed", "shuffled")
SANITIZE = "MINICAP_SANITIZE_KERNELS"  # in the environment: build with AddressSanitizer
HEADER = Path(__file__).with_name("cuda_on_cpu.h")
ERRORS = {1: "a barrier that not every thread reaches", 2: "a block, grid or shared memory beyond the limits"}

_order = ORDERS[0]


class CompileException(Exception):
    """cupy.cuda.compiler.CompileException, which is no RuntimeError either."""


class LaunchError(RuntimeError):
    """A launch that a GPU would refuse, hang on, or answer with garbage."""


class _Launch(ctypes.Structure):
    _fields_ = [
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared_bytes", ctypes.c_uint64),
        ("cooperative", ctypes.c_int),
        ("order", ctypes.c_int),
        ("kernel", ctypes.c_void_p),
        ("arguments", ctypes.c_void_p),
        ("barrier", ctypes.c_void_p),
        ("first", ctypes.c_long),
        ("last", ctypes.c_long),
    ]


def compiler() -> str | None:
    """The C++ compiler, or None where there is none.  The header needs Linux."""
    return shutil.which("g++") if sys.platform == "linux" else None


@contextmanager
def thread_order(order: str) -> Iterator[None]:
    """Start threads and blocks in this order: "forward", "reversed" or "shuffled"."""
    global _order
    before, _order = _order, order
    assert order in ORDERS
    try:
        yield
    finally:
        _order = before


class RawModule:
    """cupy.RawModule, on the CPU."""

    def __init__(self, *, code: str, options: tuple[str, ...] = ()) -> None:
        names = re.findall(r"^(?:KERNEL|extern \"C\" __global__ void) (\w+)\(", code, re.MULTILINE)
        launchers = "\n".join(f"ON_CPU({name})" for name in names)
        self._library = _build(f'#include "cuda_on_cpu.h"\n{code}\n{launchers}\n', flags_of(options))
        self.code, self.options, self.names = code, options, names

    def get_function(self, name: str) -> "RawKernel":
        return RawKernel(self, self._library, name)


class LaunchMade(NamedTuple):
    """A launch that is about to take place."""

    module: RawModule
    name: str
    grid: tuple[int, ...]
    block: tuple[int, ...]
    arguments: tuple[Any, ...]
    shared_bytes: int
    cooperative: bool
    order: int


listeners: list[Callable[[LaunchMade], None]] = []  # told of every launch


class RawKernel:
    """cupy.RawKernel, on the CPU.

    kernel: what cupy.cuda.Function is, which also launches blocks that run at the same time.
    """

    def __init__(self, module: RawModule, library: ctypes.CDLL, name: str) -> None:
        self.kernel = Function(module, library, name)

    def __call__(
        self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...], *, shared_mem: int = 0
    ) -> None:
        self.kernel(grid, block, args, shared_mem)

    @property
    def max_dynamic_shared_size_bytes(self) -> int:
        return self.kernel.most_shared_bytes

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, size: int) -> None:
        if size > current().shared_bytes:
            raise RuntimeError("CUDA_ERROR_INVALID_VALUE: invalid argument")
        self.kernel.most_shared_bytes = size


class Function:
    """cupy.cuda.Function, on the CPU."""

    def __init__(self, module: RawModule, library: ctypes.CDLL, name: str) -> None:
        self._module, self._name, self._launch = module, name, getattr(library, f"{name}__launch")
        self._bytes_wanted = _sizes(getattr(library, f"{name}__sizes"))
        self.ptr = ctypes.cast(self._launch, ctypes.c_void_p).value
        self.most_shared_bytes = 48 << 10

    def __call__(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: tuple[Any, ...],
        shared_mem: int = 0,
        stream: None = None,
        enable_cooperative_groups: bool = False,
    ) -> None:
        count("launches")
        name = self._name
        values = [_bytes_of(name, i, arg) for i, arg in enumerate(args)]
        if [len(value) for value in values] != self._bytes_wanted:
            given = [len(value) for value in values]
            raise LaunchError(f"{name}: arguments of {given} bytes but the kernel reads {self._bytes_wanted}")
        if shared_mem > self.most_shared_bytes:
            raise LaunchError(f"{name}: {ERRORS[2]}")
        room = current().processors * _blocks_a_processor(self.ptr, prod(block), shared_mem)
        if enable_cooperative_groups and prod(grid) > room:
            warnings.warn(f"The grid size will be reduced from {prod(grid)} to {room}", stacklevel=2)
            grid = (room,)
        order = ORDERS.index(_order)
        for listen in listeners:
            made = (self._module, name, grid, block, args, shared_mem, enable_cooperative_groups, order)
            listen(LaunchMade(*made))
        buffers = [ctypes.create_string_buffer(value, len(value)) for value in values]
        pointers = (ctypes.c_void_p * len(buffers))(*map(ctypes.addressof, buffers))
        how = _Launch(_three(grid), _three(block), shared_mem, int(enable_cooperative_groups), order)
        if error := self._launch(ctypes.byref(how), pointers):
            raise LaunchError(f"{name}: {ERRORS[error]}")


@dataclass
class Device:
    """A GPU as the kernels are told of it."""

    processors: int = 6
    memory: int = 1 << 30
    shared_bytes: int = 227 << 10  # that one block may have
    cooperative: bool = True


DEVICE, SECOND_DEVICE = DEVICES = Device(), Device(processors=2)


def current() -> Device:
    """The device that this thread launches on."""
    return DEVICES[current_device().id]


def _blocks_a_processor(function: int | None, block_size: int, shared_bytes: int) -> int:
    return min(2048 // block_size, current().shared_bytes // max(shared_bytes, 1))


def _device_attribute(attribute: str, device: int) -> int:
    return int(getattr(DEVICES[device], attribute))


# What of the module cupy.cuda minicap asks.
cuda = SimpleNamespace(
    Device=CudaDevice,
    Stream=Stream,
    get_current_stream=current_stream,
    is_available=lambda: True,
    driver=SimpleNamespace(occupancyMaxActiveBlocksPerMultiprocessor=_blocks_a_processor),
    runtime=SimpleNamespace(
        cudaDevAttrCooperativeLaunch="cooperative",
        cudaDevAttrMultiProcessorCount="processors",
        deviceGetAttribute=_device_attribute,
        getDevice=lambda: current_device().id,
        memGetInfo=lambda: (current().memory // 2, current().memory),
        getDeviceCount=lambda: len(DEVICES),
    ),
)


def _sizes(function: Any) -> list[int]:
    room = (ctypes.c_int * 64)()
    number = function(room)
    return list(room[:number])


def _three(sizes: tuple[int, ...]) -> Any:
    return (ctypes.c_uint * 3)(*sizes, *(1,) * (3 - len(sizes)))


def _bytes_of(kernel: str, position: int, value: Any) -> bytes:
    """The argument as the kernel finds it: an array's address, or a number."""
    if isinstance(value, StrictArray):
        if value.device != current_device():
            raise LaunchError(f"{kernel}: argument {position} is on {value.device}, not {current_device()}")
        used(value._host)
        return np.uintp(value._host.ctypes.data).tobytes()
    if isinstance(value, np.generic) or (
        isinstance(value, np.ndarray) and value.dtype.names and not value.ndim
    ):
        return value.tobytes()
    raise LaunchError(
        f"{kernel}: argument {position} is a {type(value).__name__}; pass arrays and NumPy scalars"
    )


def flags_of(options: tuple[str, ...]) -> list[str]:
    """What g++ is given besides the source."""
    chosen = [option for option in options if option.startswith("-D")]
    sanitizer = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g"]
    return [
        *(
            "-std=c++17",
            "-O1",
            "-fPIC",
            "-shared",
            "-pthread",
            "-w",
            "-fno-strict-aliasing",
            "-ffp-contract=off",
        ),
        *(sanitizer if os.environ.get(SANITIZE) else []),
        *chosen,
    ]


@cache
def _folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"minicap-cuda-on-cpu-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _build(code: str, flags: list[str]) -> ctypes.CDLL:
    headers = [path.read_text(encoding="utf-8") for path in (HEADER, HEADER.with_name("races.h"))]
    key = hashlib.sha256("\0".join([code, *headers, *flags]).encode()).hexdigest()[:24]
    library = _folder() / f"{key}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=_folder()) as work:
            source, built = Path(work) / "kernels.cpp", Path(work) / "kernels.so"
            source.write_text(code, encoding="utf-8")
            command = [compiler() or "g++", *flags, f"-I{HEADER.parent}", str(source), "-o", str(built)]
            outcome = subprocess.run(command, capture_output=True, text=True)
            if outcome.returncode:
                raise CompileException(f"g++ refuses the kernels:\n{outcome.stderr[:4000]}")
            os.replace(built, library)
    return ctypes.CDLL(str(library))
