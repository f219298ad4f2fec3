"""How the exercises are called that are no plain functions of arrays."""

from importlib import import_module

import numpy as np

from minicap import decoding
from minicap.layers import attention

beams = import_module("minicap.decoding.beams")
bleu_module = import_module("minicap.metrics.captions.bleu")  # a function has the same name
cider_module = import_module("minicap.metrics.captions.cider")


def attention_weights(scores, mask):
    return attention.attention_weights(np, scores, mask)


def score_gradients(dweights, weights):
    return attention.score_gradients(dweights, weights)


def model(scores):
    """A model whose scores depend on the last word alone."""
    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return lambda state, words: (log_p[words], state, {})


def told(hypothesis):
    return (list(hypothesis.words), hypothesis.log_prob, hypothesis.score, hypothesis.finished)


def greedy(scores, start, end, max_length, seed):
    """Greedy decoding, then a sample."""
    rows = (np.zeros((len(start), 1)),)
    found = decoding.greedy(model(scores), rows, start[0], end, max_length)
    found += decoding.sample(model(scores), rows, start[0], end, max_length, rng=seed)
    return [told(h) for h in found]


def beam(scores, start, end, beam, max_length, length_power):
    rows = (np.zeros((len(start), 1)),)
    options = dict(max_length=max_length, beam=beam, length_power=length_power)
    found = beams.beam_search(model(scores), rows, start[0], end, **options)
    return [[told(h) for h in each] for each in found]


def matches(candidate, references):
    return np.array(bleu_module.clipped_matches(candidate, references), dtype=float)


def bleu(matches, total, length, reference_length):
    return np.asarray(bleu_module.bleu_of_counts(matches, total, length, reference_length))


def similarity(candidate, reference):
    counted = [cider_module.count_orders(tokens) for tokens in (candidate, reference)]
    idf = {ngram: 0.5 + len(ngram) for orders in counted for counts in orders for ngram in counts}
    vectors = [
        cider_module.tf_idf(len(tokens), orders, idf, 10)
        for tokens, orders in zip((candidate, reference), counted, strict=True)
    ]
    return float(cider_module.clipped_similarity(*vectors))
