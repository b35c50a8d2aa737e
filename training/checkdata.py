"""What a careful annotator would find in labelled data, with file and line."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from classify.errors import DataError
from classify.labels import LabelScheme
from training.columns import Layout
from training.dataset import SPLITS, Example, FileRows, Pool, data_files, normalise, read_file
from training.splits import near_duplicates

# Longer texts are hardly one sentence; the model would cut them.
MAX_WORDS = 120
MAX_CHARACTERS = 2000
# With fewer examples a label cannot be learnt, and hardly be measured.
MIN_POSITIVES = 20
# Where a label is measured; the validation split chooses thresholds.
HELD_OUT = ("test", "development")


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        error: errors make the check fail; the others are warnings.
        where: file and line, or the file.
        message: what is wrong and what to do; ``""`` where ``where`` is the whole sentence.
    """

    error: bool
    where: str
    message: str

    def __str__(self) -> str:
        return ": ".join(filter(None, ("error" if self.error else "warning", self.where, self.message)))


@dataclass(frozen=True)
class Report:
    """All findings, the sentences read and what each file held; the findings begin with the rows that cannot be used."""

    findings: list[Finding]
    examples: list[Example]
    files: list[FileRows]

    @property
    def without_text(self) -> int:
        """Labels of sentences whose article is not in the pool."""
        return sum(file.without_text for file in self.files)

    @property
    def failed(self) -> bool:
        """Whether any finding is an error."""
        return any(finding.error for finding in self.findings)

    def counts(self, scheme: LabelScheme) -> dict[str, dict[str, int]]:
        """Per label, and for ``(none)``, the sentences in each split."""
        table: dict[str, dict[str, int]] = {label: {} for label in [*scheme.ids, "(none)", "(all)"]}
        for example in self.examples:
            split = _split(example)
            given = [label for labels in example.labels.values() for label in labels]
            for label in [*(given or ["(none)"]), "(all)"]:
                table[label][split] = table[label].get(split, 0) + 1
        return table


def check(paths: Sequence[Path], scheme: LabelScheme, pool: Pool | None = None, layout: Layout | None = None) -> Report:
    """Read every row of every file and report all that is wrong, instead of stopping at the first."""
    findings: list[Finding] = []
    files: list[FileRows] = []
    for path in data_files(paths):
        try:
            file = read_file(path, scheme, pool, layout)
        except DataError as error:
            where, _, message = str(error).partition(": ")
            findings.append(Finding(True, where, message))
            continue
        files.append(file)
        if not file.size:
            findings.append(Finding(True, f"{path} is empty", ""))
        findings += [Finding(True, one.where, one.reason) for one in file.rejected]
        if file.unlabelled:
            findings.append(Finding(False, str(path), f"{file.unlabelled} sentences have no label at all and will not be used"))
    examples = [example for file in files for example in file.examples]
    findings += _lengths(examples) + _identifiers(examples) + _groups(examples) + _copies(examples) + _support(examples, scheme)
    return Report(findings, examples, files)


def agreement(examples: Sequence[Example], scheme: LabelScheme) -> dict[str, tuple[int, float]]:
    """Krippendorff's alpha (nominal) per label over the rows two readers labelled independently.

    Their two answers differ exactly on a row's disputed labels, so they need not be stored.

    Returns:
        per label how often a reader gave it (over both readers) and alpha, NaN where nobody gave it.
    """
    import krippendorff

    result: dict[str, tuple[int, float]] = {}
    twice = [example for example in examples if example.read_twice]
    for label in scheme.ids:
        first, second = [], []
        for example in twice:
            given = any(label in labels for labels in example.labels.values())
            first.append(int(given))
            second.append(int(given != (label in example.disputed)))
        count = sum(first) + sum(second)
        alpha = krippendorff.alpha([first, second], level_of_measurement="nominal") if 0 < count < 2 * len(twice) else float("nan")
        result[label] = (count, float(alpha))
    return result


def _lengths(examples: Sequence[Example]) -> list[Finding]:
    found = []
    for example in examples:
        words = len(example.text.split())
        if words > MAX_WORDS:
            found.append(Finding(False, example.where, f"{words} words are hardly one sentence (over {MAX_WORDS}): split it"))
        elif len(example.text) > MAX_CHARACTERS:
            size = f"{len(example.text):,} characters are hardly one sentence (over {MAX_CHARACTERS:,})"
            found.append(Finding(False, example.where, f"{size}: split it"))
    return found


