import sys
from pathlib import Path

import pytest

from minicap.errors import InputError
from minicap.formats.folders import default_cache_folder


def test_the_cache_folder_is_chosen_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("MINICAP_CACHE", str(tmp_path))
    assert default_cache_folder() == tmp_path


@pytest.mark.parametrize(
    ("platform", "variable", "folder"),
    [
        ("linux", "XDG_CACHE_HOME", "minicap"),
        ("win32", "LOCALAPPDATA", "minicap/cache"),
        ("linux", None, ".cache/minicap"),
        ("darwin", None, "Library/Caches/minicap"),
        ("win32", None, "AppData/Local/minicap/cache"),
    ],
)
def test_every_system_has_its_usual_place(monkeypatch, tmp_path, platform, variable, folder):
    for name in ("MINICAP_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path))
    assert default_cache_folder() == tmp_path / folder


def test_without_a_home_the_variable_is_named(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for name in ("MINICAP_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(InputError, match="MINICAP_CACHE"):
        default_cache_folder()
