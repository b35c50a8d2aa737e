"""Which sentences to run together? Sentences a second, of processor time on one thread, for several ways to make batches.

python benchmarks/shapes.py [--sentences 512] [--model DIR]
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path

import numpy as np

from classify.engine import open_engine
from classify.modeldir import ModelDirectory

ROOT = Path(__file__).resolve().parent.parent


def fixed(lengths: list[int], count: int) -> Iterator[list[int]]:
    """So many sentences of similar length, padded."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    yield from (order[i : i + count] for i in range(0, len(order), count))


def budget(lengths: list[int], tokens: int) -> Iterator[list[int]]:
    """As many of similar length as make so many tokens, padding included."""
    chosen: list[int] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if chosen and (len(chosen) + 1) * lengths[i] > tokens:
            yield chosen
            chosen = []
        chosen.append(i)
    yield chosen


def alike(lengths: list[int], tokens: int) -> Iterator[list[int]]:
    """Sentences of one length, up to so many tokens: what `classify` does."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for length, group in groupby(order, key=lengths.__getitem__):
        rest = iter(group)
        while chosen := list(islice(rest, max(1, tokens // length))):
            yield chosen


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=512)
    parser.add_argument("--model")
    args = parser.parse_args()
    directory = ModelDirectory.open(args.model)
    engine, tokenizer = open_engine(directory, threads=1), directory.tokenizer()
    lines = (ROOT / "data/sentences.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in random.Random(1).sample(lines, args.sentences)]
    encodings = tokenizer.encode_batch([(row["text"], row["context"]) if row.get("context") else row["text"] for row in rows])
    lengths = [len(encoding) for encoding in encodings]
    print(f"{len(rows)} sentences, {np.mean(lengths):.0f} tokens on average")
    plans = {
        **{f"{n} padded": list(fixed(lengths, n)) for n in (1, 4, 16, 32)},
        **{f"{n} tokens padded": list(budget(lengths, n)) for n in (256, 512, 1024, 2048)},
        **{f"one length, {n} tokens": list(alike(lengths, n)) for n in (256, 512, 1024)},
    }
    first = None
    for name, plan in plans.items():
        begin = time.process_time()
        logits = np.empty((len(rows), len(directory.scheme)), dtype=np.float32)
        for chosen in plan:
            logits[chosen] = engine.logits([encodings[i] for i in chosen])
        taken = time.process_time() - begin
        first = logits if first is None else first
        print(f"{name:24} {len(rows) / taken:6.0f} a second, furthest from one by one {np.abs(logits - first).max():.1e}", flush=True)


if __name__ == "__main__":
    main()
