import dis
from collections import Counter

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from benchmarks.cases.networks import Network
from benchmarks.flame import __main__ as command
from benchmarks.flame.picture import COPIES, ELEMENTS, PRODUCTS, TRANSFORMS, draw_flame, kind_of, shares, tree
from benchmarks.flame.sampler import PYTHON, operation_at, sample
from benchmarks.watch import TrainingStep
from minicap.nn import Affine, Conv2d, MaxPool2d, ReLU, Sequential

COUNTS = {
    ("forward", "relu1", "pointwise.relu_forward", "maximum"): 10,
    ("forward", "conv1", "winograd.convolve", "winograd.to_points", "matmul"): 20,
    ("forward", "conv1", "winograd.convolve", "matmul"): 30,
    ("forward", "losses.softmax_loss", "exp"): 1,
    ("backward", "conv1", "winograd.gradients", "matmul"): 60,
    ("backward", "relu1", "pointwise.relu_backward", "multiply"): 9,
    ("update", "rules.step", PYTHON): 5,
}


def small(image, classes):
    convs = (Conv2d(3, 8, pad="same"), ReLU(), Conv2d(8, 8, pad="same"), ReLU(), MaxPool2d())
    return Sequential(*convs, Affine(8 * 16 * 16, classes))


def some_operations(x, out):
    np.matmul(
        x,
        x,
        out=out,
    )
    out += x
    out[...] = x @ x
    return np.maximum(x, 0) * 2 > len(out)


def test_an_instruction_is_called_by_numpys_name():
    code = some_operations.__code__
    found = {operation_at(code, instruction.offset) for instruction in dis.get_instructions(code)}
    assert found == {"matmul", "add", "copy", "maximum", "multiply", "greater", "len", PYTHON}


def test_code_without_a_source_is_python():
    scope = {}
    exec(compile("def f(x):\n    return x + x\n", "<nowhere>", "exec"), scope)
    code = scope["f"].__code__
    assert {operation_at(code, i.offset) for i in dis.get_instructions(code)} == {PYTHON}


def test_layers_functions_and_operations_are_seen_at_work():
    with threadpool_limits(1, user_api="blas"):
        counts = sample(TrainingStep(Network(small, 64, (3, 32, 32), 5), shards=1), 30)
    assert {stack[0] for stack in counts} == {"forward", "backward", "update"}
    assert {"conv1", "conv2", "affine1"} <= {stack[1] for stack in counts if stack[0] == "backward"}
    convolution = [stack for stack in counts if stack[:2] == ("forward", "conv2")]
    assert any(stack[-1] == "matmul" for stack in convolution)
    assert any(stack[2].endswith(".convolve") for stack in convolution)


def test_layers_come_in_the_order_of_time():
    phases = tree(COUNTS, ["conv1", "relu1"])
    assert list(phases["forward"].children) == ["conv1", "relu1", "losses.softmax_loss"]
    assert list(phases["backward"].children) == ["relu1", "conv1"]


def test_what_a_function_calls_comes_by_size():
    convolve = tree(COUNTS, ["conv1"])["forward"].children["conv1"].children["winograd.convolve"]
    assert convolve.count == 50
    assert list(convolve.children) == ["matmul", "winograd.to_points"]


@pytest.mark.parametrize(
    ("stack", "kind"),
    [
        (("forward", "conv1", "winograd.convolve", "matmul"), PRODUCTS),
        (("forward", "conv1", "winograd.convolve", "winograd.to_points", "matmul"), TRANSFORMS),
        (("backward", "affine1", "affine.affine_backward", "dot"), PRODUCTS),
        (("forward", "conv1", "blocks.read", "copy"), COPIES),
        (("forward", "relu1", "pointwise.relu_forward", "maximum"), ELEMENTS),
        (("update", PYTHON), PYTHON),
    ],
)
def test_an_operation_has_a_kind(stack, kind):
    assert kind_of(stack) == kind


def test_the_shares_of_the_kinds_make_a_whole():
    found = shares(COUNTS)
    assert sum(found.values()) == pytest.approx(1)
    assert found[PRODUCTS] == pytest.approx(90 / 135)


def test_the_picture_names_layers_and_their_times():
    pytest.importorskip("matplotlib", reason="figures need it")
    figure = draw_flame(COUNTS, 0.0135, ["conv1", "relu1"], "a title")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {"a title", "forward  6.1 ms", "conv1  5.0 ms", "backward  6.9 ms"} <= set(texts)


def test_the_command_says_where_time_goes_and_draws_it(tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="figures need it")
    file = tmp_path / "flame.svg"
    assert command.main(["step/lenet-cifar", "--steps", "5", "--patience", "0", "--figure", str(file)]) == 0
    out = capsys.readouterr().out
    assert "matrix products" in out
    assert "conv2 backward" in out
    assert file.read_text(encoding="utf-8").startswith("<?xml")


def test_steps_too_short_to_be_seen_are_an_error_in_one_line(capsys, monkeypatch):
    monkeypatch.setattr(command, "sample", lambda step, count: Counter())
    assert command.main(["step/softmax-cifar", "--steps", "1", "--patience", "0"]) == 2
    assert capsys.readouterr().err.endswith("ask for more --steps\n")


def test_a_case_without_layers_is_an_error_in_one_line(capsys):
    assert command.main(["lstm/128"]) == 2
    assert capsys.readouterr().err.startswith("benchmarks.flame: 'lstm/128' is no training step")


@pytest.mark.parametrize("option", ["--shards", "--steps"])
def test_numbers_must_be_positive(option, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main([option, "0"])
    assert f"argument {option}: 0 is not positive" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["picture.gif", "missing/picture.svg", "folder.svg"])
def test_a_picture_that_cannot_be_written_is_told_before_anything_is_measured(
    name, tmp_path, capsys, monkeypatch
):
    pytest.importorskip("matplotlib", reason="figures need it")
    monkeypatch.delattr(command, "TrainingStep")
    (tmp_path / "folder.svg").mkdir()
    assert command.main(["--figure", str(tmp_path / name)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("benchmarks.flame: ")
    assert err.count("\n") == 1
