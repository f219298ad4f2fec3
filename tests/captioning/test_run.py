import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from training.tiny import make_dataset

from minicap.captioning import Captioner, ShowAndTellConfig
from minicap.captioning.models import MODEL_SETTINGS
from minicap.captioning.reinforce import ReinforceConfig
from minicap.captioning.run import (
    CaptionDataConfig,
    CaptionRunConfig,
    CaptionTrainingConfig,
    evaluate,
    make_trainer,
    settings_for,
)
from minicap.captioning.splits import Split
from minicap.data import load_karpathy
from minicap.errors import InputError
from minicap.formats import defaults, descriptions, toml_value
from minicap.models.encoders import ENCODER_SETTINGS
from minicap.optim import Group
from minicap.training import RunFolder

CONFIG = CaptionRunConfig(
    CaptionDataConfig(min_count=1, max_words=6),
    model=ShowAndTellConfig("gru", 8, 12, dropout=0.1),
    training=CaptionTrainingConfig(epochs=40, batch_size=4, learning_rate=0.02),
)


@pytest.fixture
def split(tmp_path, rng):
    """Captions of the tiny data set, with random features instead of a network's."""
    images = load_karpathy(make_dataset(tmp_path / "data")).split("train")
    tokens = [[list(t) for t in image.captions] for image in images]
    features = rng.normal(size=(len(images), 1280)).astype(np.float32)
    return Split([i.path for i in images], features, tokens, [list(i.raw) for i in images])


def test_the_settings_come_back_from_config_toml(tmp_path):
    (tmp_path / "config.toml").write_text(CONFIG.to_toml(), encoding="utf-8")
    assert CaptionRunConfig.read(tmp_path / "config.toml") == CONFIG


def test_what_is_left_out_has_its_default():
    config = CaptionRunConfig.from_tables({"training": {"epochs": 3}}, "here")
    assert config == CaptionRunConfig(training=CaptionTrainingConfig(epochs=3))


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (
            {"train": {}},
            'here: unknown table "train"; the tables are data, encoder, model, training, reinforcement',
        ),
        ({"reinforcement": {"reinforce": "mean"}}, "only a trained captioner can learn from scores"),
        (
            {
                "data": {"start": "shipped"},
                "reinforcement": {"reinforce": "mean"},
                "training": {"label_smoothing": 0.1},
            },
            "label_smoothing is for learning captions, not scores",
        ),
        (
            {"data": {"start": "shipped", "word_vectors": "glove.txt"}},
            "word_vectors are for a captioner that",
        ),
        ({"training": 3}, 'here: unknown table "training"'),
        ({"epochs": 3}, 'here: unknown table "epochs"'),
        (
            {"training": {"lerning_rate": 0.1}},
            r'here \[training\]: unknown key "lerning_rate" \(did you mean "learning_rate"\?\)',
        ),
        ({"model": {"cell": 3}}, r'here \[model\]: "cell" is 3, an int, but must be str'),
        ({"model": {"cell": "ltsm"}}, "cell is 'ltsm' but must be one of"),
        ({"data": {"min_count": 0}}, "min_count and max_words must be at least 1"),
        ({"training": {"epochs": 0}}, "epochs is 0"),
    ],
)
def test_mistakes_in_the_settings_are_named(tables, message):
    with pytest.raises(InputError, match=message):
        CaptionRunConfig.from_tables(tables, "here")


def test_a_captioner_learns_its_photos_by_heart(tmp_path, split):
    config = replace(
        CONFIG,
        model=ShowAndTellConfig("gru", 16, 32, dropout=0.0),
        training=CaptionTrainingConfig(epochs=60, batch_size=8, learning_rate=0.02),
    )
    captioner, trainer = make_trainer(config, RunFolder(tmp_path / "run"), split)
    records = trainer.fit()
    # Of a photo's two captions, 5 and 6 words with <end>, only the first word cannot be foretold.
    assert records[-1]["train_loss"] < 1.1 * np.log(2) / 5.5
    _, captions = evaluate(captioner, split, beam=1)
    assert [c.split() in known for c, known in zip(captions, split.tokens, strict=True)] == [True] * 4


def test_the_run_holds_a_captioner_that_loads(tmp_path, split):
    captioner, trainer = make_trainer(CONFIG, RunFolder(tmp_path / "run"), split, split)
    trainer.fit()
    loaded = Captioner.load(tmp_path / "run")
    assert loaded.vocabulary == captioner.vocabulary
    assert loaded.model.config == CONFIG.model
    assert loaded.max_words == 6
    last = Captioner.load(tmp_path / "run" / "checkpoints" / "last.safetensors")
    assert last.captions(split.features, beam=1) == captioner.captions(split.features, beam=1)


