"""What the processor can do, asked before NumPy is imported."""

import os
import sys
from pathlib import Path


def use_wide_blas_kernels(cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Let OpenBLAS use AVX-512 on processors it does not know yet.

    OpenBLAS 0.3.31, which NumPy 2.4 carries, takes AMD's Zen 5 for a Haswell, at half its speed.
    OPENBLAS_CORETYPE tells it better, but only before it is loaded; what the user has set stays.
    """
    if "numpy" in sys.modules or "OPENBLAS_CORETYPE" in os.environ or not cpuinfo.exists():
        return
    fields = dict(_field(line) for line in cpuinfo.read_text(encoding="utf-8").split("\n\n")[0].splitlines())
    new_amd = fields.get("vendor_id") == "AuthenticAMD" and int(fields.get("cpu family", "0")) >= 26
    if new_amd and {"avx512f", "avx512vl", "avx512bw", "avx512dq"} <= set(fields.get("flags", "").split()):
        os.environ["OPENBLAS_CORETYPE"] = "SkylakeX"


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()
