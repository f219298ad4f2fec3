import numpy as np
import pytest

from minicap.arrays import Array
from minicap.errors import DtypeError, InputError
from minicap.optim import RULES, SGD, AdaDelta, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSProp, make_rule

SHAPES = {"a": (3, 4), "b": (5,)}


def draw(rng, dtype=np.float64) -> dict[str, Array]:
    return {name: rng.normal(size=shape).astype(dtype) for name, shape in SHAPES.items()}


def make_pairs(torch):
    """A rule of minicap and the same rule of PyTorch."""
    optim = torch.optim
    return {
        "sgd": (SGD(0.1), lambda p: optim.SGD(p, lr=0.1)),
        "sgd, decay": (SGD(0.1, weight_decay=0.3), lambda p: optim.SGD(p, lr=0.1, weight_decay=0.3)),
        "momentum": (Momentum(0.1, 0.8), lambda p: optim.SGD(p, lr=0.1, momentum=0.8)),
        "momentum, decay": (
            Momentum(0.1, 0.8, weight_decay=0.3),
            lambda p: optim.SGD(p, lr=0.1, momentum=0.8, weight_decay=0.3),
        ),
        "nesterov": (
            Nesterov(0.1, 0.8, weight_decay=0.2),
            lambda p: optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True, weight_decay=0.2),
        ),
        "rmsprop": (
            RMSProp(0.01, 0.9, 1e-6, weight_decay=0.2),
            lambda p: optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-6, weight_decay=0.2),
        ),
        "rmsprop, defaults": (RMSProp(0.01), lambda p: optim.RMSprop(p, lr=0.01)),
        "adam": (
            Adam(0.02, 0.8, 0.95, 1e-5, weight_decay=0.2),
            lambda p: optim.Adam(p, lr=0.02, betas=(0.8, 0.95), eps=1e-5, weight_decay=0.2),
        ),
        "adam, defaults": (Adam(), lambda p: optim.Adam(p)),
        "adamw": (
            AdamW(0.02, 0.8, 0.95, 1e-5, weight_decay=0.2),
            lambda p: optim.AdamW(p, lr=0.02, betas=(0.8, 0.95), eps=1e-5, weight_decay=0.2),
        ),
        "adagrad": (
            AdaGrad(0.1, 1e-6, weight_decay=0.2),
            lambda p: optim.Adagrad(p, lr=0.1, eps=1e-6, weight_decay=0.2),
        ),
        "adagrad, defaults": (AdaGrad(), lambda p: optim.Adagrad(p)),
        "adadelta": (
            AdaDelta(0.5, 0.8, 1e-4, weight_decay=0.2),
            lambda p: optim.Adadelta(p, lr=0.5, rho=0.8, eps=1e-4, weight_decay=0.2),
        ),
        "adadelta, defaults": (AdaDelta(), lambda p: optim.Adadelta(p, rho=0.95)),
    }


