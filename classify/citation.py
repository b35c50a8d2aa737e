"""Rows that can be cited: what a row must carry so that anybody can compute it again, and the computing again.

A citation holds the sentence before as it was read, because the model's answer hangs on it; so a row needs neither its document nor the
other rows. Digests of both texts stay when somebody passes rows on without them, or changes them by accident.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Any

from classify.cache import LogitCache
from classify.classifier import LOOK_AHEAD, Classifier, Prediction
from classify.decisions import NEVER, PROFILES
from classify.engine import open_engine
from classify.modeldir import ModelDirectory

if TYPE_CHECKING:
    from classify.predict import Item

# Further than that a score does not move between processors, in 32-bit arithmetic.
TOLERANCE = 1e-4


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def thresholds(directory: ModelDirectory, profile: str) -> dict[str, float | None]:
    """From which score a label is given, None where never; without those of exclusive groups, where the best one is given."""
    decisions = directory.decisions.profile(profile, directory.scheme)
    labels = [label.id for group in directory.scheme.groups if not group.exclusive for label in group.labels]
    found = {label: decisions.threshold(label) for label in labels}
    return {label: None if value >= NEVER else value for label, value in found.items()}


class Citer:
    """Makes the citations of one run."""

    def __init__(self, directory: ModelDirectory, profile: str, engine: str) -> None:
        self._context = directory.decisions.context
        self.run: dict[str, Any] = _run(directory, profile, engine)

    def cite(self, item: Item) -> dict[str, Any]:
        """What a row says of how it was made."""
        context = item.before if self._context and not item.sentence.furniture else ""
        return {**self.run, "text_sha256": _digest(item.sentence.text), "context": context, "context_sha256": _digest(context)}


def _run(directory: ModelDirectory, profile: str, engine: str) -> dict[str, Any]:
    from classify import __version__

    return {
        "version": __version__,
        "model": directory.digest(integers=engine == "int8"),
        "engine": engine,
        "profile": profile,
        "thresholds": thresholds(directory, profile),
    }


@dataclass(frozen=True)
class Finding:
    """What is not as a row says.

    Attributes:
        row: its line, from 1.
        what: the difference, in words.
        general: it comes from the run, so that other rows will have it too.
        unreadable: the line is no row, or one without a citation.
    """

    row: int
    what: str
    general: bool = False
    unreadable: bool = False


@dataclass(frozen=True)
class _Cited:
    row: int
    text: str
    start: int
    end: int
    labels: dict[str, list[str]]
    scores: dict[str, float]
    review: list[str]
    furniture: bool
    citation: dict[str, Any]


@dataclass
class Verifier:
    """Computes cited rows again, in order and in constant memory.

    Attributes:
        directory: the model.
        threads: processor threads.
        rows: rows seen so far.
    """

    directory: ModelDirectory
    threads: int | None = None
    rows: int = 0
    _classifiers: dict[tuple[str, str], Classifier] = field(default_factory=dict)
    _runs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    _caches: dict[tuple[str, str], LogitCache] = field(default_factory=dict)

    def findings(self, lines: Iterable[bytes]) -> Iterator[list[Finding]]:
        """For every line that is not blank what differs, an empty list where nothing does."""
        numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
        while window := list(islice(numbered, LOOK_AHEAD)):
            parsed = [_parse(number, line) for number, line in window]
            again = self._predict([row for row in parsed if isinstance(row, _Cited) and not row.furniture])
            for row in parsed:
                self.rows += 1
                yield [row] if isinstance(row, Finding) else list(self._compare(row, again.get(row.row)))

    def _predict(self, rows: list[_Cited]) -> dict[int, Prediction]:
        """Predictions by line, for rows whose texts are what they were."""
        found: dict[int, Prediction] = {}
        kinds = dict.fromkeys((row.citation["engine"], row.citation["profile"]) for row in rows)
        for kind in kinds:
            mine = [row for row in rows if (row.citation["engine"], row.citation["profile"]) == kind and not list(_changed(row))]
            cache = self._caches.setdefault(kind, LogitCache())
            predictions = self._classifier(kind).window([(row.text, row.citation["context"]) for row in mine], cache=cache)
            found.update(zip((row.row for row in mine), predictions, strict=True))
        return found

    def _classifier(self, kind: tuple[str, str]) -> Classifier:
        if kind not in self._classifiers:
            engine = open_engine(self.directory, self.threads, "auto" if kind[0] == "int8" else "fp32")
            self._classifiers[kind] = Classifier(self.directory, engine, kind[1])
        return self._classifiers[kind]

    def _compare(self, row: _Cited, prediction: Prediction | None) -> Iterator[Finding]:
        def differs(what: str, general: bool = False) -> Finding:
            return Finding(row.row, what, general)

        kind = (row.citation["engine"], row.citation["profile"])
        if kind not in self._runs:
            self._runs[kind] = _run(self.directory, kind[1], kind[0])
        here = self._runs[kind]
        if row.citation["version"] != here["version"]:
            yield differs(f"made by version {row.citation['version']}, this is {here['version']}", general=True)
        if row.citation["model"] != here["model"]:
            yield differs(f"made by another model (sha256 {row.citation['model'][:16]}..., this one {here['model'][:16]}...)", general=True)
        if row.citation["thresholds"] != here["thresholds"]:
            yield differs(f"made with other thresholds than those of the profile {kind[1]}", general=True)
        if kind[0] == "int8" and prediction is not None and self._classifier(kind).precision != "int8":
            yield differs("made in 8-bit integers, which this machine does not run for this model", general=True)
        for what in _changed(row):
            yield differs(what)
        if prediction is None:
            if row.furniture and (any(row.labels.values()) or row.scores):
                yield differs("page furniture has labels")
            return
        for group in {**prediction.labels, **row.labels}:
            now, then = prediction.labels.get(group), row.labels.get(group)
            if now != then:
                yield differs(f"labels changed: {group} is {_names(now)}, the row has {_names(then)}")
        if list(prediction.review) != row.review:
            yield differs(f"labels to review changed: {_names(list(prediction.review))}, the row has {_names(row.review)}")
        for label in dict.fromkeys([*row.scores, *(label for labels in row.labels.values() for label in labels)]):
            score, said = prediction.scores.get(label), row.scores.get(label)
            if score is None:
                yield differs(f"the model has no label {label}")
            elif said is None:
                yield differs(f"the row gives {label} without its score, {score:.6f}")
            elif not abs(score - said) <= TOLERANCE:
                yield differs(f"score moved: {label} is {score:.6f}, the row has {said:.6f}")


def _names(labels: list[str] | None) -> str:
    return "missing" if labels is None else ", ".join(labels) or "none"


def _changed(row: _Cited) -> Iterator[str]:
    """How a row's texts are not those that were read."""
    if _digest(row.text) != row.citation["text_sha256"]:
        yield "text changed since it was classified"
    if _digest(row.citation["context"]) != row.citation["context_sha256"]:
        yield "context changed since it was read"
    if row.end - row.start != len(row.text):
        yield "start and end do not fit the text"


