"""Penn Treebank tokens of a caption, as the COCO caption evaluation makes them."""

import re

# Single characters that the COCO evaluation drops; "!!" and "-lrb-" are not on its list and stay.
PUNCTUATION = frozenset("'\"`.?!,:;-")

BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}

TYPOGRAPHY = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "--", "—": "--", "…": "..."})

ABBREVIATIONS = (
    "mr mrs ms dr jr sr st ave blvd rd ct sq mt ft dept bldg co inc ltd corp bros etc vs "
    "gen lt sgt capt col maj prof rev sen gov rep hon "
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thurs fri"
)

# The alternatives are tried in order, so special cases come before general ones.
TOKEN = re.compile(
    rf"""
      n't\b | '(?:s|m|d|re|ve|ll)\b                        # what a contraction ends in: is|n't, dog|'s
    | \w[\w-]*?(?=n't\b)                                   # and what comes before n't
    | can(?=not\b) | gon(?=na\b) | wan(?=na\b) | got(?=ta\b) | gim(?=me\b) | lem(?=me\b)
    | '(?:n'|em\b|til\b|cause\b|n\b|\d0s\b) | 't(?=is\b|was\b)  # slip 'n' slide, the '60s
    | (?:[cdlnos]|ma)'[a-z]{{2,}}                         # o'clock, d'angelo, ma'am
    | (?:{"|".join(ABBREVIATIONS.split())})\.(?!\w)        # mr.
    | no\.(?=\s?\d)                                        # no. 5
    | (?:[a-z]\.)+(?!\w)                                   # u.s.
    | [^\W\d_]+(?:\.[^\W\d_]+)+                            # statefarm.com
    | \d+(?:[.,:]\d+)+(?:-\w+)* | \.\d+                    # 1,000  8:25  3.5-inch
    | (?-i:[A-Z]+&[A-Z]+)\b                                # AT&T
    | \w+(?:[-/]\w+)*                                      # dog  snow-packed  and/or  1/64
    | [?!]+ | \S
    """,
    re.VERBOSE | re.IGNORECASE,
)


def tokenize(caption: str) -> list[str]:
    """Lower-case words of a caption, without punctuation and with contractions split.

    "The dog's ball isn't in the snow-packed yard." gives
    the dog 's ball is n't in the snow-packed yard.

    Follows the tokeniser of the COCO caption evaluation (Stanford CoreNLP 3.4.1 PTBTokenizer, then a
    list of punctuation to drop), including its quirks: brackets become -lrb- and -rrb- and stay, as does
    "!!".
    """
    tokens = (token.lower() for token in TOKEN.findall(caption.translate(TYPOGRAPHY)))
    return [BRACKETS.get(token, token) for token in tokens if token not in PUNCTUATION]
