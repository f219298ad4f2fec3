"""How varied and how new the captions are; no references needed."""

from collections import Counter
from collections.abc import Sequence

from minicap.errors import InputError
from minicap.metrics.captions.arguments import NGram, check_caption, check_list, ngram_counts
from minicap.metrics.captions.tokenizer import tokenize


def distinct_n(candidates: Sequence[str], n: int) -> float:
    """Distinct n-grams / all n-grams of the captions; 0 when none is n words long.

    Raises InputError when n is below 1 or there is no caption.
    Source: Li et al. 2016, A Diversity-Promoting Objective Function for Neural Conversation Models.
    """
    if not isinstance(n, int) or n < 1:
        raise InputError(f"distinct_n: n is {n!r}; pass 1 for words, 2 for pairs of words, ...")
    counts: Counter[NGram] = Counter()
    for tokens in token_lists("distinct_n", "candidates", candidates):
        counts += ngram_counts(tokens, n)
    return len(counts) / counts.total() if counts else 0.0


def vocabulary_used(candidates: Sequence[str]) -> int:
    """Number of distinct words in the captions.  Raises InputError when there is no caption."""
    return len(set().union(*token_lists("vocabulary_used", "candidates", candidates)))


def novelty(candidates: Sequence[str], training_captions: Sequence[str]) -> float:
    """Fraction of the captions that are not, word for word, among the training captions.

    Raises InputError when either list has no caption.
    """
    known = {tuple(tokens) for tokens in token_lists("novelty", "training_captions", training_captions)}
    generated = token_lists("novelty", "candidates", candidates)
    return sum(tuple(tokens) not in known for tokens in generated) / len(generated)


def token_lists(function: str, name: str, captions: Sequence[str]) -> list[list[str]]:
    check_list(function, name, captions, "captions")
    for index, caption in enumerate(captions):
        check_caption(function, f"{name}[{index}]", caption)
    return [tokenize(caption) for caption in captions]
