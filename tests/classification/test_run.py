import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from classification.sets import write_digits, write_photo_folders

from minicap.arrays.random import RandomStream
from minicap.classification import Classifier, evaluate
from minicap.classification.run import (
    ClassifierRunConfig,
    ClassifierTrainingConfig,
    LabelledDataConfig,
    fingerprint,
    load_splits,
    make_trainer,
)
from minicap.data import Preprocess
from minicap.errors import InputError
from minicap.formats import defaults, descriptions, toml_value
from minicap.layers import softmax_loss
from minicap.models import CLASSIFIER_SETTINGS
from minicap.models.registry import FastCifarConfig, ResNetConfig, SmallNetworkConfig
from minicap.nn import PatchWhitening
from minicap.training import RunFolder, TrainingConfig

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def config(tmp_path):
    return ClassifierRunConfig(
        LabelledDataConfig(path=str(write_photo_folders(tmp_path / "photos")), size=16, validation=0.25),
        SmallNetworkConfig("lenet"),
        ClassifierTrainingConfig(epochs=4, batch_size=6, learning_rate=3e-3),
    )


def test_the_settings_come_back_from_config_toml(config, tmp_path):
    config = replace(config, data=replace(config.data, augment={"flip": 0.5, "shift": 2.0}))
    (tmp_path / "config.toml").write_text(config.to_toml(), encoding="utf-8")
    assert ClassifierRunConfig.read(tmp_path / "config.toml") == config


def test_accuracy_decides_which_epoch_is_the_best_unless_told_otherwise():
    assert ClassifierRunConfig.from_tables({}, "here").training.monitor == "accuracy"
    loss = ClassifierRunConfig.from_tables({"training": {"monitor": "validation_loss"}}, "here")
    assert loss.training.monitor == "validation_loss"


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"model": {"name": "cnn9"}}, r'unknown model \'cnn9\' \(did you mean "cnn'),
        ({"model": {"name": "lenet", "depth": 3}}, r'here \[model\]: unknown key "depth"'),
        ({"data": {"name": "cifar"}}, r'unknown data set \'cifar\' \(did you mean "cifar10"\?\)'),
        ({"data": {"augment": {"flap": 0.5}}}, r'unknown augmentation \'flap\' \(did you mean "flip"\?\)'),
        ({"data": {"augment": {"shift": 1.5}}}, r"shift: 1\.5 is not a whole number of pixels"),
        ({"data": {"validation": 1.0}}, r"validation is 1\.0 but must be at least 0 and below 1"),
        ({"data": {"size": 0}}, "size is 0"),
        ({"training": {"label_smoothing": 1.5}}, r"label_smoothing is 1\.5 but must be from 0 to 1"),
        ({"encoder": {}}, 'unknown table "encoder"; the tables are data, model, training'),
        ({"application": "captioner"}, "here holds the settings of a captioner, not of a classifier"),
    ],
)
def test_mistakes_in_the_settings_are_named(tables, message):
    with pytest.raises(InputError, match=message):
        ClassifierRunConfig.from_tables(tables, "here")


def test_a_share_of_the_training_set_is_held_out_by_its_seed(config):
    splits = load_splits(config.data)
    assert {name: len(split) for name, split in splits.items()} == {"train": 18, "val": 6}
    same, other = load_splits(config.data), load_splits(replace(config.data, split_seed=1))
    np.testing.assert_array_equal(same["val"].x, splits["val"].x)
    assert (other["val"].y.tolist(), other["val"].x.tolist()) != (
        splits["val"].y.tolist(),
        splits["val"].x.tolist(),
    )


def test_a_validation_set_of_its_own_is_taken_as_it_is(tmp_path):
    folder = write_photo_folders(tmp_path / "photos", ("train", "val", "test"), count=2)
    splits = load_splits(LabelledDataConfig(path=str(folder), size=16))
    assert {name: len(split) for name, split in splits.items()} == {"train": 6, "val": 6, "test": 6}


