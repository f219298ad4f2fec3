"""CS231n's update rules: w, dw and a config dictionary in, the next w and the config out.

A config of None starts a new one with the course's defaults.  The rule writes its memory into the config
and leaves w and dw as they are.
"""

from typing import Any

from minicap.arrays import Array, backend_of

__all__ = ["adam", "rmsprop", "sgd", "sgd_momentum"]

Config = dict[str, Any]


def sgd(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    """w - lr dw.  config: learning_rate 1e-2."""
    config = _with_defaults(config, learning_rate=1e-2)
    return w - config["learning_rate"] * dw, config


def sgd_momentum(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    """v = momentum v - lr dw,  w + v.  config: learning_rate 1e-2, momentum 0.9, velocity."""
    config = _with_defaults(config, learning_rate=1e-2, momentum=0.9, velocity=_zeros_like(w))
    config["velocity"] = config["momentum"] * config["velocity"] - config["learning_rate"] * dw
    return w + config["velocity"], config


def rmsprop(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    """s = rho s + (1 - rho) dw^2,  w - lr dw / (sqrt(s) + eps).

    config: learning_rate 1e-2, decay_rate (rho) 0.99, epsilon 1e-8, cache (s).
    """
    config = _with_defaults(config, learning_rate=1e-2, decay_rate=0.99, epsilon=1e-8, cache=_zeros_like(w))
    rho = config["decay_rate"]
    config["cache"] = rho * config["cache"] + (1 - rho) * dw**2
    root = backend_of(w=w).xp.sqrt(config["cache"])
    return w - config["learning_rate"] * dw / (root + config["epsilon"]), config


def adam(w: Array, dw: Array, config: Config | None = None) -> tuple[Array, Config]:
    """Kingma & Ba 2015, algorithm 1; the step t is counted up before it is used.

    config: learning_rate 1e-3, beta1 0.9, beta2 0.999, epsilon 1e-8, m, v, t.
    """
    config = _with_defaults(
        config,
        learning_rate=1e-3,
        beta1=0.9,
        beta2=0.999,
        epsilon=1e-8,
        m=_zeros_like(w),
        v=_zeros_like(w),
        t=0,
    )
    beta1, beta2 = config["beta1"], config["beta2"]
    config["t"] += 1
    config["m"] = beta1 * config["m"] + (1 - beta1) * dw
    config["v"] = beta2 * config["v"] + (1 - beta2) * dw**2
    m_hat = config["m"] / (1 - beta1 ** config["t"])
    v_hat = config["v"] / (1 - beta2 ** config["t"])
    root = backend_of(w=w).xp.sqrt(v_hat)
    return w - config["learning_rate"] * m_hat / (root + config["epsilon"]), config


def _with_defaults(config: Config | None, **defaults: Any) -> Config:
    config = {} if config is None else config
    for name, value in defaults.items():
        config.setdefault(name, value)
    return config


def _zeros_like(w: Array) -> Array:
    return backend_of(w=w).xp.zeros_like(w)
