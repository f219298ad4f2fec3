"""What a model says about a photo, as JSON values."""

from math import exp, isqrt
from typing import Any

import numpy as np

from minicap.arrays import to_device, to_host
from minicap.captioning import Captioner
from minicap.captioning.occlusion import share_lost
from minicap.classification import Classifier
from minicap.data import Preprocess
from minicap.decoding import Hypothesis
from minicap.errors import InputError
from minicap.nn.attribution import grad_cam
from minicap.web.refusal import Refusal
from minicap.web.runs import Model
from minicap.web.upload import Photo

Answer = dict[str, Any]

_LEAST_LOSS = 0.1  # a word that loses less of its probability rests on nothing; its map stays dark


def describe(model: Model, photo: Photo, beam: int, top: int) -> Answer:
    """Captions, classes or labels, and where the model looked, as far as it says so.

    Every map is one for the part of the photo that the model sees, "seen": its left, top, right and bottom
    edge as shares of the photo.
    """
    if isinstance(model, Captioner):
        return _captions(model, photo, beam)
    if isinstance(model, Classifier):
        return _classes(model, photo, top)
    preprocess = model.encoder.preprocess
    features = model.encoder.encode(_input(preprocess, photo)[None], model.reads)
    tags = model.tags(features, beam)[0]
    return {"labels": [{"label": model.labels[t.label], "probability": t.probability} for t in tags]}


def hide(model: Model, photo: Photo, caption: str) -> Answer:
    """What hiding parts of the photo changes in a caption, word by word.

    Raises Refusal (422) for a model that is no captioner, or a word that it does not know.
    """
    if not isinstance(model, Captioner):
        raise Refusal(422, "no_captioner", "hiding parts of a photo is for captioners; name a run of one")
    words = caption.split()
    unknown = [word for word in words if word not in model.vocabulary.index]
    if unknown or not 1 <= len(words) <= model.max_words:
        why = f"it does not know {unknown[0][:40]!r}" if unknown else f"give 1 to {model.max_words} words"
        raise Refusal(422, "bad_caption", f"the captioner cannot say this; {why}")
    image = _input(model.encoder.preprocess, photo)
    lost = share_lost(model, image, [model.vocabulary.index[word] for word in words])
    return {
        "words": words,
        "seen": _seen(model.encoder.preprocess, photo),
        "maps": _maps(_squares(lost), _LEAST_LOSS),
    }


def _captions(captioner: Captioner, photo: Photo, beam: int) -> Answer:
    preprocess = captioner.encoder.preprocess
    features = captioner.encoder.encode(_input(preprocess, photo)[None], captioner.model.reads)
    found = captioner.decode(features, beam=beam)[0]
    return {
        "seen": _seen(preprocess, photo),
        "captions": [_caption(captioner, hypothesis) for hypothesis in found],
    }


def _caption(captioner: Captioner, hypothesis: Hypothesis) -> Answer:
    words = [captioner.vocabulary.words[word] for word in hypothesis.words]
    answer: Answer = {
        "caption": captioner.text(hypothesis),
        "words": words,
        "probability": exp(hypothesis.log_prob),
    }
    if "attention" in hypothesis.extras:
        answer["maps"] = _maps(_squares(to_host(hypothesis.extras["attention"])[: len(words)]))
    return answer


def _classes(classifier: Classifier, photo: Photo, top: int) -> Answer:
    image = photo.pixels(2 * classifier.preprocess.resize_to)
    best = classifier.best(image, top)
    answer: Answer = {
        "seen": _seen(classifier.preprocess, photo),
        "classes": [{"class": classifier.classes[i], "probability": p} for i, p in best],
    }
    x = to_device(classifier.prepared(image)[None])
    try:
        maps = _maps(to_host(grad_cam(classifier.model.net, x, [i for i, _ in best])))
    except InputError:  # a network without convolutions has no grid
        return answer
    for of_class, drawn in zip(answer["classes"], maps, strict=True):
        of_class["map"] = drawn
    return answer


def _input(preprocess: Preprocess, photo: Photo) -> np.ndarray:
    return preprocess.of_photo(photo.pixels(2 * preprocess.resize_to))


def _seen(preprocess: Preprocess, photo: Photo) -> list[float]:
    image = photo.pixels(2 * preprocess.resize_to)
    shares = (np.array(preprocess.seen(image).shape[:2]) / image.shape[:2])[::-1]
    return [*((1 - shares) / 2).round(4).tolist(), *((1 + shares) / 2).round(4).tolist()]


def _squares(weights: np.ndarray) -> np.ndarray:
    """(T, S) for S places in a square as (T, side, side)."""
    side = isqrt(weights.shape[1])
    return weights.reshape(-1, side, side)


def _maps(maps: np.ndarray, least: float = 1e-12) -> list[list[list[float]]]:
    """Maps (T, h, w), each divided by its largest value, or by `least` where that is larger."""
    largest = maps.max(axis=(1, 2), keepdims=True)
    scaled = np.clip(maps / np.maximum(largest, least), 0, 1)
    return np.asarray(scaled, dtype=np.float64).round(3).tolist()
