"""Who holds the position of a sentence, and by what word the sentence says so: rules over names and verbs of reporting.

Names are data (``configs/actors.yaml``), and so are verbs and the little words around them (``configs/reporting.yaml``). The rules know
the ways in which Indonesian news attributes: active ("Gedung Putih menuduh"), passive ("dibantah Pyongyang"), a quotation and its
speaker ('"...," kata Peskov', "Peskov: ..."), an account ("menurut AS"), a noun ("bantahan Korut"), a relative clause ("yang menurut AS"),
and what points back to the sentences before: a pronoun, a verb with -nya, a description ("kementerian tersebut", "tuan rumah"), or a
quotation that goes on.
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
# A verb's subject is looked for at most so many words before it.
SPAN = 60
# The subject of a sentence begins after at most so many words, unless a comma stands before it.
LEAD = 3
# What a phrase names: keys of configs/reporting.yaml with the nouns that head it.
KINDS = ("persons", "bodies", "lands")
# No name begins with a word of these.
LITTLE = ("prepositions", "boundaries", "according", "nominal", "pronouns", "between", "opening", "adverbs", "being")
# So many of the sentences before are asked who "he" is.
EARLIER = 5


_TOKEN = re.compile(r"\w+|[^\w\s]")
_OPENS, _CLOSES = "“«", "”»"


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
    people: frozenset[str]
    countries: frozenset[str]
    outlets: frozenset[str]
    words: Mapping[str, frozenset[str]]
    openings: tuple[tuple[str, ...], ...]
    phrases: Mapping[str, Mapping[str, tuple[tuple[str, ...], ...]]]
    heads: Mapping[str, str]
    alike: Mapping[str, frozenset[int]]


def called(entry: Any) -> list[str]:
    """The names of an actor for a whole country or government, of an entry of ``configs/actors.yaml``."""
    return list(entry["names"] if isinstance(entry, Mapping) else entry)


@cache
def _lexicon() -> _Lexicon:
    actors: dict[str, Any] = load_yaml(resource("configs/actors.yaml"))
    reporting: dict[str, list[Any]] = load_yaml(resource("configs/reporting.yaml"))
    by_name: dict[str, str] = {}
    people, countries, outlets = set[str](), set[str](), set[str]()
    for actor, entry in actors.items():
        persons = [*entry.get("people", ()), *entry.get("whole", ()), *(person.split()[-1] for person in entry.get("people", ()))]
        for name in (*called(entry), *entry.get("also", ()), *entry.get("outlets", ()), *persons):
            by_name.setdefault(name, actor)
            by_name.setdefault(name.upper(), actor)
        for kept, found in ((people, persons), (countries, called(entry)), (outlets, entry.get("outlets", ()))):
            kept.update(found, (name.upper() for name in found))
    longest_first = sorted(by_name, key=len, reverse=True)
    pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest_first)) + r")(?!\w)")
    heads, alike = dict[str, str](), dict[str, frozenset[int]]()
    lines = [(kind, line) for kind in KINDS for line in reporting.pop(kind)]
    for number, (kind, line) in enumerate(lines):
        for word in line:
            heads.setdefault(word, kind)
            alike[word] = alike.get(word, frozenset()) | {number}
    words = {kind: frozenset(found) for kind, found in reporting.items()}
    words["titles"] = words["titles"].union(heads, words["the"])
    return _Lexicon(
        pattern, by_name, frozenset(people), frozenset(countries), frozenset(outlets), words, _split(reporting["opening"]),
        {kind: _by_first(_split(reporting[kind])) for kind in ("phrases", "hosts", "guests")}, heads, alike,
    )  # fmt: skip


def _split(phrases: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(_TOKEN.findall(phrase)) for phrase in phrases)


def _by_first(phrases: Sequence[tuple[str, ...]]) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Phrases by their first word, the longest first."""
    found: dict[str, tuple[tuple[str, ...], ...]] = {}
    for phrase in sorted(phrases, key=len, reverse=True):
        found[phrase[0]] = (*found.get(phrase[0], ()), phrase)
    return found


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


@dataclass(frozen=True)
class _Token:
    text: str
    low: str
    start: int
    end: int
    actor: str | None
    quoted: bool
    mention: str = ""


@dataclass(frozen=True)
class _Name:
    """A phrase that may name a speaker: tokens ``first`` to ``last`` (inclusive); ``pointing`` where it needs a sentence before."""

    first: int
    last: int
    actor: str | None
    pointing: bool