def test_words_too_rare_are_left_out_of_the_vocabulary(tmp_path, split):
    rare = replace(CONFIG, data=CaptionDataConfig(min_count=3))
    captioner, _ = make_trainer(rare, RunFolder(tmp_path / "run"), split)
    assert "one" in captioner.vocabulary.words
    assert "green" not in captioner.vocabulary.words


def test_the_guide_has_every_setting_with_its_default_and_meaning():
    kinds = [("data", CaptionDataConfig), *(("encoder", kind) for kind in ENCODER_SETTINGS.values())]
    kinds += [("model", kind) for kind in MODEL_SETTINGS.values()] + [("training", CaptionTrainingConfig)]
    kinds += [("reinforcement", ReinforceConfig)]
    rows = [
        f"| `{table}` | `{name}` | `{toml_value(default)}` | {descriptions(kind)[name]} |"
        for table, kind in kinds
        for name, default in defaults(kind).items()
    ]
    guide = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    listed = [
        line
        for line in guide.splitlines()
        if re.match(r"\| `(data|encoder|model|training|reinforcement)` ", line)
    ]
    assert listed == rows, "docs/training.md should have these lines:\n" + "\n".join(rows)


def test_a_vocabulary_without_words_is_refused(tmp_path, split):
    config = replace(CONFIG, data=CaptionDataConfig(min_count=1000))
    with pytest.raises(InputError, match="min_count is 1000 but no word"):
        make_trainer(config, RunFolder(tmp_path / "run"), split)


def test_small_data_sets_get_every_word_and_small_batches(tmp_path):
    dataset = load_karpathy(make_dataset(tmp_path / "data"))
    anew, further = settings_for(dataset, False), settings_for(dataset, True)
    assert anew["data"]["min_count"] == further["data"]["min_count"] == 1
    assert anew["training"]["batch_size"] == 8
    assert further["training"]["learning_rate"] < 1e-3


def test_words_start_from_pretrained_vectors_and_may_stay_there(tmp_path, split):
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("red 1 2 3 4\nunheard 5 6 7 8\n", encoding="utf-8")
    config = replace(
        CONFIG,
        data=replace(CONFIG.data, word_vectors=str(vectors)),
        model=ShowAndTellConfig("gru", 4, 12),
        training=CaptionTrainingConfig(epochs=2, groups=(Group("words.table", frozen=True),)),
    )
    captioner, trainer = make_trainer(config, RunFolder(tmp_path / "run"), split)
    red, words = captioner.vocabulary.index["red"], captioner.model.params["words.table"].copy()
    assert words[red].tolist() == [1, 2, 3, 4]
    trainer.fit()
    np.testing.assert_array_equal(captioner.model.params["words.table"], words)
    vectors.unlink()  # a run that is resumed has no need of it
    make_trainer(config, RunFolder(tmp_path / "run"), split)


def test_vectors_of_another_size_than_the_words_are_refused(tmp_path, split):
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("red 1 2 3 4\n", encoding="utf-8")
    config = replace(CONFIG, data=replace(CONFIG.data, word_vectors=str(vectors)))
    with pytest.raises(InputError, match="vectors of 4 numbers, but the words of this model have 8"):
        make_trainer(config, RunFolder(tmp_path / "run"), split)


def test_labels_are_smoothed_in_training_only(tmp_path, split):
    def losses(smoothing):
        training = CaptionTrainingConfig(epochs=1, label_smoothing=smoothing)
        config = replace(CONFIG, model=ShowAndTellConfig("gru", 8, 12, dropout=0.0), training=training)
        captioner, trainer = make_trainer(config, RunFolder(tmp_path / f"run {smoothing}"), split)
        batch = trainer.examples.batch(np.arange(8), None)
        return captioner.model.loss(batch)[0], captioner.model.loss(batch, train=False)[0], captioner, batch

    plain, plain_evaluation, captioner, batch = losses(0.0)
    smoothed, evaluation, _, _ = losses(0.25)
    scores, _ = captioner.model.forward(batch, train=False)
    log_probs = scores - np.log(np.exp(scores).sum(axis=2, keepdims=True))
    even = -(log_probs.mean(axis=2) * batch["mask"]).sum() / batch["mask"].sum()
    assert smoothed == pytest.approx(0.75 * plain + 0.25 * even, rel=1e-5)
    assert evaluation == plain_evaluation == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize("name", ["label_smoothing", "scheduled_sampling"])
def test_a_share_above_1_is_refused(name):
    with pytest.raises(InputError, match=f"{name} is 1.5 but must be from 0 to 1"):
        CaptionTrainingConfig(**{name: 1.5})
