"""Tables of labelled sentences as people have them: CSV, TSV, XLSX, JSON, JSON Lines and the exports of annotation tools.

Every format becomes a :class:`Table` of named cells with line numbers; what the columns mean is found in ``training.columns``.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from classify.documents import decode_as
from classify.errors import DamagedTextError, DataError, DocumentError, MissingExtraError
from classify.formats.delimited import HEAD, records, sniff
from classify.writers import plain

# In a folder only what is surely a table is taken; a file of any other name may be given by itself.
SUFFIXES = (".jsonl", ".ndjson", ".csv", ".tsv", ".xlsx")
# Unpacked, a workbook of sentences is far smaller; more is a mistake or an attack.
MAX_WORKBOOK_BYTES = 1024**3
MAX_TEXT_BYTES = 1024**3
LABEL_STUDIO = "Label Studio"


@dataclass(frozen=True)
class Rejected:
    """A row that cannot be used.

    Attributes:
        where: file and line.
        reason: what is wrong.
        rows: how many lines are lost with it.
    """

    where: str
    reason: str
    rows: int = 1

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass
class Table:
    """A table as read.

    Attributes:
        path: the file.
        columns: names of the columns, as the file has them.
        rows: line (of a workbook: row, of JSON: number of the item) and cells by column; a cell is a text, a list of labels,
            or None where it is blank. Rows of Label Studio that an annotator submitted have an ``annotation_id``.
        form: how it was read, for people: delimiter, encoding, sheet.
        rejected: rows that were no rows.
    """

    path: Path
    columns: list[str]
    rows: list[tuple[int, dict[str, Any]]]
    form: str = ""
    rejected: list[Rejected] = field(default_factory=list)

    def values(self, column: str) -> Iterator[Any]:
        """The cells of a column that are not blank."""
        return (row[column] for _, row in self.rows if row.get(column) not in (None, ""))


def read_table(path: Path, sheet: str | None = None) -> Table:
    """Read a table of any format, told by its name and beginning.

    Args:
        path: the file.
        sheet: of a workbook; by default the first that holds anything.

    Raises:
        DataError: when the file is no table, is empty, damaged, or of an encoding that cannot be told.
    """
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise DataError(f"{path} is larger than {MAX_TEXT_BYTES // 1024**2:,} MB: divide it")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    if not data.strip():
        raise DataError(f"{path} is empty")
    if path.suffix.lower() in (".xlsx", ".xlsm") or data.startswith(b"PK\x03\x04"):
        return _workbook(path, sheet)
    if path.suffix.lower() in (".xls", ".ods") or data.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError(f"{path} is a workbook of another format: save it as .xlsx or .csv")
    try:
        text, encoding = decode_as(data, str(path))
    except DamagedTextError as error:
        raise DataError(str(error)) from None
    except DocumentError:
        raise DataError(f"{path} is no table: neither text in UTF-8, UTF-16 or Windows-1252 nor an .xlsx workbook") from None
    text = text.removeprefix("\ufeff")
    is_lines = path.suffix.lower() in (".jsonl", ".ndjson")
    if is_lines or path.suffix.lower() == ".json" or text.lstrip()[:1] in ("[", "{"):
        if encoding == "Windows-1252":
            raise DataError(f"{path} is not UTF-8 text: convert it")
        return _json_lines(path, text) if is_lines else _json(path, text)
    return _delimited(path, text, encoding)


# --------------------------------------------------------------------------------------------------------------------
# CSV and its kin


def _delimited(path: Path, text: str, encoding: str) -> Table:
    form = sniff(text[:HEAD], whole=len(text) <= HEAD)
    lines = io.StringIO(text, newline="")
    for _ in range(form.skipped):
        lines.readline()
    columns: list[str] | None = None
    rows: list[tuple[int, dict[str, Any]]] = []
    rejected: list[Rejected] = []
    for line, cells, height in records(lines, form.delimiter, form.quoting):
        where = f"{path}:{line + form.skipped}"
        if isinstance(cells, str):
            if columns is None:
                raise DataError(f"{where}: the header cannot be read: {cells}")
            rejected.append(Rejected(where, cells, height))
        elif columns is None:
            columns = [cell.strip() for cell in cells]
        elif len(cells) < len(columns) or any(cell.strip() for cell in cells[len(columns) :]):
            rejected.append(Rejected(where, form.misfit(len(cells), len(columns))))
        else:
            named = zip(columns, cells, strict=False)
            rows.append((line + form.skipped, {name: plain(cell.strip()) or None for name, cell in named if name}))
    if columns is None:
        raise DataError(f"{path} is empty")
    return _table(path, columns, rows, f"delimiter {form}, {encoding}", rejected)


def _table(path: Path, columns: Iterable[str], rows: list[tuple[int, dict[str, Any]]], form: str, rejected: list[Rejected]) -> Table:
    names = [name for name in columns if name]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{path}: two columns are called '{twice[0]}': rename one")
    if not rows and not rejected:
        raise DataError(f"{path} holds a header ({', '.join(names)}) and no rows")
    return Table(path, names, rows, form, rejected)


# --------------------------------------------------------------------------------------------------------------------
# Workbooks


def _workbook(path: Path, sheet: str | None) -> Table:
    try:
        import openpyxl
    except ImportError:
        raise MissingExtraError("reading .xlsx", "train") from None
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_WORKBOOK_BYTES:
                raise DataError(f"{path} unpacks to more than {MAX_WORKBOOK_BYTES // 1024**2:,} MB: save it as .csv, or divide it")
        # Values, and beside them the formulas, of which some were never computed.
        values = openpyxl.load_workbook(path, read_only=True, data_only=True)
        formulas = openpyxl.load_workbook(path, read_only=True, data_only=False)
        try:
            if sheet is not None and sheet not in values.sheetnames:
                raise DataError(f"{path} has no sheet '{sheet}'; it has: {', '.join(values.sheetnames)}")
            for name in [sheet] if sheet is not None else [one.title for one in values.worksheets]:
                table = _sheet(path, name, values[name], formulas[name], len(values.sheetnames))
                if table is not None:
                    return table
        finally:
            values.close()
            formulas.close()
    except DataError:
        raise
    # The library lets through whatever goes wrong in a damaged archive or its XML.
    except Exception as error:
        raise DataError(f"{path} cannot be read as an .xlsx workbook ({type(error).__name__}): save it anew, or as .csv") from None
    raise DataError(f"{path} holds no cells" + (f" in the sheet '{sheet}'" if sheet is not None else ""))


def _sheet(path: Path, name: str, values: Any, formulas: Any, sheets: int) -> Table | None:
    """The table of one sheet, or None when it is empty."""
    for one in (values, formulas):
        # Some programs write a wrong extent.
        if hasattr(one, "reset_dimensions"):
            one.reset_dimensions()
    columns: list[str] = []
    rows: list[tuple[int, dict[str, Any]]] = []
    rejected: list[Rejected] = []
    pairs = zip(values.iter_rows(values_only=True), formulas.iter_rows(values_only=True), strict=False)
    for number, (cells, sources) in enumerate(pairs, 1):
        texts = [_cell(cell) for cell in cells]
        uncomputed = [
            i for i, text in enumerate(texts)
            if text is None and i < len(sources) and isinstance(sources[i], str) and sources[i].startswith("=")
        ]  # fmt: skip
        if not columns:
            columns = [text or "" for text in texts] if any(texts) else []
        elif uncomputed:
            reason = f"a formula without a value in column {uncomputed[0] + 1}: open the file in a spreadsheet program and save it"
            rejected.append(Rejected(f"{path}:{number}", reason))
        elif any(texts):
            rows.append((number, {column: text for column, text in zip(columns, texts, strict=False) if column}))
    if not columns:
        return None
    return _table(path, columns, rows, "xlsx" + (f", sheet '{name}' of {sheets}" if sheets > 1 else ""), rejected)


def _cell(value: Any) -> str | None:
    """A cell's value as the text a person sees."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


