"""Dividing examples so that no document, paraphrase family or near-duplicate stands on two sides."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from classify.copies import NEAR_DUPLICATE, trigrams
from training.dataset import Example


def near_duplicates(texts: Sequence[str], threshold: float = NEAR_DUPLICATE) -> list[tuple[int, int]]:
    """Pairs of indices whose word trigrams overlap by at least ``threshold`` of the smaller set.

    A text with the very trigrams of an earlier one is paired with the first such text only.
    """
    sets = []
    index: dict[int, list[int]] = defaultdict(list)
    first: dict[frozenset[int], int] = {}
    copies = []
    for i, text in enumerate(texts):
        grams = trigrams(text)
        sets.append(grams)
        if first.setdefault(grams, i) != i:
            copies.append((first[grams], i))
            continue
        for gram in grams:
            index[gram].append(i)
    shared: dict[tuple[int, int], int] = defaultdict(int)
    for members in index.values():
        # A trigram in very many sentences is a set phrase and says nothing about copying.
        if 2 <= len(members) <= 50:
            for position, j in enumerate(members):
                for i in members[:position]:
                    shared[i, j] += 1
    near = [pair for pair, count in shared.items() if count >= threshold * min(len(sets[pair[0]]), len(sets[pair[1]]))]
    return sorted(copies + near)


def clusters(examples: Sequence[Example]) -> list[str]:
    """For every example the name of its cluster: groups joined where near-duplicates connect them."""
    parent = {example.group: example.group for example in examples}

    def find(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for i, j in near_duplicates([example.text for example in examples]):
        a, b = sorted((find(examples[i].group), find(examples[j].group)))
        parent[b] = a
    return [find(example.group) for example in examples]


def _share(name: str, seed: int) -> float:
    """A number in [0, 1) that depends on the name and the seed alone, so that added data never moves old data."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8], "big") / 2**64


def assign(examples: Sequence[Example], validation: float, test: float, seed: int) -> list[str]:
    """A split for every example: its own fixed one, else by its cluster.

    A cluster that holds a fixed ``development`` or ``test`` example goes there whole, so that nothing near it trains.
    """
    names = clusters(examples)
    fixed: dict[str, str] = {}
    rank = {"train": 0, "validation": 1, "test": 2, "development": 3}
    for name, example in zip(names, examples, strict=True):
        if example.split and rank[example.split] >= rank.get(fixed.get(name, "train"), 0):
            fixed[name] = example.split
    splits = []
    for name in names:
        share = _share(name, seed)
        if name in fixed and fixed[name] != "train":
            splits.append(fixed[name])
        elif name not in fixed and share < test:
            splits.append("test")
        elif validation > 0 and share < test + validation:
            # Real sentences marked for training still lend their share to validation.
            splits.append("validation")
        else:
            splits.append("train")
    return splits


def folds(examples: Sequence[Example], count: int, seed: int, even: bool = False) -> list[int]:
    """A fold number for every example, clusters whole.

    Args:
        examples: what to divide.
        count: of the folds.
        seed: of the draw.
        even: deal the clusters out in turn, so that of few none stays empty; otherwise each goes by its own name alone.
    """
    # A draw of its own: the share that decided the test split is never below the test's share in what is left.
    names = clusters(examples)
    shares = {name: _share(f"fold:{name}", seed) for name in names}
    if even:
        rank = {name: place for place, name in enumerate(sorted(shares, key=lambda name: (shares[name], name)))}
        return [rank[name] % count for name in names]
    return [int(shares[name] * count) for name in names]
