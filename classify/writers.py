"""Writing rows: a table for people, JSON Lines and CSV for machines; files appear whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from classify.documents import NO_META, STANDARD_INPUT, Meta, find
from classify.errors import ClassifyError
from classify.labels import LabelScheme

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Row:
    """One line of output.

    Attributes:
        document: the document's name as the user gave it.
        index: position among the rows of this document.
        start, end: character offsets into the decoded document; ``document[start:end] == text``.
        text: the sentence.
        labels: for every group the labels given.
        scores: score by label.
        furniture: page furniture, shown only on request and never classified.
        review: labels on which a person should look, given or not.
        meta: title, date and outlet of the document, where it has any.
        citation: how the row was made, where it is to be cited.
        paragraph: where the sentence's line begins; not written.
        evidence: by label who holds the position, by what word, and on which words the model rests (:func:`classify.evidence.evidence`).
    """

    document: str
    index: int
    start: int
    end: int
    text: str
    labels: dict[str, list[str]]
    scores: dict[str, float]
    furniture: bool = False
    review: tuple[str, ...] = ()
    meta: Meta = NO_META
    citation: Mapping[str, Any] | None = None
    paragraph: int = 0
    evidence: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The row in the order and shape of the JSON Lines format."""
        row: dict[str, Any] = {
            "document": self.document,
            "index": self.index,
            "start": self.start,
            "end": self.end,
            "text": self.text,
            "labels": self.labels,
            "scores": self.scores,
        }
        if self.review:
            row["review"] = list(self.review)
        if self.evidence:
            row["evidence"] = self.evidence
        if self.furniture:
            row["furniture"] = True
        if known := self.meta.as_dict():
            row["meta"] = known
        if self.citation is not None:
            row["citation"] = self.citation
        return row


class Writer(Protocol):
    """Takes rows one by one; ``close`` writes what is left."""

    def write(self, row: Row) -> None: ...  # noqa: D102

    def close(self) -> None: ...  # noqa: D102


