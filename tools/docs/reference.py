"""The API reference: a page for every room of the package, with a section for each of its modules."""

import ast
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import minicap
from tools.docs.docstrings import as_rst

# Not for callers: the command line, the faster pairs, how handouts are cut, the checker's cases.
INSIDE = (
    "minicap.cli",
    "minicap.backend",
    "minicap.assignments",
    "minicap.gradcheck.cases",
    "minicap.__main__",
)


def write(folder: Path) -> None:
    """Write the pages as Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    rooms: dict[str, list[str]] = {}
    for module in map(import_module, names()):
        room = ".".join(module.__name__.split(".")[:2])
        described = [_rst(as_rst((module.__doc__ or "").splitlines()))]
        listed = [line for name, thing in members(module) for line in (*directive(module, name, thing), "")]
        if listed or module.__name__ == room:
            rooms.setdefault(room, []).append(f"{_heading(module, room)}\n")
            rooms[room] += [*described, _rst(listed)]
    for room, parts in rooms.items():
        (folder / f"{room}.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    start = "# API reference\n\nWhat each room of the package offers, from its docstrings and types."
    (folder / "index.md").write_text("\n\n".join([start, _table(rooms), _tree(rooms)]), encoding="utf-8")


def _heading(module: ModuleType, room: str) -> str:
    return f"# {room}" if module.__name__ == room else f"## {module.__name__.removeprefix(room + '.')}"


def names() -> list[str]:
    """Every public module, in alphabetical order, packages before what is in them."""
    found = sorted(module.name for module in pkgutil.walk_packages(minicap.__path__, "minicap."))
    return [name for name in found if not name.startswith(INSIDE) and "._" not in name]


def members(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """What a module defines for others, in its source's order: what its package exports, or else all."""
    package = import_module(module.__name__.rpartition(".")[0])
    exported = set(getattr(package, "__all__", ()))
    own = {
        name: thing
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and getattr(thing, "__module__", None) == module.__name__
        and (inspect.isclass(thing) or inspect.isfunction(thing))
    }
    yield from ((name, thing) for name, thing in own.items() if not exported & own.keys() or name in exported)


def directive(module: ModuleType, name: str, thing: Any) -> list[str]:
    """Sphinx's directive for a function or class."""
    if not inspect.isclass(thing):
        return [f".. autofunction:: {module.__name__}.{name}"]
    kind = "autoexception" if issubclass(thing, BaseException) else "autoclass"
    return [f".. {kind}:: {module.__name__}.{name}", "   :members:", "   :show-inheritance:"]


def signature(thing: Any) -> tuple[str, str | None] | None:
    """Arguments and result as the source has them, so that an alias such as Array keeps its name."""
    if inspect.isclass(thing):
        if "__init__" in vars(thing) and not hasattr(thing, "__dataclass_fields__"):
            made = signature(thing.__init__)
            return made and (made[0], None)
        return _fields(thing)
    try:
        node = ast.parse(dedent(inspect.getsource(inspect.unwrap(thing)))).body[0]
    except (OSError, TypeError, SyntaxError):
        return None
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    arguments = node.args
    plain = [*arguments.posonlyargs, *arguments.args]
    if plain and plain[0].arg in ("self", "cls"):
        del (arguments.posonlyargs or arguments.args)[0]
    return f"({ast.unparse(arguments)})", ast.unparse(node.returns) if node.returns else None


def _fields(thing: type) -> tuple[str, None] | None:
    """The fields of a dataclass or named tuple, those of its bases first."""
    if not hasattr(thing, "__dataclass_fields__") and not hasattr(thing, "_fields"):
        return None
    fields: dict[str, str] = {}
    for base in reversed(thing.__mro__):
        if not base.__module__.startswith("minicap"):
            continue
        for line in ast.parse(dedent(inspect.getsource(base))).body[0].body:  # type: ignore[attr-defined]
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                default = " = ..." if isinstance(line.value, ast.Call) else ""
                if line.value and not default:
                    default = f" = {ast.unparse(line.value)}"
                fields[line.target.id] = f"{line.target.id}: {ast.unparse(line.annotation)}{default}"
    return f"({', '.join(fields.values())})", None


def _table(names: Iterable[str]) -> str:
    rows = [f"| [{name}](/reference/{name}.md) | {_first(import_module(name))} |" for name in names]
    return "\n".join(["| | |", "|---|---|", *rows])


def _first(module: ModuleType) -> str:
    """The first paragraph of a docstring, safe in a Markdown table."""
    paragraph = (module.__doc__ or "").strip().partition("\n\n")[0]
    return " ".join(paragraph.split()).replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")


def _tree(names: Iterable[str]) -> str:
    entries = [f"{name.removeprefix('minicap.')} <{name}>" for name in names]
    return "\n".join(["```{toctree}", ":hidden:", "", *entries, "```"])


def _rst(lines: list[str]) -> str:
    return "\n".join(["```{eval-rst}", *lines, "```"]) if lines else ""


# What Sphinx calls while it reads the docstrings:


def on_signature(
    app: Any, what: str, name: str, thing: Any, options: Any, given: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    return signature(thing) if callable(thing) else None


def on_docstring(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    known: Callable[..., Any] = inspect.unwrap(thing) if callable(thing) else lambda: None
    try:
        arguments = set(inspect.signature(known).parameters)
    except (TypeError, ValueError):
        arguments = set()
    if inspect.isclass(thing):
        arguments |= set(getattr(thing, "__annotations__", ()))
    lines[:] = as_rst(lines, arguments)


def on_member(app: Any, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """Leave out the fields of named tuples, which the signature lists."""
    return True if type(thing).__name__ == "_tuplegetter" else None
