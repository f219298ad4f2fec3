"""Every kernel compiles for every GPU generation that minicap names, and spills no register."""

import ctypes
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from minicap.backend.gpu.launcher import compile_options, kernel_files, kernels_in, source_of

ARCHITECTURES = ("75", "80", "90a", "100")  # Turing, Ampere, Hopper, Blackwell
MOST_REGISTERS = 128  # so that two blocks of 256 threads fit on a multiprocessor at once


class Compiled(NamedTuple):
    """What ptxas says of one kernel."""

    kernel: str
    registers: int
    spilled_bytes: int


@pytest.fixture(scope="module")
def nvrtc() -> ctypes.CDLL:
    """NVRTC out of its wheel."""
    spec = find_spec("nvidia")
    folders = (
        [Path(folder) / "cu13" / "lib" for folder in spec.submodule_search_locations or ()] if spec else []
    )
    for folder in folders:
        library = folder / "libnvrtc.so.13"
        if library.exists():
            for builtins in folder.glob("libnvrtc-builtins.so.13.*"):  # NVRTC looks it up by its bare name
                ctypes.CDLL(str(builtins), ctypes.RTLD_GLOBAL)
            return ctypes.CDLL(str(library))
    pytest.skip('needs NVRTC: pip install "nvidia-cuda-nvrtc==13.*"')


def compile_kernels(nvrtc: ctypes.CDLL, source: str, options: tuple[str, ...]) -> str:
    """The compiler's report.  Raises AssertionError with its log when it refuses."""
    program = ctypes.c_void_p()
    assert not nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None)
    try:
        given = [option.encode() for option in (*options, "--ptxas-options=-v")]
        refused = nvrtc.nvrtcCompileProgram(program, len(given), (ctypes.c_char_p * len(given))(*given))
        size = ctypes.c_size_t()
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, log)
        assert not refused, log.value.decode()
        return log.value.decode()
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def kernels_of(report: str) -> Iterator[Compiled]:
    for part in report.split("Compiling entry function")[1:]:
        name = re.search(r"'(\w+)'", part)
        registers = re.search(r"Used (\d+) registers", part)
        assert name, part
        assert registers, part
        yield Compiled(name[1], int(registers[1]), sum(map(int, re.findall(r"(\d+) bytes spill", part))))


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("file", kernel_files())
def test_kernels_compile_and_spill_nothing(
    file: str, architecture: str, real: str, nvrtc: ctypes.CDLL, record_property: Any
):
    options = (*compile_options(real), f"-arch=sm_{architecture}")
    compiled = list(kernels_of(compile_kernels(nvrtc, source_of(file), options)))
    assert {kernel.kernel for kernel in compiled} == set(kernels_in(file))
    for kernel in compiled:
        record_property(kernel.kernel, kernel.registers)
        assert kernel.spilled_bytes == 0, kernel
        assert kernel.registers <= MOST_REGISTERS, kernel


def test_a_kernel_that_is_no_cuda_is_refused(nvrtc: ctypes.CDLL):
    with pytest.raises(AssertionError, match="undefined"):
        compile_kernels(nvrtc, "__global__ void f(float* x) { x[0] = missing; }", ("-arch=sm_80",))


def test_a_kernel_that_spills_is_seen(nvrtc: ctypes.CDLL):
    source = """extern "C" __global__ void __launch_bounds__(1024) spills(float* x) {
      float kept[200];
      for (int i = 0; i < 200; ++i) kept[i] = x[i * 1024 + threadIdx.x];
      __syncthreads();
      for (int i = 0; i < 200; ++i) x[(i * 7 % 200) * 1024 + threadIdx.x] = kept[i] * kept[199 - i];
    }"""
    (kernel,) = kernels_of(compile_kernels(nvrtc, source, ("-arch=sm_80",)))
    assert kernel.spilled_bytes > 0
