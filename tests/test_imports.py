"""Imports point downwards, form no circle, and cost little."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import minicap

PACKAGE = Path(minicap.__file__).parent

# Each row may import from the rows below it.  Names in one row do not know each other.
ROWS = [
    ("__main__",),
    ("cli",),
    ("playground",),
    ("compat", "web", "assignments"),
    ("captioning", "characters", "classification", "multilabel"),
    ("vocabulary", "decoding"),
    ("models",),
    ("metrics",),
    ("data",),
    ("training",),
    ("nn",),
    ("optim",),
    ("gradcheck",),
    ("layers",),
    ("backend",),
    ("plots",),
    ("formats",),
    ("arrays",),
    ("progress",),
    ("html",),
    ("errors",),
    ("__init__",),
]
HEIGHT = {name: -row for row, names in enumerate(ROWS) for name in names}
BASE = {"numpy", "PIL", "threadpoolctl", "minicap"}


class Import(NamedTuple):
    """One import statement.  target: a module of minicap, or the top name of another package."""

    source: str
    target: str
    line: int
    at_import: bool  # runs when the module is imported, not when a function is called

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


@cache
def modules() -> dict[str, ast.Module]:
    """The syntax tree of every module by its dotted name."""
    trees = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("minicap", *path.relative_to(PACKAGE).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        trees[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return trees


def imports() -> list[Import]:
    """Every import statement of the package."""
    return [found for name, tree in modules().items() for found in imports_in(name, tree.body, True)]


def imports_in(source: str, body: list[ast.stmt], at_import: bool) -> Iterator[Import]:
    for node in body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(source, resolve(alias.name), node.lineno, at_import)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}:{node.lineno}: write the whole path of what is imported"
            for alias in node.names:
                yield Import(source, resolve(node.module or "", alias.name), node.lineno, at_import)
        else:
            is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
            inner = [child for child in ast.walk(node) if isinstance(child, ast.stmt) and child is not node]
            own = [s for s in inner if isinstance(s, (ast.Import, ast.ImportFrom))]
            if is_function or for_types:
                yield from imports_in(source, own, False)
            else:
                yield from imports_in(source, children(node), at_import)


def children(node: ast.stmt) -> list[ast.stmt]:
    """The statements right inside a class, an if, a try, a with or a loop."""
    blocks = [getattr(node, field, []) for field in ("body", "orelse", "finalbody")]
    blocks += [handler.body for handler in getattr(node, "handlers", [])]
    return [statement for block in blocks for statement in block]


def resolve(module: str, name: str = "") -> str:
    """The module of minicap that is meant, a submodule where `name` is one; else the top package."""
    if module.partition(".")[0] != "minicap":
        return module.partition(".")[0]
    return f"{module}.{name}" if f"{module}.{name}" in modules() else module


def room(module: str) -> str:
    """The part of the package that a module lies in."""
    return [*module.split("."), "__init__"][1]


def test_every_room_has_its_place():
    assert {room(name) for name in modules()} <= set(HEIGHT)


def test_imports_point_downwards():
    wrong = [
        str(found)
        for found in imports()
        if found.target in modules()
        and room(found.source) != room(found.target)
        and HEIGHT[room(found.source)] <= HEIGHT[room(found.target)]
    ]
    assert not wrong, "\n".join(wrong)


def test_modules_import_each_other_in_no_circle():
    """Nor hide one inside a function."""
    graph = {name: set() for name in modules()}
    for found in imports():
        if found.target in graph and found.target != found.source:
            graph[found.source].add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_there_are_no_star_imports():
    stars = [
        f"{name}:{node.lineno}"
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]
    assert not stars


def test_only_base_dependencies_are_imported_with_a_module():
    allowed = BASE | sys.stdlib_module_names
    others = [str(f) for f in imports() if f.at_import and f.target.partition(".")[0] not in allowed]
    assert not others, "\n".join(others)


MEASURE = """
import importlib, json, sys, time
before, start = set(sys.modules), time.process_time()
for name in {names!r}:
    importlib.import_module(name)
seconds = time.process_time() - start
loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}} - sys.stdlib_module_names
# Compiled code leaves names behind that were never imported from anywhere; they have no spec.
loaded = {{name for name in loaded if sys.modules[name].__spec__}}
print(json.dumps([seconds, sorted(loaded)]))
"""


def import_in_a_fresh_interpreter(*names: str) -> tuple[float, set[str]]:
    """CPU seconds that importing took, and what came along besides the standard library.

    Fails when anything is printed on the way; a warning is an error.
    """
    command = [sys.executable, "-W", "error", "-c", MEASURE.format(names=names)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert done.stdout.count("\n") == 1, done.stdout
    seconds, loaded = json.loads(done.stdout)
    return seconds, set(loaded)


@pytest.mark.parametrize("names", [("minicap",), ("minicap.layers", "minicap.nn")], ids=" ".join)
def test_importing_is_quick_and_brings_base_dependencies_only(names):
    runs = [import_in_a_fresh_interpreter(*names) for _ in range(3)]
    assert runs[0][1] <= BASE
    assert min(seconds for seconds, _ in runs) < 0.5


def test_every_module_can_be_imported_in_silence_with_base_dependencies_only():
    _, loaded = import_in_a_fresh_interpreter(*(name for name in modules() if name != "minicap.__main__"))
    assert loaded <= BASE
