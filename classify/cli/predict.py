"""``classify predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from classify.errors import ClassifyError


def predict(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Text files, folders of .txt files, or - for standard input.")],
    format: Annotated[str, typer.Option(help="table, jsonl or csv.")] = "table",
    output: Annotated[Optional[Path], typer.Option(help="Write to this file instead of standard output.")] = None,
    model: Annotated[Optional[Path], typer.Option(help="Model directory; by default the shipped model.")] = None,
    all_scores: Annotated[bool, typer.Option("--all-scores", help="Give every label's score, not only of those given or close.")] = False,
    lines: Annotated[bool, typer.Option("--lines", help="The input has one sentence a line; do not split.")] = False,
    furniture: Annotated[bool, typer.Option("--furniture", help="Also give rows for page furniture, marked as such.")] = False,
    profile: Annotated[str, typer.Option(help="balanced (best F1) or precise (fewer labels, surer ones).")] = "balanced",
    threads: Annotated[Optional[int], typer.Option(min=1, help="Processor threads; by default all cores.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Sentences run through the network at once.")] = 16,
) -> None:
    """Classify every sentence of text files: topics and stances, each with its score."""
    from classify import writers
    from classify.classifier import Classifier
    from classify.predict import Options, rows
    from classify.progress import Progress

    if format not in writers.FORMATS:
        raise ClassifyError(f"unknown format '{format}': choose one of {', '.join(writers.FORMATS)}")
    classifier = Classifier.from_pretrained(model, threads=threads, profile=profile)
    options = Options(lines=lines, furniture=furniture, all_scores=all_scores, batch_size=batch_size)
    problems = 0

    def failed(error: ClassifyError) -> None:
        nonlocal problems
        problems += 1
        typer.echo(f"error: {error}", err=True)

    with Progress() as progress, writers.output(output) as stream:
        produced = rows(paths, classifier, options, failed, progress.document)
        written = writers.write_all(progress.count(produced), writers.FORMATS[format](stream, classifier.scheme))
        if problems and not written and output is not None:
            raise ClassifyError(f"nothing could be classified; {output} was left as it was")
    if problems:
        raise typer.Exit(2)
