"""Evaluation: the model and its two baselines on the same sentences, with intervals, as JSON, Markdown and pictures."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classify.classifier import Classifier
from classify.decisions import Decisions, decide
from classify.errors import ClassifyError, DataError, ModelDirectoryError
from classify.labels import LabelScheme
from classify.modeldir import ModelDirectory
from classify.resources import resource
from classify.writers import replacing
from training import errors, probes
from training.baselines import Keywords, TfidfLogistic
from training.columns import Layout
from training.dataset import Example, Pool, load, scored, targets
from training.metrics import calibration_error, figures

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """Sentences evaluated together, under a name for people."""

    name: str
    examples: list[Example]


def parts(examples: Sequence[Example], record: dict[str, Any]) -> list[Part]:
    """Cut data into what may be scored: held-out splits of files the model was trained on, other files whole.

    Args:
        examples: what was read.
        record: ``training.json`` of the model, ``{}`` where there is none.

    Raises:
        DataError: when nothing is left that the model was not trained on.
    """
    aside = unseen(record)
    found: dict[str, list[Example]] = {}
    for example in examples:
        split = aside(example)
        if split is not None:
            found.setdefault(f"{example.file} ({split} split)" if split else example.file, []).append(example)
    if not found:
        raise DataError("every sentence of the data was used in training this model: there is nothing to evaluate on")
    return [Part(name, rows) for name, rows in found.items()]


def record_of(directory: ModelDirectory) -> dict[str, Any]:
    """``training.json`` of a model directory, ``{}`` where there is none.

    Raises:
        ModelDirectoryError: when it is damaged.
    """
    path = directory.path / "training.json"
    try:
        loaded = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise ModelDirectoryError(f"{path} cannot be read ({error}): take it from where the model came from") from None
    if not isinstance(loaded, dict):
        raise ModelDirectoryError(f"{path} does not hold a JSON object: take it from where the model came from")
    return loaded


def unseen(record: dict[str, Any]) -> Callable[[Example], str | None]:
    """Tells of a sentence what a model has to do with it.

    Args:
        record: ``training.json`` of the model, ``{}`` where there is none; an earlier run in it that does not say what it kept aside
            kept the same.

    Returns:
        a function: the split in which the run, and those before it that it continues, kept the sentence aside; ``""`` for one of a
        file that none of them read; None for one that was trained on.
    """
    kept = {"held_out": record.get("held_out", {})}
    runs = [(set(run.get("data", {})), _held_out(kept | run)) for run in (record, *record.get("before", []))]

    def split(example: Example) -> str | None:
        name = ""
        for files, held_out in runs:
            if example.file in files:
                found = held_out.get((example.file, example.id))
                if found is None:
                    return None
                name = name or found
        return name

    return split


def training_examples(record: dict[str, Any], examples: Sequence[Example]) -> list[Example]:
    """The rows of ``examples`` that the recorded run trained on, validation included."""
    held_out = _held_out(record)
    return [e for e in examples if e.file in record["data"] and (e.file, e.id) not in held_out]


def _held_out(record: dict[str, Any]) -> dict[tuple[str, str], str]:
    """The split of every sentence the recorded run kept aside, by file and id."""
    files = ((split, file, ids) for split, held in record.get("held_out", {}).items() for file, ids in held.items())
    return {(file, identity): split for split, file, ids in files for identity in ids}


def evaluate(
    model: Path | None,
    data: Sequence[Path],
    pool: Sequence[Path] = (),
    train_data: Sequence[Path] = (),
    keywords: Path | None = None,
    resamples: int = 1000,
    probe: bool = False,
    layout: Layout | None = None,
) -> dict[str, Any]:
    """Score a model directory and the baselines.

    Args:
        model: model directory; None for the shipped one.
        data: labelled files or folders.
        pool: articles that labels without text were drawn from.
        train_data: what the model was trained on, for the TF-IDF baseline; where none of it was, that baseline is left out.
        keywords: the keyword list; None for the shipped one where its labels fit.
        resamples: bootstrap samples.
        probe: also ask the shipped probes, which are about the shipped labels.
        layout: what columns of tables mean, where that is not found.

    Returns:
        everything as plain JSON values: ``labels``, ``training``, ``parts`` (per part ``name``, ``rows``, ``disputed``,
        ``systems``, ``errors`` ...) and, where asked for, ``probes``.
    """
    classifier = Classifier.from_pretrained(model)
    scheme = classifier.scheme
    asked = probes.generate(resource("configs/probes.yaml"), resource("configs/actors.yaml")) if probe else []
    # Before the long work, because the probes are of no use to a model of other labels.
    probed = probes.run(classifier, asked)
    joined = Pool(pool) if pool else None
    loaded = load(data, scheme, joined, layout)
    if loaded.without_text:
        logger.warning("%d labels of real sentences were left out: their articles are not in the pool", loaded.without_text)
    record = record_of(classifier.directory)
    baseline: TfidfLogistic | None = None
    if train_data and record:
        rows = training_examples(record, load(train_data, scheme, joined, layout).examples)
        if rows:
            baseline = TfidfLogistic().fit([e.text for e in rows], targets(rows, scheme))
    if baseline is None:
        logger.warning("no TF-IDF baseline: no sentence here is on record as what the model was trained on (--train-data)")
    result = measure(classifier, parts(loaded.examples, record), record, keywords, baseline, resamples)
    if probe:
        result["probes"] = [asdict(one) for one in probed]
    return result


def measure(
    classifier: Classifier,
    sentences: Sequence[Part],
    record: dict[str, Any],
    keywords: Path | None = None,
    baseline: TfidfLogistic | None = None,
    resamples: int = 1000,
) -> dict[str, Any]:
    """What :func:`evaluate` returns, for sentences at hand; ``record`` is the model's ``training.json``."""
    scheme = classifier.scheme
    words = Keywords(keywords or resource("configs/keywords.yaml"), scheme)
    result: dict[str, Any] = {"labels": scheme.ids, "training": record, "parts": []}
    for part in sentences:
        texts = [e.text for e in part.examples]
        predictions = classifier.predict(texts, [e.context for e in part.examples])
        scores = np.asarray([[p.scores[label] for label in scheme.ids] for p in predictions])
        answers = [{label for labels in p.labels.values() for label in labels} for p in predictions]
        given = np.asarray([[label in answer for label in scheme.ids] for answer in answers])
        systems = {"model": given}
        if words.covers_any:
            systems["keywords"] = words.predict(texts)
        if baseline is not None:
            systems["tfidf"] = baseline.predict(texts)
        wanted = np.nan_to_num(targets(part.examples, scheme)) > 0.5
        mask = scored(part.examples, scheme)
        units = [e.group for e in part.examples]
        known = ~np.isnan(targets(part.examples, scheme))
        mistakes = errors.count(scores, wanted, known, units, scheme, classifier.directory.decisions)
        result["parts"].append(
            {
                "name": part.name,
                "real": all(e.real for e in part.examples),
                "rows": len(texts),
                "documents": len(set(units)),
                "disputed": int((known & ~mask).sum()),
                "systems": {name: figures(flags, wanted, mask, scheme, units, resamples).as_dict() for name, flags in systems.items()},
                # The same with every adjudicated label counted, disputed or not.
                "model_with_disputed": figures(given, wanted, known, scheme, units, resamples).as_dict()["groups"],
                "curves": _curves(scores, wanted, mask, scheme),
                "calibration": _calibration(scores, wanted, mask, scheme),
                "precise": _precise(scores, wanted, mask, scheme, classifier.directory.decisions),
                "review": _review(scores, given, wanted, mask, scheme, classifier.directory.decisions),
                "errors": mistakes,
                "wrong": _wrong(part.examples, given, wanted, mask, scheme),
            }
        )
    return result


