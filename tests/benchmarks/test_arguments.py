import pytest

from benchmarks.arguments import check_writable
from minicap.errors import InputError


def test_a_check_leaves_files_as_they_are(tmp_path):
    file = tmp_path / "rows.json"
    check_writable(file)
    assert not list(tmp_path.iterdir())
    file.write_text("old", encoding="utf-8")
    check_writable(file)
    assert file.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_is_not_there_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        check_writable(tmp_path / "missing" / "rows.json")
