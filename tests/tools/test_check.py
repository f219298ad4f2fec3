"""What CI runs is there, and runs apart from what lies about here."""

import re

import pytest

from tools import bare, check, matrix


def test_the_readme_tells_how_to_run_the_demo_and_the_tests():
    demo, tests = bare.readme_commands()
    assert demo.endswith("minicap demo")
    assert tests.endswith("python -m pytest")


def test_the_rows_and_steps_that_are_asked_for_exist():
    assert set(check.ROWS) <= set(matrix.ROWS)
    workflow = (bare.ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    asked = re.findall(r"python -m tools\.check ([a-z ]+)", workflow)
    assert {step for steps in asked for step in steps.split()} == set(check.STEPS)


def test_unknown_names_are_refused(capsys):
    for command, name in ((check.main, "redme"), (matrix.main, "haswel")):
        with pytest.raises(SystemExit) as refused:
            command([name])
        assert refused.value.code == 2
        assert f"is called {name}" in capsys.readouterr().err


def test_what_a_clone_would_not_have_is_not_copied(tmp_path, monkeypatch):
    root = tmp_path / "here"
    for name in (
        "minicap/errors.py",
        ".venv/bin/python",
        "minicap/__pycache__/errors.pyc",
        "runs/first/config.toml",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    monkeypatch.setattr(bare, "ROOT", root)
    copy = bare.copy_tree(tmp_path / "there")
    assert [path.relative_to(copy).as_posix() for path in copy.rglob("*.*")] == ["minicap/errors.py"]


def test_variables_that_would_change_a_run_are_not_handed_on(monkeypatch):
    for name in ("PYTHONPATH", "MINICAP_CACHE", "OPENBLAS_CORETYPE"):
        monkeypatch.setenv(name, "from outside")
    assert "from outside" not in bare.variables().values()
    assert bare.variables({"MINICAP_CACHE": "chosen"})["MINICAP_CACHE"] == "chosen"


def test_the_oldest_packages_are_the_lower_bounds_of_the_metadata():
    constraints = matrix.oldest(bare.ROOT)
    assert "numpy==2.0" in constraints
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", line) for line in constraints)
