"""Probes: sentences whose right answer follows from how they were made (Ribeiro et al. 2020, CheckList).

Swapping the speaker must move the stance and leave the topic; negated and hypothetical sentences must not be taken for
what they negate; a dateline, another case, other quotes or a typo must change nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from classify.classifier import Classifier
from classify.errors import DataError
from classify.evidence import called


@dataclass(frozen=True)
class Probe:
    """One sentence with what the model must say.

    Attributes:
        kind: what it probes; pass rates are counted by it.
        text: the sentence.
        expected: for every group the labels it must get; None where only sameness is asked.
        same_as: the sentence whose labels it must keep.
    """

    kind: str
    text: str
    expected: Mapping[str, tuple[str, ...]] | None = None
    same_as: str | None = None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path} cannot be read as YAML ({error})") from None
    if not isinstance(content, dict):
        raise DataError(f"{path} must hold named entries")
    return content


def _labels(entry: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(value) for key, value in entry.items() if isinstance(value, list) and key not in ("actors",)}


def generate(probes: Path, actors: Path) -> list[Probe]:
    """All probes of the two files.

    Raises:
        DataError: when a file is unreadable or names an unknown actor or disturbance.
    """
    recipe, names = _read(probes), _read(actors)
    found: list[Probe] = []
    for frame in recipe.get("swaps", ()):
        by_speaker = {key: value for key, value in frame.items() if isinstance(value, Mapping)}
        for actor in frame["actors"]:
            if actor not in names:
                raise DataError(f"{probes}: unknown actor '{actor}'; {actors} knows {', '.join(names)}")
            expected = _labels(frame) | {group: tuple(of.get(actor, ())) for group, of in by_speaker.items()}
            for name in called(names[actor]):
                moved = any(by_speaker and expected[group] for group in by_speaker)
                kind = "speaker swap, stance of this speaker" if moved else "speaker swap, nobody's stance"
                found.append(Probe(kind, frame["text"].format(speaker=name), expected))
    for kind in ("negated", "hypothetical"):
        found += [Probe(kind, entry["text"], _labels(entry)) for entry in recipe.get(kind, ())]
    plain = [probe.text for probe in found]
    for disturbance in recipe.get("disturbances", ()):
        for text in plain:
            disturbed = _disturb(text, disturbance, probes)
            if disturbed != text:
                found.append(Probe(f"unmoved by {disturbance['id'].replace('_', ' ')}", disturbed, same_as=text))
    return found


def _disturb(text: str, how: Mapping[str, Any], path: Path) -> str:
    if "template" in how:
        return str(how["template"].format(text=text))
    if "case" in how:
        return text.upper() if how["case"] == "upper" else text.lower()
    if "replace" in how:
        for old, new in how["replace"].items():
            text = text.replace(old, new)
        return text
    if how.get("letters") == "swap":
        return _typo(text)
    raise DataError(f"{path}: the disturbance '{how.get('id')}' needs one of template, case, replace, letters")


def _typo(text: str) -> str:
    """Two neighbouring letters swapped inside the longest word written in small letters; names stay as they are."""
    words = text.split(" ")
    longest = max((i for i, word in enumerate(words) if word.islower() and word.isalpha()), key=lambda i: len(words[i]), default=None)
    if longest is None or len(words[longest]) < 5:
        return text
    word = words[longest]
    middle = len(word) // 2
    words[longest] = word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :]
    return " ".join(words)


@dataclass(frozen=True)
class Result:
    """How one kind of probe went."""

    kind: str
    passed: int
    asked: int
    failures: tuple[str, ...]

    @property
    def rate(self) -> float:
        """Share that passed."""
        return self.passed / self.asked


def run(classifier: Classifier, probes: list[Probe]) -> list[Result]:
    """Ask the model; one result a kind, in the order of the probes.

    Raises:
        DataError: when the probes ask for labels that the model does not give.
    """
    asked_for = {label for probe in probes for labels in (probe.expected or {}).values() for label in labels}
    unknown = sorted(asked_for - set(classifier.scheme.ids))
    if unknown:
        raise DataError(f"the probes ask for {', '.join(unknown)}, which this model does not give: leave --probes out")
    texts = list(dict.fromkeys([probe.text for probe in probes] + [probe.same_as for probe in probes if probe.same_as]))
    answers = {prediction.text: prediction.labels for prediction in classifier.predict(texts)}
    passed: dict[str, int] = defaultdict(int)
    asked: dict[str, int] = defaultdict(int)
    failures: dict[str, list[str]] = defaultdict(list)
    for probe in probes:
        given = answers[probe.text]
        wanted = answers[probe.same_as] if probe.same_as else probe.expected or {}
        right = all(sorted(given.get(group, ())) == sorted(labels) for group, labels in wanted.items())
        asked[probe.kind] += 1
        passed[probe.kind] += right
        if not right:
            failures[probe.kind].append(f"{probe.text} -> {_shown(given)}, not {_shown(wanted)}")
    return [Result(kind, passed[kind], count, tuple(failures[kind])) for kind, count in asked.items()]


def _shown(labels: Mapping[str, Any]) -> str:
    return "+".join(label for of_group in labels.values() for label in of_group) or "-"


def report(results: list[Result], examples: int = 2) -> Iterator[str]:
    """Lines of Markdown: pass rates, then a few failures of each kind."""
    yield "| probe | passed | of | rate |"
    yield "|---|--:|--:|--:|"
    for result in results:
        yield f"| {result.kind} | {result.passed} | {result.asked} | {result.rate:.1%} |"
    if any(result.failures for result in results):
        yield ""
    for result in results:
        for failure in result.failures[:examples]:
            yield f"- {result.kind}: {failure}"
