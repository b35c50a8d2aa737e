"""``classify check-data``."""

from __future__ import annotations

from collections import Counter
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


def check_data(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Labelled sentences (CSV, TSV, XLSX, JSON, JSON Lines), or folders.")
    ],
    labels: Annotated[Optional[Path], typer.Option(help="Label scheme; by default the shipped one.")] = None,
    pool: Annotated[Optional[list[Path]], typer.Option(help="Articles that labels without text were drawn from.")] = None,
    text_column: TextColumn = None,
    label_columns: LabelColumns = None,
    context_column: ContextColumn = None,
    group_column: GroupColumn = None,
    separator: Separator = None,
    sheet: Sheet = None,
    blank: Blank = None,
    rejected: RejectedFile = None,
    agreement: Annotated[bool, typer.Option("--agreement", help="Also print Krippendorff's alpha of the two readers.")] = False,
) -> None:
    """Find what a careful annotator would: unknown or conflicting labels, copies across splits, labels too rare."""
    from classify.cli._extras import need_training
    from classify.labels import LabelScheme
    from classify.resources import resource

    need_training("checking data")
    from training.checkdata import agreement as alpha_of
    from training.checkdata import check
    from training.columns import Layout
    from training.dataset import SHOWN, Pool, write_rejected

    flags = table_flags(text_column, label_columns, context_column, group_column, separator, sheet, blank)
    layout = Layout(**flags)
    scheme = LabelScheme.load(labels or resource("configs/labels.yaml"))
    report = check(paths, scheme, Pool(pool) if pool else None, layout)
    for file in report.files:
        if file.columns:
            typer.echo(file.columns)
    lost = {one.where: str(file.path) for file in report.files for one in file.rejected}
    seen: Counter[str] = Counter()
    for finding in report.findings:
        # A broken file would bury what was found in the others.
        name = lost.get(finding.where, "") if finding.error else ""
        seen[name] += 1
        if not name or seen[name] <= SHOWN:
            typer.echo(str(finding))
    for file in report.files:
        if len(file.rejected) > SHOWN:
            typer.echo(f"{file.path}: {len(file.rejected) - SHOWN} more rows cannot be used (--rejected FILE lists all)")
        if file.broken:
            typer.echo(f"{file.path}: {file.lost} of {file.size} rows cannot be used; above 1 % nothing is trained")
    if rejected is not None:
        write_rejected(rejected, [one for file in report.files for one in file.rejected])
    table = report.counts(scheme)
    splits = sorted({split for row in table.values() for split in row})
    typer.echo("".join([f"{'label':<24}", *(f"{split:>14}" for split in splits)]))
    for label, row in table.items():
        typer.echo("".join([f"{label:<24}", *(f"{row.get(split, 0):>14}" for split in splits)]))
    if agreement:
        twice = sum(example.read_twice for example in report.examples)
        typer.echo(f"{'two readers':<24}{'given':>14}{'alpha':>14}   ({twice} sentences)")
        for label, (count, alpha) in alpha_of(report.examples, scheme).items():
            typer.echo(f"{label:<24}{count:>14}{alpha:>14.3f}")
    if report.without_text:
        typer.echo(f"{report.without_text} labels of real sentences not checked: give the articles with --pool")
    errors = sum(finding.error for finding in report.findings)
    typer.echo(f"{errors} errors, {len(report.findings) - errors} warnings")
    if report.failed:
        raise typer.Exit(1)
