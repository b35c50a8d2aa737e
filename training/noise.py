"""Slips of the keyboard, for training on what outlets really print."""

from __future__ import annotations

import numpy as np

# Which letters lie beside which on a QWERTY keyboard.
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    letter: "".join(row[i] for i in (place - 1, place + 1) if 0 <= i < len(row)) for row in _ROWS for place, letter in enumerate(row)
}
SHORTEST = 4


def slip(text: str, random: np.random.Generator) -> str:
    """The text with one word mistyped: two letters swapped, one left out, one doubled, or a neighbouring key hit.

    Words of fewer than four letters and first letters stay, and so does a text without a longer word.
    """
    words = text.split(" ")
    long = [i for i, word in enumerate(words) if len(word) >= SHORTEST and word.isalpha()]
    if not long:
        return text
    chosen = int(random.choice(long))
    word = words[chosen]
    place = int(random.integers(1, len(word) - 1))
    before, letter, after = word[:place], word[place], word[place + 1 :]
    kind = int(random.integers(4))
    if kind == 0:
        word = before + after[0] + letter + after[1:]
    elif kind == 1:
        word = before + after
    elif kind == 2:
        word = before + letter + letter + after
    else:
        keys = _NEIGHBOURS.get(letter.lower(), letter)
        word = before + keys[int(random.integers(len(keys)))] + after
    words[chosen] = word
    return " ".join(words)
