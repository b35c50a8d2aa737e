"""``classify pairs``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional, TextIO

import typer

from classify.errors import ClassifyError

if TYPE_CHECKING:
    from classify.exchange import Exchange
    from classify.labels import LabelScheme
    from classify.writers import Row

FORMATS = ("table", "jsonl")


def pairs(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="As for predict.")],
    format: Annotated[Optional[str], typer.Option(help="table or jsonl; by default what the output's name ends in, else table.")] = None,
    output: Annotated[Optional[Path], typer.Option(help="Write to this file instead of standard output.")] = None,
    model: Annotated[Optional[Path], typer.Option(help="Model directory; by default the shipped model.")] = None,
    days: Annotated[Optional[int], typer.Option(min=0, help="How much later an answer in another article may be dated (14).")] = None,
    text_column: Annotated[Optional[str], typer.Option(metavar="NAME", help="Where tables and JSON Lines have the text.")] = None,
    profile: Annotated[str, typer.Option(help="balanced (best F1) or precise (fewer labels, surer ones).")] = "balanced",
    threads: Annotated[Optional[int], typer.Option(min=1, help="Processor threads; by default all cores.")] = None,
) -> None:
    """Show each accusation with the denial or framing that answers it, unanswered ones first, and the share answered by outlet.

    An answer in another article counts where both are dated and it is no earlier.
    """
    from classify import exchange, writers
    from classify import predict as flow
    from classify.classifier import Classifier
    from classify.modeldir import ModelDirectory
    from classify.progress import Progress

    suffix = output.suffix.lstrip(".") if output else ""
    format = format or (suffix if suffix in FORMATS else "table")
    if format not in FORMATS:
        raise ClassifyError(f"unknown format '{format}': choose one of {', '.join(FORMATS)}")
    directory = ModelDirectory.open(model)
    if not exchange.pairs_known(directory.scheme):
        raise ClassifyError(
            f"the model {directory.path} has no label that answers another, so there are no pairs: "
            "give such labels 'answers: [LABEL]' in its labels.yaml"
        )
    classifier = Classifier.from_pretrained(model, threads=threads, profile=profile)
    problems = 0

    def failed(error: ClassifyError) -> None:
        nonlocal problems
        problems += 1
        progress.say(f"error: {error}")

    with Progress(paths) as progress:
        rows = flow.rows(paths, classifier, flow.Options(text_column=text_column), failed, progress.document)
        found = exchange.exchanges(progress.count(rows), directory.scheme, days)
    if problems and not found and output is not None:
        raise ClassifyError(f"no accusation was found in what could be read; {output} was left as it was")
    found.sort(key=lambda one: bool(one.answers))
    with writers.output(output) as stream:
        if format == "table":
            _table(found, directory.scheme, stream)
        else:
            _jsonl(found, stream)
    answered = sum(bool(one.answers) for one in found)
    typer.echo(f"{len(found)} accusations, {answered} answered", err=True)
    if problems:
        raise typer.Exit(2)


def _jsonl(found: Sequence[Exchange], stream: TextIO) -> None:
    import json

    for one in found:
        answers = [row.as_dict() for row in one.answers]
        line = {"accusation": one.accusation.as_dict(), "answers": answers, "same_document": one.same_document}
        stream.write(json.dumps(line, ensure_ascii=False) + "\n")


def _table(found: Sequence[Exchange], scheme: LabelScheme, stream: TextIO) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from classify.exchange import by_outlet
    from classify.writers import visible

    console = Console(file=stream, width=None if stream.isatty() else 120, highlight=False)
    answering = [label.id for label in scheme if label.answers]

    def cell(row: Row, kind: Sequence[str], where: bool) -> str:
        given = [f"{label} {row.scores[label]:.2f}" for labels in row.labels.values() for label in labels if label in kind]
        source = " ".join(part for part in (row.meta.date, row.meta.outlet, row.document) if part)
        return "\n".join(filter(None, (source if where else "", row.text, ", ".join(given))))

    accusing = list(dict.fromkeys(name for label in scheme for name in label.answers))
    for answered in (False, True):
        chosen = [one for one in found if bool(one.answers) == answered]
        if not chosen:
            continue
        title = f"{'answered' if answered else 'unanswered'}: {len(chosen)} of {len(found)}"
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_lines=True, pad_edge=False)
        table.add_column("accusation", ratio=1, overflow="fold")
        if answered:
            table.add_column("answers", ratio=1, overflow="fold")
        for one in chosen:
            answers = "\n\n".join(cell(row, answering, not one.same_document) for row in one.answers)
            cells = [cell(one.accusation, accusing, True), *([answers] if answered else [])]
            table.add_row(*(Text(visible(text)) for text in cells))
        console.print(table)
    shares = by_outlet(found)
    if any(share.outlet for share in shares):
        table = Table(title="answered, by outlet", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("outlet", overflow="fold")
        for name in ("accusations", "answered", "share"):
            table.add_column(name, justify="right")
        for share in shares:
            outlet = Text(visible(share.outlet) or "(not known)")
            table.add_row(outlet, str(share.accusations), str(share.answered), f"{share.answered / share.accusations:.0%}")
        console.print(table)
