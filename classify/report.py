"""A page about a collection of articles: what `classify report` writes.

Rows come in one by one and are counted; the text of the first ``SHOWN`` articles is kept for the page. The page is one file that can
fetch nothing (its policy allows only the style and the script that it carries, by their digests), and everything in it stands in the
document itself, so that it prints, can be searched and works without its script; the browser lays out an article when it comes into view.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classify import __version__
from classify.charts import Draw, Named, matrix, shares_by_column, shares_by_row, stacked
from classify.decisions import Decisions
from classify.exchange import Exchange, exchanges, pairs_known
from classify.labels import Group, LabelScheme
from classify.modeldir import ModelDirectory
from classify.phrases import Key, Phrases, percent, span, whole
from classify.rates import ErrorRates, LabelRates
from classify.shares import Share, refusal, shares
from classify.writers import Row

TEMPLATES = Path(__file__).parent / "templates"
# Articles whose text is shown; more would make the page slow. All are counted.
SHOWN = 1000
# Of outlets those that a chart has room for.
CHARTED = 10
MAX_PERIODS = 18
TO_REVIEW = 100
PAIRS = 200
# Colours and signs of labels, of which the style sheet has as many.
SIGNS = "▲■●◆▼★◀▶"

# What could reorder or hide the text around it, or is no text.
_HIDDEN = (
    *range(9),
    11,
    12,
    *range(14, 32),
    *range(127, 160),
    0x061C,
    0x200E,
    0x200F,
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
    0xFEFF,
)
_VISIBLE = dict.fromkeys(_HIDDEN, "\N{REPLACEMENT CHARACTER}")


def visible(text: str) -> str:
    """The text, as long as before, with marks for damage in place of characters that turn or hide others."""
    return text.translate(_VISIBLE)


@dataclass(frozen=True)
class Shown:
    """How a label appears on the page.

    Attributes:
        number: its place in the scheme.
        id: as in the scheme.
        key: its name's phrase.
        mark: its class in the style sheet: ``s0`` to ``s7`` for the group that has colours, ``m`` for the others.
        sign: what stands before its name.
    """

    number: int
    id: str
    key: Key
    mark: str
    sign: str


@dataclass
class Article:
    """An article, its rows kept while it is shown."""

    number: int
    name: str
    title: str
    outlet: str
    date: str
    rows: list[Row] = field(default_factory=list)

    @property
    def heading(self) -> str:
        """The headline, else the file's own name."""
        return self.title or re.split(r"[/\\\\]", self.name)[-1] or self.name


@dataclass
class Collection:
    """What was read: all of it counted, some of it kept.

    Attributes:
        scheme: the labels.
        articles: those shown.
        outlets, dates: of every article.
        sentences: of every article.
        marked: of every article the sentences with each label.
        sets: sentences by the numbers of the labels they carry.
        labelled, review: sentences with a label, and those to review.
    """

    scheme: LabelScheme
    articles: list[Article] = field(default_factory=list)
    outlets: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    sentences: list[int] = field(default_factory=list)
    marked: list[list[int]] = field(default_factory=list)
    sets: Counter[tuple[int, ...]] = field(default_factory=Counter)
    labelled: int = 0
    review: int = 0

    def add(self, row: Row, shown: int = SHOWN) -> None:
        """Count a row, and keep it where its article is shown."""
        if row.index == 0 or not self.sentences:
            self.outlets.append(visible(row.meta.outlet))
            self.dates.append(row.meta.date)
            self.sentences.append(0)
            self.marked.append([0] * len(self.scheme))
            if len(self.articles) < shown:
                meta = row.meta
                self.articles.append(
                    Article(len(self.articles), visible(row.document), visible(meta.title), visible(meta.outlet), meta.date)
                )
        self.sentences[-1] += 1
        given = {label for labels in row.labels.values() for label in labels}
        numbers = tuple(i for i, label in enumerate(self.scheme.ids) if label in given)
        for i in numbers:
            self.marked[-1][i] += 1
        self.sets[numbers] += 1
        self.labelled += bool(numbers)
        self.review += bool(row.review)
        if len(self.sentences) <= len(self.articles):
            self.articles[-1].rows.append(row)


