"""What a measurement was made on, and with."""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import threadpoolctl

from benchmarks.peers import Peer
from minicap import __version__


def machine() -> dict[str, Any]:
    """Processor, cores, memory in 10^9 bytes (None where unknown), and system."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": _memory(),
        "system": f"{platform.system()} {platform.release()}",
    }


def versions(peer: Peer) -> dict[str, str | None]:
    """Of everything that has a part in a row."""
    used = {
        "minicap": __version__,
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
        "blas": _blas(),
    }
    return used | ({peer.package: peer.version} if peer.package else {})


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None


def _blas() -> str | None:
    """The library behind NumPy's products, with the processor it was tuned for."""
    found = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    parts = ("internal_api", "version", "architecture")
    return " ".join(str(found[0][part]) for part in parts if found[0].get(part)) if found else None
