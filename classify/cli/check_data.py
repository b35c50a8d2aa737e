"""``classify check-data``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def check_data(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="JSON Lines files of labelled sentences, or folders.")],
    labels: Annotated[Optional[Path], typer.Option(help="Label scheme; by default the shipped one.")] = None,
    pool: Annotated[Optional[list[Path]], typer.Option(help="Articles that labels without text were drawn from.")] = None,
    agreement: Annotated[bool, typer.Option("--agreement", help="Also print Krippendorff's alpha of the two readers.")] = False,
) -> None:
    """Find what a careful annotator would: unknown or conflicting labels, copies across splits, labels too rare."""
    from classify.cli._extras import need_training
    from classify.labels import LabelScheme
    from classify.resources import resource

    need_training("checking data")
    from training.checkdata import agreement as alpha_of
    from training.checkdata import check
    from training.dataset import Pool

    scheme = LabelScheme.load(labels or resource("configs/labels.yaml"))
    report = check(paths, scheme, Pool(pool) if pool else None)
    for finding in report.findings:
        typer.echo(str(finding))
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
