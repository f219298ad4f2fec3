"""What holds for every captioning model of the registry."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from captioning.models.small import CAPTIONS, SHAPES, WORDS, batch_for, settings, small
from strict_cupy import counting

from minicap.arrays import Backend, textbook, to_device, to_host, use_backend
from minicap.arrays.random import RandomStream
from minicap.captioning import MODELS, make_model
from minicap.captioning.examples import CaptionExamples, partial_captions
from minicap.decoding import beam_search, greedy, sample
from minicap.errors import InputError, ShapeError
from minicap.gradcheck import check_model
from minicap.layers.softmax import log_softmax_forward
from minicap.optim import make_rule
from minicap.training import RunFolder, Trainer, TrainingConfig
from minicap.training.shards import sharded_loss

STREAM = RandomStream(7)
SHORT = [["a", "dog", "sleeps"], ["two", "cats", "sleep"], []]

models = pytest.mark.parametrize("name", settings())


def test_no_model_of_the_registry_is_left_out():
    assert {config.name for config in settings().values()} == set(MODELS)


@models
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_dtypes_go_through(name, dtype):
    model = small(name, dtype)
    batch = batch_for(model, dtype)
    scores, _ = model.forward(batch, train=False)
    assert scores.shape == (*batch["words"].shape, len(WORDS))
    assert scores.dtype == dtype
    loss, grads = model.loss(batch, train=True, rng=STREAM)
    assert np.shape(loss) == ()
    assert {name: (g.shape, g.dtype) for name, g in grads.items()} == {
        name: (p.shape, p.dtype) for name, p in model.params.items()
    }


def shaken(model):
    """Biases of zero would hide what multiplies them."""
    for parameter in model.params.values():
        parameter += 0.1 * np.random.default_rng(parameter.size).normal(size=parameter.shape)
    return model


@models
def test_gradients_are_right_with_dropout_on(name):
    model = shaken(small(name))
    loss = partial(model.loss, batch_for(model, captions=SHORT), train=True, rng=STREAM)
    report = check_model(loss, model.params, step=1e-6, entries=160 // len(model.params))
    assert report.passed, str(report)


@models
def test_gradients_are_right_with_weighted_captions(name):
    model = shaken(small(name))
    batch = batch_for(model, captions=SHORT) | {"weights": np.array([0.5, 0.0, 3.0])}
    loss = partial(model.loss, batch, train=True, rng=STREAM)
    report = check_model(loss, model.params, step=1e-6, entries=2)
    assert report.passed, str(report)


@models
def test_the_weight_of_a_caption_multiplies_its_loss(name):
    model = small(name)
    batch = batch_for(model)
    count = model.count(batch)
    alone = [
        model.loss(batch | {"weights": np.eye(len(CAPTIONS))[i]}, train=False, count=count)[0]
        for i in range(len(CAPTIONS))
    ]
    weights = np.array([0.5, -2.0, 0.0, 1.0, 3.0])
    weighted, _ = model.loss(batch | {"weights": weights}, train=False, count=count)
    assert weighted == pytest.approx(np.dot(weights, alone), rel=1e-12)


@models
def test_the_gradient_of_the_features_is_right(name):
    model = shaken(small(name))
    batch, rng = batch_for(model), np.random.default_rng(1)
    model.standardize(0.1 + 2 * batch["features"])
    scores, cache = model.forward(batch, train=True, rng=STREAM)
    dscores, direction = rng.normal(size=scores.shape), rng.normal(size=batch["features"].shape)
    dfeatures, _ = model.backward(dscores, cache)

    def moved(step):
        scores, _ = model.forward(batch | {"features": batch["features"] + step * direction}, True, STREAM)
        return (dscores * scores).sum()

    numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5
    assert (dfeatures * direction).sum() == pytest.approx(numeric, rel=1e-6)


@models
def test_one_batch_is_learned_by_heart(name):
    model = small(name, np.float32, hidden=32, dropout=0.0)
    batch, rule = batch_for(model, np.float32), make_rule("adam", 0.02)
    for _ in range(200):
        _, grads = model.loss(batch, train=True)
        rule.step(model.params, grads)
    assert model.loss(batch, train=False)[0] < 0.1
    found = greedy(model.step, model.start(batch["features"]), WORDS.start, WORDS.end)
    assert [WORDS.decode(h.words) for h in found] == [" ".join(caption) for caption in CAPTIONS]
    assert all(h.finished for h in found)
    beams = beam_search(model.step, model.start(batch["features"]), WORDS.start, WORDS.end)
    assert [beam[0].words for beam in beams] == [h.words for h in found]


@models
def test_step_by_step_gives_the_log_probabilities_of_the_whole_sequence(name):
    model = shaken(small(name))
    batch = batch_for(model)
    scores, _ = model.forward(batch, train=False)
    expected = np.stack([log_softmax_forward(scores[:, t])[0] for t in range(scores.shape[1])], axis=1)
    state = model.start(batch["features"])
    for t in range(scores.shape[1]):
        log_probs, state, extras = model.step(state, batch["words"][:, t])
        np.testing.assert_allclose(log_probs, expected[:, t], rtol=0, atol=1e-12)
        assert all(len(array) == len(CAPTIONS) for array in (*state, *extras.values()))


@models
def test_the_loss_is_the_mean_over_the_words_and_ends_of_the_captions(name):
    model = small(name)
    batch = batch_for(model)
    assert model.count(batch) == sum(len(caption) + 1 for caption in CAPTIONS)
    loss, grads = model.loss(batch, train=False)
    assert grads == {}
    total = 0.0
    for i, caption in enumerate(CAPTIONS):
        state, last = model.start(batch["features"][i : i + 1]), WORDS.start
        for word in WORDS.encode(caption):
            log_probs, state, _ = model.step(state, np.array([last]))
            total, last = total - log_probs[0, word], word
    assert loss == pytest.approx(total / model.count(batch), rel=1e-12)


@models
def test_padding_changes_neither_the_loss_nor_the_gradients(name):
    model = small(name, dropout=0.0)
    batch, rows, rng = batch_for(model), len(CAPTIONS), np.random.default_rng(0)
    more = {
        "words": rng.integers(len(WORDS), size=(rows, 3)),
        "next_words": rng.integers(len(WORDS), size=(rows, 3)),
        "mask": np.zeros((rows, 3)),
    }
    padded = batch | {key: np.concatenate([batch[key], tail], axis=1) for key, tail in more.items()}
    loss, grads = model.loss(batch, train=True)
    padded_loss, padded_grads = model.loss(padded, train=True)
    assert padded_loss == pytest.approx(loss, rel=1e-12)
    for key, grad in grads.items():
        np.testing.assert_allclose(padded_grads[key], grad, rtol=0, atol=1e-13)


@models
def test_partial_captions_have_the_gradients_of_whole_ones(name):
    config = settings(dropout=0.0)[name]
    if hasattr(config, "doubly_stochastic"):  # a penalty on whole captions
        config = replace(config, doubly_stochastic=0.0)
    model = shaken(make_model(config, SHAPES, len(WORDS)).initialize(seed=1, dtype=np.float64))
    batch = batch_for(model)
    split = partial_captions(batch)
    assert len(split["words"]) == model.count(split) == model.count(batch)
    loss, grads = model.loss(batch, train=True)
    partial_loss, partial_grads = model.loss(split, train=True)
    assert partial_loss == pytest.approx(loss, rel=1e-12)
    for key, grad in grads.items():
        np.testing.assert_allclose(partial_grads[key], grad, rtol=0, atol=1e-13)


@models
@pytest.mark.parametrize("shards", [1, 2, 3, 5, 9])
def test_shards_add_up_to_the_whole_batch_with_dropout_on(name, shards):
    model = small(name)
    batch = batch_for(model)
    loss, grads = model.loss(batch, train=True, rng=STREAM)
    sharded, sharded_grads = sharded_loss(model, batch, STREAM, shards)
    assert sharded == pytest.approx(loss, rel=1e-12)
    assert sharded_grads.keys() == grads.keys()
    for key, grad in grads.items():
        np.testing.assert_allclose(sharded_grads[key], grad, rtol=0, atol=1e-13)


@models
def test_dropout_is_a_function_of_the_stream_and_off_in_evaluation(name):
    model = small(name)
    batch = batch_for(model)
    first, again, other = (model.loss(batch, train=True, rng=RandomStream(key))[0] for key in (1, 1, 2))
    assert first == again != other
    without = small(name, dropout=0.0)
    assert model.loss(batch, train=False)[0] == without.loss(batch, train=False)[0]


@models
def test_a_resumed_run_goes_on_bit_for_bit(name, tmp_path):
    def trainer(folder, epochs):
        model = small(name, np.float32)
        features = np.random.default_rng(0).normal(size=(5, *SHAPES[model.reads])).astype(np.float32)
        examples = CaptionExamples(features, [[caption] for caption in CAPTIONS], WORDS)
        config = TrainingConfig(epochs=epochs, batch_size=3)
        return Trainer(model, examples, config, RunFolder(tmp_path / folder))

    whole = trainer("whole", 3)
    whole.fit()
    trainer("parts", 1).fit()
    rest = trainer("parts", 3)
    rest.resume()
    rest.fit()
    for key, parameter in whole.model.params.items():
        np.testing.assert_array_equal(rest.model.params[key], parameter)


@models
def test_training_writes_into_neither_the_batch_nor_the_parameters(name):
    model = small(name)
    batch = batch_for(model)
    for array in (*batch.values(), *model.params.values()):
        array.flags.writeable = False
    model.loss(batch, train=True, rng=STREAM)


@models
def test_the_image_decides_the_caption(name):
    model = small(name)
    batch = batch_for(model)
    log_probs, _, _ = model.step(model.start(batch["features"]), batch["words"][:, 0])
    assert len(np.unique(log_probs[:, 4].round(9))) == len(CAPTIONS)


@models
@pytest.mark.parametrize("size", [1, SHAPES["pooled"][0] + 1])
def test_features_of_another_size_are_refused_and_not_broadcast(name, size):
    model = small(name)
    batch = batch_for(model)
    features = batch["features"][..., :1].repeat(size, axis=-1)
    for use in (model.start, model.standardize, lambda f: model.loss(batch | {"features": f}, train=False)):
        with pytest.raises(ShapeError, match=rf"features is \(5, .*{size}\) but must be \(N, .*6\)"):
            use(features)


@models
def test_features_of_another_kind_are_refused(name):
    model = small(name)
    batch = batch_for(model)
    features = batch["features"][:, None]
    with pytest.raises(ShapeError, match="features is"):
        model.start(features)
    with pytest.raises(InputError, match=f"reads {model.reads} features, but this encoder gives stages"):
        make_model(model.config, {"stages": (6,)}, len(WORDS))


@models
def test_a_shape_in_place_of_a_batch_is_refused(name):
    with pytest.raises(InputError, match="x must be a batch"):
        small(name).forward(np.ones((5, 6)), train=False)


@models
def test_standardized_features_have_mean_0_and_deviation_1_but_for_silent_channels(name):
    model = small(name)
    features = 5 + 3 * np.random.default_rng(0).normal(size=(40, *SHAPES[model.reads]))
    features[..., 0] = 2.0  # a channel that never changes
    model.standardize(features)
    standardized = model.standardized(features).reshape(-1, 6)
    np.testing.assert_allclose(standardized.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(standardized.std(axis=0), [0, 1, 1, 1, 1, 1], atol=1e-12)
    assert np.abs(model.standardized(features + 0.1)[..., 0]).max() < 100


def close(ours, theirs):
    np.testing.assert_allclose(to_host(ours), to_host(theirs), rtol=0, atol=1e-12)


@models
def test_loss_and_gradients_on_a_gpu_equal_those_on_numpy_and_never_wait(name, strict_cupy: Backend):
    def losses():
        model = small(name)
        batch = {key: to_device(array) for key, array in batch_for(model).items()}
        with textbook(), counting() as counts:
            loss, grads = model.loss(batch, train=True, rng=STREAM, count=6)
        return loss, grads, counts

    expected_loss, expected, _ = losses()
    with use_backend("strict-cupy"):
        loss, grads, counts = losses()
    assert not counts.stalls
    close(loss, expected_loss)
    assert grads.keys() == expected.keys()
    for key in expected:
        close(grads[key], expected[key])


@models
def test_decoding_on_a_gpu_equals_that_on_numpy_and_a_step_never_waits(name, strict_cupy: Backend):
    def decoded():
        model = small(name)
        features, words = to_device(batch_for(model)["features"]), to_device(np.array([4, 4, 9, 5, 6]))
        with textbook(), counting() as counts:
            state = model.start(features)
            log_probs, state, extras = model.step(state, words)
        found = greedy(model.step, model.start(features), WORDS.start, WORDS.end, max_length=5)
        beams = beam_search(model.step, model.start(features), WORDS.start, WORDS.end, max_length=5)
        diverse = beam_search(
            model.step, model.start(features), WORDS.start, WORDS.end, 5, 4, groups=2, diversity=1.0
        )
        drawn = sample(
            model.step, model.start(features), WORDS.start, WORDS.end, 5, 0.8, rng=3, top_k=6, top_p=0.9
        )
        said = [h.words for h in (*found, *drawn)], [[h.words for h in row] for row in (*beams, *diverse)]
        return (log_probs, *state, *extras.values()), counts, said

    expected, _, expected_words = decoded()
    with use_backend("strict-cupy"):
        got, counts, words = decoded()
    assert not counts.stalls
    for ours, theirs in zip(got, expected, strict=True):
        close(ours, theirs)
    assert words == expected_words
