"""What a user without a usable GPU is told."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from minicap.backend import get_backend
from minicap.errors import BackendMissing


def cupy_with(is_available: Any, version: int = 13000) -> SimpleNamespace:
    runtime = SimpleNamespace(runtimeGetVersion=lambda: version)
    return SimpleNamespace(cuda=SimpleNamespace(is_available=is_available, runtime=runtime))


def test_without_cupy_the_pip_line_is_named(own_backends, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendMissing, match=r'needs CuPy: pip install "minicap\[gpu-cuda12\]"'):
        get_backend("cupy")


def test_a_driver_too_old_for_this_cupy_is_told_from_none_at_all(own_backends, monkeypatch):
    def refuse() -> bool:
        raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")

    monkeypatch.setitem(sys.modules, "cupy", cupy_with(refuse))
    with pytest.raises(
        BackendMissing, match=r"CuPy for CUDA 13 does not get on with .*InsufficientDriver.*gpu-cuda12"
    ):
        get_backend("cupy")
    monkeypatch.setitem(sys.modules, "cupy", cupy_with(lambda: False))
    with pytest.raises(BackendMissing, match="no CUDA device; check the driver with nvidia-smi"):
        get_backend("cupy")
