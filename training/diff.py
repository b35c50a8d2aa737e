"""Two models on the same sentences: what a retraining changed, label by label and sentence by sentence."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classify.classifier import Classifier, Prediction
from classify.errors import DataError
from classify.labels import Group, LabelScheme
from classify.modeldir import ModelDirectory
from training.columns import Layout
from training.dataset import Example, Pool, load
from training.evaluate import record_of, unseen
from training.metrics import f1

logger = logging.getLogger(__name__)

# Where the two differ on a label, and what became of it: "right" and "wrong" are the new model's.
FLIPS = ("both", "only_old", "only_new", "neither")
TELLING = 20


def matches(old: LabelScheme, new: LabelScheme) -> dict[str, str]:
    """For every label of ``new`` that ``old`` has, under the same id or that of ``renamed_from``, the old id.

    A label that went from an exclusive group to one that is not, or back, asks another question and is a new one.
    """
    pairs = {label.id: label.id if label.id in old.ids else label.renamed_from for label in new}
    return {
        label: before
        for label, before in pairs.items()
        if before in old.ids and old.group_of(before).exclusive == new.group_of(label).exclusive
    }


def union(old: LabelScheme, new: LabelScheme) -> LabelScheme:
    """A scheme that reads data labelled in either."""
    former = {group.id: group for group in old.groups}
    groups = []
    for group in new.groups:
        ids = [label.id for label in group.labels]
        more = [label for label in former.pop(group.id).labels if label.id not in ids] if group.id in former else []
        groups.append(Group(group.id, (*group.labels, *more), group.names, group.exclusive))
    return LabelScheme((*groups, *former.values()))


@dataclass(frozen=True)
class _Column:
    """One label under the ids that it has in the old and the new model, ``""`` where it has none."""

    old: str
    new: str

    @property
    def ids(self) -> set[str]:
        return {one for one in (self.old, self.new) if one}


def _truth(column: _Column, examples: Sequence[Example], scheme: LabelScheme, fresh: set[str]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Whether the label is there and whether that is known, each ``(examples,)``.

    A file that gives a label which only the new model has was labelled for it: old labels that it never gives are unknown there.
    A file that does not give it was made before it, and knows nothing of it.
    """
    groups = [group for group in scheme.groups if any(label.id in column.ids for label in group.labels)]
    always = any(group.exclusive for group in groups)
    given: dict[str, set[str]] = {}
    for example in examples:
        given.setdefault(example.file, set()).update(one for labels in example.labels.values() for one in labels)
    asked = {file: always or bool(labels & column.ids) or (bool(column.old) and not labels & fresh) for file, labels in given.items()}
    wanted = np.zeros(len(examples), dtype=bool)
    known = np.zeros(len(examples), dtype=bool)
    for i, example in enumerate(examples):
        answers = [example.labels[group.id] for group in groups if group.id in example.labels]
        wanted[i] = any(not column.ids.isdisjoint(answer) for answer in answers)
        known[i] = bool(answers) and asked[example.file] and column.ids.isdisjoint(example.disputed)
    return wanted & known, known


