import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import minicap
from minicap import __version__
from minicap.cli import COMMANDS, main
from minicap.cli import classify as classify_command


def script() -> str:
    found = shutil.which("minicap", path=str(Path(sys.executable).parent))
    assert found, "the package is not installed beside this Python"
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_help(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        main([command, "--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: minicap {command}")
    # The summary, whatever its line breaks.
    assert " ".join(COMMANDS[command].split())[1:] in " ".join(out.split())


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert all(f"\n    {command}" in out for command in COMMANDS)


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out.strip() == f"minicap {__version__}"


@pytest.mark.parametrize("argv", [[], ["paint"], ["classify"], ["--backend", "abacus", "classify", "a.jpg"]])
def test_what_argparse_refuses_ends_with_exit_code_2(argv, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(argv)
    assert exit_.value.code == 2
    assert "usage: minicap" in capsys.readouterr().err


def test_a_photo_called_train_is_no_command(tmp_path, monkeypatch, refused):
    (tmp_path / "my.toml").write_text('application = "nonsense"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    message = refused("--backend", "numpy", "caption", "train", "--run", "train")
    assert "train" in message
    assert "unknown application 'nonsense'" in refused("--backend", "numpy", "train", "--config", "my.toml")
    with pytest.raises(SystemExit, match="2"):  # by the parser of `caption`, which has no such flag
        main(["caption", "train", "--config", "my.toml"])


def test_an_unknown_backend_in_the_environment_is_named(monkeypatch, refused):
    monkeypatch.setenv("MINICAP_BACKEND", "abacus")
    assert "unknown backend 'abacus'; choose one of cupy, numpy" in refused("data", "show")


def test_a_gpu_that_cannot_be_used_is_told_in_a_line(own_backends, monkeypatch, refused):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert 'pip install "minicap[gpu-cuda12]"' in refused("--backend", "cupy", "data", "show")
    monkeypatch.setenv("MINICAP_BACKEND", "cupy")
    assert 'pip install "minicap[gpu-cuda12]"' in refused("data", "show")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "out of memory: the system has no more"),
        (MemoryError("Unable to allocate 9 TiB"), "out of memory: Unable to allocate 9 TiB"),
    ],
)
def test_a_full_memory_is_told_in_a_line(monkeypatch, refused, error, line):
    def run(args):
        raise error

    monkeypatch.setattr(classify_command, "run", run)
    assert refused("classify", "a.jpg") == f"minicap: {line}"


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (BrokenPipeError, 0)])
def test_an_interrupt_and_a_reader_that_left_end_quietly(monkeypatch, capfd, error, code):
    def run(args):
        raise error

    monkeypatch.setattr(classify_command, "run", run)
    assert main(["classify", "a.jpg"]) == code
    assert "Traceback" not in capfd.readouterr().err


def test_the_installed_script_answers_and_ends_with_the_exit_code(tmp_path):
    done = subprocess.run([script(), "--version"], capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, f"minicap {__version__}", "")
    missing = str(tmp_path / "no.jpg")
    done = subprocess.run([script(), "classify", missing], capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [f"minicap: {missing}: there is no such file"]


def run_script(*argv: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "minicap", *map(str, argv)], text=True, timeout=200, **options
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_cannot_be_written_is_told_in_a_line():
    with open("/dev/full", "w") as full:
        done = run_script("data", "show", stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (2, "minicap: No space left on device\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "| true"])
def test_closed_streams_are_no_error(closed):
    command = f"{shlex.quote(sys.executable)} -m minicap data show {closed}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signal")
def test_an_interrupt_while_libraries_are_imported_is_told_in_a_line(tmp_path):
    (tmp_path / "numpy.py").write_text("raise KeyboardInterrupt", encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{Path(minicap.__file__).parents[1]}"}
    done = run_script("data", "show", capture_output=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\nminicap: interrupted\n")


@pytest.mark.parametrize("path", ["a" * 5000, "x/" * 3000])
def test_a_path_that_is_too_long_is_refused(misused, path):
    assert "cannot be a path: File name too long" in misused("classify", path)


def test_a_path_that_is_too_long_for_windows_is_refused(misused, monkeypatch):
    def lstat(path):
        error = FileNotFoundError(2, "The filename or extension is too long")
        error.winerror = 206
        raise error

    monkeypatch.setattr(os, "lstat", lstat)
    assert "cannot be a path: File name too long" in misused("classify", "a" * 5000)


def test_an_error_of_the_system_is_told_in_a_line(monkeypatch, refused):
    def run(args):
        raise PermissionError(13, "Permission denied", "secret\x1b[2J")

    monkeypatch.setattr(classify_command, "run", run)
    assert refused("classify", "a.jpg") == r"minicap: secret\x1b[2J: Permission denied"


def test_a_home_that_cannot_be_written_names_the_variable(tmp_path, monkeypatch, tiny_data, refused):
    home = tmp_path / "home"
    home.write_text("a file is in the way, of root too", encoding="utf-8")
    monkeypatch.setenv("MINICAP_CACHE", str(home / "cache"))
    message = refused("train", tiny_data, "--run", tmp_path / "run")
    assert "set MINICAP_CACHE to a writable folder" in message


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root writes all")
def test_a_home_without_the_right_to_write_names_the_variable(tmp_path, monkeypatch, tiny_data, refused):
    (tmp_path / "home").mkdir(mode=0o500)
    monkeypatch.setenv("MINICAP_CACHE", str(tmp_path / "home" / "cache"))
    message = refused("train", tiny_data, "--run", tmp_path / "run")
    assert "Permission denied; set MINICAP_CACHE to a writable folder" in message
