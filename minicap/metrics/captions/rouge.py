"""ROUGE-L."""

from collections.abc import Sequence

from minicap.metrics.captions.arguments import Tokens, check_pairs

BETA = 1.2


def rouge_l(
    candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]
) -> tuple[float, list[float]]:
    """ROUGE-L: the longest common subsequence of the candidate and its references.

    P = LCS / words of the candidate,  R = LCS / words of the reference, each the best over the references;
    ROUGE-L = (1 + beta^2) P R / (R + beta^2 P),  beta = 1.2, which favours recall.

    candidates: a token list per image.  references: lists of token lists.
    Returns (mean over the images, one score per image), fractions; a candidate without words scores 0.
    Raises InputError when candidates and references do not pair up.
    Source: Lin 2004, ROUGE: A Package for Automatic Evaluation of Summaries, section 3, equations 2 to 4;
    the best over the references and beta as in the COCO caption evaluation.
    """
    check_pairs("rouge_l", candidates, references, tokens=True)
    per_image = [image_rouge_l(c, refs) for c, refs in zip(candidates, references, strict=True)]
    return sum(per_image) / len(per_image), per_image


def image_rouge_l(candidate: Tokens, references: Sequence[Tokens]) -> float:
    """ROUGE-L of one image."""
    common = [(lcs_length(candidate, reference), len(reference)) for reference in references]
    if not any(lcs for lcs, _ in common):
        return 0.0
    precision = max(lcs for lcs, _ in common) / len(candidate)
    recall = max(lcs / length for lcs, length in common if length)
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def lcs_length(a: Tokens, b: Tokens) -> int:
    """Length of the longest common subsequence of two token lists.

    L[i, j] = L[i-1, j-1] + 1 where a_i = b_j, otherwise max(L[i-1, j], L[i, j-1]); one row is kept.
    """
    row = [0] * (len(b) + 1)
    for token in a:
        diagonal = 0
        for j, other in enumerate(b, start=1):
            above = row[j]
            row[j] = diagonal + 1 if token == other else max(above, row[j - 1])
            diagonal = above
    return row[-1]
