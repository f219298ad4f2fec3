"""The metrics' arguments: a candidate and a set of references for every image."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from minicap.errors import InputError

Tokens = Sequence[str]
NGram = tuple[str, ...]

MAX_ORDER = 4


def ngram_counts(tokens: Tokens, order: int) -> Counter[NGram]:
    """How often each n-gram of `order` tokens occurs."""
    return Counter(zip(*(tokens[start:] for start in range(order)), strict=False))


def check_list(function: str, name: str, value: object, content: str) -> None:
    """Raise InputError unless `value` is a non-empty sequence other than a string."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        kind = "a string" if isinstance(value, str) else f"of type {type(value).__name__}"
        raise InputError(f"{function}: {name} is {kind}; pass a list of {content}")
    if not value:
        raise InputError(f"{function}: {name} is empty; pass a list of {content}")


def check_caption(function: str, name: str, value: object) -> None:
    """Raise InputError unless `value` is a string."""
    if not isinstance(value, str):
        raise InputError(f"{function}: {name} is of type {type(value).__name__}; pass a caption as a string")


def check_tokens(function: str, name: str, value: object) -> None:
    """Raise InputError unless `value` is a sequence of tokens; it may be empty."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InputError(f"{function}: {name} is of type {type(value).__name__}; pass a list of tokens")


def check_pairs(
    function: str, candidates: Sequence[Any], references: Sequence[Sequence[Any]], *, tokens: bool
) -> None:
    """Raise InputError unless there is one candidate and one non-empty list of references for every image.

    tokens: captions are lists of tokens, otherwise strings.
    """
    caption = "token lists" if tokens else "captions"
    check_item = check_tokens if tokens else check_caption
    check_list(function, "candidates", candidates, f"{caption}, one per image")
    check_list(function, "references", references, f"lists of {caption}, one list per image")
    if len(candidates) != len(references):
        raise InputError(
            f"{function}: {len(candidates)} candidates but references for {len(references)} images; "
            "pass one candidate and one list of references per image"
        )
    for image, (candidate, refs) in enumerate(zip(candidates, references, strict=True)):
        check_item(function, f"candidates[{image}]", candidate)
        check_list(function, f"references[{image}]", refs, f"{caption}, at least one")
        for index, reference in enumerate(refs):
            check_item(function, f"references[{image}][{index}]", reference)
