"""`minicap eval SWEEP`: the scores of every run of a sweep, in one table: mean and spread over the seeds."""

import json
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean, stdev

from minicap.formats import atomic_write_text, read_json
from minicap.progress import printable
from minicap.training.sweep import Result, markdown_lines

Headlines = dict[str, dict[str, float]]  # the numbers of a run, by their heads, for each way of decoding
Score = Callable[[Namespace], Headlines]


def run(args: Namespace, cells: Mapping[str, Mapping[Path, Result]], score: Score) -> int:
    """Score all runs of a sweep, cell by cell; the table is printed, and kept in the sweep's folder.

    score: gives the headlines of the run that args.run names.
    """
    found: dict[str, list[Headlines]] = {}
    for cell, runs in cells.items():
        for folder, result in runs.items():
            headlines = score(Namespace(**{**vars(args), "run": folder}))
            if not args.json:
                print(printable(f"{folder.name}: {_in_words(headlines)}"), flush=True)
            trained = {"training, s": round(result.seconds)}
            found.setdefault(cell, []).append({way: of | trained for way, of in headlines.items()})
    if args.json:
        print(json.dumps(found))
        return 0
    text = markdown_lines(*_table(found))
    file = args.run / f"scores-{args.split}.md"
    atomic_write_text(file, text)
    print(f"\n{text}\nin {printable(str(file))}")
    missing = len(read_json(args.run / "sweep.json")) - sum(map(len, found.values()))
    if missing:
        print(f"not finished and not scored: {missing} of the runs; minicap sweep goes on with them")
    return 0


def _in_words(headlines: Headlines) -> str:
    ways = (", ".join(f"{head} {value:.4g}" for head, value in of.items()) for of in headlines.values())
    return "; ".join(f"{way} {said}".lstrip() for way, said in zip(headlines, ways, strict=True))


def _table(found: Mapping[str, list[Headlines]]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows: one for each cell and way of decoding."""
    every = [of_way for runs in found.values() for run in runs for of_way in run.values()]
    heads = list({head: None for of_way in every for head in of_way})
    several = any(way for runs in found.values() for way in runs[0])
    rows = []
    for cell, runs in found.items():
        for way in runs[0]:
            values = [[run[way][head] for run in runs if head in run.get(way, {})] for head in heads]
            rows.append([cell, *([way] if several else []), *map(_mean_and_spread, values), f"{len(runs)}"])
    return ["cell", *(["decoding"] if several else []), *heads, "runs"], rows


def _mean_and_spread(values: list[float]) -> str:
    if not values:
        return ""
    if all(isinstance(value, int) for value in values):
        return f"{fmean(values):,.0f}"
    return f"{fmean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")
