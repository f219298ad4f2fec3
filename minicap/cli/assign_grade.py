"""minicap assign grade, gradescope: for teachers."""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from minicap.assignments import archive, manifest
from minicap.assignments.manifest import Assignment
from minicap.assignments.submission import wanted
from minicap.cli.arguments import path, whole
from minicap.errors import FormatError, InputError
from minicap.formats import atomic_write_text
from minicap.progress import printable

_UNSAFE = "run submissions without a sandbox, as ordinary programs of yours"


def add_arguments(actions: argparse._SubParsersAction) -> Iterator[argparse.ArgumentParser]:
    grade = actions.add_parser("grade", help="grade submissions in a sandbox")
    grade.add_argument("assignment", metavar="ASSIGNMENT")
    grade.add_argument("submissions", nargs="+", type=path, metavar="SUBMISSION", help="zips or folders")
    grade.add_argument("--jobs", type=whole(1, 256), default=1, metavar="N", help="how many at a time")
    grade.add_argument("--csv", type=path, metavar="FILE", help="grades for Canvas")
    grade.add_argument(
        "--json", type=path, metavar="DIR", help="a record of each; what is graded there is not graded again"
    )
    grade.add_argument("--reports", type=path, metavar="DIR", help="a page for each student, in Markdown")
    grade.add_argument("--similarity", type=path, metavar="FILE.md", help="which submissions look alike")
    grade.add_argument("--gradescope", type=path, metavar="FILE.json", help="results for Gradescope")
    grade.add_argument("--secret", metavar="TEXT", help="what the hidden numbers come from")
    grade.add_argument("--unsafe", action="store_true", help=_UNSAFE)
    yield grade
    zipped = actions.add_parser("gradescope", help="the zip that Gradescope wants")
    zipped.add_argument("assignment", metavar="ASSIGNMENT")
    zipped.add_argument("-o", "--output", type=path, required=True, metavar="FILE.zip")
    zipped.add_argument("--unsafe", action="store_true", help=_UNSAFE)
    yield zipped


def run(args: argparse.Namespace) -> int:
    """Run the command.  Returns 1 when a submission cannot be read, else 0."""
    assignment = manifest.find(args.assignment)
    if args.action == "gradescope":
        from minicap.assignments.teacher import gradescope

        count = gradescope.write(assignment, args.output, args.unsafe)
        print(f"{args.output}: {count} files")
        return 0
    records = _grade(assignment, args)
    _write(assignment, records, args)
    return 1 if any(record["problem"] for record in records) else 0


def _grade(assignment: Assignment, args: argparse.Namespace) -> list[dict[str, Any]]:
    from minicap.assignments.teacher import grading

    missing = [str(p) for p in args.submissions if not p.exists()]
    if missing:
        raise InputError(f"there is no {missing[0]}")
    names = [p.stem if p.suffix == ".zip" else p.name for p in args.submissions]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"two submissions are called {twice[0]}; rename one")
    with tempfile.TemporaryDirectory(prefix="minicap-handout-", ignore_cleanup_errors=True) as folder:
        secret = args.secret or (grading.secret_of(args.json) if args.json else grading.fresh_secret())
        place = grading.prepare(assignment, Path(folder) / "handout", secret, args.unsafe)
        records = []
        with ThreadPoolExecutor(args.jobs) as executor:
            for record in grading.grade_all(args.submissions, place, executor, args.json):
                records.append(record)
                problem = f"  {record['problem']}" if record["problem"] else ""
                line = f"{record['name']}: {record['score']:g} of {record['max_score']}{problem}"
                print(printable(line), flush=True)
    return records


def _write(assignment: Assignment, records: Sequence[dict[str, Any]], args: argparse.Namespace) -> None:
    from minicap.assignments.teacher import reports, similarity

    if args.csv:
        atomic_write_text(args.csv, reports.canvas(records, assignment))
    if args.gradescope:
        if len(records) != 1:
            raise InputError("--gradescope is for one submission")
        atomic_write_text(args.gradescope, json.dumps(reports.gradescope(records[0], assignment), indent=1))
    if args.reports:
        args.reports.mkdir(parents=True, exist_ok=True)
        for record in records:
            atomic_write_text(args.reports / f"{record['name']}.md", reports.markdown(record, assignment))
    if args.similarity:
        files = {}
        for submission, record in zip(args.submissions, records, strict=True):
            try:
                files[record["name"]] = archive.read(submission, wanted(assignment))
            except (InputError, FormatError):
                continue
        pairs, copied = similarity.alike(files, assignment), similarity.copies(files, assignment)
        atomic_write_text(args.similarity, similarity.table(pairs, copied))
        print(f"{args.similarity}: {len(pairs)} pairs look alike, {len(copied)} like minicap's own code")
