"""Splitting a document into sentences with exact offsets, and telling page furniture from the article.

Sentence boundaries come from `sentencex`; what it lacks for Indonesian and the furniture patterns are data
(``configs/sentences.yaml``, ``configs/furniture.yaml``, packed into the wheel).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from classify.resources import resource


@dataclass(frozen=True)
class Sentence:
    """One sentence of a document.

    Attributes:
        start, end: character offsets into the document.
        text: ``document[start:end]``, without surrounding white space.
        furniture: whether it is page furniture (menu, byline, advert ...) rather than the article.
    """

    start: int
    end: int
    text: str
    furniture: bool = False


@dataclass(frozen=True)
class _Rules:
    abbreviation: re.Pattern[str]
    continuation: re.Pattern[str]
    dateline: re.Pattern[str]
    glued: re.Pattern[str]
    furniture_line: re.Pattern[str]
    furniture_opener: re.Pattern[str]
    furniture_end: re.Pattern[str]


def _any(patterns: list[str], end: str = "", flags: int = re.IGNORECASE) -> re.Pattern[str]:
    return re.compile(r"\s*(?:" + "|".join(f"(?:{pattern})" for pattern in patterns) + ")" + end, flags)


@cache
def _rules() -> _Rules:
    sentences: dict[str, Any] = yaml.safe_load(resource("configs/sentences.yaml").read_text(encoding="utf-8"))
    furniture: dict[str, Any] = yaml.safe_load(resource("configs/furniture.yaml").read_text(encoding="utf-8"))
    abbreviations = [re.escape(word) for word in sentences["abbreviations"]]
    return _Rules(
        # Also a bare number at the start of the line (a numbered heading) and a single capital (an initial).
        abbreviation=re.compile(r"(?:^\s*\d{1,2}|(?:^|[\s(\"'“‘/-])(?:[A-Z]|" + "|".join(abbreviations) + r"))\.\s*$"),
        continuation=_any(sentences["continuations"], flags=0),
        dateline=_any(sentences["datelines"], r"\s*$", flags=0),
        glued=re.compile(sentences["glued"]),
        furniture_line=_any(furniture["lines"], r"\s*$"),
        furniture_opener=_any(furniture["openers"]),
        furniture_end=_any(furniture["ends"], r"\s*$"),
    )


def split_line(line: str) -> list[tuple[int, int]]:
    """Sentence spans in one line of text, white space trimmed, in order and without overlap."""
    from sentencex import get_sentence_boundaries

    rules = _rules()
    cuts = [0]
    # The library counts characters of the text it is given, so offsets are exact; see the property tests.
    for boundary in get_sentence_boundaries("id", line):
        cut = boundary["end_index"]
        # A full stop inside a word belongs to a domain or a number, unless the pattern for glued sentences says otherwise.
        if cut >= len(line) or line[cut].isspace() or line[cut - 1].isspace():
            cuts.append(cut)
    for match in rules.glued.finditer(line):
        cuts.append(match.start(1))
    cuts = sorted({cut for cut in cuts if 0 <= cut <= len(line)} | {len(line)})
    spans: list[tuple[int, int]] = []
    begin = 0
    for cut in cuts[1:]:
        head, tail = line[begin:cut], line[cut:]
        if tail and (rules.abbreviation.search(head) or rules.continuation.match(tail) or rules.dateline.match(head)):
            continue
        stripped = head.strip()
        if stripped:
            first = begin + head.index(stripped)
            spans.append((first, first + len(stripped)))
        begin = cut
    return spans


def split(text: str) -> Iterator[Sentence]:
    """Yield the sentences of ``text`` in order, each with offsets into it; no sentence crosses a line end.

    Everything that is not white space is in exactly one sentence; furniture is marked, not dropped.
    """
    rules = _rules()
    ended = False
    offset = 0
    for line in text.splitlines(keepends=True):
        if line.strip():
            # "Tags" in a menu at the top must not swallow the article.
            ended = ended or (offset > 0.3 * len(text) and rules.furniture_end.match(line) is not None)
            if ended or is_furniture(line):
                body = line.strip()
                start = offset + line.index(body)
                yield Sentence(start, start + len(body), body, furniture=True)
            else:
                for begin, end in split_line(line):
                    yield Sentence(offset + begin, offset + end, line[begin:end])
        offset += len(line)


def is_furniture(line: str) -> bool:
    """Whether a whole line is page furniture."""
    rules = _rules()
    return rules.furniture_line.match(line) is not None or rules.furniture_opener.match(line) is not None