@dataclass(frozen=True)
class _Claim:
    """One attribution found: the names that speak together, nearest first, or None for a pronoun; lower ranks go first.

    ``topic``: the sentence only tells what becomes of it ("tuduhan AS dibantah"); ``human``: the pronoun is of one person.
    """

    rank: int
    names: tuple[_Name, ...] | None
    cue: tuple[int, int] | None
    topic: bool = False
    human: bool = False


class _Reading:
    """One sentence, read: tokens, names and claims."""

    def __init__(self, sentence: Sentence) -> None:
        self.sentence = sentence
        self.lexicon = _lexicon()
        self.tokens = list(self._tokens(sentence.text[:READ]))
        words = [token for token in self.tokens if len(token.text) > 3 and token.text[0].isalpha()]
        capitals = sum(token.text[0].isupper() for token in words)
        # In a headline capitals tell no name.
        last = sentence.text[-1:]
        self.headline = len(words) > 2 and capitals > (0.75 if last in '!"”' else 0.6) * len(words) and last != "."
        self.names = self._names()
        self.at = {i: name for name in self.names for i in range(name.first, name.last + 1)}
        self.claims = sorted(self._claims(), key=lambda claim: claim.rank)

    def _tokens(self, text: str) -> Iterator[_Token]:
        inside = dict[int, str]()
        for known in self.lexicon.names.finditer(text):
            inside |= dict.fromkeys(range(*known.span()), known[0])
        quoted = False
        for found in _TOKEN.finditer(text):
            mark = found[0]
            if mark in _OPENS or (mark == '"' and not quoted):
                quoted = True
                yield _Token(mark, mark, *found.span(), None, False)
                continue
            if mark in _CLOSES or mark == '"':
                quoted = False
            mention = inside.get(found.start(), "")
            yield _Token(mark, mark.lower(), *found.span(), self.lexicon.actors.get(mention), quoted, mention)

    def _is(self, i: int, kind: str) -> bool:
        """Whether token ``i`` is a word of ``kind``, perhaps with a particle, perhaps doubled ("wanti-wanti")."""
        if not 0 <= i < len(self.tokens):
            return False
        words = self.lexicon.words[kind]
        low = self.tokens[i].low
        if low in words or (low.endswith(("nya", "lah", "pun")) and low[:-3] in words):
            return True
        return self._glued(i) and f"{low}-{self.tokens[i + 2].low}" in words

    def _low(self, i: int) -> str:
        return self.tokens[i].low if 0 <= i < len(self.tokens) else ""

    def _phrase(self, i: int, kind: str) -> int:
        """How many tokens at ``i`` are one of the phrases of ``kind``."""
        if i >= len(self.tokens):
            return 0
        for phrase in self.lexicon.phrases[kind].get(self.tokens[i].low, ()):
            if tuple(token.low for token in self.tokens[i : i + len(phrase)]) == phrase:
                return len(phrase)
        return 0

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
        little = any(
            self._is(i, kind)
            for kind in ("prepositions", "boundaries", "according", "nominal", "pronouns", "between", "opening", "adverbs", "being")
        )
        if begins and not little and token.text.isupper() and 1 < len(token.text) < REACH:
            return True
        return not begins or (not little and (self._is(i + 1, "active") or self._upper(i + 1)))

    def _upper(self, i: int) -> bool:
        return i < len(self.tokens) and self.tokens[i].text[0].isupper()

    def _names(self) -> list[_Name]:
        names: list[_Name] = []
        i = 0
        while i < len(self.tokens):
            role = self._phrase(i, "hosts") or self._phrase(i, "guests")
            if not role and not self._part(i):
                i += 1
                continue
            first, last = i, i + max(role - 1, 0)
            post = False
            while True:
                post = post or self._is(last, "posts")
                if self._splits(first, last, last + 1):
                    break
                if self._part(last + 1):
                    last += 1
                elif self._linked(first, last, post):
                    last += 2
                elif end := self._described_by(first, last):
                    last = end
                elif closed := self._bracketed(last):
                    # "Amerika Serikat (AS)"
                    last = closed
                else:
                    break
            while last > first and self.tokens[last].text.islower() and self._is(last, "adverbs"):
                # "Washington tetap", but "wakil tetap Rusia"
                last -= 1
            actor = self._actor(first, last)
            points = actor is None and not self._proper(first, last)
            pointing = self._is(last + 1, "pointing") or (points and (bool(role) or self._is(first, "the") or self._described(first, last)))
            telling = any(self._is(j, "titles") and not self._is(j, "vague") for j in range(first, last + 1))
            if actor is not None or not points or role or telling:
                names.append(_Name(first, last, actor or self._led(names, first), pointing))
            i = last + 1
        return self._appositions(names)

    def _described_by(self, first: int, last: int) -> int:
        """Where the name stands to which a person's description leads: "orang nomor satu di Kremlin"; else 0."""
        if self.headline or self._proper(first, last) or not (self._head(first, last) or self._is(first, "titles")):
            return 0
        person = self._head(first, last) == "persons"
        for j in range(last + 1, min(last + REACH, len(self.tokens))):
            if self._named(j):
                return j if j > last + 1 else 0
            loose = self._is(j, "pointing") or self._is(j, "adverbs") or self._is(j, "boundaries") or self._verb(j)
            ordinal = self.tokens[j].text == "-" or self.tokens[j].text.isdigit() or (self.tokens[j].low == "ke" and self._glued(j))
            if ordinal:
                continue
            if not self.tokens[j].text.isalpha() or loose or (self._is(j, "prepositions") and not (person and self._is(j, "links"))):
                return 0
        return 0

    def _bracketed(self, last: int) -> int:
        """Where the bracket closes that holds a name's abbreviation right after it, else 0."""
        for j in range(last + 2, last + 5):
            if j < len(self.tokens) and self.tokens[j].text == ")" and self.tokens[last + 1].text == "(":
                return j if all(self._upper(i) for i in range(last + 2, j)) and j > last + 2 else 0
        return 0

    def _proper(self, first: int, last: int) -> bool:
        """Whether a capital other than the sentence's first tells a name from a description."""
        return any(self._upper(i) and (i or not self._is(i, "titles")) for i in range(first, last + 1))

    def _described(self, first: int, last: int) -> bool:
        """Whether a description goes on to a word that points: "jenderal bintang empat itu"."""
        if self.headline or self.tokens[first].low in ("seorang", "sejumlah", "para"):
            return False
        for j in range(last + 1, min(last + 1 + REACH, len(self.tokens))):
            if self._is(j, "pointing"):
                return True
            if not self.tokens[j].text.isalnum() or self.tokens[j].text[0].isupper() or self._verb(j) or self._stops(j):
                return False
        return False

    def _stops(self, i: int) -> bool:
        return (self._is(i, "prepositions") and self.tokens[i].low != "yang") or self._is(i, "boundaries") or self._is(i, "pronouns")

    def _verb(self, i: int) -> bool:
        """Whether token ``i`` is a verb of any kind."""
        if not 0 <= i < len(self.tokens):
            return False
        token = self.tokens[i]
        known = any(self._is(i, kind) for kind in ("titles", "prepositions", "according", "pronouns", "boundaries", "adverbs"))
        return self._cue(i) or (token.actor is None and not known and re.fullmatch(r"(?:me|di)\w{4,}", token.low) is not None)

    def _led(self, names: Sequence[_Name], first: int) -> str | None:
        """The actor for whom somebody speaks that is only known as the head of a body: "delegasi Korut dipimpin Ri"."""
        before = first - 1 if first and self.tokens[first - 1].low != "oleh" else first - 2
        return names[-1].actor if names and before > names[-1].last and self._is(before, "led") else None

    def _head(self, first: int, last: int) -> str | None:
        """What a phrase is: the key of ``KINDS`` that its first telling noun stands under."""
        return next((self.lexicon.heads[t.low] for t in self.tokens[first : last + 1] if t.low in self.lexicon.heads), None)

    def kind(self, name: _Name) -> str:
        """What a name names: a person, a body or a country."""
        mentions = {token.mention for token in self.tokens[name.first : name.last + 1] if token.mention}
        if mentions & self.lexicon.people:
            return "persons"
        if head := self._head(name.first, name.last):
            return head
        if mentions:
            return "lands" if mentions <= self.lexicon.countries else "bodies"
        return "persons"

    def outlet(self, name: _Name) -> bool:
        """Whether a name is a medium, which tells what others say."""
        mentions = {token.mention for token in self.tokens[name.first : name.last + 1] if token.mention}
        return bool(mentions) and mentions <= self.lexicon.outlets

    def asks(self, name: _Name) -> bool:
        """Whether a name is a reporter."""
        return any(self._is(i, "askers") for i in range(name.first, name.last + 1))

    def _linked(self, first: int, last: int, post: bool) -> bool:
        """Whether a name goes on after a hyphen, or after a word such as "untuk" behind an office."""
        if self._glued(last):
            # "Cho Tae-yul", but not "Putin-lah".
            given = self._named(last) and self.tokens[last + 2].text.islower() and self.tokens[last].actor is None
            suffix = self.tokens[last + 2].low in ("lah", "nya", "pun", "kah", "isme")
            if self._part(last + 2):
                return not self._countries(last, last + 2)
            return given and not suffix and self.tokens[last + 1].text == "-"
        if (post and self._is(last + 1, "post_links") and self._named(last + 2)) or (self._is(last + 1, "roles") and self._part(last + 2)):
            return True
        # "kata Dietz dari Pentagon", "Dietz dari Pentagon mengatakan"
        after = last + 1
        if after >= len(self.tokens) or self.tokens[after].low != "dari" or self._actor(first, last) or not self._proper(first, last):
            return False
        while after - last <= 2 * REACH and self._named(after + 1):
            after += 1
        return self._actor(last + 1, after) is not None and (self._is(first - 1, "speech") or self._is(after + 1, "active"))

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
            elif before is not None and before.actor is None and self._is_called(before, name):
                joined[-1:] = [replace(before, actor=name.actor), name]
            else:
                joined.append(name)
        return joined

    def _is_called(self, before: _Name, name: _Name) -> bool:
        """Whether a relative clause says whose office somebody has: "Emanuel, yang menjabat duta besar AS, ..."."""
        words = [token.low for token in self.tokens[before.last + 1 : name.first]]
        rest = [word for word in words[2:] if word not in self.lexicon.words["adverbs"]]
        office = self._head(name.first, name.last) == "persons"
        return words[:2] == [",", "yang"] and office and len(words) <= REACH and all(word in self.lexicon.words["being"] for word in rest)

    def _apposed(self, before: _Name, name: _Name) -> bool:
        comma = before.last + 1 + before.pointing
        if name.first != comma + 1 or self.tokens[comma].text != ",":
            return False
        # "Lewat kantor berita pemerintah, Kim Yo Jong ..."
        led = self.tokens[before.first - 1].low if before.first else ""
        if not self._proper(before.first, before.last) and self._is(before.first - 1, "prepositions"):
            return False
        # "Di Pyongyang, Menteri Pertahanan ..."
        if led in ("di", "ke") or (led == "dari" and self.kind(before) == "lands") or self.outlet(before):
            return False
        # "Di hadapan anggota Kongres, Austin ..."
        if self._is(before.first - 1, "facing") and before.first < LEAD and not self._is(name.first, "titles"):
            return False
        titled = any(self._is(i, "titles") for one in (before, name) for i in range(one.first, one.last + 1))
        same = before.actor == name.actor or None in (before.actor, name.actor)
        after = self.tokens[name.last + 1].text if name.last + 1 < len(self.tokens) else "."
        return titled and same and (after in ",.(" or self._cue(name.last + 1) or self._is(name.last + 1, "prepositions"))

    def _claims(self) -> Iterator[_Claim]:
        for i, token in enumerate(self.tokens):
            inside = 5 if token.quoted else 0
            width = i + 2 if self._glued(i) and self._is(i, "active") and not self._alone(i) else i
            if token.text == ":" and i and not token.quoted and (name := self.at.get(i - 1)) and self._opens(name):
                yield _Claim(0, (name,), None)
            if token.low in self.lexicon.words["according"] or token.low.removesuffix("nya") == "menurut":
                yield from self._forward(i, i, 2 + inside, pronoun=token.low == "menurutnya")
            if token.text == ":" and not token.quoted and (name := self._about(i)):
                yield _Claim(0, (name,), None)
            if token.low.endswith("nya") and self._is(i, "passive") and not self._after(i):
                # "Ditambahkannya, ..."
                yield _Claim(3 + inside, None, (i, i), human=True)
            elif self._is(i, "passive"):
                if found := self._agent(i):
                    yield _Claim(2 + inside, found, (i, i))
            elif (found := self._before_passive(i)) and self._verb(i):
                yield _Claim(2 + inside, found, (i, i))
            if self._is(i, "speech") and self._speaks(i):
                yield from self._forward(i, i, 1 + inside, pronoun=token.low.endswith("nya"))
            elif phrase := self._phrase(i, "phrases") or 2 * (self._is(i, "giving") and self._is(i + 1, "nominal")):
                yield from self._subject(i, i + phrase - 1, 2 + inside)
            elif self._is(width, "active") or self._is(i, "active"):
                yield from self._subject(i, width, 2 + inside)
            if self._is(i, "nominal") and not self._is(i + 1, "pointing") and (found := self._after(i)):
                yield _Claim(3 + inside, found, (i, i), topic=self._denied(found[-1].last + 1))
            elif self._is(i, "nominal") and token.low.startswith("ke") and i + 1 < len(self.tokens) and self.tokens[i + 1].low == "di":
                if found := self._after(i + 1):
                    yield _Claim(3 + inside, found, (i, i))
            elif self._is(i, "nominal") and token.low.endswith("nya") and i <= LEAD and not token.quoted:
                # "Jawabannya singkat: ..."
                yield _Claim(4, None, (i, i), human=True)
            if self._is(i, "coming") and any(self._is(j, "nominal") for j in range(max(0, i - 2 * REACH), i)):
                source = i + 1
                while self._is(source, "adverbs"):
                    source += 1
                if self._low(source) == "dari" and (found := self._after(source)):
                    yield _Claim(3 + inside, found, (i, source))
        if self._is(0, "passive") or self._is(0, "active"):
            # "Dituding Washington, Moskow ...": who comes after the clause answers.
            comma = next((i for i, token in enumerate(self.tokens) if token.text == ","), len(self.tokens))
            if name := self.at.get(comma + 1):
                yield _Claim(4, (name,), None)
        for begin in (i for i in range(len(self.tokens)) if i == 0 or self.tokens[i - 1].text in ",;:"):
            for opening in self.lexicon.openings:
                end = begin + len(opening)
                if begin == 0 and self._is(end, "pronouns") and tuple(token.low for token in self.tokens[:end]) == opening:
                    yield _Claim(2, None, (begin, end - 1), human=self._low(end) in ("ia", "dia", "beliau"))
                if tuple(token.low for token in self.tokens[begin:end]) == opening and (name := self.at.get(end)):
                    apart = name.last + 1 < len(self.tokens) and self.tokens[name.last + 1].text == ","
                    if begin == 0 or self.tokens[begin - 1].text == ";" or apart:
                        yield _Claim(7 if self.tokens[begin].quoted else 2, (name,), (begin, end - 1))

    def _about(self, colon: int) -> _Name | None:
        """Who speaks behind a colon of whom the words before it only say about what: "Peskov soal pasukan Korut: ..."."""
        begin = colon
        while begin > 0 and begin > colon - SPAN and self.tokens[begin - 1].text not in ",;.!?:":
            begin -= 1
        name = self.at.get(begin)
        if name is None or name.last >= colon - 1 or not (self._is(name.last + 1, "about") or self.tokens[name.last + 1].text == "("):
            return None
        return name if not any(self._verb(j) and not self._is(j, "passive") for j in range(name.last + 1, colon)) else None

    def _before_passive(self, i: int) -> tuple[_Name, ...] | None:
        """Who does what the passive verb at ``i`` says, with "oleh" before: "yang oleh Pyongyang ditertawakan"."""
        before = self.at.get(i - 1)
        if before is None or not before.first or self.tokens[before.first - 1].low != "oleh" or not self.tokens[i].low.startswith("di"):
            return None
        return self._together(before, right=False)

    def _denied(self, i: int) -> bool:
        """Whether a clause goes on at ``i`` with a passive verb whose agent stays unsaid."""
        for j in range(i, min(i + 2 * REACH, len(self.tokens))):
            if self._is(j, "passive"):
                return self._agent(j) is None
            if self._bounds(j) or self._cue(j):
                return False
        return False

    def _alone(self, i: int) -> bool:
        return self.tokens[i].low in self.lexicon.words["active"]

    def _opens(self, name: _Name) -> bool:
        """Whether the sentence, a clause or a quotation's part of it begins with ``name``."""
        return name.first == 0 or not self.tokens[name.first - 1].text.isalnum()

    def _speaks(self, i: int) -> bool:
        """Whether a verb of speech stands where a quotation's speaker follows, not somewhere in a sentence."""
        if self.tokens[i].quoted or (self.headline and i and not self.tokens[i].text.islower() and (i + 1) not in self.at):
            return False
        if i and self._is(i - 1, "here") and (i + 1) in self.at:
            return True
        if i == 0 or not self.tokens[i - 1].text[0].isalnum() or self._is(i - 1, "speech"):
            return i > 0 or self.tokens[i].low.endswith("nya") or not self.headline or self.tokens[i].low == "kata"
        # "..., begitu katanya, ...", but not "atas klaimnya bahwa".
        ends = i + 1 == len(self.tokens) or not self.tokens[i + 1].text[0].isalnum()
        return self.tokens[i].low.endswith("nya") and (ends or self._is(i - 1, "boundaries"))

    def _forward(self, i: int, cue: int, rank: int, pronoun: bool) -> Iterator[_Claim]:
        """The speaker after a cue."""
        text = self._is(i + 1, "nominal") and self._is(i + 2, "pointing")
        if pronoun or text or self._is(i + 1, "pronouns"):
            human = self.tokens[i + 1].low in ("dia", "ia", "beliau") if self._is(i + 1, "pronouns") else not text
            yield _Claim(rank, None, (cue, cue), human=human)
        elif found := self._after(i, nouns=self._is(i, "speech") or self.tokens[i].low in self.lexicon.words["accounts"]):
            yield _Claim(rank, found, (cue, cue))
        elif self._is(i, "speech") and self._pointed(i + 1, i + REACH):
            yield _Claim(rank, None, (cue, cue), human=True)

    def _pointed(self, begin: int, end: int) -> bool:
        """Whether nothing but plain words and one that points stand from ``begin`` on: "taipan properti itu"."""
        for j in range(begin, min(end, len(self.tokens))):
            if self._is(j, "pointing"):
                return j > begin
            if not self.tokens[j].text.isalpha() or (j and self._upper(j)) or self._stops(j) or self._verb(j):
                return False
        return False

    def _after(self, i: int, nouns: bool = False) -> tuple[_Name, ...] | None:
        """The names after token ``i`` with nothing but little words between, or where ``nouns`` are let through, up to three of them."""
        let = 3 if nouns else 0
        if nouns and i + 1 < len(self.tokens) and self.tokens[i + 1].low in ("pada", "kepada"):
            i += 1
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
        if found := self._before_passive(i):
            return found
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
        if (name := self._relative(verb) or self._reported(verb)) is not None:
            yield _Claim(rank, (name,), (verb, last))
            return
        end, aside = verb, False
        head = self._over_adverbs(verb - 1) + 1 if verb else verb
        far = max(0, verb - SPAN)
        while end > far and self.tokens[end - 1].quoted == self.tokens[verb].quoted:
            begin = end
            while begin > far and not self._bounds(begin - 1):
                begin -= 1
            first = next((name for name in map(self.at.get, range(begin, end)) if name is not None), None)
            # "Mike Turner, politikus asal Ohio, memperingatkan": what commas enclose behind a name describes it.
            aside = end < verb and end == head - 1 and self.tokens[end].text == "," and begin > 1 and self.tokens[begin - 1].text == ","
            described = aside and (before := self.at.get(begin - 2)) is not None and not self._governed(before.first)
            if self._is(begin, "prepositions") and self.tokens[begin].low == "yang":
                described = True
            if not described or (first is not None and first.actor is not None and self.at.get(begin) is first):
                for j in range(begin, end):
                    if self._is(j, "pronouns") and not self._is(j - 1, "according") and not self._is(j - 1, "prepositions"):
                        yield _Claim(rank, None, (verb, last), human=self.tokens[j].low in ("ia", "dia", "beliau"))
                        return
                    name = self.at.get(j)
                    if name is not None and name.first == j and not self._governed(j):
                        yield _Claim(rank, self._with_left(name), (verb, last))
                        return
            end = begin - 1
        begin = self._over_adverbs(verb - 1) if verb else 0
        if self._is(begin, "pointing") and begin <= REACH and self._pointed(0, begin + 1):
            # "Selebaran itu menolak ..."
            yield _Claim(4, None, (verb, last))

    def _relative(self, verb: int) -> _Name | None:
        """The name a relative clause hangs on: "berbeda dengan Pentagon yang terang-terangan memastikan"."""
        j = self._over_adverbs(verb - 1)
        name = self.at.get(j - 1) if j > 0 and self.tokens[j].low == "yang" else None
        if name is None or name.actor is None:
            return None
        before = self.tokens[name.first - 1].low if name.first else ""
        free = not before.isalpha() or any(self._is(name.first - 1, kind) for kind in ("prepositions", "boundaries", "joining", "adverbs"))
        return name if free else None

    def _over_adverbs(self, j: int) -> int:
        """The first token from ``j`` to the left that is no adverb, nor half of one."""
        while j > 0 and not self.tokens[j].quoted:
            half = self.tokens[j].text == "-" or (j >= 2 and self._glued(j - 2) and self._is(j - 2, "adverbs"))
            if not (half or self._is(j, "adverbs")):
                break
            j -= 1
        return j

    def _reported(self, verb: int) -> _Name | None:
        """The subject right before a verb of which another verb tells: "Reuters melaporkan Medvedev menganggap", "membuat AS cemas"."""
        name = self.at.get(self._over_adverbs(verb - 1)) if verb else None
        if name is None or not name.first or name.actor is None:
            return None
        made = self._is(name.first - 1, "making") and not self.tokens[verb].low.startswith("me")
        return name if made or self._is(name.first - 1, "active") else None

    def _with_left(self, name: _Name) -> tuple[_Name, ...]:
        """A subject with those that speak together with it, on either side."""
        left, right = self._together(name, right=False), self._together(name, right=True)
        return (*left, *right[1:])

    def _bounds(self, i: int) -> bool:
        """Whether a clause ends at token ``i``."""
        token = self.tokens[i]
        dash = token.text == "-" and not (i and self._glued(i - 1))
        if token.low == "lalu" and i and self.tokens[i - 1].text.isalpha():
            # "pekan lalu"
            return False
        return dash or token.text in ',;:.?!()"“”–—' or self._is(i, "boundaries")

    def _governed(self, i: int) -> bool:
        """Whether the name that begins at ``i`` is the object of what stands before it."""
        if i == 0:
            return False
        before = self.tokens[i - 1]
        verb = self._verb(i - 1) and before.low.startswith("me") and (i - 1) not in self.at
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
        if name is None or self._governed(name.first) or self.tokens[name.first].quoted or self.asks(name):
            return None
        # Of whom something is only said: "Trump disebut ...".
        if any(self._is(i, "passive") for i in range(name.last + 1, name.last + 1 + LEAD)):
            return None
        before = range(name.first)
        near = len(before) <= LEAD or self.tokens[name.first - 1].text == ","
        return name if near and not any(self._is(i, "pronouns") for i in before) else None

    def clause_subject(self, holders: Sequence[str]) -> _Name | None:
        """A name of ``holders`` that a later clause begins with, before a verb: "Kyiv resah, Washington pun menambah pengawasan"."""
        for name in self.names:
            mark = self.tokens[name.first - 1] if name.first else None
            if name.actor in holders and mark is not None and mark.text in ",;" and not mark.quoted and not self.outlet(name):
                j = name.last + 1
                while self._is(j, "adverbs"):
                    j += 1
                if self._verb(j) and self.tokens[j].low.startswith("me") and not self._is(0, "prepositions"):
                    return name
        return None

    def within(self, claim: _Claim, holders: Sequence[str]) -> _Name | None:
        """Who is named in the sentence itself before a pronoun: "Rubio angkat bicara: menurut dia, ..."."""
        if claim.cue is None:
            return None
        mark = claim.cue[0]
        while mark >= 0 and not self._parts(mark, claim):
            mark -= 1
        for name in self.names:
            if name.last >= mark or name.actor not in holders or (self.tokens[mark].text != ":" and self.kind(name) != "persons"):
                continue
            free = not self._governed(name.first) and not self.tokens[name.first].quoted and not self.asks(name)
            if free and any(self._verb(i) or self._phrase(i, "phrases") for i in range(name.last + 1, mark)):
                return name
        return None

    def _parts(self, i: int, claim: _Claim) -> bool:
        """Whether a clause ends at ``i`` of which the pronoun's clause is no part, as it would be of what somebody says."""
        subject = claim.cue is not None and not self._is(claim.cue[0], "speech") and not self._is(claim.cue[0], "according")
        return self.tokens[i].text in ":;" or self._is(i, "boundaries") or (subject and claim.human and self.tokens[i].text == ",")

    def free_person(self, holders: Sequence[str]) -> _Name | None:
        """A person of ``holders`` anywhere outside quotations, best where nothing governs them."""
        found = [
            name
            for name in self.names
            if name.actor in holders and self.kind(name) == "persons" and not self.tokens[name.first].quoted and not self.asks(name)
        ]
        return min(found, key=lambda name: self._governed(name.first), default=None)

    def lines(self, name: _Name, kind: str) -> frozenset[int]:
        """Which lines of ``kind`` the nouns of a phrase stand in."""
        words = [t.low for t in self.tokens[name.first : name.last + 1] if self.lexicon.heads.get(t.low) == kind]
        return frozenset().union(*(self.lexicon.alike[word] for word in words))

    def described(self, kind: str, lines: frozenset[int] | None, holders: Sequence[str] | None) -> _Name | None:
        """A name of a kind, with a noun of ``lines`` and of an actor of ``holders`` where they are given."""
        found = [
            name
            for name in self.names
            if not name.pointing
            and self.kind(name) == kind
            and (lines is None or self.lines(name, kind) & lines)
            and (holders is None or name.actor in holders)
            and not self.tokens[name.first].quoted
            and not self.asks(name)
        ]
        return min(found, key=lambda name: (self._governed(name.first), name.actor is None), default=None)

    def role(self, name: _Name) -> str:
        """Whether a phrase is the "hosts" or "guests", else nothing."""
        return next((kind for kind in ("hosts", "guests") if self._phrase(name.first, kind)), "")

    def in_role(self, role: str) -> _Name | None:
        """Who receives, or is received, in this sentence."""
        for i in range(len(self.tokens)):
            active = self._is(i, "hosting")
            if active or self._is(i, "hosted"):
                doing = active == (role == "hosts")
                names = [name for name in self.names if name.last < i and not self._governed(name.first)]
                other = self._after(i) if active else self._agent(i)
                if found := (names[-1:] if doing else other):
                    return found[0]
        return None

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
    named = [(claim, name) for claim, name in named if not reading.asks(name) and (not claim.topic or name.actor in holders)]
    outside = [pair for pair in named if pair[0].rank < 5]
    # A medium holds what nobody else does.
    for medium in (False, True):
        for actor in holders:
            for claim, name in outside:
                if name.actor == actor and reading.outlet(name) == medium:
                    return Attribution(reading.holder(name, False), reading.cue(claim.cue))
    pronoun = next((claim for claim in reading.claims if _points(claim)), None)
    if pronoun is not None and (here := reading.within(pronoun, holders)):
        return Attribution(reading.holder(here, False), reading.cue(pronoun.cue))
    asks = pronoun is not None or (reading.goes_on() and not outside)
    if asks and (found := _before(sentence, earlier, holders, reading, pronoun)):
        return Attribution(found, reading.cue(pronoun.cue) if pronoun else None)
    if pronoun is not None and pronoun.human and (here := reading.free_person(holders)):
        return Attribution(reading.holder(here, False), reading.cue(pronoun.cue))
    subject = reading.subject()
    if subject is None or subject.actor not in holders:
        subject = reading.clause_subject(holders)
    if subject is not None and not outside:
        return Attribution(reading.holder(subject, False), None)
    for claim, name in outside or (named if pronoun is None else ()):
        return Attribution(reading.holder(name, False), reading.cue(claim.cue))
    return Attribution(None, reading.cue(pronoun.cue if pronoun else None))


