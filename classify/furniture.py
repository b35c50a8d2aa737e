"""Telling page furniture (menus, bylines, adverts, related headlines ...) from the lines of an article.

A line is judged by itself first, by words and patterns, then by its place: before the first sentence, after the last one, below a
"Baca juga", beside a picture. All that is said in ``configs/furniture.yaml`` (packed into the wheel). What is left open then goes by a
learned score (`classify.furniture_score`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from classify.furniture_score import Words, add_scored, words_of
from classify.resources import load_yaml, resource


@dataclass(frozen=True)
class Rules:
    """The patterns, compiled."""

    words: frozenset[str]
    trails: frozenset[str]
    line: re.Pattern[str]
    opener: re.Pattern[str]
    piece: re.Pattern[str]
    end: re.Pattern[str]
    list_label: re.Pattern[str]
    picture: re.Pattern[str]
    picture_button: re.Pattern[str]
    caption: re.Pattern[str]
    dateline: re.Pattern[str]
    address: frozenset[str]
    page: frozenset[str]
    site: frozenset[str]
    page_words: int
    headline: float
    short: int
    long: int
    listed: int
    passed: float
    share: float
    lists: Words


def _any(patterns: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


def compile_rules(data: dict[str, Any]) -> Rules:
    """The rules that the values of ``configs/furniture.yaml`` say."""
    return Rules(
        words=frozenset(map(str, data["words"])) | frozenset(map(str, data["sections"])),
        trails=frozenset(map(str, data["sections"])),
        line=_any(data["lines"]),
        opener=_any(data["openers"]),
        piece=_any(data["pieces"]),
        end=_any(data["ends"]),
        list_label=_any(data["list_labels"]),
        picture=_any([*data["pictures"], *data["picture_buttons"]]),
        picture_button=_any(data["picture_buttons"]),
        caption=_any(data["captions"]),
        dateline=_any(data["datelines"]),
        address=frozenset(data["address"]),
        page=frozenset(data["page"]),
        site=frozenset(data["site"]),
        page_words=data["place"]["page_words"],
        headline=data["place"]["headline"],
        short=data["place"]["short"],
        long=data["place"]["long"],
        listed=data["place"]["listed"],
        passed=data["place"]["passed"],
        share=data["place"]["share"],
        lists=words_of(data),
    )


@cache
def _rules() -> Rules:
    return compile_rules(load_yaml(resource("configs/furniture.yaml")))


# Captions at most above a first paragraph that has a dateline.
OPENING = 2
_SEPARATORS = re.compile(r"\s*[|/·•,:>»›→]+\s*|\s+[-–—]\s+")
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_ENDED = re.compile(r"[.!?…][\"'”’)\]]*\s*(?:[(\[][^()\[\]]{1,60}[)\]])?[*\s]*$")
_QUOTED = re.compile(r"[\"“”]")
_WORD = re.compile(r"[^\W\d_]+")
_TRAIL = re.compile(r"\s*[>»›→/]\s*")


def is_furniture(line: str) -> bool:
    """Whether a line is page furniture wherever it stands."""
    return _is_furniture(line, _rules())


def _is_furniture(line: str, rules: Rules) -> bool:
    # Stripped and matched as a whole: a pattern that may begin or end in white space takes cubic time on a long indent.
    body = line.strip()
    if len(body) <= 120:
        parts = [_EDGES.sub("", part).lower() for part in _SEPARATORS.split(body)]
        named = [part for part in parts if part]
        # The words of menus and buttons, alone or in a row; a trail of sections may end in any name.
        if all(part in rules.words for part in named):
            return True
        words = body.lower().split()
        if len(words) > rules.short and 2 * sum(word in rules.trails for word in words) >= len(words):
            return True
        if len(named) > 1 and named[0] in rules.trails and _TRAIL.search(body) and all(len(part.split()) <= 4 for part in named):
            return True
    return rules.line.fullmatch(body) is not None or rules.opener.match(body) is not None or _speaks_to_the_reader(body, rules)


def _speaks_to_the_reader(body: str, rules: Rules) -> bool:
    if len(body) > 300 or _QUOTED.search(body):
        return False
    words = set(_WORD.findall(body.lower()))
    page = len(words & rules.page)
    return page >= 2 * rules.page_words or (page + len(words & rules.site) >= rules.page_words and bool(words & rules.address))


def _is_headline(body: str, rules: Rules) -> bool:
    words = _WORD.findall(body)
    return len(words) > rules.short and sum(word[0].isupper() for word in words) >= rules.headline * len(words)


def is_furniture_piece(sentence: str) -> bool:
    """Whether a sentence within a line of the article is furniture: an editor's initials, a "Baca juga" with its headline."""
    return _rules().piece.fullmatch(sentence) is not None


