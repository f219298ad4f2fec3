"""Metrics as a table in the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from minicap.metrics.captions import Scores, distinct_n, novelty, vocabulary_used


def print_scores(rows: Mapping[str, Scores], beside: Mapping[str, Mapping[str, float]] | None = None) -> None:
    """One line per system; metrics and shares times 100, as papers print them.

    beside: more numbers of each system, under the heads of their columns; whole numbers are counts.
    """
    table = {name: by_head(row) | dict((beside or {}).get(name, {})) for name, row in rows.items()}
    heads = list({head: None for row in table.values() for head in row})
    width = max(map(len, table))
    print("  ".join([" " * width, *(f"{head:>5}" for head in heads)]) + "   (x100)")
    for name, row in table.items():
        cells = (f"{_shown(row[head]):>{max(len(head), 5)}}" for head in heads)
        print("  ".join([f"{name:{width}}", *cells]))


def by_head(scores: Scores) -> dict[str, float]:
    """The metrics of one system under the heads of a table."""
    bleu = {f"BLEU-{n}": value for n, value in enumerate(scores["bleu"], start=1)}
    return bleu | {"ROUGE-L": scores["rouge_l"], "CIDEr": scores["cider"]}


def diversity(captions: Sequence[str], training: Sequence[str]) -> dict[str, Any]:
    """How varied captions are, under the heads of a table.  training: captions that were learned from.

    words: different words said.  distinct-n: different n-grams / all of them.  novel: share of captions that
    are not training captions.
    """
    found = {"words": vocabulary_used(captions)} | {f"distinct-{n}": distinct_n(captions, n) for n in (1, 2)}
    return found | ({"novel": novelty(captions, training)} if training else {})


def _shown(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{100 * value:.1f}"