def collect(rows: Iterable[Row], scheme: LabelScheme, shown: int = SHOWN) -> tuple[Collection, list[Exchange]]:
    """Count rows as they come, and pair accusations with answers among them."""
    found = Collection(scheme)

    def counted() -> Iterator[Row]:
        for row in rows:
            if not row.furniture:
                found.add(row, shown)
                yield row

    return found, exchanges(counted(), scheme)


# --------------------------------------------------------------------------------------------------------------------
# Shares


def usable_rates(directory: ModelDirectory, rates: ErrorRates | None, profile: str, decisions: Decisions) -> list[LabelRates | str]:
    """For every label the rates to correct with, or why there are none."""
    if rates is None:
        return ["no_rates"] * len(directory.scheme)
    found: list[LabelRates | str] = []
    stale = rates.weights != "" and rates.weights != weights_of(directory)
    for label in directory.scheme.ids:
        one = rates.of(label, profile, directory.scheme, decisions)
        found.append("stale" if one is None or stale else refusal(one) or one)
    return found


def weights_of(directory: ModelDirectory) -> str:
    """The digest of the weights, as ``training.json`` records it; ``""`` where it does not."""
    try:
        record = json.loads((directory.path / "training.json").read_text(encoding="utf-8"))
        return str(record["weights"]["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def by_outlet(outlets: Sequence[str], sentences: Sequence[int]) -> list[str]:
    """The outlets, those with most sentences first and the unknown one last."""
    sizes: Counter[str] = Counter()
    for outlet, count in zip(outlets, sentences, strict=True):
        sizes[outlet] += count
    return sorted(sizes, key=lambda outlet: (not outlet, -sizes[outlet], outlet))


def periods(dates: Sequence[str]) -> tuple[str, list[str], list[str]]:
    """The finest of month, quarter and year with at most ``MAX_PERIODS`` from the first to the last date.

    Returns:
        its name; of every date its period (``""`` where the date does not tell); all periods in order.
    """
    for name, size in (("month", 1), ("quarter", 3), ("year", 12)):
        precise = [date for date in dates if len(date) >= (4 if name == "year" else 7)]
        if not precise or (name != "year" and len(precise) < len([date for date in dates if date])):
            # Some are known by their year only: the others must not be shown as if these did not exist.
            continue
        places = [(int(date[:4]) * 12 + int(date[5:7] or 1) - 1) // size if date in precise else None for date in dates]
        known = [place for place in places if place is not None]
        every = list(range(min(known), max(known) + 1))
        if len(every) <= MAX_PERIODS or name == "year":
            if len(every) > 3 * MAX_PERIODS:
                every = sorted(set(known))
            return name, ["" if place is None else _period(place, size) for place in places], [_period(place, size) for place in every]
    return "", [""] * len(dates), []


def _period(place: int, size: int) -> str:
    if size == 12:
        return str(place)
    year, part = divmod(place, 12 // size)
    return f"{year}-{part + 1:02d}" if size == 1 else f"{year} Q{part + 1}"


def cells(keys: Sequence[str], names: Sequence[str], found: Collection, rates: list[LabelRates | str]) -> dict[str, list[Share]]:
    """By name the shares of every label among the articles with that key."""
    marked, sentences, every = np.asarray(found.marked), np.asarray(found.sentences), np.asarray(keys)
    result = {}
    for name in names:
        chosen: NDArray[np.bool_] = every == name
        result[name] = shares(marked[chosen], sentences[chosen], rates)
    return result


# --------------------------------------------------------------------------------------------------------------------
# The page


@dataclass(frozen=True)
class Chip:
    """A label at a sentence: given, or close enough to be reviewed."""

    label: Shown
    score: str
    given: bool
    review: bool
    evidence: str


@dataclass(frozen=True)
class Line:
    """A sentence on the page."""

    anchor: str
    pieces: list[tuple[str, str]]
    chips: list[Chip]
    numbers: str
    review: bool
    distance: float
    text: str


def coloured(scheme: LabelScheme) -> Group:
    """The group whose labels have colours: stances, else the last."""
    return next((group for group in scheme.groups if group.id == "stance"), scheme.groups[-1])


class Page:
    """Puts a page together from what was counted."""

    def __init__(
        self, found: Collection, pairs: list[Exchange], directory: ModelDirectory, profile: str, language: str, title: str = ""
    ) -> None:
        self.found, self.pairs, self.directory, self.profile, self.title = found, pairs, directory, profile, visible(title)
        self.scheme = directory.scheme
        self.decisions = directory.decisions.profile(profile, self.scheme)
        names: dict[str, dict[str, str]] = {}
        self.group_keys = {}
        for number, group in enumerate(self.scheme.groups):
            names[f"g{number}"] = {"en": group.id, **group.names}
            self.group_keys[group.id] = Key(f"g{number}")
        colours = {label.id for label in coloured(self.scheme).labels}
        self.labels: list[Shown] = []
        for number, label in enumerate(self.scheme):
            names[f"l{number}"] = {"en": label.id, **label.names}
            place = len([one for one in self.labels if one.mark != "m"]) % len(SIGNS)
            mark, sign = (f"s{place}", SIGNS[place]) if label.id in colours else ("m", "#")
            self.labels.append(Shown(number, label.id, Key(f"l{number}"), mark, sign))
        self.phrases = Phrases(language, names)
        self._by_id = {label.id: label for label in self.labels}

    def html(self) -> Iterator[str]:
        """The page, piece by piece."""
        import jinja2

        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.tests["keyed"] = lambda value: isinstance(value, Key)
        style = environment.get_template("report.css").render(labels=self.labels)
        script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
        policy = f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
        rates = ErrorRates.load(self.directory.path)
        usable = usable_rates(self.directory, rates, self.profile, self.decisions)
        lines = [[self.line(article, row, i) for i, row in enumerate(article.rows)] for article in self.found.articles]
        own = coloured(self.scheme)
        return environment.get_template("report.html").generate(
            page=self, found=self.found, scheme=self.scheme, p=self.phrases, whole=whole, percent=percent, span=span,
            style=style, script=script, policy=policy, data=self.data(),
            rates=rates, counted=self.counted(rates, usable), figures=self.figures(usable), matrix=self.matrix(), exchange=self.exchange(),
            articles=list(zip(self.found.articles, lines, strict=True)), review=self.review(lines),
            outlets=by_outlet(self.found.outlets, self.found.sentences), colour=self.group_keys[own.id],
            others=[self.group_keys[group.id] for group in self.scheme.groups if group is not own],
            version=__version__, model=self.model_name(), profile=self.profile,
        )  # fmt: skip

    def data(self) -> dict[str, Any]:
        """What the script needs to know: phrases, and how labels are decided."""
        labels = []
        for label in self.scheme:
            exclusive = self.scheme.group_of(label.id).exclusive
            band = self.decisions.review.get(label.id)
            labels.append([None if exclusive else self.decisions.threshold(label.id), *(band or ())])
        return {"phrases": self.phrases.all(), "labels": labels}

    def model_name(self) -> str:
        """The model, and its weights where they are recorded."""
        weights = weights_of(self.directory)
        return visible(self.directory.path.resolve().name) + (f" {weights[:12]}" if weights else "")

    def dates(self) -> str:
        """The first and the last date of publication."""
        known = sorted(date for date in self.found.dates if date)
        if known and known[0][:4] != known[-1][:4]:
            known = [date[:7] for date in known]
        return "" if not known else known[0] if known[0] == known[-1] else f"{known[0]} \N{EN DASH} {known[-1]}"

    # Sentences

    def line(self, article: Article, row: Row, number: int) -> Line:
        """A row as it is shown."""
        given = {label for labels in row.labels.values() for label in labels}
        chips = []
        for label in self.labels:
            if label.id in given or label.id in row.review:
                found = row.evidence.get(label.id)
                told = _told(row, found) if found else None
                evidence = json.dumps(told, ensure_ascii=False, separators=(",", ":")) if told else ""
                score = f"{row.scores[label.id]:.2f}" if label.id in row.scores else ""
                chips.append(Chip(label, score, label.id in given, label.id in row.review, evidence))
        # Stances before topics: they are what the colour is about.
        chips.sort(key=lambda chip: (chip.label.mark == "m", not chip.given))
        distance = min((abs(row.scores.get(label, 0.0) - self.decisions.threshold(label)) for label in row.review), default=1.0)
        numbers = " ".join(str(chip.label.number) for chip in chips if chip.given)
        return Line(f"s{article.number}-{number}", self._pieces(row), chips, numbers, bool(row.review), distance, visible(row.text))

    def _pieces(self, row: Row) -> list[tuple[str, str]]:
        """The sentence cut where evidence begins or ends; each piece with what it is evidence of."""
        spans: list[tuple[int, int, str]] = []
        for id, found in row.evidence.items():
            if id in self._by_id:
                number = self._by_id[id].number
                for kind in ("holder", "cue"):
                    place = found.get(kind) or {}
                    if place and not place.get("inherited"):
                        spans.append((place["start"] - row.start, place["end"] - row.start, f"{kind[0]}{number}"))
                words = ((start, end) for start, end, weight in found.get("words") or () if weight > 0)
                spans += [(start - row.start, end - row.start, f"w{number}") for start, end in words]
        spans = [place for place in spans if 0 <= place[0] < place[1] <= len(row.text)]
        cuts = sorted({0, len(row.text), *(edge for start, end, _ in spans for edge in (start, end))})
        text = visible(row.text)
        return [
            (text[begin:end], " ".join(sorted({kind for start, stop, kind in spans if start <= begin and end <= stop})))
            for begin, end in pairwise(cuts)
        ]

    def review(self, lines: list[list[Line]]) -> list[tuple[Article, Line]]:
        """The sentences shown that should be looked at first, the most doubtful ones first."""
        every = [(article, line) for article, mine in zip(self.found.articles, lines, strict=True) for line in mine if line.review]
        return sorted(every, key=lambda one: one[1].distance)[:TO_REVIEW]

    # Figures

    def counted(self, rates: ErrorRates | None, usable: list[LabelRates | str]) -> list[tuple[Shown, LabelRates | None, str]]:
        """Of every label the counts of its mistakes and, if so, why they cannot be used."""
        known = rates.profiles.get(self.profile, {}) if rates else {}
        return [(label, known.get(label.id), one if isinstance(one, str) else "") for label, one in zip(self.labels, usable, strict=True)]

    def figures(self, usable: list[LabelRates | str]) -> list[dict[str, Any]]:
        """The blocks of shares: by outlet and over time, a panel a label."""
        found = self.found
        everything = shares(np.asarray(found.marked), np.asarray(found.sentences), usable)
        total = (Named(Key("all_articles")), everything)
        blocks: list[dict[str, Any]] = []
        outlets = by_outlet(found.outlets, found.sentences)
        mine = cells(found.outlets, outlets, found, usable) if any(outlets) else {}
        rows = [(Named(outlet or Key("unknown_outlet")), mine[outlet]) for outlet in outlets if mine]
        blocks.append(self._block("outlet", [*rows[:CHARTED], total], [*rows, total], shares_by_row, "no_outlets" if not rows else ""))
        blocks[-1]["cut"] = (CHARTED, len(rows)) if len(rows) > CHARTED else None
        unit, keys, every = periods(found.dates)
        if unit:
            mine = cells(keys, every, found, usable)
            columns = [(Named(one), mine[one]) for one in every]
            listed = [*columns, total]
            if "" in keys:
                listed.insert(-1, (Named(Key("unknown_date")), cells(keys, [""], found, usable)[""]))
            blocks.append(self._block(unit, columns, listed, shares_by_column, ""))
        else:
            blocks.append({"key": "by_month", "note": "no_dates", "panels": [], "cut": None})
        return blocks

    def _block(
        self, unit: str, charted: list[tuple[Named, list[Share]]], listed: list[tuple[Named, list[Share]]], draw: Draw, note: str
    ) -> dict[str, Any]:
        panels = []
        for i, label in enumerate(self.labels):
            chart = draw([(name, row[i]) for name, row in charted], self.phrases, label.key, label.mark)
            table = [(name.name, row[i]) for name, row in listed if row[i].sentences]
            # One reason that holds for every row is said once.
            reasons = {share.why for _, share in table}
            panels.append({"label": label, "chart": chart, "table": table, "why": reasons.pop() if len(reasons) == 1 else ""})
        return {"key": f"by_{unit}", "column": "outlet" if unit == "outlet" else "period", "note": note, "panels": panels, "cut": None}

    def matrix(self) -> dict[str, Any] | None:
        """The labels of the other groups against those that have colours; None where there is only one group."""
        own = coloured(self.scheme)
        columns = [label for label in self.labels if label.mark != "m"]
        rows = [label for label in self.labels if label.mark == "m"]
        if not rows:
            return None
        counts = [[0] * (len(columns) + 1) for _ in range(len(rows) + 1)]
        for numbers, count in self.found.sets.items():
            across = [j for j, label in enumerate(columns) if label.number in numbers] or [len(columns)]
            for i in [i for i, label in enumerate(rows) if label.number in numbers] or [len(rows)]:
                for j in across:
                    counts[i][j] += count
        down = [Named(label.key) for label in rows] + [Named(Key("none_of_them"))]
        along = [Named(label.key) for label in columns] + [Named(Key("none_of_them"))]
        others = [group for group in self.scheme.groups if group is not own]
        chart = matrix(down[:-1], along, counts[:-1], self.phrases)
        return {
            "rows": self.group_keys[others[0].id], "columns": self.group_keys[own.id], "chart": chart,
            "head": [one.name for one in along], "table": list(zip([one.name for one in down], counts, strict=True)),
        }  # fmt: skip

    def exchange(self) -> dict[str, Any] | None:
        """Accusations by outlet and by where they are answered; None where labels answer no others."""
        if not pairs_known(self.scheme):
            return None
        counts: dict[str, list[int]] = {}
        for pair in self.pairs:
            outlet = visible(pair.accusation.meta.outlet)
            place = 2 if not pair.answers else 0 if pair.same_document else 1
            counts.setdefault(outlet, [0, 0, 0])[place] += 1
        order = sorted(counts, key=lambda outlet: (not outlet, -sum(counts[outlet]), outlet))
        rows = [(Named(outlet or Key("unknown_outlet")), counts[outlet]) for outlet in order]
        total = (Named(Key("all_articles")), [sum(column) for column in zip(*counts.values(), strict=True)] if counts else [0, 0, 0])
        listed = [*rows, total] if len(rows) != 1 else rows
        answered = [pair for pair in self.pairs if pair.answers][:PAIRS]
        return {
            "chart": stacked(rows[:CHARTED], self.phrases, ("a0", "a1", "a2")) if rows else "",
            "table": [(name.name, values, sum(values)) for name, values in listed],
            "pairs": [(self._quoted(one.accusation), [self._quoted(row) for row in one.answers], one.same_document) for one in answered],
        }  # fmt: skip

    def _quoted(self, row: Row) -> tuple[str, str, list[Shown]]:
        given = {label for labels in row.labels.values() for label in labels}
        where = visible(row.meta.title or row.document)
        return visible(row.text), where, [label for label in self.labels if label.id in given and label.mark != "m"]


def _told(row: Row, found: Mapping[str, Any]) -> dict[str, Any]:
    """Evidence of one label in the few words that the page shows."""
    told: dict[str, Any] = {}
    holder, cue = found.get("holder"), found.get("cue")
    if holder and holder.get("text"):
        told["h"] = visible(str(holder["text"]))
        if holder.get("inherited"):
            told["i"] = 1
    if cue and cue.get("text"):
        told["c"] = visible(str(cue["text"]))
    words = sorted((word for word in found.get("words") or () if word[2] > 0), key=lambda word: -word[2])[:4]
    if words:
        told["w"] = ", ".join(visible(row.text[start - row.start : end - row.start]) for start, end, _ in words)
    return told


def _digest(text: str) -> str:
    """How a policy names what it allows."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
