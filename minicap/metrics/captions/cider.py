"""CIDEr, in its CIDEr-D form."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from minicap.metrics.captions.arguments import MAX_ORDER, NGram, Tokens, check_pairs, ngram_counts

SIGMA = 6.0  # words; width of the penalty on a difference in length


class TfIdf(NamedTuple):
    length: int  # words of the caption
    weights: list[dict[NGram, float]]  # for n = 1..4
    norms: list[float]  # Euclidean, for n = 1..4


def cider(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> tuple[float, list[float]]:
    """CIDEr-D: cosine of tf-idf weighted n-grams, so that rare phrases count more than common ones.

    g(w) = count of n-gram w in the caption * log(images / images with w in a reference);
    CIDEr-D_n = 10 mean over s of exp(-(l_c - l_s)^2 / (2 sigma^2)) min(g_c, g_s) . g_s / (|g_c| |g_s|),
    c the candidate, s each reference, l a length in words, sigma = 6;
    CIDEr-D = mean of CIDEr-D_n over n = 1..4.

    The document frequencies come from these references, so a score belongs to its set of images, and a single
    image scores 0 (log 1 = 0).

    candidates: a token list per image.  references: lists of token lists.
    Returns (mean over the images, one score per image), each between 0 and 10.
    Raises InputError when candidates and references do not pair up.
    Source: Vedantam et al. 2015, CIDEr: Consensus-based Image Description Evaluation, section 3 and
    section 7 (CIDEr-D), words not stemmed; the COCO caption evaluation prints this as "CIDEr".
    """
    check_pairs("cider", candidates, references, tokens=True)
    corpus = CiderCorpus(references)
    per_image = [corpus.score(image, candidate) for image, candidate in enumerate(candidates)]
    return sum(per_image) / len(per_image), per_image


class CiderCorpus:
    """The references of a set of images, weighted once, to score many captions of them.

    references: lists of token lists.
    """

    def __init__(self, references: Sequence[Sequence[Tokens]]) -> None:
        counted = [[count_orders(reference) for reference in refs] for refs in references]
        self.images, self.idf = len(references), inverse_document_frequency(counted)
        self.weighted = [
            [self._weigh(reference, counts) for reference, counts in zip(refs, ref_counts, strict=True)]
            for refs, ref_counts in zip(references, counted, strict=True)
        ]

    def score(self, image: int, candidate: Tokens) -> float:
        """CIDEr-D of a caption of this image."""
        g_c, references = self._weigh(candidate, count_orders(candidate)), self.weighted[image]
        return 10 * sum(clipped_similarity(g_c, g_s) for g_s in references) / len(references)

    def _weigh(self, tokens: Tokens, counts: Sequence[Counter[NGram]]) -> TfIdf:
        return tf_idf(len(tokens), counts, self.idf, self.images)


def count_orders(tokens: Tokens) -> list[Counter[NGram]]:
    return [ngram_counts(tokens, order) for order in range(1, MAX_ORDER + 1)]


def inverse_document_frequency(counted: Sequence[Sequence[Sequence[Counter[NGram]]]]) -> dict[NGram, float]:
    """log(images / images whose references hold the n-gram).  counted: image, reference, order."""
    document_frequency: Counter[NGram] = Counter()
    for refs in counted:
        document_frequency.update({ngram for orders in refs for counts in orders for ngram in counts})
    return {ngram: math.log(len(counted) / images) for ngram, images in document_frequency.items()}


def tf_idf(length: int, orders: Sequence[Counter[NGram]], idf: dict[NGram, float], images: int) -> TfIdf:
    """Weights of a caption's n-grams; one in no reference is weighted as if one image had it."""
    unseen = math.log(images)
    weights = [{w: count * idf.get(w, unseen) for w, count in counts.items()} for counts in orders]
    return TfIdf(length, weights, [math.sqrt(sum(g * g for g in vector.values())) for vector in weights])


def clipped_similarity(candidate: TfIdf, reference: TfIdf) -> float:
    """Mean over n of the clipped cosine, reduced for a difference in length."""
    cosines = 0.0
    for g_c, g_s, norm_c, norm_s in zip(
        candidate.weights, reference.weights, candidate.norms, reference.norms, strict=True
    ):
        if norm_c and norm_s:
            product = sum(min(weight, g_s[w]) * g_s[w] for w, weight in g_c.items() if w in g_s)
            cosines += product / (norm_c * norm_s)
    penalty = math.exp(-((candidate.length - reference.length) ** 2) / (2 * SIGMA**2))
    return penalty * cosines / MAX_ORDER
