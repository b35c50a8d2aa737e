"""Who holds the position of a sentence, and by what word the sentence says so: rules over names and verbs of reporting.

Names are data (``configs/actors.yaml``), and so are verbs and the little words around them (``configs/reporting.yaml``). The rules know
the ways in which Indonesian news attributes: active ("Gedung Putih menuduh"), passive ("dibantah Pyongyang"), a quotation and its
speaker ('"...," kata Peskov', "Peskov: ..."), an account ("menurut AS"), a noun ("bantahan Korut"), and a pronoun, a title or a
quotation that goes on from the sentences before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

from classify.errors import LabelsError
from classify.labels import LabelScheme
from classify.resources import load_yaml, resource
from classify.sentences import Sentence

# A name, or a word that may stand between a cue and its speaker, is looked for at most so many words away.
REACH = 6
# Characters of a sentence that are read: more than the model reads, and few enough for hostile text.
READ = 4000
# The subject of a sentence begins after at most so many words, unless a comma stands before it.
LEAD = 3
# So many of the sentences before are asked who "he" is.
EARLIER = 5


@dataclass(frozen=True)
class Holder:
    """Who says it.

    Attributes:
        text: the phrase that names them.
        start, end: character offsets into the document.
        actor: key of ``configs/actors.yaml``; None for somebody who is not in there.
        inherited: whether the phrase stands in a sentence before.
    """

    text: str
    start: int
    end: int
    actor: str | None
    inherited: bool = False


@dataclass(frozen=True)
class Cue:
    """The word that attributes, with character offsets into the document."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Attribution:
    """Who holds a position and what says so; None for what is not said."""

    holder: Holder | None
    cue: Cue | None


@dataclass(frozen=True)
class _Lexicon:
    names: re.Pattern[str]
    actors: Mapping[str, str]
    words: Mapping[str, frozenset[str]]
    openings: tuple[tuple[str, ...], ...]


def called(entry: Any) -> list[str]:
    """The names of an actor for a whole country or government, of an entry of ``configs/actors.yaml``."""
    return list(entry["names"] if isinstance(entry, Mapping) else entry)


@cache
def _lexicon() -> _Lexicon:
    actors: dict[str, Any] = load_yaml(resource("configs/actors.yaml"))
    reporting: dict[str, list[str]] = load_yaml(resource("configs/reporting.yaml"))
    by_name: dict[str, str] = {}
    for actor, entry in actors.items():
        people = entry.get("people", ())
        for name in (*called(entry), *entry.get("also", ()), *people, *(person.split()[-1] for person in people)):
            by_name.setdefault(name, actor)
            by_name.setdefault(name.upper(), actor)
    longest_first = sorted(by_name, key=len, reverse=True)
    pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest_first)) + r")(?!\w)")
    words = {kind: frozenset(found) for kind, found in reporting.items()}
    return _Lexicon(pattern, by_name, words, tuple(tuple(opening.split()) for opening in reporting["opening"]))


def check_holders(scheme: LabelScheme) -> None:
    """Check that a scheme says of some labels whose position they are, and in names that are known.

    Raises:
        LabelsError: when it does not.
    """
    known = load_yaml(resource("configs/actors.yaml"))
    if not any(label.holders for label in scheme):
        raise LabelsError(
            "this model's labels are nobody's position, so there is no holder to show: give those that are "
            "'holders: [ACTOR]' in its labels.yaml"
        )
    for label in scheme:
        for name in label.holders:
            if name not in known:
                raise LabelsError(f"label '{label.id}' is said to be held by '{name}': the actors are {', '.join(known)}")


_TOKEN = re.compile(r"\w+|[^\w\s]")
_OPENS, _CLOSES = "“«", "”»"


@dataclass(frozen=True)
class _Token:
    text: str
    low: str
    start: int
    end: int
    actor: str | None
    quoted: bool


