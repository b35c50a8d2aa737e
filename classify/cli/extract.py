"""``classify extract``."""

from __future__ import annotations

from pathlib import Path

import click

from classify.errors import ClassifyError


@click.command(short_help="Give the text that start and end count in.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--output", type=click.Path(path_type=Path), help="Write to this file instead of standard output.")
@click.option("--text-column", metavar="NAME", help="Where JSON Lines and tables have the text; by default the usual names.")
def extract(paths: tuple[str, ...], output: Path | None, text_column: str | None) -> None:
    """Give the text of every document as JSON Lines, as predict reads it: what a row's start and end count in.

    PATH is as for predict. A line has the document's name as id, its text, and title, date and outlet where they are known; predict
    reads these lines as it reads the documents themselves.
    """
    import json

    from classify import writers
    from classify.predict import Watch, whole_documents
    from classify.progress import Progress

    writers.check_output(output, paths)
    problems = written = 0

    def failed(error: ClassifyError) -> None:
        nonlocal problems
        problems += 1
        progress.say(f"error: {error}")

    with Progress(paths) as progress, writers.output(output) as stream:
        for document in whole_documents(paths, text_column, Watch(failed, progress.document, progress.advance)):
            line = {"id": document.name, "text": document.text, **document.meta.as_dict()}
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
            written += 1
        if problems and not written and output is not None:
            raise ClassifyError(f"nothing could be read; {writers.as_it_was(output)}")
    if problems:
        raise click.exceptions.Exit(2)
