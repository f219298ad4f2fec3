"""Find functions in the text of a module, or of CUDA sources."""

import ast
import re
from collections.abc import Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef
_KERNEL = re.compile(
    r"^(?:KERNEL|__device__ inline \w+) (\w+)\([^{}]*\) \{\n(.*?)^\}", re.DOTALL | re.MULTILINE
)


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
