"""The real CuPy on a machine without a driver: what minicap says there, with the oldest CuPy and the newest.

`pip install cupy-cuda12x` is enough; where there is a device, the tests marked gpu say more.
"""

import os
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(find_spec("cupy") is None, reason="CuPy is not installed")
ROOT = Path(__file__).parents[3]


def ask(script: str, home: Path, **environment: str) -> str:
    """What a Python of its own prints, and its error, with that folder as its home."""
    cleared = {name: value for name, value in os.environ.items() if not name.startswith("CUPY_")}
    outcome = subprocess.run(
        [sys.executable, "-c", script],
        env=cleared | {"HOME": str(home), "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""} | environment,
        capture_output=True,
        text=True,
    )
    return outcome.stdout + outcome.stderr


def distributions_called(name: str) -> list[str]:
    names = (distribution.metadata["Name"] for distribution in metadata.distributions())
    return [found for found in names if found.startswith(name)]


LOAD = """
from minicap.arrays import get_backend
from minicap.errors import BackendMissing
try:
    get_backend("cupy")
except BackendMissing as missing:
    print("told:", missing)
"""


def test_without_a_device_the_reason_is_told(tmp_path: Path):
    said = ask(LOAD, tmp_path)
    assert said.startswith("told: CuPy is installed but finds no"), said
    assert "driver" in said or "CUDA device" in said


def test_a_home_that_cannot_be_written_ends_in_no_traceback(tmp_path: Path):
    (tmp_path / "file").touch()
    said = ask(LOAD, tmp_path / "file")  # no folder can be made there, not even by root
    assert said.startswith("told: CuPy "), said
    assert "Traceback" not in said
    checked = ask(
        "from minicap.backend.gpu import check_cache_folder\ncheck_cache_folder()", tmp_path / "file"
    )
    assert "CuPy cannot keep compiled kernels" in checked


def test_missing_libraries_are_told_before_the_first_product(tmp_path: Path):
    said = ask(
        """
from minicap.backend.gpu import check_libraries
from minicap.errors import BackendMissing
try:
    check_libraries()
    print("found")
except BackendMissing as missing:
    print("told:", missing)
""",
        tmp_path,
    )
    if distributions_called("nvidia-cublas"):
        assert said == "found\n"
    elif said != "found\n":  # CUDA may be installed on the machine itself
        assert said.startswith("told: CuPy finds no CUDA libraries"), said
        assert 'pip install "minicap[gpu-cuda12]"' in said


def test_its_errors_are_those_that_minicap_knows(tmp_path: Path):
    said = ask(
        """
from cupy.cuda.compiler import CompileException
from cupy.cuda.memory import OutOfMemoryError
from cupy_backends.cuda.api.runtime import CUDARuntimeError
from minicap.arrays.out_of_memory import is_out_of_memory
from minicap.backend.gpu.launcher import _why_not_compiled
print(is_out_of_memory(OutOfMemoryError(1024, 512, 0)), is_out_of_memory(CUDARuntimeError(2)))
print(is_out_of_memory(CUDARuntimeError(1)))
print(_why_not_compiled("f", CompileException("kern.cu(1): error: no", "", "kern.cu", ())))
""",
        tmp_path,
    )
    assert said.splitlines()[0] == "True True", said
    assert said.splitlines()[1] == "False"
    assert "f does not compile for this GPU: kern.cu(1): error: no" in said


def test_what_the_launcher_asks_of_cupy_is_there(tmp_path: Path):
    said = ask(
        """
import cupy
cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor
cupy.cuda.runtime.cudaDevAttrCooperativeLaunch, cupy.cuda.runtime.cudaDevAttrMultiProcessorCount
cupy.cuda.runtime.deviceGetAttribute, cupy.cuda.runtime.memGetInfo, cupy.RawModule
cupy.cuda.Device.__enter__, cupy.ndarray.device, cupy.ndarray.flags
cupy.cuda.Stream.record, cupy.cuda.Stream.wait_event, cupy.cuda.Stream.__enter__
cupy.cuda.get_current_stream
cupy.RawKernel.kernel, cupy.RawKernel.max_dynamic_shared_size_bytes
print("all there")
""",
        tmp_path,
    )
    assert said == "all there\n"
