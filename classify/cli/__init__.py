"""The command line: one module a command, imported only when the command is called; heavy imports happen inside the commands.

The root and ``predict`` are plain click, because Typer alone (with pydantic) takes longer to import than the numeric library.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from contextlib import suppress
from typing import Any, TextIO

import click

from classify.errors import ClassifyError

# What `classify --help` says of each; the commands' own help begins with the same words.
COMMANDS = {
    "predict": "Classify every sentence of text files: topics and stances, each with its score.",
    "extract": "Give the text of every document as JSON Lines, as predict reads it: what a row's start and end count in.",
    "verify": "Compute the rows of predict --citable again, and list what differs; exit with 1 when anything does.",
    "pairs": "Show each accusation with the denial or framing that answers it, unanswered ones first, and the share answered by outlet.",
    "report": "Make one self-contained page of articles: their sentences by stance and topic, charts, and what to review first.",
    "check-data": "Find what a careful annotator would: unknown or conflicting labels, copies across splits, labels too rare.",
    "suggest": "Choose the sentences whose labels would teach a model most, with its own answers filled in for correction.",
    "labels": "Make and check a label scheme of your own.",
    "train": "Fine-tune a BERT-family model on labelled sentences and write a complete model directory.",
    "evaluate": "Score a model beside two baselines, with bootstrap intervals, on sentences it was not trained on.",
    "diff": "Compare two models label by label, and show the sentences that flipped; none that either was trained on.",
    "reproduce": "Run a recorded training again and say whether it comes out the same; exit with 1 when it does not.",
    "export": "Write onnx/model.onnx into a model directory, so that predicting needs no torch.",
    "pretrain": "Pre-train a compact Indonesian BERT; an interrupted run resumes where it was.",
}


class _Root(click.Group):
    """Knows the commands by name; a command's module is imported when the command is called."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        function = name.replace("-", "_")
        module = importlib.import_module(f"classify.cli.{function}")
        # A command of commands is a Typer application, any other a function.
        command = getattr(module, function, None) or module.app
        return command if isinstance(command, click.Command) else _typer_command(name, command)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _typer_command(name: str, function: Any) -> click.Command:
    """A command that hands its arguments to Typer, which reads them off the function's signature."""

    def run(arguments: tuple[str, ...]) -> None:
        import typer

        app = function
        if not isinstance(app, typer.Typer):
            app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
            app.command()(function)
        app(list(arguments), prog_name=f"classify {name}")

    everything = click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)
    settings = {"ignore_unknown_options": True, "allow_interspersed_args": False}
    return click.Command(name, context_settings=settings, callback=run, params=[everything], add_help_option=False)


def _version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from classify import __version__

        click.echo(f"classify {__version__}")
        context.exit()


@click.group(cls=_Root, no_args_is_help=True)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version and exit.")
def app() -> None:
    """Topics and stances of Indonesian news sentences about North Korea, Russia and the United States."""


def _end(number: int, frame: object) -> None:
    # Unlike the default, lets what was begun be cleared away.
    sys.exit(128 + number)


def main() -> None:
    """Run the command line; a user's mistake is one sentence on standard error and exit code 2."""
    signal.signal(signal.SIGTERM, _end)
    _open_closed_streams()
    output = sys.stdout
    code: Any = 0
    try:
        code = _run()
        if sys.stdout is not output:
            # Click puts another in its place when the reader has gone, and exits with 1.
            raise BrokenPipeError
    except BrokenPipeError:
        # The reader has had enough (`| head`).
        code = 141
    except OSError as error:
        click.echo(f"error: {_refused(error)}", err=True)
        code = 2
    try:
        # Here, where it can still be said that it failed.
        output.flush()
    except OSError as error:
        if not code:
            code = 141 if isinstance(error, BrokenPipeError) else 2
            if code == 2:
                click.echo(f"error: {_refused(error)}", err=True)
    if code:
        _discard_output(output)
    sys.exit(code)


def _refused(error: OSError) -> str:
    """What the system refused: the file, and why."""
    reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
    if error.filename is not None:
        return f"{os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else error.filename}: {reason}"
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    # A stream does not say which one it is, but who was writing does.
    where = str(last.tb_frame.f_globals.get("__name__", "")) if last is not None else ""
    return f"standard output: {reason}" if where == __name__ or where.split(".")[0] in ("click", "rich", "typer") else reason


def _run() -> Any:
    """The command's exit code."""
    try:
        return app.main(prog_name="classify", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ClassifyError as error:
        click.echo(f"error: {error}", err=True)
        return 2
    except (click.Abort, KeyboardInterrupt):
        return 130
    except SystemExit as ended:
        return ended.code


def _open_closed_streams() -> None:
    """Standard streams for a process that was started without (`>&-`), so that none of them is None, nor a file that is opened later.

    Nothing comes from standard input; what goes to standard output fails as it should; there is nobody to read errors.
    """
    for name, flags, mode in (("stdin", os.O_RDONLY, "r"), ("stdout", os.O_RDONLY, "w"), ("stderr", os.O_WRONLY, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.open(os.devnull, flags), mode, encoding="utf-8"))  # noqa: SIM115


def _discard_output(output: TextIO) -> None:
    """Point standard output elsewhere, so that the interpreter's last flush is quiet."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