def test_every_split_is_prepared_by_the_training_photos_and_these_alone_are_augmented(config):
    splits = load_splits(replace(config.data, augment={"flip": 1.0}))
    batch = splits["train"].batch(np.arange(18))["x"]
    np.testing.assert_allclose(batch.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    assert splits["val"].mean == splits["train"].mean
    assert splits["val"].augment is None
    assert splits["train"].augment is not None


@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_photos_may_be_prepared_as_a_pretrained_network_asks(config, channels):
    asked = Preprocess("x", 16, 16, channels=channels, scale=2.0, mean=(10, 20, 30), std=(1, 2, 4))
    batch = load_splits(config.data, asked)["train"].batch(np.arange(3))["x"]
    pixels = load_splits(config.data)["train"].x[:3, :: -1 if channels == "BGR" else 1].astype(np.float32)
    per_channel = np.array([[10, 20, 30], [1, 2, 4]], np.float32)[:, :, None, None]
    expected = (2 * pixels - per_channel[0]) / per_channel[1]
    np.testing.assert_allclose(batch[:, :: -1 if channels == "BGR" else 1], expected, rtol=1e-4, atol=1e-3)


def test_a_network_learns_three_colours(config, tmp_path):
    splits = load_splits(config.data)
    classifier, trainer = make_trainer(config, RunFolder(tmp_path / "run"), splits)
    records = trainer.fit()
    assert records[-1]["accuracy"] == 1
    assert evaluate(classifier, splits["val"]).accuracy == 1
    loaded = Classifier.load(tmp_path / "run")
    assert loaded.classes == ("blue", "green", "red")
    assert loaded.origin.endswith("chosen by accuracy on validation photos")
    photo = tmp_path / "photos" / "red" / "3.png"
    assert loaded.classify(photo)[0][0][0] == "red"


def test_without_validation_the_training_loss_decides(config, tmp_path):
    config = replace(config, data=replace(config.data, validation=0.0))
    splits = load_splits(config.data)
    assert set(splits) == {"train"}
    _, trainer = make_trainer(config, RunFolder(tmp_path / "run"), splits)
    trainer.fit()
    assert Classifier.load(tmp_path / "run").origin.endswith("chosen by training loss")


def test_a_subset_is_drawn_from_the_photos_that_are_not_held_out(tmp_path):
    data = LabelledDataConfig("mnist", str(write_digits(tmp_path / "digits")), subset=10)
    splits, whole = load_splits(data), load_splits(replace(data, subset=0))
    assert {name: len(split) for name, split in splits.items()} == {"train": 10, "test": 20, "val": 4}
    np.testing.assert_array_equal(splits["val"].x, whole["val"].x)
    left = {image.tobytes() for image in whole["train"].x}
    assert len({image.tobytes() for image in splits["train"].x} & left) == 10
    np.testing.assert_array_equal(load_splits(data)["train"].x, splits["train"].x)
    with pytest.raises(InputError, match="subset is 37 but there are 36 photos to train on"):
        load_splits(replace(data, subset=37))


def test_what_cutout_hides_is_zero_to_the_network_as_the_mean_colour_is(config):
    splits = load_splits(replace(config.data, augment={"cutout": 8.0}))
    x = splits["train"].batch(np.arange(6), RandomStream(0))["x"]
    assert ((x == 0).all(axis=1).sum(axis=(1, 2)) >= 16).all()  # a quarter of the square at least


def test_grey_photos_are_trained_on_and_classified(tmp_path):
    data = LabelledDataConfig("mnist", str(write_digits(tmp_path / "digits")))
    config = ClassifierRunConfig(data, SmallNetworkConfig("mlp"), ClassifierTrainingConfig(epochs=1))
    splits = load_splits(data)
    assert {name: len(split) for name, split in splits.items()} == {"train": 36, "test": 20, "val": 4}
    classifier, trainer = make_trainer(config, RunFolder(tmp_path / "run"), splits)
    trainer.fit()
    assert Classifier.load(tmp_path / "run").channels == 1
    assert evaluate(classifier, splits["test"]).scores.shape == (20, 10)


def test_photos_that_the_network_cannot_read_are_told(config, tmp_path):
    data = LabelledDataConfig("mnist", str(write_digits(tmp_path / "digits")))
    with pytest.raises(InputError, match="resnet reads photos in colour, but these are 1 x 8 x 8"):
        make_trainer(
            ClassifierRunConfig(data, ResNetConfig()), RunFolder(tmp_path / "run"), load_splits(data)
        )


def test_a_run_knows_its_photos_labels_and_settings(config):
    splits = load_splits(config.data)
    before = fingerprint(config, splits)
    moved = replace(config, data=replace(config.data, path="elsewhere"))
    assert fingerprint(moved, splits) == before
    brighter = splits | {"train": replace(splits["train"], x=splits["train"].x + 1)}
    swapped = splits | {"val": replace(splits["val"], y=splits["val"].y[::-1].copy())}
    for changed, name in ((brighter, "the photos for training"), (swapped, "the labels for validation")):
        after = fingerprint(config, changed)
        assert [key for key in before if before[key] != after[key]] == [name]


def test_labels_are_smoothed_in_training_where_the_settings_say_so(config, tmp_path):
    config = replace(config, training=replace(config.training, label_smoothing=0.3))
    splits = load_splits(config.data)
    classifier, trainer = make_trainer(config, RunFolder(tmp_path / "run"), splits)
    batch = splits["train"].batch(np.arange(6), None)
    scores = classifier.model.scores(batch)
    expected, _ = softmax_loss(scores, batch["y"], label_smoothing=0.3)
    assert trainer.loss(batch, RandomStream(0)).loss == pytest.approx(float(expected), rel=1e-5)


def test_a_missing_data_set_is_named(tmp_path):
    with pytest.raises(InputError, match="say in which folder the data set cifar10 lies"):
        load_splits(LabelledDataConfig("cifar10"))
    with pytest.raises(
        InputError, match=r"no: there is no such folder; cifar10 is expected there as data_batch_1"
    ):
        load_splits(LabelledDataConfig("cifar10", str(tmp_path / "no")))
    with pytest.raises(InputError, match="has no CIFAR-10"):
        load_splits(LabelledDataConfig("cifar10", str(tmp_path)))


def test_the_guide_has_every_setting_with_its_default_and_meaning():
    kinds = [("data", LabelledDataConfig)]
    kinds += [("model", kind) for kind in dict.fromkeys(CLASSIFIER_SETTINGS.values())]
    rows = [
        f"| `{table}` | `{name}` | `{toml_value(default)}` | {descriptions(kind)[name]} |"
        for table, kind in [*kinds, ("training", ClassifierTrainingConfig)]
        for name, default in defaults(kind).items()
        if table != "training" or default != defaults(TrainingConfig).get(name)
    ]
    guide = (Path(__file__).parents[2] / "docs" / "classification.md").read_text(encoding="utf-8")
    listed = [line for line in guide.splitlines() if re.match(r"\| `(data|model|training)` \|", line)]
    assert listed == rows, "docs/classification.md should have these lines:\n" + "\n".join(rows)


def test_the_test_set_is_watched_but_chooses_nothing(config, tmp_path):
    write_photo_folders(tmp_path / "split", ("train", "val", "test"))
    data = replace(config.data, path=str(tmp_path / "split"))
    training = replace(config.training, epochs=1, watch_test=True)
    splits = load_splits(data)
    classifier, trainer = make_trainer(
        replace(config, data=data, training=training), RunFolder(tmp_path / "run"), splits
    )
    [record] = trainer.fit()
    assert record["test_accuracy"] == evaluate(classifier, splits["test"]).accuracy
    assert trainer.monitor.name == "accuracy"
    del splits["val"]
    _, trainer = make_trainer(
        replace(config, data=data, training=training), RunFolder(tmp_path / "all"), splits
    )
    assert trainer.monitor.name == "train_loss"
    del splits["test"]
    with pytest.raises(InputError, match="watch_test: this data set has no test photos"):
        make_trainer(replace(config, training=training), RunFolder(tmp_path / "other"), splits)


def test_whitening_takes_its_filters_from_the_training_photos(config, tmp_path):
    config = replace(config, model=FastCifarConfig(widths=(4, 4, 4)), data=replace(config.data, size=32))
    splits = load_splits(config.data)
    classifier, _ = make_trainer(config, RunFolder(tmp_path / "run"), splits)
    expected = PatchWhitening(3).initialize(0)
    expected.fit(splits["train"].prepared(splits["train"].x))
    np.testing.assert_array_equal(classifier.model.state["net.whitening1.w"], expected.state["w"])


def test_flips_alternate_where_the_settings_say_so(config):
    assert not load_splits(config.data)["train"].alternate
    splits = load_splits(replace(config.data, alternate_flip=True))
    assert splits["train"].alternate
    assert not splits["val"].alternate


def test_the_config_of_the_record_says_9_9_epochs_of_cifar10():
    config = ClassifierRunConfig.read(CONFIGS / "cifar10-record.toml")
    assert config.model.name == "fast_cifar"
    assert config.training.steps_of(50_000) == 485
