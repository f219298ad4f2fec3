import io
import stat
import zipfile

import pytest

from minicap.assignments import archive
from minicap.errors import FormatError, InputError

WANTED = frozenset({"minicap/layers/conv.py"})


def made(tmp_path, entries):
    file = tmp_path / "a.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in entries:
            packed.writestr(name, data)
    return file


def test_the_same_files_are_the_same_bytes_in_any_order():
    one, other = archive.zipped({"a": b"1", "b": b"2"}), archive.zipped({"b": b"2", "a": b"1"})
    assert one == other
    assert zipfile.ZipFile(io.BytesIO(one)).namelist() == ["a", "b"]


def test_a_handout_goes_with_its_checksums(tmp_path):
    archive.write({"a.txt": b"x"}, tmp_path / "new", "top")
    sums = (tmp_path / "new" / archive.SUMS).read_text(encoding="utf-8")
    assert sums == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881  a.txt\n"
    with pytest.raises(InputError, match="there already"):
        archive.write({"a.txt": b"x"}, tmp_path / "new", "top")


@pytest.mark.parametrize("top", ["", "student/"])
def test_wanted_files_are_read_wherever_the_root_lies(tmp_path, top):
    file = made(tmp_path, [(f"{top}minicap/layers/conv.py", "x = 1"), (f"{top}other.py", "y")])
    assert archive.read(file, WANTED) == {"minicap/layers/conv.py": b"x = 1"}


def test_a_folder_is_read_as_a_zip_is(tmp_path):
    (tmp_path / "me/minicap/layers").mkdir(parents=True)
    (tmp_path / "me/minicap/layers/conv.py").write_bytes(b"x = 1")
    assert archive.read(tmp_path, WANTED) == {"minicap/layers/conv.py": b"x = 1"}


def test_paths_that_lead_out_are_passed_over(tmp_path):
    file = made(tmp_path, [("../minicap/layers/conv.py", "x"), ("/minicap/layers/conv.py", "y")])
    assert archive.read(file, WANTED) == {}


def test_a_file_that_unpacks_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)
    file = made(tmp_path, [("minicap/layers/conv.py", bytes(2000))])
    with pytest.raises(FormatError, match="larger than"):
        archive.read(file, WANTED)


def test_two_files_of_one_name_are_refused(tmp_path):
    file = made(tmp_path, [("a/minicap/layers/conv.py", "x"), ("minicap/layers/conv.py", "y")])
    with pytest.raises(FormatError, match="twice"):
        archive.read(file, WANTED)


def test_a_link_in_a_zip_is_refused(tmp_path):
    link = zipfile.ZipInfo("minicap/layers/conv.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(FormatError, match="link"):
        archive.read(made(tmp_path, [(link, "/etc/passwd")]), WANTED)


def test_a_link_in_a_folder_is_refused(tmp_path):
    (tmp_path / "minicap/layers").mkdir(parents=True)
    try:
        (tmp_path / "minicap/layers/conv.py").symlink_to(__file__)
    except OSError:
        pytest.skip("this account may make no links")
    with pytest.raises(FormatError, match="link"):
        archive.read(tmp_path, WANTED)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no zip"])
def test_what_is_no_zip_is_refused(tmp_path, data):
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(FormatError, match="not a zip"):
        archive.read(tmp_path / "a.zip", WANTED)
