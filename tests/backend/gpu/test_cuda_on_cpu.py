"""The header that runs kernels on the CPU is judged itself: what it must show, it shows."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_on_cpu import (
    DEVICE,
    ORDERS,
    SANITIZE,
    CompileException,
    LaunchError,
    RawModule,
    compiler,
    thread_order,
)
from strict_cupy import Device, StrictArray

from minicap.backend.gpu.sources import compile_options, source_of

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs g++ to run kernels on the CPU")

KERNELS = """
#define KERNEL extern "C" __global__ void
KERNEL half_waits(float* x) { if (threadIdx.x < 16) __syncthreads(); x[threadIdx.x] = 1; }
KERNEL leaves_early(float* x) { if (threadIdx.x == 3) return; __syncthreads(); x[threadIdx.x] = 1; }
KERNEL half_a_warp(int* x) { if (threadIdx.x < 16) x[threadIdx.x] = __shfl_sync(~0u, 1, 0); }
KERNEL races(int* x) {
  __shared__ int shared[64];
  shared[threadIdx.x] = threadIdx.x;
  x[threadIdx.x] = shared[63 - threadIdx.x];
}
KERNEL waits(int* x) {
  __shared__ int shared[64];
  shared[threadIdx.x] = threadIdx.x;
  __syncthreads();
  x[threadIdx.x] = shared[63 - threadIdx.x];
}
KERNEL runs_ahead(int* x, int waits) {
  __shared__ int shared[2];
  int warp = threadIdx.x / 32, sum = 0;
  for (int round = 0; round < 2; ++round) {
    if (threadIdx.x % 32 == 0) shared[warp] = 10 * round + warp;
    __syncthreads();
    sum += shared[1 - warp];
    if (waits) __syncthreads();
  }
  x[threadIdx.x] = sum;
}
KERNEL last_writer(int* x) { x[0] = blockIdx.x * blockDim.x + threadIdx.x; }
KERNEL warp_sums(double* x) {
  double value = x[threadIdx.x];
  for (int distance = 16; distance; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
  x[threadIdx.x] = value;
}
KERNEL neighbours(int* x) { x[threadIdx.x] = __shfl_down_sync(~0u, int(threadIdx.x), 3); }
KERNEL everyone_else(int* x, int* out, int count) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  x[i] = i;
  cooperative_groups::this_grid().sync();
  int sum = 0;
  for (int j = 0; j < count; ++j) sum += x[j];
  out[i] = sum;
}
KERNEL one_block_waits(int* x) {
  if (blockIdx.x == 1 && threadIdx.x < 16) __syncthreads();
  cooperative_groups::this_grid().sync();
  x[0] = 1;
}
KERNEL polls(int* x) {
  if (blockIdx.x == 1) atomicAdd(x, 1);
  while (*(volatile int*)x == 0) __nanosleep(20);
}
KERNEL polls_a_block_that_fails(int* x) {
  if (blockIdx.x == 1) {
    if (threadIdx.x < 16) __syncthreads();
  } else {
    while (*(volatile int*)x == 0) __nanosleep(20);
  }
}
KERNEL counts(int* x) { atomicAdd(x, 1); }
KERNEL fours(const float4* x, float* out) {
  float4 v = x[threadIdx.x];
  out[threadIdx.x] = v.x + v.y + v.z + v.w;
}
KERNEL from_shared(int* x) {
  DYNAMIC_SHARED(int, room);
  x[threadIdx.x] = room[threadIdx.x];
}
KERNEL three_axes(int* x) {
  int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  x[block * blockDim.x * blockDim.y * blockDim.z + thread] += 1;
}
"""


@pytest.fixture(scope="module")
def module() -> RawModule:
    return RawModule(code=KERNELS)


def run(
    module: RawModule, name: str, *args: Any, grid: Any = (1,), block: Any = (64,), **options: Any
) -> None:
    module.get_function(name).kernel(grid, block, args, **options)


def ints(count: int) -> StrictArray:
    return StrictArray(np.zeros(count, np.int32))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ["half_waits", "leaves_early"])
def test_a_barrier_that_not_every_thread_reaches_is_an_error(name: str, order: str, module: RawModule):
    with thread_order(order), pytest.raises(LaunchError, match="a barrier that not every thread reaches"):
        run(module, name, StrictArray(np.zeros(64, np.float32)))


def test_a_shuffle_that_half_a_warp_takes_part_in_is_an_error(module: RawModule):
    with pytest.raises(LaunchError, match="a barrier that not every thread reaches"):
        run(module, "half_a_warp", ints(64))


def test_a_race_shows_when_threads_run_in_another_order(module: RawModule):
    for name, agree in (("races", False), ("waits", True)):
        results = []
        for order in ORDERS:
            x = ints(64)
            with thread_order(order):
                run(module, name, x)
            results.append(x.get())
        assert all(np.array_equal(results[0], other) for other in results) is agree
    np.testing.assert_array_equal(results[0], np.arange(64)[::-1])


def test_a_warp_that_runs_ahead_into_the_next_round_shows(module: RawModule):
    expected = np.repeat([1 + 11, 0 + 10], 32)  # each warp adds up what the other one left in two rounds
    for waits in (False, True):
        right = []
        for order in ORDERS:
            x = ints(64)
            with thread_order(order):
                run(module, "runs_ahead", x, np.int32(waits))
            right.append(np.array_equal(x.get(), expected))
        assert all(right) is waits


def test_blocks_run_in_another_order_too(module: RawModule):
    last = {}
    for order in ORDERS:
        x = ints(1)
        with thread_order(order):
            run(module, "last_writer", x, grid=(9,))
        last[order] = int(x)
    assert last["forward"] == 9 * 64 - 1
    assert last["reversed"] == 0
    assert last["shuffled"] // 64 != 8


@pytest.mark.parametrize("order", ORDERS)
def test_shuffles_stay_inside_their_warp(order: str, module: RawModule):
    x, shifted = StrictArray(np.arange(64.0)), ints(64)
    with thread_order(order):
        run(module, "warp_sums", x)
        run(module, "neighbours", shifted)
    np.testing.assert_array_equal(x.get(), np.repeat([496.0, 1520.0], 32))
    lane = np.arange(64) % 32
    np.testing.assert_array_equal(shifted.get(), np.arange(64) + np.where(lane < 29, 3, 0))


@pytest.mark.parametrize("order", ORDERS)
def test_a_grid_barrier_waits_for_every_block(order: str, module: RawModule):
    out = ints(96)
    with thread_order(order):
        run(
            module,
            "everyone_else",
            ints(96),
            out,
            np.int32(96),
            grid=(3,),
            block=(32,),
            enable_cooperative_groups=True,
        )
    np.testing.assert_array_equal(out.get(), np.full(96, 96 * 95 // 2))


def test_a_grid_barrier_without_a_cooperative_launch_is_an_error(module: RawModule):
    with pytest.raises(LaunchError, match="barrier"):
        run(module, "everyone_else", ints(64), ints(64), np.int32(64))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["one_block_waits", "polls_a_block_that_fails"])
def test_blocks_that_wait_for_one_that_fails_are_an_error_and_no_deadlock(name: str, module: RawModule):
    with pytest.raises(LaunchError, match="a barrier that not every thread reaches"):
        run(module, name, ints(1), grid=(3,), block=(32,), enable_cooperative_groups=True)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("order", ORDERS)
def test_blocks_of_a_cooperative_launch_run_at_the_same_time(order: str, module: RawModule):
    with thread_order(order):
        run(module, "polls", ints(1), grid=(3,), block=(32,), enable_cooperative_groups=True)
        with pytest.raises(LaunchError, match="barrier"):
            run(module, "polls", ints(1), grid=(3,), block=(32,))


def test_a_launch_of_more_blocks_than_run_at_the_same_time_is_shrunk_as_cupy_does(
    module: RawModule, monkeypatch
):
    monkeypatch.setattr(DEVICE, "processors", 1)
    count = ints(1)
    with pytest.warns(UserWarning, match="grid size will be reduced from 3 to 2"):
        run(module, "counts", count, grid=(3,), block=(1024,), enable_cooperative_groups=True)
    assert int(count) == 2 * 1024


def test_an_array_of_another_device_than_the_current_one_is_refused(module: RawModule):
    with Device(1):
        count = ints(1)
        run(module, "counts", count)
    with pytest.raises(LaunchError, match="argument 0 is on <CUDA Device 1>, not <CUDA Device 0>"):
        run(module, "counts", count)


def test_more_shared_memory_than_usual_has_to_be_asked_for(module: RawModule):
    kernel = module.get_function("from_shared")
    with pytest.raises(LaunchError, match="shared memory beyond the limits"):
        kernel((1,), (64,), (ints(64),), shared_mem=64 << 10)
    kernel.max_dynamic_shared_size_bytes = 64 << 10
    kernel((1,), (64,), (ints(64),), shared_mem=64 << 10)
    with pytest.raises(RuntimeError, match="CUDA_ERROR_INVALID_VALUE"):
        kernel.max_dynamic_shared_size_bytes = 1 << 20


def test_atomics_vectors_and_three_axes_are_there(module: RawModule):
    count, out, cube = ints(1), StrictArray(np.zeros(8, np.float32)), ints(2 * 3 * 4 * 24)
    run(module, "counts", count, grid=(5,))
    assert int(count) == 320
    run(module, "fours", StrictArray(np.arange(32, dtype=np.float32)), out, block=(8,))
    np.testing.assert_array_equal(out.get(), np.arange(32).reshape(8, 4).sum(axis=1))
    run(module, "three_axes", cube, grid=(2, 3, 4), block=(4, 3, 2))
    np.testing.assert_array_equal(cube.get(), 1)


def test_shared_memory_holds_garbage_at_first(module: RawModule):
    x = ints(64)
    run(module, "from_shared", x, shared_mem=256)
    assert (x.get() != 0).all()


def test_arguments_of_another_width_are_refused(module: RawModule):
    with pytest.raises(LaunchError, match=r"arguments of \[8, 8, 8\] bytes but the kernel reads \[8, 8, 4\]"):
        run(module, "everyone_else", ints(64), ints(64), np.int64(64))
    with pytest.raises(LaunchError, match="argument 2 is a int; pass arrays and NumPy scalars"):
        run(module, "everyone_else", ints(64), ints(64), 64)


def test_a_divisor_divides_every_number_that_is_not_negative(rng: np.random.Generator):
    code = (
        source_of("activations.cu")
        + """
