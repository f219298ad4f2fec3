"""The layers of minicap.layers, their cases, and the check of all of them."""

import inspect
import pkgutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minicap import layers as minicap_layers
from minicap.arrays import Override, textbook
from minicap.arrays.backends import NUMPY
from minicap.arrays.dispatch import overrides_of
from minicap.errors import InputError, MinicapError
from minicap.formats import nearest
from minicap.gradcheck import cases as minicap_cases
from minicap.gradcheck.case import CASES, Case
from minicap.gradcheck.check import check_subject
from minicap.gradcheck.exercise import words
from minicap.gradcheck.report import Report, Row
from minicap.gradcheck.subject import Subject

SEED = 0


class Layer(NamedTuple):
    """A pair, or a loss, whose forward is the loss function and which has no backward."""

    name: str
    forward: Callable[..., Any] | None
    backward: Callable[..., Any] | None
    is_loss: bool


_ADDED: dict[str, Layer] = {}


def add_layer(
    forward: Callable[..., Any], backward: Callable[..., Any] | None = None, name: str = ""
) -> None:
    """Let run_checks, the mutants and the command line know a layer from outside minicap.

    A pair, or a loss, which has no backward.  name: by default the forward's without its suffix "_forward".
    Its cases are registered with `case(name)`.  Raises InputError when there is a layer of that name.
    """
    name = name or forward.__name__.removesuffix("_forward")
    if name in all_layers():
        raise InputError(f"add_layer: there is already a layer {name!r}; give yours another name")
    _ADDED[name] = Layer(name, forward, backward, backward is None)


