"""The command line: one module a command, each a thin wrapper; heavy imports happen inside the commands."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Optional

import typer

from classify.cli import check_data, diff, evaluate, export, labels, predict, pretrain, reproduce, suggest, train
from classify.errors import ClassifyError

app = typer.Typer(
    name="classify",
    help="Topics and stances of Indonesian news sentences about North Korea, Russia and the United States.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from classify import __version__

        typer.echo(f"classify {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        Optional[bool], typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = None,
) -> None:
    pass


app.command("predict")(predict.predict)
app.command("check-data")(check_data.check_data)
app.command("suggest")(suggest.suggest)
app.command("train")(train.train)
app.add_typer(labels.app, name="labels")
app.command("evaluate")(evaluate.evaluate)
app.command("diff")(diff.diff)
app.command("reproduce")(reproduce.reproduce)
app.command("export")(export.export)
app.command("pretrain")(pretrain.pretrain)


def main() -> None:
    """Run the command line; a user's mistake is one sentence on standard error and exit code 2."""
    try:
        app()
    except ClassifyError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader has had enough (`| head`). Point stdout elsewhere so that the interpreter's last flush is quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        sys.exit(130)
