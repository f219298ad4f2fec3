"""How well images and sentences find each other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minicap.errors import InputError, ShapeError

AT = (1, 5, 10)


def ranks(similarity: NDArray[Any], owner: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The rank of the right answer, 1 for the first: for every image (N,) and every sentence (M,).

    An image looks for sentences, and the best ranked of its own counts; a sentence looks for its image.  Half
    of the wrong answers that are exactly as similar count as before the right one, as on average.
    similarity: (N, M).  owner: (M,) the image that each sentence belongs to.
    Raises ShapeError when the sizes do not fit, InputError when an image has no sentence.
    Source: Hodosh et al. 2013, Framing Image Description as a Ranking Task, section 5.
    """
    if similarity.ndim != 2 or owner.shape != similarity.shape[1:]:
        raise ShapeError(
            f"ranks: similarity {similarity.shape} must be (N, M) and owner {owner.shape} must be (M,)"
        )
    own = owner == np.arange(len(similarity))[:, None]
    if not own.any(axis=1).all():
        raise InputError(f"ranks: image {int(own.any(axis=1).argmin())} has no sentence")
    of_image = np.where(own, similarity, -np.inf).max(axis=1, keepdims=True)
    of_sentence = similarity[owner, np.arange(len(owner))]
    return _places(similarity, of_image, own, axis=1), _places(similarity, of_sentence, own, axis=0)


def _places(similarity: NDArray[Any], right: NDArray[Any], own: NDArray[Any], axis: int) -> NDArray[Any]:
    """One more than the number of wrong answers before the right one; ties count half."""
    wrong = ~own
    before = (wrong & (similarity > right)).sum(axis=axis)
    return 1 + before + (wrong & (similarity == right)).sum(axis=axis) / 2


def recall_and_median(found: NDArray[np.float64]) -> dict[str, float]:
    """The share of ranks that are at most 1, 5 and 10, and the median rank.

    Raises InputError when there are none.
    """
    if not len(found):
        raise InputError("recall_and_median: there are no ranks")
    return {f"r{k}": float((found <= k).mean()) for k in AT} | {"median_rank": float(np.median(found))}


def retrieval_scores(similarity: NDArray[Any], owner: NDArray[Any]) -> dict[str, float]:
    """Recall and median rank both ways, and `mean_recall`, the mean of the six recalls.

    Arguments and errors as in `ranks`.  Names begin with "sentence_" where sentences are found for an image,
    with "image_" where images are found for a sentence.
    """
    of_images, of_sentences = (recall_and_median(found) for found in ranks(similarity, owner))
    recalls = [scores[f"r{k}"] for scores in (of_images, of_sentences) for k in AT]
    return {
        **{f"sentence_{name}": value for name, value in of_images.items()},
        **{f"image_{name}": value for name, value in of_sentences.items()},
        "mean_recall": float(np.mean(recalls)),
    }
