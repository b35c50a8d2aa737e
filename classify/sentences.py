"""Splitting a document into sentences with exact offsets, with page furniture told from the article.

Sentence boundaries come from `sentencex`; what it lacks for Indonesian is data (``configs/sentences.yaml``, packed into the wheel).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from classify.furniture import is_furniture, is_furniture_piece, mark
from classify.resources import load_yaml, resource

# A dateline begins within so many characters of its line; the outlet before it may carry a full stop ("KONTAN. CO.ID").
DATELINE_STARTS = 10
# The library takes quadratic time on some hostile lines, so it sees so many characters at once.
WINDOW = 1000
# Rules look at most so far back from a boundary.
BEFORE = 40


@dataclass(frozen=True)
class Sentence:
    """One sentence of a document.

    Attributes:
        start, end: character offsets into the document.
        text: ``document[start:end]``, without surrounding white space.
        furniture: whether it is page furniture (menu, byline, advert ...) rather than the article.
        paragraph: where its line begins, as a character offset into the document; sentences of one line share it.
    """

    start: int
    end: int
    text: str
    furniture: bool = False
    paragraph: int = field(default=0, compare=False)


@dataclass(frozen=True)
class _Rules:
    boundary: re.Pattern[str]
    glued: list[re.Pattern[str]]
    never: frozenset[str]
    before_number: frozenset[str]
    initial: re.Pattern[str]
    starter: re.Pattern[str]
    continuation: re.Pattern[str]
    lower_case: re.Pattern[str]
    typed_small: re.Pattern[str]
    joins: list[tuple[re.Pattern[str], re.Pattern[str]]]
    dateline: re.Pattern[str]
    longest_enclosure: int


def _any(patterns: list[str]) -> str:
    return "|".join(f"(?:{pattern})" for pattern in patterns)


def _forms(words: list[str]) -> frozenset[str]:
    """``words`` as written, capitalised and in capitals."""
    return frozenset(form for word in words for form in (word, word.upper(), word[0].upper() + word[1:]))


_WORD = re.compile(r"(?:^|[\s(\"'“‘/-])([^\s(\"'“‘/-]+)\.\s*$")


@cache
def _rules() -> _Rules:
    sentences: dict[str, Any] = load_yaml(resource("configs/sentences.yaml"))
    return _Rules(
        boundary=re.compile(sentences["boundary"]),
        glued=[re.compile(pattern) for pattern in (sentences["glued"], *sentences["run_together"])],
        never=_forms(sentences["never"]),
        before_number=_forms(sentences["before_number"]),
        initial=re.compile(sentences["initial"]),
        starter=re.compile(r"\s*(?:" + "|".join(map(re.escape, sentences["starters"])) + r")\b"),
        continuation=re.compile(r"\s*(?:" + _any(sentences["continuations"]) + ")"),
        lower_case=re.compile(r"\s*[a-z]"),
        typed_small=re.compile(sentences["typed_small"]),
        joins=[(re.compile(f"(?:{before})\\s*$"), re.compile(f"\\s*(?:{after})")) for before, after in sentences["joins"]],
        dateline=re.compile(_any(sentences["datelines"])),
        longest_enclosure=int(sentences["longest_enclosure"]),
    )


def _library_cuts(line: str) -> Iterator[int]:
    """The library's boundaries, asked window by window; a window begins where the last sentence of the one before began."""
    from sentencex import get_sentence_boundaries

    begin = 0
    while begin < len(line):
        window = line[begin : begin + WINDOW]
        cuts = [begin + int(boundary["end_index"]) for boundary in get_sentence_boundaries("id", window)]
        if begin + WINDOW < len(line):
            cuts = [cut for cut in cuts if cut < begin + WINDOW]
        for cut in cuts:
            # A full stop inside a word belongs to a domain or a number, unless the pattern for glued sentences says otherwise.
            if cut >= len(line) or line[cut].isspace() or line[cut - 1].isspace():
                yield cut
        begin = cuts[-1] if cuts and begin + WINDOW < len(line) else begin + WINDOW


_ENCLOSING = re.compile(r"[\"“”]+|[()\[\]]")