def _parse(number: int, line: bytes) -> _Cited | Finding:
    """A line as a row, or what it lacks."""
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return Finding(number, "is no JSON", unreadable=True)
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        return Finding(number, "is no row of classify predict", unreadable=True)
    if "citation" not in row:
        return Finding(number, "has no citation: write rows with  classify predict --citable", unreadable=True)
    try:
        cited = _Cited(
            number, row["text"], _of(int, row["start"]), _of(int, row["end"]),
            {_of(str, group): [_of(str, one) for one in _of(list, labels)] for group, labels in _of(dict, row["labels"]).items()},
            {_of(str, label): float(_of((int, float), score)) for label, score in _of(dict, row["scores"]).items()},
            [_of(str, one) for one in _of(list, row.get("review", []))], _of(bool, row.get("furniture", False)),
            _citation(_of(dict, row["citation"])),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, OverflowError):
        return Finding(number, "has a citation or fields that are damaged", unreadable=True)
    return cited


def _of(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError
    return value


def _citation(given: Mapping[str, Any]) -> dict[str, Any]:
    texts = {name: _of(str, given[name]) for name in ("version", "model", "text_sha256", "context", "context_sha256")}
    if given["profile"] not in PROFILES or given["engine"] not in ("fp32", "int8"):
        raise ValueError
    return {**texts, "profile": given["profile"], "engine": given["engine"], "thresholds": _of(dict, given["thresholds"])}