def compare(
    old: ModelDirectory, new: ModelDirectory, examples: Sequence[Example], resamples: int = 1000, seed: int = 0, telling: int = TELLING
) -> dict[str, Any]:
    """Score two models on sentences that neither was trained on.

    Args:
        old: the model before.
        new: the model after; its ``renamed_from`` says which old labels go on under another id.
        examples: labelled sentences; those that either was trained on are left out, as their ``training.json`` tells.
        resamples: bootstrap samples; whole documents are drawn with replacement, the same ones for both models.
        seed: of the bootstrap.
        telling: so many flipped sentences are named, of those put right and of those lost each.

    Returns:
        plain JSON values: ``sentences``, ``documents`` and ``left_out`` (counts); ``labels``, per label that both have its
        ``support``, the F1 of both (``old``, ``new``), their ``difference`` with a 95 % interval, and ``flips``; ``only_old`` and
        ``only_new``, support and F1 of labels that one model has; ``better`` and ``worse``, the flipped sentences whose
        score changed most.

    Raises:
        DataError: when no sentence is left.
    """
    aside = [unseen(record_of(directory)) for directory in (old, new)]
    rows = [example for example in examples if all(one(example) is not None for one in aside)]
    if not rows:
        raise DataError("every sentence of the data was used in training one of the two models: there is nothing to compare them on")
    pairs = matches(old.scheme, new.scheme)
    columns = [_Column(pairs.get(label, ""), label) for label in new.scheme.ids]
    columns += [_Column(label, "") for label in old.scheme.ids if label not in pairs.values()]
    fresh = {column.new for column in columns if not column.old}
    scheme = union(old.scheme, new.scheme)
    texts, contexts = [e.text for e in rows], [e.context for e in rows]
    said = [Classifier.from_pretrained(directory.path).predict(texts, contexts) for directory in (old, new)]
    names, unit = np.unique([f"{e.file}:{e.group}" for e in rows], return_inverse=True)
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    result: dict[str, Any] = {
        "sentences": len(rows), "documents": len(names), "left_out": len(examples) - len(rows),
        "labels": {}, "only_old": {}, "only_new": {}, "better": [], "worse": [],
    }  # fmt: skip
    for column in columns:
        wanted, known = _truth(column, rows, scheme, fresh)
        given = [_given(predictions, name) for predictions, name in zip(said, (column.old, column.new), strict=True)]
        if not column.old or not column.new:
            answer = given[1] if column.new else given[0]
            entry = {"support": int(wanted.sum()), "f1": _round(_f1(*_counts(answer, wanted, known)))}
            result["only_new" if column.new else "only_old"][column.new or column.old] = entry
            continue
        points, samples = [], []
        for answer in given:
            counts = _counts(answer, wanted, known)
            points.append(_f1(*counts))
            per_unit = [np.bincount(unit, weights=one, minlength=len(names)) for one in counts]
            samples.append(f1(*(draws @ one for one in per_unit)))
        low, high = np.percentile(samples[1] - samples[0], [2.5, 97.5])
        result["labels"][column.new] = {
            **({"renamed_from": column.old} if column.old != column.new else {}),
            "support": int(wanted.sum()), "old": _round(points[0]), "new": _round(points[1]),
            "difference": [_round(points[1] - points[0]), _round(low), _round(high)],
            "flips": _flips(given[0], given[1], wanted, known),
        }  # fmt: skip
        for i in np.flatnonzero((given[0] != given[1]) & known):
            before, after = said[0][i].scores[column.old], said[1][i].scores[column.new]
            result["better" if given[1][i] == wanted[i] else "worse"].append(
                {
                    "label": column.new, "wanted": bool(wanted[i]), "old": _round(before), "new": _round(after),
                    "text": rows[i].text, "file": rows[i].file, "id": rows[i].id,
                }
            )  # fmt: skip
    for name in ("better", "worse"):
        result[name] = sorted(result[name], key=lambda one: -abs(one["new"] - one["old"]))[:telling]
    return result


def compare_files(
    old: Path, new: Path, data: Sequence[Path], pool: Sequence[Path] = (), resamples: int = 1000, layout: Layout | None = None
) -> dict[str, Any]:
    """:func:`compare` on labelled files, which may be labelled in either model's scheme; ``layout`` says what columns of tables mean.

    Raises:
        DataError, ModelDirectoryError: for what a user can put right.
    """
    before, after = ModelDirectory.open(old), ModelDirectory.open(new)
    loaded = load(data, union(before.scheme, after.scheme), Pool(pool) if pool else None, layout)
    if loaded.without_text:
        logger.warning("%d labels of real sentences were left out: their articles are not in the pool", loaded.without_text)
    return {"models": {"old": str(old), "new": str(new)}, **compare(before, after, loaded.examples, resamples)}


