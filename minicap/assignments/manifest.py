"""What an assignment consists of: assignment.toml."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import minicap
from minicap.errors import FormatError, InputError
from minicap.formats.documents import read_toml
from minicap.formats.settings import from_mapping, nearest

FILE = "assignment.toml"
PACKAGE = Path(minicap.__file__).parent
SUFFIXES = (".py", ".cu", ".cuh")


@dataclass(frozen=True)
class Exercise:
    """One function that a student writes.

    id: what students call it.  target: the dotted path of what is cut, "minicap.layers.conv.conv_forward", or
    of a kernel in CUDA, "minicap.backend.gpu.kernels.recurrent.lstm_step".
    points: for all its cases.  hint: a sentence that helps.  reading: where it is explained.
    needs: functions that its module knows by these names and that other exercises ask for; while this one is
    judged, they answer as the right ones do.  with_them: helpers of the target that are cut too, docstrings
    and all; the student writes them or does without.
    cases: the gradient-check cases it is tried on, by the layer's name; by default from its own.
    variants: those of them that are public too, in other numbers; empty for all.  hidden: those for grading
    alone.  call: a function of the assignment's calls.py that calls the target, where that takes no arrays.
    seconds: the most processor time that one case may take.
    """

    id: str
    title: str
    target: str
    points: int
    hint: str
    reading: str = ""
    needs: tuple[str, ...] = ()
    with_them: tuple[str, ...] = ()
    cases: str = ""
    variants: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    call: str = ""
    seconds: float = 5.0

    @property
    def module(self) -> str:
        """The module that the student writes in."""
        return module_of(self.target)

    @property
    def function(self) -> str:
        """The function's name, with its class where it has one."""
        return self.target[len(self.module) + 1 :]

    @property
    def file(self) -> str:
        """The module's file, relative to the root of a handout."""
        return file_of(self.module)

    @property
    def is_python(self) -> bool:
        return self.file.endswith(".py")

    @property
    def layer(self) -> str:
        """The gradient-check cases that it is tried on."""
        return self.cases or self.function.removesuffix("_forward").removesuffix("_backward")


@dataclass(frozen=True)
class Assignment:
    """An assignment: its exercises in their order, and what a handout leaves out besides them.

    hide: functions that would give an exercise away; the handout has their signatures alone.
    leave_out: files, by patterns relative to the root.  keep: of those left out by default, what this one
    needs.
    """

    id: str
    title: str
    exercises: tuple[Exercise, ...]
    folder: Path
    hide: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    named: dict[str, Exercise] = field(default_factory=dict, compare=False)

    @property
    def points(self) -> int:
        return sum(exercise.points for exercise in self.exercises)

    def exercise(self, name: str) -> Exercise:
        """Raises InputError for an unknown id, with the nearest known one."""
        if name not in self.named:
            raise InputError(f"{self.id} has no exercise {name!r}{nearest(name, self.named)}")
        return self.named[name]


def module_of(target: str) -> str:
    """The module in a dotted path: the longest lower-case prefix that has a file."""
    parts = target.split(".")
    for size in range(len(parts) - 1, 0, -1):
        path = PACKAGE.parent.joinpath(*parts[:size])
        if any(path.with_suffix(suffix).is_file() for suffix in SUFFIXES):
            return ".".join(parts[:size])
        if (path / "__init__.py").is_file():
            return ".".join(parts[:size])
    raise FormatError(f"{target}: no module of minicap holds it")


def file_of(module: str) -> str:
    """The file of a module or of CUDA sources, relative to the root."""
    path = module.replace(".", "/")
    found = (path + suffix for suffix in SUFFIXES if (PACKAGE.parent / (path + suffix)).is_file())
    return next(found, path + ".py")


def load(folder: Path) -> Assignment:
    """The assignment in a folder.  Raises InputError without a manifest, FormatError for a wrong one."""
    file = folder / FILE
    if not file.is_file():
        raise InputError(f"{folder} is no assignment: it has no {FILE}")
    content = read_toml(file)
    tables = content.pop("exercise", [])
    if not isinstance(tables, list) or not tables:
        raise FormatError(f"{file}: there is no [[exercise]]")
    exercises = tuple(_exercise(table, f"{file}: exercise {n}") for n, table in enumerate(tables, 1))
    unknown = set(content) - {"id", "title", "hide", "leave_out", "keep"}
    if unknown or not {"id", "title"} <= set(content):
        raise FormatError(
            f"{file}: needs id and title, may have hide, leave_out, keep; not {sorted(unknown)}"
        )
    named = {exercise.id: exercise for exercise in exercises}
    if len(named) < len(exercises):
        raise FormatError(f"{file}: two exercises have the same id")
    lists = {name: tuple(content.get(name, ())) for name in ("hide", "leave_out", "keep")}
    return Assignment(content["id"], content["title"], exercises, folder, named=named, **lists)


def _exercise(table: Any, where: str) -> Exercise:
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in dict(table).items()}
    exercise: Exercise = from_mapping(Exercise, values, where)
    if exercise.points < 1:
        raise FormatError(f"{where}: points is {exercise.points} but must be at least 1")
    return exercise


def folders() -> dict[str, Path]:
    """The assignments beside the package, by id."""
    root = PACKAGE.parent / "assignments"
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{FILE}"))}


def find(name: str = "") -> Assignment:
    """The assignment of that id or in that folder; without a name, the only one there is.

    Raises InputError when there is none, or several and no name.
    """
    known = folders()
    if name and Path(name).is_dir() and (Path(name) / FILE).is_file():
        return load(Path(name))
    if not known:
        raise InputError(
            f"there is no assignment beside {PACKAGE}; run this in a handout, or in a checkout of minicap"
        )
    if not name and len(known) == 1:
        return load(next(iter(known.values())))
    if name not in known:
        asked = f"there is no assignment {name!r}{nearest(name, known)}; " if name else ""
        raise InputError(f"{asked}choose one of {', '.join(known)}")
    return load(known[name])


def split_names(assignment: Assignment, names: Sequence[str]) -> list[Exercise]:
    """The exercises named, or all; "conv" means those whose id begins with it."""
    chosen: list[Exercise] = []
    for name in names:
        begun = [e for e in assignment.exercises if e.id.startswith(name)]
        chosen += [assignment.named[name]] if name in assignment.named else begun
        if not begun:
            assignment.exercise(name)
    return list(dict.fromkeys(chosen)) if names else list(assignment.exercises)
