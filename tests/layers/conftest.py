"""The layers' own tests are about the textbook bodies; tests/backend/cpu holds the overrides against them."""

from collections.abc import Iterator

import pytest

from minicap.arrays import textbook


@pytest.fixture(autouse=True, scope="module")
def textbook_bodies() -> Iterator[None]:
    with textbook():
        yield
