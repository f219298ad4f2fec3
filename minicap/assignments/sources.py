"""The text of a module or of CUDA sources, and the functions in it."""

import ast
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from minicap.assignments.manifest import PACKAGE, file_of

Function = ast.FunctionDef | ast.AsyncFunctionDef
_KERNEL = re.compile(
    r"^(?:KERNEL|__device__ inline \w+) (\w+)\([^{}]*\) \{\n(.*?)^\}", re.DOTALL | re.MULTILINE
)


def text_of(module: str) -> str:
    """The text of a module or of CUDA sources: the student's, where a worker runs one in its place."""
    found = find_spec(module)
    file = Path(found.origin) if found and found.origin else PACKAGE.parent / file_of(module)
    return file.read_text(encoding="utf-8")


def functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """The functions of a module and the methods of its classes, by their names in it."""
    for node in tree.body:
        if isinstance(node, Function):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, Function):
                    yield f"{node.name}.{inner.name}", inner


def kernels(text: str) -> dict[str, tuple[int, int]]:
    """The functions of CUDA sources: their names, and the first and the last line between their braces."""
    found = {}
    for match in _KERNEL.finditer(text):
        before, inside = text.count("\n", 0, match.start(2)), match[2].count("\n")
        found[match[1]] = (before + 1, before + inside)
    return found
