"""`@accelerated`: the textbook pair runs, unless the backend of its arrays has a faster pair."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from importlib import import_module
from typing import Any, NamedTuple, ParamSpec, TypeVar

from minicap.arrays.backends import backend_of, find_backend
from minicap.arrays.pins import edited, fingerprint
from minicap.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")

# What an override replaces: a function, or several, the first of which names it.
Replaced = Callable[..., Any] | tuple[Callable[..., Any], ...]

_textbook_only: ContextVar[bool] = ContextVar("minicap_textbook_only", default=False)


class Override(NamedTuple):
    """A faster pair for one layer on one backend.

    layer: the pair's name without its suffix ("conv" for conv_forward and conv_backward; a loss's full name).
    forward: same signature as the textbook forward.  supports: same signature, returns True or False.
    cache, backward: the forward's own cache type, and the backward that reads it (a loss has neither).
    """

    layer: str
    forward: Callable[..., Any]
    supports: Callable[..., bool]
    cache: type | None = None
    backward: Callable[..., Any] | None = None


@cache
def overrides_of(module: str) -> dict[str, list[Override]]:
    """The overrides a backend lists in its `OVERRIDES`, by the name of the forward or loss."""
    listed: tuple[Override, ...] = import_module(module).OVERRIDES
    by_name: dict[str, list[Override]] = {}
    for override in listed:
        name = override.layer if override.cache is None else f"{override.layer}_forward"
        by_name.setdefault(name, []).append(override)
    return by_name


def accelerated(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a textbook forward, backward or loss that a backend may replace by a faster one.

    A forward goes to the first override that supports its arguments, as long as its source is the one the
    override was written for (minicap.arrays.pins).  A backward goes to the override whose cache it receives,
    so the two halves always belong together; it refuses another layer's cache.
    The textbook body remains available as `function.textbook`.
    """
    find = _find_backward if function.__name__.endswith("_backward") else _find_forward

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return (find(call, args, kwargs) or call.textbook)(*args, **kwargs)  # type: ignore[attr-defined]

    call.textbook = function  # type: ignore[attr-defined]
    look_again()
    return call


def look_again() -> None:
    """Forget what is known of overrides and sources: a module was reloaded, or a body replaced."""
    overrides_of.cache_clear()
    standing_in.cache_clear()
    _readers.cache_clear()
    fingerprint.cache_clear()


@cache
def standing_in(module: str, function: Replaced) -> tuple[Override, ...]:
    """The overrides of a backend for a function; none where its source is not the pinned one."""
    functions = function if isinstance(function, tuple) else (function,)
    found = overrides_of(module).get(functions[0].__qualname__.rpartition("<locals>.")[2], ())
    # The author of another backend answers for its faster pairs.
    return () if found and module.startswith("minicap.") and edited(*functions) else tuple(found)


def find_override(function: Replaced, owner: Any, *args: Any, **kwargs: Any) -> Callable[..., Any] | None:
    """What the backend that owns the array runs instead of a function for these arguments, if anything."""
    found = None if _textbook_only.get() else find_backend(owner)
    if found is None or found.overrides is None:
        return None
    for override in standing_in(found.overrides, function):
        try:
            if override.supports(*args, **kwargs):
                return override.forward
        except (TypeError, ValueError, AttributeError, IndexError):
            return None  # an invalid call: the body says what is wrong with it
    return None


def _find_forward(call: Any, args: Any, kwargs: Any) -> Callable[..., Any] | None:
    # Anything but an array is left to the textbook, which says what is wrong.
    return find_override(call, args[0] if args else next(iter(kwargs.values()), None), *args, **kwargs)


def _find_backward(call: Any, args: Any, kwargs: Any) -> Callable[..., Any] | None:
    """The override whose cache is among the arguments; None for the textbook's own.

    Raises InputError for another layer's cache.
    """
    owner = find_backend(args[0] if args else next(iter(kwargs.values()), None))
    readers = _readers(owner.overrides if owner else None, call)
    for argument in (*args, *kwargs.values()):  # wherever the cache is among them
        if type(argument) in readers:
            return readers[type(argument)]
    _refuse(call, args, kwargs)
    return None


@cache
def _readers(module: str | None, call: Any) -> dict[type, Callable[..., Any] | None]:
    """Which backward reads which cache; None stands for the textbook body."""
    layer = call.__name__.removesuffix("_backward")
    listed = overrides_of(module).get(f"{layer}_forward", ()) if module else ()
    own = call.textbook.__annotations__.get("cache")
    return {own: None} | {o.cache: o.backward for o in listed if o.cache}


def _refuse(call: Any, args: Any, kwargs: Any) -> None:
    """Raise for a cache that none of a pair's forwards made; the body reports anything else."""
    body = call.textbook
    own, names = body.__annotations__.get("cache"), body.__code__.co_varnames
    given = dict(zip(names, args, strict=False)) | kwargs
    if own is None or "cache" not in given:
        return
    backend_of(**{names[0]: given.get(names[0])})
    forward = body.__name__.replace("_backward", "_forward")
    raise InputError(
        f"{body.__name__}: cache is a {type(given['cache']).__name__}, not what {forward} returned "
        f"(a {own.__name__}); pass each backward the cache of its own forward"
    )


@contextmanager
def textbook() -> Iterator[None]:
    """Run the textbook bodies inside the `with` block, ignoring faster pairs."""
    token = _textbook_only.set(True)
    try:
        yield
    finally:
        _textbook_only.reset(token)
