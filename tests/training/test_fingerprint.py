from dataclasses import dataclass

from minicap.training import digest, settings_fingerprint
from minicap.training.fingerprint import changes


@dataclass(frozen=True)
class Oven:
    heat: float = 1.5
    cook: str = "Ada"
    path: str = "here"


def test_a_digest_is_the_same_for_the_same_value_only():
    captions = [["a", "red", "ball"], ["two", "cats"]]
    assert digest(captions) == digest([list(c) for c in captions])
    assert len({digest(v) for v in (captions, captions[::-1], [captions[0]], [["a red ball"]], None)}) == 5


def test_settings_are_named_after_their_table():
    assert settings_fingerprint("oven", Oven(), leave_out=["path"]) == {
        "oven.heat": "1.5",
        "oven.cook": '"Ada"',
    }


def test_equal_fingerprints_have_no_changes():
    fingerprint = {"vocabulary": digest(["a"]), "heat": "1"}
    assert changes(dict(fingerprint), fingerprint) == []


def test_changes_say_both_values_but_no_digests():
    before = {"heat": "1.5", "words": digest(["a"]), "gone": "1"}
    after = {"heat": "2.0", "words": digest(["b"]), "new": "2"}
    assert changes(before, after) == [
        "heat was 1.5 and is 2.0",
        "words changed",
        "gone was 1 and is not set",
        "new was not set and is 2",
    ]


def test_what_is_no_fingerprint_is_a_change():
    assert changes(None, {"heat": "1"}) == ["its checkpoint has no fingerprint"]
