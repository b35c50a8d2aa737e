"""``classify pretrain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def pretrain(
    config: Annotated[Path, typer.Option(help="Recipe (YAML); flags win over it.")],
    corpus: Annotated[Optional[list[Path]], typer.Option(help="Text to learn from; may be given again.")] = None,
    parallel: Annotated[Optional[Path], typer.Option(help="English-Indonesian sentence pairs, tab separated.")] = None,
    dictionary: Annotated[Optional[Path], typer.Option(help="English-Indonesian word pairs, tab separated.")] = None,
    teacher: Annotated[Optional[Path], typer.Option(help="Directory of the encoder to start and distil from.")] = None,
    tokenizer: Annotated[Optional[Path], typer.Option(help="Directory whose vocabulary is kept; by default one is trained.")] = None,
    held_out: Annotated[Optional[list[Path]], typer.Option(help="Texts never to train on; may be given again.")] = None,
    output: Annotated[Optional[Path], typer.Option(help="Base model directory to write.")] = None,
    seed: Annotated[Optional[int], typer.Option(help="Seed of everything random.")] = None,
) -> None:
    """Pre-train a compact Indonesian BERT; an interrupted run resumes where it was."""
    from classify.cli._extras import need_training, quiet_libraries

    need_training("pre-training")
    quiet_libraries()
    from training.pretrain import PretrainSettings
    from training.pretrain import pretrain as run
    from training.settings import load

    flags = {
        "corpus": corpus, "parallel": parallel, "dictionary": dictionary, "teacher": teacher, "tokenizer": tokenizer,
        "held_out": held_out,
        "output": output, "seed": seed,
    }  # fmt: skip
    settings = load(PretrainSettings, config, flags)
    typer.echo(f"wrote {run(settings, typer.echo)}")
