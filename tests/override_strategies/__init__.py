"""Arguments for the overrides: for each, a hypothesis strategy that draws calls it supports.

A module of this folder has a dict STRATEGIES from (layer, name of the override's forward) to a strategy of
keyword arguments with float64 arrays.  A strategy may draw a call that the override leaves to the textbook,
as long as that is the exception.
"""

import pkgutil
from importlib import import_module
from typing import Any

from hypothesis.strategies import SearchStrategy


def all_strategies() -> dict[tuple[str, str], SearchStrategy[dict[str, Any]]]:
    """The strategies of all modules in this folder."""
    found = {}
    for module_info in pkgutil.iter_modules(__path__, f"{__name__}."):
        found.update(import_module(module_info.name).STRATEGIES)
    return found
