"""Which denial or framing answers which accusation, and which accusations nobody answers.

What accuses and what answers says the label scheme (``answers`` in ``labels.yaml``); when two sentences are about the same thing is
data (``configs/exchange.yaml``).
"""

from __future__ import annotations

import datetime
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from classify.labels import LabelScheme
from classify.resources import load_yaml, resource
from classify.writers import Row


@dataclass(frozen=True)
class Exchange:
    """An accusation with what answers it.

    Attributes:
        accusation: the accusing sentence, or several of one paragraph in one row.
        answers: the sentences that answer it, in the order of the input; none where it stands unanswered.
        same_document: whether they stand in its own article; answers elsewhere are looked for only where there are none.
    """

    accusation: Row
    answers: tuple[Row, ...]
    same_document: bool


@dataclass(frozen=True)
class _Rules:
    near: int
    shared: int
    shared_elsewhere: int
    days: int
    affixes: re.Pattern[str]
    swallowed: tuple[str, ...]
    ignored: frozenset[str]


@cache
def _rules() -> _Rules:
    data: dict[str, Any] = load_yaml(resource("configs/exchange.yaml"))
    actors: dict[str, Any] = load_yaml(resource("configs/actors.yaml"))
    prefixes, suffixes = (r"|".join(data[key]) for key in ("prefixes", "suffixes"))
    affixes = re.compile(rf"(?:{prefixes})?(\w{{4,}}?)(?:{suffixes})?")
    words = {word for line in (*data["ignored"], *_texts(actors)) for word in re.findall(r"\w+", str(line).lower())}
    rules = _Rules(
        data["near"], data["shared"], data["shared_elsewhere"], data["days"], affixes, tuple(data["swallowed"]), frozenset(words)
    )  # fmt: skip
    return replace(rules, ignored=rules.ignored | {_root(word, rules) for word in words if len(word) >= 4})


