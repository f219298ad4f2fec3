from collections import Counter
from dataclasses import replace

import numpy as np
from training.tiny import make_dataset

from minicap.captioning.baselines import (
    from_labels,
    labels_of,
    most_frequent,
    nearest_neighbour,
    random_captions,
)
from minicap.data import load_karpathy

CAPTIONS = [[["a", "dog"], ["one", "dog"]], [["a", "cat"], ["a", "dog"]], [["a", "cat"]]]


def test_the_most_frequent_caption_is_the_same_for_every_image():
    assert most_frequent([*CAPTIONS, [["a", "dog"]]], 3) == ["a dog"] * 3


def test_of_equally_frequent_captions_the_first_in_the_alphabet_is_taken():
    assert most_frequent(CAPTIONS, 1) == most_frequent(CAPTIONS[::-1], 1) == ["a cat"]


def test_random_captions_are_drawn_alike_from_all_and_by_the_seed():
    drawn = random_captions(CAPTIONS, 5000, seed=1)
    assert drawn == random_captions(CAPTIONS, 5000, seed=1)
    assert drawn != random_captions(CAPTIONS, 5000, seed=2)
    share = {text: n / 5000 for text, n in Counter(drawn).items()}
    assert share.keys() == {"a dog", "one dog", "a cat"}
    for text, expected in (("a dog", 0.4), ("one dog", 0.2), ("a cat", 0.4)):
        assert abs(share[text] - expected) < 4 * np.sqrt(expected * (1 - expected) / 5000)


def test_the_nearest_neighbour_is_the_one_of_the_most_similar_standardised_direction():
    features = np.array([[1.0, 0.0], [0.0, 100.0], [-1.0, -100.0]])
    # In units of each channel's deviation, (0.9, 50) is nearer to the first photo; as it is, to the second.
    queries = np.array([[0.1, 0.0], [0.5, 60.0], [0.9, 50.0], [-0.5, -40.0]])
    expected = [CAPTIONS[i][0] for i in (0, 1, 0, 2)]
    assert nearest_neighbour(features, CAPTIONS, queries) == [" ".join(tokens) for tokens in expected]


def test_features_of_zeros_are_far_from_all_but_no_error():
    features = np.array([[0.0, 0.0], [1.0, 0.0]])
    assert nearest_neighbour(features, CAPTIONS[:2], np.array([[2.0, 0.0]])) == ["a cat"]
    assert len(nearest_neighbour(features, CAPTIONS[:2], np.array([[0.0, 0.0]]))) == 1


def test_a_template_names_what_is_there():
    labels = [["dog"], ["person", "umbrella"], ["cat", "oven", "bench"], []]
    assert from_labels(labels) == [
        "a dog",
        "a person and an umbrella",
        "a cat, an oven and a bench",
        "a photo",
    ]


def test_labels_are_those_of_coco(tmp_path):
    dataset = load_karpathy(make_dataset(tmp_path / "data"))
    assert labels_of(dataset, "train") is None
    images = tuple(replace(image, extra={"category_ids": [18, 7]}) for image in dataset.images)
    categories = [{"id": 18, "name": "dog"}, {"id": 19, "name": "horse"}]
    labelled = replace(dataset, images=images, extra={"categories": categories})
    assert labels_of(labelled, "test") == [["dog"]]
    assert labels_of(replace(labelled, extra={"categories": 3}), "test") is None
