"""An edited body runs: no faster pair answers for a text that it was not written for."""

import ast
import inspect
import linecache
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import minicap
from minicap import layers
from minicap.arrays import accelerated, pins, register_backend, to_device
from minicap.arrays.backends import FASTER_PAIRS, NUMPY
from minicap.arrays.dispatch import look_again, overrides_of
from minicap.arrays.random import RandomStream
from minicap.gradcheck.library import all_layers, subjects
from minicap.gradcheck.nested import map_leaves
from minicap.nn import Affine, BatchNorm2d, Conv2d, Dropout, MaxPool2d, ReLU, Sequential
from minicap.optim import RULES
from tools import pin

REPLACED = pin.replaced()
PAIRS = sorted(
    name.removesuffix("_forward") for name in REPLACED if not name.endswith((".update", "norm", "all"))
)
SUBJECTS = {}
for _subject in subjects(PAIRS):
    SUBJECTS.setdefault(_subject.layer, _subject)


class FasterPairAnswered(Exception):
    pass


def answer(*args, **kwargs):
    raise FasterPairAnswered


@pytest.fixture(params=["numpy", "strict-cupy"])
def answering(request, own_backends, monkeypatch):
    """Makes a backend with one faster pair, which takes all arguments and raises when it is called."""
    kind = NUMPY if request.param == "numpy" else request.getfixturevalue("strict_cupy")

    def make(name):
        listed = [pair for module in FASTER_PAIRS.values() for pair in overrides_of(module).get(name, ())]
        module = ModuleType("minicap.faster_pairs_of_a_test")
        module.OVERRIDES = [listed[0]._replace(forward=answer, supports=lambda *a, **k: True)]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        backend = replace(kind, overrides=module.__name__)
        register_backend(backend)
        look_again()
        return backend

    yield make
    look_again()


@pytest.fixture
def empty(monkeypatch):
    """Replaces the body of a function by `raise NotImplementedError`, as in a student's handout."""

    def strip(function):
        body = function.textbook
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(body))).body
        tree.decorator_list, tree.body = [], ast.parse("raise NotImplementedError").body
        text, file = ast.unparse(tree), f"<{body.__qualname__} emptied>"
        linecache.cache[file] = (1, None, text.splitlines(keepends=True), file)
        scope = dict(body.__globals__)
        exec(compile(text, file, "exec"), scope)
        emptied = scope[body.__name__]
        emptied.__module__, emptied.__qualname__ = body.__module__, body.__qualname__
        monkeypatch.setattr(function, "textbook", emptied)
        look_again()

    yield strip
    look_again()


def call(name, backend):
    """Forward and backward of a case on a backend."""
    subject = SUBJECTS[name]
    inputs = map_leaves(
        lambda leaf: to_device(leaf, backend) if isinstance(leaf, np.ndarray) else leaf, subject.inputs
    )
    result = replace(subject, inputs=inputs).call(inputs)
    if subject.backward is not None:
        *outs, cache = result
        subject.backward(*outs, cache)


def replaced_name(name):
    return name if all_layers()[name].is_loss else f"{name}_forward"


def halves(name):
    layer = all_layers()[name]
    return [half for half in (layer.forward, layer.backward) if half is not None]


@pytest.mark.parametrize("name", PAIRS)
def test_a_faster_pair_answers_for_the_text_it_was_written_for(name, answering):
    with pytest.raises(FasterPairAnswered):
        call(name, answering(replaced_name(name)))


@pytest.mark.parametrize(
    ("name", "half"),
    [(name, half) for name in PAIRS for half in halves(name)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_emptied_body_runs_and_says_so(name, half, answering, empty):
    backend = answering(replaced_name(name))
    empty(half)
    with pytest.raises(NotImplementedError):
        call(name, backend)


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("conv_relu", layers.conv_forward),
        ("conv_relu", layers.relu_backward),
        ("affine_relu_dropout", layers.dropout_forward),
        ("relu_max_pool", layers.max_pool_backward),
        ("spatial_batchnorm", layers.batchnorm_backward),
        ("temporal_affine_softmax_loss", layers.temporal_softmax_loss),
    ],
)
def test_a_pair_has_no_faster_one_when_a_layer_inside_it_was_edited(name, inside, answering, empty):
    backend = answering(replaced_name(name))
    empty(inside)
    assert pins.edited(*halves(name)) == [f"{inside.__module__}.{inside.__name__}"]
    with pytest.raises(NotImplementedError):
        call(name, backend)


