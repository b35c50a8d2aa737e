"""``classify diff``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from classify.cli._table import Blank, ContextColumn, GroupColumn, LabelColumns, Separator, Sheet, TextColumn, table_flags


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Model directory before.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Model directory after.")],
    data: Annotated[list[Path], typer.Option(help="Labelled file or folder, in either model's labels; may be given again.")],
    pool: Annotated[Optional[list[Path]], typer.Option(help="Articles that labels without text were drawn from.")] = None,
    text_column: TextColumn = None,
    label_columns: LabelColumns = None,
    context_column: ContextColumn = None,
    group_column: GroupColumn = None,
    separator: Separator = None,
    sheet: Sheet = None,
    blank: Blank = None,
    format: Annotated[str, typer.Option(help="markdown or json.")] = "markdown",
    output: Annotated[Optional[Path], typer.Option(help="Write to this file instead of standard output.")] = None,
    max_drop: Annotated[
        Optional[float], typer.Option(min=0.0, max=1.0, help="Exit with 1 when the F1 of a label both have falls by more.")
    ] = None,
) -> None:
    """Compare two models label by label, and show the sentences that flipped; none that either was trained on."""
    import json

    from classify import writers
    from classify.cli._extras import need_training, quiet_libraries
    from classify.errors import SettingsError

    if format not in ("markdown", "json"):
        raise SettingsError(f"unknown format '{format}': choose one of markdown, json")
    need_training("comparing models")
    quiet_libraries()
    from training.columns import Layout
    from training.diff import compare_files, dropped, markdown, unjudged

    layout = Layout(**table_flags(text_column, label_columns, context_column, group_column, separator, sheet, blank))
    result = compare_files(old, new, data, pool or [], layout=layout)
    with writers.output(output) as stream:
        stream.write(markdown(result) if format == "markdown" else json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    if max_drop is not None and (silent := unjudged(result)):
        typer.echo(f"no sentence tells whether these fell: {', '.join(silent)}", err=True)
    lost = dropped(result, max_drop) if max_drop is not None else []
    if lost:
        falls = ", ".join(f"{name} ({result['labels'][name]['difference'][0]:+.3f})" for name in lost)
        typer.echo(f"F1 fell by more than {max_drop:g}: {falls}", err=True)
        raise typer.Exit(1)
