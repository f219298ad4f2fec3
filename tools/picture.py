"""Draw the README's picture of a gradient check that fails:  python -m tools.picture [FILE.svg]

Runs EXAMPLE, whose backward has two mistakes, and draws the program and what it printed as a terminal.
"""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from html import escape
from pathlib import Path

from tools import bare

PICTURE = bare.ROOT / "docs" / "img" / "gradcheck.svg"
EXAMPLE = """\
import numpy as np
from minicap.gradcheck import check_pair

def linear_forward(x, w, b):
    return x @ w + b, (x, w)

def linear_backward(dout, cache):
    x, w = cache
    return dout @ w.T, dout.T @ x, dout.mean(axis=0)

draw = np.random.default_rng(0).normal
inputs = dict(x=draw(size=(4, 3)), w=draw(size=(3, 3)), b=draw(size=3))
print(check_pair(linear_forward, linear_backward, inputs))
"""
COLUMNS = 100  # characters of a line
ADVANCE, LEADING, MARGIN = 8.4, 20, 18  # pixels: width of a character, height of a line, frame
PAPER, INK, FAINT, GOOD, BAD = "#161b22", "#e6edf3", "#9198a1", "#56d364", "#ff7b72"


def printed() -> str:
    """What EXAMPLE prints."""
    command = [sys.executable, "-c", EXAMPLE]
    return subprocess.run(command, cwd=bare.ROOT, check=True, capture_output=True, encoding="utf-8").stdout


def lines(output: str) -> Iterator[tuple[str, str]]:
    """The terminal's lines, each with its colour; what is too long goes on in the next one."""
    yield "$ cat linear.py", FAINT
    yield from ((line, INK) for line in EXAMPLE.splitlines())
    yield from (("", INK), ("$ python linear.py", FAINT))
    for line in output.splitlines():
        colour = BAD if "FAIL" in line else GOOD if line.endswith(" ok") else FAINT
        for part in textwrap.wrap(line, COLUMNS, subsequent_indent=" " * 8, drop_whitespace=False):
            yield part.rstrip(), colour


def drawn(output: str) -> str:
    """The terminal as SVG.  Every line has its width written down: no font can put columns out of step."""
    rows = list(lines(output))
    width, height = 2 * MARGIN + COLUMNS * ADVANCE, 2 * MARGIN + len(rows) * LEADING
    texts = []
    for number, (line, colour) in enumerate(rows):
        text = line.lstrip()
        x, y = MARGIN + (len(line) - len(text)) * ADVANCE, MARGIN + (number + 0.75) * LEADING
        if text:
            texts.append(
                f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" textLength="{len(text) * ADVANCE:.1f}"'
                f' xml:space="preserve">{escape(text)}</text>'
            )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"'
            f' width="{width:.0f}" height="{height:.0f}" font-size="14"'
            " font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\">",
            "<title>A gradient check that fails and says why</title>",
            f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>',
            *texts,
            "</svg>",
            "",
        ]
    )


def main() -> None:
    """Draw into the file given, or where the README shows it."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    path.write_text(drawn(printed()), encoding="utf-8", newline="\n")
    print(f"{path} drawn")


if __name__ == "__main__":
    main()
