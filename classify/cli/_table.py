"""Options that tell what the columns of a table mean, for every command that reads labelled sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

TextColumn = Annotated[Optional[str], typer.Option(help="Column with the sentences, where its name does not tell.")]
LabelColumns = Annotated[
    Optional[list[str]],
    typer.Option(help="Columns with labels, comma-separated; COLUMN=GROUP or COLUMN=LABEL where the name does not tell."),
]
ContextColumn = Annotated[Optional[str], typer.Option(help="Column with the sentence before.")]
GroupColumn = Annotated[Optional[str], typer.Option(help="Column with the document; its sentences stay on one side of a split.")]
Separator = Annotated[Optional[str], typer.Option(help="What stands between the labels of one cell; found by itself otherwise.")]
Sheet = Annotated[Optional[str], typer.Option(help="Sheet of a workbook; by default the first that is not empty.")]
Blank = Annotated[Optional[str], typer.Option(help="What a blank cell says: unknown (default), or none, that no label fits.")]
RejectedFile = Annotated[Optional[Path], typer.Option("--rejected", help="List every row that cannot be used in this CSV file.")]


def table_flags(
    text_column: str | None,
    label_columns: list[str] | None,
    context_column: str | None,
    group_column: str | None,
    separator: str | None,
    sheet: str | None,
    blank: str | None,
) -> dict[str, Any]:
    """The flags that were given, as the block ``table`` of the settings."""
    flags = {
        "text_column": text_column, "label_columns": tuple(label_columns or ()) or None, "context_column": context_column,
        "group_column": group_column, "separator": separator, "sheet": sheet, "blank": blank,
    }  # fmt: skip
    return {key: value for key, value in flags.items() if value is not None}
