import numpy as np
import pytest
from multilabel.small_runs import LABELS, split
from training.toy import assert_same_run

from minicap.errors import InputError
from minicap.models.encoders import EfficientNetLite0EncoderConfig, make_encoder
from minicap.multilabel import MODELS, Tagger, evaluate
from minicap.multilabel.models import InitializedConfig
from minicap.multilabel.run import TagRunConfig, make_trainer, use_word_vectors
from minicap.training import RunFolder

models = pytest.mark.parametrize("name", MODELS)


def config(name, **training):
    sizes = {} if name == "linear" else {"hidden_size": 16, "embed_size": 8, "attention": True}
    usual = {"epochs": 3, "batch_size": 8, "learning_rate": 0.02, "shards": 1}
    return TagRunConfig.from_tables({"model": {"name": name, **sizes}, "training": usual | training}, "test")


def start(name, folder, **training):
    return make_trainer(config(name, **training), RunFolder(folder), split("train"), split("val"))


@models
def test_a_run_learns_and_its_checkpoint_gives_what_it_gave(name, tmp_path):
    tagger, trainer = start(name, tmp_path / "run", epochs=12)
    assert set(tagger.labels) == set(LABELS)
    records = [r for r in trainer.fit() if "f1" in r]
    assert records[-1]["train_loss"] < 0.8 * records[0]["train_loss"]
    best = max(records, key=lambda r: (r["f1"], -r["validation_loss"]))
    loaded, held_out = Tagger.load(tmp_path / "run"), split("val")
    assert loaded.origin == f"epoch {best['epoch']}, chosen by f1 on validation photos"
    found = evaluate(loaded, held_out.features, held_out.labels, beam=1).scores()
    assert found["f1"] == pytest.approx(best["f1"], abs=1e-12)


def test_the_shares_of_labels_are_never_0_or_1(tmp_path):
    train = split("train")
    train.labels = [("everywhere", *labels) for labels in train.labels]
    tagger, _ = make_trainer(config("linear"), RunFolder(tmp_path / "run"), train)
    n, bias = len(train.labels), tagger.model.params["scores.affine.b"]
    assert bias[tagger.labels.index("everywhere")] == pytest.approx(np.log(n + 1), rel=1e-6)


@models
def test_an_interrupted_run_ends_bit_for_bit_like_another(name, tmp_path):
    start(name, tmp_path / "whole")[1].fit()
    start(name, tmp_path / "cut", epochs=1)[1].fit()
    trainer = start(name, tmp_path / "cut")[1]
    trainer.resume()
    trainer.fit()
    assert_same_run(RunFolder(tmp_path / "cut"), RunFolder(tmp_path / "whole"))


def test_photos_with_other_labels_are_not_resumed(tmp_path):
    start("linear", tmp_path / "run", epochs=1)[1].fit()
    changed = split("train")
    changed.labels[0] = tuple(set(LABELS) - set(changed.labels[0]))
    _, trainer = make_trainer(config("linear"), RunFolder(tmp_path / "run"), changed, split("val"))
    with pytest.raises(InputError, match="the labels for training changed"):
        trainer.resume()


def test_labels_start_from_the_mean_vector_of_their_words(tmp_path):
    tagger = Tagger.create(
        make_encoder(EfficientNetLite0EncoderConfig()),
        ["Traffic light", "person", "zzz"],
        InitializedConfig(embed_size=2, hidden_size=3),
    )
    tagger.model.initialize(0)
    table = tagger.model.params["labels.table"]
    before = table.copy()
    (tmp_path / "vectors.txt").write_text("person 1 2\nlight 3 4\ntraffic 5 8\n", "utf-8")
    assert use_word_vectors(tagger, tmp_path / "vectors.txt") == 2
    assert table[:2].tolist() == [[4, 6], [1, 2]]
    np.testing.assert_array_equal(table[2:], before[2:])


def test_vectors_for_a_model_without_embedded_labels_are_refused(tmp_path):
    linear = TagRunConfig.from_tables({"data": {"word_vectors": "glove.txt"}}, "test")
    with pytest.raises(
        InputError, match="word_vectors are for models that embed labels, which linear does not"
    ):
        make_trainer(linear, RunFolder(tmp_path / "run"), split("train"))


def test_training_reads_the_crops_and_a_resumed_run_the_same_ones(tmp_path):
    def start(folder, epochs):
        train = split("train")
        train.crops = [train.features[::-1] + 1, 0 * train.features]
        return make_trainer(config("linear", epochs=epochs), RunFolder(tmp_path / folder), train)[1]

    start("whole", 3).fit()
    start("cut", 1).fit()
    trainer = start("cut", 3)
    trainer.resume()
    trainer.fit()
    assert_same_run(RunFolder(tmp_path / "cut"), RunFolder(tmp_path / "whole"))
    plain = make_trainer(config("linear"), RunFolder(tmp_path / "plain"), split("train"))[1]
    plain.fit()
    assert plain.run.metrics()[-1]["train_loss"] != trainer.run.metrics()[-1]["train_loss"]


@pytest.mark.parametrize("name", ["linear", "initialized"])
def test_the_last_stage_starts_from_the_encoder_and_is_trained_too(name, tmp_path):
    sizes = {} if name == "linear" else {"hidden_size": 4, "embed_size": 4}
    tables = {"model": {"name": name, "fine_tune": True, **sizes}, "training": {"epochs": 1, "batch_size": 2}}
    train = split("train", 4)
    below = 24 + 40 + 112 + 320 + 320 * 7 * 7
    train.features = np.random.default_rng(0).normal(scale=4, size=(4, below)).astype(np.float32)

    def start(folder, epochs=1):
        tables["training"]["epochs"] = epochs
        return make_trainer(TagRunConfig.from_tables(tables, "test"), RunFolder(tmp_path / folder), train)

    tagger, trainer = start("whole", 2)
    pretrained = tagger.encoder.last_stage().params
    for key, array in pretrained.items():
        np.testing.assert_array_equal(tagger.model.params[f"standardized.last.{key}"], array)
    trainer.fit()
    for key, array in pretrained.items():
        assert (tagger.model.params[f"standardized.last.{key}"] != array).any()
    loaded = Tagger.load(tmp_path / "whole" / "checkpoints" / "last.safetensors")
    assert loaded.reads == "below"
    found = loaded.probabilities(train.features), tagger.probabilities(train.features)
    np.testing.assert_allclose(*found, rtol=1e-5)
    start("cut")[1].fit()
    again = start("cut", 2)[1]
    again.resume()
    again.fit()
    assert_same_run(RunFolder(tmp_path / "cut"), RunFolder(tmp_path / "whole"))


def test_a_single_label_is_nothing_to_choose_from(tmp_path):
    alone = split("train")
    alone.labels = [("person",)] * len(alone.labels)
    with pytest.raises(InputError, match="two labels or more, not 1"):
        make_trainer(config("linear"), RunFolder(tmp_path / "run"), alone)


def test_without_validation_photos_the_training_loss_chooses(tmp_path):
    _, trainer = make_trainer(config("linear"), RunFolder(tmp_path / "run"), split("train"))
    trainer.fit()
    assert Tagger.load(tmp_path / "run").origin.endswith("chosen by training loss")
    assert all("f1" not in record for record in RunFolder(tmp_path / "run").metrics())