# --------------------------------------------------------------------------------------------------------------------
# JSON


def _json_lines(path: Path, text: str) -> Table:
    rows: list[tuple[int, dict[str, Any]]] = []
    rejected: list[Rejected] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            rejected.append(Rejected(f"{path}:{number}", f"not a JSON object ({error})"))
            continue
        if isinstance(row, dict):
            rows.append((number, row))
        else:
            rejected.append(Rejected(f"{path}:{number}", f"not a JSON object (but {type(row).__name__})"))
    return _objects(path, rows, "JSON Lines", rejected)


def _json(path: Path, text: str) -> Table:
    try:
        loaded = json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip().startswith("{") and "\n" in text.strip():
            return _json_lines(path, text)
        raise DataError(f"{path} is not valid JSON ({error})") from None
    if not isinstance(loaded, list) or not loaded:
        raise DataError(f"{path} must hold a list of objects, as Label Studio exports it")
    rows: list[tuple[int, dict[str, Any]]] = []
    rejected: list[Rejected] = []
    for number, item in enumerate(loaded, 1):
        if isinstance(item, dict):
            rows.append((number, item))
        else:
            rejected.append(Rejected(f"{path}:{number}", f"not a JSON object (but {type(item).__name__})"))
    if any(isinstance(row.get("data"), dict) for _, row in rows):
        return _label_studio(path, rows, rejected)
    return _objects(path, rows, "JSON", rejected)


