"""Questions and answers as JSON, as the page sends and reads them."""

import json

from minicap.playground.exercises import EXERCISES
from minicap.playground.rooms import answer


def ask(question, **asked):
    return json.loads(answer(question, json.dumps(asked)))


def test_the_exercises_come_with_their_texts():
    found = ask("exercises")["exercises"]
    assert [each["layer"] for each in found] == [each.layer for each in EXERCISES]
    assert found[0]["source"].startswith("def affine_backward(")
    assert found[0]["forward"].startswith("def affine_forward(")
    assert found[0]["mistakes"][0]["source"] != found[0]["source"]


def test_a_source_is_checked():
    found = ask("check", layer="relu", source=EXERCISES[1].source)
    assert found["passed"] is True
    assert found["text"].startswith("layer")


def test_a_net_begins_and_trains():
    begun = ask("begin", points="moons", hidden=4)
    assert begun["step"] == 0
    assert len(begun["x"]) == len(begun["y"]) == 200
    trained = ask("train", steps=3)
    assert trained["step"] == len(trained["losses"]) == 3
    assert 0 <= trained["accuracy"] <= 1
    assert len(trained["picture"]) == len(trained["picture"][0])


def test_a_loss_that_is_no_number_is_told_as_such():
    ask("begin", rule="SGD", learning_rate=1e30)
    assert ask("train", steps=10)["diverged"] is True


def test_what_goes_wrong_is_an_answer():
    assert "is none of" in ask("begin", points="stars")["error"]
    assert "KeyError" in ask("nonsense")["error"]
