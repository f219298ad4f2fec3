import numpy as np
import pytest

from minicap.arrays import Backend, textbook, to_device, to_host, use_backend
from minicap.arrays.random import RandomStream
from minicap.characters import CharacterModel, CharacterModelConfig, TextStreams
from minicap.decoding import greedy, sample
from minicap.errors import InputError
from minicap.gradcheck import check_model
from minicap.optim import make_rule
from minicap.training import sharded_loss

IDS = np.random.default_rng(0).integers(5, size=61)
CELLS = ["lstm", "gru", "rnn"]
STREAM = RandomStream(7)


def make_model(cell="lstm", layers=2, dropout=0.0, streams=3, dtype=np.float64):
    config = CharacterModelConfig(cell, layers, embed_size=3, hidden_size=4, dropout=dropout)
    return CharacterModel(config, 5, streams).initialize(seed=1, dtype=dtype)


def batches(streams=3, chunk=8):
    text = TextStreams(IDS, streams, chunk)
    return [text.batch(n * streams + np.arange(streams)) for n in range(text.chunks)]


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_right_from_a_carried_state_and_with_dropout_on(cell):
    model = make_model(cell, dropout=0.3)
    _, second, *_ = batches()
    carried = {name: np.random.default_rng(1).normal(size=a.shape) for name, a in model.buffers.items()}

    def loss():
        model.buffers = {name: array.copy() for name, array in carried.items()}
        return model.loss(second, train=True, rng=STREAM)

    report = check_model(loss, model.params, entries=8)
    assert report.passed, str(report)


@pytest.mark.parametrize("cell", CELLS)
def test_chunk_after_chunk_is_the_whole_text(cell):
    model = make_model(cell)
    losses = [float(model.loss(batch, train=True, rng=STREAM)[0]) for batch in batches(chunk=8)]
    [whole] = batches(chunk=20)
    expected, _ = make_model(cell).loss(whole, train=True, rng=STREAM)
    sizes = [batch["x"].shape[1] for batch in batches(chunk=8)]
    assert np.average(losses, weights=sizes) == pytest.approx(expected, rel=1e-12)


def test_a_new_epoch_begins_from_zero_states():
    model = make_model()
    first, second, _ = batches()
    before = model.loss(first, train=True, rng=STREAM)[0]
    model.loss(second, train=True, rng=STREAM)
    assert model.loss(first, train=True, rng=STREAM)[0] == before


def test_evaluation_leaves_the_carried_state_alone():
    model = make_model()
    first, second, _ = batches()
    model.loss(first, train=True, rng=STREAM)
    carried = {name: array.copy() for name, array in model.buffers.items()}
    assert model.loss(second, train=False)[1] == {}
    for name, array in carried.items():
        np.testing.assert_array_equal(model.buffers[name], array)
        assert np.abs(array).max() > 0


@pytest.mark.parametrize("cell", CELLS)
def test_shards_carry_their_own_streams(cell):
    whole, cut = make_model(cell, dropout=0.3), make_model(cell, dropout=0.3)
    for batch in batches():
        expected, grads = whole.loss(batch, train=True, rng=STREAM)
        loss, sharded = sharded_loss(cut, batch, STREAM, shards=3)
        assert loss == pytest.approx(expected, rel=1e-12)
        for name, gradient in grads.items():
            np.testing.assert_allclose(sharded[name], gradient, rtol=0, atol=1e-13)


@pytest.mark.parametrize("cell", CELLS)
def test_steps_give_the_probabilities_that_the_loss_is_made_of(cell):
    model = make_model(cell)
    [whole] = batches(chunk=20)
    state, total = model.start(3), 0.0
    for t in range(20):
        log_probs, state, _ = model.step(state, whole["x"][:, t])
        total -= log_probs[np.arange(3), whole["y"][:, t]].sum()
    assert model.loss(whole, train=False)[0] == pytest.approx(total / 60, rel=1e-12)
    assert model.nats(whole, model.start(3))[0] == pytest.approx(total, rel=1e-12)


def test_a_text_is_learned_by_heart():
    model, rule = make_model("gru", layers=1, dtype=np.float32), make_rule("adam", 0.05)
    text = TextStreams(np.tile([0, 1, 2, 3, 4, 4], 20), 3, 13)
    for _ in range(60):
        for n in range(text.chunks):
            _, grads = model.loss(text.batch(n * 3 + np.arange(3)), train=True, rng=STREAM)
            rule.step(model.params, grads)
    [found] = greedy(model.step, model.start(), 0, -1, max_length=11)
    assert found.words == (1, 2, 3, 4, 4, 0, 1, 2, 3, 4, 4)


def test_on_a_gpu_all_is_as_on_numpy(strict_cupy: Backend):
    def results():
        model = make_model()
        with textbook():
            losses = [
                model.loss({name: to_device(a) for name, a in batch.items()}, train=True, rng=STREAM)
                for batch in batches()
            ]
            drawn = sample(model.step, model.start(4), 2, -1, max_length=9, temperature=0.8, rng=5)
        return losses, drawn

    expected, words = results()
    with use_backend("strict-cupy"):
        got, same = results()
    assert same == words
    for (loss, grads), (other, others) in zip(got, expected, strict=True):
        np.testing.assert_allclose(to_host(loss), other, rtol=1e-12)
        for name, gradient in others.items():
            np.testing.assert_allclose(to_host(grads[name]), gradient, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "ltsm"}, "cell is 'ltsm'"),
        ({"layers": 0}, "layers is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_settings_that_make_no_network_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        CharacterModelConfig(**options)
