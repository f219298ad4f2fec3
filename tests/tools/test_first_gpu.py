"""The one call for a machine with a GPU, its parts tried on one without."""

import json
import sys
from pathlib import Path

import pytest

from minicap.errors import BackendMissing
from tools import bare, first_gpu
from tools.first_gpu import Part, run


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


TRIED = {
    "good": Part("all is well", python("print('3 passed')")),
    "bad": Part("something falls", python("print('why | it fell'); raise SystemExit(3)")),
    "absent": Part("needs what is not here", python(""), program="no-such-program"),
}


@pytest.fixture
def some_gpu(monkeypatch):
    monkeypatch.setattr(first_gpu, "describe", lambda: {"gpu": "some GPU", "cuda": 13000})
    monkeypatch.setattr(first_gpu, "parts", lambda folder: TRIED)


def test_without_a_gpu_it_says_so_and_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    def describe():
        raise BackendMissing("CuPy is installed but finds no NVIDIA driver")

    monkeypatch.setattr(first_gpu, "describe", describe)
    assert first_gpu.main(["--folder", str(tmp_path / "report")]) == 2
    assert capsys.readouterr().err == "first_gpu: CuPy is installed but finds no NVIDIA driver\n"
    assert not list(tmp_path.iterdir())


def test_a_part_that_fails_stops_no_other_and_one_report_tells_of_all(some_gpu, tmp_path):
    assert first_gpu.main(["--folder", str(tmp_path)]) == 1
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    found = {name: part["state"] for name, part in report["parts"].items()}
    assert found == {"good": "passed", "bad": "failed", "absent": "skipped"}
    assert report["parts"]["bad"]["exit_code"] == 3
    assert report["device"] == {"gpu": "some GPU", "cuda": 13000}
    assert {"minicap", "python", "numpy", "pytest"} <= set(report["versions"])
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| gpu | some GPU |" in page
    assert "why / it fell |" in page
    assert "## bad: failed\n\n```text\nwhy | it fell\n```" in page
    assert "## good" not in page


def test_only_the_parts_that_are_asked_for_run(some_gpu, tmp_path):
    assert first_gpu.main(["good", "--folder", str(tmp_path)]) == 0
    assert not (tmp_path / "bad.log").exists()
    with pytest.raises(SystemExit) as refused:
        first_gpu.main(["goood"])
    assert refused.value.code == 2


def test_what_takes_too_long_is_ended_and_its_output_kept(tmp_path):
    part = Part("sleeps", python("import time; print('begun', flush=True); time.sleep(600)"))
    found = run(part, tmp_path / "log", limit=5.0)
    assert (found["state"], found["tail"]) == ("out of time", "begun")


def test_the_tests_run_as_they_are_and_under_each_check():
    found = first_gpu.parts(Path("report"))
    assert (bare.ROOT / first_gpu.LONG).is_file()
    assert found["long"].command[-1] == first_gpu.LONG
    for tool in ("memcheck", "racecheck", "synccheck", "initcheck"):
        command = " ".join(found[tool].command)
        assert command.startswith(f"compute-sanitizer --tool {tool} ")
        assert "-m gpu" in command
        assert f"--ignore={first_gpu.LONG}" in command
    assert list(found)[-1] == "benchmarks"
