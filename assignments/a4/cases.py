"""Inputs of the exercises that the gradient checker has no case for."""

import numpy as np

from minicap.gradcheck.case import Case

WORDS = ["a", "dog", "cat", "runs", "sits", "on", "the", "grass"]


def weights(masked):
    def make(rng):
        mask = (rng.random((3, 5)) < 0.6).astype(float)
        mask[0], mask[1, 0] = 0, 1
        return dict(scores=3 * rng.normal(size=(3, 5)), mask=mask if masked else None)

    return make


def score_gradients(rng):
    weights = np.exp(rng.normal(size=(3, 5)))
    weights[1, 2] = 0
    return dict(dweights=rng.normal(size=(3, 5)), weights=weights / weights.sum(axis=1, keepdims=True))


def beam(size, rows=2, power=0.0, length=5):
    def make(rng):
        scores = 1.5 * rng.normal(size=(6, 6))
        return dict(scores=scores, start=[1] * rows, end=2, beam=size, max_length=length, length_power=power)

    return make


def greedy(rows, length):
    def make(rng):
        scores = 1.5 * rng.normal(size=(6, 6))
        return dict(scores=scores, start=[1] * rows, end=2, max_length=length, seed=int(rng.integers(99)))

    return make


def sentence(rng, least=2):
    return [str(word) for word in rng.choice(WORDS, size=int(rng.integers(least, 9)))]


def matches(rng):
    return dict(candidate=sentence(rng), references=[sentence(rng) for _ in range(3)])


def similarity(rng):
    candidate = sentence(rng, 4)
    return dict(candidate=candidate, reference=[*candidate[:3], *sentence(rng, 2)])


def bleu(ratio):
    def make(rng):
        total = np.array([20, 17, 14, 11]) + rng.integers(0, 4)
        matched = (total * rng.uniform(0.2, 0.9, size=4)).astype(int)
        return dict(matches=matched, total=total, length=20, reference_length=int(20 * ratio))

    return make


CASES = [
    Case("attention_weights", "no mask", weights(False)),
    Case("attention_weights", "a mask, one row without a 1", weights(True)),
    Case("score_gradients", "", score_gradients),
    *(Case("greedy", f"{n} rows", greedy(n, 4 + n)) for n in (1, 3)),
    Case("beam", "of one", beam(1)),
    Case("beam", "of three", beam(3)),
    Case("beam", "wider than the vocabulary", beam(8, rows=1, length=3)),
    Case("beam", "mean over the words", beam(3, power=1.0)),
    *(Case("matches", f"sentences {n}", matches) for n in range(1, 4)),
    *(Case("similarity", f"sentences {n}", similarity) for n in range(1, 4)),
    Case("bleu", "too short", bleu(1.4)),
    Case("bleu", "long enough", bleu(0.9)),
]
