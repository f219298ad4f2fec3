"""minicap's docstrings as reStructuredText: plain text whose lines begin with the name of an argument."""

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import groupby

SPECIAL = re.compile(r"([\\*_|])")
CODE = re.compile(r"`([^`]+)`")
ARGUMENT = re.compile(r"^(?P<names>\w+(?:, \w+)*): ")
# "x: (N, D).  gamma, beta: (D,).": two spaces after a full stop part what could stand on lines of its own.
PARTS = re.compile(r"(?<=\.)  +")
ENDS = (".", ":", ")", ";")


def as_rst(lines: Iterable[str], arguments: Collection[str] = ()) -> list[str]:
    """Paragraphs stay paragraphs, and within them each sentence that began on a line of its own still does.

    arguments: names that are set as code where a line explains them.
    """
    out: list[str] = []
    for blank, paragraph in groupby(lines, key=lambda line: not line.strip()):
        if not blank:
            out += [f"| {line}" for line in _escaped(_joined(paragraph), arguments)] + [""]
    return out


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a paragraph, those that go on with an unfinished sentence joined to it."""
    whole = ""
    for text in (part.strip() for line in lines for part in PARTS.split(line)):
        if whole and (whole.endswith(ENDS) or text.startswith("- ")):
            yield whole
            whole = text
        else:
            whole = f"{whole} {text}" if whole else text
    yield whole


def _escaped(lines: Iterable[str], arguments: Collection[str]) -> Iterator[str]:
    for line in lines:
        found = ARGUMENT.match(line)
        if found and all(name in arguments for name in found["names"].split(", ")):
            line = f"`{found['names']}`: {line[found.end() :]}"
        parts = CODE.split(line)
        parts[::2] = [SPECIAL.sub(r"\\\1", part) for part in parts[::2]]
        parts[1::2] = [rf"\ ``{part}``\ " for part in parts[1::2]]  # an escaped space does not show
        yield "".join(parts)
