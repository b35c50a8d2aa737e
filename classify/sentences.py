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

from classify.resources import load_yaml, resource

# A dateline begins within so many characters of its line; the outlet before it may carry a full stop ("KONTAN. CO.ID").
DATELINE_STARTS = 10


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


def _any(patterns: list[str], flags: int = re.IGNORECASE) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), flags)


@cache
def _rules() -> _Rules:
    sentences: dict[str, Any] = load_yaml(resource("configs/sentences.yaml"))
    furniture: dict[str, Any] = load_yaml(resource("configs/furniture.yaml"))
    abbreviations = [re.escape(word) for word in sentences["abbreviations"]]
    return _Rules(
        # Also a bare number at the start of the line (a numbered heading) and a single capital (an initial).
        abbreviation=re.compile(r"(?:^\s*\d{1,2}|(?:^|[\s(\"'“‘/-])(?:[A-Z]|" + "|".join(abbreviations) + r"))\.\s*$"),
        continuation=re.compile(r"\s*(?:" + _any(sentences["continuations"], flags=0).pattern + ")"),
        dateline=_any(sentences["datelines"], flags=0),
        glued=re.compile(sentences["glued"]),
        furniture_line=_any(furniture["lines"]),
        furniture_opener=_any(furniture["openers"]),
        furniture_end=_any(furniture["ends"]),
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
        head = line[begin:cut]
        stripped = head.strip()
        if cut < len(line) and (
            rules.abbreviation.search(head)
            or rules.continuation.match(line, cut)
            # Outlet and place open a line; within one they are the end of an ordinary sentence.
            or (begin < DATELINE_STARTS and rules.dateline.fullmatch(stripped))
        ):
            continue
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
        if body := line.strip():
            # "Tags" in a menu at the top must not swallow the article.
            ended = ended or (offset > 0.3 * len(text) and rules.furniture_end.fullmatch(body) is not None)
            if ended or is_furniture(body):
                start = offset + line.index(body)
                yield Sentence(start, start + len(body), body, furniture=True)
            else:
                for begin, end in split_line(line):
                    yield Sentence(offset + begin, offset + end, line[begin:end])
        offset += len(line)


def is_furniture(line: str) -> bool:
    """Whether a whole line is page furniture."""
    rules = _rules()
    # Stripped and matched as a whole: a pattern that may begin or end in white space takes cubic time on a long indent.
    body = line.strip()
    return rules.furniture_line.fullmatch(body) is not None or rules.furniture_opener.match(body) is not None
