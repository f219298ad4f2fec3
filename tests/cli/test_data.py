import argparse

import pytest
from PIL import Image

from minicap.cli import data
from minicap.errors import InputError


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    data.add_arguments(parser)
    return data.run(parser.parse_args(argv))


def test_show_counts_the_sample(capsys):
    assert run("show") == 0
    out = capsys.readouterr().out
    assert "sample: 104 photos (train 84, val 0, test 20)" in out
    assert "520, 5.0 a photo" in out


def test_show_names_the_source_and_licence_of_every_photo(capsys):
    run("show", "sample")
    lines = capsys.readouterr().out.splitlines()
    attributed = [line.split() for line in lines if "staticflickr.com" in line]
    assert [int(words[0]) for words in attributed] == list(range(1, 105))
    assert all("CC BY 2.0" in " ".join(words) for words in attributed)


def test_show_looks_at_one_split(capsys):
    run("show", "--split", "test", "--n", "2")
    out = capsys.readouterr().out
    assert "captions    100, 5.0 a photo" in out
    assert out.count("(test)") == 2
    assert out.count("staticflickr.com") == 20


def test_show_draws_a_sheet(tmp_path, capsys):
    run("show", "--n", "8", "--sheet", str(tmp_path / "sheet.png"))
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (6 * 160, 2 * 196)
        assert len(sheet.getcolors(1_000_000)) > 1000


@pytest.mark.parametrize("name", ["nowhere/sheet.png", "sheet.words"])
def test_a_sheet_that_cannot_be_written_is_named(tmp_path, capsys, name):
    with pytest.raises(InputError, match="--sheet: cannot write"):
        run("show", "--sheet", str(tmp_path / name))


def test_a_split_without_photos_is_refused():
    with pytest.raises(InputError, match="'val' has no photos"):
        run("show", "--split", "val")


def test_fewer_than_one_photo_is_refused():
    with pytest.raises(InputError, match="--n"):
        run("show", "--n", "0")


def test_a_path_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        run("show", str(tmp_path / "coco"))


def test_show_reads_a_karpathy_folder(shared_data, capsys):
    run("show", str(shared_data / "ucm"))
    out = capsys.readouterr().out
    assert "ucm_captions: 2100 photos (train 1680, val 210, test 210)" in out
    assert "flickr" not in out