KERNEL divide(const int* x, int by, int* quotient, int* rest) {
  Divisor divisor(by);
  quotient[threadIdx.x] = x[threadIdx.x] / divisor, rest[threadIdx.x] = x[threadIdx.x] % divisor;
}"""
    )
    kernel = RawModule(code=code, options=compile_options("float32")).get_function("divide")
    most = 2**31 - 1
    for by in (
        1,
        2,
        3,
        7,
        10,
        224,
        65_535,
        65_536,
        65_537,
        2**30,
        most - 1,
        most,
        *rng.integers(1, most, 50),
    ):
        near = (by * np.arange(50) + np.array([-1, 0, 1])[:, None]).ravel()
        numbers = np.clip(np.r_[near, most - np.arange(50), rng.integers(most, size=56)], 0, most)
        quotient, rest = ints(256), ints(256)
        kernel((1,), (256,), (StrictArray(numbers.astype(np.int32)), np.int32(by), quotient, rest))
        np.testing.assert_array_equal(quotient.get(), numbers // by)
        np.testing.assert_array_equal(rest.get(), numbers % by)


def test_a_block_beyond_the_limit_is_refused(module: RawModule):
    with pytest.raises(LaunchError, match="beyond the limits"):
        run(module, "counts", ints(1), block=(1025,))


def test_code_that_does_not_compile_says_why():
    with pytest.raises(CompileException, match="missing"):
        RawModule(code='extern "C" __global__ void f(int* x) { x[0] = missing; }')


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_kernel_under_address_sanitizer():
    runtime = subprocess.run(
        ["g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    )
    library = Path(runtime.stdout.strip())
    if not library.is_file():
        pytest.skip("needs AddressSanitizer's library beside g++")
    here = Path(__file__).parent
    tests = [
        str(here / name)
        for name in ("test_overrides.py", "test_sequences.py", "test_updates.py", "test_budgets.py")
    ]
    options = {"detect_leaks": 0, "detect_stack_use_after_return": 0, "halt_on_error": 1}
    environment = os.environ | {
        "LD_PRELOAD": str(library),
        "ASAN_OPTIONS": ":".join(f"{name}={value}" for name, value in options.items()),
        "PYTHONMALLOC": "malloc",
        SANITIZE: "1",
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-k",
        "shuffled or step",
        *tests,
    ]
    outcome = subprocess.run(command, env=environment, cwd=here.parents[2], capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout[-4000:] + outcome.stderr[-4000:]


@pytest.mark.slow
def test_a_read_beyond_an_array_is_seen_by_address_sanitizer():
    script = """
import numpy as np
from cuda_on_cpu import RawModule
from strict_cupy import StrictArray
code = 'extern "C" __global__ void beyond(float* x) { x[0] = x[4096 + threadIdx.x]; }'
RawModule(code=code).get_function("beyond")((1,), (1,), (StrictArray(np.zeros(4096, np.float32)),))
"""
    runtime = subprocess.run(
        ["g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    )
    if not Path(runtime.stdout.strip()).is_file():
        pytest.skip("needs AddressSanitizer's library beside g++")
    environment = os.environ | {
        "LD_PRELOAD": runtime.stdout.strip(),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        SANITIZE: "1",
    }
    outcome = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert outcome.returncode != 0
    assert "heap-buffer-overflow" in outcome.stderr
