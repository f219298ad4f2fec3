"""The outputs that a notebook of the tour keeps, and how they are compared with those of another run."""

import base64
import math
import re
from decimal import Decimal
from io import BytesIO
from typing import Any

from PIL import Image

from minicap import html
from tools.notebooks.running import Book, code_cells

VARIES = "varies"  # the tag of a cell whose output depends on the machine
CLOSE = 0.02  # relative difference of two numbers that count as the same: processors round differently
ROUNDING = 1e-6  # numbers below this are rounding errors
_PICTURE = ("image/png", "image/svg+xml", "image/jpeg")
_COLOURS = 128  # of a stored picture
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")

Output = dict[str, Any]


def kept(book: Book) -> Book:
    """The notebook as it is stored: no traces of the run in it, pictures in few colours."""
    cells = []
    for number, cell in enumerate(book["cells"]):
        tags = cell["metadata"].get("tags", [])
        new = {
            "cell_type": cell["cell_type"],
            "id": f"cell-{number:02}",
            "metadata": {"tags": tags} if tags else {},
        }
        if cell["cell_type"] == "code":
            new |= {"execution_count": None, "outputs": _outputs(cell["outputs"])}
        cells.append(new | {"source": _lines(cell["source"])})
    for count, cell in enumerate((cell for cell in cells if cell["cell_type"] == "code"), start=1):
        cell["execution_count"] = count
        for output in cell["outputs"]:
            if output["output_type"] == "execute_result":
                output["execution_count"] = count
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}


def drift(stored: Book, fresh: Book) -> list[str]:
    """What a run shows in another way than the notebook does, cell by cell; nothing where they agree."""
    found = []
    for old, new in zip(code_cells(stored), code_cells(fresh), strict=True):
        if VARIES in old["metadata"].get("tags", []):
            continue
        before, after = (_shown(cell["outputs"]) for cell in (old, new))
        if len(before) != len(after) or not all(map(same, before, after)):
            shown = "\n".join(["  stored:", *_indented(before), "  this run:", *_indented(after)])
            found.append(f"{old['id']}\n{shown}")
    return found


def same(before: str, after: str) -> bool:
    """Whether two texts agree in all but white space and the last digits of their decimal numbers."""
    if _words(before) != _words(after):
        return False
    pairs = zip(_NUMBER.findall(before), _NUMBER.findall(after), strict=True)
    return all(_close(a, b) for a, b in pairs)


def _words(text: str) -> list[str]:
    return _NUMBER.sub(" 0 ", text).split()


def _close(a: str, b: str) -> bool:
    if a == b:
        return True
    if not any(mark in a + b for mark in ".e"):
        return False  # whole numbers count something
    x, y = (Decimal(number.replace(",", "")) for number in (a, b))
    last_digit = max(Decimal(10) ** int(number.as_tuple().exponent) for number in (x, y))
    return math.isclose(x, y, rel_tol=CLOSE, abs_tol=max(ROUNDING, float(last_digit) * 1.001))


def _shown(outputs: list[Output]) -> list[str]:
    """The texts of a cell's outputs; of a picture only that there is one."""
    texts = []
    for output in _outputs(outputs):
        data = output.get("data", {})
        if html.BAR not in "".join(data.get("text/html", "")):
            text = "".join(output.get("text", data.get("text/plain", "")))
            texts.append("(a picture)" if any(kind in data for kind in _PICTURE) else text)
    return texts


def texts_of(output: Output) -> list[str]:
    """What an output shows or prints, as text or HTML."""
    data = output.get("data", {})
    return [
        "".join(output.get("text", "")),
        *("".join(data.get(kind, "")) for kind in ("text/plain", "text/html")),
    ]


def _outputs(outputs: list[Output]) -> list[Output]:
    """Without those that show nothing; texts of one stream that follow each other are one."""
    new: list[Output] = []
    for output in outputs:
        if output["output_type"] == "stream":
            text = "".join(output["text"])
            if new and new[-1].get("name") == output["name"]:
                text = "".join(new.pop()["text"]) + text
            new.append({"name": output["name"], "output_type": "stream", "text": _lines(text)})
        else:
            data = {kind: "".join(content).strip() for kind, content in output["data"].items()}
            if shown := {kind: _content(kind, content) for kind, content in data.items() if content}:
                new.append({"data": shown, "metadata": {}, "output_type": output["output_type"]})
    return new


def _content(kind: str, content: str) -> str | list[str]:
    return _few_colours(content) if kind == "image/png" else _lines(content)


def _few_colours(png: str) -> str:
    """The same picture in a third of the space.  png: in base64."""
    image = Image.open(BytesIO(base64.b64decode(png)))
    if image.mode == "P":
        return png  # it has been here before; another zlib would write other bytes
    buffer = BytesIO()
    image.convert("RGB").quantize(_COLOURS, Image.Quantize.MEDIANCUT).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def _lines(text: str | list[str]) -> list[str]:
    return "".join(text).splitlines(keepends=True)


def _indented(texts: list[str]) -> list[str]:
    return [f"    {line}" for text in texts for line in text.splitlines()]
