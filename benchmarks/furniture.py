"""How much page furniture is dropped, and how many sentences of the article are lost with it?

    python benchmarks/furniture.py [PAGES ...] [--errors]

``PAGES`` are pages written after the layout of Indonesian outlets: ``# outlet`` opens a page, ``-`` marks a line of furniture and
``+`` a sentence of the article. The patterns were written with ``furniture-tuned.txt`` in view; ``furniture-held-out.txt`` came
after them, and so did ``furniture-unseen*.txt``, each before its first run; the score (``furniture_score.py``) learned from all but
``furniture-unseen-3.txt`` and ``furniture-unseen-4.txt``, which others wrote. With ``--articles FOLDER`` (articles as JSON Lines with
``text``) every line that is dropped there is printed instead.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from classify.sentences import split

DATA = Path(__file__).parent / "data"


def read(path: Path) -> dict[str, list[tuple[bool, str]]]:
    """Pages by outlet, as ``(furniture, line)``."""
    pages: dict[str, list[tuple[bool, str]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            page = pages[line[2:]] = []
        elif line:
            page.append((line[0] == "-", line[2:].strip()))
    return pages


def judge(page: list[tuple[bool, str]], gap: str) -> list[bool]:
    """Whether each line is dropped when the whole page is split."""
    text = gap.join(line for _, line in page)
    dropped, offset = [], 0
    rows = list(split(text))
    for _, line in page:
        mine = [row.furniture for row in rows if offset <= row.start < offset + len(line)]
        dropped.append(bool(mine) and all(mine))
        offset += len(line) + len(gap)
    return dropped


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, default=sorted(DATA.glob("furniture-*.txt")))
    parser.add_argument("--errors", action="store_true", help="print every line that is judged wrongly")
    parser.add_argument("--articles", type=Path, help="print what is dropped from the articles of this folder")
    args = parser.parse_args()
    if args.articles:
        texts = [json.loads(line)["text"] for path in sorted(args.articles.glob("*.jsonl")) for line in path.open(encoding="utf-8")]
        rows = [row for text in texts for row in split(text)]
        dropped = Counter(row.text for row in rows if row.furniture)
        print(f"{len(texts)} articles, {len(rows)} sentences, {sum(dropped.values())} dropped")
        for line, times in dropped.most_common():
            print(f"{times:5} {line}")
        return
    for path in args.pages:
        print(f"{path.name}\n\n| outlet | furniture | dropped | sentences | lost |\n|---|--:|--:|--:|--:|")
        total: Counter[tuple[bool, bool]] = Counter()
        wrong = []
        for outlet, page in read(path).items():
            verdicts = list(zip(page, judge(page, "\n"), strict=True))
            counts = Counter((furniture, dropped) for (furniture, _), dropped in verdicts)
            total += counts
            wrong += [(outlet, furniture, line) for (furniture, line), dropped in verdicts if furniture != dropped]
            print(f"| {outlet} | {row(counts)} |")
        share = total[True, True] / (total[True, True] + total[True, False])
        lost = total[False, True] / (total[False, True] + total[False, False])
        print(f"| **all** | {row(total)} |\n\n{share:.1%} of the furniture dropped, {lost:.1%} of the sentences lost\n")
        for outlet, furniture, line in wrong if args.errors else ():
            print(f"{outlet}: {'kept' if furniture else 'LOST'} {line}")


def row(counts: Counter[tuple[bool, bool]]) -> str:
    """Cells of one table row."""
    furniture, sentences = counts[True, True] + counts[True, False], counts[False, True] + counts[False, False]
    return f"{furniture} | {counts[True, True]} | {sentences} | {counts[False, True]}"


if __name__ == "__main__":
    main()
