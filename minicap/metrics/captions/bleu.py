"""BLEU."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from minicap.metrics.captions.arguments import MAX_ORDER, Tokens, check_pairs, ngram_counts

# The COCO evaluation's guards against 0 / 0; they show for a single image without a matching 4-gram.
TINY = 1e-15
SMALL = 1e-9


def bleu(
    candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]
) -> tuple[list[float], list[list[float]]]:
    """BLEU-1..4 of the whole corpus, and of every image by itself.

    p_n = n-grams of the candidates that occur in their references / n-grams of the candidates,
    where an n-gram counts at most as often as it does in one of the image's references;
    BLEU-N = min(1, exp(1 - r / c)) (p_1 ... p_N)^(1/N),
    with c the words of the candidates and r those of the references closest in length (the shorter of two).
    For the corpus, counts are summed over the images before they are divided: it is not the images' mean.

    candidates: a token list per image.  references: lists of token lists.
    Returns ([BLEU-1, ..., BLEU-4], the same for every image), fractions.
    Raises InputError when candidates and references do not pair up.
    Source: Papineni et al. 2002, BLEU: a Method for Automatic Evaluation of Machine Translation, section 2.3.
    """
    check_pairs("bleu", candidates, references, tokens=True)
    matches = np.array([clipped_matches(c, refs) for c, refs in zip(candidates, references, strict=True)])
    length = np.array([len(candidate) for candidate in candidates])
    reference_length = np.array(
        [closest_length(len(c), refs) for c, refs in zip(candidates, references, strict=True)]
    )
    total = np.maximum(0, length[:, None] - np.arange(MAX_ORDER))
    corpus = bleu_of_counts(matches.sum(axis=0), total.sum(axis=0), length.sum(), reference_length.sum())
    return corpus.tolist(), bleu_of_counts(matches, total, length, reference_length).tolist()


def clipped_matches(candidate: Tokens, references: Sequence[Tokens]) -> list[int]:
    """For n = 1..4, the candidate's n-grams that are in a reference, each at most as often as there."""
    matches = []
    for order in range(1, MAX_ORDER + 1):
        counts = ngram_counts(candidate, order)
        found = [counts & ngram_counts(reference, order) for reference in references]
        matches.append(sum(max(match[ngram] for match in found) for ngram in counts))
    return matches


def closest_length(length: int, references: Sequence[Tokens]) -> int:
    """Length of the reference closest to `length`; of two equally close, the shorter."""
    return min((len(reference) for reference in references), key=lambda r: (abs(r - length), r))


def bleu_of_counts(
    matches: npt.ArrayLike, total: npt.ArrayLike, length: npt.ArrayLike, reference_length: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """BLEU-1..4, (..., 4), from counts.  matches, total: (..., 4).  length, reference_length: (...)."""
    precision = (np.asarray(matches) + TINY) / (np.asarray(total) + SMALL)
    ratio = (np.asarray(length) + TINY) / (np.asarray(reference_length) + SMALL)
    brevity = np.exp(np.minimum(0, 1 - 1 / ratio))
    return np.cumprod(precision, axis=-1) ** (1 / np.arange(1, MAX_ORDER + 1)) * brevity[..., None]
