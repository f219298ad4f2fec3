"""Caption metrics: BLEU-1..4, ROUGE-L and CIDEr-D, equal to the COCO caption evaluation's numbers."""

from minicap.metrics.captions.bleu import bleu
from minicap.metrics.captions.cider import CiderCorpus, cider
from minicap.metrics.captions.diversity import distinct_n, novelty, vocabulary_used
from minicap.metrics.captions.java import meteor, require_meteor, require_spice, spice
from minicap.metrics.captions.rouge import rouge_l
from minicap.metrics.captions.score import ImageScores, Scores, score
from minicap.metrics.captions.tokenizer import tokenize

__all__ = [
    "CiderCorpus",
    "ImageScores",
    "Scores",
    "bleu",
    "cider",
    "distinct_n",
    "meteor",
    "novelty",
    "require_meteor",
    "require_spice",
    "rouge_l",
    "score",
    "spice",
    "tokenize",
    "vocabulary_used",
]
