"""Kinds of arguments, each refused with a message before any work is done."""

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path

from minicap.errors import InputError

_TOO_LONG = 206  # Windows' number for that error, which Python reports as a missing file


def path(text: str) -> Path:
    """A file or folder, there or not."""
    if not text:
        raise argparse.ArgumentTypeError("an empty path; name a file or folder")
    try:
        os.lstat(text)
    except (OSError, ValueError) as error:  # ValueError: a zero byte
        too_long = getattr(error, "winerror", None) == _TOO_LONG
        if too_long or not isinstance(error, FileNotFoundError | NotADirectoryError):
            reason = "File name too long" if too_long else getattr(error, "strerror", str(error))
            shown = text if len(text) <= 60 else f"{text[:57]}..."
            raise argparse.ArgumentTypeError(f"{shown!r} cannot be a path: {reason}") from None
    return Path(text)


def named_or_path(name: str) -> Callable[[str], str]:
    """That name as it is; anything else is a file or folder, as an absolute path."""

    def parse(text: str) -> str:
        return name if text == name else str(path(text).resolve())

    return parse


def absolute(text: str, name: str = "") -> str:
    """A path from a settings file, made absolute; an empty text and `name` stay as they are.

    Raises InputError for what cannot be a path.
    """
    if text in ("", name):
        return text
    try:
        return str(path(text).resolve())
    except argparse.ArgumentTypeError as error:
        raise InputError(str(error)) from None


def whole(least: int, most: int) -> Callable[[str], int]:
    """A whole number in least..most."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number") from None
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text[:40]} is not in {least}..{most}")
        return number

    return parse


def number(least: float, most: float) -> Callable[[str], float]:
    """A number in least..most."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number") from None
        if math.isnan(value) or not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text[:40]} is not in {least:g}..{most:g}")
        return value

    return parse
