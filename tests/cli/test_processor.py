"""The kernels that OpenBLAS is told to use."""

import os
import sys
from pathlib import Path

import pytest

from minicap.cli.processor import use_wide_blas_kernels

FLAGS = "fpu sse2 avx2 avx512f avx512dq avx512bw avx512vl"


def core_type(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str | None) -> str | None:
    """OPENBLAS_CORETYPE after the call, on a machine with that cpuinfo, before NumPy was imported."""
    monkeypatch.delitem(sys.modules, "numpy")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "x")
    monkeypatch.delenv("OPENBLAS_CORETYPE")
    path = folder / "cpuinfo"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    use_wide_blas_kernels(path)
    return os.environ.get("OPENBLAS_CORETYPE")


def cpuinfo(vendor: str, family: int, flags: str = FLAGS) -> str:
    one = f"processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nflags\t\t: {flags}\n"
    return one + "\n" + one


def test_zen_5_gets_its_avx_512_kernels(monkeypatch, tmp_path):
    assert core_type(monkeypatch, tmp_path, cpuinfo("AuthenticAMD", 26)) == "SkylakeX"


@pytest.mark.parametrize(
    "text",
    [
        cpuinfo("AuthenticAMD", 25),
        cpuinfo("GenuineIntel", 26),
        cpuinfo("AuthenticAMD", 26, "fpu avx2"),
        "nothing known\n",
        None,
    ],
)
def test_other_processors_are_left_to_openblas(monkeypatch, tmp_path, text):
    assert core_type(monkeypatch, tmp_path, text) is None


def test_what_the_user_set_stays(monkeypatch, tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text(cpuinfo("AuthenticAMD", 26), encoding="utf-8")
    monkeypatch.delitem(sys.modules, "numpy")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    use_wide_blas_kernels(path)
    assert os.environ["OPENBLAS_CORETYPE"] == "Haswell"


def test_it_is_too_late_once_numpy_is_there(monkeypatch, tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text(cpuinfo("AuthenticAMD", 26), encoding="utf-8")
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    use_wide_blas_kernels(path)
    assert "OPENBLAS_CORETYPE" not in os.environ
