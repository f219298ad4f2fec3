"""Which submissions look alike, and which like minicap's own code.

Fingerprints of syntax trees, without names and layout: of every function the sequence of its tree's nodes is
cut into runs of K; of the hashes of WINDOW neighbouring runs the smallest is kept (winnowing, Schleimer et
al. 2003, section 3).  What the reference has too, or more than half of the class, says nothing about copying
from each other and is left out between submissions.
"""

import ast
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from minicap.assignments.manifest import PACKAGE, Assignment, Exercise
from minicap.assignments.sources import functions

K, WINDOW = 12, 5
FEWEST = 6  # fingerprints; of fewer nothing can be said
COMMON = 0.5  # share of the class
LEAST = 0.5  # share of common fingerprints at which a pair is named
LONG, MOST = (
    24,
    0.9,
)  # fingerprints of a function that nobody writes the same by chance, and what share is a copy
SEVERAL = 2  # such functions of a submission


class Pair(NamedTuple):
    """share: how much of the shorter one's fingerprints the other has too."""

    one: str
    other: str
    share: float
    exercises: list[str]


def alike(submissions: Mapping[str, Mapping[str, bytes]], assignment: Assignment) -> list[Pair]:
    """The pairs of submissions that share much, the most alike first.  submissions: name -> files."""
    prints = {name: _of_all(files, assignment) for name, files in submissions.items()}
    known = {h for hashes in _of_all(_reference(assignment), assignment).values() for h in hashes}
    seen = Counter(h for own in prints.values() for h in {h for hashes in own.values() for h in hashes})
    most = max(2, COMMON * len(prints))
    common = known | {h for h, count in seen.items() if count > most}
    own = {
        name: {id: hashes - common for id, hashes in by_exercise.items()}
        for name, by_exercise in prints.items()
    }
    return sorted(_pairs(own), key=lambda pair: (-pair.share, pair.one, pair.other))


def copies(submissions: Mapping[str, Mapping[str, bytes]], assignment: Assignment) -> dict[str, list[str]]:
    """The submissions in which several long functions read like minicap's own, with these exercises."""
    reference = _of_all(_reference(assignment), assignment)
    found = {}
    for name, files in submissions.items():
        own = _of_all(files, assignment)
        same = [
            id
            for id, hashes in reference.items()
            if len(hashes) >= LONG and len(own[id] & hashes) >= MOST * len(hashes)
        ]
        if len(same) >= SEVERAL:
            found[name] = same
    return found


def table(pairs: Sequence[Pair], copied: Mapping[str, Sequence[str]]) -> str:
    """Both as Markdown tables."""
    lines = ["| share | one | other | exercises |", "|---|---|---|---|"]
    lines += [f"| {p.share:.0%} | {p.one} | {p.other} | {', '.join(p.exercises)} |" for p in pairs]
    lines += ["", "| like minicap's own code | exercises |", "|---|---|"]
    lines += [f"| {name} | {', '.join(exercises)} |" for name, exercises in copied.items()]
    return "\n".join(lines) + "\n"


def _reference(assignment: Assignment) -> dict[str, bytes]:
    return {e.file: (PACKAGE.parent / e.file).read_bytes() for e in assignment.exercises}


def _pairs(own: Mapping[str, Mapping[str, set[int]]]) -> Iterator[Pair]:
    whole = {
        name: {h for hashes in by_exercise.values() for h in hashes} for name, by_exercise in own.items()
    }
    for one, other in combinations(own, 2):
        shorter = min(len(whole[one]), len(whole[other]))
        if shorter < FEWEST:
            continue
        share = len(whole[one] & whole[other]) / shorter
        if share >= LEAST:
            shared = [id for id in own[one] if own[one][id] & own[other].get(id, set())]
            yield Pair(one, other, share, shared)


def _of_all(files: Mapping[str, bytes], assignment: Assignment) -> dict[str, set[int]]:
    return {exercise.id: _of_exercise(files, exercise) for exercise in assignment.exercises}


def _of_exercise(files: Mapping[str, bytes], exercise: Exercise) -> set[int]:
    try:
        tree = ast.parse(files.get(exercise.file, b""))
        node = dict(functions(tree))[exercise.function]
    except (SyntaxError, ValueError, KeyError, RecursionError, MemoryError):
        return set()
    return winnow(list(_words(node)))


def winnow(words: Sequence[str]) -> set[int]:
    """The fingerprints of a sequence."""
    runs = [zlib.crc32(" ".join(words[i : i + K]).encode()) for i in range(len(words) - K + 1)]
    return {min(runs[i : i + WINDOW]) for i in range(max(1, len(runs) - WINDOW + 1))} if runs else set()


def _words(node: ast.AST) -> Iterator[str]:
    """The kinds of the nodes of a tree, depth first: a name is a name, whichever it is."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue  # a docstring
        if isinstance(child, ast.Constant):
            yield repr(child.value)[:40]
        elif isinstance(child, ast.Attribute):
            yield f".{child.attr}"
        elif not isinstance(child, (ast.expr_context, ast.arguments, ast.arg)):
            yield type(child).__name__
        yield from _words(child)
