"""The checker checked: no mutant of any layer survives."""

from dataclasses import replace

import numpy as np
import pytest

from minicap.gradcheck import kinds, library, mutants
from minicap.gradcheck.kinds import KINDS
from minicap.gradcheck.mutants import run_mutants, table

patient = pytest.mark.timeout(1800)  # whichever comes first runs all mutants, half an hour on a busy machine


@pytest.fixture(scope="module")
def tally():
    return run_mutants()


@patient
def test_no_mutant_of_any_layer_survives(tally):
    assert tally.passed, table(tally)
    assert tally.layers == library.all_layers().keys()


@patient
def test_there_are_at_least_ten_kinds_and_each_kills_somewhere(tally):
    assert len(KINDS) >= 10
    assert all(tally.killed[kind.name] > 0 for kind in KINDS)


@patient
def test_few_mutants_are_the_same_as_their_original(tally):
    for kind in KINDS:
        if kind.name in {"zeroed", "sign flipped", "scaled by 1.001", "one entry wrong", "constant added"}:
            assert tally.same[kind.name] == 0, kind.name


@patient
def test_every_layer_and_every_argument_is_mutated(tally):
    subjects = list(library.subjects())
    for kind in KINDS:
        if kind.each_argument:
            total = sum(len(s.arguments) for s in subjects if not s.directions)
            assert tally.killed[kind.name] + tally.same[kind.name] == total


@pytest.mark.parametrize(
    ("slip", "layers"),
    [
        ("mask ignored at the first step", ["rnn", "lstm", "gru"]),
        ("gradient of a carried state dropped", ["rnn", "lstm", "gru"]),
        ("gradient of a carried cell dropped", ["lstm"]),
    ],
)
def test_slips_about_the_mask_are_noticed_by_the_layers_own_cases(slip, layers, monkeypatch):
    monkeypatch.setattr(mutants, "KINDS", [kind for kind in KINDS if kind.name == slip])
    for layer in layers:
        own = run_mutants([layer])
        assert own.passed, table(own)
        assert own.killed[slip] > 0, layer


def test_a_mutant_that_changes_nothing_is_the_same_and_no_survivor(monkeypatch):
    identity = kinds._value("identity", lambda g: g.copy())
    monkeypatch.setattr(mutants, "KINDS", (identity,))
    tally = run_mutants(["lstm_step"])
    assert (tally.same["identity"], tally.survived["identity"]) == (6, 0)


def test_a_mutant_too_fine_for_the_checker_is_called_a_survivor(monkeypatch):
    fine = kinds._value("fine", lambda g: g * (1 + 1e-14) if g.dtype == np.float64 else g)
    monkeypatch.setattr(mutants, "KINDS", (fine,))
    tally = run_mutants(["lstm_step"])
    assert tally.survived["fine"] == 6
    assert not tally.passed
    assert "SURVIVED: fine: lstm_step Wx" in table(tally)


def test_a_layer_that_fails_as_it_is_is_not_mutated_but_named(monkeypatch):
    (good,) = library.subjects(["lstm_step"])
    broken = replace(good, backward=lambda dh, dc, cache: None)
    monkeypatch.setattr(mutants, "subjects", lambda layers: [broken])
    tally = run_mutants(["lstm_step"])
    assert not tally.passed
    assert "NOT MUTATED, fails as it is: lstm_step" in table(tally)
