"""What CuPy offers, from the record that tools/record_cupy_api.py makes."""

import json
from functools import cache
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

API: dict[str, Any] = json.loads(Path(__file__).with_name("cupy_api.json").read_text(encoding="utf-8"))

VERSION: str = API["version"]
FROM_NUMPY = frozenset(API["from_numpy"])  # dtypes, constants and functions of dtypes that are NumPy's own
UFUNCS = frozenset(API["ufuncs"])  # element-wise functions
ARRAY_ATTRIBUTES = frozenset(API["array"])


@cache
def function(name: str) -> Signature | None:
    """The signature of a CuPy function, or None when there is no such function."""
    return _signature(API["functions"].get(name))


@cache
def method(name: str) -> Signature | None:
    """The signature of a method of CuPy's arrays, self first, or None when there is no such method."""
    return _signature(API["array"].get(name))


def _signature(words: str | None) -> Signature | None:
    """From "a axis= * dtype=" to a signature; every default is None."""
    if words is None:
        return None
    parameters: list[Parameter] = []
    kind: Any = Parameter.POSITIONAL_OR_KEYWORD
    for word in words.split():
        name = word.strip("*=")
        if word == "*":
            kind = Parameter.KEYWORD_ONLY
        elif word.startswith("**"):
            parameters.append(Parameter(name, Parameter.VAR_KEYWORD))
        elif word.startswith("*"):
            parameters.append(Parameter(name, Parameter.VAR_POSITIONAL))
            kind = Parameter.KEYWORD_ONLY
        else:
            default = None if word.endswith("=") else Parameter.empty
            parameters.append(Parameter(name, kind, default=default))
    return Signature(parameters)
