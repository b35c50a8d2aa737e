"""CSV and its kin: delimiter, quotation marks and records, told from the beginning and read record by record."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

DELIMITERS = {",": "','", ";": "';'", "\t": "tab", "|": "'|'"}
# So many characters tell the form of a table.
HEAD = 1024 * 1024

Quoting = Literal[0, 3]


@dataclass(frozen=True)
class Form:
    """How a table is written.

    Attributes:
        delimiter: between two cells.
        quoting: ``csv.QUOTE_MINIMAL``, or ``csv.QUOTE_NONE`` where quotation marks are ordinary characters.
        skipped: lines before the header.
    """

    delimiter: str
    quoting: Quoting
    skipped: int

    def __str__(self) -> str:
        return DELIMITERS.get(self.delimiter, repr(self.delimiter))

    def misfit(self, cells: int, columns: int) -> str:
        """What is wrong with a record that is not as wide as the header."""
        return f"{cells} cells where the header has {columns}: quote texts that hold a {self} or a line break"


def records(lines: Iterable[str], delimiter: str, quoting: Quoting) -> Iterator[tuple[int, list[str] | str, int]]:
    """Line, cells (or what is wrong) and number of lines of every record; blank lines are left out."""
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)
    while True:
        begin = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = str(error)
            if "unexpected end of data" in reason:
                reason = "the quotation mark opened here is never closed"
            elif "field larger" in reason:
                reason = f"a cell is longer than {csv.field_size_limit():,} characters: is a quotation mark left open?"
            elif "expected after" in reason:
                reason = "a quotation mark stands inside a cell: double it"
            yield begin, reason, max(1, reader.line_num - begin + 1)
            continue
        if any(cell.strip() for cell in cells):
            yield begin, cells, reader.line_num - begin + 1


def _fit(text: str, delimiter: str, quoting: Quoting) -> tuple[float, int]:
    """How well a delimiter explains the beginning: share of records as wide as the first, and how wide that is."""
    widths: list[int] = []
    for _, cells, _ in records(io.StringIO(text, newline=""), delimiter, quoting):
        widths.append(len(cells) if isinstance(cells, list) else 0)
        if len(widths) == 200:
            break
    return (sum(width == widths[0] for width in widths) / len(widths), widths[0]) if widths else (0.0, 0)


def sniff(head: str, whole: bool) -> Form:
    """The form of a table that begins with ``head``, or is all of it."""
    named = re.match(r"sep=(.)\r?\n", head)  # as Excel writes it
    if named:
        head = head[named.end() :]
    if not whole:
        # Not the record that the cut goes through.
        head = head[: head.rfind("\n") + 1] or head
    first = head.lstrip("\r\n").split("\n", 1)[0]
    candidates = [named.group(1)] if named else [one for one in DELIMITERS if one in first]
    choices: list[tuple[str, Quoting]] = [(one, csv.QUOTE_MINIMAL) for one in candidates]
    # Programs that write tabs often leave quotation marks as they are.
    choices += [(one, csv.QUOTE_NONE) for one in candidates if one == "\t"]
    fits = {choice: _fit(head, *choice) for choice in choices}
    # Rows as wide as the header tell more than width, and quotation marks are believed where they do no harm.
    delimiter, quoting = max(
        choices,
        key=lambda choice: (fits[choice][1] > 1, round(fits[choice][0], 2), fits[choice][1], choice[1] == csv.QUOTE_MINIMAL),
        default=(",", csv.QUOTE_MINIMAL),
    )
    return Form(delimiter, quoting, 1 if named else 0)