def dropped(result: dict[str, Any], limit: float) -> list[str]:
    """Labels of both models whose F1 fell by more than ``limit``."""
    return [name for name, row in result["labels"].items() if row["support"] and round(row["old"] - row["new"], 4) > limit]


def unjudged(result: dict[str, Any]) -> list[str]:
    """Labels that can have fallen without being seen to: of the old model, and without a sentence or no longer there."""
    silent = [name for name, row in result["labels"].items() if not row["support"]]
    return [*silent, *result["only_old"]]


def table(labels: dict[str, Any], old: str = "old", new: str = "new") -> list[str]:
    """The F1 of labels that both models have, as lines of Markdown."""
    lines = [f"| label | support | F1 {old} | F1 {new} | difference |", "|---|--:|--:|--:|--:|"]
    for name, row in labels.items():
        shown = f"{name} (was {row['renamed_from']})" if "renamed_from" in row else name
        value, low, high = row["difference"]
        cells = [f"{row['old']:.3f}", f"{row['new']:.3f}", f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"] if row["support"] else ["-"] * 3
        lines.append("| " + " | ".join([shown, str(row["support"]), *cells]) + " |")
    return lines


def markdown(result: dict[str, Any], old: str = "old", new: str = "new") -> str:
    """The comparison for people; the models are called by these names."""
    lines = [f"### {result['sentences']} sentences, {result['documents']} documents that neither model was trained on", ""]
    if result["left_out"]:
        lines += [f"{result['left_out']} sentences were left out, because one of the two was trained on them.", ""]
    lines += table(result["labels"], old, new)
    for key, title in (("only_old", "Only the old model has"), ("only_new", "Only the new model has")):
        if result[key]:
            rows = [
                f"{name} (F1 {row['f1']:.3f}, support {row['support']})" if row["support"] else name for name, row in result[key].items()
            ]
            lines += ["", f"{title}: {', '.join(rows)}."]
    heads = ("given by both", "only by the old", "only by the new", "by neither")
    lines += ["", "| label | " + " | ".join(f"{head}: right / wrong" for head in heads) + " |", "|---|" + "--:|" * len(heads)]
    for name, row in result["labels"].items():
        cells = [f"{row['flips'][flip]['right']} / {row['flips'][flip]['wrong']}" for flip in FLIPS]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    lines += [
        "",
        "Right and wrong: the new model's answer. Brackets: paired bootstrap 95 % intervals, whole documents drawn with replacement.",
    ]
    for key, title in (("better", "From wrong to right"), ("worse", "From right to wrong")):
        lines += ["", f"#### {title}, largest change of score first", ""]
        lines += [_sentence(one) for one in result[key]] or ["None."]
    return "\n".join(lines) + "\n"


def _sentence(one: dict[str, Any]) -> str:
    what = one["label"] if one["wanted"] else f"not {one['label']}"
    return f"- {what}, {one['old']:.2f} -> {one['new']:.2f}: {' '.join(one['text'].split())} ({one['file']} {one['id']})"


def _given(predictions: Sequence[Prediction], name: str) -> NDArray[np.bool_]:
    return np.asarray([any(name in labels for labels in one.labels.values()) for one in predictions], dtype=bool)


def _counts(given: NDArray[Any], wanted: NDArray[Any], known: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Which rows are true positives, false positives and false negatives."""
    return given & wanted & known, given & ~wanted & known, ~given & wanted & known


def _f1(true: NDArray[Any], extra: NDArray[Any], missed: NDArray[Any]) -> float:
    return float(f1(true.sum(), extra.sum(), missed.sum()))


def _flips(old: NDArray[Any], new: NDArray[Any], wanted: NDArray[Any], known: NDArray[Any]) -> dict[str, dict[str, int]]:
    places = dict(zip(FLIPS, (old & new, old & ~new, ~old & new, ~old & ~new), strict=True))
    right = (new == wanted) & known
    return {name: {"right": int((place & right).sum()), "wrong": int((place & known & ~right).sum())} for name, place in places.items()}


def _round(value: Any) -> float:
    return round(float(value), 4)
