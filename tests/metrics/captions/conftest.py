"""The official scores of 126 images."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def official() -> dict[str, Any]:
    """See fakecap_x_val2017_126.SOURCE.txt."""
    path = Path(__file__).with_name("fakecap_x_val2017_126.json")
    return json.loads(path.read_text(encoding="utf-8"))
