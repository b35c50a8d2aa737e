"""The model card, generated from what was measured."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from classify.labels import LabelScheme
from classify.modeldir import ModelDirectory
from classify.resources import resource
from classify.writers import replacing
from training.diff import table
from training.evaluate import draw_reliability, macro_figures, markdown

SHIPPED = "indonews-classify"
SHIPPED_DATA = ("sentences.jsonl", "news_labels.jsonl")
CONTEXT = {
    True: "It reads each sentence with the one before it, no further back: a quotation whose speaker stands earlier may lose its stance.",
    False: "It reads one sentence at a time: a quotation whose speaker stands in the sentence before may lose its stance.",
}
NOTHING_ASIDE = (
    "No sentence was kept aside to judge this model by: `classify evaluate --model ... --data ...` on sentences it has not seen.\n"
)
PICTURE = "reliability.png"
PROSE = Path(__file__).with_name("card.md")


def card(result: dict[str, Any], directory: ModelDirectory, name: str = "", picture: str = PICTURE) -> str:
    """The card as Markdown with a YAML header.

    Args:
        result: what :func:`training.evaluate.evaluate` returned.
        directory: the model it was run on.
        name: what a model that is not the shipped one is called; by default as its directory.
        picture: where the card finds the reliability diagram.
    """
    template = PROSE.read_text(encoding="utf-8")
    record = result["training"]
    pretraining = directory.path / "pretrain.json"
    base = json.loads(pretraining.read_text(encoding="utf-8")) if pretraining.exists() else None
    # What is told of the shipped model's making is true of no other.
    shipped = (
        base is not None
        and set(SHIPPED_DATA) <= set(record.get("data", {}))
        and directory.scheme.ids == LabelScheme.load(resource("configs/labels.yaml")).ids
    )
    name = SHIPPED if shipped else name or directory.path.resolve().name
    values = {
        "header": _header(result, directory.scheme, name, shipped),
        "name": name,
        "groups": ", ".join(f"{len(group.labels)} labels of {group.id}" for group in directory.scheme.groups),
        "labels": _labels(directory.scheme, directory),
        "evaluation": _evaluation(result, picture) if result["parts"] else NOTHING_ASIDE,
        "against_base": _against_base(record),
        "training": _training(record),
        "pretraining": _pretraining(base),
        "parameters": _parameters(directory.config),
        "context": CONTEXT[directory.decisions.context],
    }
    template = re.sub(r"{{#shipped}}\n(.*?){{/shipped}}\n", r"\1" if shipped else "", template, flags=re.DOTALL)
    template = re.sub(r"{{\^shipped}}\n(.*?){{/shipped}}\n", "" if shipped else r"\1", template, flags=re.DOTALL)
    for key, value in values.items():
        template = template.replace("{{" + key + "}}", value)
    return template


def _evaluation(result: dict[str, Any], picture: str) -> str:
    what = "For every label what share of each tenth of its scores is right, beside the diagonal"
    return markdown(result).replace("### ", "#### ") + f"\n![{what}]({picture})\n"


def _against_base(record: dict[str, Any]) -> str:
    labels = {name: row for name, row in record.get("figures", {}).get("against_base", {}).items() if row["support"]}
    if not labels:
        return ""
    head = f"Beside the model it continues, on the sentences kept aside that neither was trained on ({record['base']['name']} first):"
    return "\n".join(["", head, "", *table(labels, record["base"]["name"], "this model"), ""])


def _parameters(config: dict[str, Any]) -> str:
    hidden, layers, inner = (int(config.get(key, 0)) for key in ("hidden_size", "num_hidden_layers", "intermediate_size"))
    pieces, positions = (int(config.get(key, 0)) for key in ("vocab_size", "max_position_embeddings"))
    total = (pieces + positions) * hidden + layers * (4 * hidden * hidden + 2 * hidden * inner)
    return f"{layers} layers of {hidden}, {pieces:,} word pieces, {total / 1e6:.0f} million parameters"


def _header(result: dict[str, Any], scheme: LabelScheme, name: str, shipped: bool) -> str:
    lines = ["---", "language: id", *(["license: apache-2.0"] if shipped else []), "library_name: transformers"]
    lines += ["pipeline_tag: text-classification", f"tags: [news, multi-label, {'stance, topic, ' if shipped else ''}onnx]"]
    if not result["parts"]:
        return "\n".join([*lines, "---"])
    lines += ["model-index:", f"- name: {json.dumps(name, ensure_ascii=False) if not shipped else name}", "  results:"]
    for part, groups in macro_figures(result, scheme).items():
        lines += ["  - task: {type: text-classification, name: multi-label sentence classification}",
                  f"    dataset: {{type: json, name: '{part}'}}", "    metrics:" if groups else "    metrics: []"]  # fmt: skip
        lines += [f"    - {{type: f1, name: '{group} macro-F1', value: {value:.4f}}}" for group, value in groups.items()]
    return "\n".join([*lines, "---"])


def _labels(scheme: LabelScheme, directory: ModelDirectory) -> str:
    lines = ["| group | label | Indonesian | means | threshold |", "|---|---|---|---|--:|"]
    for group in scheme.groups:
        for label in group.labels:
            threshold = "-" if group.exclusive else f"{directory.decisions.threshold(label.id):.2f}"
            definition = label.definition.get("en", "")
            lines.append(f"| {group.id} | `{label.id}` | {label.names.get('id', '')} | {definition} | {threshold} |")
    return "\n".join(lines)


def _training(record: dict[str, Any]) -> str:
    if not record:
        return "No record of the training run travels with this model."
    settings = record["settings"]
    sentences = ", ".join(f"{count} {side}" for side, count in record["sentences"].items() if count)
    # Older records lack some of them.
    wanted = ("epochs", "batch_size", "learning_rate", "loss", "weighting", "context", "folds", "compact", "seed")
    shown = [key for key in wanted if key in settings]
    lines = [
        f"Sentences: {sentences}. Base: `{record['base']['name']}`"
        + (f" (SHA-256 `{record['base']['sha256'][:16]}...`)." if "sha256" in record["base"] else "."),
        "Settings: " + ", ".join(f"{key} {settings[key]}" for key in shown) + ".",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in record["versions"].items()) + ".",
    ]
    taught = record["figures"].get("taught")
    if taught:
        weight = settings["distillation_weight"]
        lines.append(
            f"Soft labels of larger models (`{settings['soft_labels']}`; Hinton et al. 2015) stand beside the labels of "
            f"{taught['labelled']:,} sentences with a weight of {weight:g}, and alone for {taught['unlabelled']:,}."
            + (f" On {taught['overruled']:,} they contradicted a label, which was then learnt alone." if taught.get("overruled") else "")
        )
    seeds = record["figures"].get("seeds")
    if seeds:
        each = ", ".join(f"{one['validation_macro_f1']:.3f} ({one['seed']})" for one in seeds)
        lines.append(
            f"The weights are the mean of {len(seeds)} runs by seed (Wortsman et al. 2022). Macro-F1 on the validation split, at a "
            f"threshold of 0.5: {each}; together, before calibration, {record['figures']['validation_macro_f1']:.3f}."
        )
    folds = record["figures"].get("fold_macro_f1")
    if folds:
        lines.append(f"Macro-F1 in the folds, at a threshold of 0.5: {', '.join(f'{value:.3f}' for value in folds)}.")
    together = record["figures"].get("cross_validated_macro_f1")
    if together is not None:
        lines.append(
            f"Trained by the recipe for few labels: no sentence was kept aside. In {settings['folds']} folds of its own sentences, at a "
            f"threshold of 0.5, macro-F1 was {together:.3f}: with so few a rough figure."
        )
    return "\n\n".join(lines)


def _pretraining(base: dict[str, Any] | None) -> str:
    if base is None:
        return "No record of the pre-training run travels with this model."
    before, after = base["figures"]["before"], base["figures"]["after"]
    machine = base["machine"]
    where = f"{machine.get('processes', 1)} {machine['name']}" if machine.get("name") else f"{machine['threads']} CPU threads"
    text = (
        f"{base['tokens'] / 1e6:.1f} million tokens in {base['seconds'] / 60:.0f} minutes on {where} ({machine['precision']}). "
        f"Held-out masked-word loss "
        f"{before['validation_mlm']:.2f} before and {after['validation_mlm']:.2f} after; accuracy "
        f"{before['validation_accuracy']:.1%} and {after['validation_accuracy']:.1%}."
    )
    if "validation_word" in after:
        text += (
            f" Share of the variance of the teacher's word states that the model misses on held-out text: {after['validation_word']:.2f} "
            f"in the last layer, {after['validation_inner']:.2f} in the others ({before['validation_word']:.2f} and "
            f"{before['validation_inner']:.2f} before training)."
        )
    if "retrieval" in after:
        text += (
            f" 500 unseen sentences that find their English translation among 500: {before['retrieval']:.1%} before training, "
            f"{after['retrieval']:.1%} after."
        )
    return text


def write_card(result: dict[str, Any], directory: ModelDirectory, path: Path | None = None, name: str = "") -> None:
    """Write the card to ``path`` and as ``README.md`` into the model directory, beside its picture; ``name`` as in :func:`card`."""
    picture = directory.path / PICTURE
    if result["parts"]:
        draw_reliability(result, picture, width=4, dpi=64)
    for target in ([path] if path else []) + [directory.path / "README.md"]:
        with replacing(target) as stream:
            stream.write(card(result, directory, name, _link(picture.resolve(), target.parent.resolve())))


def _link(target: Path, folder: Path) -> str:
    """A link to ``target`` in a text that lies in ``folder``."""
    try:
        return quote(Path(os.path.relpath(target, folder)).as_posix())
    except ValueError:  # on another drive, of Windows
        return target.as_uri()
