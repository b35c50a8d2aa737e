"""``classify evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from classify.cli._table import Blank, ContextColumn, GroupColumn, LabelColumns, Separator, Sheet, TextColumn, table_flags


def evaluate(
    data: Annotated[list[Path], typer.Option(help="Labelled file or folder; may be given again.")],
    model: Annotated[Optional[Path], typer.Option(help="Model directory; by default the shipped model.")] = None,
    pool: Annotated[Optional[list[Path]], typer.Option(help="Articles that labels without text were drawn from.")] = None,
    train_data: Annotated[
        Optional[list[Path]], typer.Option(help="What the model was trained on, for the TF-IDF baseline; by default --data.")
    ] = None,
    text_column: TextColumn = None,
    label_columns: LabelColumns = None,
    context_column: ContextColumn = None,
    group_column: GroupColumn = None,
    separator: Separator = None,
    sheet: Sheet = None,
    blank: Blank = None,
    output: Annotated[Optional[Path], typer.Option(help="Folder for evaluation.json, evaluation.md and pictures.")] = None,
    probes: Annotated[bool, typer.Option("--probes", help="Also ask the probes: swapped speakers, negations, typos.")] = False,
    error_rates: Annotated[
        bool,
        typer.Option(
            "--error-rates", help="Also count the mistakes into the model's error_rates.json, by which `classify report` corrects shares."
        ),
    ] = False,
    card: Annotated[Optional[Path], typer.Option(help="Also write the model card here (and as README.md of the model).")] = None,
) -> None:
    """Score a model beside two baselines, with bootstrap intervals, on sentences it was not trained on."""
    from classify.cli._extras import need_training, quiet_libraries

    need_training("evaluating")
    quiet_libraries()
    from classify.modeldir import ModelDirectory
    from classify.writers import check_writable
    from training import errors
    from training import evaluate as evaluation
    from training.columns import Layout

    # What can be refused is refused before anything is evaluated.
    if output is not None:
        check_writable(output, folder=True)
    if card is not None:
        check_writable(card)
    for name in ["README.md"] * (card is not None) + ["error_rates.json"] * error_rates:
        check_writable(ModelDirectory.open(model).path / name)
    layout = Layout(**table_flags(text_column, label_columns, context_column, group_column, separator, sheet, blank))
    result = evaluation.evaluate(model, data, pool or [], train_data or data, probe=probes, layout=layout)
    typer.echo(evaluation.markdown(result))
    if output is not None:
        evaluation.write(result, output)
    if error_rates:
        errors.write(errors.pooled(result["parts"], result["training"]), ModelDirectory.open(model))
    if card is not None:
        from training.card import write_card

        write_card(result, ModelDirectory.open(model), card)