def mark(lines: Sequence[str]) -> list[bool]:
    """For each line of a document, in order, whether it is page furniture; empty lines are none."""
    bodies = [line.strip() for line in lines]
    rules = _rules()
    marked, article = mark_by_rules(bodies, rules)
    return add_scored(bodies, marked, rules.lists, rules.long) if article else marked


def mark_by_rules(bodies: Sequence[str], rules: Rules) -> tuple[list[bool], bool]:
    """What the patterns take for furniture among the stripped lines of a document, and whether there is an article to it."""
    marked = [bool(body) and _is_furniture(body, rules) for body in bodies]
    counts = [len(body.split()) for body in bodies]
    # A headline may end in a question or an exclamation mark.
    ended = [_ENDED.search(body[-80:]) is not None and not (body.endswith(("!", "?")) and _is_headline(body, rules)) for body in bodies]
    prose = [
        not furniture and (count > 1 if done else count >= rules.long) for furniture, count, done in zip(marked, counts, ended, strict=True)
    ]
    total = sum(len(body) for body, is_prose in zip(bodies, prose, strict=True) if is_prose)
    # A list of headlines is no article, whatever stands at its ends.
    if total < rules.share * sum(len(body) for body, furniture in zip(bodies, marked, strict=True) if not furniture) or not total:
        return marked, False
    known = list(marked)  # by itself, not by its place
    first = _above(bodies, counts, ended, prose, marked, rules)
    last = len(prose) - 1 - prose[::-1].index(True)
    seen = 0
    titled = False  # the list's first line is written as a headline
    listed = 0  # so many more headlines may follow the label of a list
    closing = over = False
    for number in range(first, len(bodies)):
        body = bodies[number]
        if not body:
            continue
        loose = not prose[number] and not ended[number]
        over = over or (seen > rules.passed * total and rules.end.fullmatch(body) is not None)
        if over:
            marked[number] = True
        elif number > last:
            marked[number] = marked[number] or (loose and (closing or counts[number] <= rules.short or _is_headline(body, rules)))
            closing = closing or marked[number]
        elif listed and not known[number] and counts[number] > rules.short and not body.endswith("."):
            opens, like_headline = listed == rules.listed, _is_headline(body, rules)
            # A question of the article may follow a list of headlines.
            if opens or not titled or like_headline or not body.endswith("?"):
                titled = like_headline if opens else titled
                marked[number] = True
                listed -= 1
                continue
        listed = rules.listed if rules.list_label.fullmatch(body) else 0
        seen += len(body) if prose[number] else 0
    return marked, True


def _dateline(bodies: Sequence[str], counts: list[int], prose: list[bool], marked: list[bool], rules: Rules) -> int:
    """The number of the line that opens the article with a dateline, 0 where none of the first paragraphs does."""
    seen = 0
    for number, body in enumerate(bodies):
        if body and (prose[number] or marked[number]) and rules.dateline.match(body) and (prose[number] or body[-1] in "-–—"):
            return number
        seen += prose[number] and counts[number] > rules.short
        if seen > OPENING:
            return 0
    return 0


def _above(bodies: Sequence[str], counts: list[int], ended: list[bool], prose: list[bool], marked: list[bool], rules: Rules) -> int:
    """Mark what stands above the first paragraph, all but the headline; returns the paragraph's number."""
    last = len(prose) - 1 - prose[::-1].index(True)
    headline = False
    captions: set[str] = set()
    opening = _dateline(bodies, counts, prose, marked, rules)
    above = 0  # the line above that is not empty
    for number, body in enumerate(bodies):
        if not body or marked[number]:
            above = number if body else above
            continue
        if ended[number] and not body.endswith(("?", "!")) and counts[number] > rules.short:
            below = next(filter(None, bodies[number + 1 : number + 3]), "")
            # A caption is often repeated as the text behind its picture.
            repeated = body in captions or body in bodies[number + 1 : number + 4]
            # Above the dateline and below furniture; what the author says first stands right below the headline.
            early = headline and number < opening and marked[above]
            if headline and number < opening and not early:
                above = number
                continue
            caption = early or repeated or rules.caption.fullmatch(body) is not None or rules.picture_button.fullmatch(below) is not None
            if not (headline and caption) or number == last or counts[number] > 2 * rules.long:
                return number
            marked[number] = True
            captions.add(body)
            above = number
            continue
        beside = bodies[max(number - 1, 0) : number + 2 : 2]
        if (counts[number] <= rules.short and not ended[number]) or (headline and any(map(rules.picture.fullmatch, beside))):
            marked[number] = True
        else:
            headline = True
        above = number
    return prose.index(True)
