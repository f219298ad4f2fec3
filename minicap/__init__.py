"""minicap: deep learning with every gradient written by hand.

Start with `minicap.layers` (pure forward / backward pairs), `minicap.nn` (the same as objects), and the
command line (`minicap --help`).
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`minicap.explain`, made on first use: importing minicap loads nothing."""
    if name == "explain":
        return import_module("minicap.arrays.explain").explain
    raise AttributeError(f"module 'minicap' has no attribute {name!r}")
