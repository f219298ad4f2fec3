"""Models from files of Module.save."""

import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from minicap import layers, nn
from minicap.errors import FormatError, InputError, ShapeError
from minicap.formats import load_checkpoint
from minicap.metrics import classification, multilabel
from minicap.models.squeezenet import Fire, SqueezeNet
from minicap.nn import Module, init
from minicap.nn.description import KIND


def load_model(path: str | os.PathLike[str], *known: Callable[..., Any]) -> Any:
    """The model in a file of `model.save(path)`, rebuilt as it was made.

    known: the classes and functions in it that are not minicap's; no others are called.
    Raises InputError when the model has arguments that a file cannot hold or was changed afterwards, and when
    two of `known` have the same name; FormatError when one is missing among `known`, or the file is damaged
    or holds something else.
    """
    checkpoint = load_checkpoint(path)
    if checkpoint.about.get("kind") != KIND:
        raise FormatError(f"{path} holds no model of Module.save but {checkpoint.about.get('kind')!r}")
    made = checkpoint.about.get("made")
    by_hand = "make the model as it was made, then call its load_file(path)"
    if made is None:
        raise InputError(f"{path} does not say how its model was made; {by_hand}")
    theirs = {thing.__name__: thing for thing in known}
    if len(theirs) < len(known):
        raise InputError("load_model: two of the classes and functions given have the same name")
    names = {**theirs, **_ours(), **{f"*.{name}": thing for name, thing in theirs.items()}}
    try:
        model = _again(made, names, str(path))
    except FormatError:
        raise
    except Exception as error:  # with arguments from a file, a constructor may raise anything
        raise FormatError(f"{path} does not say how to make its model: {error!r}") from None
    if not isinstance(model, Module):
        raise FormatError(f"{path} does not say how to make a model")
    try:
        model.load(checkpoint.model)
    except (InputError, ShapeError) as error:
        raise InputError(f"{path}: the model was changed after it was made ({error}); {by_hand}") from None
    return model


@cache
def _ours() -> dict[str, Any]:
    """Classes and functions of minicap that a model may be made of, by name."""
    found = {name: getattr(room, name) for room in (layers, nn) for name in room.__all__}
    for room in (classification, multilabel, init):
        found |= {n: v for n, v in vars(room).items() if getattr(v, "__module__", "") == room.__name__}
    return found | {"Fire": Fire, "SqueezeNet": SqueezeNet}


def _again(value: Any, names: Mapping[str, Any], where: str) -> Any:
    match value:
        case {"module": str(name), "args": list(args), "options": dict(options)}:
            kind = _named(name, names, where)
            if not (isinstance(kind, type) and issubclass(kind, Module)):
                raise FormatError(f"{where}: {name} is not a module")
            given = {key: _again(inner, names, where) for key, inner in options.items()}
            module = kind(*(_again(arg, names, where) for arg in args), **given)
            if "pair_options" in value:
                module.options = _again(value["pair_options"], names, where)
            return module
        case {"name": str(name), "fields": dict(own)}:
            given = {key: _again(inner, names, where) for key, inner in own.items()}
            return _named(name, names, where)(**given)
        case {"name": str(name)}:
            return _named(name, names, where)
        case {"list": list(inner)}:
            return [_again(v, names, where) for v in inner]
        case {"tuple": list(inner)}:
            return tuple(_again(v, names, where) for v in inner)
        case {"dict": dict(inner)}:
            return {key: _again(v, names, where) for key, v in inner.items()}
        case dict() | list():
            raise FormatError(f"{where}: how its model was made is damaged")
    return value


def _named(name: str, names: Mapping[str, Any], where: str) -> Any:
    """What a name stands for.  "shapes.Block" is never minicap's, even if minicap has a Block."""
    origin, _, last = name.rpartition(".")
    key = f"*.{last}" if origin else name
    if key not in names:
        raise FormatError(f"{where} is made of {name}, which is not minicap's: load_model(path, {last})")
    return names[key]
