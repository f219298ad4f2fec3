"""How the exercises are called that are no plain functions of arrays."""

import numpy as np

from minicap.nn import init
from minicap.optim import rules


def run(rule, ws, gradients):
    """Some steps of a rule on two parameters: what they are after every step."""
    params = {name: w.copy() for name, w in ws.items()}
    seen = []
    for grads in gradients:
        rule.step(params, {name: dw.copy() for name, dw in grads.items()})
        seen.append({name: w.copy() for name, w in params.items()})
    return seen


def sgd(ws, gradients, rate):
    return run(rules.SGD(rate), ws, gradients)


def momentum(ws, gradients, rate):
    return run(rules.Momentum(rate, momentum=0.8), ws, gradients)


def nesterov(ws, gradients, rate):
    return run(rules.Nesterov(rate, momentum=0.8), ws, gradients)


def adagrad(ws, gradients, rate):
    return run(rules.AdaGrad(rate, eps=1e-2), ws, gradients)


def rmsprop(ws, gradients, rate):
    return run(rules.RMSProp(rate, decay=0.9, eps=1e-2), ws, gradients)


def adam(ws, gradients, rate):
    return run(rules.Adam(rate, beta1=0.8, beta2=0.9, eps=1e-2), ws, gradients)


def he_normal(seed, shape):
    return init.he_normal(np.random.default_rng(seed), tuple(shape))


def glorot_uniform(seed, shape):
    return init.glorot_uniform(np.random.default_rng(seed), tuple(shape))
