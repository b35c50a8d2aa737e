"""``classify train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from classify.cli._table import (
    Blank,
    ContextColumn,
    GroupColumn,
    LabelColumns,
    RejectedFile,
    Separator,
    Sheet,
    TextColumn,
    table_flags,
)


def train(
    config: Annotated[Optional[Path], typer.Option(help="Recipe (YAML); flags win over it.")] = None,
    data: Annotated[Optional[list[Path]], typer.Option(help="Labelled file (CSV, XLSX, JSON ...) or folder; may be given again.")] = None,
    labels: Annotated[Optional[Path], typer.Option(help="Label scheme (labels.yaml); by default the shipped one.")] = None,
    base: Annotated[
        Optional[str], typer.Option(help="Hub id or directory of any BERT-family checkpoint; a trained model is continued.")
    ] = None,
    output: Annotated[Optional[Path], typer.Option(help="Model directory to write.")] = None,
    pool: Annotated[Optional[list[Path]], typer.Option(help="Articles that labels without text were drawn from.")] = None,
    text_column: TextColumn = None,
    label_columns: LabelColumns = None,
    context_column: ContextColumn = None,
    group_column: GroupColumn = None,
    separator: Separator = None,
    sheet: Sheet = None,
    blank: Blank = None,
    rejected: RejectedFile = None,
    seed: Annotated[Optional[int], typer.Option(help="Seed of everything random but the splits.")] = None,
    recipe: Annotated[
        Optional[str], typer.Option(help="full, few (for few labelled sentences) or auto, by how many there are (default).")
    ] = None,
    epochs: Annotated[Optional[int], typer.Option(help="At most so many passes over the data.")] = None,
    batch_size: Annotated[Optional[int], typer.Option(help="Sentences a step.")] = None,
    learning_rate: Annotated[Optional[float], typer.Option(help="Peak learning rate.")] = None,
    folds: Annotated[Optional[int], typer.Option(help="Cross-validation folds for thresholds and epochs; 0 for none.")] = None,
    context: Annotated[Optional[bool], typer.Option(help="Read the sentence before as second segment.")] = None,
    compact: Annotated[Optional[bool], typer.Option(help="Store weights as 8-bit integers.")] = None,
    soft_labels: Annotated[
        Optional[Path], typer.Option(help="What larger models made of the sentences (python -m training.distil).")
    ] = None,
    distillation_weight: Annotated[
        Optional[float], typer.Option(help="Weight of soft labels beside labels; 0 learns from labels alone.")
    ] = None,
    unlabelled: Annotated[
        Optional[bool], typer.Option(help="Also learn what the larger models made of the pool's sentences without labels.")
    ] = None,
    protect: Annotated[
        Optional[bool], typer.Option(help="When continuing a model, keep old labels that the data does not cover (default: yes).")
    ] = None,
    rehearse: Annotated[
        Optional[list[Path]], typer.Option(help="Data labelled with the continued model's labels, to be seen again; may be given again.")
    ] = None,
    rehearsal_share: Annotated[
        Optional[float], typer.Option(help="Share of the training sentences that are seen again; 0 for none.")
    ] = None,
    export: Annotated[Optional[bool], typer.Option(help="Write the graph that predicting reads.")] = None,
    search: Annotated[Optional[int], typer.Option(help="Look for better settings first, in so many trials.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Fine-tune a BERT-family model on labelled sentences and write a complete model directory."""
    import json

    from classify.cli._extras import need_training, quiet_libraries

    need_training("training")
    quiet_libraries()
    from training import processes
    from training.finetune import train as run
    from training.settings import load
    from training.train_settings import TrainSettings

    flags = {
        "data": data, "labels": labels, "base": base, "output": output, "pool": pool, "seed": seed, "recipe": recipe,
        "epochs": epochs,
        "batch_size": batch_size, "learning_rate": learning_rate, "folds": folds, "context": context, "compact": compact,
        "soft_labels": soft_labels,
        "table": table_flags(text_column, label_columns, context_column, group_column, separator, sheet, blank), "rejected": rejected,
        "distillation_weight": distillation_weight, "unlabelled": unlabelled, "export": export, "search": search,
        "protect": protect, "rehearse": rehearse, "rehearsal_share": rehearsal_share,
    }  # fmt: skip
    processes.await_first()
    settings = load(TrainSettings, config, flags)
    processes.release()
    written = run(settings, quiet=quiet)
    if not processes.first():
        processes.leave()
        return
    record = json.loads((written / "training.json").read_text(encoding="utf-8"))
    changed = record["figures"].get("against_base", {})
    if unjudged := [label for label, row in changed.items() if not row["support"]]:
        typer.echo(f"No sentence kept aside has {', '.join(unjudged)}: see  classify diff {settings.base} {written} --data ...")
    typer.echo(f"wrote {written}; now  classify evaluate --model {written} --data ...")
    processes.leave()
