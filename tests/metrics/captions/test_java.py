import shutil

import numpy as np
import pytest

from minicap.errors import InputError, MissingExtra
from minicap.metrics.captions import java, meteor, spice


@pytest.fixture
def meteor_here():
    try:
        java.require_meteor()
    except MissingExtra as missing:
        pytest.skip(str(missing))


@pytest.mark.slow  # its program reads its tables for seconds
def test_meteor_is_the_official_one_for_the_corpus_and_every_image(official, meteor_here):
    images = official["images"]
    candidates = [image["candidate_tok"].split() for image in images]
    references = [[text.split() for text in image["references_tok"]] for image in images]
    mean, per_image = meteor(candidates, references)
    assert mean == pytest.approx(official["scores"]["METEOR"], abs=1e-9)
    np.testing.assert_allclose(per_image, [image["scores"]["meteor"] for image in images], rtol=0, atol=1e-9)


def test_without_java_that_is_said(monkeypatch):
    monkeypatch.setattr(java, "find_spec", lambda name: object())
    monkeypatch.setattr(shutil, "which", lambda name: None)
    for metric, name in ((meteor, "METEOR"), (spice, "SPICE")):
        with pytest.raises(MissingExtra, match=f"{name} needs Java"):
            metric([["a"]], [[["a"]]])


def test_without_pycocoevalcap_that_is_said(monkeypatch):
    monkeypatch.setattr(java, "find_spec", lambda name: None)
    for metric, name in ((meteor, "METEOR"), (spice, "SPICE")):
        with pytest.raises(
            MissingExtra, match=rf'{name} needs pycocoevalcap: pip install "minicap\[metrics\]"'
        ):
            metric([["a"]], [[["a"]]])


def test_without_its_models_spice_says_how_to_get_them(meteor_here, monkeypatch):
    monkeypatch.setattr(java, "_MODELS", "no-such-file.jar")
    with pytest.raises(MissingExtra, match="SPICE needs the models of Stanford CoreNLP"):
        spice([["a"]], [[["a"]]])


@pytest.mark.parametrize("metric", [meteor, spice])
def test_captions_that_do_not_pair_up_are_refused(metric):
    with pytest.raises(InputError, match="1 candidates but references for 2 images"):
        metric([["a"]], [[["a"]], [["b"]]])
