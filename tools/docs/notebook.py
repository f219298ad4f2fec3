"""A notebook as a page of Markdown: its text, its code and the outputs saved in it; nothing is run."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # of a terminal
PICTURES = {"image/png": "png", "image/jpeg": "jpg"}


def as_markdown(path: Path, pictures: Path) -> str:
    """The notebook's cells.  pictures: the folder for its pictures, below that of the page."""
    book = json.loads(path.read_text(encoding="utf-8"))
    blocks: list[str] = []
    for number, cell in enumerate(book["cells"]):
        text = "".join(cell["source"]).strip("\n")
        if cell["cell_type"] == "markdown":
            blocks.append(text)
        elif cell["cell_type"] == "code" and text:
            blocks.append(_fenced("python", text))
            for index, output in enumerate(cell["outputs"]):
                blocks.extend(_shown(output, pictures, f"{number}-{index}"))
    return "\n\n".join(blocks) + "\n"


def _shown(output: dict[str, Any], pictures: Path, name: str) -> Iterator[str]:
    """An output in the richest form that a page can show."""
    if output["output_type"] == "stream":
        yield _text(output["text"])
        return
    if output["output_type"] == "error":
        yield _text(output["traceback"], "\n")
        return
    data = output["data"]
    kind = next((kind for kind in PICTURES if kind in data), None)
    if kind:
        pictures.mkdir(parents=True, exist_ok=True)
        file = pictures / f"{name}.{PICTURES[kind]}"
        file.write_bytes(base64.b64decode("".join(data[kind])))
        alt = " ".join(re.sub("[<>]", " ", "".join(data.get("text/plain", "figure"))).split())
        yield _fenced(f"{{image}} img/{pictures.name}/{file.name}", f":alt: {alt}")
    elif html := data.get("image/svg+xml") or data.get("text/html"):
        yield _fenced("{raw} html", f'<div class="output">{"".join(html)}</div>')
    elif "text/plain" in data:
        yield _text(data["text/plain"])


def _text(lines: str | list[str], between: str = "") -> str:
    text = COLOURS.sub("", lines if isinstance(lines, str) else between.join(lines))
    return ":::{container} output\n" + _fenced("text", text.rstrip("\n")) + "\n:::"


def _fenced(kind: str, text: str) -> str:
    """A block that no run of backticks within the text can close."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
    return f"{fence}{kind}\n{text}\n{fence}"
