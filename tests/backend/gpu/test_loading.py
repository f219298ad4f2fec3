"""What a user without a usable GPU is told."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from minicap.arrays import get_backend
from minicap.backend import gpu
from minicap.backend.gpu import check_cache_folder, check_libraries
from minicap.errors import BackendMissing


def cupy_with(driver: int = 13000, device_count: Any = lambda: 0) -> SimpleNamespace:
    """CuPy for CUDA 13.2, as it is where nothing can run; it keeps the reason to itself."""
    runtime = SimpleNamespace(
        driverGetVersion=lambda: driver, runtimeGetVersion=lambda: 13020, getDeviceCount=device_count
    )
    return SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False, runtime=runtime))


def refuse() -> int:
    raise RuntimeError("cudaErrorNotPermitted: operation not permitted")


def test_without_cupy_the_pip_line_is_named(own_backends, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendMissing, match=r'needs CuPy: pip install "minicap\[gpu-cuda12\]"'):
        get_backend("cupy")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("import fastrlock_that_is_missing", "No module named 'fastrlock_that_is_missing'"),
        (
            """
try:
    raise OSError("libcublas.so.13: no such file")
except OSError as error:
    raise ImportError("a page\\nof advice") from error
""",
            r"libcublas\.so\.13: no such file",
        ),
    ],
)
def test_a_cupy_that_does_not_load_says_why_in_a_line(body, reason, own_backends, monkeypatch, tmp_path):
    (tmp_path / "cupy.py").write_text(body, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    with pytest.raises(BackendMissing, match=rf"does not load \({reason}\); install one .*gpu-cuda12"):
        get_backend("cupy")


@pytest.mark.parametrize(
    ("cupy", "message"),
    [
        (cupy_with(driver=0, device_count=refuse), "finds no NVIDIA driver; install one"),
        (
            cupy_with(driver=12020, device_count=refuse),
            r"for CUDA 13 needs a newer NVIDIA driver, this one supports CUDA 12; .*minicap\[gpu-cuda12\]",
        ),
        (cupy_with(driver=11080, device_count=refuse), r"this one supports CUDA 11; update the driver$"),
        (cupy_with(), r"finds no CUDA device \(none was found\); check nvidia-smi and CUDA_VISIBLE_DEVICES"),
        (
            cupy_with(device_count=refuse),
            r"finds no CUDA device \(cudaErrorNotPermitted: .*\); check nvidia-smi",
        ),
    ],
)
def test_what_keeps_cupy_from_a_device_is_named(cupy, message, own_backends, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(BackendMissing, match=message):
        get_backend("cupy")


def test_a_cupy_that_raises_when_asked_whether_it_can_run_is_asked_for_the_reason(own_backends, monkeypatch):
    cupy = cupy_with(driver=0, device_count=refuse)
    cupy.cuda.is_available = refuse
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(BackendMissing, match="finds no NVIDIA driver; install one"):
        get_backend("cupy")


def test_a_home_that_cannot_be_written_is_named(own_backends, monkeypatch, tmp_path):
    (tmp_path / "cupy.py").write_text(
        "raise PermissionError(13, 'Permission denied', '/root/.cupy')", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    with pytest.raises(
        BackendMissing, match=r"cannot keep compiled kernels \(.*'/root/\.cupy'\).*CUPY_CACHE_DIR"
    ):
        get_backend("cupy")


def test_a_folder_for_kernels_that_cannot_be_made_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path / "file" / "kernels"))
    with pytest.raises(BackendMissing, match=r"cannot keep compiled kernels .*CUPY_CACHE_IN_MEMORY=1"):
        check_cache_folder()
    monkeypatch.setenv("CUPY_CACHE_IN_MEMORY", "1")
    check_cache_folder()


def test_missing_cuda_libraries_are_named_with_the_line_that_installs_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy.cublas", None)
    with pytest.raises(
        BackendMissing, match=r"finds no CUDA libraries .*pip install \"minicap\[gpu-cuda12\]"
    ):
        check_libraries()


def test_the_cupy_that_is_installed_here_is_asked_as_it_can_be(own_backends):
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    if gpu._is_available(cupy):
        assert get_backend("cupy").xp is cupy
    else:
        with pytest.raises(BackendMissing, match=r"CuPy .* (driver|CUDA device|kernels)"):
            get_backend("cupy")
