"""``classify suggest``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from classify.errors import ClassifyError


def suggest(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files and folders as for predict, or - for standard input.")],
    count: Annotated[int, typer.Option(min=1, help="How many sentences to choose.")] = 200,
    model: Annotated[Optional[Path], typer.Option(help="Model directory; by default the shipped model.")] = None,
    exclude: Annotated[
        Optional[list[Path]],
        typer.Option(help="Labelled data (.jsonl, .csv, .tsv, Label Studio .json) or a folder of it, never chosen again; may be repeated."),
    ] = None,
    format: Annotated[str, typer.Option(help="csv, jsonl, label-studio or doccano.")] = "csv",
    output: Annotated[Optional[Path], typer.Option(help="Write to this file instead of standard output.")] = None,
    label_config: Annotated[
        Optional[Path],
        typer.Option(help="Where Label Studio's labelling configuration goes; by default beside --output, as .xml."),
    ] = None,
    strategy: Annotated[str, typer.Option(help="How to choose; what there is beside hybrid is listed in docs/retraining.md.")] = "hybrid",
    lines: Annotated[bool, typer.Option("--lines", help="The input has one sentence a line; do not split.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of what is drawn at random.")] = 13,
    threads: Annotated[Optional[int], typer.Option(min=1, help="Processor threads; by default all cores.")] = None,
    batch_size: Annotated[Optional[int], typer.Option(min=1, help="Sentences run at once; by default those of one length.")] = None,
) -> None:
    """Choose the sentences whose labels would teach a model most, with its own answers filled in for correction."""
    from contextlib import ExitStack

    from classify import suggest as active
    from classify import tasks, writers
    from classify.classifier import Classifier
    from classify.predict import Options
    from classify.progress import Progress

    # All that can be refused is refused before the model reads anything.
    if format not in tasks.FORMATS:
        raise ClassifyError(f"unknown format '{format}': choose one of {', '.join(tasks.FORMATS)}")
    active.known_strategy(strategy)
    if label_config is not None and format != "label-studio":
        raise ClassifyError(f"--label-config is for --format label-studio, not {format}")
    if label_config is None and output is not None and format == "label-studio":
        label_config = output.with_suffix(".xml")
    if label_config is not None and label_config == output:
        raise ClassifyError(f"{output} cannot hold both tasks and configuration: name the tasks .json, or give --label-config")
    classifier = Classifier.from_pretrained(model, threads=threads)
    labelled = tasks.Labelled.load(exclude or [], classifier.scheme)
    counts, problems = active.Counts(), 0

    def failed(error: ClassifyError) -> None:
        nonlocal problems
        problems += 1
        typer.echo(f"error: {error}", err=True)

    with Progress() as progress:
        source = active.candidates(paths, Options(lines=lines), labelled, counts, failed, progress.document)
        pool = active.Pool.read(progress.count(source), classifier, batch_size)
    if not len(pool):
        if problems and not counts.read:
            raise typer.Exit(2)
        raise ClassifyError(f"there is nothing to choose from ({counts}): give more texts")
    selection = active.choose(pool, count, strategy, labelled, seed)
    with ExitStack() as files:
        stream = files.enter_context(writers.output(output))
        if label_config is not None:
            files.enter_context(writers.replacing(label_config)).write(tasks.label_config(classifier.scheme))
        tasks.FORMATS[format](active.suggestions(selection), classifier.scheme, classifier.directory.path.resolve().name, stream)
    typer.echo(f"{len(selection.chosen)} of {len(pool)} sentences chosen ({counts})", err=True)
    if label_config is not None:
        typer.echo(f"labelling configuration for Label Studio: {label_config}", err=True)
    if problems:
        raise typer.Exit(2)
