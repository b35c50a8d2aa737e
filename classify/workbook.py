"""Rows as a workbook (.xlsx), written as they come, so that memory does not grow with them."""

from __future__ import annotations

import re
from typing import Any, TextIO

from classify.errors import MissingExtraError
from classify.labels import LabelScheme
from classify.writers import Row, columns, record

# What a sheet and a cell can hold.
MAX_ROWS = 1_048_576
MAX_CHARACTERS = 32_767
WIDTHS = {"document": 30, "text": 90, "title": 40}

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def library() -> Any:
    """Openpyxl.

    Raises:
        MissingExtraError: when it is not installed.
    """
    try:
        import openpyxl
    except ImportError:
        raise MissingExtraError("writing .xlsx", "office") from None
    return openpyxl


class XlsxWriter:
    """A sheet with the columns of CSV, its header frozen and filters on; a further one wherever a sheet is full.

    Texts are written as texts, so that none becomes a formula; one longer than a cell can hold is cut and ends in ``…``.
    """

    def __init__(self, stream: TextIO, scheme: LabelScheme, explain: bool = False) -> None:
        self._scheme, self._explain, self._file = scheme, explain, stream.buffer
        self._book = library().Workbook(write_only=True)
        self._sheet: Any = None
        self._rows = 0
        self._begin()

    def write(self, row: Row) -> None:
        """Write one row."""
        if self._rows == MAX_ROWS:
            self._end()
            self._begin()
        self._append(record(row, self._scheme, self._explain))

    def close(self) -> None:
        """Finish the workbook."""
        self._end()
        self._book.save(self._file)

    def _begin(self) -> None:
        from openpyxl.utils import get_column_letter

        number = len(self._book.worksheets) + 1
        self._sheet = self._book.create_sheet("rows" if number == 1 else f"rows {number}")
        self._sheet.freeze_panes = "A2"
        names = columns(self._scheme, self._explain)
        for at, name in enumerate(names, 1):
            self._sheet.column_dimensions[get_column_letter(at)].width = WIDTHS.get(name, 12)
        self._rows = 0
        self._append(names)

    def _append(self, values: list[Any]) -> None:
        self._sheet.append([self._text(value) if isinstance(value, str) else value for value in values])
        self._rows += 1

    def _text(self, value: str) -> Any:
        from openpyxl.cell import WriteOnlyCell

        if not value:
            return None
        value = _FORBIDDEN.sub("\ufffd", value)
        cell = WriteOnlyCell(self._sheet, value if len(value) <= MAX_CHARACTERS else value[: MAX_CHARACTERS - 1] + "…")
        cell.data_type = "s"
        return cell

    def _end(self) -> None:
        from openpyxl.utils import get_column_letter

        self._sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns(self._scheme, self._explain)))}{self._rows}"
