"""The parameters of a request."""

from collections.abc import Iterable

from minicap.formats import nearest
from minicap.web.refusal import Refusal


class Query:
    """What stands behind the question mark of an address, checked against what the address knows.

    pairs: names and values, in order.  Raises Refusal (400) for a name that is not known.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]], *known: str) -> None:
        self.pairs = list(pairs)
        for name, _ in self.pairs:
            if name not in known:
                hint = nearest(name, known) or f"; known here: {', '.join(known) or 'none'}"
                raise Refusal(400, "unknown_parameter", f"there is no parameter {name[:40]!r}{hint}")

    def texts(self, name: str) -> list[str]:
        """All values of a parameter that may be repeated."""
        return [value for key, value in self.pairs if key == name]

    def text(self, name: str) -> str:
        """The value of a parameter.  Raises Refusal (400) when it is missing or repeated."""
        found = self.texts(name)
        if len(found) != 1:
            raise Refusal(400, "bad_parameter", f"give {name}= once")
        return found[0]

    def whole(self, name: str, default: int | None, least: int, most: int) -> int:
        """A whole number in least..most.  Raises Refusal (400)."""
        if default is not None and not self.texts(name):
            return default
        text = self.text(name)
        if not (text.isascii() and text.isdecimal() and len(text) < 10 and least <= int(text) <= most):
            raise Refusal(400, "bad_parameter", f"{name} is {text[:40]!r} but must be in {least}..{most}")
        return int(text)
