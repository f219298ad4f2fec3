"""Every kernel compiles for every GPU generation that minicap names, and spills no register."""

import ctypes
import re
from functools import cache
from typing import Any

import nvrtc
import pytest

from minicap.backend.gpu.sources import compile_options, kernel_files, kernels_in, source_of

ARCHITECTURES = ("75", "80", "90a", "100")  # Turing, Ampere, Hopper, Blackwell
# By CUDA 13 for all of them, by CUDA 12 for one: the front end is what may differ.
COMPILED_FOR = [*((13, architecture) for architecture in ARCHITECTURES), (12, "90a")]
MOST_REGISTERS = 128  # so that two blocks of 256 threads fit on a multiprocessor at once
SEQUENCES = tuple(kernels_in("sequences.cu"))
# What the order of memory between blocks depends on, in PTX.
ORDERING = re.compile(
    r"^\s*(?:@!?%p\d+ )?"
    r"(bar\.sync|membar\.gl|fence\.\S+|atom\.global\.add|ld\.volatile\.global|ld\.global\.cg)",
    re.MULTILINE,
)


@pytest.fixture(params=nvrtc.VERSIONS, scope="module")
def compiler(request: pytest.FixtureRequest) -> ctypes.CDLL:
    """NVRTC out of its wheel, of each CUDA that CuPy is made for."""
    found = nvrtc.find(request.param)
    if found is None:
        pytest.skip(f'needs NVRTC: pip install "{nvrtc.WHEELS[request.param]}"')
    return found


@cache
def program(compiler: ctypes.CDLL, file: str, real: str, architecture: str) -> nvrtc.Program:
    options = (*compile_options(real), f"-arch=sm_{architecture}")
    return nvrtc.compile_kernels(compiler, source_of(file), options)


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize(("compiler", "architecture"), COMPILED_FOR, indirect=["compiler"])
@pytest.mark.parametrize("file", kernel_files())
def test_kernels_compile_spill_nothing_and_divide_integers_in_no_loop(
    file: str,
    architecture: str,
    real: str,
    compiler: ctypes.CDLL,
    record_property: Any,
):
    built = program(compiler, file, real, architecture)
    compiled = list(built.kernels())
    assert {kernel.kernel for kernel in compiled} == set(kernels_in(file))
    for kernel, text in built.texts().items():
        # By a size that only the host knows, that costs more than most of what a loop does besides.
        assert not nvrtc.divisions_in_loops(text), kernel
    for each in compiled:
        record_property(each.kernel, each.registers)
        assert each.spilled_bytes == 0, each
        assert each.registers <= MOST_REGISTERS, each


def test_a_loop_that_divides_is_seen(compiler: ctypes.CDLL):
    source = """extern "C" __global__ void divides(int* x, int size, int by) {
      x[size] = size / by;
      for (int i = 0; i < size; ++i) x[i] = x[i] / by;
    }"""
    program = nvrtc.compile_kernels(compiler, source, ("-arch=sm_90a",))
    found = nvrtc.divisions_in_loops(program.texts()["divides"])
    assert 0 < len(found) < program.ptx.count("div.s32")


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("kernel", SEQUENCES)
def test_what_other_blocks_wrote_is_read_in_order(kernel: str, real: str, compiler: ctypes.CDLL):
    """No test on a CPU sees these: its processor orders writes by itself."""
    text = program(compiler, "sequences.cu", real, "90a").texts()[kernel]
    found = ORDERING.findall(text)
    numbers = {name: found.count(name) for name in set(found)}
    states = {"lstm_sequence_gradient": 4, "gru_sequence_gradient": 3}.get(kernel, 1)
    assert numbers.pop("ld.global.cg") == 4 * states  # every read of a state, past the L1 cache
    # Two barriers around a tile of the state, two around the meeting; a fence before it and one after.
    expected = {"bar.sync": 4, "membar.gl": 2, "atom.global.add": 1, "ld.volatile.global": 2}
    assert numbers == expected
    meeting = [name for name in found if name not in ("bar.sync", "ld.global.cg")]
    poll = ["ld.volatile.global"] * 2  # the first look, and the loop's
    assert meeting == ["membar.gl", "atom.global.add", *poll, "membar.gl"]


def test_a_kernel_that_is_no_cuda_is_refused(compiler: ctypes.CDLL):
    with pytest.raises(nvrtc.CompileError, match="undefined"):
        nvrtc.compile_kernels(compiler, "__global__ void f(float* x) { x[0] = missing; }", ("-arch=sm_80",))


def test_a_kernel_that_spills_is_seen(compiler: ctypes.CDLL):
    source = """extern "C" __global__ void __launch_bounds__(1024) spills(float* x) {
      float kept[200];
      for (int i = 0; i < 200; ++i) kept[i] = x[i * 1024 + threadIdx.x];
      __syncthreads();
      for (int i = 0; i < 200; ++i) x[(i * 7 % 200) * 1024 + threadIdx.x] = kept[i] * kept[199 - i];
    }"""
    (kernel,) = nvrtc.compile_kernels(compiler, source, ("-arch=sm_80",)).kernels()
    assert kernel.spilled_bytes > 0
