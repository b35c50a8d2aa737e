"""``classify predict``."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from classify.errors import ClassifyError
from classify.resources import processors

if TYPE_CHECKING:
    from classify.classifier import Classifier
    from classify.modeldir import ModelDirectory
    from classify.predict import Item, Scored
    from classify.resume import Partial

_FILE = click.Path(path_type=Path)


@click.command(short_help="Classify every sentence of text files.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--format", help="table, jsonl, csv or xlsx; by default what the output's name ends in, else table.")
@click.option("--output", type=_FILE, help="Write to this file instead of standard output.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run of the same command, or begin one that can be.")
@click.option("--model", type=_FILE, help="Model directory; by default the shipped model.")
@click.option("--all-scores", is_flag=True, help="Give every label's score, not only of those given or close.")
@click.option("--explain", is_flag=True, help="Also tell who says it, by what word, and on which words the model rests; slower.")
@click.option("--lines", is_flag=True, help="The input has one sentence a line; do not split.")
@click.option(
    "--text-column", metavar="NAME", help="Where tables and JSON Lines have the text; by default text, content, body, teks, isi ..."
)
@click.option("--furniture", is_flag=True, help="Also give rows for page furniture, marked as such.")
@click.option("--citable", is_flag=True, help="Let each row of JSON Lines say how it was made, for classify verify.")
@click.option("--profile", default="balanced", show_default=True, help="balanced (best F1) or precise (fewer labels, surer ones).")
@click.option("--precision", default="auto", show_default=True, help="auto (8-bit integers where they proved themselves) or fp32.")
@click.option("--threads", type=click.IntRange(min=1), help="Processor threads of a worker; by default all cores.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes, for long inputs on many cores; no more than those.",
)
@click.option("--batch-size", type=click.IntRange(min=1), help="Sentences run at once; by default those of one length.")
def predict(
    paths: tuple[str, ...],
    format: str | None,
    output: Path | None,
    resume: bool,
    model: Path | None,
    all_scores: bool,
    explain: bool,
    lines: bool,
    text_column: str | None,
    furniture: bool,
    citable: bool,
    profile: str,
    precision: str,
    threads: int | None,
    workers: int,
    batch_size: int | None,
) -> None:
    """Classify every sentence of text files: topics and stances, each with its score.

    PATH is a text file, a web page (.html), a Word or PDF document (.docx, .pdf), a table or JSON Lines with one document a line
    (.csv, .tsv, .jsonl), a .zip of these, a folder (its texts, pages, documents and .zip files), or - for standard input.
    """
    from classify import writers

    format = format or writers.format_for(output, writers.EVERY_FORMAT)
    if format not in writers.EVERY_FORMAT:
        raise ClassifyError(f"unknown format '{format}': choose one of {', '.join(writers.EVERY_FORMAT)}")
    if format == "xlsx":
        from classify.workbook import library

        if output is None or output.suffix.lower() != ".xlsx":
            raise ClassifyError("a workbook is written to a file: give --output FILE.xlsx")
        library()
    if citable and format != "jsonl":
        raise ClassifyError("--citable is for --format jsonl")
    if resume and (output is None or format not in ("jsonl", "csv")):
        raise ClassifyError("--resume needs --output FILE and rows that can be continued: --format jsonl or csv")
    writers.check_output(output, paths)
    # More than there are processors slow the machine down, or bring it to a stand; two are always granted.
    workers = min(workers, max(2, processors()))
    if threads:
        # The tokenizer's own threads.
        os.environ.setdefault("RAYON_NUM_THREADS", str(min(threads, processors())))
    opening = _Opening(model, threads, profile, precision, network=workers == 1 or citable)
    # While the network is made ready, the rest is imported.
    from classify import predict as flow
    from classify.progress import Progress

    flow.prepare()
    if format == "table":
        import rich.console
        import rich.table  # noqa: F401
    directory, classifier = opening.result()
    citer = None
    if citable and classifier is not None:
        from classify.citation import Citer

        citer = Citer(directory, profile, classifier.precision)
    if workers > 1:
        classifier = None
    if explain:
        from classify.evidence import check_holders

        check_holders(directory.scheme)
    options = flow.Options(lines, furniture, all_scores, batch_size, text_column, explain)
    problems = 0

    def failed(error: ClassifyError) -> None:
        nonlocal problems
        problems += 1
        progress.say(f"error: {error}")

    def classified(chunks: Iterator[list[Item]]) -> Scored:
        if classifier is not None:
            return flow.classify(chunks, classifier, options)
        from classify import workers as processes

        return processes.classify(chunks, workers, model, threads, profile, precision, options)

    def write(chunks: Iterator[list[Item]], stream: TextIO, partial: Partial | None = None) -> int:
        def rows() -> Iterator[writers.Row]:
            with closing(classified(chunks)) as scored:
                for chunk, predictions in scored:
                    finished = list(flow.finish(chunk, predictions, directory.scheme, options))
                    if citer is not None:
                        finished = [replace(row, citation=citer.cite(item)) for row, item in zip(finished, chunk, strict=True)]
                    yield from finished
                    stream.flush()
                    if partial is not None:
                        partial.commit(chunk, len(finished))

        begun = partial is not None and not partial.empty
        return writers.write_all(progress.count(rows()), writers.open_writer(format, stream, directory.scheme, begun, explain))

    def check(written: int) -> None:
        if problems and not written and output is not None:
            raise ClassifyError(f"nothing could be classified; {writers.as_it_was(output)}")

    kept = 0
    try:
        with Progress(paths) as progress:
            source = flow.chunks(flow.items(paths, options, flow.Watch(failed, progress.document, progress.advance)))
            if resume and output is not None:
                from classify.resume import identity, resumable

                cited = {"citation": citer.run} if citer is not None else {}
                run = identity(
                    directory, input=paths, format=format, profile=profile, precision=precision, options=asdict(options), **cited
                )
                with resumable(output, run) as partial:
                    try:
                        write(partial.missing(source), partial.stream, partial)
                    finally:
                        kept = partial.rows
                    check(partial.rows)
            else:
                with writers.output(output) as stream:
                    check(write(source, stream))
    except KeyboardInterrupt:
        if output is not None:
            more = f"; {kept} rows are kept, and the same command goes on from there" if kept else ""
            click.echo(f"interrupted: {writers.as_it_was(output)}{more}", err=True)
        sys.exit(130)
    if problems:
        raise click.exceptions.Exit(2)


class _Opening(threading.Thread):
    """Opens the model directory, and without worker processes the network, beside what else there is to do."""

    def __init__(self, model: Path | None, threads: int | None, profile: str, precision: str, network: bool) -> None:
        # Before the thread begins, so that no two import the same.
        from classify.classifier import Classifier
        from classify.engine import open_engine
        from classify.modeldir import ModelDirectory

        super().__init__()
        directory = ModelDirectory.open(model)
        directory.decisions.profile(profile, directory.scheme)

        def open_network() -> Classifier | None:
            return Classifier(directory, open_engine(directory, threads, precision), profile) if network else None

        self._directory, self._open = directory, open_network
        self._error: BaseException | None = None
        self._classifier: Classifier | None = None
        self.start()

    def run(self) -> None:
        try:
            self._classifier = self._open()
        except BaseException as error:
            self._error = error

    def result(self) -> tuple[ModelDirectory, Classifier | None]:
        """The directory and the classifier, when it is ready; or what went wrong."""
        self.join()
        if self._error is not None:
            raise self._error
        return self._directory, self._classifier
