"""What the command lines share: numbers in range, and files that can be written once all is measured."""

import argparse
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from minicap.formats import atomic_writer
from minicap.plots.figure import figure_format, require_matplotlib

N = TypeVar("N", int, float)


def positive(kind: Callable[[str], N]) -> Callable[[str], N]:
    """An argparse type: a number above zero."""

    def parse(text: str) -> N:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} is not positive")
        return value

    parse.__name__ = kind.__name__  # argparse names the type in its message
    return parse


def not_negative(text: str) -> float:
    """An argparse type: a number from zero on."""
    value = float(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"{text} is negative or no number")
    return value


not_negative.__name__ = "float"


def add_patience(parser: argparse.ArgumentParser) -> None:
    """The option of a command that waits once."""
    parser.add_argument(
        "--patience",
        type=not_negative,
        default=60,
        metavar="SECONDS",
        help="to wait for a quiet machine (default: 60)",
    )


def watching_parser(prog: str, description: str, steps: int) -> argparse.ArgumentParser:
    """The parser of a command that watches training steps, so many unless asked for otherwise."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("case", nargs="?", default="step/cnn2-cifar", help="default: step/cnn2-cifar")
    parser.add_argument(
        "--steps", type=positive(int), default=steps, help=f"that are watched (default: {steps})"
    )
    add_patience(parser)
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw it, as .svg, .png or .pdf")
    return parser


class _NotWritten(Exception):
    pass


def check_writable(path: Path | str) -> None:
    """Raise InputError for a path that nothing can be written to; what is there stays."""
    with suppress(_NotWritten), atomic_writer(path):
        raise _NotWritten


def check_figure(path: Path) -> None:
    """Raise InputError or MissingExtra where no figure could be drawn and written."""
    require_matplotlib()
    figure_format(path)
    check_writable(path)