@pytest.mark.parametrize(
    "name",
    [
        "sgd",
        "sgd, decay",
        "momentum",
        "momentum, decay",
        "nesterov",
        "rmsprop",
        "rmsprop, defaults",
        "adam",
        "adam, defaults",
        "adamw",
        "adagrad",
        "adagrad, defaults",
        "adadelta",
        "adadelta, defaults",
    ],
)
def test_fifty_steps_equal_pytorchs(name, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    rule, make_theirs = make_pairs(torch)[name]
    params = draw(rng)
    theirs = {key: torch.tensor(value.copy(), requires_grad=True) for key, value in params.items()}
    optimizer = make_theirs(list(theirs.values()))
    for _ in range(50):
        grads = draw(rng)
        rule.step(params, grads)
        for key, tensor in theirs.items():
            tensor.grad = torch.tensor(grads[key])
        optimizer.step()
    for key, tensor in theirs.items():
        np.testing.assert_allclose(params[key], tensor.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (SGD(0.1, weight_decay=0.5), [1 - 0.1 * (2 + 0.5), 0.75 - 0.1 * (-1 + 0.375)]),
        (RMSProp(0.1, decay=0.75, eps=0), [1 - 0.1 * 2 / 1, 0.8 - 0.1 * -1 / 1]),  # s = 4/4, then 3/4 + 1/4
        # m = 1, then 0; v = 2, then 3/2; m_hat and v_hat undo the first step's shares.
        (Adam(0.1, beta1=0.5, beta2=0.5, eps=0), [1 - 0.1 * 2 / 2, 0.9]),
        # As Adam, and w shrinks by a twentieth besides.
        (AdamW(0.1, beta1=0.5, beta2=0.5, eps=0, weight_decay=0.5), [0.95 - 0.1, 0.95 * 0.85]),
        (AdaGrad(0.1, eps=0), [1 - 0.1 * 2 / 2, 0.9 + 0.1 * 1 / np.sqrt(5)]),  # s = 4, then 4 + 1
        # s = 2, u = 0, so delta = sqrt(1/4) 2 / sqrt(9/4) = 2/3; then s = 3/2 and u = 2/9.
        (
            AdaDelta(1.0, decay=0.5, eps=0.25),
            [1 - 2 / 3, 1 / 3 + np.sqrt(2 / 9 + 1 / 4) / np.sqrt(3 / 2 + 1 / 4)],
        ),
    ],
    ids=["sgd", "rmsprop", "adam", "adamw", "adagrad", "adadelta"],
)
def test_two_steps_by_hand(rule, expected):
    w = np.ones(1)
    for dw, after in zip((2.0, -1.0), expected, strict=True):
        rule.step({"w": w}, {"w": np.array([dw])})
        np.testing.assert_allclose(w, after, rtol=1e-14)


def test_momentum_has_the_learning_rate_inside_its_velocity():
    # PyTorch has it outside, so the two part when the rate changes; by hand: v = -0.1, then -0.05 - 0.01.
    w, rule = np.zeros(1), Momentum(0.1, momentum=0.5)
    rule.step({"w": w}, {"w": np.ones(1)})
    rule.learning_rate = 0.01
    rule.step({"w": w}, {"w": np.ones(1)})
    np.testing.assert_allclose(w, -0.1 - 0.06, rtol=1e-14)


def test_the_decay_of_adamw_does_not_depend_on_the_gradients():
    small, large = np.ones(1), np.ones(1)
    for w, dw in ((small, 1e-3), (large, 1e3)):
        AdamW(0.1, eps=0, weight_decay=0.5).step({"w": w}, {"w": np.array([dw])})
    np.testing.assert_allclose(small, large, rtol=1e-12)


def test_nesterov_looks_ahead_with_the_new_velocity():
    w, rule = np.zeros(1), Nesterov(0.1, momentum=0.5)
    rule.step({"w": w}, {"w": np.ones(1)})  # v = -0.1, w += 0.5 * -0.1 - 0.1
    np.testing.assert_allclose(w, -0.15, rtol=1e-14)


@pytest.mark.parametrize("name", RULES)
def test_parameters_move_in_place_and_keep_their_dtype(name, rng):
    rule = make_rule(name, 0.1, weight_decay=0.1)
    params = draw(rng, np.float32)
    objects, before = dict(params), {key: value.copy() for key, value in params.items()}
    for _ in range(3):
        rule.step(params, draw(rng, np.float32))
    for key in params:
        assert params[key] is objects[key]
        assert params[key].dtype == np.float32
        assert (params[key] != before[key]).all()
    assert {array.dtype for array in rule.arrays().values()} <= {np.dtype(np.float32)}


