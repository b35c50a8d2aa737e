"""CSV and TSV with a text column: one document a row, read as a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from classify import documents
from classify.documents import PATIENCE, STANDARD_INPUT, TEXT_COLUMNS, Document, Source, meta_of
from classify.errors import DocumentError
from classify.formats.delimited import HEAD, records, sniff


def read_table(
    source: Source, column: str | None, failed: Callable[[DocumentError], None], advance: Callable[[int], None]
) -> Iterator[Document]:
    """Stream the documents of a table: a text in ``column`` (by default the first of ``TEXT_COLUMNS`` that is there).

    A document is called by its ``id``, else ``file:line``. A row that cannot be read or has no text is handed to ``failed``.

    Raises:
        DocumentError: when the file cannot be read, has no such column, or nothing but bad rows at its beginning.
    """
    with documents.opened(source) as (file, shown):
        head = file.read(HEAD)
        if not head.strip():
            raise DocumentError(f"{shown} is empty: there is nothing to classify")
        encoding = documents.encoding_of(head, shown)
        if encoding == "utf-8" and source != STANDARD_INPUT:
            encoding = documents.encoding_throughout(file, head, shown)
        form = sniff(head.decode(encoding, errors="replace"), whole=len(head) < HEAD)
        lines = documents.text_lines(documents.counted(file, head, advance), encoding, shown, "is a quotation mark left open?")
        columns: list[str] | None = None
        text = -1
        good = bad = 0
        for line, cells, _ in records((line for line, _ in islice(lines, form.skipped, None)), form.delimiter, form.quoting):
            where = f"{shown} line {line + form.skipped}"
            if columns is None:
                if isinstance(cells, str):
                    raise DocumentError(f"{where}: the header cannot be read: {cells}")
                columns = [cell.strip() for cell in cells]
                text = _text_column(columns, column, shown)
                continue
            try:
                if isinstance(cells, str):
                    raise DocumentError(f"{where}: {cells}")
                if len(cells) < len(columns) or any(cell.strip() for cell in cells[len(columns) :]):
                    raise DocumentError(f"{where}: {form.misfit(len(cells), len(columns))}")
                if not cells[text].strip():
                    raise DocumentError(f"{where} is empty: there is nothing to classify")
            except DocumentError as error:
                bad += 1
                failed(error)
                if bad >= PATIENCE and not good:
                    raise DocumentError(f"{shown} has no document in its first {bad} rows: does '{columns[text]}' hold the text?") from None
                continue
            good += 1
            record = {name.casefold(): cell for name, cell in zip(columns, cells, strict=False)}
            yield Document(record.get("id", "").strip() or f"{source}:{line + form.skipped}", cells[text], meta_of(record))
        if not good and not bad:
            raise DocumentError(f"{shown} holds a header and no rows: there is nothing to classify")


def _text_column(columns: list[str], column: str | None, shown: str) -> int:
    """Where the text is; upper and lower case are the same."""
    folded = [name.casefold() for name in columns]
    wanted = TEXT_COLUMNS if column is None else (column,)
    for name in wanted:
        if name.casefold() in folded:
            return folded.index(name.casefold())
    there = ", ".join(f"'{name}'" for name in columns[:20])
    raise DocumentError(
        f"{shown} has no column {' or '.join(repr(name) for name in wanted)}, but {there}: name the one with the text with --text-column"
    )