@dataclass(frozen=True)
class _Name:
    """A phrase that may name a speaker: tokens ``first`` to ``last`` (inclusive)."""

    first: int
    last: int
    actor: str | None
    pointing: bool


@dataclass(frozen=True)
class _Claim:
    """One attribution found: the names that speak together, nearest first, or None for a pronoun; lower ranks go first."""

    rank: int
    names: tuple[_Name, ...] | None
    cue: tuple[int, int] | None


class _Reading:
    """One sentence, read: tokens, names and claims."""

    def __init__(self, sentence: Sentence) -> None:
        self.sentence = sentence
        self.lexicon = _lexicon()
        self.tokens = list(self._tokens(sentence.text[:READ]))
        words = [token for token in self.tokens if len(token.text) > 3 and token.text[0].isalpha()]
        capitals = sum(token.text[0].isupper() for token in words)
        # In a headline capitals tell no name.
        ended = sentence.text[-1:] in '.!"”'
        self.headline = len(words) > 2 and capitals > 0.6 * len(words) and not ended
        self.names = self._names()
        self.at = {i: name for name in self.names for i in range(name.first, name.last + 1)}
        self.claims = sorted(self._claims(), key=lambda claim: claim.rank)

    def _tokens(self, text: str) -> Iterator[_Token]:
        inside = dict[int, str]()
        for mention in self.lexicon.names.finditer(text):
            inside |= dict.fromkeys(range(*mention.span()), self.lexicon.actors[mention[0]])
        quoted = False
        for found in _TOKEN.finditer(text):
            mark = found[0]
            if mark in _OPENS or (mark == '"' and not quoted):
                quoted = True
                yield _Token(mark, mark, *found.span(), None, False)
                continue
            if mark in _CLOSES or mark == '"':
                quoted = False
            yield _Token(mark, mark.lower(), *found.span(), inside.get(found.start()), quoted)

    def _is(self, i: int, kind: str) -> bool:
        """Whether token ``i`` is a word of ``kind``, perhaps with a particle, perhaps doubled ("wanti-wanti")."""
        if not 0 <= i < len(self.tokens):
            return False
        words = self.lexicon.words[kind]
        low = self.tokens[i].low
        if low in words or (low.endswith(("nya", "lah")) and low[:-3] in words):
            return True
        return self._glued(i) and f"{low}-{self.tokens[i + 2].low}" in words

    def _glued(self, i: int) -> bool:
        """Whether a hyphen or the like joins token ``i`` and the one after the next without a space."""
        if i + 2 >= len(self.tokens):
            return False
        left, mark, right = self.tokens[i : i + 3]
        return mark.text in "-'’." and left.end == mark.start and mark.end == right.start and right.text[0].isalnum()

    def _cue(self, i: int) -> bool:
        return any(self._is(i, kind) for kind in ("active", "passive", "speech"))

    def _part(self, i: int) -> bool:
        """Whether token ``i`` can be part of a name."""
        if not 0 <= i < len(self.tokens):
            return False
        token = self.tokens[i]
        if token.actor is not None:
            return True
        if not token.text[0].isalpha() or (self._cue(i) and (i == 0 or self.headline or token.text.islower())):
            return False
        if self._is(i, "titles"):
            return True
        if not token.text[0].isupper() or self.headline or self._is(i, "nobody"):
            return False
        if self._is(i, "places") and (i == 0 or not self._part(i - 1)):
            return False
        begins = i == 0 or self.tokens[i - 1].text in '"“:' or (not self.tokens[i - 1].text[0].isalnum() and i < 2)
        little = any(self._is(i, kind) for kind in ("prepositions", "boundaries", "according", "nominal", "pronouns", "between", "opening"))
        return not begins or (not little and (self._is(i + 1, "active") or self._upper(i + 1)))

    def _upper(self, i: int) -> bool:
        return i < len(self.tokens) and self.tokens[i].text[0].isupper()

    def _names(self) -> list[_Name]:
        names: list[_Name] = []
        i = 0
        while i < len(self.tokens):
            if not self._part(i):
                i += 1
                continue
            first = last = i
            post = False
            while True:
                post = post or self._is(last, "posts")
                if self._splits(first, last, last + 1):
                    break
                if self._part(last + 1):
                    last += 1
                elif self._linked(last, post):
                    last += 2
                else:
                    break
            if [token.text for token in self.tokens[last + 1 : last + 4 : 2]] == ["(", ")"]:
                # "Amerika Serikat (AS)"
                last += 3
            pointing = self._is(last + 1, "pointing")
            names.append(_Name(first, last, self._actor(first, last), pointing))
            i = last + 1
        return self._appositions(names)

    def _linked(self, last: int, post: bool) -> bool:
        """Whether a name goes on after a hyphen, or after a word such as "untuk" behind an office."""
        if self._glued(last):
            return self._part(last + 2) and not self._countries(last, last + 2)
        return (post and self._is(last + 1, "post_links") and self._named(last + 2)) or (
            self._is(last + 1, "roles") and self._part(last + 2)
        )

    def _named(self, i: int) -> bool:
        return self._part(i) and self._upper(i)

    def _countries(self, left: int, right: int) -> bool:
        """Whether two joined tokens are of two actors ("Korut-Rusia")."""
        one, other = self.tokens[left].actor, self.tokens[right].actor
        return one is not None and other is not None and one != other

    def _splits(self, first: int, last: int, after: int) -> bool:
        """Whether a name ends before ``after``: in a headline, and without a title, where another actor begins."""
        if after >= len(self.tokens) or not self._part(after) or not self._countries(last, after):
            return False
        return self.headline or not any(self._is(i, "titles") for i in range(first, last + 1))

    def _actor(self, first: int, last: int) -> str | None:
        return next((token.actor for token in self.tokens[first : last + 1] if token.actor), None)

    def _appositions(self, names: list[_Name]) -> list[_Name]:
        """Join a person and their office where a comma stands between: "Kirby, juru bicara Gedung Putih,"."""
        joined: list[_Name] = []
        for name in names:
            before = joined[-1] if joined else None
            if before is not None and self._apposed(before, name):
                joined[-1] = _Name(before.first, name.last, before.actor or name.actor, False)
            else:
                joined.append(name)
        return joined

    def _apposed(self, before: _Name, name: _Name) -> bool:
        comma = before.last + 1 + before.pointing
        if name.first != comma + 1 or self.tokens[comma].text != ",":
            return False
        titled = any(self._is(i, "titles") for one in (before, name) for i in range(one.first, one.last + 1))
        same = before.actor == name.actor or None in (before.actor, name.actor)
        after = self.tokens[name.last + 1].text if name.last + 1 < len(self.tokens) else "."
        return titled and same and (after in ",.(" or self._cue(name.last + 1) or self._is(name.last + 1, "prepositions"))

    def _claims(self) -> Iterator[_Claim]:
        for i, token in enumerate(self.tokens):
            inside = 5 if token.quoted else 0
            width = i + 2 if self._glued(i) and self._is(i, "active") and not self._alone(i) else i
            if token.text == ":" and i and (name := self.at.get(i - 1)) and self._opens(name):
                yield _Claim(0, (name,), None)
            if token.low in self.lexicon.words["according"] or token.low.removesuffix("nya") == "menurut":
                yield from self._forward(i, i, 2 + inside, pronoun=token.low == "menurutnya")
            if self._is(i, "passive") and (found := self._agent(i)):
                yield _Claim(2 + inside, found, (i, i))
            if self._is(i, "speech") and self._speaks(i):
                yield from self._forward(i, i, 1 + inside, pronoun=token.low.endswith("nya"))
            elif self._is(width, "active") or self._is(i, "active"):
                yield from self._subject(i, width, 2 + inside)
            if self._is(i, "nominal") and not self._is(i + 1, "pointing") and (found := self._after(i)):
                yield _Claim(3 + inside, found, (i, i))
        if self._is(0, "passive") or self._is(0, "active"):
            # "Dituding Washington, Moskow ...": who comes after the clause answers.
            comma = next((i for i, token in enumerate(self.tokens) if token.text == ","), len(self.tokens))
            if name := self.at.get(comma + 1):
                yield _Claim(4, (name,), None)
        for begin in (i for i in range(len(self.tokens)) if i == 0 or self.tokens[i - 1].text == ";"):
            for opening in self.lexicon.openings:
                end = begin + len(opening)
                if tuple(token.low for token in self.tokens[begin:end]) == opening and (name := self.at.get(end)):
                    yield _Claim(2, (name,), (begin, end - 1))

    def _alone(self, i: int) -> bool:
        return self.tokens[i].low in self.lexicon.words["active"]

    def _opens(self, name: _Name) -> bool:
        """Whether the sentence, or a quotation's part of it, begins with ``name``."""
        return all(not token.text.isalnum() for token in self.tokens[: name.first])

    def _speaks(self, i: int) -> bool:
        """Whether a verb of speech stands where a quotation's speaker follows, not somewhere in a sentence."""
        if self.tokens[i].quoted or (self.headline and not self.tokens[i].text.islower()):
            return False
        return i == 0 or not self.tokens[i - 1].text[0].isalnum() or self._is(i - 1, "speech") or self.tokens[i].low.endswith("nya")

    def _forward(self, i: int, cue: int, rank: int, pronoun: bool) -> Iterator[_Claim]:
        """The speaker after a cue."""
        text = self._is(i + 1, "nominal") and self._is(i + 2, "pointing")
        if pronoun or text or self._is(i + 1, "pronouns"):
            yield _Claim(rank, None, (cue, cue))
        elif found := self._after(i, nouns=self._is(i, "speech")):
            yield _Claim(rank, found, (cue, cue))

    def _after(self, i: int, nouns: bool = False) -> tuple[_Name, ...] | None:
        """The names after token ``i`` with nothing but little words between, or where ``nouns`` are let through, up to three of them."""
        let = 3 if nouns else 0
        for j in range(i + 1, min(i + 1 + REACH, len(self.tokens))):
            if name := self.at.get(j):
                return self._together(name, right=True) if name.first == j else None
            if (self.tokens[j].text == "-" and self._glued(j - 1)) or self._is(j, "between") or (j >= 2 and self._glued(j - 2)):
                continue
            if not let or not self.tokens[j].text.isalpha() or self._is(j, "prepositions") or self._is(j, "boundaries"):
                return None
            let -= 1
        return None

    def _agent(self, i: int) -> tuple[_Name, ...] | None:
        """Who does what the passive verb at ``i`` says: right after it, after "oleh", or with "oleh" before the verb."""
        if found := self._after(i):
            return found
        before = self.at.get(i - 1)
        if before is not None and before.first and self.tokens[before.first - 1].low == "oleh":
            return self._together(before, right=False)
        for j in range(i + 1, min(i + 1 + REACH, len(self.tokens))):
            if self.tokens[j].low == "oleh":
                return self._after(j)
            if self._bounds(j) and not (self.tokens[j].text == "," and j + 1 < len(self.tokens) and self.tokens[j + 1].low == "baik"):
                return None
        return None

    def _together(self, name: _Name, right: bool) -> tuple[_Name, ...]:
        """``name`` and those that speak with it, on one side: "A, B, dan C"; a comma alone joins nobody."""
        found, sure = [name], 1
        while True:
            last = found[-1]
            step = last.last + 1 if right else last.first - 1
            begun, joined = step, False
            while 0 <= step < len(self.tokens) and (self._is(step, "joining") or self.tokens[step].text in ",-/"):
                joined = joined or self.tokens[step].text != ","
                step += 1 if right else -1
            other = self.at.get(step)
            # To the left the word that joins is met first.
            if other is None or step == begun or not (right or joined or sure > 1) or (not right and self._governed(other.first)):
                return tuple(found[:sure])
            found.append(other)
            if joined or not right:
                sure = len(found)

    def _subject(self, verb: int, last: int, rank: int) -> Iterator[_Claim]:
        """The subject of an active verb: the first name of the nearest clause before it that is nobody's object."""
        end = verb
        while end > 0:
            begin = end
            while begin > 0 and not self._bounds(begin - 1):
                begin -= 1
            if not self._is(begin, "prepositions") or self.tokens[begin].low != "yang":
                for j in range(begin, end):
                    if self._is(j, "pronouns"):
                        yield _Claim(rank, None, (verb, last))
                        return
                    name = self.at.get(j)
                    if name is not None and name.first == j and not self._governed(j):
                        yield _Claim(rank, self._with_left(name), (verb, last))
                        return
            end = begin - 1
        return

    def _with_left(self, name: _Name) -> tuple[_Name, ...]:
        """A subject with those that speak together with it, on either side."""
        left, right = self._together(name, right=False), self._together(name, right=True)
        return (*left, *right[1:])

    def _bounds(self, i: int) -> bool:
        """Whether a clause ends at token ``i``."""
        token = self.tokens[i]
        dash = token.text == "-" and not (i and self._glued(i - 1))
        return dash or token.text in ',;:.?!()"“”–—' or self._is(i, "boundaries")

    def _governed(self, i: int) -> bool:
        """Whether the name that begins at ``i`` is the object of what stands before it."""
        if i == 0:
            return False
        before = self.tokens[i - 1]
        verb = re.fullmatch(r"(?:me|ber)\w{4,}", before.low) is not None and before.actor is None and (i - 1) not in self.at
        return self._is(i - 1, "prepositions") or self._is(i - 1, "according") or verb or self._is(i - 1, "active")

    def goes_on(self) -> bool:
        """Whether the sentence is a quotation, or the rest of one, that names no speaker."""
        text = self.sentence.text
        if text[:1] in "\"“'‘" or text.count('"') % 2 or text.count("“") != text.count("”"):
            spoken = [token for token in self.tokens if not token.quoted and token.text[0].isalnum()]
            return len(spoken) <= 2 or text[-1:] in '"”'
        return False

    def subject(self) -> _Name | None:
        """The name the sentence begins with, perhaps after a comma or a few words, if nothing governs it."""
        name = next((name for name in self.names if name.actor is not None), None)
        if name is None or self._governed(name.first) or self.tokens[name.first].quoted:
            return None
        # Of whom something is only said: "Trump disebut ...".
        if any(self._is(i, "passive") for i in range(name.last + 1, name.last + 1 + LEAD)):
            return None
        before = range(name.first)
        near = len(before) <= LEAD or self.tokens[name.first - 1].text == ","
        return name if near and not any(self._is(i, "pronouns") for i in before) else None

    def holder(self, name: _Name, inherited: bool) -> Holder:
        """The name as a holder."""
        begin, end = self.tokens[name.first].start, self.tokens[name.last].end
        start = self.sentence.start
        return Holder(self.sentence.text[begin:end], start + begin, start + end, name.actor, inherited)

    def cue(self, span: tuple[int, int] | None) -> Cue | None:
        """The tokens as a cue."""
        if span is None:
            return None
        begin, end = self.tokens[span[0]].start, self.tokens[span[1]].end
        return Cue(self.sentence.text[begin:end], self.sentence.start + begin, self.sentence.start + end)


