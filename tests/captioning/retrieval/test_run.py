from dataclasses import replace

import numpy as np
import pytest
from training.tiny import make_dataset

from minicap.captioning.retrieval import Matcher, RankingModelConfig
from minicap.captioning.retrieval.run import (
    RetrievalDataConfig,
    RetrievalRunConfig,
    RetrievalTrainingConfig,
    evaluate,
    make_trainer,
    transferred,
)
from minicap.captioning.splits import Split
from minicap.data import load_karpathy
from minicap.errors import FormatError, InputError
from minicap.formats import load_checkpoint, save_checkpoint
from minicap.training import RunFolder

CONFIG = RetrievalRunConfig(
    RetrievalDataConfig(min_count=1, max_words=6),
    model=RankingModelConfig(embed_size=8, space_size=12, dropout=0.0),
    training=RetrievalTrainingConfig(epochs=3, batch_size=4, learning_rate=0.02),
)


@pytest.fixture
def split(tmp_path, rng):
    """Captions of the tiny data set, with random features instead of a network's."""
    images = load_karpathy(make_dataset(tmp_path / "data")).split("train")
    tokens = [[list(t) for t in image.captions] for image in images]
    features = rng.normal(size=(len(images), 1280)).astype(np.float32)
    return Split([i.path for i in images], features, tokens, [list(i.raw) for i in images], "train")


def test_photos_and_sentences_learn_to_find_each_other(tmp_path, split):
    config = replace(CONFIG, training=replace(CONFIG.training, epochs=40))
    matcher, trainer = make_trainer(config, RunFolder(tmp_path / "run"), split, split)
    first, *_, last = trainer.fit()
    assert {"sentence_r1", "image_r10", "validation_loss"} <= last.keys()
    assert last["mean_recall"] > 0.95
    assert last["validation_loss"] < first["validation_loss"]
    assert evaluate(matcher, split)["image_r5"] == 1
    said = transferred(matcher, split, split)
    assert all(s.split() in [t for known in split.tokens for t in known] for s in said)


def test_a_resumed_run_goes_on_bit_for_bit(tmp_path, split):
    def trainer(folder, epochs):
        config = replace(CONFIG, training=replace(CONFIG.training, epochs=epochs))
        return make_trainer(config, RunFolder(folder), split, split)[1]

    whole = trainer(tmp_path / "whole", 3)
    whole.fit()
    trainer(tmp_path / "parts", 1).fit()
    rest = trainer(tmp_path / "parts", 3)
    rest.resume()
    rest.fit()
    for name, array in whole.model.params.items():
        np.testing.assert_array_equal(rest.model.params[name], array)


def test_a_saved_matcher_places_all_where_they_were(tmp_path, split):
    matcher, trainer = make_trainer(CONFIG, RunFolder(tmp_path / "run"), split, split)
    trainer.fit()
    matcher.save(tmp_path / "small.safetensors", np.float32)
    for path in (tmp_path / "small.safetensors", tmp_path / "run" / "checkpoints" / "last.safetensors"):
        again = Matcher.load(path)
        np.testing.assert_array_equal(again.images(split.features), matcher.images(split.features))
        sentences = [["a", "red", "circle"], ["nothing", "known"]]
        np.testing.assert_array_equal(again.sentences(sentences), matcher.sentences(sentences))
    with pytest.raises(InputError, match="there are no sentences"):
        matcher.sentences([])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "captioner"}, "holds 'captioner', not a ranking model"),
        ({"model": {"cell": "gru", "space_size": 3}}, "does not fit its own description"),
        ({"max_words": 0}, "max_words is 0 but must be at least 1"),
        ({"vocabulary": {}}, "vocabulary"),
    ],
)
def test_a_checkpoint_that_contradicts_itself_is_refused(tmp_path, split, change, message):
    matcher, _ = make_trainer(CONFIG, RunFolder(tmp_path / "run"), split)
    matcher.save(tmp_path / "whole.safetensors", np.float32)
    checkpoint = load_checkpoint(tmp_path / "whole.safetensors")
    changed = tmp_path / "changed.safetensors"
    save_checkpoint(changed, checkpoint._replace(about=checkpoint.about | change))
    with pytest.raises(FormatError, match=message):
        Matcher.load(changed)


def test_words_too_rare_leave_nothing_to_learn(tmp_path, split):
    config = replace(CONFIG, data=RetrievalDataConfig(min_count=1000))
    with pytest.raises(InputError, match="min_count is 1000 but no word"):
        make_trainer(config, RunFolder(tmp_path / "run"), split)
