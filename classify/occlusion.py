"""Which words a label rests on: each is hidden in turn, and what the label's logit loses is the word's weight.

Occlusion (Zeiler & Fergus 2014, for pictures; Li, Monroe & Jurafsky 2016, for words). It tells what this model looked at, not what is
so, and words that say the same twice hide each other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from classify.engine import Engine

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

# Words shown of a label.
TOP = 5
# Begin, end (characters of the sentence) and weight.
Word = tuple[int, int, float]

_WORD = re.compile(r"\w+(?:[-'’.]\w+)*")
_HIDES = ("[MASK]", "<mask>", "[UNK]", "<unk>", "[PAD]", "<pad>")


@dataclass(frozen=True)
class _Hidden:
    """An encoding with some tokens replaced, as far as an engine reads it."""

    ids: Sequence[int]
    type_ids: Sequence[int]

    def __len__(self) -> int:
        return len(self.ids)


def words(
    text: str, before: str, columns: Sequence[int], tokenizer: Tokenizer, engine: Engine, tokens: int, top: int = TOP
) -> list[tuple[Word, ...]]:
    """For every one of ``columns`` the words that raise its logit most.

    A word is hidden by putting the mask token in the place of each of its pieces (the unknown token where a tokenizer has no mask), so
    that all variants of a sentence have its length and run together without padding, and with no other sentence: the weights do not
    depend on neighbours or batch sizes. The weight is the logit of the sentence as it is, minus that with the word hidden, rounded to
    four decimals. A sentence costs one run more than it has words; what the model does not read of it has no weight.

    Args:
        text: the sentence.
        before: the sentence before it, ``""`` where the model is not to read one.
        columns: outputs of the model.
        tokenizer: with truncation set.
        engine: runs the model.
        tokens: how many tokens run at once.
        top: how many words are given of a label; only those above zero.

    Returns:
        For each column its words, the heaviest first.
    """
    encoding: Encoding = tokenizer.encode(text, before) if before else tokenizer.encode(text)
    mask = next(found for found in (*map(tokenizer.token_to_id, _HIDES), 0) if found is not None)
    own = [i for i, sequence in enumerate(encoding.sequence_ids) if sequence == 0]
    pieces: list[tuple[int, int, list[int]]] = []
    at = 0
    for match in _WORD.finditer(text):
        begin, end = match.span()
        while at < len(own) and encoding.offsets[own[at]][1] <= begin:
            at += 1
        if at == len(own):
            break
        covered = list(takewhile(lambda i, end=end: encoding.offsets[i][0] < end, own[at:]))  # type: ignore[misc]
        if covered:
            pieces.append((begin, end, covered))
    variants: list[Any] = [encoding]
    for _, _, covered in pieces:
        ids = list(encoding.ids)
        for i in covered:
            ids[i] = mask
        variants.append(_Hidden(ids, encoding.type_ids))
    size = max(1, tokens // max(1, len(encoding)))
    logits = np.concatenate([engine.logits(variants[begin : begin + size]) for begin in range(0, len(variants), size)]).astype(np.float64)
    drops = np.round(logits[:1] - logits[1:], 4)
    result = []
    for column in columns:
        weighed = [(begin, end, float(drop)) for (begin, end, _), drop in zip(pieces, drops[:, column], strict=True) if drop > 0]
        result.append(tuple(sorted(weighed, key=lambda word: (-word[2], word[0]))[:top]))
    return result
