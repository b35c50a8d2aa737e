"""``classify verify``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from classify.errors import ClassifyError

# Differences of a whole run are told once; of more kinds than these, every one.
KINDS = 100


@click.command(short_help="Compute cited rows again.")
@click.argument("rows", metavar="ROWS")
@click.option("--model", type=click.Path(path_type=Path), help="Model directory; by default the shipped model.")
@click.option("--threads", type=click.IntRange(min=1), help="Processor threads; by default all cores.")
def verify(rows: str, model: Path | None, threads: int | None) -> None:
    """Compute the rows of predict --citable again, and list what differs; exit with 1 when anything does.

    ROWS is a JSON Lines file, or - for standard input. Neither the documents nor the other rows are needed. Only the document can
    show that a sentence stands where its row says, and that no row is missing; the evidence of --explain is not computed again.
    """
    from classify import documents
    from classify.citation import Verifier
    from classify.modeldir import ModelDirectory
    from classify.progress import Progress

    verifier = Verifier(ModelDirectory.open(model), threads)
    seen: dict[str, int] = {}
    differing = unreadable = 0

    def lines() -> Iterator[bytes]:
        while line := file.readline(documents.MAX_BYTES + 1):
            if len(line) > documents.MAX_BYTES:
                raise ClassifyError(f"{shown} has a line of over {documents.MAX_BYTES // 1024**2} MB: it holds no rows")
            progress.advance(len(line))
            yield line

    with documents.opened(rows) as (file, shown), Progress([rows]) as progress:
        for found in progress.count(verifier.findings(lines())):
            differing += any(not one.unreadable for one in found)
            for one in found:
                if one.unreadable:
                    unreadable += 1
                    progress.say(f"error: {shown} line {one.row} {one.what}")
                elif one.general and one.what in seen:
                    seen[one.what] += 1
                else:
                    if one.general and len(seen) < KINDS:
                        seen[one.what] = 0
                    click.echo(f"row {one.row}: {_visible(one.what)}")
        if not verifier.rows:
            raise ClassifyError(f"{shown} holds no rows")
    for what, more in seen.items():
        if more:
            click.echo(f"{more:,} more {'row' if more == 1 else 'rows'}: {_visible(what)}")
    confirmed = verifier.rows - differing - unreadable
    click.echo(f"{confirmed:,} of {verifier.rows:,} rows confirmed")
    if unreadable or differing:
        raise click.exceptions.Exit(2 if unreadable else 1)


def _visible(text: str) -> str:
    """Words from a file, without what could move the cursor of a terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