def _enclosures(line: str, longest: int) -> list[tuple[int, int]]:
    """Quotations and brackets of at most ``longest`` characters, in order; one that is never closed is none.

    Straight quotation marks, and curly ones typed the wrong way round, are told apart by the white space beside them.
    """
    found: list[tuple[int, int]] = []
    quotation = bracket = None
    for match in _ENCLOSING.finditer(line):
        mark, begin, end = match[0][0], match.start(), match.end()
        if mark in "([":
            bracket = begin
        elif mark in ")]":
            if bracket is not None and end - bracket <= longest:
                found.append((bracket, end))
            bracket = None
        else:
            left = begin == 0 or line[begin - 1].isspace() or line[begin - 1] in "([-–—/"
            right = end == len(line) or line[end].isspace()
            opens = (quotation is None if mark == '"' else mark == "“") if left == right else left
            if opens:
                quotation = begin
            else:
                if quotation is not None and end - quotation <= longest:
                    found.append((quotation, end))
                quotation = None
    return sorted(found)


def _inside(cut: int, enclosures: list[tuple[int, int]], longest: int) -> bool:
    at = bisect_left(enclosures, (cut, 0))
    # They may overlap (a bracket in a quotation), but none is longer than ``longest``.
    while at and enclosures[at - 1][0] > cut - longest:
        at -= 1
        if cut < enclosures[at][1]:
            return True
    return False


def _joined(rules: _Rules, line: str, begin: int, cut: int) -> bool:
    """Whether the text goes on over a boundary that was proposed at ``cut``, in a sentence from ``begin`` on."""
    before = line[max(begin, cut - BEFORE) : cut]
    found = _WORD.search(before)
    word = found[1] if found else ""
    small = rules.lower_case.match(line, cut) is not None
    return (
        word in rules.never
        or rules.continuation.match(line, cut) is not None
        or (small and rules.typed_small.search(before) is None)
        or (word in rules.before_number and line[cut : cut + 8].lstrip()[:1].isdigit())
        or (rules.initial.search(before) is not None and rules.starter.match(line, cut) is None)
        # A bare number at the beginning of the line is that of a heading.
        or (cut - begin <= BEFORE and re.fullmatch(r"\s*\d{1,2}\.\s*", before) is not None and not line[:begin].strip())
        or any(left.search(before) and right.match(line, cut) for left, right in rules.joins)
        # Outlet and place open a line; within one they are the end of an ordinary sentence.
        or (begin < DATELINE_STARTS and cut - begin <= 2 * BEFORE and rules.dateline.fullmatch(line[begin:cut].strip()) is not None)
    )


def split_line(line: str) -> list[tuple[int, int]]:
    """Sentence spans in one line of text, white space trimmed, in order and without overlap; in linear time."""
    rules = _rules()
    cuts = set(_library_cuts(line))
    cuts.update(match.end() for match in rules.boundary.finditer(line))
    cuts.update(match.start(1) for pattern in rules.glued for match in pattern.finditer(line))
    enclosures = _enclosures(line, rules.longest_enclosure)
    spans: list[tuple[int, int]] = []
    begin = 0
    for cut in [*sorted(cut for cut in cuts if 0 < cut < len(line)), len(line)]:
        if cut < len(line) and (_inside(cut, enclosures, rules.longest_enclosure) or _joined(rules, line, begin, cut)):
            continue
        piece = line[begin:cut]
        if stripped := piece.strip():
            first = begin + piece.index(stripped)
            if spans and not any(map(str.isalnum, stripped)):
                spans[-1] = (spans[-1][0], first + len(stripped))  # a stray mark belongs to what it follows
            else:
                spans.append((first, first + len(stripped)))
        begin = cut
    return spans


def split(text: str, whole: bool = True) -> Iterator[Sentence]:
    """Yield the sentences of ``text`` in order, each with offsets into it; no sentence crosses a line end.

    Everything that is not white space is in exactly one sentence; furniture is marked, not dropped.

    Args:
        text: the document.
        whole: whether it is one; in a passage of a longer text, lines are told to be furniture by themselves, not by their place.
    """
    lines = text.splitlines(keepends=True)
    offset = 0
    marked = mark(lines) if whole else [bool(line.strip()) and is_furniture(line) for line in lines]
    for line, furniture in zip(lines, marked, strict=True):
        if furniture:
            body = line.strip()
            start = offset + line.index(body)
            yield Sentence(start, start + len(body), body, True, offset)
        else:
            for begin, end in split_line(line):
                yield Sentence(offset + begin, offset + end, line[begin:end], is_furniture_piece(line[begin:end]), offset)
        offset += len(line)
