"""Pickles read with an allow-list: plain values and what a format needs, nothing that could run code."""

import pickle
from collections.abc import Callable, Mapping
from typing import IO, Any, NamedTuple

from minicap.errors import FormatError


class _StandIn(NamedTuple):
    """What a pickle gets for a name; having no attributes to set, unlike a function or a class."""

    call: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        return self.call(*args)


def load_restricted(
    file: IO[bytes],
    allowed: Mapping[tuple[str, str], Any],
    where: str,
    outside: Callable[[Any], Any] | None = None,
    encoding: str = "utf-8",
    scripted: type | None = None,
) -> Any:
    """The value in a pickle that builds plain values and calls nothing but what is allowed.

    allowed: by module and name, what stands in for it; it is called with whatever the pickle says, so it
    has to check its arguments.  A pickle can set the attributes of what comes out, unless that has none or
    a __setstate__ of its own.
    outside: what stands for a value that the pickle does not hold but points to; the same holds for it.
    encoding: of Python 2's strings; "bytes" keeps them as they are.
    scripted: makes what stands for objects of TorchScript's own classes, which are named __torch__.
    Raises FormatError for a pickle that names anything else, or is damaged.
    """

    # Its form in Python: the one in C takes gigabytes for a pickle that says it will remember as many values.
    class Reader(pickle._Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if scripted and module.startswith("__torch__."):
                return scripted
            if (module, name) == ("_codecs", "encode"):
                return _StandIn(_old_bytes)
            if (module, name) not in allowed:
                raise FormatError(f"{where}: refused, since it names {module}.{name}, which could run code")
            known = allowed[module, name]
            return _StandIn(known) if callable(known) else known

        def persistent_load(self, pointer: Any) -> Any:
            if outside is None:
                raise FormatError(f"{where}: refused, since it points outside itself")
            return outside(pointer)

    try:
        return Reader(file, encoding=encoding).load()
    except FormatError:
        raise
    except MemoryError:
        raise FormatError(f"{where}: asks for more memory than there is") from None
    except Exception as error:  # a damaged pickle fails in any way
        raise FormatError(f"{where}: not a valid pickle ({type(error).__name__}: {error})") from None


def _old_bytes(text: str, encoding: str) -> bytes:
    """Bytes as Python 3 writes them in the protocols of Python 2."""
    if encoding != "latin1":
        raise ValueError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")
