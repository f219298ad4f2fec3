"""What the page may ask of minicap: a question and an answer, both as JSON."""

import json
import traceback
from collections.abc import Callable
from math import isfinite
from typing import Any

from minicap.errors import MinicapError

Answer = dict[str, Any]

_STATE: dict[str, Any] = {}  # the photo seen last, and the net in training
_SIDE = 48  # places in a row of the picture of a net


def answer(question: str, asked: str, pixels: Any = None) -> str:
    """Answer a question of the page.  asked: its arguments, as JSON.  pixels: of a photo, as bytes.

    What goes wrong is an answer too: {"error": what}.
    """
    try:
        arguments = json.loads(asked)
        found = _ANSWERS[question](**arguments, **({} if pixels is None else {"pixels": pixels}))
    except MinicapError as error:
        found = {"error": str(error)}
    except MemoryError:
        found = {"error": "out of memory: the browser gives this page no more"}
    except Exception:
        found = {"error": traceback.format_exc()}
    return json.dumps(found)


def _exercises() -> Answer:
    from minicap.playground.exercises import EXERCISES

    return {
        "exercises": [
            {
                "layer": each.layer,
                "title": each.title,
                "given": each.given,
                "forward": each.forward,
                "source": each.source,
                "mistakes": [{"title": m.title, "source": each.with_mistake(m)} for m in each.mistakes],
            }
            for each in EXERCISES
        ]
    }


def _check(layer: str, source: str) -> Answer:
    from minicap.playground.exercises import check

    return check(layer, source)._asdict()


def _look(pixels: Any, width: int, height: int) -> Answer:
    from minicap.playground.photos import features

    _STATE["seen"] = features(pixels, width, height)
    return {}


def _describe(beam: int) -> Answer:
    from minicap.playground.photos import captions

    return {"captions": captions(_STATE["seen"], beam)}


def _begin(**settings: Any) -> Answer:
    from minicap.playground.nets import REACH, LiveNet

    net = _STATE["net"] = LiveNet(**settings)
    return {"x": net.x.round(3).astype(float).tolist(), "y": net.y.tolist(), "reach": REACH} | _shown(net, [])


def _train(steps: int) -> Answer:
    net = _STATE["net"]
    return _shown(net, net.run(steps))


def _shown(net: Any, losses: list[float]) -> Answer:
    if not all(map(isfinite, losses)):  # JSON has no infinity
        return {"diverged": True, "step": net.step}
    return {"step": net.step, "losses": losses, "accuracy": net.accuracy(), "picture": net.picture(_SIDE)}


_ANSWERS: dict[str, Callable[..., Answer]] = {
    "exercises": _exercises,
    "check": _check,
    "look": _look,
    "describe": _describe,
    "begin": _begin,
    "train": _train,
}
