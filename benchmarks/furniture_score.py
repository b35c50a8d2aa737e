"""Train the score of page furniture (``configs/furniture_weights.json``) and say what to expect of it.

    python benchmarks/furniture_score.py [PAGES ...] [--data data/sentences.jsonl] [--write]

A page of an outlet that nobody looked at is one that some patterns do not fit. So each draw throws part of the patterns and words away
at random, and the lines of furniture that the rest misses are what the score learns to tell from the sentences of the article, on the
written pages as they are and with longer articles of our own in their place. Outlets are kept apart in cross-validation: figures are of
outlets whose pages the weights have not seen.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
from furniture import DATA, read
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from classify.furniture import Rules, compile_rules, mark_by_rules
from classify.furniture_score import describe
from classify.resources import load_yaml, resource

ROOT = Path(__file__).parents[1]
# Further articles that keep their headline as a heading.
HEADED = 0.5
# Articles that hold a list, and those whose paragraphs are broken into lines.
LISTED, WRAPPED = 0.25, 0.03
Page = list[tuple[bool, str]]
# Pages to learn from.
LEARNED = ("tuned", "held-out", "unseen", "unseen-2", "more")
# Lists of the rules that a draw thins out; what a line's place says stays.
THINNED = ("sections", "words", "lines", "openers", "list_labels", "captions", "pictures", "ends", "page", "site", "address")


@dataclass(frozen=True)
class Line:
    """A line that thinned patterns left open."""

    outlet: str
    furniture: bool
    text: str
    features: list[str]


def thinned(data: dict[str, Any], share: float, chance: random.Random) -> dict[str, Any]:
    """The rules without ``share`` of their patterns and words."""
    some = {name: [one for one in data[name] if chance.random() >= share] or data[name][:1] for name in THINNED}
    return {**data, **some}


def articles(path: Path) -> list[list[str]]:
    """Sentences of whole articles of our own: those of a group of which each has the one before as its context."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in path.open(encoding="utf-8"):
        row = json.loads(line)
        groups[row["group"]].append(row)
    chains = [rows for rows in groups.values() if all(one["context"] == before["text"] for before, one in pairwise(rows))]
    return [[row["text"] for row in rows] for rows in chains if len(rows) >= 6]


def broken(paragraphs: list[str], chance: random.Random) -> list[str]:
    """The paragraphs of an article as some pages show them: now and then with a list, or broken into lines of a width."""
    if chance.random() < WRAPPED:
        width = chance.randint(45, 110)
        return [line for paragraph in paragraphs for line in wrap(paragraph, width)]
    if chance.random() < LISTED:
        number = chance.randrange(len(paragraphs))
        items = [item.strip() for item in re.split(r"[,.;:]\s", paragraphs[number]) if item.strip()]
        if chance.random() < 0.5:
            items = [item[0].upper() + item[1:] for item in items]
        if chance.random() < 0.3:
            items = [f"{place}. {item}" for place, item in enumerate(items, 1)]
        paragraphs = [*paragraphs[:number], items[0] + ":", *items[1:], *paragraphs[number + 1 :]]
    return paragraphs


def longer(page: Page, texts: Sequence[list[str]], chance: random.Random) -> Page:
    """The furniture of a page around another, longer article, in paragraphs of up to three sentences."""
    first = next(
        number for number, (furniture, text) in enumerate(page) if not furniture and text.endswith((".", "”", '"', ".]", ")", "*"))
    )
    last = max(number for number, (furniture, _) in enumerate(page) if not furniture)
    runs: list[Page] = [[]]
    for furniture, text in page[first : last + 1]:
        if furniture:
            runs[-1].append((furniture, text))
        elif runs[-1]:
            runs.append([])
    paragraphs: list[str] = []
    title = ""
    for number, text in enumerate(texts):
        sentences = list(text)
        if not sentences[0].endswith((".", "”", '"')):
            heading = sentences.pop(0)
            title = title or heading
            if number and chance.random() < HEADED:
                paragraphs.append(heading)  # as a heading within the article
        while sentences:
            count = chance.choice((1, 1, 1, 2, 2, 3))
            paragraphs.append(" ".join(sentences[:count]))
            del sentences[:count]
    body: Page = [(False, line) for line in broken(paragraphs, chance)]
    for run in runs:
        place = chance.randint(1, len(body) - 1)
        body[place:place] = run
    above = [line for line in page[:first] if line[0]]
    headline = next((number for number, line in enumerate(page[:first]) if not line[0]), 0)
    return [*above[:headline], (False, title or page[headline][1]), *above[headline:], *body, *page[last + 1 :]]


def seeds(folder: Path) -> dict[str, Page]:
    """Our retold pages, a line each, by the gold of its first sentence."""
    pages: dict[str, Page] = {}
    for path in sorted(folder.glob("*.gold.jsonl")):
        rows = [json.loads(line) for line in path.open(encoding="utf-8")]
        text = path.with_name(path.name.replace(".gold.jsonl", ".txt")).read_text(encoding="utf-8")
        gold = {row["text"]: bool(row["furniture"]) for row in rows}
        page = pages[f"seed {path.name.split('.')[0]}"] = []
        for line in filter(None, map(str.strip, text.splitlines())):
            page.append((next((furniture for start, furniture in gold.items() if line.startswith(start)), False), line))
    return pages