class JsonlWriter:
    """One JSON object a line."""

    def __init__(self, stream: TextIO, scheme: LabelScheme) -> None:
        self._stream = stream

    def write(self, row: Row) -> None:
        """Write one line."""
        self._stream.write(json.dumps(row.as_dict(), ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Nothing is held back."""


def columns(scheme: LabelScheme, explain: bool = False) -> list[str]:
    """The columns of a table of rows: one a group (labels joined by ``;``), one a label's score.

    With ``explain``, also who holds each label that is somebody's position, and by what word.
    """
    groups = [group.id for group in scheme.groups]
    said = [f"{label}_{part}" for label in _positions(scheme, explain) for part in ("holder", "cue")]
    return ["document", "index", "start", "end", "text", *groups, *scheme.ids, "review", "furniture", "title", "date", "outlet", *said]


def _positions(scheme: LabelScheme, explain: bool) -> list[str]:
    return [label.id for label in scheme if label.holders and explain]


def record(row: Row, scheme: LabelScheme, explain: bool = False) -> list[Any]:
    """A row's values for :func:`columns`; ``""`` where there is none."""
    groups = [";".join(row.labels.get(group.id, [])) for group in scheme.groups]
    scores = [row.scores.get(label, "") for label in scheme.ids]
    marks = [";".join(row.review), "true" if row.furniture else "false"]
    meta = [row.meta.title, row.meta.date, row.meta.outlet]
    said = [part for label in _positions(scheme, explain) for part in _holder_and_cue(row.evidence.get(label))]
    return [row.document, row.index, row.start, row.end, row.text, *groups, *scores, *marks, *meta, *said]


class CsvWriter:
    """A header and one record a row, as :func:`columns`."""

    def __init__(self, stream: TextIO, scheme: LabelScheme, header: bool = True, explain: bool = False) -> None:
        self._scheme, self._explain = scheme, explain
        self._csv = csv.writer(stream, lineterminator="\n")
        if header:
            self._csv.writerow(columns(scheme, explain))

    def write(self, row: Row) -> None:
        """Write one record."""
        self._csv.writerow([inert(value) if isinstance(value, str) else value for value in record(row, self._scheme, self._explain)])

    def close(self) -> None:
        """Nothing is held back."""


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def inert(text: str) -> str:
    """Text a spreadsheet will not take for a formula when it opens the file."""
    return "'" + text if text.startswith(_FORMULA) and len(text) > 1 else text


def plain(text: str) -> str:
    """The text without the apostrophe that :func:`inert` put before it."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(_FORMULA) else text


# A document must not be able to move the cursor of the terminal it is shown in, or recolour it.
_VISIBLE = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), "�")


def visible(text: str) -> str:
    """``text`` without the characters that steer a terminal."""
    return text.translate(_VISIBLE)


def table_console(stream: TextIO) -> Console:
    """What draws tables: as wide as the terminal, 120 columns elsewhere.

    A reader that goes away raises BrokenPipeError, as anywhere else.
    """
    from rich.console import Console

    class Piped(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Piped(file=stream, width=None if stream.isatty() else 120, highlight=False, soft_wrap=False)


class TableWriter:
    """A table per document, drawn when the document is complete."""

    def __init__(self, stream: TextIO, scheme: LabelScheme) -> None:
        self._stream, self._scheme = stream, scheme
        self._rows: list[Row] = []

    def write(self, row: Row) -> None:
        """Keep the row until its document ends."""
        if (self._rows and self._rows[0].document != row.document) or len(self._rows) >= 1000:
            self._draw()
        self._rows.append(row)

    def close(self) -> None:
        """Draw the last table."""
        self._draw()

    def _draw(self) -> None:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        if not self._rows:
            return

        console = table_console(self._stream)
        table = Table(
            title=Text(visible(self._rows[0].document)),
            title_justify="left",
            box=box.SIMPLE_HEAD,
            show_lines=False,
            pad_edge=False,
        )
        table.add_column("sentence", ratio=3, overflow="fold")
        for group in self._scheme.groups:
            table.add_column(Text(group.names.get("en", group.id).lower()), ratio=1, overflow="fold")
        for row in self._rows:
            cells = []
            for group in self._scheme.groups:
                given = row.labels.get(group.id, [])
                shown = []
                for label in given:
                    shown.append(f"{label} {row.scores[label]:.2f}{' ?' if label in row.review else ''}")
                    shown += _said(row.evidence.get(label))
                # Not given, but close enough for a person to look.
                close = [label.id for label in group.labels if label.id in row.review and label.id not in given]
                shown += [f"({label} {row.scores[label]:.2f} ?)" for label in close]
                cells.append(Text("\n".join(shown) or "-"))
            table.add_row(Text(visible(row.text)), *cells, style="dim" if row.furniture else None)
        console.print(table)
        self._rows.clear()


def _holder_and_cue(evidence: Mapping[str, Any] | None) -> tuple[str, str]:
    """Holder and cue, ``""`` where unknown; brackets around who is named in a sentence before."""
    holder, cue = (evidence or {}).get("holder"), (evidence or {}).get("cue")
    name = "" if holder is None else f"({holder['text']})" if holder["inherited"] else holder["text"]
    return name, cue["text"] if cue else ""


def _said(evidence: Mapping[str, Any] | None) -> list[str]:
    """A line that tells holder and cue: nothing where neither is known."""
    said = ": ".join(filter(None, _holder_and_cue(evidence)))
    return [f"  {visible(said)}"] if said else []


FORMATS: dict[str, Callable[[TextIO, LabelScheme], Writer]] = {
    "table": TableWriter,
    "jsonl": JsonlWriter,
    "csv": CsvWriter,
}


# A workbook is no text: it needs a file, and is the business of a module that few runs import.
EVERY_FORMAT = (*FORMATS, "xlsx")


def open_writer(format: str, stream: TextIO, scheme: LabelScheme, begun: bool = False, explain: bool = False) -> Writer:
    """The writer of a format of ``EVERY_FORMAT``.

    Args:
        format: its name.
        stream: where to.
        scheme: the labels.
        begun: whether ``stream`` holds rows already.
        explain: whether rows carry evidence.
    """
    if format == "xlsx":
        from classify.workbook import XlsxWriter

        return XlsxWriter(stream, scheme, explain)
    if format == "csv":
        return CsvWriter(stream, scheme, not begun, explain)
    return FORMATS[format](stream, scheme)


def as_it_was(path: Path) -> str:
    """For a message: what became of an output that was not written."""
    return f"{path} was left as it was" if path.exists() else f"{path} was not written"


def format_for(path: Path | None, formats: Iterable[str]) -> str:
    """The format that an output's name asks for: that of its ending, ``table`` without a name or one, and for ``.txt``.

    Raises:
        ClassifyError: for another ending.
    """
    ending = path.suffix.lstrip(".").lower() if path else ""
    if ending in formats:
        return ending
    if ending not in ("", "txt"):
        raise ClassifyError(f"{path} ends in no format that is known: choose one by --format ({', '.join(formats)})")
    return "table"


def check_output(path: Path | None, paths: Iterable[str]) -> None:
    """Refuse to write over what is to be read.

    Raises:
        ClassifyError: when the output is one of the documents behind ``paths``.
    """
    if path is None or not path.is_file():
        return
    for name in find(paths):
        if name != STANDARD_INPUT and os.path.exists(name) and os.path.samefile(name, path):  # noqa: PTH110, PTH121
            raise ClassifyError(f"{path} is one of the documents to be read and would be lost: give --output another name")


def check_writable(path: Path, folder: bool = False) -> None:
    """Refuse, before long work, a file that could not be written after it; or a ``folder``, which may be still to be made.

    Raises:
        ClassifyError: with the reason.
    """
    if not folder and is_device(path):
        return
    reason = None
    place = Path(os.path.realpath(path))
    if not folder:
        reason = "it is a folder" if place.is_dir() else None
        place = place.parent
    while folder and not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        reason = f"{place} is no folder" if place.exists() else f"there is no folder {place}"
    elif not os.access(place, os.W_OK | os.X_OK):
        reason = f"nothing may be written in {place}"
    if reason:
        raise ClassifyError(f"cannot write {path}: {reason}")


def is_device(path: Path) -> bool:
    """Whether ``path`` is there and neither file nor folder: a pipe, a terminal, ``/dev/null``."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


@contextmanager
def replacing(path: Path, encoding: str = "utf-8") -> Iterator[TextIO]:
    """Open ``path`` for writing so that it changes only when all went well: a temporary file beside it, then a rename.

    A link is followed; what is no file but can be written to (a pipe, ``/dev/null``) is written to directly.

    Raises:
        ClassifyError: when it cannot be written (no such folder, no permission, disk full); the earlier file is untouched.
    """
    if is_device(path):
        try:
            with open(path, "w", encoding=encoding, errors="replace", newline="") as stream:
                yield stream
        except OSError as error:
            raise ClassifyError(f"cannot write {path}: {error.strerror or error}") from None
        return
    import tempfile

    shown, path = path, Path(os.path.realpath(path))
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise ClassifyError(f"cannot write {shown}: {error.strerror or error}") from None
    try:
        # "replace" for file names that are no Unicode; everything else in a row is.
        with open(handle, "w", encoding=encoding, errors="replace", newline="") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        publish(Path(name), path)
    except OSError as error:
        raise ClassifyError(f"cannot write {shown}: {error.strerror or error}") from None
    finally:
        Path(name).unlink(missing_ok=True)


def publish(temporary: Path, path: Path) -> None:
    """Let ``temporary`` take the place of ``path``, with its permissions or those any other new file would have."""
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~mask)
    os.replace(temporary, path)


@contextmanager
def output(path: Path | None) -> Iterator[TextIO]:
    """The stream rows go to: a file replaced as a whole, or standard output as UTF-8."""
    if path is not None:
        with replacing(path) as stream:
            yield stream
        return
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ClassifyError(f"cannot write to standard output: {error.strerror or error}") from None


def write_all(rows: Iterable[Row], writer: Writer) -> int:
    """Write every row and close; returns how many there were."""
    count = 0
    for row in rows:
        writer.write(row)
        count += 1
    writer.close()
    return count
