import numpy as np
import pytest
from captioning.models.small import WORDS, batch_for, small

from minicap.arrays import Backend, textbook, to_device, to_host, use_backend
from minicap.arrays.random import RandomStream
from minicap.captioning.examples import CaptionExamples
from minicap.captioning.scheduled_sampling import ScheduledSampling, mixed_words
from minicap.decoding import greedy
from minicap.training import RunFolder, Trainer, TrainingConfig

STREAM = RandomStream(7)


def test_a_model_that_is_sure_reads_its_own_caption():
    model = small("show-and-tell lstm")
    model.params["out_w"][...] *= 1e9
    batch = batch_for(model)
    found = greedy(model.step, model.start(batch["features"]), WORDS.start, -1, max_length=9)
    mixed = mixed_words(model, batch, 1.0, STREAM)
    np.testing.assert_array_equal(mixed[:, 0], WORDS.start)
    np.testing.assert_array_equal(mixed[:, 1:], [h.words for h in found])


def test_the_models_own_words_are_drawn_from_its_probabilities():
    """With scores that depend on the biases alone, every word is as likely everywhere."""
    model = small("show-and-tell lstm")
    model.params["out_w"][...] = 0
    batch = {name: array.repeat(100, axis=0) for name, array in batch_for(model).items()}
    mixed = mixed_words(model, batch, 1.0, STREAM)[:, 1:]
    p = np.exp(model.params["out_b"]) / np.exp(model.params["out_b"]).sum()
    seen = np.bincount(mixed.ravel(), minlength=len(p)) / mixed.size
    assert np.abs(seen - p).max() < 4 * np.sqrt(0.25 / mixed.size)


def test_a_share_of_the_words_is_replaced():
    model = small("show-and-tell lstm")
    batch = {name: array.repeat(100, axis=0) for name, array in batch_for(model).items()}
    batch["words"] = np.full_like(batch["words"], WORDS.pad)  # which is hardly ever said
    model.params["out_b"][WORDS.pad] = -100
    share = (mixed_words(model, batch, 0.3, STREAM)[:, 1:] != WORDS.pad).mean()
    assert share == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / batch["words"][:, 1:].size))


def test_the_mixture_is_a_function_of_the_stream():
    model = small("transformer")
    batch = batch_for(model)
    first, again, other = (mixed_words(model, batch, 0.5, RandomStream(key)) for key in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_share_rises_from_epoch_to_epoch(tmp_path):
    model = small("show-and-tell lstm", np.float32)
    captions = [[["a", "dog", "runs"]]] * 4
    examples = CaptionExamples(np.zeros((4, 6), np.float32), captions, WORDS)
    config = TrainingConfig(epochs=3, batch_size=4)
    trainer = Trainer(model, examples, config, RunFolder(tmp_path / "run"), step=ScheduledSampling(0.5))
    trainer.fit()
    assert [record["own_words"] for record in trainer.run.metrics() if "own_words" in record] == [
        0,
        0.25,
        0.5,
    ]


def test_the_mixture_on_a_gpu_is_that_on_numpy(strict_cupy: Backend):
    def mixed():
        model = small("attend-and-tell")
        batch = {name: to_device(array) for name, array in batch_for(model).items()}
        with textbook():
            return to_host(mixed_words(model, batch, 0.5, STREAM))

    expected = mixed()
    with use_backend("strict-cupy"):
        np.testing.assert_array_equal(mixed(), expected)
