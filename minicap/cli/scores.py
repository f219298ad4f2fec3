"""Metrics as a table in the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from minicap.metrics.captions import Scores, distinct_n, novelty, vocabulary_used


def print_scores(rows: Mapping[str, Scores], beside: Mapping[str, Mapping[str, float]] | None = None) -> None:
    """One line per system; metrics and shares times 100, as papers print them.

    beside: more numbers of each system, under the heads of their columns; whole numbers are counts.
    """
    heads = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr"]
    table = {name: [*row["bleu"], row["rouge_l"], row["cider"]] for name, row in rows.items()}
    for name, more in (beside or {}).items():
        table[name] += more.values()
        heads = [*heads[:6], *more]
    width = max(map(len, table))
    print("  ".join([" " * width, *(f"{head:>5}" for head in heads)]) + "   (x100)")
    for name, values in table.items():
        cells = (f"{_shown(value):>{max(len(head), 5)}}" for head, value in zip(heads, values, strict=True))
        print("  ".join([f"{name:{width}}", *cells]))


def diversity(captions: Sequence[str], training: Sequence[str]) -> dict[str, Any]:
    """How varied captions are, under the heads of a table.  training: captions that were learned from.

    words: different words said.  distinct-n: different n-grams / all of them.  novel: share of captions that
    are not training captions.
    """
    found = {"words": vocabulary_used(captions)} | {f"distinct-{n}": distinct_n(captions, n) for n in (1, 2)}
    return found | ({"novel": novelty(captions, training)} if training else {})


def _shown(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{100 * value:.1f}"
