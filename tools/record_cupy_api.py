"""Record what CuPy offers, for the strict stand-in in tests/strict_cupy.  Needs CuPy, but no device.

    python tools/record_cupy_api.py

Signatures are kept as words: "a axis= dtype= *" has one required parameter, two with defaults, and only
keywords after the star.
"""

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

RECORD = Path(__file__).parents[1] / "tests" / "strict_cupy" / "cupy_api.json"
SUBMODULES = ("lib.stride_tricks",)


def record() -> dict[str, Any]:
    """Functions, element-wise functions, array attributes, and the names that CuPy takes from NumPy."""
    import cupy
    import numpy

    api: dict[str, Any] = {"version": cupy.__version__, "functions": {}, "ufuncs": [], "from_numpy": []}
    for name, value in sorted(public_names(cupy)):
        if type(value) is cupy.ufunc:
            api["ufuncs"].append(name)
        elif hasattr(numpy, name) and same(value, getattr(numpy, name)):
            api["from_numpy"].append(name)
        elif callable(value) and not inspect.isclass(value) and (words := signature_words(value)) is not None:
            api["functions"][name] = words
    api["array"] = dict(sorted(array_attributes(cupy.ndarray)))
    return api


def public_names(cupy: ModuleType) -> Iterator[tuple[str, Any]]:
    """Everything public in cupy itself and in the submodules, by its name below cupy."""
    modules = {"": cupy}
    for path in SUBMODULES:
        module: Any = cupy
        for part in path.split("."):
            module = getattr(module, part)
        modules[f"{path}."] = module
    for prefix, module in modules.items():
        for name in dir(module):
            value = getattr(module, name)
            if not name.startswith("_") and not isinstance(value, ModuleType):
                yield prefix + name, value


def same(ours: Any, theirs: Any) -> bool:
    """Whether CuPy's value is NumPy's own (a dtype, a constant, a function of dtypes)."""
    return ours is theirs or (isinstance(ours, float) and repr(ours) == repr(theirs))


def array_attributes(array_type: type) -> Iterator[tuple[str, str | None]]:
    """Methods of the array with their signature, properties with None."""
    for name in dir(array_type):
        if not name.startswith("_"):
            value = getattr(array_type, name)
            yield name, signature_words(value) if callable(value) else None


def signature_words(function: Any) -> str | None:
    """The parameters as words, or None when they cannot be found out."""
    try:
        return " ".join(words_of(inspect.signature(function)))
    except (TypeError, ValueError):
        # Compiled methods tell their signature in the first line of their docstring only.
        line = (function.__doc__ or "").partition("\n")[0]
        match = re.fullmatch(r"\w+\.\w+\((?P<parameters>.*)\)(?: -> .*)?", line)
        return " ".join(words_of_text(match["parameters"])) if match else None


def words_of(signature: inspect.Signature) -> Iterator[str]:
    stars: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    starred = False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            yield "*"
        starred |= parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        default = "" if parameter.default is parameter.empty else "="
        yield stars.get(parameter.kind, "") + parameter.name + default


def words_of_text(parameters: str) -> Iterator[str]:
    """From "self, Py_ssize_t axis1, out=None": the last word before the default is the name."""
    for text in parameters.split(","):
        name, equals, _ = text.strip().partition("=")
        yield name.split()[-1] + equals


def main() -> None:
    """Write the record."""
    api = record()
    RECORD.write_text(json.dumps(api, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")
    kinds = ", ".join(f"{len(value)} {kind}" for kind, value in api.items() if kind != "version")
    print(f"CuPy {api['version']}: {kinds} in {RECORD}")


if __name__ == "__main__":
    main()
