"""What a caption rests on, for any captioner: hide a part of the photo, and see which words it doubts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import to_device, to_host
from minicap.captioning.captioner import Captioner
from minicap.nn.attribution import hidden

_PLACES = 7  # a side; the squares overlap by half
_AT_ONCE = 16  # photos that are encoded together


def share_lost(
    captioner: Captioner, image: NDArray[np.float32], words: Sequence[int], places: int = _PLACES
) -> NDArray[np.float32]:
    """The share of its probability that every word loses when a square of the photo is hidden.

    share[t, s] = max(0, 1 - p(word_t | the words before, square s hidden) / p(word_t | the words before))

    A square is 2 / (places + 1) of the photo wide (`minicap.nn.attribution.hidden`).  Source: Zeiler & Fergus
    2014, "Visualizing and Understanding Convolutional Networks", section 4.2.
    image: (3, size, size), as the encoder reads it.  words: T indices.  places: squares a side.
    Returns (T, places^2), row by row.
    """
    photos = np.concatenate([image[None], hidden(image, places)])
    batches = (photos[start : start + _AT_ONCE] for start in range(0, len(photos), _AT_ONCE))
    encode, kind = captioner.encoder.encode, captioner.model.reads
    features = np.concatenate([to_host(encode(batch, kind)) for batch in batches])
    log_probs = log_probabilities(captioner, features, words)
    return np.maximum(0, 1 - np.exp(log_probs[:, 1:] - log_probs[:, :1]))


def log_probabilities(
    captioner: Captioner, features: NDArray[np.float32], words: Sequence[int]
) -> NDArray[np.float32]:
    """How probable each of T words is after those before it, given each of N photos: (T, N).

    features: (N, ...), of the kind that the model reads.
    """
    state = captioner.model.start(to_device(features))
    last, found = captioner.vocabulary.start, []
    for word in words:
        log_probs, state, _ = captioner.model.step(state, to_device(np.full(len(features), last)))
        found.append(to_host(log_probs[:, word]))
        last = word
    return np.stack(found)