def macro_figures(result: dict[str, Any], scheme: LabelScheme) -> dict[str, dict[str, float]]:
    """Macro-F1 of the model by part and group, from what :func:`measure` returned, where a label of the group has a sentence."""
    found = {}
    for part in result["parts"]:
        rows = {group.id: (part["systems"]["model"]["groups"][group.id], len(group.labels)) for group in scheme.groups}
        found[part["name"]] = {group: row["macro_f1"][0] for group, (row, size) in rows.items() if len(row["without_support"]) < size}
    return found


def _curves(scores: NDArray[Any], wanted: NDArray[Any], mask: NDArray[Any], scheme: LabelScheme) -> dict[str, Any]:
    from sklearn.metrics import average_precision_score, precision_recall_curve

    curves: dict[str, Any] = {}
    for i, label in enumerate(scheme.ids):
        truth, values = wanted[mask[:, i], i], scores[mask[:, i], i]
        if truth.any():
            precision, recall, _ = precision_recall_curve(truth, values)
            step = max(1, len(precision) // 100)
            curves[label] = {
                "average_precision": round(float(average_precision_score(truth, values)), 4),
                "precision": [round(float(p), 4) for p in precision[::step]],
                "recall": [round(float(r), 4) for r in recall[::step]],
            }
    return curves


def _calibration(scores: NDArray[Any], wanted: NDArray[Any], mask: NDArray[Any], scheme: LabelScheme) -> dict[str, Any]:
    """Per label the expected calibration error, the same among scores from 0.1 up, and the reliability diagram's bins."""
    result: dict[str, Any] = {}
    for i, label in enumerate(scheme.ids):
        values, truth = scores[mask[:, i], i], wanted[mask[:, i], i]
        error, bins = calibration_error(values, truth)
        # Nearly all scores of a rare label are near nought, and right: they hide what happens above.
        above, _ = calibration_error(values[values >= 0.1], truth[values >= 0.1])
        result[label] = {
            "error": round(error, 4) if len(values) else None,
            "error_from_0.1": round(above, 4) if (values >= 0.1).any() else None,
            "bins": [[round(mean, 4), round(share, 4), size] for mean, share, size in bins],
        }
    return result


def _precise(
    scores: NDArray[Any], wanted: NDArray[Any], mask: NDArray[Any], scheme: LabelScheme, decisions: Decisions
) -> dict[str, dict[str, float | int]]:
    """Per label what the profile ``precise`` gives, how much of it is right, and how much of the truth it finds."""
    given = decide(scores, scheme, decisions.profile("precise", scheme)) & mask
    result: dict[str, dict[str, float | int]] = {}
    for i, label in enumerate(scheme.ids):
        right, answered, true = int((given & wanted)[:, i].sum()), int(given[:, i].sum()), int((wanted & mask)[:, i].sum())
        result[label] = {
            "given": answered,
            "precision": round(right / answered, 4) if answered else 0.0,
            "recall": round(right / true, 4) if true else 0.0,
        }
    return result


def _review(
    scores: NDArray[Any], given: NDArray[Any], wanted: NDArray[Any], mask: NDArray[Any], scheme: LabelScheme, decisions: Decisions
) -> dict[str, float]:
    """Which share of the sentences is marked for review, and which share of all mistakes the marks cover."""
    marked = np.asarray([[decisions.to_review(label, score) for label, score in zip(scheme.ids, row, strict=True)] for row in scores])
    wrong = (given != wanted) & mask
    return {
        "sentences": round(float(marked.any(axis=1).mean()), 4),
        "mistakes": round(float(wrong[marked].sum() / max(1, wrong.sum())), 4),
    }


def _wrong(
    examples: Sequence[Example], given: NDArray[Any], wanted: NDArray[Any], mask: NDArray[Any], scheme: LabelScheme
) -> list[dict[str, Any]]:
    """Which rows went wrong and how, by id and without their text, which may not be ours to repeat."""
    rows = []
    for example, answer, truth, counted in zip(examples, given, wanted, mask, strict=True):
        extra = [scheme.ids[i] for i in np.flatnonzero(answer & ~truth & counted)]
        missed = [scheme.ids[i] for i in np.flatnonzero(truth & ~answer & counted)]
        if extra or missed:
            rows.append({"id": example.id, "file": example.file, "extra": extra, "missed": missed})
    return rows


def _reliability(calibration: dict[str, Any]) -> list[str]:
    """The reliability diagram as lines of Markdown: of the sentences with such a score, what share carries the label."""
    heads = [f"{low / 10:g}-{high / 10:g}" for low, high in pairwise(SCORES)]
    lines = ["| of those scored | " + " | ".join(heads) + " |", "|---|" + "--:|" * len(heads)]
    for label, values in calibration.items():
        cells = []
        for low, high in pairwise(SCORES):
            inside = [(share, size) for mean, share, size in values["bins"] if low <= min(int(mean * 10), 9) < high]
            size = sum(size for _, size in inside)
            cells.append(f"{sum(share * size for share, size in inside) / size:.0%} of {size}" if size else "-")
        lines.append("| " + " | ".join([label, *cells]) + " |")
    return lines


# Tenths, where the columns of the reliability table begin and end: few scores lie in the middle.
SCORES = (0, 1, 3, 5, 7, 9, 10)
SYSTEMS = {"model": "this model", "tfidf": "TF-IDF + logistic regression", "keywords": "keyword list"}


def markdown(result: dict[str, Any]) -> str:
    """The evaluation for people."""
    lines: list[str] = []
    for part in result["parts"]:
        systems = [name for name in SYSTEMS if name in part["systems"]]
        lines += [f"### {part['name']}: {part['rows']} sentences, {part['documents']} documents", ""]
        if part["disputed"]:
            lines += [f"{part['disputed']} labels on which two readers differed are left out of scoring.", ""]
        lines += ["| | " + " | ".join(SYSTEMS[name] for name in systems) + " |", "|---|" + "--:|" * len(systems)]
        for group, values in part["systems"]["model"]["groups"].items():
            for kind in ("macro_f1", "micro_f1"):
                cells = [_cell(part["systems"][name]["groups"][group][kind]) for name in systems]
                lines.append(f"| {group} {kind.replace('_f1', '-F1')} | " + " | ".join(cells) + " |")
            if values["without_support"]:
                left_out = ", ".join(values["without_support"])
                lines.append(f"| *{group} macro leaves out {left_out}: no such sentence here* |" + " |" * len(systems))
        lines.append("| exact match | " + " | ".join(_cell(part["systems"][name]["exact_match"]) for name in systems) + " |")
        columns = ["label", "support", "precision", "recall", "F1", *(f"F1 {SYSTEMS[name]}" for name in systems[1:])]
        lines += ["", "| " + " | ".join(columns) + " |", "|---|" + "--:|" * (len(columns) - 1)]
        for label in result["labels"]:
            row = part["systems"]["model"]["labels"][label]
            # Without a sentence of the label there is nothing to find.
            there = row["support"] > 0
            others = [f"{part['systems'][name]['labels'][label]['f1'][0]:.3f}" if there else "-" for name in systems[1:]]
            figures_of = [_cell(row[kind]) if there else "-" for kind in ("precision", "recall", "f1")]
            lines.append("| " + " | ".join([label, str(row["support"]), *figures_of, *others]) + " |")
        lines += ["", "| label | calibration error | from 0.1 up | `precise`: given | precision | recall |", "|---|--:|--:|--:|--:|--:|"]
        for label in result["labels"]:
            error, precise = part["calibration"][label], part["precise"][label]
            cells = ["-" if error[key] is None else f"{error[key]:.3f}" for key in ("error", "error_from_0.1")]
            supported = part["systems"]["model"]["labels"][label]["support"] > 0
            cells += [str(precise["given"]), f"{precise['precision']:.3f}" if precise["given"] else "-"]
            cells.append(f"{precise['recall']:.3f}" if supported else "-")
            lines.append("| " + " | ".join([label, *cells]) + " |")
        lines += ["", *_reliability(part["calibration"])]
        review = part["review"]
        lines += [
            "",
            f"Marked for review: {review['sentences']:.1%} of the sentences, holding {review['mistakes']:.1%} of the mistakes.",
            "",
        ]
    lines.append("Brackets: bootstrap 95 % intervals, whole documents drawn with replacement.")
    if "probes" in result:
        lines += ["", "### Probes: sentences whose right answer follows from how they were made", ""]
        lines += probes.report([probes.Result(**one) for one in result["probes"]])
    return "\n".join(lines) + "\n"


def _cell(value: list[float]) -> str:
    return f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"


def write(result: dict[str, Any], folder: Path) -> None:
    """Write ``evaluation.json``, ``evaluation.md`` and pictures: confusion, precision and recall, reliability."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ClassifyError(f"cannot write to the folder {folder}: {error.strerror or error}") from None
    with replacing(folder / "evaluation.json") as stream:
        json.dump(result, stream, indent=1, ensure_ascii=False)
    with replacing(folder / "evaluation.md") as stream:
        stream.write(markdown(result))
    _draw(result, folder)


def _draw(result: dict[str, Any], folder: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = result["parts"]
    figure, axes = pyplot.subplots(1, len(shown), figsize=(5.5 * len(shown), 4.5), squeeze=False, layout="constrained")
    for axis, part in zip(axes[0], shown, strict=True):
        for label, curve in part["curves"].items():
            axis.plot(curve["recall"], curve["precision"], label=f"{label} (AP {curve['average_precision']:.2f})")
        axis.set(title=part["name"], xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
        axis.legend(fontsize="small", loc="lower left")
    figure.savefig(folder / "precision_recall.png", dpi=100)
    pyplot.close(figure)

    figure, axes = pyplot.subplots(1, len(shown), figsize=(5.5 * len(shown), 4.5), squeeze=False, layout="constrained")
    for axis, part in zip(axes[0], shown, strict=True):
        matrix = []
        for label in result["labels"]:
            row = part["systems"]["model"]["labels"][label]
            right = round(row["recall"][0] * row["support"])
            matrix.append([right, row["support"] - right, row["predicted"] - right])
        axis.imshow(np.asarray(matrix, dtype=float) / np.maximum(1, np.asarray(matrix).max()), cmap="Blues", aspect="auto")
        for i, values in enumerate(matrix):
            for j, value in enumerate(values):
                axis.text(j, i, str(value), ha="center", va="center")
        axis.set_xticks(range(3), ["right", "missed", "extra"])
        axis.set_yticks(range(len(matrix)), result["labels"])
        axis.set_title(part["name"])
    figure.savefig(folder / "confusion.png", dpi=100)
    pyplot.close(figure)

    draw_reliability(result, folder / "reliability.png")


def draw_reliability(result: dict[str, Any], path: Path, width: float = 5.5, dpi: int = 100) -> None:
    """Draw for every label what share of each tenth of its scores is right, a panel for every set of sentences.

    Args:
        result: what :func:`evaluate` returned.
        path: the PNG to write.
        width: of a panel, in inches.
        dpi: pixels an inch.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.colors import to_rgb
    from PIL import Image

    shown = result["parts"]
    figure, axes = pyplot.subplots(1, len(shown), figsize=(width * len(shown), 0.82 * width), squeeze=False, layout="constrained")
    for axis, part in zip(axes[0], shown, strict=True):
        axis.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
        for label, values in part["calibration"].items():
            # A bin of two or three sentences shows chance.
            points = [(mean, share) for mean, share, size in values["bins"] if size >= 5]
            if points:
                axis.plot(*zip(*points, strict=True), marker="o", markersize=3, label=f"{label} ({values['error'] or 0:.3f})")
        axis.set(xlabel="score", ylabel="share that is right", xlim=(0, 1.02), ylim=(0, 1.02))
        axis.set_title(part["name"], fontsize="medium")
        # A few sentences fill no bin, and the library would warn of a legend about nothing.
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize="x-small", loc="upper left")
    drawn = BytesIO()
    figure.savefig(drawn, dpi=dpi, format="png")
    pyplot.close(figure)
    # The lines' colours with their halves towards white, and greys: a quarter of the room.
    lines = [[round(255 * one) for one in to_rgb(colour)] for colour in pyplot.rcParams["axes.prop_cycle"].by_key()["color"]]
    colours = [[grey] * 3 for grey in (255, 191, 128, 64, 0)] + lines + [[(one + 255) // 2 for one in line] for line in lines]
    palette = Image.new("P", (1, 1))
    palette.putpalette([one for colour in colours for one in colour])
    with replacing(path) as stream:
        Image.open(drawn).convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE).save(stream.buffer, "PNG", optimize=True)
