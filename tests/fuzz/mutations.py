"""Wrong inputs made from right ones, the same ones for the same generator."""

import re

import numpy as np

VALUE = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null')
TOKEN = re.compile(VALUE.pattern + r"|[\[\]{},:=.]|\w+")

# What takes the place of a token in JSON or TOML.
HOSTILE = (
    *(
        "",
        "0",
        "-1",
        "1",
        "3",
        "1.5",
        "true",
        "null",
        "[]",
        "{}",
        "{",
        "]",
        ",",
        "=",
        "x",
        "\x00",
        "#",
        "\ufeff",
    ),
    *("1e400", "-1e400", "1e308", "1e-320", "NaN", "Infinity", "nan", "inf", "-inf", "2147483648"),
    *("9" * 19, "9" * 400, "9" * 5000, "1000000000", "0x" + "f" * 40, "[" * 1000, "[" * 100 + "]" * 100),
    *('{"a":' * 200, "a." * 3000 + "a", "a." * 50 + "a", "1979-05-27", "'", '"""'),
    *(
        '""',
        r'"\ud800"',
        r'"\u0000"',
        r'"\u001b[2J"',
        '"' + "a" * 6000 + '"',
        '"../../etc/passwd"',
        '"/dev/zero"',
    ),
    *('"<end>"', '"<unk>"', '"lstm"', '"train"', '"a"', '["a", "a"]', '[["a"]]', '{"a": {"b": [1]}}'),
)


def of_text(rng: np.random.Generator, text: str) -> bytes:
    """A text in which one token or two have become something else, mostly a value and not a bracket."""
    for _ in range(1 + (rng.random() < 0.3)):
        tokens = list((VALUE if rng.random() < 0.8 else TOKEN).finditer(text))
        if not tokens:
            break
        token = tokens[rng.integers(len(tokens))]
        text = text[: token.start()] + str(rng.choice(HOSTILE)) + text[token.end() :]
    data = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.1:
        data = of_bytes(rng, data)
    elif rng.random() < 0.05:
        data = text.encode("utf-16")
    return data


def of_bytes(rng: np.random.Generator, data: bytes) -> bytes:
    """Bytes cut, changed, moved, repeated or with an extreme number written over them."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        if not changed:
            break
        # Most of what a format promises stands at its beginning.
        place = int(len(changed) * rng.random() ** rng.choice([1, 4]))
        kind = rng.integers(6)
        if kind == 0:
            changed[place] = rng.integers(256)
        elif kind == 1:
            changed[place] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            del changed[place:]
        elif kind == 3:
            extreme = int(rng.choice([0, 1, 2**31 - 1, 2**32 - 1, 2**16, 10**6]))
            order = "little" if rng.random() < 0.5 else "big"
            changed[place : place + 4] = extreme.to_bytes(4, order)
        elif kind == 4:
            length = int(rng.integers(1, 64))
            changed[place:place] = changed[place : place + length]
        else:
            del changed[place : place + int(rng.integers(1, 64))]
    return bytes(changed)