def load_file(path: Path) -> list[str]:
    """Run a Python file that adds layers and registers their cases.  Returns the names of its layers.

    Raises InputError when it cannot be run, or adds none.
    """
    before = set(_ADDED)
    spec = spec_from_file_location(f"gradcheck_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"gradcheck: {path} is not a Python file (its name must end in .py)")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent.resolve()))  # as for a script: it may import what lies beside it
    try:
        spec.loader.exec_module(module)
    except MinicapError:
        raise
    except Exception as error:
        raise InputError(f"gradcheck: {path} cannot be run: {words(error, str(path))}") from error
    finally:
        sys.path.remove(str(path.parent.resolve()))
    added = [name for name in _ADDED if name not in before]
    if not added:
        raise InputError(f"gradcheck: {path} adds no layer; call minicap.gradcheck.add_layer in it")
    return added


def all_layers() -> dict[str, Layer]:
    """Every public pair and loss in the modules of minicap.layers, by name ("conv", "softmax_loss"), and
    those of add_layer.

    A pair is listed even when one of its halves is missing.
    """
    functions: dict[str, Callable[..., Any]] = {}
    for module_info in pkgutil.walk_packages(minicap_layers.__path__, "minicap.layers."):
        module = import_module(module_info.name)
        for name, value in vars(module).items():
            if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_"):
                functions[name] = value
    losses = {name: Layer(name, f, None, True) for name, f in functions.items() if name.endswith("_loss")}
    names = dict.fromkeys(
        name.removesuffix(ending)
        for name in functions
        for ending in ("_forward", "_backward")
        if name.endswith(ending)
    )
    pairs = {
        name: Layer(name, functions.get(f"{name}_forward"), functions.get(f"{name}_backward"), False)
        for name in names
    }
    return dict(sorted((pairs | losses | _ADDED).items()))


def load_cases(large: bool = True) -> list[Case]:
    """Import every module of minicap.gradcheck.cases and return the cases, sorted by layer.

    large: include those measured along directions.
    """
    for module_info in pkgutil.iter_modules(minicap_cases.__path__, f"{minicap_cases.__name__}."):
        import_module(module_info.name)
    return sorted((c for c in CASES if large or not c.directions), key=lambda c: c.layer)


def choose(layers: Sequence[str] = ()) -> list[str]:
    """The layers asked for, or all.  "conv_forward" means "conv".

    Raises InputError for an unknown name, with the nearest known one.
    """
    known = all_layers()
    names = [name.removesuffix("_forward").removesuffix("_backward") for name in layers] or list(known)
    for name in names:
        if name not in known:
            hint = nearest(name, known) or "; see minicap gradcheck --list"
            raise InputError(f"gradcheck: there is no layer {name!r}{hint}")
    return list(dict.fromkeys(names))


def subject_of(case: Case, layer: Layer) -> Subject:
    """The case's inputs drawn for the layer's own functions."""
    assert layer.forward is not None
    inputs = case.make(np.random.default_rng(SEED))
    return Subject(
        case.layer,
        case.variant,
        layer.forward,
        layer.backward,
        inputs,
        tuple(case.fixed),
        case.smooth,
        directions=case.directions,
    )


def subjects(layers: Sequence[str] = ()) -> Iterator[Subject | Row]:
    """Every case of the layers, ready to check; a Row in place of what cannot be checked."""
    known, cases = all_layers(), load_cases()
    for name in choose(layers):
        layer = known[name]
        own = [c for c in cases if c.layer == name]
        if layer.forward is None or (layer.backward is None and not layer.is_loss):
            missing = "forward" if layer.forward is None else "backward"
            yield Row(name, verdict=f"{name}_{missing} is missing")
        elif not own:
            yield Row(name, verdict="has no gradient-check case")
        for c in own if layer.forward and (layer.backward or layer.is_loss) else ():
            try:
                yield subject_of(c, layer)
            except Exception as error:
                yield Row(
                    name, c.variant, verdict=f"the case cannot be drawn: {type(error).__name__}: {error}"
                )
    if not layers:
        for c in cases:
            if c.layer not in known:
                yield Row(c.layer, c.variant, verdict="is a case without a layer")


def run_checks(
    layers: Sequence[str] = (),
    *,
    accelerated: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Check the layers named, or the whole library; the textbook bodies run.

    accelerated: check the faster pairs of the NumPy backend too, for every case that they support.
    progress: is called with the name of each layer before its checks.
    Raises InputError for an unknown layer.
    """
    started = time.perf_counter()
    report = Report()
    for subject in subjects(layers):
        if progress:
            progress(subject.layer)
        if isinstance(subject, Row):
            report.append(subject)
            continue
        with textbook():
            report += check_subject(subject)
        if accelerated:
            for override in faster_pairs(subject):
                report += check_subject(override)
    report.seconds = time.perf_counter() - started
    return report


def faster_pairs(subject: Subject) -> Iterator[Subject]:
    """The overrides of the NumPy backend that support these inputs in float64, as subjects of their own."""
    if NUMPY.overrides is None:
        return
    name = subject.layer if subject.backward is None else f"{subject.layer}_forward"
    for override in overrides_of(NUMPY.overrides).get(name, ()):
        if override.supports(**subject.inputs_as(np.float64)):
            variant = f"{subject.variant} [{_name_of(override)}]".strip()
            yield Subject(
                subject.layer,
                variant,
                override.forward,
                override.backward,
                subject.inputs,
                subject.fixed,
                smooth=False,  # the complex step has judged the textbook pair, and fast code may be real only
                directions=subject.directions,
                takes=override.supports,
            )


def unreached_overrides(layers: Sequence[str] = ()) -> list[str]:
    """The NumPy backend's overrides of these layers that no case reaches in float64, as "layer: function"."""
    reached, names = set(), choose(layers)
    for subject in subjects(names):
        if isinstance(subject, Subject):
            reached |= {faster.forward for faster in faster_pairs(subject)}
    by_forward = overrides_of(NUMPY.overrides) if NUMPY.overrides else {}
    return [
        f"{o.layer}: {_name_of(o)} takes no case in float64"
        for overrides in by_forward.values()
        for o in overrides
        if o.layer in names and o.forward not in reached
    ]


def _name_of(override: Override) -> str:
    return override.forward.__name__
