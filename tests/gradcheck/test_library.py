"""Every gradient of the library is right, and what is missing becomes a row."""

import json

import numpy as np
import pytest

from minicap.arrays import Override
from minicap.errors import InputError
from minicap.gradcheck import Case, library, run_checks
from minicap.gradcheck.derivatives import COMPLEX_TOLERANCE, TOLERANCE
from minicap.gradcheck.report import to_json
from minicap.layers.affine import AffineCache, affine_backward, affine_forward


@pytest.fixture(scope="module")
def report():
    return run_checks()


def test_every_gradient_of_the_library_is_right(report):
    assert report.passed, "\n".join(map(str, report.failures))


def test_the_tolerances_have_room_but_not_much(report):
    assert max(row.error for row in report) <= TOLERANCE / 5
    assert max(row.complex_error for row in report if row.complex_error) <= COMPLEX_TOLERANCE / 5


def test_every_argument_of_every_case_has_its_row(report):
    expected = [(s.layer, s.variant, a) for s in library.subjects() for a in s.arguments]
    assert [(row.layer, row.variant, row.argument) for row in report] == expected


def test_few_entries_lie_at_kinks(report):
    assert sum(row.skipped for row in report) <= 0.001 * sum(row.entries for row in report)


def test_the_report_is_json_with_nulls_for_what_json_cannot_say(report):
    value = json.loads(to_json(report))
    assert value["summary"]["failures"] == 0
    assert len(value["rows"]) == len(report)


def test_a_layer_can_be_named_by_its_forward():
    assert {row.layer for row in run_checks(["affine_forward"])} == {"affine"}


def test_an_unknown_layer_gets_the_nearest_known_name():
    with pytest.raises(InputError, match=r"""no layer 'afine' \(did you mean "affine"\?\)"""):
        run_checks(["afine"])


def test_a_layer_without_a_case_fails(monkeypatch):
    monkeypatch.setattr(library, "load_cases", list)
    (row,) = run_checks(["affine"])
    assert row.verdict == "has no gradient-check case"


def test_a_forward_without_backward_fails(monkeypatch):
    lonely = library.Layer("lonely", affine_forward, None, False)
    monkeypatch.setattr(library, "all_layers", lambda: {"lonely": lonely})
    assert run_checks(["lonely"])[0].verdict == "lonely_backward is missing"


def test_a_case_of_no_layer_fails(monkeypatch):
    monkeypatch.setattr(library, "all_layers", dict)
    monkeypatch.setattr(library, "load_cases", lambda: [Case("nosuch", "", lambda rng: {})])
    assert run_checks()[0].verdict == "is a case without a layer"


def test_a_case_that_raises_is_a_row_not_a_traceback(monkeypatch):
    monkeypatch.setattr(library, "load_cases", lambda: [Case("affine", "", lambda rng: {}["x"])])
    (row,) = run_checks(["affine"])
    assert row.verdict == "the case cannot be drawn: KeyError: 'x'"


class FastCache(AffineCache):
    pass


@pytest.fixture
def fast_affine(monkeypatch):
    """Registers a faster affine pair whose db is wrong by a given factor."""

    def register(factor: float, dtypes=("float64", "float32")):
        def fast_forward(x, w, b):
            return affine_forward.textbook(x, w, b)[0], FastCache(x, w)

        def fast_backward(dout, cache):
            dx, dw, db = affine_backward.textbook(dout, cache)
            return dx, dw, db * db.dtype.type(factor)

        override = Override(
            "affine", fast_forward, lambda x, w, b: x.dtype in dtypes, FastCache, fast_backward
        )
        monkeypatch.setattr(library, "overrides_of", lambda module: {"affine_forward": [override]})

    return register


def test_accelerated_checks_the_faster_pair_too(fast_affine):
    fast_affine(1.0)
    report = run_checks(["affine"], accelerated=True)
    assert report.passed
    assert "[fast_forward]" in {row.variant for row in report}


def test_a_wrong_faster_pair_fails_and_the_textbook_pair_does_not(fast_affine):
    fast_affine(1.001)
    assert run_checks(["affine"]).passed
    failures = run_checks(["affine"], accelerated=True).failures
    assert len(failures) == len([c for c in library.load_cases() if c.layer == "affine"])
    assert all(row.variant.endswith("[fast_forward]") and row.argument == "b" for row in failures)


def test_a_faster_pair_that_no_case_reaches_is_named(fast_affine):
    fast_affine(1.0, dtypes=("float32",))
    assert library.unreached_overrides(["affine"]) == ["affine: fast_forward takes no case in float64"]


def test_every_other_point_differs_from_the_point_itself():
    for subject in library.subjects(["affine", "softmax_loss"]):
        here, there = subject.inputs_as(np.float64), subject.elsewhere(np.float64)
        assert not np.array_equal(here["x"], there["x"])