def _points(claim: _Claim) -> bool:
    return claim.rank < 5 and (claim.names is None or all(name.actor is None and name.pointing for name in claim.names))


def _before(
    sentence: Sentence, earlier: Sequence[Sentence], holders: Sequence[str], asking: _Reading, pronoun: _Claim | None
) -> Holder | None:
    """Who a pronoun, a description or a quotation without a speaker points back to.

    Looked at are the sentences of the paragraph and the one before it, and from there on as long as they point back themselves. A
    description ("kementerian tersebut") is who was called by the same noun, else who is of its kind; anybody else is who speaks in the
    nearest sentence that says so.
    """
    reach: list[tuple[int, _Reading]] = []
    for place in range(len(earlier) - 1, max(-1, len(earlier) - 1 - EARLIER), -1):
        reading = _Reading(earlier[place])
        reach.append((place, reading))
        if earlier[place].paragraph != sentence.paragraph and not reading.goes_on() and not any(map(_points, reading.claims)):
            break
    human = pronoun is not None and pronoun.human
    if pronoun is not None and pronoun.names:
        phrase = pronoun.names[0]
        if role := asking.role(phrase):
            for _, reading in reach:
                if name := reading.in_role(role):
                    return reading.holder(name, True)
        kind = asking.kind(phrase)
        human = kind == "persons"
        lines = asking.lines(phrase, kind)
        sweeps = [(lines, holders), (None, holders), (lines, None)] if lines else []
        for wanted, of in sweeps:
            for place, reading in reach:
                name = reading.described(kind, wanted, of)
                if name is not None:
                    return reading.holder(_known(reading, name, earlier[:place]), True)
    for place, reading in reach:
        claims = [claim for claim in reading.claims if claim.rank < 5]
        names = (name for claim in claims for name in claim.names or () if name.actor is not None or not name.pointing)
        named = [_known(reading, name, earlier[:place]) for name in names if not reading.asks(name)]
        if (subject := reading.subject()) is not None:
            named.append(subject)
        for only in ("persons", None) if human else (None,):
            for actor in holders:
                for name in named:
                    if name.actor == actor and only in (None, reading.kind(name)):
                        return reading.holder(name, True)
        if human and (person := reading.free_person(holders)):
            return reading.holder(person, True)
        if named:
            return reading.holder(next((name for name in named if name.actor is not None), named[0]), True)
    return None


def _known(reading: _Reading, name: _Name, earlier: Sequence[Sentence]) -> _Name:
    """``name`` with its actor where a sentence before calls the same person in full ("Duta Besar Rusia Lyudmila Vorobieva")."""
    last, people = reading.tokens[name.last].text, reading.lexicon.people
    if name.actor is None and last[0].isupper():
        for one in reversed(earlier[-EARLIER:]):
            if last in one.text:
                before = _Reading(one)
                for other in before.names:
                    # A surname stands last, or first where a Korean is alone called by it.
                    own = [t for t in before.tokens[other.first : other.last + 1] if t.actor is None or t.mention in people]
                    if other.actor is not None and any(t.text == last for t in (own[-1:] if name.first < name.last else own)):
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
