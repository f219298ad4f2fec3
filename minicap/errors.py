"""Every error a user of minicap can cause, each with a message they can act on.

All derive from MinicapError, so a program can catch the family; each also derives from the built-in
error a Python reader would expect.
"""


class MinicapError(Exception):
    """Base of all errors that minicap raises on purpose. The command line turns it into exit code 2."""


class ShapeError(MinicapError, ValueError):
    """An array has the wrong number of axes, or sizes that do not fit each other."""


class DtypeError(MinicapError, TypeError):
    """An array has a dtype the function cannot work in, or dtypes are mixed."""


class ClassIndexError(MinicapError, IndexError):
    """A class or word index lies outside its range."""


class BackendMismatch(MinicapError, TypeError):
    """Arrays of different backends meet in one call."""


class BackendMissing(MinicapError, ImportError):
    """A backend was asked for that is not installed or has no device."""


class DeviceMemoryError(MinicapError, MemoryError):
    """A GPU has too little memory for what was asked; the message says which batch size would fit."""


class InputError(MinicapError, ValueError):
    """A value the user gave (an option, a file's content, a path) cannot be used."""


class FormatError(MinicapError, ValueError):
    """A file is damaged, truncated, or not of the format it should be."""


class MissingExtra(MinicapError, ImportError):
    """An optional library is needed; the message names the pip line that installs it."""


class TrainingError(MinicapError, RuntimeError):
    """A training run cannot go on (a NaN loss, a run folder that cannot be written)."""
