"""What the patterns of page furniture leave open, by a score: a logistic regression over a line's shape, words and place.

Features are names; a line's score is the sum of the weights of its names (``configs/furniture_weights.json``, made by
``benchmarks/furniture_score.py``). All take time linear in the document.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from classify.resources import resource

# A line of more words or characters is running text, whatever else it looks like.
LONGEST, WIDEST = 30, 400

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_VERB = re.compile(r"(?:me[mnlrwy]|meng|ber|di|ter)[a-z]{3,}")
_ENDED = re.compile(r"[.…][\"'”’)\]*]*(?:\s*[(\[][^()\[\]]{1,60}[)\]])?[*\s]*$")
_QUOTED = re.compile(r"[\"“”]")
_MARKS = (
    ("pipe", re.compile(r"[|•·»›>]")),
    ("slash", re.compile(r"\w/\w")),
    ("net", re.compile(r"[@#©]|\b\w+\.(?:com|co|id|net|org)\b", re.IGNORECASE)),
    ("date", re.compile(r"\b\d{1,2}[/:.]\d{2}\b|\b(?:19|20)\d\d\b|\b(?:wib|wita|wit)\b", re.IGNORECASE)),
    ("digit", re.compile(r"\d")),
    ("quote", _QUOTED),
    ("colon", re.compile(r":\s")),
    ("dash", re.compile(r"\s[-–—]+\s")),
    ("comma", re.compile(r",\s")),
    ("bracket", re.compile(r"[)\]]\W*$")),
)
# Upper ends of the steps of a line's words, of shares, and of how much of the article lies above.
_LENGTHS = (1, 2, 3, 5, 8, 12, 20, 30)
_SHARES = (0.0, 0.2, 0.5, 0.8, 0.999)
_PASSED = (0.0, 0.12, 0.5, 0.88, 0.999)


@dataclass(frozen=True)
class Words:
    """Lists of small words: of running text, that report speech, that address the reader, of a page, of menus."""

    running: frozenset[str]
    reporting: frozenset[str]
    address: frozenset[str]
    page: frozenset[str]
    menu: frozenset[str]


def words_of(data: dict[str, Any]) -> Words:
    """The lists in ``configs/furniture.yaml``."""
    menu = " ".join(map(str, [*data["words"], *data["sections"]])).split()
    page = frozenset(data["page"]) | frozenset(data["site"])
    return Words(frozenset(data["running"]), frozenset(data["reporting"]), frozenset(data["address"]), page, frozenset(menu))


@cache
def _weights() -> tuple[dict[str, float], float]:
    data = json.loads(resource("configs/furniture_weights.json").read_text(encoding="utf-8"))
    return data["weights"], data["threshold"]


def _step(value: float, steps: Sequence[float]) -> int:
    return bisect_right(steps, value)


def _shape(body: str, found: list[str], lower: list[str], words: Words) -> list[str]:
    """Names of what a line is by itself."""
    count = len(found)
    names = [f"length {_step(count, _LENGTHS)}"]
    if _ENDED.search(body[-80:]):
        names.append("end stop")
    elif body[-1] in "?!":
        names.append("end ask")
    elif body[-1] in ":,-–—":
        names.append("end open")
    else:
        names.append("end digit" if body[-1].isdigit() else "end none")
    first = body[0]
    kinds = (("small", first.islower()), ("capital", first.isupper()), ("digit", first.isdigit()), ("quote", first in "\"“‘'"))
    names.append("begins " + next((kind for kind, holds in kinds if holds), "mark"))
    if count:
        capitals = sum(word[0].isupper() for word in found)
        names.append(f"capitals {_step(capitals / count, _SHARES)}")
        if body.isupper():
            names.append("all capitals")
        running = sum(word in words.running for word in lower)
        names.append(f"running {_step(running / count, (0.0, 0.15, 0.3))}")
        names.append(f"menu {_step(sum(word in words.menu for word in lower) / count, _SHARES)}")
        if any(word in words.reporting for word in lower):
            names.append("reporting")
        if any(_VERB.fullmatch(word) for word in lower):
            names.append("verb")
        if "kami" in lower and not _QUOTED.search(body):
            names.append("ours")
        names.append(f"page {min(sum(word in words.page for word in lower), 3)}")
        if any(word in words.address for word in lower):
            names.append("address")
    names.extend(name for name, pattern in _MARKS if pattern.search(body))
    names.extend(f"word {word}" for word in dict.fromkeys(lower) if word in words.menu and word not in words.running)
    return names


def describe(bodies: Sequence[str], marked: Sequence[bool], words: Words, long: int) -> list[list[str] | None]:
    """For each line its features; None for empty lines, marked ones and those too long to be furniture.

    Args:
        bodies: the lines of a document, stripped.
        marked: which of them the patterns take for furniture.
        words: the lists of words.
        long: words at least that make a line a sentence even without a full stop.
    """
    places = [place for place, body in enumerate(bodies) if body]
    lines = [bodies[place] for place in places]
    gone = [marked[place] for place in places]
    found = [_WORD.findall(line) for line in lines]
    lower = [[word.lower() for word in line] for line in found]
    content = [{word for word in line if len(word) > 3 and word not in words.running} for line in lower]
    stopped = [line.endswith(("?", "!")) or _ENDED.search(line[-80:]) is not None for line in lines]
    states = [
        "furniture" if furniture else "prose" if len(line) >= (2 if stop else long) else "loose"
        for furniture, line, stop in zip(gone, found, stopped, strict=True)
    ]
    sizes = [len(line) if state == "prose" else 0 for line, state in zip(lines, states, strict=True)]
    total = sum(sizes)
    spread = Counter(word for line, state in zip(content, states, strict=True) if state == "prose" for word in line)
    repeats = Counter(lines)
    # Lines on end, up to and from each, that are no prose.
    up = _runs(states)
    down = _runs(states[::-1])[::-1]
    described: list[list[str] | None] = [None] * len(bodies)
    before = 0
    opened = 0  # lines above that are no furniture
    head = next((line for line, state in zip(content, states, strict=True) if state != "furniture" and len(line) > 2), set())
    for number, line in enumerate(lines):
        if not gone[number]:
            rest = total - sizes[number]
            passed = before / rest if rest else 0.0
            addressed = sum(word in words.page or word in words.address for word in lower[number])
            beside = {_state(states, number - 1), _state(states, number + 1)}
            near = sum(gone[max(number - 3, 0) : number + 4])
            amid = _PASSED[1] <= passed < _PASSED[3]
            speaks = any(word in words.address or word == "kami" for word in lower[number])
            closed = (
                len(found[number]) > LONGEST
                or len(line) > WIDEST
                # A sentence of the article, unless it speaks to the reader.
                or (states[number] == "prose" and (beside == {"prose"} or (amid and not speaks)))
                # A heading or the item of a list, unless it speaks of the page.
                or (addressed < 2 and ((beside == {"prose"} and _PASSED[1] <= passed < _PASSED[-1]) or (amid and not near)))
                # A heading below an advert.
                or (amid and not addressed and states[number] == "loose" and _state(states, number + 1) == "prose")
                # What stands first may be the headline, unless it speaks of the page or is a menu.
                or (not opened and not before and len(found[number]) > 3 and not addressed
                    and 2 * sum(word in words.menu for word in lower[number]) < len(found[number]))
            )  # fmt: skip
            if not closed:
                zone = f"zone {_step(passed, _PASSED)}"
                shape = _shape(line, found[number], lower[number], words)
                around = [_state(states, number + step) for step in (-2, -1, 1, 2)]
                own = content[number]
                known = sum(spread[word] > (states[number] == "prose") for word in own) / len(own) if own else -1.0
                place = [
                    f"above {around[1]}",
                    f"below {around[2]}",
                    f"between {around[1]} {around[2]}",
                    f"two above {around[0]} {around[1]}",
                    f"two below {around[2]} {around[3]}",
                    f"run {_step(_at(up, number - 1) + _at(down, number + 1), (0, 1, 3, 6))}",
                    f"near {_step(near, (0, 1, 3))}",
                    f"opened {min(opened, 3)}",
                    f"known {_step(known, (-0.5, 0.0, 0.34, 0.67))}",
                ]
                if repeats[line] > 1:
                    place.append("repeated")
                if opened and own and len(own & head) * 2 >= len(own):
                    place.append("like the headline")
                names = shape + place
                described[places[number]] = [
                    zone,
                    *names,
                    *(f"{zone}, {name}" for name in names if not name.startswith("word ")),
                    *(f"{shape[0]}, {name}" for name in (shape[1], *place[:3])),
                    *(f"{shape[1]}, {name}" for name in place[:3]),
                    *(f"{shape[2]}, {name}" for name in (shape[1], *place[:3])),
                ]
            opened += 1
        before += sizes[number]
    return described


def _runs(states: list[str]) -> list[int]:
    runs, length = [], 0
    for state in states:
        length = 0 if state == "prose" else length + 1
        runs.append(length)
    return runs


def _at(runs: list[int], number: int) -> int:
    return runs[number] if 0 <= number < len(runs) else 0


def _state(states: list[str], number: int) -> str:
    return states[number] if 0 <= number < len(states) else "edge"


def add_scored(bodies: Sequence[str], marked: Sequence[bool], words: Words, long: int) -> list[bool]:
    """``marked``, and whatever else of the lines has a score above the threshold; see `describe` for the arguments."""
    weights, threshold = _weights()
    scored = describe(bodies, marked, words, long)
    return [furniture or (names is not None and score(names, weights) > threshold) for furniture, names in zip(marked, scored, strict=True)]


def score(names: Sequence[str], weights: dict[str, float]) -> float:
    """The log-odds that a line of these features is furniture."""
    return sum(weights.get(name, 0.0) for name in names) + weights.get("", 0.0)
