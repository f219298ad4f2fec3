"""The captioner as a whole, on the strict stand-in for CuPy."""

import numpy as np
import pytest
from strict_cupy import counting

from minicap.arrays import Backend, textbook, to_device, to_host, use_backend
from minicap.arrays.random import RandomStream
from minicap.captioning.models import ShowAndTell, ShowAndTellConfig
from minicap.optim import RULES, make_rule
from minicap.training import RunFolder, Trainer, TrainingConfig

FEATURES, WORDS, START, END = 6, 11, 1, 2


def make_model(cell="lstm", dtype=np.float64):
    config = ShowAndTellConfig(cell, embed_size=4, hidden_size=5, dropout=0.4)
    return ShowAndTell(config, FEATURES, WORDS).initialize(seed=3, dtype=dtype)


def make_batch(dtype=np.float64, N=3, T=4):
    rng = np.random.default_rng(0)
    lengths = np.arange(N) % T + 1
    batch = dict(
        features=rng.normal(size=(N, FEATURES)).astype(dtype),
        words=rng.integers(WORDS, size=(N, T)),
        next_words=rng.integers(WORDS, size=(N, T)),
        mask=(np.arange(T) < lengths[:, None]).astype(dtype),
    )
    return {name: to_device(array) for name, array in batch.items()}


def close(ours, theirs):
    np.testing.assert_allclose(to_host(ours), to_host(theirs), rtol=0, atol=1e-12)


def test_a_float32_model_computes_in_float32(strict_cupy: Backend):
    with use_backend("strict-cupy"):
        model, batch = make_model(dtype=np.float32), make_batch(np.float32)
        loss, grads = model.loss(batch, rng=RandomStream(5), count=6)
        rule = make_rule("adam", 1e-3)
        rule.step(model.params, grads)
    for array in (loss, *grads.values(), *model.params.values(), *rule.arrays().values()):
        assert isinstance(array, strict_cupy.array_type)
        assert array.dtype == np.float32


@pytest.mark.parametrize("name", RULES)
def test_an_update_equals_that_on_numpy_and_never_waits(name, strict_cupy: Backend):
    def updated():
        model, batch = make_model(), make_batch()
        rule = make_rule(name, 0.1, weight_decay=0.01)
        with textbook():
            grads = model.loss(batch, rng=RandomStream(5), count=6)[1]
        with counting() as counts:
            for _ in range(2):
                rule.step(model.params, grads)
        return model.params, counts

    expected, _ = updated()
    with use_backend("strict-cupy"):
        params, counts = updated()
    assert not counts.stalls
    for path in expected:
        close(params[path], expected[path])


def launches_of_a_loss(T):
    model, batch = make_model(), make_batch(T=T)
    with textbook(), counting() as counts:
        model.loss(batch, rng=RandomStream(5), count=6)
    return counts.launches


def test_the_textbook_keeps_to_its_launches(strict_cupy: Backend):
    """A step of the LSTM: two products and two sums, three sigmoids of 4, 6 for cell and state; backward 28,
    1 for the state's gradient, 2 for what the mask carried, 3 for sums over the steps.  The image is a step.
    """
    forward, backward = 4 + 3 * 4 + 6, 28 + 1 + 2 + 3
    once = 2 * 349 + 80  # random bits for dropout, twice; image, words, scores and loss
    with use_backend("strict-cupy"):
        assert launches_of_a_loss(T=17) - launches_of_a_loss(T=16) == forward + backward
        assert launches_of_a_loss(T=16) <= (16 + 1) * (forward + backward) + once


def test_an_update_by_the_textbook_keeps_to_its_launches(strict_cupy: Backend):
    """Adam's 14 operations and 2 arrays of zeros for each parameter."""
    with use_backend("strict-cupy"):
        model, rule = make_model(), make_rule("adam", 1e-3)
        grads = {name: w.copy() for name, w in model.params.items()}
        with counting() as counts:
            rule.step(model.params, grads)
    assert counts.launches <= (14 + 2) * len(model.params)


class Examples:
    """Nine captions, all in one batch."""

    def __len__(self):
        return 9

    def batch(self, indices, rng=None):
        return {name: to_host(array) for name, array in make_batch(N=len(indices)).items()}


def make_trainer(folder, **options):
    config = TrainingConfig(learning_rate=0.01, **options)
    return Trainer(make_model(), Examples(), config, RunFolder(folder), validation=Examples())


def test_a_step_of_the_trainer_waits_for_nothing(strict_cupy: Backend, tmp_path):
    batch = Examples().batch(range(9))
    with use_backend("strict-cupy"):
        trainer = make_trainer(tmp_path / "run")
        trainer.uploads.begin(batch)
        with counting() as counts:
            trainer.train_step(batch)
    assert not counts.stalls


def test_a_whole_run_gives_what_it_gives_on_numpy(strict_cupy: Backend, tmp_path):
    def losses(folder):
        trainer = make_trainer(folder, epochs=2, batch_size=4, shards=1)
        return [record["validation_loss"] for record in trainer.fit()]

    with textbook():
        expected = losses(tmp_path / "numpy")
    with use_backend("strict-cupy"):
        got = losses(tmp_path / "strict")
    np.testing.assert_allclose(got, expected, rtol=1e-12)