def attribute(sentence: Sentence, earlier: Sequence[Sentence] = (), holders: Sequence[str] = ()) -> Attribution:
    """Who holds the position of ``sentence``, and what word says so.

    Args:
        sentence: with offsets into its document.
        earlier: up to ``EARLIER`` sentences before it, the nearest last.
        holders: the actors whose position it is expected to be, best first; what they say goes before what others say.
    """
    reading = _Reading(sentence)
    named = [
        (claim, _known(reading, name, earlier))
        for claim in reading.claims
        for name in claim.names or ()
        if name.actor is not None or not name.pointing
    ]
    outside = [pair for pair in named if pair[0].rank < 5]
    for actor in holders:
        for claim, name in outside:
            if name.actor == actor:
                return Attribution(reading.holder(name, False), reading.cue(claim.cue))
    pronoun = next((claim for claim in reading.claims if _points(claim)), None)
    asks = pronoun is not None or (reading.goes_on() and not outside)
    if asks and (found := _before(sentence, earlier, holders)):
        return Attribution(found, reading.cue(pronoun.cue) if pronoun else None)
    subject = reading.subject()
    if subject is not None and subject.actor in holders and not outside:
        return Attribution(reading.holder(subject, False), None)
    for claim, name in outside or named:
        return Attribution(reading.holder(name, False), reading.cue(claim.cue))
    return Attribution(None, reading.cue(pronoun.cue if pronoun else None))