def _objects(path: Path, rows: list[tuple[int, dict[str, Any]]], form: str, rejected: list[Rejected]) -> Table:
    names = list(dict.fromkeys(str(key) for _, row in rows for key in row))
    if not names and not rejected:
        raise DataError(f"{path} is empty")
    return Table(path, names, [(number, {key: _value(value) for key, value in row.items()}) for number, row in rows], form, rejected)


def _value(value: Any) -> Any:
    """A cell of JSON: texts and lists as they are, numbers as texts, Label Studio's ``{"choices": [...]}`` as its list."""
    if isinstance(value, dict) and isinstance(value.get("choices"), list):
        return value["choices"]
    if isinstance(value, str):
        return value.strip() or None
    return value if value is None or isinstance(value, (list, dict)) else _cell(value)


def _label_studio(path: Path, tasks: list[tuple[int, dict[str, Any]]], rejected: list[Rejected]) -> Table:
    """One row an annotation that was submitted; ``annotation_id`` marks them, ``id`` is the task's."""
    rows: list[tuple[int, dict[str, Any]]] = []
    controls: dict[str, None] = {}
    names: dict[str, None] = {}
    for number, task in tasks:
        data = task.get("data")
        annotations = task.get("annotations", task.get("completions", []))
        if not isinstance(data, dict) or not isinstance(annotations, list) or not all(isinstance(one, dict) for one in annotations):
            rejected.append(Rejected(f"{path}:{number}", "not a task of Label Studio: it needs 'data' and 'annotations'"))
            continue
        cells = {str(key): _value(value) for key, value in data.items()}
        names |= dict.fromkeys(cells)
        submitted = [one for one in annotations if not one.get("was_cancelled") and not one.get("skipped")]
        for annotation in submitted:
            given: dict[str, list[str]] = {}
            for result in annotation.get("result") or []:
                value = result.get("value") if isinstance(result, dict) else None
                choices = value.get("choices") if isinstance(value, dict) else None
                if isinstance(choices, list) and isinstance(result.get("from_name"), str):
                    given.setdefault(result["from_name"], []).extend(str(one) for one in choices)
            controls |= dict.fromkeys(given)
            rows.append((number, {**cells, **given, "id": str(task.get("id", number)), "annotation_id": str(annotation.get("id", ""))}))
        if not submitted:
            rows.append((number, {**cells, "id": str(task.get("id", number))}))
    if rows and not controls:
        raise DataError(f"{path}: no annotation of these tasks holds choices, which is what labels of sentences are")
    columns = dict.fromkeys([*names, *controls, "id", "annotation_id"])
    return Table(path, list(columns), rows, LABEL_STUDIO, rejected)