@pytest.mark.parametrize("name", RULES)
def test_gradients_are_left_as_they_were(name, rng):
    rule, params, grads = make_rule(name, 0.1, weight_decay=0.1), draw(rng), draw(rng)
    copies = {key: value.copy() for key, value in grads.items()}
    rule.step(params, grads)
    assert all((grads[key] == copies[key]).all() for key in grads)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_that_took_up_saved_memory_goes_on_bit_for_bit(name, rng):
    first, params = make_rule(name, 0.05), draw(rng)
    for _ in range(4):
        first.step(params, draw(rng))
    second, copied = make_rule(name, 0.05), {key: value.copy() for key, value in params.items()}
    second.load(first.arrays(), first.step_count)
    for _ in range(4):
        grads = draw(rng)
        first.step(params, grads)
        second.step(copied, grads)
    assert all((params[key] == copied[key]).all() for key in params)
    assert first.step_count == second.step_count == 8


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("adam", {"beta1": 2.0}, "Adam: beta1 is 2.0 but must be at least 0 and below 1"),
        ("adam", {"beta2": 1.0}, "Adam: beta2 is 1.0 but must be"),
        ("adam", {"eps": -1e-8}, "Adam: eps is -1e-08 but must be a number, at least 0"),
        ("rmsprop", {"decay": -0.1}, "RMSProp: decay is -0.1"),
        ("rmsprop", {"eps": float("nan")}, "RMSProp: eps is nan"),
        ("momentum", {"momentum": 1.0}, "Momentum: momentum is 1.0"),
        ("nesterov", {"momentum": float("nan")}, "Nesterov: momentum is nan"),
        ("adamw", {"beta1": 1.0}, "AdamW: beta1 is 1.0 but must be"),
        ("adagrad", {"eps": -1.0}, "AdaGrad: eps is -1.0 but must be a number, at least 0"),
        ("adadelta", {"decay": 1.0}, "AdaDelta: decay is 1.0 but must be at least 0 and below 1"),
        ("adadelta", {"eps": 0.0}, "AdaDelta: eps is 0.0 but must be positive"),
        ("sgd", {"weight_decay": float("nan")}, "SGD: weight_decay is nan"),
        ("sgd", {"weight_decay": float("inf")}, "SGD: weight_decay is inf"),
        ("adam", {"beta": 0.9}, r'optimizer adam: unknown key "beta" \(did you mean "beta\d"\?\)'),
        ("sgd", {"momentum": 0.9}, 'optimizer sgd: unknown key "momentum"'),
        ("adam", {"eps": "tiny"}, "\"eps\" is 'tiny', a str, but must be float"),
    ],
)
def test_senseless_options_are_refused(name, options, message):
    with pytest.raises(InputError, match=message):
        make_rule(name, 0.1, **options)


@pytest.mark.parametrize(
    ("rule", "setting"), [(Adam, "beta1"), (Adam, "eps"), (Momentum, "momentum"), (AdaDelta, "eps")]
)
def test_a_setting_that_is_text_is_refused_by_name(rule, setting):
    with pytest.raises(InputError, match=f"{rule.__name__}: {setting} is 'small' but must be"):
        rule(0.1, **{setting: "small"})


def test_an_unknown_rule_is_named_beside_the_known_ones():
    with pytest.raises(InputError, match="unknown optimizer 'adan'; choose one of sgd, momentum, nesterov"):
        make_rule("adan", 0.1)


def test_rules_work_where_the_parameters_live(backend, rng):
    params = {key: backend.from_host(value) for key, value in draw(rng).items()}
    grads = {key: backend.from_host(value) for key, value in draw(rng).items()}
    for name in RULES:
        rule = make_rule(name, 0.1, weight_decay=0.01)
        for _ in range(2):
            rule.step(params, grads)
        assert all(type(array) is backend.array_type for array in rule.arrays().values())


@pytest.mark.parametrize("rate", [-1, 0, float("nan"), float("inf"), "fast", None])
def test_a_learning_rate_that_is_none_is_refused(rate):
    with pytest.raises(InputError, match=r"SGD: learning_rate is .* but must be a positive number"):
        SGD(rate)


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_a_gradient_of_another_dtype_moves_nothing(dtype):
    params = {"w": np.ones((2, 2), np.float32)}
    with pytest.raises(DtypeError, match=r"SGD\.step: the gradient of w is .* but the parameter float32"):
        SGD(0.1).step(params, {"w": np.ones((2, 2), dtype)})
    assert (params["w"] == 1).all()
