"""The captions of the same few photos after every epoch."""

import numpy as np
import pytest
from PIL import Image
from training.tiny import make_dataset

from minicap.captioning import Captioner, ShowAndTellConfig, Vocabulary, make_encoder
from minicap.captioning.run import CaptionRunConfig
from minicap.captioning.samples import SampleCaptions, photo_file, read_samples
from minicap.captioning.splits import Split
from minicap.errors import FormatError, InputError
from minicap.training import RunFolder


class Standing:
    """A trainer whose weights are averaged, as far as a callback can see."""

    def __init__(self):
        self.entered = 0

    def averaged(self):
        self.entered += 1
        return open(__file__, "rb")  # anything that can stand in a `with`


@pytest.fixture
def captioner():
    words = Vocabulary.build([["a", "red", "circle"]])
    config = ShowAndTellConfig(embed_size=4, hidden_size=5)
    captioner = Captioner.create(make_encoder(CaptionRunConfig().encoder), words, config, 4)
    captioner.model.initialize(0)
    return captioner


@pytest.fixture
def split(tmp_path):
    folder = make_dataset(tmp_path / "data", ("val",) * 12) / "images"
    paths = [folder / f"{number}.jpg" for number in range(12)]
    features = np.random.default_rng(0).normal(size=(12, 1280)).astype(np.float32)
    return Split(paths, features, [], [[f"human {number}"] for number in range(12)])


def after(sampled, *epochs):
    trainer = Standing()
    for epoch in epochs:
        sampled(trainer, {"epoch": epoch})
    return trainer


def test_every_epoch_adds_the_captions_of_the_averaged_weights(captioner, split, tmp_path):
    run = RunFolder(tmp_path / "run")
    trainer = after(SampleCaptions(captioner, split, run), 1, 2)
    found = read_samples(run.path)
    expected = captioner.captions(split.features, beam=1)
    assert trainer.entered == 2
    assert list(found.captions) == [1, 2]
    assert found.humans[0] == ["human 0"]
    assert found.humans[-1] == ["human 11"]  # spread over the split
    assert len(found.humans) == len(found.captions[1]) == 8
    assert found.captions[1][0] == expected[0]
    assert found.captions[1][-1] == expected[-1]


def test_nothing_is_written_before_the_first_epoch(captioner, split, tmp_path):
    run = RunFolder(tmp_path / "run")
    SampleCaptions(captioner, split, run)
    assert not (run.path / "samples").exists()


def test_the_photos_are_kept_small(captioner, split, tmp_path):
    Image.new("RGB", (900, 600)).save(split.paths[0])
    run = RunFolder(tmp_path / "run")
    after(SampleCaptions(captioner, split, run), 1)
    with Image.open(photo_file(run.path, 0)) as image:
        assert image.size == (240, 160)


def test_fewer_photos_than_usual_are_each_taken_once(captioner, split, tmp_path):
    few = Split(split.paths[:3], split.features[:3], [], split.raw[:3])
    run = RunFolder(tmp_path / "run")
    after(SampleCaptions(captioner, few, run), 1)
    assert [len(said) for said in read_samples(run.path)[:1]] == [3]


def test_a_photo_that_is_gone_is_left_out(captioner, split, tmp_path):
    split.paths[0].unlink()
    run = RunFolder(tmp_path / "run")
    after(SampleCaptions(captioner, split, run), 1)
    found = read_samples(run.path)
    assert found.humans[0] != ["human 0"]
    assert len(found.humans) == len(found.captions[1]) == 7


def test_where_no_photo_can_be_read_nothing_is_said(captioner, split, tmp_path):
    for path in split.paths:
        path.unlink()
    run = RunFolder(tmp_path / "run")
    after(SampleCaptions(captioner, split, run), 1)
    assert read_samples(run.path) == ([], {})


def test_a_resumed_run_replaces_what_it_says_again(captioner, split, tmp_path):
    run = RunFolder(tmp_path / "run")
    after(SampleCaptions(captioner, split, run), 1, 2)
    after(SampleCaptions(captioner, split, run), 2, 3)
    assert list(read_samples(run.path).captions) == [1, 2, 3]


def test_a_line_cut_short_by_a_crash_is_skipped(captioner, split, tmp_path):
    run = RunFolder(tmp_path / "run")
    after(SampleCaptions(captioner, split, run), 1)
    with open(run.path / "samples" / "captions.jsonl", "a", encoding="utf-8") as file:
        file.write('[]\n{"epoch": 2, "capt')
    assert list(read_samples(run.path).captions) == [1]


def test_a_run_without_samples_has_none(tmp_path):
    assert read_samples(tmp_path) == ([], {})


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "humans.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(FormatError, match=r"humans\.json"):
        read_samples(tmp_path)


def test_a_folder_that_cannot_be_made_is_reported(captioner, split, tmp_path):
    run = RunFolder(tmp_path / "run")
    (run.path / "samples").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="cannot make the folder"):
        after(SampleCaptions(captioner, split, run), 1)
