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
    from classify.phrases import Phrases
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
    lang: Annotated[str, typer.Option(help="Language of the table, en or id.")] = "en",
    threads: Annotated[Optional[int], typer.Option(min=1, help="Processor threads; by default all cores.")] = None,
) -> None:
    """Show each accusation with the denial or framing that answers it, unanswered ones first, and the share answered by outlet.

    An answer in another article counts where both are dated and it is no earlier. In the table accusations that follow each other in
    an article and have the same answers, or none, stand together.
    """
    from classify import exchange, writers
    from classify import predict as flow
    from classify.classifier import Classifier
    from classify.modeldir import ModelDirectory
    from classify.phrases import Phrases
    from classify.progress import Progress
    from classify.resources import load_yaml, resource

    format = format or writers.format_for(output, FORMATS)
    if format not in FORMATS:
        raise ClassifyError(f"unknown format '{format}': choose one of {', '.join(FORMATS)}")
    writers.check_output(output, paths)
    directory = ModelDirectory.open(model)
    phrases = Phrases(lang, load_yaml(resource("configs/pairs.yaml")))
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
        raise ClassifyError(f"no accusation was found in what could be read; {writers.as_it_was(output)}")
    found.sort(key=lambda one: bool(one.answers))
    with writers.output(output) as stream:
        if format == "table":
            _table(found, directory.scheme, phrases, stream)
        else:
            _jsonl(found, stream)
    typer.echo(_summary(found), err=True)
    if problems:
        raise typer.Exit(2)


def _jsonl(found: Sequence[Exchange], stream: TextIO) -> None:
    import json

    for one in found:
        answers = [row.as_dict() for row in one.answers]
        line = {"accusation": one.accusation.as_dict(), "answers": answers, "same_document": one.same_document}
        stream.write(json.dumps(line, ensure_ascii=False) + "\n")


def _summary(found: Sequence[Exchange]) -> str:
    from classify.phrases import percent

    if not found:
        return "0 accusations"
    answered = [one for one in found if one.answers]
    articles, where = (_articles(some) for some in (found, answered))
    share = percent(len(answered) / len(found))
    return f"{len(found)} accusations in {articles}, {len(answered)} answered ({share}) in {where}"


def _articles(found: Sequence[Exchange]) -> str:
    number = len({one.accusation.document for one in found})
    return f"{number} article{'' if number == 1 else 's'}"


def _table(found: Sequence[Exchange], scheme: LabelScheme, phrases: Phrases, stream: TextIO) -> None:
    from itertools import groupby

    from rich import box
    from rich.table import Table
    from rich.text import Text

    from classify.exchange import by_outlet
    from classify.phrases import percent
    from classify.writers import table_console, visible

    console = table_console(stream)
    answering = [label.id for label in scheme if label.answers]
    accusing = list(dict.fromkeys(name for label in scheme for name in label.answers))
    called = {label.id: label.names.get(phrases.language) or label.names.get("en") or label.id for label in scheme}

    def source(row: Row) -> str:
        return " ".join(part for part in (row.meta.date, row.meta.outlet, row.document) if part)

    def quoted(row: Row, kind: Sequence[str]) -> str:
        labels = (label for given in row.labels.values() for label in given if label in kind)
        given = ", ".join(phrases.number(f"{called[label]} {row.scores[label]:.2f}") for label in labels)
        return f"{row.text}\n[{given}]"

    def answer(row: Row, here: bool) -> str:
        return quoted(row, answering) if here else f"{phrases.text('elsewhere')} {source(row)}\n{quoted(row, answering)}"

    for answered in (False, True):
        chosen = [one for one in found if bool(one.answers) == answered]
        if not chosen:
            continue
        kind = "answered_title" if answered else "unanswered_title"
        title = phrases.text(kind, count=str(len(chosen)), all=str(len(found)), share=percent(len(chosen) / len(found)))
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_lines=True, pad_edge=False)
        table.add_column(phrases.text("accusation"), ratio=1, overflow="fold")
        if answered:
            table.add_column(phrases.text("answers"), ratio=1, overflow="fold")
        for _, together in groupby(chosen, key=lambda one: (source(one.accusation), one.answers)):
            group = list(together)
            cells = ["\n\n".join([source(group[0].accusation), *(quoted(one.accusation, accusing) for one in group)])]
            if answered:
                cells.append("\n\n".join(answer(row, group[0].same_document) for row in group[0].answers))
            table.add_row(*(Text(visible(text)) for text in cells))
        console.print(table)
    shares = by_outlet(found)
    if any(share.outlet for share in shares):
        table = Table(title=phrases.text("outlets_title"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column(phrases.text("outlet"), overflow="fold")
        for name in ("accusations", "answered", "share"):
            table.add_column(phrases.text(name), justify="right")
        for share in shares:
            outlet = Text(visible(share.outlet) or phrases.text("unknown_outlet"))
            cells = [str(share.accusations), str(share.answered), phrases.number(percent(share.answered / share.accusations))]
            table.add_row(outlet, *cells)
        console.print(table)
