"""Every test here runs on the strict stand-in for CuPy and, with `pytest -m gpu`, on a GPU."""

from collections.abc import Iterator

import pytest
from gpu.stand_in import stand_in

from minicap.arrays import Backend, BackendMissing, get_backend, register_backend, use_backend


@pytest.fixture(params=["stand-in", pytest.param("device", marks=pytest.mark.gpu)])
def cupy(request: pytest.FixtureRequest, own_backends: None) -> Iterator[Backend]:
    """The backend called "cupy"; new arrays are made on it."""
    if request.param == "stand-in":
        register_backend(stand_in())
    try:
        backend = get_backend("cupy")
    except BackendMissing as missing:
        pytest.skip(str(missing))
    with use_backend("cupy"):
        yield backend
