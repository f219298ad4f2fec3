"""No kernel has a data race: ThreadSanitizer follows every thread of the executor."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_on_cpu import CompileException, RawModule, replay, thread_order
from kernel_cases import LARGER, inputs_of, on_device, run, supporting
from strict_cupy import StrictArray

from minicap.arrays import Backend
from minicap.backend.gpu.sources import kernel_files, source_of


def races(recorded: Any, code: str, options: tuple[str, ...], folder: Path) -> str:
    try:
        return replay.replay(recorded, code, options, folder)
    except (CompileException, RuntimeError) as error:
        if "-ltsan" in str(error) or "unexpected memory mapping" in str(error):
            pytest.skip(f"needs ThreadSanitizer, as g++ has it: {str(error).splitlines()[-1]}")
        raise


@cache
def recorded() -> dict[tuple[str, tuple[str, ...]], Any]:
    """The launches of all larger cases, by the code of their modules."""
    with replay.recording() as found, thread_order("shuffled"):
        for case in LARGER:
            for override in supporting(case, "float32"):
                run(override.forward, override.backward, on_device(inputs_of(case, "float32")), "float32")
    return found.of_code


# updates.cu finds its arrays by addresses in a struct, which another program does not have.
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("file", sorted({*kernel_files()} - {"updates.cu"}))
def test_no_thread_reads_what_another_writes_meanwhile(file: str, gpu: Backend, tmp_path: Path):
    of_file = [(key, launches) for key, launches in recorded().items() if key[0] == source_of(file)]
    assert of_file or file == "recurrent.cu"  # its kernels share nothing
    for number, ((code, options), launches) in enumerate(of_file):
        (folder := tmp_path / str(number)).mkdir()
        said = races(launches, code, options, folder)
        assert not said, said[:4000]


# Two warps that read in each of two rounds what the other has left, and a block that reads another's result.
SMALL = """
extern "C" __global__ void rounds(int* x) {
  __shared__ int shared[2];
  int warp = threadIdx.x / 32, sum = 0;
  for (int round = 0; round < 2; ++round) {
    if (threadIdx.x % 32 == 0) shared[warp] = round;
    __syncthreads();  // written
    sum += shared[1 - warp];
    __syncthreads();  // read
  }
  x[threadIdx.x] = sum;
}
extern "C" __global__ void blocks(int* x) {
  unsigned* turn = (unsigned*)(x + 1);
  if (threadIdx.x) return;
  if (blockIdx.x) x[0] = 7, atomicAdd(turn, 1u);
  while (*(volatile unsigned*)turn == 0) __nanosleep(20);  // waits
  x[2 + blockIdx.x] = x[0];
}
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("missing", [None, "written", "read", "waits"])
def test_what_is_not_waited_for_is_a_race(missing: str | None, gpu: Backend, tmp_path: Path):
    module, x, y = RawModule(code=SMALL), *(StrictArray(np.zeros(64, np.int32)) for _ in range(2))
    with replay.recording() as found:
        module.get_function("rounds")((1,), (64,), (x,))
        module.get_function("blocks").kernel((2,), (32,), (y,), enable_cooperative_groups=True)
    ((_, launches),) = found.of_code.items()
    kept = [line for line in SMALL.splitlines() if missing is None or not line.endswith(f"// {missing}")]
    assert ("data race" in races(launches, "\n".join(kept), (), tmp_path)) is (missing is not None)
