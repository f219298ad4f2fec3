"""Checks that the settings of several models share."""

from minicap.errors import InputError


def require_sizes(**sizes: int) -> None:
    """Raises InputError unless every size is at least 1."""
    if min(sizes.values()) < 1:
        raise InputError(f"{' and '.join(sizes)} must be at least 1")


def require_dropout(rate: float) -> None:
    """Raises InputError unless the rate is at least 0 and below 1."""
    if not 0 <= rate < 1:
        raise InputError(f"dropout is {rate} but must be at least 0 and below 1")
