"""Score the taggers of a folder on their test photos:  python -m tools.label_table RUNS [--beam 1 3]

RUNS holds run folders called NAME-seed0, NAME-seed1 and so on, as `minicap sweep` leaves them.  Prints a row
for every name, with mean and standard deviation over its seeds of precision, recall and F1 per photo, and of
mean average precision, in %; then F1 by the number of labels for the name of the highest F1.
"""

import argparse
import re
from collections import defaultdict
from pathlib import Path

import numpy as np

from minicap.data import open_tagged
from minicap.multilabel import TagEvaluation, Tagger, evaluate
from minicap.multilabel.run import TagRunConfig, load_split

_SCORES = ("precision", "recall", "f1")
Found = dict[tuple[str, int], list[TagEvaluation]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--beam", type=int, nargs="+", default=[1, 3])
    args = parser.parse_args()
    found = evaluations(args.runs, args.beam)
    print(table(found))
    best = max(found, key=lambda key: np.mean([one.scores()["f1"] for one in found[key]]))
    print(f"\n{best[0]}, beam {best[1]}\n\n{by_number(found[best])}")


def evaluations(folder: Path, beams: list[int]) -> Found:
    """What every run of the folder says about its test photos, by name and beam."""
    found: Found = defaultdict(list)
    for run in sorted(folder.glob("*-seed*")):
        if not (run / "checkpoints" / "best.safetensors").exists():
            continue
        config, tagger = TagRunConfig.read(run / "config.toml"), Tagger.load(run)
        test = load_split(open_tagged(config.data.path, config.data.outside), "test", tagger.encoder)
        for beam in beams if config.model.name != "linear" else beams[:1]:
            name = re.sub(r"-seed\d+$", "", run.name)
            found[name, beam].append(evaluate(tagger, test.features, test.labels, beam))
    return found


def table(found: Found) -> str:
    """A row for every name and beam, in Markdown."""
    lines = ["| run | beam | seeds | precision | recall | F1 | mAP |", "|---|---|---|---|---|---|---|"]
    for (name, beam), evaluations in found.items():
        values = [[one.scores()[score] for score in _SCORES] for one in evaluations]
        areas = [one.mean_average_precision for one in evaluations]
        cells = [spread([row[i] for row in values]) for i in range(len(_SCORES))] + [spread(areas)]
        lines.append(f"| {name} | {beam} | {len(evaluations)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def by_number(evaluations: list[TagEvaluation]) -> str:
    """F1 of the photos with each number of labels, in Markdown."""
    lines = ["| labels of a photo | photos | F1 |", "|---|---|---|"]
    for number, (photos, _) in evaluations[0].by_number.items():
        values = [one.by_number[number][1] for one in evaluations]
        lines.append(f"| {number} | {photos} | {spread(values)} |")
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """Mean ± standard deviation over seeds, in %."""
    mean = f"{100 * np.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ± {100 * np.std(values, ddof=1):.1f}"


if __name__ == "__main__":
    main()
