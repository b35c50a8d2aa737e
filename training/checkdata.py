"""What a careful annotator would find in labelled data, with file and line."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from classify.errors import DataError
from classify.labels import LabelScheme
from training.columns import Layout
from training.dataset import Example, FileRows, Pool, content_id, data_files, normalise, read_file
from training.splits import near_duplicates

# Longer texts are hardly one sentence; the model would cut them.
MAX_WORDS = 120
# With fewer examples a label cannot be learnt, and hardly be measured.
MIN_POSITIVES = 20
HELD_OUT = ("test", "development")


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        error: errors make the check fail; the others are warnings.
        where: file and line, or the file.
        message: what is wrong and what to do.
    """

    error: bool
    where: str
    message: str

    def __str__(self) -> str:
        return f"{'error' if self.error else 'warning'}: {self.where}: {self.message}"


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
            split = example.split or "train"
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
        findings += [Finding(True, one.where, one.reason) for one in file.rejected]
        if file.unlabelled:
            findings.append(Finding(False, str(path), f"{file.unlabelled} sentences have no label at all and will not be used"))
    examples = [example for file in files for example in file.examples]
    findings += _lengths(examples) + _identifiers(examples) + _copies(examples) + _support(examples, scheme)
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
    return found


def _identifiers(examples: Sequence[Example]) -> list[Finding]:
    seen: dict[tuple[str, str], Example] = {}
    found = []
    for example in examples:
        if example.id == content_id(example.text, example.context):
            continue  # it has no id
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
        sides = {one.split in HELD_OUT, other.split in HELD_OUT}
        if len(sides) == 2 and one.group != other.group:
            found.append(Finding(True, other.where, f"nearly the same as {one.where}, which is in another split: give both one 'group'"))
    return found


def _list(labels: Sequence[str]) -> str:
    return ", ".join(labels) or "no label"


def _support(examples: Sequence[Example], scheme: LabelScheme) -> list[Finding]:
    """Labels too rare to learn or to measure, and splits whose label shares differ greatly."""
    found = []
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    sizes: Counter[bool] = Counter()
    for example in examples:
        held = example.split in HELD_OUT
        sizes[held] += 1
        counts[held].update(label for labels in example.labels.values() for label in labels)
    for label in scheme.ids:
        if sizes[False] > 0 and counts[False][label] < MIN_POSITIVES:
            found.append(Finding(False, "all files", f"'{label}' has {counts[False][label]} training sentences, too few to learn"))
        if not sizes[True] or not sizes[False]:
            continue
        if not counts[True][label]:
            found.append(Finding(False, "all files", f"'{label}' has no held-out sentence: it cannot be measured"))
            continue
        rate = [(counts[side][label] + 1) / (sizes[side] + 1) for side in (False, True)]
        if max(rate) > 5 * min(rate) and counts[True][label] + counts[False][label] >= MIN_POSITIVES:
            found.append(Finding(False, "all files", f"'{label}' is on {rate[0]:.1%} of training but {rate[1]:.1%} of held-out sentences"))
    return found
