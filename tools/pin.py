"""Pin the text that the faster pairs were written for:  python -m tools.pin

Run it after changing the maths of a layer or an update rule, once its faster pairs have been adapted or need
no change.  Until then the textbook body runs in their place.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import minicap.layers
import minicap.optim
from minicap.arrays.backends import FASTER_PAIRS
from minicap.arrays.dispatch import overrides_of
from minicap.arrays.pins import fingerprint, parts_of

PINS = Path(__file__).parents[1] / "minicap" / "backend" / "pins.py"


def replaced() -> dict[str, tuple[Callable[..., Any], ...]]:
    """What the faster pairs of all backends stand in for, by name."""
    names = dict.fromkeys(name for module in FASTER_PAIRS.values() for name in overrides_of(module))
    return {name: _functions(name) for name in names}


def _functions(name: str) -> tuple[Callable[..., Any], ...]:
    if name.endswith(".update"):
        rule = getattr(minicap.optim, name.removesuffix(".update"))
        return rule.update, rule.apply
    clipping = import_module("minicap.optim.clipping")
    return (getattr(minicap.layers, name, None) or getattr(clipping, name),)


def pins() -> dict[str, str]:
    """The fingerprint of every function in question."""
    parts = {name: part for functions in replaced().values() for name, part in parts_of(*functions).items()}
    return {name: fingerprint(part) or "" for name, part in sorted(parts.items())}


def main() -> None:
    """Write minicap/backend/pins.py."""
    lines = [f'    "{name}": "{digits}",\n' for name, digits in pins().items()]
    opening = '"""The text that faster pairs were written for.  Written by `python -m tools.pin`."""'
    PINS.write_text(f"{opening}\n\nPINS = {{\n{''.join(lines)}}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
