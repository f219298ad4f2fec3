import argparse

import pytest
from PIL import Image

from minicap.cli import data, main
from minicap.data import LABELLED
from minicap.errors import InputError


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    data.add_arguments(parser)
    return data.run(parser.parse_args(argv))


def test_show_counts_the_sample(capsys):
    assert run("show") == 0
    out = capsys.readouterr().out
    assert "sample: 104 photos (train 84, val 0, test 20)" in out
    assert "520, 5.0 per photo" in out


def test_show_names_the_source_and_licence_of_every_photo(capsys):
    run("show", "sample", "--attributions")
    lines = capsys.readouterr().out.splitlines()
    attributed = [line.split() for line in lines if "staticflickr.com" in line]
    assert [int(words[0]) for words in attributed] == list(range(1, 105))
    assert all("CC BY 2.0" in " ".join(words) for words in attributed)


def test_show_looks_at_one_split(capsys):
    run("show", "--split", "test", "--n", "2")
    out = capsys.readouterr().out
    assert "captions    100, 5.0 per photo" in out
    assert out.count("(test)") == 2
    assert out.count("staticflickr.com") == 2


def test_show_draws_a_sheet(tmp_path, capsys):
    run("show", "--n", "8", "--sheet", str(tmp_path / "sheet.png"))
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (6 * 160, 2 * 196)
        assert len(sheet.getcolors(1_000_000)) > 1000


@pytest.mark.parametrize("name", ["nowhere/sheet.png", "sheet.words"])
def test_a_sheet_that_cannot_be_written_is_named(tmp_path, capsys, name):
    with pytest.raises(InputError, match="cannot write"):
        run("show", "--sheet", str(tmp_path / name))


def test_a_split_without_photos_is_refused():
    with pytest.raises(InputError, match="'val' has no photos"):
        run("show", "--split", "val")


def test_fewer_than_one_photo_is_refused(misused):
    assert "argument --n: 0 is not in 1..1000" in misused("data", "show", "--n", "0")


def test_show_fits_on_a_page(capsys):
    run("show")
    assert len(capsys.readouterr().out.splitlines()) < 60


def test_what_is_too_little_to_learn_from_is_said(tmp_path, capsys):
    for name in ("a", "b"):
        Image.new("RGB", (4, 4)).save(tmp_path / f"{name}.jpg")
        (tmp_path / f"{name}.txt").write_text(f"A photo {name}x", encoding="utf-8")
    run("show", str(tmp_path))
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    assert "2 photos are few to learn from" in notes[0]
    assert ["validation" in note for note in notes] == [False, True, False]
    assert "test photos" in notes[2]


def test_escape_sequences_in_captions_do_not_reach_the_terminal(tmp_path, capsys):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.jpg")
    (tmp_path / "a.txt").write_text("a dog\x1b[2J", encoding="utf-8")
    run("show", str(tmp_path))
    out = capsys.readouterr().out
    assert r"a dog\x1b[2J" in out
    assert "\x1b" not in out


def test_a_path_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        run("show", str(tmp_path / "coco"))


def test_show_reads_a_karpathy_folder(shared_data, capsys):
    run("show", str(shared_data / "ucm"))
    out = capsys.readouterr().out
    assert "ucm_captions: 2100 photos (train 1680, val 210, test 210)" in out
    assert "flickr" not in out


def test_labelled_sets_are_listed_with_where_to_get_them_and_their_files(capsys):
    assert main(["data", "list"]) == 0
    out = capsys.readouterr().out
    for name, entry in LABELLED.items():
        assert f"{name}\n" in out
        assert entry.home in out
        assert entry.layout in out
