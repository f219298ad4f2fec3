import numpy as np
import pytest

from minicap.captioning.examples import CaptionExamples, partial_captions
from minicap.errors import InputError, ShapeError
from minicap.vocabulary import Vocabulary

CAPTIONS = [[["a", "dog", "runs"], ["a"]], [], [["a", "cat"], []]]
FEATURES = np.arange(6, dtype=np.float32).reshape(3, 2)
WORDS = Vocabulary.build([caption for of_image in CAPTIONS for caption in of_image])
A, CAT, DOG, RUNS = (WORDS.index[word] for word in ("a", "cat", "dog", "runs"))


def test_every_caption_of_every_image_is_an_example():
    assert len(CaptionExamples(FEATURES, CAPTIONS, WORDS)) == 4


def test_a_batch_holds_the_words_and_each_next_word():
    batch = CaptionExamples(FEATURES, CAPTIONS, WORDS).batch(np.array([0, 2, 1]))
    start, end, pad = WORDS.start, WORDS.end, WORDS.pad
    assert batch["words"].tolist() == [[start, A, DOG, RUNS], [start, A, CAT, pad], [start, A, pad, pad]]
    assert batch["next_words"].tolist() == [[A, DOG, RUNS, end], [A, CAT, end, pad], [A, end, pad, pad]]
    assert batch["mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]]
    assert batch["features"].tolist() == [[0, 1], [4, 5], [0, 1]]


def test_partial_captions_are_a_row_for_every_word_with_what_came_before_it():
    batch = CaptionExamples(FEATURES, CAPTIONS, WORDS).batch(np.array([2, 1]))
    start, end, pad = WORDS.start, WORDS.end, WORDS.pad
    partial = partial_captions(batch | {"weights": np.array([0.5, 2.0])})
    assert partial["words"].tolist() == [
        [start, pad, pad],
        [start, A, pad],
        [start, A, CAT],
        [start, pad, pad],
        [start, A, pad],
    ]
    assert (partial["next_words"] * partial["mask"]).sum(axis=1).tolist() == [A, CAT, end, A, end]
    assert partial["mask"].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert partial["features"].tolist() == [[4, 5]] * 3 + [[0, 1]] * 2
    assert partial["weights"].tolist() == [0.5, 0.5, 0.5, 2.0, 2.0]


def test_an_empty_caption_is_its_end_alone():
    batch = CaptionExamples(FEATURES, CAPTIONS, WORDS).batch(np.array([3]))
    assert batch["words"].tolist() == [[WORDS.start]]
    assert batch["next_words"].tolist() == [[WORDS.end]]


def test_a_long_caption_is_cut_and_still_ends():
    batch = CaptionExamples(FEATURES, CAPTIONS, WORDS, max_words=2).batch(np.array([0]))
    assert batch["next_words"].tolist() == [[A, DOG, WORDS.end]]


def test_words_are_integers_and_the_mask_has_the_dtype_of_the_features():
    batch = CaptionExamples(FEATURES, CAPTIONS, WORDS).batch(np.array([0, 1]))
    assert batch["words"].dtype == batch["next_words"].dtype == np.int64
    assert batch["features"].dtype == batch["mask"].dtype == np.float32


def test_features_may_stay_on_the_disk(tmp_path):
    np.save(tmp_path / "features.npy", FEATURES)
    on_disk = np.load(tmp_path / "features.npy", mmap_mode="r")
    batch = CaptionExamples(on_disk, CAPTIONS, WORDS).batch(np.array([2, 0]))
    assert type(batch["features"]) is np.ndarray
    np.testing.assert_array_equal(batch["features"], FEATURES[[2, 0]])


def test_features_of_another_number_of_images_are_a_shape_error():
    with pytest.raises(ShapeError, match="2 rows of features but 3 images"):
        CaptionExamples(FEATURES[:2], CAPTIONS, WORDS)


@pytest.mark.parametrize("max_words", [0, -1])
def test_captions_of_no_words_are_refused(max_words):
    vocabulary = Vocabulary.build([["a"]])
    with pytest.raises(InputError, match=r"CaptionExamples: max_words is .* but must be at least 1"):
        CaptionExamples(np.ones((1, 3), np.float32), [[["a"]]], vocabulary, max_words)
