"""A handout: a copy of the package without the bodies that students write, and proof that none is left."""

import ast
import posixpath
import re
from collections.abc import Container, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from minicap.assignments.manifest import FILE, PACKAGE, Assignment, file_of, module_of
from minicap.assignments.sources import functions
from minicap.assignments.teacher.cutting import SHORTEST, cut
from minicap.assignments.teacher.drawing import draw
from minicap.assignments.trials import PUBLIC, pack
from minicap.errors import InputError

ROOT = PACKAGE.parent

# Of the package: what gives answers away, what only teachers need, and what is large.
LEFT_OUT = (
    "minicap/backend/cpu/*",
    "minicap/backend/gpu/*",
    "minicap/backend/pins.py",
    "minicap/compat/*",
    "minicap/playground/*",
    "minicap/assignments/teacher/*",
    "minicap/cli/assign_build.py",
    "minicap/cli/assign_grade.py",
    "minicap/cli/site.py",
    "minicap/models/weights/*.safetensors",
    "minicap/captioning/weights/*.safetensors",
    "minicap/data/sample/images/*",
)
# Of those folders: what says how many cores and threads there are.
KEPT = (
    "minicap/backend/cpu/allocator.py",
    "minicap/backend/cpu/order.py",
    "minicap/backend/cpu/pieces.py",
    "minicap/backend/cpu/threads.py",
)
STAND_INS = {
    "minicap/backend/cpu/__init__.py": '"""Handouts have no faster pairs."""\n\nOVERRIDES = ()\n',
    "minicap/backend/gpu/__init__.py": (
        '"""Handouts run on NumPy alone."""\n\n'
        "from minicap.errors import BackendMissing\n\n\n"
        "def load_backend():\n"
        '    raise BackendMissing("the cupy backend is not part of handouts")\n'
    ),
    "minicap/backend/pins.py": '"""Handouts have no faster pairs."""\n\nPINS: dict[str, str] = {}\n',
}
PROJECT = ("pyproject.toml", "setup.py", "LICENSE")
OWN = (FILE, "calls.py", "README.md", "*.ipynb")  # of the assignment's folder
GUIDE = "assignments/README.md"  # for students
_LINK = re.compile(r"(!?)\[([^][]*)\]\(([^()#\s]+)(#[^()\s]*)?\)")
_REASON = "not part of this handout, since it would give an exercise away"
TEXT = (".py", ".toml", ".md", ".ipynb", ".txt", ".cu", ".cuh", ".json", ".cfg", ".html", ".typed", "")


class Handout(NamedTuple):
    """files: by their paths relative to the root.  removed: the lines that were cut, by file.

    also_hidden: functions left out because they held a line that was cut elsewhere.
    """

    files: dict[str, bytes]
    removed: dict[str, list[str]]
    also_hidden: list[str]


class Leak(NamedTuple):
    path: str
    line: str
    origin: str

    def __str__(self) -> str:
        return f"{self.path} holds a line that was cut from {self.origin}: {self.line}"


Cuts = dict[str, dict[str, dict[str, str]]]


def make(assignment: Assignment) -> Handout:
    """The handout of an assignment, from the package that runs.

    Functions that hold a line that was cut elsewhere are left out too.
    Raises InputError when such a line survives all the same, or the package is a handout itself.
    """
    if is_handout():
        raise InputError(f"{ROOT} is a handout; build handouts from minicap itself")
    where = f"assignments/{assignment.id}"
    files = dict(_package_files(assignment))
    for pattern in OWN:
        for file in sorted(assignment.folder.glob(pattern)):
            files[f"{where}/{file.name}"] = file.read_bytes()
    for name in PROJECT:
        files[name] = (ROOT / name).read_bytes()
    files |= _pages(files, f"{where}/README.md", assignment.title)

    cuts = _cuts(assignment)
    made, removed = _cut_all(files, cuts)
    also_hidden = _hide_leaking(made, leaks(made, removed), cuts)
    if also_hidden:
        made, _ = _cut_all(files, cuts)
    made[f"{where}/{PUBLIC}"] = pack(draw(assignment))
    if found := [*map(str, leaks(made, removed))]:
        raise InputError(f"{assignment.id}: the handout gives answers away:\n" + "\n".join(found[:20]))
    if found := dangling(made):
        raise InputError(f"{assignment.id}: the handout cannot be imported:\n" + "\n".join(found[:20]))
    return Handout(made, removed, also_hidden)


def _pages(files: Mapping[str, bytes], own: str, title: str) -> dict[str, bytes]:
    """What students read first: the assignment's page, at the root too, and the one for all assignments."""
    texts = {own: files.get(own, f"# {title}\n".encode())}
    if (ROOT / GUIDE).is_file():
        texts[GUIDE] = (ROOT / GUIDE).read_bytes()
    there = {*files, *texts}
    made = {path: relinked(text, path, path, there) for path, text in texts.items()}
    return made | {"README.md": relinked(texts[own], own, "README.md", there)}