def lines(outlet: str, page: Page, rules: Rules) -> tuple[list[Line], Counter[tuple[bool, bool]]]:
    """The open lines of a page, and all of its lines counted: whether furniture and whether dropped by the rules."""
    bodies = [text for _, text in page]
    marked, _ = mark_by_rules(bodies, rules)
    described = describe(bodies, marked, rules.lists, rules.long)
    found = [
        Line(outlet, furniture, text, features) for (furniture, text), features in zip(page, described, strict=True) if features is not None
    ]
    return found, Counter((furniture, gone) for (furniture, _), gone in zip(page, marked, strict=True))


def draws(
    pages: dict[str, Page], texts: list[list[str]], count: int, share: float, seed: int
) -> tuple[list[Line], Counter[tuple[bool, bool]]]:
    """Open lines of ``count`` draws over all pages and of as many articles without furniture; and all lines, counted as in `lines`."""
    chance = random.Random(seed)
    data = load_yaml(resource("configs/furniture.yaml"))
    total: Counter[tuple[bool, bool]] = Counter()
    found: list[Line] = []
    for number in range(count):
        rules = compile_rules(thinned(data, share, chance))
        for outlet, page in pages.items():
            shown = page if number % 2 else longer(page, chance.sample(texts, chance.choice((1, 2, 3))), chance)
            for one in (shown, [(False, text) for text in broken(chance.choice(texts), chance)]):
                some_lines, counts = lines(outlet, one, rules)
                found += some_lines
                total += counts
    return found, total


def matrix(found: Sequence[Line], names: dict[str, int]) -> csr_matrix:
    """Lines by features, as ones."""
    rows, columns = [], []
    for number, line in enumerate(found):
        for name in line.features:
            if name in names:
                rows.append(number)
                columns.append(names[name])
    return csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(found), len(names)))


def fit(found: Sequence[Line], strength: float, least: int) -> tuple[dict[str, int], LogisticRegression]:
    """The regression, on features that lines of at least ``least`` outlets have."""
    outlets: dict[str, set[str]] = defaultdict(set)
    for line in found:
        for name in line.features:
            if line.furniture or not name.startswith("word "):
                outlets[name].add(line.outlet)
    names = {name: number for number, name in enumerate(sorted(name for name, owners in outlets.items() if len(owners) >= least))}
    model = LogisticRegression(C=strength, l1_ratio=1.0, max_iter=3000, solver="liblinear", random_state=0)
    model.fit(matrix(found, names), [line.furniture for line in found])
    return names, model


def validate(found: Sequence[Line], strength: float, least: int, folds: int) -> np.ndarray[Any, Any]:
    """The score of each line by weights that have not seen its outlet."""
    scores = np.zeros(len(found))
    groups = [line.outlet for line in found]
    for train, test in GroupKFold(folds).split(found, groups=groups):
        names, model = fit([found[number] for number in train], strength, least)
        scores[test] = model.decision_function(matrix([found[number] for number in test], names))
    return scores


def main() -> None:
    """Cross-validate, print and, if asked, write the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, default=[DATA / f"furniture-{name}.txt" for name in LEARNED])
    parser.add_argument("--data", type=Path, default=ROOT / "data/sentences.jsonl")
    parser.add_argument("--draws", type=int, default=24)
    parser.add_argument("--thin", type=float, default=0.35, help="share of the patterns that a draw throws away")
    parser.add_argument("--strength", type=float, default=0.3, help="inverse of the L1 penalty")
    parser.add_argument("--least", type=int, default=4, help="outlets that must have a feature")
    parser.add_argument("--lost", type=float, default=0.003, help="share of the lines of articles that the threshold may lose")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--errors", action="store_true", help="print what is judged wrongly")
    parser.add_argument("--write", action="store_true", help="write configs/furniture_weights.json")
    args = parser.parse_args()
    pages = seeds(ROOT / "seeds")
    for path in args.pages:
        pages |= read(path)
    found, total = draws(pages, articles(args.data), args.draws, args.thin, args.seed)
    furniture = np.array([line.furniture for line in found])
    of_page, of_article = total[True, True] + total[True, False], total[False, True] + total[False, False]
    print(f"{len(pages)} outlets: {of_page} lines of furniture, {of_article} of articles; {len(found)} lines open")
    print(f"the thinned patterns alone drop {total[True, True] / of_page:.1%} and lose {total[False, True] / of_article:.2%}")
    scores = validate(found, args.strength, args.least, 8)
    cuts = np.sort(scores[~furniture])[::-1]

    def cut_at(lost: float) -> float:
        return float(cuts[int(lost * of_article)])

    for lost in sorted({0.0005, 0.001, 0.002, 0.005, args.lost}):
        caught = int((scores[furniture] > cut_at(lost)).sum())
        share = (total[True, True] + caught) / of_page
        print(f"score > {cut_at(lost):.2f}: {share:.1%} dropped ({caught / total[True, False]:.1%} of those missed), {lost:.2%} more lost")
    threshold = round(cut_at(args.lost), 2)
    wrong = Counter(
        (line.outlet, line.furniture, line.text) for line, value in zip(found, scores, strict=True) if line.furniture != (value > threshold)
    )
    for (outlet, is_one, text), times in wrong.most_common() if args.errors else ():
        print(f"{times:3} {outlet}: {'kept' if is_one else 'LOST'} {text}")
    if args.write:
        names, model = fit(found, args.strength, args.least)
        weights = {name: round(float(weight), 2) for name, weight in zip(names, model.coef_[0], strict=True)}
        weights = {"": round(float(model.intercept_[0]), 2)} | {name: weight for name, weight in weights.items() if weight}
        path = ROOT / "configs/furniture_weights.json"
        path.write_text(json.dumps({"threshold": threshold, "weights": weights}, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
        print(f"{path.name}: {len(weights)} weights, threshold {threshold}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
