import numpy as np
import pytest

from minicap.arrays.random import RandomStream
from minicap.captioning.examples import CaptionExamples
from minicap.captioning.model import CaptionModel, CaptionModelConfig
from minicap.decoding import beam_search, greedy
from minicap.errors import InputError, ShapeError
from minicap.gradcheck import check_model
from minicap.layers.softmax import log_softmax_forward
from minicap.optim import make_rule
from minicap.training.shards import sharded_loss
from minicap.vocabulary import Vocabulary

FEATURES = 6
CAPTIONS = [
    ["a", "dog", "runs", "on", "the", "beach"],
    ["two", "cats", "sleep"],
    ["a", "man", "rides", "a", "brown", "horse", "in", "the", "rain"],
    ["a", "dog", "sleeps"],
    [],
]
WORDS = Vocabulary.build(CAPTIONS)
STREAM = RandomStream(7)

cells = pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])


def make_model(cell="lstm", dropout=0.5, dtype=np.float64, hidden=5):
    config = CaptionModelConfig(cell, embed_size=4, hidden_size=hidden, dropout=dropout)
    model = CaptionModel(config, FEATURES, len(WORDS), WORDS.log_frequency())
    return model.initialize(seed=1, dtype=dtype)


def make_batch(dtype=np.float64, captions=CAPTIONS):
    features = np.random.default_rng(0).normal(size=(len(captions), FEATURES)).astype(dtype)
    return CaptionExamples(features, [[c] for c in captions], WORDS).batch(np.arange(len(captions)))


@cells
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_dtypes_go_through(cell, dtype):
    model, batch = make_model(cell, dtype=dtype), make_batch(dtype)
    scores, _ = model.forward(batch, train=False)
    assert scores.shape == (*batch["words"].shape, len(WORDS))
    loss, grads = model.loss(batch, rng=STREAM)
    assert np.shape(loss) == ()
    assert {name: (g.shape, g.dtype) for name, g in grads.items()} == {
        name: (p.shape, p.dtype) for name, p in model.params.items()
    }
    assert scores.dtype == dtype


@cells
def test_gradients_are_right_with_dropout_on(cell):
    model, batch = make_model(cell), make_batch()
    for parameter in model.params.values():  # biases of zero would hide what multiplies them
        parameter += 0.1 * np.random.default_rng(parameter.size).normal(size=parameter.shape)
    report = check_model(lambda: model.loss(batch, rng=STREAM), model.params, entries=20)
    assert report.passed, str(report)


@cells
def test_the_gradient_of_the_features_is_right(cell):
    model, batch = make_model(cell), make_batch()
    rng = np.random.default_rng(1)
    scores, cache = model.forward(batch, train=True, rng=STREAM)
    dscores, direction = rng.normal(size=scores.shape), rng.normal(size=batch["features"].shape)
    dfeatures, _ = model.backward(dscores, cache)

    def moved(step):
        scores, _ = model.forward(batch | {"features": batch["features"] + step * direction}, True, STREAM)
        return (dscores * scores).sum()

    numeric = (moved(1e-6) - moved(-1e-6)) / 2e-6
    assert (dfeatures * direction).sum() == pytest.approx(numeric, rel=1e-7)


@cells
def test_one_batch_is_learned_by_heart(cell):
    model, batch = make_model(cell, dropout=0.0, dtype=np.float32, hidden=32), make_batch(np.float32)
    rule = make_rule("adam", 0.02)
    for _ in range(200):
        loss, grads = model.loss(batch)
        rule.step(model.params, grads)
    assert loss < 0.1
    found = greedy(model.step, model.start(batch["features"]), WORDS.start, WORDS.end)
    assert [WORDS.decode(h.words) for h in found] == [" ".join(caption) for caption in CAPTIONS]
    assert all(h.finished for h in found)
    beams = beam_search(model.step, model.start(batch["features"]), WORDS.start, WORDS.end)
    assert [beam[0].words for beam in beams] == [h.words for h in found]


@cells
def test_step_by_step_gives_the_log_probabilities_of_the_whole_sequence(cell):
    model, batch = make_model(cell), make_batch()
    scores, _ = model.forward(batch, train=False)
    expected = np.stack([log_softmax_forward(scores[:, t])[0] for t in range(scores.shape[1])], axis=1)
    state = model.start(batch["features"])
    for t in range(scores.shape[1]):
        log_probs, state = model.step(state, batch["words"][:, t])
        np.testing.assert_allclose(log_probs, expected[:, t], rtol=0, atol=1e-12)


def test_the_loss_is_the_mean_over_the_words_and_ends_of_the_captions():
    model, batch = make_model(), make_batch()
    assert model.count(batch) == sum(len(caption) + 1 for caption in CAPTIONS)
    loss, grads = model.loss(batch, train=False)
    assert grads == {}
    total = 0.0
    for i, caption in enumerate(CAPTIONS):
        state, last = model.start(batch["features"][i : i + 1]), WORDS.start
        for word in WORDS.encode(caption):
            log_probs, state = model.step(state, np.array([last]))
            total, last = total - log_probs[0, word], word
    assert loss == pytest.approx(total / model.count(batch), rel=1e-12)


