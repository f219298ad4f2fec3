from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from minicap.captioning import Captioner
from minicap.classification import Classifier
from minicap.data import ArrayDataset, Preprocess
from minicap.errors import FormatError, InputError
from minicap.formats import Checkpoint, load_checkpoint, save_checkpoint
from minicap.models.registry import ResNetConfig, SmallNetworkConfig

CLASSES = ("cat", "dog", "frog")
PREPROCESS = Preprocess("test", 16, 16, scale=1 / 255, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))


def small(name="softmax", channels=3):
    classifier = Classifier.create(SmallNetworkConfig(name), CLASSES, PREPROCESS, channels)
    classifier.model.initialize(seed=3)
    return classifier


def test_a_photo_is_fitted_to_the_networks_input(rng):
    classifier = small()
    for shape in ((16, 16, 3), (100, 40, 3), (3, 500, 3)):
        prepared = classifier.prepared(rng.integers(256, size=shape).astype(np.uint8))
        assert prepared.shape == (3, 16, 16)
        assert prepared.dtype == np.float32


def test_a_photo_is_prepared_as_a_batch_of_the_set_it_comes_from(rng):
    x = rng.integers(256, size=(2, 3, 16, 16)).astype(np.uint8)
    dataset = ArrayDataset(x, np.arange(2), mean=PREPROCESS.mean, std=PREPROCESS.std)
    prepared = small().prepared(x[1].transpose(1, 2, 0))
    # Both round a few times: scaling by 1/255 or dividing by 255, taking out mean and std.
    np.testing.assert_allclose(prepared, dataset.batch(np.array([1]))["x"][0], rtol=1e-5, atol=1e-6)


def test_a_network_of_grey_photos_sees_colours_as_grey():
    classifier = small(channels=1)
    photo = np.full((20, 20, 3), (255, 0, 0), np.uint8)
    prepared = classifier.prepared(photo)
    assert prepared.shape == (1, 16, 16)
    grey = 76  # 0.299 of 255, the weight of red in luma (ITU-R 601)
    np.testing.assert_allclose(prepared, (grey / 255 - 0.4) / 0.2, rtol=1e-5)


def test_classes_come_with_their_probabilities_best_first(tmp_path):
    photos = []
    for number in range(2):
        photos.append(tmp_path / f"{number}.png")
        Image.new("RGB", (30, 20), (200 * number, 90, 10)).save(photos[-1])
    classifier = small()
    for found in classifier.classify(photos):
        assert {name for name, _ in found} == set(CLASSES)
        probabilities = [p for _, p in found]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1, abs=1e-6)
    assert classifier.classify(photos[0], top=2)[0] == classifier.classify(photos)[0][:2]


def test_a_file_that_is_no_photo_is_named(tmp_path):
    (tmp_path / "no.jpg").write_bytes(b"no photo")
    with pytest.raises(InputError, match=r"no\.jpg: not an image"):
        small().classify(tmp_path / "no.jpg")


def test_scores_do_not_depend_on_the_size_of_the_batches(rng):
    classifier = small("lenet")
    images = rng.normal(size=(5, 3, 16, 16)).astype(np.float32)
    np.testing.assert_allclose(
        classifier.scores(images, batch_size=2), classifier.scores(images), rtol=1e-4, atol=1e-5
    )


def test_a_saved_classifier_gives_the_same_answers(tmp_path, rng):
    classifier = small("cnn2")
    classifier.save(tmp_path / "a.safetensors", np.float32)
    loaded = Classifier.load(tmp_path / "a.safetensors")
    photo = rng.integers(256, size=(40, 30, 3)).astype(np.uint8)
    np.testing.assert_array_equal(loaded.probabilities(photo), classifier.probabilities(photo))
    assert (loaded.classes, loaded.preprocess, loaded.config) == (CLASSES, PREPROCESS, classifier.config)


def test_running_statistics_are_saved_too(tmp_path):
    classifier = Classifier.create(ResNetConfig(width=4), CLASSES, PREPROCESS)
    classifier.model.initialize(seed=0)
    classifier.save(tmp_path / "a.safetensors")
    assert (
        set(Classifier.load(tmp_path / "a.safetensors").model.state) == set(classifier.model.state) != set()
    )


def test_the_shipped_one_knows_imagenet():
    classifier = Classifier.shipped()
    assert len(classifier.classes) == 1000
    assert classifier.prepared(np.zeros((50, 80, 3), np.uint8)).shape == (3, 224, 224)


def test_the_shipped_one_can_be_saved_like_any_other(tmp_path):
    Classifier.shipped().save(tmp_path / "a.safetensors", np.float32)
    assert Classifier.load(tmp_path / "a.safetensors").classes == Classifier.shipped().classes


def test_one_class_is_none():
    with pytest.raises(InputError, match="needs two classes or more, not 1"):
        Classifier.create(SmallNetworkConfig(), ("cat",), PREPROCESS)


def test_a_captioner_is_no_classifier(tmp_path):
    Captioner.shipped().save(tmp_path / "captioner.safetensors")
    with pytest.raises(FormatError, match=r"captioner\.safetensors holds 'captioner', not a classifier"):
        Classifier.load(tmp_path / "captioner.safetensors")


def test_a_classifier_is_no_captioner(tmp_path):
    small().save(tmp_path / "a.safetensors")
    with pytest.raises(FormatError, match=r"holds 'classifier', not a captioner"):
        Captioner.load(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"name": "lenot"}}, r"unknown model 'lenot' \(did you mean \"lenet\"\?\)"),
        ({"model": {"name": "lenet", "depth": 3}}, 'unknown key "depth"'),
        ({"model": 3}, "a.safetensors: "),
        ({"model": {"name": "cnn1"}}, "does not fit its own description"),
        ({"classes": ["cat", "dog"]}, "does not fit its own description"),
        ({"classes": ["cat"]}, "needs two classes"),
        ({"classes": "cat"}, "its classes are not a list of names"),
        ({"classes": [1, 2, 3]}, "its classes are not a list of names"),
        ({"channels": 2}, "channels is 2 but must be 1 or 3"),
        ({"channels": True}, "channels is True but must be 1 or 3"),
        ({"preprocess": "{}"}, "key 'channels' is missing|key 'name' is missing"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(tmp_path, change, message):
    path = tmp_path / "a.safetensors"
    small().save(path)
    checkpoint = load_checkpoint(path)
    save_checkpoint(path, checkpoint._replace(about=checkpoint.about | change))
    with pytest.raises(FormatError, match=message):
        Classifier.load(path)


@pytest.mark.parametrize("key", ["model", "classes", "channels", "preprocess"])
def test_a_description_without_one_of_its_parts_is_refused(tmp_path, key):
    about = small().about()
    del about[key]
    with pytest.raises(FormatError, match=f"'{key}' is missing"):
        Classifier.from_checkpoint(Checkpoint({}, {}, {}, about))


def test_a_preprocessing_that_fits_no_network_is_refused():
    about = small().about() | {"preprocess": replace(PREPROCESS, size=4, resize_to=4).to_json()}
    with pytest.raises(FormatError, match="reads photos of 8 x 8 pixels or more"):
        Classifier.from_checkpoint(Checkpoint({}, {}, {}, about))
