import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minicap.characters import CharacterModelConfig, Writer
from minicap.characters.run import (
    CharacterRunConfig,
    CharacterTrainingConfig,
    TextConfig,
    load_text,
    make_trainer,
    nats_per_character,
)
from minicap.errors import FormatError, InputError
from minicap.formats import defaults, descriptions, load_checkpoint, save_checkpoint, toml_value
from minicap.training import RunFolder

TEXT = "the cat sat on the mat, and the dog sat on the cat.\n" * 30
CONFIG = CharacterRunConfig(
    TextConfig(chunk=16, validation=0.2),
    CharacterModelConfig("gru", layers=1, embed_size=8, hidden_size=16, dropout=0.1),
    CharacterTrainingConfig(epochs=2, batch_size=4, learning_rate=0.01),
)


@pytest.fixture
def text(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8", newline="\n")
    return load_text(replace(CONFIG.data, path=str(tmp_path / "text.txt")))


def test_the_end_of_the_text_is_held_out(text):
    assert text.alphabet.decode(text.train) + text.alphabet.decode(text.validation) == TEXT
    assert len(text.validation) == round(0.2 * len(TEXT))


def test_a_run_learns_records_bits_and_writes(tmp_path, text):
    config = replace(CONFIG, training=replace(CONFIG.training, epochs=8))
    _, trainer = make_trainer(config, RunFolder(tmp_path / "run"), text)
    records = trainer.fit()
    bits = [record["bits_per_character"] for record in records]
    assert bits[-1] < 1.5 < bits[0] <= np.log2(len(text.alphabet)) + 0.5
    assert records[-1]["validation_loss"] == pytest.approx(bits[-1] * np.log(2))
    assert trainer.monitor.falls
    loaded = Writer.load(tmp_path / "run")
    assert loaded.origin.startswith("epoch ")
    assert set(loaded.write(50, temperature=0.5)) <= set(TEXT)


@pytest.mark.parametrize("every", [0, 3])
def test_a_resumed_run_goes_on_bit_for_bit(tmp_path, text, every):
    def trainer(folder, epochs):
        training = replace(CONFIG.training, epochs=epochs, checkpoint_every=every)
        return make_trainer(replace(CONFIG, training=training), RunFolder(folder), text)[1]

    whole = trainer(tmp_path / "whole", 3)
    whole.fit()
    parts = trainer(tmp_path / "parts", 3)
    stop_after(parts, 1 if every == 0 else 1.5)
    rest = trainer(tmp_path / "parts", 3)
    rest.resume()
    assert bool(rest.position.batch) == bool(every)
    rest.fit()
    for name, array in (whole.model.params | whole.model.state).items():
        np.testing.assert_array_equal((rest.model.params | rest.model.state)[name], array)


def stop_after(trainer, epochs):
    """Interrupt the run in the middle of an epoch, or at the end of one."""
    last = round(epochs * trainer.config.steps_after(0, len(trainer.examples)))
    step = trainer.step

    def interrupted(*args):
        if trainer.position.step == last:
            raise KeyboardInterrupt
        return step(*args)

    trainer.step = interrupted
    with pytest.raises(KeyboardInterrupt):
        trainer.fit()


def test_another_text_is_another_run(tmp_path, text):
    make_trainer(CONFIG, RunFolder(tmp_path / "run"), text)[1].fit()
    other = text._replace(train=text.train[::-1].copy())
    _, trainer = make_trainer(CONFIG, RunFolder(tmp_path / "run"), other)
    with pytest.raises(InputError, match="the text"):
        trainer.resume()


def test_an_untrained_model_knows_as_much_as_a_die(text):
    writer = Writer.create(text.alphabet, CONFIG.model)
    writer.model.initialize(0)
    assert nats_per_character(writer.model, text.train) == pytest.approx(np.log(len(text.alphabet)), abs=0.3)


def test_a_saved_writer_writes_the_same(tmp_path, text):
    writer, trainer = make_trainer(CONFIG, RunFolder(tmp_path / "run"), text)
    trainer.fit()
    writer.save(tmp_path / "small.safetensors", np.float32)
    again = Writer.load(tmp_path / "small.safetensors")
    for options in ({}, {"temperature": 0.0}, {"temperature": 0.7, "top_k": 3}, {"top_p": 0.5}):
        assert again.write(40, "the ", rng=3, **options) == writer.write(40, "the ", rng=3, **options)
    assert writer.write(40, "the ").startswith("the ")
    assert len(writer.write(40, "the ")) == 44


def test_what_cannot_be_written_is_refused(text):
    writer = Writer.create(text.alphabet, CONFIG.model)
    writer.model.initialize(0)
    with pytest.raises(InputError, match="'T' is none of the"):
        writer.write(10, "The")
    with pytest.raises(InputError, match="length is 0"):
        writer.write(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "captioner"}, "holds 'captioner', not a character model"),
        ({"alphabet": "aa"}, "damaged"),
        ({"alphabet": "ab"}, "does not fit its own description"),
        ({"streams": 0}, "damaged"),
        ({"model": {"cell": "x"}}, "cell is 'x' but must be one of"),
    ],
)
def test_a_checkpoint_that_contradicts_itself_is_refused(tmp_path, text, change, message):
    writer = Writer.create(text.alphabet, CONFIG.model)
    writer.model.initialize(0)
    writer.save(tmp_path / "whole.safetensors", np.float32)
    checkpoint = load_checkpoint(tmp_path / "whole.safetensors")
    changed = tmp_path / "changed.safetensors"
    save_checkpoint(changed, checkpoint._replace(about=checkpoint.about | change))
    with pytest.raises(FormatError, match=message):
        Writer.load(changed)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TextConfig(chunk=0), "chunk is 0"),
        (lambda: TextConfig(validation=1.0), "validation is 1.0"),
        (lambda: CharacterTrainingConfig(batch_growth=((2, 8),)), "one number of streams"),
        (lambda: load_text(TextConfig()), "--text FILE"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_the_guide_has_every_setting_with_its_default_and_meaning():
    rows = [
        f"| `{table}` | `{name}` | `{toml_value(default)}` | {descriptions(kind)[name]} |"
        for table, kind in (("data", TextConfig), ("model", CharacterModelConfig))
        for name, default in defaults(kind).items()
    ]
    guide = (Path(__file__).parents[2] / "docs" / "characters.md").read_text(encoding="utf-8")
    listed = [line for line in guide.splitlines() if re.match(r"\| `(data|model)` ", line)]
    assert listed == rows, "docs/characters.md should have these lines:\n" + "\n".join(rows)
