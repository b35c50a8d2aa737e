"""When two sentences count as the same, and when as copies of each other."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict

_WORD = re.compile(r"\w+")
# Two sentences that share this much of the smaller one's word trigrams are taken for copies of each other.
NEAR_DUPLICATE = 0.6


def normalise(text: str) -> str:
    """The form under which two spellings of a sentence count as the same: NFKC, one space, case folded."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip().casefold()


def digest(text: str) -> str:
    """SHA-256 of the normalised text, as hexadecimal digits."""
    return hashlib.sha256(normalise(text).encode()).hexdigest()


def words(text: str) -> list[str]:
    """The words of a text in small letters."""
    return _WORD.findall(text.lower())


def trigrams(text: str) -> frozenset[int]:
    """Hashes of the word trigrams, or one of the whole where there are fewer than three words; of this process only."""
    found = words(text)
    return frozenset(hash(tuple(found[k : k + 3])) for k in range(len(found) - 2)) or frozenset({hash(tuple(found))})


class Copies:
    """A growing set of sentences that can be asked whether it holds a near-copy of another one."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._index: dict[int, list[int]] = defaultdict(list)

    def add(self, text: str) -> None:
        """Add a sentence."""
        grams = trigrams(text)
        for gram in grams:
            self._index[gram].append(len(self._sizes))
        self._sizes.append(len(grams))

    def near(self, text: str, threshold: float = NEAR_DUPLICATE) -> bool:
        """Whether a sentence here and ``text`` share at least ``threshold`` of the smaller one's trigrams."""
        grams = trigrams(text)
        shared: dict[int, int] = defaultdict(int)
        for gram in grams:
            for other in self._index.get(gram, ()):
                shared[other] += 1
        return any(count >= threshold * min(len(grams), self._sizes[other]) for other, count in shared.items())
