"""`@accelerated`: the textbook pair is the code that runs, unless its backend has a faster pair."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from importlib import import_module
from typing import Any, NamedTuple, ParamSpec, TypeVar

from minicap.arrays.backends import find_backend

P = ParamSpec("P")
R = TypeVar("R")

_textbook_only: ContextVar[bool] = ContextVar("minicap_textbook_only", default=False)


class Override(NamedTuple):
    """A faster pair for one layer on one backend.

    layer: the pair's name without its ending ("conv" for conv_forward and conv_backward; a loss's full name).
    forward: same signature as the textbook forward.  supports: same signature, answers True or False.
    cache, backward: the forward's own cache type, and the backward that reads it (a loss has neither).
    """

    layer: str
    forward: Callable[..., Any]
    supports: Callable[..., bool]
    cache: type | None = None
    backward: Callable[..., Any] | None = None


@cache
def overrides_of(module: str) -> tuple[dict[str, list[Override]], dict[type, Override]]:
    """The overrides a backend lists in its `OVERRIDES`: by forward name, and by cache type."""
    listed: tuple[Override, ...] = import_module(module).OVERRIDES
    by_forward: dict[str, list[Override]] = {}
    for override in listed:
        name = override.layer if override.cache is None else f"{override.layer}_forward"
        by_forward.setdefault(name, []).append(override)
    return by_forward, {o.cache: o for o in listed if o.cache is not None}


def accelerated(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a textbook forward, backward or loss: its backend may replace the pair, and nothing else.

    A forward goes to the first override that supports its arguments.  A backward goes to the override
    whose cache it is handed, so the two halves always belong together.  The textbook body stays
    reachable as `function.textbook`.
    """
    name = function.__name__
    find = _backward_override if name.endswith("_backward") else _forward_override

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        faster = find(name, args, kwargs)
        return (faster or function)(*args, **kwargs)

    call.textbook = function  # type: ignore[attr-defined]
    return call


def find_override(name: str, owner: Any, *args: Any, **kwargs: Any) -> Callable[..., Any] | None:
    """What the backend that owns the array has to offer under that name for these arguments, if anything."""
    found = None if _textbook_only.get() else find_backend(owner)
    for override in overrides_of(found.overrides)[0].get(name, ()) if found and found.overrides else ():
        if override.supports(*args, **kwargs):
            return override.forward
    return None


def _overrides_module(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """Where the first argument's backend lists its overrides; None lets the textbook say what is wrong."""
    owner = find_backend(args[0] if args else next(iter(kwargs.values()), None))
    return owner.overrides if owner else None


def _forward_override(name: str, args: Any, kwargs: Any) -> Callable[..., Any] | None:
    module = None if _textbook_only.get() else _overrides_module(args, kwargs)
    for override in overrides_of(module)[0].get(name, ()) if module else ():
        if override.supports(*args, **kwargs):
            return override.forward
    return None


def _backward_override(name: str, args: Any, kwargs: Any) -> Callable[..., Any] | None:
    module = _overrides_module(args, kwargs)
    if module is None:
        return None
    by_cache = overrides_of(module)[1]
    for argument in (*args, *kwargs.values()):  # wherever the cache stands among them
        if override := by_cache.get(type(argument)):
            return override.backward
    return None


@contextmanager
def textbook() -> Iterator[None]:
    """Run the textbook bodies inside the `with` block, whatever faster pairs there are."""
    token = _textbook_only.set(True)
    try:
        yield
    finally:
        _textbook_only.reset(token)
