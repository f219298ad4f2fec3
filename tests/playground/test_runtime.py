"""Python and NumPy for the browser: from npm, its cache or a folder, and nothing else than these files."""

import shutil
import zipfile

import pytest
from playground.conftest import tgz

from minicap.data.packages import PackageFile
from minicap.errors import FormatError, InputError
from minicap.playground import runtime
from minicap.playground.runtime import archives, write_numpy, write_python


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MINICAP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "playground"


@pytest.fixture
def npm(packages, monkeypatch):
    """npm as far as it is asked here; returns the names that it was asked for."""
    asked = []

    def fetch(package: PackageFile, folder):
        asked.append(package.name)
        return shutil.copy(packages / f"{package.name}.tgz", folder / f"{package.name}-1.0.tgz")

    monkeypatch.setattr(runtime, "fetch", fetch)
    return asked


def test_npm_is_asked_once(cache, npm):
    first = archives()
    assert [file.name for file in first] == ["pyodide-1.0.tgz", "numpy-1.0.tgz"]
    assert archives() == first
    assert npm == ["pyodide", "numpy"]


def test_a_changed_file_in_the_cache_is_fetched_anew(cache, npm):
    numpy = archives()[1]
    whole = numpy.read_bytes()
    numpy.write_bytes(whole[:-1])
    assert archives()[1].read_bytes() == whole
    assert npm == ["pyodide", "numpy", "numpy"]


def test_without_npm_it_says_how_to_get_the_files(cache, packages, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(InputError, match=r"not installed here\. .*npm pack pyodide@1\.0 numpy@1\.0.*--from"):
        archives()


def test_another_checksum_is_refused(cache, packages, npm, monkeypatch):
    def fetch(package, folder):
        raise FormatError("its checksum differs")

    monkeypatch.setattr(runtime, "fetch", fetch)
    with pytest.raises(FormatError, match="checksum"):
        archives()


def test_a_given_folder_must_hold_both_unchanged(packages):
    assert [file.name for file in archives(packages)] == ["pyodide.tgz", "numpy.tgz"]
    (packages / "numpy.tgz").write_bytes(tgz({"package/other": b""}))
    with pytest.raises(InputError, match=r"does not hold, unchanged, numpy 1\.0; .*npm pack numpy@1\.0$"):
        archives(packages)
    with pytest.raises(InputError, match="pyodide"):
        archives(packages / "missing")


def test_only_what_the_page_loads_is_unpacked(packages, tmp_path):
    write_python(packages / "pyodide.tgz", tmp_path / "pyodide")
    assert {file.name for file in (tmp_path / "pyodide").iterdir()} == set(runtime._LOADED)


def test_numpy_goes_without_tests_and_with_the_function_it_misses(packages, tmp_path):
    assert write_numpy(packages / "numpy.tgz", tmp_path / "numpy.zip") == b"BSD"
    with zipfile.ZipFile(tmp_path / "numpy.zip") as archive:
        assert set(archive.namelist()) == {
            "numpy/__init__.py",
            "numpy/_core/_multiarray_tests.so",
            "numpy/_backtrace.so",
            "numpy/_distributor_init_local.py",
            "numpy-2.0.1.dist-info/LICENSE.txt",
        }
        assert archive.read("numpy/_backtrace.so")[:8] == b"\0asm\1\0\0\0"


def test_a_package_of_another_form_is_refused(tmp_path):
    (tmp_path / "odd.tgz").write_bytes(tgz({"package/pkg/readme": b""}))
    with pytest.raises(FormatError, match="one archive in it but there are 0"):
        write_numpy(tmp_path / "odd.tgz", tmp_path / "numpy.zip")
