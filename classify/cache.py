"""What the network said of sentences it has met before."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

# News copies news: enough for the sentences of some three thousand articles, in about twelve megabytes.
CAPACITY = 50_000


class LogitCache:
    """The logits of the last ``capacity`` different (sentence, sentence before), by digest; the least recently used go first."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()

    @staticmethod
    def key(text: str, before: str) -> bytes:
        """Sixteen bytes that stand for the pair."""
        first = text.encode("utf-8", "surrogatepass")
        # The length in front, so that no other pair runs together to the same bytes.
        return blake2b(b"%d:%b%b" % (len(first), first, before.encode("utf-8", "surrogatepass")), digest_size=16).digest()

    def get(self, key: bytes) -> NDArray[np.float32] | None:
        """The logits kept for ``key``, which counts as a use; None where there are none."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: bytes, logits: NDArray[np.float32]) -> None:
        """Keep a copy of ``logits``."""
        self._kept[key] = logits.copy()
        if len(self._kept) > self._capacity:
            self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)
