import numpy as np
import pytest
from captioning.models.small import WORDS

from minicap.captioning import Captioner
from minicap.captioning.occlusion import share_lost

DOG, CAT = WORDS.index["dog"], WORDS.index["cats"]


class Corners:
    """Reads the brightness of the four quarters of a photo."""

    def encode(self, images, kind):
        n, _, size, _ = images.shape
        quarters = images.reshape(n, 3, 2, size // 2, 2, size // 2)
        return quarters.mean(axis=(1, 3, 5)).reshape(n, 4)


class Sees:
    """Says "dog" the more, the brighter the top left is; knows nothing of what was said before."""

    reads = "pooled"

    def start(self, features):
        return (features,)

    def step(self, state, words):
        scores = np.zeros((len(words), len(WORDS)))
        scores[:, DOG] = state[0][:, 0]
        return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)), state, {}


@pytest.fixture
def captioner():
    return Captioner(Corners(), WORDS, Sees(), max_words=5)


def test_a_word_loses_where_it_comes_from_and_nowhere_else(captioner):
    lost = share_lost(captioner, np.ones((3, 8, 8), np.float32), [DOG, CAT], places=3)
    assert lost.shape == (2, 9)
    others = len(WORDS) - 1

    def probability(brightness):
        return np.exp(brightness) / (np.exp(brightness) + others)

    # The squares are half the photo wide: the first is the top left quarter, the second half of it.
    expected = 1 - probability(np.array([0, 0.5, 1, 0.5, 0.75, 1, 1, 1, 1])) / probability(1)
    np.testing.assert_allclose(lost[0], expected, rtol=0, atol=1e-6)


def test_a_word_that_becomes_more_probable_loses_nothing(captioner):
    lost = share_lost(captioner, np.ones((3, 8, 8), np.float32), [CAT], places=3)
    np.testing.assert_array_equal(lost, 0)


def test_each_word_is_judged_after_the_words_before_it(captioner, monkeypatch):
    read = []
    step = captioner.model.step
    monkeypatch.setattr(
        captioner.model, "step", lambda state, words: read.append(words.tolist()) or step(state, words)
    )
    share_lost(captioner, np.ones((3, 8, 8), np.float32), [DOG, CAT], places=1)
    assert read == [[WORDS.start] * 2, [DOG] * 2]
