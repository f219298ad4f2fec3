"""Caption metrics: BLEU-1..4, ROUGE-L and CIDEr-D, equal to the COCO caption evaluation's numbers."""

from minicap.captioning.metrics.bleu import bleu
from minicap.captioning.metrics.cider import cider
from minicap.captioning.metrics.diversity import distinct_n, novelty, vocabulary_used
from minicap.captioning.metrics.rouge import rouge_l
from minicap.captioning.metrics.score import ImageScores, Scores, score
from minicap.captioning.metrics.tokenizer import tokenize

__all__ = [
    "ImageScores",
    "Scores",
    "bleu",
    "cider",
    "distinct_n",
    "novelty",
    "rouge_l",
    "score",
    "tokenize",
    "vocabulary_used",
]
