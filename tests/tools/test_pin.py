"""Pins are kept up to date: whoever changes the maths looks at its faster pairs."""

from minicap.backend.pins import PINS
from tools import pin


def test_every_text_that_a_faster_pair_was_written_for_is_pinned():
    stale = [name for name, digits in pin.pins().items() if PINS.get(name) != digits]
    assert not stale, f"look at the faster pairs of {', '.join(stale)}, then run python -m tools.pin"


def test_nothing_else_is_pinned():
    assert not set(PINS) - set(pin.pins()), "run python -m tools.pin"
