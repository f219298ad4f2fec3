from dataclasses import dataclass, replace

import pytest
from training.toy import make_trainer

from minicap.errors import InputError
from minicap.training import TrainingConfig, digest, settings_fingerprint
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
    assert settings_fingerprint("oven", Oven(cook="Bo"), leave_out=["path"]) == {
        "oven.heat": "1.5 (default)",
        "oven.cook": '"Bo"',
    }


def test_a_setting_that_an_older_minicap_did_not_have_may_be_the_default():
    now = settings_fingerprint("oven", Oven())
    before = {name: text for name, text in now.items() if name != "oven.cook"}
    assert changes(before, now) == []
    assert changes(before, settings_fingerprint("oven", Oven(cook="Bo"))) == [
        'oven.cook was not set and is "Bo"'
    ]


def test_a_value_is_the_same_whether_it_is_the_default_or_not():
    assert changes({"oven.heat": "1.5"}, {"oven.heat": "1.5 (default)"}) == []
    assert changes({"oven.heat": "1.5 (default)"}, {"oven.heat": "1.5"}) == []
    assert changes({"oven.heat": "1.5 (default)"}, {"oven.heat": "2.0"}) == ["oven.heat was 1.5 and is 2.0"]


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


CONFIG = TrainingConfig(epochs=1, batch_size=25, shards=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 20}, "training.batch_size was 25 and is 20"),
        ({"seed": 3}, r"training.seed was 0 and is 3"),
        ({"weight_decay": 0.5}, r"training.weight_decay was 0.0 and is 0.5"),
        ({"clip_norm": 1.0}, r"training.clip_norm was 5.0 and is 1.0"),
        (
            {"optimizer_options": {"beta1": 0.5}},
            r"training.optimizer_options was {} and is {beta1 = 0.5}",
        ),
    ],
)
def test_a_run_does_not_go_on_with_other_settings(tmp_path, change, message):
    make_trainer(tmp_path, CONFIG, size=50).fit()
    again = make_trainer(tmp_path, replace(CONFIG, epochs=2, **change), size=50)
    with pytest.raises(InputError, match=rf"cannot be resumed: {message}\. Undo that"):
        again.resume()
    assert again.position.step == 0


@pytest.mark.parametrize(
    "change",
    [{"epochs": 3}, {"learning_rate": 0.5}, {"shards": 2}, {"patience": 4}, {"checkpoint_every": 1}],
)
def test_how_long_and_how_it_is_done_may_change(tmp_path, change):
    make_trainer(tmp_path, CONFIG, size=50).fit()
    again = make_trainer(tmp_path, replace(CONFIG, **change), size=50)
    again.resume()
    assert again.position.step == 2


def test_what_the_application_names_may_not_change_either(tmp_path):
    def trainer(words, size):
        return make_trainer(tmp_path, CONFIG, size=50, fingerprint={"the words": digest(words), "size": size})

    trainer(["a", "b"], "2").fit()
    with pytest.raises(InputError, match="cannot be resumed: the words changed; size was 2 and is 3"):
        trainer(["b", "a"], "3").resume()
    trainer(["a", "b"], "2").resume()
