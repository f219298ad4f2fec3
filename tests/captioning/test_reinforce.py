import json
from dataclasses import replace

import numpy as np
import pytest
from captioning.models.small import CAPTIONS, WORDS, batch_for, small

from minicap.arrays import Backend, textbook, to_device, to_host, use_backend
from minicap.arrays.random import RandomStream
from minicap.captioning.reinforce import PhotoExamples, ReinforceConfig, SelfCritical, drop_nothing
from minicap.decoding import Hypothesis
from minicap.errors import InputError
from minicap.gradcheck import check_model
from minicap.metrics.captions import CiderCorpus, cider
from minicap.optim import make_rule
from minicap.training import RunFolder, Trainer, TrainingConfig

REFERENCES = [[caption or ["a", "horse"]] for caption in CAPTIONS]
LENGTH = 6


def critical(**options):
    return SelfCritical(ReinforceConfig(**options), WORDS, REFERENCES, LENGTH)


def make_trainer(folder, model, step, **options):
    config = TrainingConfig(batch_size=2, clip_norm=0.0, monitor="train_loss", **options)
    examples = PhotoExamples(to_device(to_host(batch_for(model)["features"])))
    return Trainer(model, examples, config, RunFolder(folder), step=step)


def every_photo(trainer):
    return trainer.examples.batch(np.arange(len(CAPTIONS)))


def test_a_corpus_weighted_once_scores_as_cider_does():
    candidates = [["a", "dog"], ["two", "cats"], ["a", "man", "rides"], ["a"], ["rain"]]
    corpus = CiderCorpus(REFERENCES)
    assert [corpus.score(i, c) for i, c in enumerate(candidates)] == cider(candidates, REFERENCES)[1]


def test_the_reward_is_cider_with_the_end_as_a_word():
    step = critical(reinforce="greedy")
    ids = tuple(WORDS.encode(CAPTIONS[0])[:-1])
    whole, broken_off = (Hypothesis(ids, 0.0, 0.0, finished) for finished in (True, False))
    candidates = [[*CAPTIONS[0], "<end>"], CAPTIONS[0], *CAPTIONS[2:]]
    references = [[[*tokens, "<end>"] for tokens in refs] for refs in REFERENCES]
    expected = cider(candidates, [references[0], references[0], *references[2:]])
    assert step.rewards([0], [whole])[0] == pytest.approx(10)
    assert step.rewards([0, 0], [whole, broken_off])[1] < 10
    assert len(expected[1]) == 5


@pytest.mark.parametrize("samples", [2, 3])
def test_against_the_mean_of_the_others_the_advantages_of_a_photo_add_up_to_nothing(tmp_path, samples):
    seen = {}

    class Watched(SelfCritical):
        def rewards(self, photos, captions):
            seen["rewards"] = super().rewards(photos, captions)
            return seen["rewards"]

    model = small("show-and-tell gru")
    step = Watched(ReinforceConfig("mean", samples), WORDS, REFERENCES, LENGTH)
    trainer = make_trainer(tmp_path, model, step)
    loss = model.loss
    model.loss = lambda batch, **options: seen.update(batch) or loss(batch, **options)
    found = step(trainer, every_photo(trainer), RandomStream(3))
    rewards, weights = seen["rewards"].reshape(-1, samples), seen["weights"].reshape(-1, samples)
    others = np.stack([np.delete(rewards, i, axis=1).mean(axis=1) for i in range(samples)], axis=1)
    np.testing.assert_allclose(weights, rewards - others, atol=1e-12)
    assert found.scalars["reward"] == pytest.approx(rewards.mean())
    assert found.count == seen["mask"].sum()


def test_against_a_greedy_caption_the_advantage_is_over_its_reward(tmp_path):
    model = small("show-and-tell gru")
    step = critical(reinforce="greedy", samples=1)
    trainer = make_trainer(tmp_path, model, step)
    features = every_photo(trainer)["features"]
    best = step.rewards(range(len(CAPTIONS)), step.best(model, features))
    found = step(trainer, every_photo(trainer), RandomStream(3))
    assert found.scalars["baseline"] == pytest.approx(best.mean())


def test_the_gradient_is_that_of_the_weighted_log_probabilities(tmp_path):
    model, step = small("show-and-tell gru"), critical(reinforce="mean", samples=2)
    trainer = make_trainer(tmp_path, model, step, shards=1)

    def loss():
        found = step(trainer, every_photo(trainer), RandomStream(3))
        return found.loss, found.grads

    report = check_model(loss, model.params, entries=3)  # so small a change draws the same captions
    assert report.passed, str(report)


def test_the_expected_reward_rises(tmp_path):
    model, step = small("show-and-tell gru", hidden=16), critical(reinforce="mean", samples=8)
    trainer = make_trainer(tmp_path, model, step)
    rule, rewards = make_rule("adam", 0.02), []
    for number in range(60):
        found = step(trainer, every_photo(trainer), RandomStream(number))
        rule.step(model.params, found.grads)
        rewards.append(found.scalars["reward"])
    assert np.mean(rewards[-10:]) > 1.5 * np.mean(rewards[:10])


def test_nothing_is_dropped_while_captions_are_drawn():
    model = small("show-and-tell gru", dropout=0.5)
    drop_nothing(model)
    batch = batch_for(model)
    assert model.loss(batch, train=True, rng=RandomStream(1))[0] == model.loss(batch, train=False)[0]


def test_a_resumed_run_goes_on_bit_for_bit(tmp_path):
    def trainer(folder, epochs):
        model, step = small("show-and-tell lstm"), critical(reinforce="greedy", samples=2)
        return make_trainer(folder, model, step, epochs=epochs)

    whole = trainer(tmp_path / "whole", 3)
    whole.fit()
    trainer(tmp_path / "parts", 1).fit()
    rest = trainer(tmp_path / "parts", 3)
    rest.resume()
    rest.fit()
    for name, array in whole.model.params.items():
        np.testing.assert_array_equal(rest.model.params[name], array)

    def steps(folder):
        lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [r for r in map(json.loads, lines) if "reward" in r]

    assert steps(tmp_path / "parts") == steps(tmp_path / "whole")
    assert len(steps(tmp_path / "whole")) == 9


def test_a_step_on_a_gpu_equals_that_on_numpy(tmp_path, strict_cupy: Backend):
    def found(folder):
        model, step = small("show-and-tell gru"), critical(reinforce="greedy", samples=2)
        with textbook():
            trainer = make_trainer(folder, model, step, shards=1)
            return step(trainer, every_photo(trainer), RandomStream(3))

    expected = found(tmp_path / "numpy")
    with use_backend("strict-cupy"):
        got = found(tmp_path / "strict")
    assert got.scalars == expected.scalars
    for name, gradient in expected.grads.items():
        np.testing.assert_allclose(to_host(got.grads[name]), gradient, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"samples": 0}, "samples is 0"), ({"reinforce": "mean", "samples": 1}, "2 or more")],
)
def test_too_few_samples_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        replace(ReinforceConfig(), **options)
