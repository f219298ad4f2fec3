"""A case: one piece of work that minicap and its peers all can do."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from benchmarks.floor import Cost
from minicap.errors import InputError
from minicap.formats import nearest


class Task(NamedTuple):
    """One side of a case, set up and ready.

    run: the work that is timed.  answer: named arrays that every side must agree on, in minicap's layout,
    computed from the state the task was set up with; nothing is timed after it.
    """

    run: Callable[[], object]
    answer: Callable[[], Mapping[str, Any]]


@dataclass(frozen=True)
class Case:
    """A case of the table.

    name: "family/what".  about: sizes, for the listing.
    work: has a method a side, `minicap(threads)`, `torch(mode)`, `dezero()`, `cs231n()`, each giving a Task.
    peers: names of the peers that can do it.  tolerance: largest relative difference between answers.
    items, unit: what one run gets through, to report a rate (captions, images, GFLOP).
    slow: takes minutes.  part: a phase of another case.  Neither is run unless it is asked for.
    costs: what one run cannot do without, for the floor; empty where nobody counted it.
    """

    name: str
    about: str
    work: Any
    peers: tuple[str, ...] = ("torch",)
    tolerance: float = 1e-4
    items: float = 0
    unit: str = ""
    slow: bool = False
    part: bool = False
    costs: Sequence[Cost] = ()

    @property
    def family(self) -> str:
        return self.name.partition("/")[0]


def choose(cases: Iterable[Case], names: Sequence[str], slow: bool = False) -> list[Case]:
    """The cases with these names, families or patterns ("conv*"); without names all quick whole ones.

    slow: the slow ones too, when there are no names.  A family or pattern leaves parts out unless it has a
    colon in it.  Raises InputError for a name that fits none, with the nearest one.
    """
    cases = list(cases)
    if not names:
        return [case for case in cases if not case.part and (slow or not case.slow)]
    chosen: dict[str, Case] = {}
    for name in names:
        found = [
            case
            for case in cases
            if name == case.name
            or ((name == case.family or fnmatchcase(case.name, name)) and (":" in name or not case.part))
        ]
        if not found:
            known = sorted({case.family for case in cases} | {case.name for case in cases})
            hint = nearest(name, known) or "; see --list"
            raise InputError(f"no case is called {name!r}{hint}")
        chosen |= {case.name: case for case in found}
    return [case for case in cases if case.name in chosen]
