"""METEOR and SPICE by the official programs, which come with pycocoevalcap and run on Java."""

import shutil
from collections.abc import Sequence
from importlib import resources
from importlib.util import find_spec
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

from minicap.errors import InputError, MissingExtra
from minicap.metrics.captions.arguments import Tokens, check_pairs

_METEOR = "meteor-1.5.jar"
_MODELS = "stanford-corenlp-3.6.0-models.jar"  # for the parser of SPICE


def meteor(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> tuple[float, list[float]]:
    """METEOR 1.5: words matched exactly, by stem, by synonym and by paraphrase, in as few pieces as possible.

    candidates: a token list per image.  references: lists of token lists.
    Returns (score of the corpus, one score per image), fractions.
    Raises InputError when candidates and references do not pair up, MissingExtra without pycocoevalcap or
    Java.
    Source: Denkowski & Lavie 2014, Meteor Universal; computed by its own program.
    """
    check_pairs("meteor", candidates, references, tokens=True)
    require_meteor()
    with resources.as_file(resources.files("pycocoevalcap.meteor") / _METEOR) as jar:
        options = ["-", "-", "-stdio", "-l", "en", "-norm"]
        pipes: dict[str, Any] = {"stdin": PIPE, "stdout": PIPE, "stderr": DEVNULL}
        with Popen(["java", "-Xmx2G", "-jar", str(jar), *options], **pipes, encoding="utf-8") as program:
            try:
                return _meteor_says(program, candidates, references)
            finally:
                program.kill()


def _meteor_says(
    program: "Popen[str]", candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]
) -> tuple[float, list[float]]:
    """Ask for the counts of every image, then for the scores computed from all of them."""

    def tell(*parts: str) -> None:
        assert program.stdin
        print(*(part.replace("|||", "") for part in parts), sep=" ||| ", file=program.stdin, flush=True)

    def answer() -> str:
        assert program.stdout
        if line := program.stdout.readline().strip():
            return line
        raise InputError("meteor: the program of METEOR ended without an answer")

    counts = []
    for candidate, refs in zip(candidates, references, strict=True):
        tell("SCORE", *(" ".join(tokens) for tokens in refs), " ".join(candidate))
        counts.append(answer())
    tell("EVAL", *counts)
    per_image = [float(answer()) for _ in counts]
    return float(answer()), per_image


def spice(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> tuple[float, list[float]]:
    """SPICE: F-score of the objects, attributes and relations that the captions mention.

    Arguments and errors as in `meteor`.
    Source: Anderson et al. 2016, SPICE: Semantic Propositional Image Caption Evaluation; its own program.
    """
    check_pairs("spice", candidates, references, tokens=True)
    require_spice()
    from pycocoevalcap.spice.spice import Spice

    said = {i: [" ".join(tokens)] for i, tokens in enumerate(candidates)}
    truth = {i: [" ".join(tokens) for tokens in refs] for i, refs in enumerate(references)}
    mean, per_image = Spice().compute_score(truth, said)
    return float(mean), [float(image["All"]["f"]) for image in per_image]


def require_meteor() -> None:
    """Raise MissingExtra, saying what to install, unless METEOR can be computed here."""
    _require("METEOR")


def require_spice() -> None:
    """Raise MissingExtra, saying what to install, unless SPICE can be computed here."""
    _require("SPICE")
    if not (resources.files("pycocoevalcap.spice") / "lib" / _MODELS).is_file():
        raise MissingExtra(
            "SPICE needs the models of Stanford CoreNLP 3.6.0 (500 MB), which pycocoevalcap downloads: "
            "python -m pycocoevalcap.spice.get_stanford_models"
        )


def _require(metric: str) -> None:
    if find_spec("pycocoevalcap") is None:
        raise MissingExtra(f'{metric} needs pycocoevalcap: pip install "minicap[metrics]"')
    if shutil.which("java") is None:
        raise MissingExtra(f"{metric} needs Java: install a Java runtime, so that `java` is on the PATH")
