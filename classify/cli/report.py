"""``classify report``."""

from __future__ import annotations

from pathlib import Path

import click

from classify.errors import ClassifyError

_FILE = click.Path(path_type=Path)


@click.command(short_help="Make a page about a collection of articles.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--output", type=_FILE, default=Path("report.html"), show_default=True, help="The page to write.")
@click.option("--model", type=_FILE, help="Model directory; by default the shipped model.")
@click.option("--lang", default="en", show_default=True, help="Language the page opens in, en or id; it can be switched there.")
@click.option("--title", default="", help="The page's headline.")
@click.option("--profile", default="balanced", show_default=True, help="balanced (best F1) or precise (fewer labels, surer ones).")
@click.option("--explain/--no-explain", default=True, help="Tell who holds a stance and on which words it rests; without it is faster.")
@click.option("--text-column", metavar="NAME", help="Where tables and JSON Lines have the text; by default the usual names.")
@click.option("--threads", type=click.IntRange(min=1), help="Processor threads; by default all cores.")
def report(
    paths: tuple[str, ...],
    output: Path,
    model: Path | None,
    lang: str,
    title: str,
    profile: str,
    explain: bool,
    text_column: str | None,
    threads: int | None,
) -> None:
    """Make one self-contained page of articles: their sentences by stance and topic, charts, and what to review first.

    PATH is as for predict. The page needs no network, prints, and corrects the shares it shows for the model's known mistakes
    (docs/report.md).
    """
    from classify import predict as flow
    from classify import report as pages
    from classify import writers
    from classify.classifier import Classifier
    from classify.phrases import Phrases
    from classify.progress import Progress

    # What can be refused is refused before anything is classified.
    Phrases(lang, {})
    if output.is_dir() or not output.parent.is_dir():
        what = "is a folder" if output.is_dir() else f"cannot be written, there is no folder {output.parent}"
        raise ClassifyError(f"{output} {what}: give --output a file name such as report.html")
    writers.check_output(output, paths)
    classifier = Classifier.from_pretrained(model, threads=threads, profile=profile)
    problems = 0

    def failed(error: ClassifyError) -> None:
        nonlocal problems
        problems += 1
        progress.say(f"error: {error}")

    # Labels that are nobody's position have no holder.
    options = flow.Options(text_column=text_column, explain=explain and any(label.holders for label in classifier.scheme))
    with Progress(paths) as progress:
        source = flow.chunks(flow.items(paths, options, flow.Watch(failed, progress.document, progress.advance)))
        rows = (
            row
            for chunk, predictions in flow.classify(source, classifier, options)
            for row in flow.finish(chunk, predictions, classifier.scheme, options)
        )
        found, pairs = pages.collect(progress.count(rows), classifier.scheme)
    if not found.sentences:
        raise ClassifyError(f"nothing could be classified; {writers.as_it_was(output)}")
    page = pages.Page(found, pairs, classifier.directory, profile, lang, title)
    with writers.replacing(output) as stream:
        stream.writelines(page.html())
    size = output.stat().st_size / 1e6 if output.is_file() else 0
    click.echo(f"{output}: {len(found.sentences)} articles, {sum(found.sentences)} sentences, {size:.1f} MB", err=True)
    if problems:
        raise click.exceptions.Exit(2)
