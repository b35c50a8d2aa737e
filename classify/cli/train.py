"""``classify train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def train(
    config: Annotated[Optional[Path], typer.Option(help="Recipe (YAML); flags win over it.")] = None,
    data: Annotated[Optional[list[Path]], typer.Option(help="Labelled file or folder; may be given again.")] = None,
    labels: Annotated[Optional[Path], typer.Option(help="Label scheme (labels.yaml); by default the shipped one.")] = None,
    base: Annotated[Optional[str], typer.Option(help="Model directory or hub id of any BERT-family checkpoint.")] = None,
    output: Annotated[Optional[Path], typer.Option(help="Model directory to write.")] = None,
    pool: Annotated[Optional[list[Path]], typer.Option(help="Articles that labels without text were drawn from.")] = None,
    seed: Annotated[Optional[int], typer.Option(help="Seed of everything random but the splits.")] = None,
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
    export: Annotated[Optional[bool], typer.Option(help="Write the graph that predicting reads.")] = None,
    search: Annotated[Optional[int], typer.Option(help="Look for better settings first, in so many trials.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Fine-tune a BERT-family model on labelled sentences and write a complete model directory."""
    from classify.cli._extras import need_training, quiet_libraries

    need_training("training")
    quiet_libraries()
    from training import processes
    from training.finetune import TrainSettings
    from training.finetune import train as run
    from training.settings import load

    flags = {
        "data": data, "labels": labels, "base": base, "output": output, "pool": pool, "seed": seed, "epochs": epochs,
        "batch_size": batch_size, "learning_rate": learning_rate, "folds": folds, "context": context, "compact": compact,
        "soft_labels": soft_labels,
        "distillation_weight": distillation_weight, "unlabelled": unlabelled, "export": export, "search": search,
    }  # fmt: skip
    processes.await_first()
    settings = load(TrainSettings, config, flags)
    processes.release()
    written = run(settings, quiet=quiet)
    if processes.first():
        typer.echo(f"wrote {written}; now  classify evaluate --model {written} --data ...")
    processes.leave()