def _points(claim: _Claim) -> bool:
    return claim.rank < 5 and (claim.names is None or all(name.actor is None and name.pointing for name in claim.names))


def _before(sentence: Sentence, earlier: Sequence[Sentence], holders: Sequence[str]) -> Holder | None:
    """Who speaks in the nearest of the sentences before that says so.

    Looked at are those of the paragraph and the one before it, and from there on as long as they point back themselves.
    """
    for place in range(len(earlier) - 1, max(-1, len(earlier) - 1 - EARLIER), -1):
        one = earlier[place]
        reading = _Reading(one)
        claims = [claim for claim in reading.claims if claim.rank < 5]
        names = (name for claim in claims for name in claim.names or () if name.actor is not None or not name.pointing)
        named = [_known(reading, name, earlier[:place]) for name in names]
        if (subject := reading.subject()) is not None:
            named.append(subject)
        for actor in holders:
            for name in named:
                if name.actor == actor:
                    return reading.holder(name, True)
        if named:
            return reading.holder(next((name for name in named if name.actor is not None), named[0]), True)
        if one.paragraph != sentence.paragraph and not reading.goes_on() and not any(map(_points, claims)):
            return None
    return None


def _known(reading: _Reading, name: _Name, earlier: Sequence[Sentence]) -> _Name:
    """``name`` with its actor where a sentence before calls the same person in full ("Duta Besar Rusia Lyudmila Vorobieva")."""
    last = reading.tokens[name.last].text
    if name.actor is None and last[0].isupper():
        for one in reversed(earlier[-EARLIER:]):
            if last in one.text:
                before = _Reading(one)
                for other in before.names:
                    if other.actor is not None and before.tokens[other.last].text == last:
                        return replace(name, actor=other.actor)
    return name


def as_dict(found: Attribution) -> dict[str, Any]:
    """Holder and cue in the shape of the JSON Lines format."""
    return {"holder": found.holder and asdict(found.holder), "cue": found.cue and asdict(found.cue)}


def evidence(
    sentence: Sentence,
    earlier: Sequence[Sentence],
    scheme: LabelScheme,
    labels: Mapping[str, Sequence[str]],
    words: Mapping[str, Sequence[tuple[int, int, float]]],
) -> dict[str, dict[str, Any]]:
    """For every label given that is somebody's position: holder, cue and words, with offsets into the document.

    ``words`` are those of :func:`classify.occlusion.words`, with offsets into the sentence.
    """
    held = [label for label in scheme if label.holders and any(label.id in given for given in labels.values())]
    at = sentence.start
    return {
        label.id: {
            **as_dict(attribute(sentence, earlier, label.holders)),
            "words": [[at + begin, at + end, weight] for begin, end, weight in words.get(label.id, ())],
        }
        for label in held
    }
