"""Who holds the position: the rules of classify/evidence.py on sentences of our own, by construction.

python benchmarks/holders.py            # --errors lists the wrong ones
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from classify.evidence import Holder, attribute
from classify.labels import LabelScheme
from classify.resources import resource
from classify.sentences import Sentence, split


def asked(row: dict[str, Any], scheme: LabelScheme) -> Holder | None:
    """The holder that the rules find; offsets count from the beginning of the context."""
    label = next(one for one in scheme if one.id == row["stance"])
    earlier = list(split(row["context"], whole=False))
    start = len(row["context"]) + 1 if row["context"] else 0
    return attribute(Sentence(start, start + len(row["text"]), row["text"]), earlier, label.holders).holder


def right(row: dict[str, Any], found: Holder | None) -> bool:
    """Whether the phrase found overlaps the right one, in the right sentence, and is the right actor's; none where there is none."""
    if found is None or row["holder"] is None:
        return found is None and row["holder"] is None
    at = f"{row['context']} {row['text']}".strip()
    start = at.index(row["holder"], 0 if row["inherited"] else len(row["context"]))
    overlaps = found.start < start + len(row["holder"]) and start < found.end
    return overlaps and found.actor == row["actor"] and found.inherited == row["inherited"]


def interval(marks: list[bool]) -> str:
    """The share that is right, with a 95 % interval (Wilson)."""
    n, p, z = len(marks), sum(marks) / len(marks), 1.96
    middle, half = (p + z * z / (2 * n)) / (1 + z * z / n), z * ((p * (1 - p) + z * z / (4 * n)) / n) ** 0.5 / (1 + z * z / n)
    return f"{sum(marks)} of {n} | {p:.1%} [{middle - half:.1%}, {middle + half:.1%}]"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parent / "data" / "holders.jsonl")
    parser.add_argument("--errors", action="store_true", help="list the wrong ones")
    args = parser.parse_args()
    scheme = LabelScheme.load(resource("configs/labels.yaml"))
    # Only what is out of the ordinary is written down.
    rows = [{"context": "", "inherited": False, **json.loads(line)} for line in args.data.read_text(encoding="utf-8").splitlines()]
    marks: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    exact: dict[str, list[bool]] = defaultdict(list)
    wrong = []
    for row in rows:
        found = asked(row, scheme)
        good = right(row, found)
        marks[row["part"]][row["kind"]].append(good)
        marks[row["part"]]["all"].append(good)
        exact[row["part"]].append((found.text if found else None) == row["holder"])
        if not good:
            wrong.append((row, found))
    for part, by_kind in marks.items():
        print(f"\n{part}: the same phrase to the letter in {sum(exact[part]) / len(exact[part]):.0%}\n")
        print("| construction | right | share with 95 % interval |\n|---|--:|--:|")
        for kind in [*sorted(set(by_kind) - {"all"}), "all"]:
            print(f"| {kind} | {interval(by_kind[kind])} |")
    for row, found in wrong if args.errors else ():
        print(f"{row['part']} {row['kind']} {row['stance']}: {found and (found.text, found.actor, found.inherited)} | {row['text']}")


if __name__ == "__main__":
    main()
