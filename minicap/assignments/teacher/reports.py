"""What comes out of grading: Gradescope's JSON, Canvas's CSV, a page for each student."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

from minicap.assignments.manifest import Assignment

_CANVAS_ID = re.compile(r"^(?P<student>[^_]+)_(?:LATE_)?(?P<id>\d+)_", re.IGNORECASE)


def gradescope(record: dict[str, Any], assignment: Assignment) -> dict[str, Any]:
    """The results.json that Gradescope reads."""
    tests = [
        {
            "name": f"{score['id']}: {assignment.exercise(score['id']).title}",
            "score": score["score"],
            "max_score": score["points"],
            "status": "passed" if score["score"] == score["points"] else "failed",
            "output": "\n".join(_told(score)),
            "visibility": "visible",
        }
        for score in record["exercises"]
    ]
    return {
        "score": record["score"],
        "execution_time": record["seconds"],
        "output": record["problem"],
        "tests": tests,
    }


def canvas(records: Sequence[dict[str, Any]], assignment: Assignment) -> str:
    """A CSV that Canvas imports.

    Student and ID come from the names that Canvas gives to downloaded submissions,
    "lovelaceada_123_456_a2.zip"; for any other name, Student is the whole name.
    """
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(["Student", "ID", "SIS User ID", "SIS Login ID", "Section", assignment.title])
    table.writerow(["Points Possible", "", "", "", "", assignment.points])
    for record in records:
        found = _CANVAS_ID.match(record["name"])
        student, number = (found["student"], found["id"]) if found else (record["name"], "")
        table.writerow([_harmless(student), number, "", "", "", f"{record['score']:g}"])
    return buffer.getvalue()


def markdown(record: dict[str, Any], assignment: Assignment) -> str:
    """The page that a student gets."""
    lines = [f"# {assignment.title}: {record['score']:g} of {record['max_score']}", ""]
    if record["problem"]:
        again = "Hand in the zip that minicap assign submit writes."
        return "\n".join([*lines, f"**{_plain(record['problem'])}**", "", again]) + "\n"
    lines += ["| exercise | points | cases |", "|---|---|---|"]
    for score in record["exercises"]:
        points = f"{score['score']:g} / {score['points']}"
        lines.append(f"| {score['id']} | {points} | {score['passed']} of {score['trials']} |")
    for score in record["exercises"]:
        if score["failures"]:
            lines += ["", f"## {score['id']}", ""]
            lines += [f"- {line}" for line in map(_plain, _told(score))]
            lines += ["", f"Hint: {_plain(assignment.exercise(score['id']).hint)}"]
    return "\n".join(lines) + "\n"


def _told(score: dict[str, Any]) -> list[str]:
    lines = []
    for trial, words, where in score["failures"]:
        if not trial:  # it is about the file
            return [words]
        lines.append(f"{trial}: {words} ({where})" if where else f"{trial}: {words}")
    untold = score["trials"] - score["passed"] - len(score["failures"])
    if untold > 0 and score["failures"]:
        lines.append(f"and {untold} more")
    return lines


def _plain(text: str) -> str:
    """Words of a student's code, without what Markdown or a browser would act on."""
    return re.sub(r"([`*_<>\[\]|#])", r"\\\1", " ".join(str(text).split()))


def _harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in "=+-@" else text
