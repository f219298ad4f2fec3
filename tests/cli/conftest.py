"""A tiny data set and a run trained on it, made once, with caches of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from training.tiny import make_dataset

from minicap.cli import main

SMALL = ["--epochs", "2", "--batch-size", "4", "--embed-size", "8", "--hidden-size", "12", "--min-count", "1"]
SMALL += ["--encoder", "squeezenet1_1"]  # the quickest


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINICAP_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("MINICAP_BACKEND", raising=False)
        yield


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("tiny") / "data")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path, _own_cache: None) -> Path:
    """A run of two epochs.  Tests that change it work on a copy."""
    run = tmp_path_factory.mktemp("trained") / "run"
    assert main(["train", str(tiny_data), "--run", str(run), *SMALL]) == 0
    return run


@pytest.fixture
def misused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command whose arguments the parser must refuse; gives the last line on stderr."""

    def run(*argv: object) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(arg) for arg in argv])
        assert exit_.value.code == 2
        return capsys.readouterr().err.splitlines()[-1]

    return run


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must end with exit code 2; gives its one line on stderr."""

    def run(*argv: object) -> str:
        capsys.readouterr()
        assert main([str(arg) for arg in argv]) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith("minicap: ")
        assert captured.err.count("\n") == 1, captured.err
        return captured.err.strip()

    return run
