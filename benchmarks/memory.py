"""The peak of this process' memory."""

import contextlib
import sys
from pathlib import Path


def peak_memory() -> int | None:
    """The most memory this process has had so far, in bytes; None where the system does not say.

    On Linux without the code of libraries, which is read from their files when first called.  There getrusage
    would be wrong: it starts from the peak of the process that started this one.
    """
    with contextlib.suppress(OSError, KeyError):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        sizes = dict(line.split(":", 1) for line in lines)
        peak, code = (int(sizes[name].split()[0]) * 1024 for name in ("VmHWM", "RssFile"))
        return peak - code
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def forget_peak() -> None:
    """Let the peak start anew from what is in use now, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