@pytest.mark.parametrize("rule", RULES.values())
def test_an_update_rule_with_another_body_moves_by_it(rule, answering, monkeypatch):
    backend = answering(f"{rule.__name__}.update")
    w = to_device(np.ones(3), backend)
    with pytest.raises(FasterPairAnswered):
        rule(0.1).step({"w": w}, {"w": w})

    def update(self, w, dw, state):
        raise NotImplementedError

    update.__module__, update.__qualname__ = rule.update.__module__, f"{rule.__name__}.update"
    monkeypatch.setattr(rule, "update", update)
    look_again()
    with pytest.raises(NotImplementedError):
        rule(0.1).step({"w": w}, {"w": w})


def test_a_function_of_the_same_name_elsewhere_has_no_faster_pair(answering):
    backend = answering("relu_forward")
    scope = {"accelerated": accelerated}
    exec("@accelerated\ndef relu_forward(x):\n    return 'mine', x\n", scope)
    assert scope["relu_forward"](to_device(np.ones(3), backend))[0] == "mine"


@pytest.mark.parametrize(
    "half",
    [
        layers.conv_forward,
        layers.conv_backward,
        layers.relu_forward,
        layers.relu_backward,
        layers.spatial_batchnorm_backward,
        layers.batchnorm_forward,
        layers.max_pool_forward,
        layers.affine_backward,
        layers.dropout_forward,
    ],
    ids=lambda half: half.__name__,
)
def test_an_emptied_body_runs_inside_a_sequential(half, empty):
    net = Sequential(
        Conv2d(3, 16, 3, pad=1),
        ReLU(),
        BatchNorm2d(16),
        ReLU(),
        MaxPool2d(2),
        Affine(16 * 256, 10),
        ReLU(),
        Dropout(0.5),
    )
    net.initialize(0)
    x = np.random.default_rng(0).normal(size=(8, 3, 32, 32)).astype(np.float32)

    def train():
        out, cache = net.forward(x, train=True, rng=RandomStream(0))
        net.backward(out, cache)

    train()
    empty(half)
    with pytest.raises(NotImplementedError):
        train()


def test_blanks_at_line_ends_and_empty_lines_do_not_count(tmp_path):
    texts = [
        "def f(x):\n    y = x\n    return y\n",
        "def f(x):  \n\n    y = x\t\n\n    return y\r\n",
        "def f(x):\n    y = x\n     \n    return x\n",
    ]
    digits = []
    for k, text in enumerate(texts):
        file = tmp_path / f"{k}.py"
        file.write_text(text, newline="")
        scope = {}
        exec(compile(text, str(file), "exec"), scope)
        digits.append(pins.fingerprint(scope["f"]))
    assert digits[0] == digits[1] != digits[2]


def test_where_there_is_no_source_the_pin_counts_as_kept(monkeypatch):
    monkeypatch.setattr(inspect, "getsource", lambda function: (_ for _ in ()).throw(OSError))
    look_again()
    assert pins.edited(layers.conv_forward) == []
    look_again()


def test_an_edit_on_disk_reaches_the_caller(tmp_path):
    package = Path(minicap.__file__).parent
    shutil.copytree(
        package, tmp_path / "minicap", ignore=shutil.ignore_patterns("__pycache__", "weights", "sample")
    )
    file = tmp_path / "minicap" / "layers" / "conv.py"
    text = file.read_text(encoding="utf-8")
    before = "    filters = w.reshape(groups, F // groups, -1)\n"
    assert before in text
    file.write_text(text.replace(before, "    raise NotImplementedError\n", 1), encoding="utf-8")
    program = (
        "import numpy as np; from minicap.nn import Conv2d, ReLU, Sequential\n"
        "net = Sequential(Conv2d(8, 8), ReLU()); net.initialize(0); net(np.ones((4, 8, 32, 32), np.float32))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.strip().endswith("NotImplementedError")