def test_the_first_loss_is_about_the_entropy_of_the_word_frequencies():
    captions = CAPTIONS * 5
    entropy = -np.mean(
        [WORDS.log_frequency()[word] for caption in captions for word in WORDS.encode(caption)]
    )
    config = CaptionModelConfig("lstm", embed_size=64, hidden_size=64, dropout=0.5)
    model = CaptionModel(config, FEATURES, len(WORDS), WORDS.log_frequency()).initialize(seed=1)
    loss, _ = model.loss(make_batch(np.float32, captions), rng=STREAM)
    assert loss == pytest.approx(entropy, abs=0.1)
    assert entropy < np.log(len(WORDS)) - 0.2  # so that a bias of zeros would not pass


@cells
def test_padding_changes_neither_the_loss_nor_the_gradients(cell):
    model, batch = make_model(cell, dropout=0.0), make_batch()
    rows, rng = len(CAPTIONS), np.random.default_rng(0)
    more = {
        "words": rng.integers(len(WORDS), size=(rows, 3)),
        "next_words": rng.integers(len(WORDS), size=(rows, 3)),
        "mask": np.zeros((rows, 3)),
    }
    padded = batch | {name: np.concatenate([batch[name], tail], axis=1) for name, tail in more.items()}
    (loss, grads), (padded_loss, padded_grads) = model.loss(batch), model.loss(padded)
    assert padded_loss == pytest.approx(loss, rel=1e-12)
    for name, grad in grads.items():
        np.testing.assert_allclose(padded_grads[name], grad, rtol=0, atol=1e-13)


@cells
@pytest.mark.parametrize("shards", [1, 2, 3, 4, 5, 9])
def test_shards_add_up_to_the_whole_batch_with_dropout_on(cell, shards):
    model, batch = make_model(cell), make_batch()
    loss, grads = model.loss(batch, rng=STREAM)
    sharded, sharded_grads = sharded_loss(model, batch, STREAM, shards)
    assert sharded == pytest.approx(loss, rel=1e-12)
    assert sharded_grads.keys() == grads.keys()
    for name, grad in grads.items():
        np.testing.assert_allclose(sharded_grads[name], grad, rtol=0, atol=1e-13)


def test_dropout_is_a_function_of_the_stream_and_off_in_evaluation():
    model, batch = make_model(), make_batch()
    first, again, other = (model.loss(batch, rng=RandomStream(key))[0] for key in (1, 1, 2))
    assert first == again != other
    assert model.loss(batch, train=False)[0] == make_model(dropout=0.0).loss(batch)[0]


def test_inputs_and_outputs_are_dropped_independently():
    config = CaptionModelConfig("lstm", embed_size=8, hidden_size=8)
    model, batch = (
        CaptionModel(config, FEATURES, len(WORDS)).initialize(),
        make_batch(np.float32, CAPTIONS[:1]),
    )
    dropped = []

    def note(x, train, rng):
        dropped.append(rng)
        return x, None

    model.dropout.forward = note
    model.forward(batch, train=True, rng=STREAM)
    assert len(set(dropped)) == 2


def test_training_writes_into_neither_the_batch_nor_the_parameters():
    model, batch = make_model(), make_batch()
    for array in (*batch.values(), *model.params.values()):
        array.flags.writeable = False
    model.loss(batch, rng=STREAM)


def test_the_image_decides_the_caption():
    model, batch = make_model(), make_batch()
    log_probs, _ = model.step(model.start(batch["features"]), batch["words"][:, 0])
    assert len(np.unique(log_probs[:, 4].round(9))) == len(CAPTIONS)


def test_an_unknown_cell_and_a_size_of_zero_are_input_errors():
    with pytest.raises(InputError, match="'lstn' but must be one of rnn, lstm, gru"):
        CaptionModelConfig("lstn")
    with pytest.raises(InputError, match="at least 1"):
        CaptionModelConfig(hidden_size=0)


def test_a_dropout_out_of_range_is_an_input_error():
    with pytest.raises(InputError, match="dropout"):
        CaptionModelConfig(dropout=1.5)


@pytest.mark.parametrize("size", [1, FEATURES + 1])
def test_features_of_another_size_are_refused_and_not_broadcast(size):
    model, batch = make_model(), make_batch()
    features = batch["features"][:, :1].repeat(size, axis=1)
    for use in (model.start, model.standardize, lambda f: model.loss(batch | {"features": f}, rng=STREAM)):
        with pytest.raises(ShapeError, match=rf"features is \(5, {size}\) but must be \(N, 6\)"):
            use(features)


def test_a_shape_in_place_of_a_batch_is_refused():
    with pytest.raises(InputError, match="x must be a batch"):
        make_model().summary((5, FEATURES))
