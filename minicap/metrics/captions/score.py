"""All caption metrics at once."""

from collections.abc import Sequence
from typing import TypedDict

from minicap.metrics.captions.arguments import check_pairs
from minicap.metrics.captions.bleu import bleu
from minicap.metrics.captions.cider import cider
from minicap.metrics.captions.rouge import rouge_l
from minicap.metrics.captions.tokenizer import tokenize


class ImageScores(TypedDict):
    bleu: list[float]  # BLEU-1..4
    rouge_l: float
    cider: float


class Scores(ImageScores):
    per_image: list[ImageScores]


def score(candidates: Sequence[str], references: Sequence[Sequence[str]], tokenized: bool = False) -> Scores:
    """BLEU-1..4, ROUGE-L and CIDEr-D of generated captions.

    candidates: one caption per image.  references: a list of human captions per image.
    tokenized: the captions are tokens with white space between them; otherwise `tokenize` splits them.
    Returns {"bleu": [b1, b2, b3, b4], "rouge_l": r, "cider": c, "per_image": [the same per image]}; BLEU and
    ROUGE-L are fractions, CIDEr lies between 0 and 10. The corpus BLEU is not the mean of the images' BLEU.
    Raises InputError when candidates and references do not pair up, or an image has no reference.
    """
    check_pairs("score", candidates, references, tokens=False)
    split = str.split if tokenized else tokenize
    candidate_tokens = [split(candidate) for candidate in candidates]
    reference_tokens = [[split(reference) for reference in refs] for refs in references]
    corpus_bleu, image_bleu = bleu(candidate_tokens, reference_tokens)
    mean_rouge_l, image_rouge_l = rouge_l(candidate_tokens, reference_tokens)
    mean_cider, image_cider = cider(candidate_tokens, reference_tokens)
    per_image = [
        ImageScores(bleu=b, rouge_l=r, cider=c)
        for b, r, c in zip(image_bleu, image_rouge_l, image_cider, strict=True)
    ]
    return Scores(bleu=corpus_bleu, rouge_l=mean_rouge_l, cider=mean_cider, per_image=per_image)
