"""What models say about a photo."""

from math import exp

import numpy as np
import pytest
from web.conftest import encoded

from minicap.captioning import Captioner
from minicap.classification import Classifier
from minicap.data import Preprocess
from minicap.models.registry import SmallNetworkConfig
from minicap.web.answers import describe, hide
from minicap.web.refusal import Refusal
from minicap.web.upload import Photo


@pytest.fixture(scope="module")
def photo() -> Photo:
    return Photo(encoded((320, 200)), 10**6)


@pytest.fixture(scope="module")
def shipped() -> Captioner:
    return Captioner.shipped()


@pytest.fixture(scope="module")
def attentive(runs_folder) -> Captioner:
    return Captioner.load(runs_folder / "mine")


def shape(maps):
    return np.array(maps).shape


def test_captions_are_those_of_minicap_caption(shipped, photo, tmp_path):
    file = tmp_path / "photo.jpg"
    file.write_bytes(photo.data)
    expected = shipped.decode(shipped.features(file), beam=4)[0]
    found = describe(shipped, photo, 4, 5)["captions"]
    assert [c["caption"] for c in found] == [shipped.text(h) for h in expected]
    assert [c["probability"] for c in found] == pytest.approx([exp(h.log_prob) for h in expected], rel=1e-5)
    assert [" ".join(c["words"]) for c in found] == [c["caption"] for c in found]


def test_a_captioner_with_attention_says_where_it_looked_before_each_word(attentive, photo):
    for caption in describe(attentive, photo, 3, 5)["captions"]:
        assert shape(caption["maps"]) == (len(caption["words"]), 7, 7)
        assert np.array(caption["maps"]).max(axis=(1, 2)) == pytest.approx(1)  # the brightest place
        assert np.array(caption["maps"]).min() >= 0


def test_hiding_parts_gives_a_map_for_each_word(shipped, photo):
    found = hide(shipped, photo, "a dog")
    assert found["words"] == ["a", "dog"]
    assert shape(found["maps"]) == (2, 7, 7)


def test_only_words_that_the_captioner_knows_can_be_explained(shipped, attentive, photo):
    for caption in ("a zyzzyva", "", "a " * 500):
        with pytest.raises(Refusal, match="cannot say this"):
            hide(shipped, photo, caption)
    with pytest.raises(Refusal, match="is for captioners"):
        hide(Classifier.shipped(), photo, "a dog")


def test_maps_are_for_the_part_that_the_model_sees(shipped, photo):
    left, top, right, bottom = describe(shipped, photo, 1, 5)["seen"]  # nearly all: 224 of 232 pixels
    assert 0 < left < 0.02 < 0.98 < right < 1
    assert 0 < top < 0.02 < 0.98 < bottom < 1


def test_classes_come_with_probabilities_and_where_their_features_are(photo):
    classifier = Classifier.shipped()
    found = describe(classifier, photo, 1, 3)["classes"]
    best = classifier.best(photo.pixels(2 * classifier.preprocess.resize_to), 3)
    assert [(c["class"], c["probability"]) for c in found] == [(classifier.classes[i], p) for i, p in best]
    assert {shape(c["map"]) for c in found} == {(7, 7)}


def test_a_classifier_without_convolutions_has_no_maps(photo):
    preprocess = Preprocess(name="tiny", size=8, resize_to=8)
    classifier = Classifier.create(SmallNetworkConfig(name="mlp"), ["cat", "dog"], preprocess)
    classifier.model.initialize(0)
    found = describe(classifier, photo, 1, 5)
    assert [set(c) for c in found["classes"]] == [{"class", "probability"}] * 2
