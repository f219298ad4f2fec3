"""Metrics as a table in the terminal."""

from collections.abc import Mapping

from minicap.metrics.captions import Scores


def print_scores(rows: Mapping[str, Scores]) -> None:
    """A line a system; all metrics times 100, as papers print them."""
    width = max(len(name) for name in rows)
    print(f"{'':{width}}  BLEU-1  BLEU-2  BLEU-3  BLEU-4  ROUGE-L  CIDEr   (x100)")
    for name, metrics in rows.items():
        bleu = "  ".join(f"{100 * b:6.1f}" for b in metrics["bleu"])
        print(f"{name:{width}}  {bleu}  {100 * metrics['rouge_l']:7.1f}  {100 * metrics['cider']:5.1f}")