def _split(example: Example) -> str:
    """The split a row asks for; one that leaves it open may come to train."""
    return example.split or "train"


def _groups(examples: Sequence[Example]) -> list[Finding]:
    """Groups whose rows are fixed in several splits: what is alike would stand on both sides."""
    first: dict[str, Example] = {}
    torn: dict[str, Finding] = {}
    for example in examples:
        # Without a group a sentence is its own, under an id that another file may give as well.
        if not example.split or example.group == example.id:
            continue
        other = first.setdefault(example.group, example)
        if example.split != other.split and example.group not in torn:
            message = f"the group '{example.group}' is in {example.split} here and in {other.split} at {other.where}: keep it in one split"
            torn[example.group] = Finding(True, example.where, message)
    return list(torn.values())


def _identifiers(examples: Sequence[Example]) -> list[Finding]:
    seen: dict[tuple[str, str], Example] = {}
    found = []
    for example in examples:
        if not example.has_id:
            continue
        key = (example.where.rsplit(":", 1)[0], example.id)
        if key in seen:
            found.append(Finding(True, example.where, f"the id '{example.id}' was used at {seen[key].where} already"))
        seen.setdefault(key, example)
    return found


def _copies(examples: Sequence[Example]) -> list[Finding]:
    """Exact and near copies: conflicting labels, and copies on both sides of a split."""
    found = []
    same: dict[str, list[int]] = defaultdict(list)
    for i, example in enumerate(examples):
        same[normalise(example.text)].append(i)
    exact = {(i, j) for members in same.values() for k, j in enumerate(members) for i in members[:k]}
    for i, j in sorted(exact):
        one, other = examples[i], examples[j]
        shared = set(one.labels) & set(other.labels)
        open_ = {*one.unknown, *other.unknown}
        differing = [group for group in shared if set(one.labels[group]) - open_ != set(other.labels[group]) - open_]
        # An unattributed quotation may well mean different things after different sentences.
        if differing and normalise(one.context) == normalise(other.context):
            group = differing[0]
            found.append(
                Finding(
                    True,
                    other.where,
                    f"same text as {one.where} but {group} is {_list(other.labels[group])} here and {_list(one.labels[group])} there",
                )
            )
        elif normalise(one.context) == normalise(other.context):
            found.append(Finding(False, other.where, f"same text as {one.where}: keep one"))
    for i, j in [*sorted(exact), *(pair for pair in near_duplicates([e.text for e in examples]) if pair not in exact)]:
        one, other = examples[i], examples[j]
        if _split(one) != _split(other) and one.group != other.group:
            found.append(Finding(True, other.where, f"nearly the same as {one.where}, which is in another split: give both one 'group'"))
    return found


def _list(labels: Sequence[str]) -> str:
    return ", ".join(labels) or "no label"


def _support(examples: Sequence[Example], scheme: LabelScheme) -> list[Finding]:
    """Labels too rare to learn or to measure, and splits whose label shares differ greatly."""
    found = []
    counts: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    sizes = Counter(_split(example) for example in examples)
    for example in examples:
        counts[_split(example)].update(label for labels in example.labels.values() for label in labels)
    train = counts["train"]
    others = [split for split in SPLITS if split != "train" and sizes[split]]
    for label in scheme.ids:
        if not sizes["train"]:
            continue
        if train[label] < MIN_POSITIVES:
            found.append(Finding(False, "all files", f"'{label}' has {train[label]} training sentences, too few to learn"))
        measured = any(counts[split][label] for split in HELD_OUT)
        if not measured and any(split in HELD_OUT for split in others):
            found.append(Finding(False, "all files", f"'{label}' has no held-out sentence: it cannot be measured"))
        for split in others:
            if split in HELD_OUT and not measured:
                continue
            # One more, so that a small split without any says little.
            rate = [(counts[side][label] + 1) / (sizes[side] + 1) for side in ("train", split)]
            if max(rate) > 5 * min(rate) and train[label] + counts[split][label] >= MIN_POSITIVES:
                found.append(
                    Finding(False, "all files", f"'{label}' is on {rate[0]:.1%} of training but {rate[1]:.1%} of {split} sentences")
                )
    return found
