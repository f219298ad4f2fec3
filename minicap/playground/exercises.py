"""Backwards to edit: minicap's own text, mistakes to try on it, and the checker's answer as in a terminal."""

import inspect
import io
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib import import_module
from typing import Any, NamedTuple

from minicap.arrays import textbook
from minicap.errors import InputError
from minicap.gradcheck import Report
from minicap.gradcheck.check import check_subject
from minicap.gradcheck.exercise import words
from minicap.gradcheck.library import Layer, load_cases, subject_of
from minicap.gradcheck.report import layer_table, summary

_YOURS = "your code"  # the file that messages name
_MOST_PRINTED = 10_000  # characters


class Mistake(NamedTuple):
    """An edit of the text.  old appears once in it."""

    title: str
    old: str
    new: str


class Exercise(NamedTuple):
    """Functions of one module to edit.

    layer: what is checked, by its name in the checker.  edited: the functions, in the order they are shown.
    given: a function shown beside them, which stays as it is.
    """

    layer: str
    title: str
    module: str
    edited: tuple[str, ...]
    given: str
    mistakes: tuple[Mistake, ...]

    @property
    def source(self) -> str:
        """The text of the functions to edit, as it stands in minicap."""
        return "\n\n\n".join(self._text(name) for name in self.edited) + "\n"

    @property
    def forward(self) -> str:
        return self._text(self.given) + "\n"

    def with_mistake(self, mistake: Mistake) -> str:
        return self.source.replace(mistake.old, mistake.new)

    def _text(self, name: str) -> str:
        text = inspect.getsource(getattr(import_module(self.module), name))
        return text.removeprefix("@accelerated\n").strip()  # here the text itself runs, no faster pair


EXERCISES = (
    Exercise(
        "affine",
        "Affine layer",
        "minicap.layers.affine",
        ("affine_backward",),
        "affine_forward",
        (
            Mistake("A mean for a sum", "db = dout.sum(axis=0)", "db = dout.mean(axis=0)"),
            Mistake("A transposed dw", "x.reshape(len(x), -1).T @ dout", "dout.T @ x.reshape(len(x), -1)"),
            Mistake("A wrong sign", "dx = (dout @ w.T)", "dx = -(dout @ w.T)"),
        ),
    ),
    Exercise(
        "relu",
        "ReLU",
        "minicap.layers.activations",
        ("relu_backward",),
        "relu_forward",
        (
            Mistake(
                "Writing into dout",
                "return dout * (cache.x > 0)",
                "dout[cache.x <= 0] = 0\n    return dout",
            ),
            Mistake("The other half of the line", "(cache.x > 0)", "(cache.x < 0)"),
            Mistake("x for its slope", "dout * (cache.x > 0)", "dout * cache.x * (cache.x > 0)"),
        ),
    ),
    Exercise(
        "batchnorm",
        "Batch normalisation",
        "minicap.layers.normalization",
        ("batchnorm_backward", "_standardise_gradient"),
        "batchnorm_forward",
        (
            Mistake("No path through the variance", " - mean_part - var_part)", " - mean_part)"),
            Mistake("No path through the mean", " - mean_part - var_part)", " - var_part)"),
            Mistake("dbeta for dgamma", "(dout * x_hat).sum(axis=others), ", "dout.sum(axis=others), "),
        ),
    ),
    Exercise(
        "softmax_loss",
        "Softmax loss",
        "minicap.layers.losses",
        ("cross_entropy", "softmax_loss"),
        "reduce_losses",
        (
            Mistake("The batch size forgotten", "return losses, weight[:, None] * dx", "return losses, dx"),
            Mistake("The right class forgotten", "dx[rows, y] -= 1 - s", "dx[rows, y] -= 0"),
            Mistake("Smoothing forgotten", "dx = dx - s / x.shape[1]", "dx = dx + 0"),
        ),
    ),
    Exercise(
        "lstm_step",
        "One step of an LSTM",
        "minicap.layers.lstm",
        ("lstm_step_backward",),
        "lstm_step_forward",
        (
            Mistake("The next cell forgotten", "    dc = dnext_c + dnext_h", "    dc = dnext_h"),
            Mistake("A sigmoid's slope for tanh", "dg * (1 - g**2)", "dg * g * (1 - g)"),
            Mistake(
                "Two gates exchanged",
                "di, df, do, dg = dc * g, dc * prev_c",
                "df, di, do, dg = dc * g, dc * prev_c",
            ),
        ),
    ),
)


class Checked(NamedTuple):
    """findings: what is wrong, each once.  text: what the code prints, then as `minicap gradcheck` does."""

    passed: bool
    findings: list[str]
    text: str


def check(layer: str, source: str) -> Checked:
    """Check a layer with these functions in place of its own.

    Raises InputError for an unknown layer, and for a text that is not Python or fails as it is read.
    """
    exercise = next((e for e in EXERCISES if e.layer == layer), None)
    if exercise is None:
        raise InputError(f"there is no exercise {layer!r}")
    names = {**vars(import_module(exercise.module))}
    printed = io.StringIO()
    with redirect_stdout(printed):
        _run(source, names)
        report = _report(_layer(exercise, names))
    findings = dict.fromkeys(f"{row.argument or row.variant}: {row.verdict}" for row in report.failures)
    text = f"{printed.getvalue()[-_MOST_PRINTED:]}{layer_table(report)}\n{summary(report)}"
    return Checked(report.passed, list(findings), text)


def _run(source: str, names: dict[str, Any]) -> None:
    try:
        exec(compile(source, _YOURS, "exec"), names)
    except SyntaxError as error:
        raise InputError(f"SyntaxError: {error.msg} ({_YOURS}, line {error.lineno})") from None
    except Exception as error:
        raise InputError(words(error, _YOURS)) from None


def _layer(exercise: Exercise, names: dict[str, Any]) -> Layer:
    for name in exercise.edited:
        if not callable(names.get(name)):
            raise InputError(f"{_YOURS} no longer defines {name}")

    def function(name: str) -> Callable[..., Any] | None:
        return names.get(name)

    if exercise.layer in names:
        return Layer(exercise.layer, function(exercise.layer), None, True)
    forward, backward = f"{exercise.layer}_forward", f"{exercise.layer}_backward"
    return Layer(exercise.layer, function(forward), function(backward), False)


def _report(layer: Layer) -> Report:
    report = Report()
    with textbook():
        for case in load_cases(large=False):
            if case.layer == layer.name:
                report += check_subject(subject_of(case, layer))
    return report
