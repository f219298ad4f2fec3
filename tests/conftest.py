"""Fixtures that every test may use."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from strict_cupy import strict_cupy_backend

from minicap.arrays import Backend, BackendMissing, backends, get_backend, register_backend, use_backend

# Tests repeat, and leave nothing in the cache folder of whoever runs them.
os.environ.setdefault("MINICAP_AUTOTUNE", "0")

# The same examples at every run, however slow the machine.
settings.register_profile(
    "minicap", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("minicap")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On a GPU, a warning of CuPy or of a compiler fails no test of ours."""
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.filterwarnings("default"))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Research data that is not part of the project: MINICAP_SHARED, or `shared` beside the checkout."""
    root = Path(os.environ.get("MINICAP_SHARED", Path(__file__).parents[2] / "shared"))
    if not (root / "data").is_dir():
        pytest.skip("needs the research data (set MINICAP_SHARED to the folder that holds data/)")
    return root / "data"


@pytest.fixture
def own_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten after it."""
    for table in ("_by_name", "_by_type", "_loaders"):
        monkeypatch.setattr(backends, table, dict(getattr(backends, table)))


@pytest.fixture
def strict_cupy(own_backends: None) -> Backend:
    """The strict stand-in for CuPy, known to minicap as "strict-cupy" during the test."""
    backend = strict_cupy_backend()
    register_backend(backend)
    return backend


@pytest.fixture(params=["numpy", "strict-cupy", pytest.param("cupy", marks=pytest.mark.gpu)])
def backend(request: pytest.FixtureRequest, strict_cupy: Backend) -> Iterator[Backend]:
    """Each backend in turn; new arrays are made on it."""
    try:
        chosen = get_backend(request.param)
    except BackendMissing as missing:
        pytest.skip(str(missing))
    with use_backend(chosen.name):
        yield chosen