def relinked(text: bytes, origin: str, path: str, there: Container[str]) -> bytes:
    """A page in Markdown whose links, written for `origin`, lead to the same files from `path`.

    Those to files that are not there become plain words.
    """

    def link(found: re.Match[str]) -> str:
        image, words, target, rest = found.groups()
        if ":" in target:
            return found[0]
        file = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
        if file not in there:
            return words
        return f"{image}[{words}]({posixpath.relpath(file, posixpath.dirname(path) or '.')}{rest or ''})"

    return _LINK.sub(link, text.decode("utf-8")).encode("utf-8")


def _cut_all(files: Mapping[str, bytes], cuts: Cuts) -> tuple[dict[str, bytes], dict[str, list[str]]]:
    """The files without what is cut, and the lines that were, of more than 20 characters."""
    made, removed = dict(files), {}
    for path, of in cuts.items():
        done = cut(files[path].decode("utf-8"), of["exercises"], of["hidden"], path)
        made[path] = done.text.encode("utf-8")
        removed[path] = [line for line in done.removed if len(line) > SHORTEST]
    return made, removed


def _hide_leaking(files: Mapping[str, bytes], found: list[Leak], cuts: Cuts) -> list[str]:
    """Add the functions that contain leaks to the cuts.  Returns their dotted names."""
    names = []
    for path in sorted({leak.path for leak in found if leak.path.endswith(".py")}):
        lines = [leak.line for leak in found if leak.path == path]
        text = files[path].decode("utf-8")
        own = cuts.setdefault(path, {"exercises": {}, "hidden": {}})
        for name, node in functions(ast.parse(text)):
            body = " ".join((ast.get_source_segment(text, node) or "").split())
            if name not in own["exercises"] and any(line in body for line in lines):
                own["hidden"][name] = f"{name}: {_REASON}"
                names.append(f"{path.removesuffix('.py').replace('/', '.')}.{name}")
    return names


def is_handout() -> bool:
    """Whether this package is a handout."""
    return any(ROOT.glob(f"assignments/*/{PUBLIC}"))


def leaks(files: Mapping[str, bytes], removed: Mapping[str, list[str]]) -> list[Leak]:
    """Where a line of a body that was cut, of more than 20 characters, still stands in a file."""
    wanted = {" ".join(line.split()): path for path, lines in removed.items() for line in lines}
    found = []
    for path, data in files.items():
        if Path(path).suffix in TEXT:
            text = " ".join(data.decode("utf-8", "replace").split())
            found += [
                Leak(path, line, origin)
                for line, origin in wanted.items()
                if len(line) > SHORTEST and line in text
            ]
    return found


def dangling(files: Mapping[str, bytes]) -> list[str]:
    """Imports at the top of a module, from the package, of modules that the handout does not have."""
    modules = {path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in files}
    found = []
    for path, data in files.items():
        if path.startswith("minicap/") and path.endswith(".py"):
            for node in ast.parse(data).body:
                names = []
                if isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                elif isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                missing = [n for n in names if n.split(".")[0] == "minicap" and n not in modules]
                found += [f"{path}:{node.lineno} imports {name}" for name in missing]
    return found


def _package_files(assignment: Assignment) -> Iterator[tuple[str, bytes]]:
    left_out = [p for p in (*LEFT_OUT, *assignment.leave_out) if p not in assignment.keep]
    kept = (*KEPT, *assignment.keep)
    for file in sorted(PACKAGE.rglob("*")):
        path = file.relative_to(ROOT).as_posix()
        if not file.is_file() or "__pycache__" in path or file.suffix == ".pyc" or "/." in f"/{path}":
            continue
        if not _fits(path, left_out) or _fits(path, kept):
            yield path, file.read_bytes()
    for path, text in STAND_INS.items():
        if not _fits(path, kept):
            yield path, text.encode()


def _fits(path: str, patterns: tuple[str, ...] | list[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _cuts(assignment: Assignment) -> Cuts:
    """For each file: the functions to cut with their exercises, and those to hide with the reasons."""
    cuts: Cuts = {}

    def of(target: str) -> tuple[dict[str, dict[str, str]], str]:
        module = module_of(target)
        return cuts.setdefault(file_of(module), {"exercises": {}, "hidden": {}}), target[len(module) + 1 :]

    for exercise in assignment.exercises:
        own, name = of(exercise.target)
        own["exercises"][name] = exercise.id
        for target in exercise.with_them:
            own, name = of(target)
            own["hidden"][name] = f"{exercise.id}: not written yet; the right one has a function for this"
    for target in assignment.hide:
        own, name = of(target)
        own["hidden"][name] = f"{name}: {_REASON}"
    return cuts
