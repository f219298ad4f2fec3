import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
    done = subprocess.run([script(), "--version"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, f"minicap {__version__}", "")
    missing = str(tmp_path / "no.jpg")
    done = subprocess.run([script(), "classify", missing], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [f"minicap: {missing}: there is no such file"]