def _texts(value: Any) -> Iterator[str]:
    """Every text in plain values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def _root(word: str, rules: _Rules) -> str:
    found = rules.affixes.fullmatch(word)
    root = found[1] if found else word
    return root[1:] if root.startswith(rules.swallowed) and len(root) > 3 else root


def content_words(text: str) -> frozenset[str]:
    """The roots of the words that tell what a sentence is about."""
    rules = _rules()
    roots = {_root(word, rules) for word in re.findall(r"[^\W\d_]{4,}", text.lower()) if word not in rules.ignored}
    return frozenset(roots - rules.ignored)


def pairs_known(scheme: LabelScheme) -> bool:
    """Whether any label of the scheme answers another."""
    return any(label.answers for label in scheme)


@dataclass(frozen=True)
class _Party:
    """One accusing or answering sentence; ``place`` is its number among the rows."""

    row: Row
    place: int
    article: int
    accuses: frozenset[str]
    answers: frozenset[str]
    topics: frozenset[str]
    words: frozenset[str]
    day: datetime.date | None


def exchanges(rows: Iterable[Row], scheme: LabelScheme, days: int | None = None) -> list[Exchange]:
    """Pair every accusation with its answers, in the order of the input; none where no label of ``scheme`` answers another.

    Accusing sentences that follow each other in one paragraph are one accusation, and one that an article repeats word for word counts
    once. An answer has a label that the scheme says answers a label of the accusation. In the accusation's article, before or after it,
    it must share a topic (a label of another group) or ``shared`` content words, or follow within ``near`` sentences, unless
    both have topics; a sentence that has both labels answers itself. Only where there is none, answers of other
    articles count: dated (both to the day) on the accusation's day or up to ``days`` later, and sharing a topic and a content word, or
    ``shared_elsewhere`` content words.

    Args:
        rows: of any number of documents, each document's together and in order; only accusing and answering ones are kept.
        scheme: of the model that gave the labels.
        days: the window for answers in other articles; by default that of ``configs/exchange.yaml``.
    """
    rules = _rules()
    window = datetime.timedelta(rules.days if days is None else days)
    accusations, answers = _parties(rows, scheme)
    by_article, by_day = defaultdict(list), defaultdict(list)
    for one in answers:
        by_article[one.article].append(one)
        if one.day is not None:
            by_day[one.day].append(one)
    found = []
    for accusation in accusations:
        own = [one for one in by_article[accusation.article] if _answers(one, accusation) and _same_article(one, accusation, rules)]
        elsewhere: list[_Party] = []
        if not own and accusation.day is not None:
            days_later = (accusation.day + datetime.timedelta(i) for i in range(window.days + 1))
            elsewhere = [
                one
                for day in days_later
                for one in by_day.get(day, ())
                if one.article != accusation.article and _answers(one, accusation) and _elsewhere(one, accusation, rules)
            ]
        chosen = sorted(own or elsewhere, key=lambda one: one.place)
        found.append(Exchange(accusation.row, tuple(one.row for one in chosen), bool(own)))
    return found


def _parties(rows: Iterable[Row], scheme: LabelScheme) -> tuple[list[_Party], list[_Party]]:
    """Accusations (merged) and answers."""
    answered_by = {label.id: frozenset(label.answers) for label in scheme if label.answers}
    accusing = frozenset(name for names in answered_by.values() for name in names)
    groups = {name: scheme.group_of(name).id for name in {*accusing, *answered_by}}
    accusations: list[_Party] = []
    answers: list[_Party] = []
    article = 0
    last: Row | None = None
    seen: set[str] = set()
    for place, row in enumerate(rows):
        if last is not None and (row.document != last.document or row.index <= last.index):
            article += 1
            seen.clear()
        last = row
        given = frozenset(label for labels in row.labels.values() for label in labels)
        accuses, answering = given & accusing, given & answered_by.keys()
        if not accuses and not answering:
            continue
        replies = frozenset(name for label in answering for name in answered_by[label])
        own_groups = {groups[name] for name in accuses | answering}
        topics = frozenset(label for group, labels in row.labels.items() if group not in own_groups for label in labels)
        party = _Party(row, place, article, accuses, replies, topics, content_words(row.text), _day(row.meta.date))
        if answering:
            answers.append(party)
        if accuses and (text := " ".join(row.text.split()).casefold()) not in seen:
            seen.add(text)
            before = accusations[-1] if accusations else None
            if before is not None and before.article == article and _goes_on(before, party):
                accusations[-1] = _merged(before, party)
            else:
                accusations.append(party)
    return accusations, answers


def _day(date: str) -> datetime.date | None:
    return datetime.date.fromisoformat(date) if len(date) == len("2023-09-13") else None


def _goes_on(before: _Party, party: _Party) -> bool:
    """Whether an accusation goes on in the next sentence of its paragraph, neither of which is an answer."""
    first, second = before.row, party.row
    # One character between them: the space by which the text of both is again the document's.
    return (
        party.place == before.place + 1
        and first.paragraph == second.paragraph
        and second.start - first.end == 1
        and before.accuses == party.accuses
        and not before.answers
        and not party.answers
    )


def _merged(before: _Party, party: _Party) -> _Party:
    first, second = before.row, party.row
    labels = {group: list(dict.fromkeys([*given, *second.labels.get(group, ())])) for group, given in first.labels.items()}
    scores = {label: max(first.scores.get(label, 0.0), second.scores.get(label, 0.0)) for label in {**first.scores, **second.scores}}
    review = tuple(dict.fromkeys((*first.review, *second.review)))
    row = replace(
        first, end=second.end, text=f"{first.text} {second.text}", labels=labels, scores=scores, review=review
    )  # fmt: skip
    # The place of its last sentence: nearness and going on are counted from there.
    return replace(
        before, row=row, place=party.place, topics=before.topics | party.topics, words=before.words | party.words
    )  # fmt: skip


def _answers(one: _Party, accusation: _Party) -> bool:
    return not one.answers.isdisjoint(accusation.accuses)


def _same_article(one: _Party, accusation: _Party, rules: _Rules) -> bool:
    if one.topics & accusation.topics or len(one.words & accusation.words) >= rules.shared:
        return True
    # Two sentences that each have topics, and none in common, are about different things however near they stand.
    return 0 <= one.place - accusation.place <= rules.near and not (one.topics and accusation.topics)


def _elsewhere(one: _Party, accusation: _Party, rules: _Rules) -> bool:
    shared = len(one.words & accusation.words)
    return shared >= rules.shared_elsewhere or (shared >= 1 and not one.topics.isdisjoint(accusation.topics))


@dataclass(frozen=True)
class Share:
    """How many accusations of one outlet are answered; ``outlet`` is ``""`` where it is not known."""

    outlet: str
    accusations: int
    answered: int


def by_outlet(found: Sequence[Exchange]) -> list[Share]:
    """Accusations and answered ones by outlet, the outlet with the most accusations first."""
    total = Counter(one.accusation.meta.outlet for one in found)
    answered = Counter(one.accusation.meta.outlet for one in found if one.answers)
    return [Share(outlet, count, answered[outlet]) for outlet, count in sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))]
