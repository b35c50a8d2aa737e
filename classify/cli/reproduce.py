"""``classify reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def reproduce(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Model directory that `classify train` wrote.")],
    data: Annotated[Optional[list[Path]], typer.Option(help="Where recorded data files lie now, if elsewhere; may be given again.")] = None,
    pool: Annotated[Optional[list[Path]], typer.Option(help="Where the articles lie now, if elsewhere.")] = None,
    base: Annotated[Optional[str], typer.Option(help="Where the base lies now, if elsewhere.")] = None,
    output: Annotated[Optional[Path], typer.Option(help="Keep the repeated model here.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Run a recorded training again and say whether it comes out the same; exit with 1 when it does not."""
    import tempfile

    from classify.cli._extras import need_training, quiet_libraries

    need_training("training")
    quiet_libraries()
    from training.reproduce import reproduce as run

    with tempfile.TemporaryDirectory() as scratch:
        outcome = run(directory, output or Path(scratch) / "model", data or [], pool or [], base, quiet=quiet)
    typer.echo("\n".join(outcome.lines()))
    if not outcome.agrees:
        raise typer.Exit(1)
