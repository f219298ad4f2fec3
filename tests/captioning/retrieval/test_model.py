import numpy as np
import pytest
from captioning.models.small import CAPTIONS, WORDS

from minicap.arrays import Backend, textbook, to_device, to_host, use_backend
from minicap.arrays.random import RandomStream
from minicap.captioning import CaptionExamples
from minicap.captioning.retrieval import RankingModel, RankingModelConfig
from minicap.errors import InputError
from minicap.gradcheck import check_model
from minicap.optim import make_rule

STREAM = RandomStream(7)


def make_model(cell="gru", dtype=np.float64, **options):
    config = RankingModelConfig(cell, embed_size=4, space_size=5, **options)
    return RankingModel(config, 6, len(WORDS)).initialize(seed=1, dtype=dtype)


def make_batch(dtype=np.float64):
    features = np.random.default_rng(0).normal(size=(len(CAPTIONS), 6)).astype(dtype)
    return CaptionExamples(features, [[c] for c in CAPTIONS], WORDS).batch(np.arange(len(CAPTIONS)))


@pytest.mark.parametrize(("cell", "hardest"), [("gru", False), ("lstm", True), ("rnn", False)])
def test_gradients_are_right_with_dropout_on(cell, hardest):
    model, batch = make_model(cell, hardest=hardest), make_batch()
    model.standardize(0.1 + 2 * batch["features"])
    report = check_model(
        lambda: model.loss(batch, train=True, rng=STREAM), model.params, entries=6, step=1e-6
    )  # a small step: the hinge has many kinks
    assert report.passed, str(report)


def test_the_loss_is_the_hinge_over_all_pairs_of_the_batch():
    model, batch = make_model(dropout=0.0), make_batch()
    u = model.embed_images(batch["features"])[0]
    v = model.embed_sentences(batch["next_words"], batch["mask"])[0]
    np.testing.assert_allclose(np.linalg.norm(u, axis=1), 1, rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(v, axis=1), 1, rtol=1e-9)
    similarity, total = u @ v.T, 0.0
    for n in range(len(u)):
        for k in range(len(u)):
            if k != n:
                total += max(0, 0.2 - similarity[n, n] + similarity[n, k])
                total += max(0, 0.2 - similarity[n, n] + similarity[k, n])
    assert model.loss(batch, train=False)[0] == pytest.approx(total / len(u), rel=1e-12)


def test_padding_does_not_move_a_sentence():
    model, batch = make_model(), make_batch()
    alone = [
        model.embed_sentences(batch["next_words"][n : n + 1, :length], np.ones((1, length)))[0][0]
        for n, length in enumerate(batch["mask"].sum(axis=1).astype(int))
    ]
    together = model.embed_sentences(batch["next_words"], batch["mask"])[0]
    np.testing.assert_allclose(together, np.stack(alone), atol=1e-12)


def test_a_batch_is_learned_by_heart():
    model, batch = make_model(dtype=np.float32, dropout=0.0), make_batch(np.float32)
    rule = make_rule("adam", 0.02)
    for _ in range(150):
        rule.step(model.params, model.loss(batch)[1])
    u = model.embed_images(batch["features"])[0]
    v = model.embed_sentences(batch["next_words"], batch["mask"])[0]
    assert (u @ v.T).argmax(axis=1).tolist() == (u @ v.T).argmax(axis=0).tolist() == list(range(5))


def test_a_batch_is_never_cut_for_its_pairs_belong_together():
    model, batch = make_model(), make_batch()
    assert model.shards(batch, 10**9, 8) == 1
    assert model.count(batch) == len(CAPTIONS)


def test_on_a_gpu_all_is_as_on_numpy(strict_cupy: Backend):
    def results():
        model, batch = make_model(), {name: to_device(a) for name, a in make_batch().items()}
        with textbook():
            return model.loss(batch, train=True, rng=STREAM)

    expected_loss, expected = results()
    with use_backend("strict-cupy"):
        loss, grads = results()
    np.testing.assert_allclose(to_host(loss), expected_loss, rtol=1e-12)
    for name, gradient in expected.items():
        np.testing.assert_allclose(to_host(grads[name]), gradient, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "ltsm"}, "cell is 'ltsm'"),
        ({"space_size": 0}, "at least 1"),
        ({"margin": 0.0}, "margin is 0.0"),
        ({"dropout": 1.0}, "is 1.0"),
    ],
)
def test_settings_that_make_no_model_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        RankingModelConfig(**options)
