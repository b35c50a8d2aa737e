"""What the columns of a table mean: which holds the text, which hold labels and how, and what a blank cell says."""

from __future__ import annotations

import ast
import difflib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from classify.errors import DataError, SettingsError
from classify.labels import RESERVED_GROUPS, Group, Label, LabelScheme, fold
from training.tables import LABEL_STUDIO, Table

TEXT = (
    "text", "sentence", "kalimat", "teks", "tweet", "content", "konten", "isi", "headline", "judul", "title", "berita", "komentar",
    "comment", "message", "pesan", "review", "ulasan",
)  # fmt: skip
CONTEXT = ("context", "konteks", "previous", "sebelumnya", "kalimat sebelumnya", "previous sentence")
GROUP = ("group", "document", "dokumen", "article", "artikel", "doc id", "document id", "article id")
# Columns that may hold labels of any group. Their empty lists are blank: doccano writes one for a text that nobody opened.
ANY = ("label", "labels", "kategori", "category", "categories", "kelas", "class", "tag", "tags")
YES = frozenset(("1", "true", "yes", "y", "ya", "x", "v", "t", "benar", "✓", "✔", "☑"))
NO = frozenset(("0", "false", "no", "n", "tidak", "bukan", "f", "salah"))
NONE = frozenset(("none", "-", "–", "—", "[]", "tidak ada", "tanpa", "tanpa label", "no label", "no labels", "nihil", "kosong"))
UNKNOWN = frozenset(("?", "nan", "null", "n/a", "na", "<na>", "unknown", "tidak diketahui"))
SEPARATORS = (";", "|", ",", "#", "\n", "/")
FORMULA_ERRORS = frozenset(("#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#N/A", "#NULL!", "#NUM!"))
# Columns about the work, not about the sentence.
_ABOUT = frozenset((
    "annotation id", "annotation", "annotator", "created at", "updated at", "lead time", "comments", "username", "user",
    "predictions", "total annotations", "origin", "source", "split", "disputed", "unsure", "unknown", "id", "index", "no", "date",
    "tanggal", "url", "link", "outlet", "author", "penulis",
))  # fmt: skip
BLANKS = ("unknown", "none")
# The share of a column's cells that tells what it holds; what the others are is a mistake.
MOST = 0.9
# As pandas writes whole numbers of a column that has, or had, blanks.
_POINT_NOUGHT = re.compile(r"(-?[01])\.0+")


@dataclass(frozen=True)
class Layout:
    """What the user says about tables; the rest is found.

    Attributes:
        text_column, context_column, group_column: names of columns.
        label_columns: columns with labels: ``COLUMN``, or ``COLUMN=GROUP`` or ``COLUMN=LABEL`` where the name does not tell.
        separator: between the labels of one cell.
        sheet: of a workbook.
        blank: what a blank cell says: ``unknown``, or ``none`` of the labels (read, and none fits).
    """

    text_column: str | None = None
    label_columns: tuple[str, ...] = ()
    context_column: str | None = None
    group_column: str | None = None
    separator: str | None = None
    sheet: str | None = None
    blank: str = "unknown"

    def __post_init__(self) -> None:
        if self.blank not in BLANKS:
            raise SettingsError(f"setting 'blank' must be one of {', '.join(BLANKS)}, not '{self.blank}'")
        if self.separator == "":
            raise SettingsError("setting 'separator' must not be empty")

    @property
    def names_columns(self) -> bool:
        """Whether any column is named, so that files are to be read as tables."""
        return bool(self.text_column or self.label_columns or self.context_column or self.group_column)


class UnknownLabelError(DataError):
    """A label that the scheme lacks."""

    def __init__(self, message: str, label: str) -> None:
        super().__init__(message)
        self.label = label


@dataclass
class Columns:
    """The columns of one table and what they were taken for.

    Attributes:
        text, context, group: names of columns.
        lists: columns that hold labels, each with its group, or None where labels of any group may stand.
        flags: columns that say yes or no to one label.
        separator: between the labels of one cell.
    """

    table: Table
    scheme: LabelScheme
    blank: str
    text: str
    context: str | None = None
    group: str | None = None
    lists: list[tuple[str, Group | None]] = field(default_factory=list)
    flags: dict[str, Label] = field(default_factory=dict)
    separator: str | None = None

    def __post_init__(self) -> None:
        # Of a column for all groups, those that occur in it are the ones the annotators could give.
        self._spoken: dict[str, list[Group]] = {}
        # Groups whose columns also spell out a no, beside which a blank cell says nothing.
        self._spells_no: set[str] = set()
        # Columns in which -1 is the no.
        self._minus: set[str] = set()

    def study(self) -> None:
        """Learn from the whole table what single cells do not tell."""
        for column, group in self.lists:
            spoken = {group.id} if group else set()
            for cell in self.table.values(column) if group is None else ():
                try:
                    words = pieces(cell, self.separator, lambda one: self.scheme.find(one) is not None)
                except DataError:
                    continue  # told when the row is read
                spoken |= {self.scheme.group_of(label.id).id for label in map(self.scheme.find, words) if label}
            self._spoken[column] = [one for one in self.scheme.groups if one.id in spoken]
        for column, label in self.flags.items():
            if _minus_is_no(self.table.values(column)):
                self._minus.add(column)
            if any(_flag(cell, column in self._minus) is False for cell in self.table.values(column)):
                self._spells_no.add(self.scheme.group_of(label.id).id)

    def __str__(self) -> str:
        parts = [f"text = '{self.text}'"]
        parts += [f"{what} = '{name}'" for what, name in (("context", self.context), ("group", self.group)) if name]
        for column, group in self.lists:
            shown = f" (separator {_shown(self.separator)})" if self.separator and self._separated(column) else ""
            spoken = group.id if group else " and ".join(one.id for one in self._spoken.get(column, [])) or "labels"
            parts.append(f"{spoken} from '{column}'{shown}")
        for group in self.scheme.groups:
            names = [column for column, label in self.flags.items() if label in group.labels]
            if names:
                parts.append(f"{group.id} from one column a label ({_some(names, 4)})")
        used = {self.text, self.context, self.group, *(column for column, _ in self.lists), *self.flags, "annotation_id"}
        unused = [name for name in self.table.columns if name not in used and fold(name) not in ("id", "split", "origin", "disputed")]
        if unused:
            parts.append(f"not read: {_some(unused, 6)}")
        return f"{self.table.path.name}: {', '.join(parts)}, {self.table.form}"

    def _separated(self, column: str) -> bool:
        return any(isinstance(cell, str) and self.separator and self.separator in cell for cell in self.table.values(column))

    def rows(self) -> Iterator[tuple[int, dict[str, Any] | DataError | None]]:
        """Line and row of every sentence, in the shape of the project's JSON Lines.

        A row is None where nobody labelled it, and an error where it cannot be used; those of one task of Label Studio become one.
        """
        waiting: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        for line, cells in self.table.rows:
            try:
                row = self._row(cells)
            except DataError as error:
                yield line, error
                continue
            if row is not None and cells.get("annotation_id") and row.get("id"):
                waiting.setdefault(row["id"], []).append((line, row))
            else:
                yield line, row
        for members in waiting.values():
            yield members[0][0], _merged([row for _, row in members], self.scheme)

    def _row(self, cells: dict[str, Any]) -> dict[str, Any] | None:
        text = cells.get(self.text)
        if not isinstance(text, str) or not text.strip():
            raise DataError(f"the text (column '{self.text}') is missing or empty")
        if text in FORMULA_ERRORS:
            raise DataError(f"the text (column '{self.text}') is the error {text} of a formula")
        # Submitted by an annotator who chose nothing: that is an answer.
        none_given = bool(cells.get("annotation_id")) or self.blank == "none"
        given: dict[str, set[str]] = {}
        unknown: set[str] = set()
        for column, _ in self.lists:
            self._read_list(column, cells.get(column), none_given, given)
        for group in self.scheme.groups:
            self._read_flags(group, cells, none_given, given, unknown)
        if not given:
            return None
        row: dict[str, Any] = {"text": text, **{group: sorted(labels) for group, labels in given.items()}}
        row["unknown"] = sorted(label for label in unknown if not any(label in labels for labels in given.values()))
        for key, name in (("context", self.context), ("group", self.group)):
            if name and cells.get(name) not in (None, ""):
                row[key] = str(cells[name])
        used = {self.text, self.context, self.group, *(column for column, _ in self.lists), *self.flags}
        for name in self.table.columns:
            key = fold(name)
            if key in ("id", "split", "origin", "annotation") and name not in used and cells.get(name) not in (None, ""):
                row[key] = str(cells[name])
            elif key == "disputed" and name not in used and cells.get(name):
                words = pieces(cells[name], self.separator, lambda one: self.scheme.find(one) is not None)
                row[key] = [label.id for label in map(self.scheme.find, words) if label]
        return row

    def _read_list(self, column: str, cell: Any, none_given: bool, given: dict[str, set[str]]) -> None:
        group = dict(self.lists)[column]
        spoken = self._spoken[column]

        def known(word: str) -> bool:
            return self.scheme.find(word, group) is not None

        words = pieces(cell, self.separator, known)
        said = fold(words[0]) if len(words) == 1 and not known(words[0]) else ""
        if not words or said in NONE or said in UNKNOWN:
            # An empty list under a group's own name was written by somebody who meant it.
            meant = said in NONE or (isinstance(cell, list) and fold(column) not in ANY)
            if meant or (none_given and said not in UNKNOWN):
                given |= {one.id: given.get(one.id, set()) for one in spoken if not one.exclusive}
            return
        for word in words:
            label = self.scheme.find(word, group)
            if label is None:
                valid = _some([one.id for one in (group.labels if group else self.scheme)], 12)
                raise UnknownLabelError(f"column '{column}': unknown {group.id if group else ''} label '{word}'; the labels are: {valid}"
                                        .replace("  ", " "), word)  # fmt: skip
            given.setdefault(self.scheme.group_of(label.id).id, set()).add(label.id)
        given |= {one.id: given.get(one.id, set()) for one in spoken if not one.exclusive}

    def _read_flags(self, group: Group, cells: dict[str, Any], none_given: bool, given: dict[str, set[str]], unknown: set[str]) -> None:
        columns = {column: label for column, label in self.flags.items() if label in group.labels}
        if not columns:
            return
        answers: dict[str, bool | None] = {}
        for column, label in columns.items():
            answers[label.id] = _flag(cells.get(column), column in self._minus)
            if answers[label.id] is None and cells.get(column) not in (None, "") and fold(str(cells[column])) not in UNKNOWN:
                raise DataError(f"column '{column}': '{cells[column]}' is neither yes (1, ya, true, x) nor no (0, tidak, false)")
        yes = {label for label, answer in answers.items() if answer}
        blank = {label for label, answer in answers.items() if answer is None}
        without = {label.id for label in group.labels} - set(answers)
        if group.exclusive:
            # All denied is an error that the scheme finds; some denied and some left open is no answer yet.
            if yes or not (blank or without):
                given.setdefault(group.id, set()).update(yes)
            return
        if len(blank) == len(answers) and not none_given:
            return
        given.setdefault(group.id, set()).update(yes)
        unknown |= without
        if group.id in self._spells_no and not none_given:
            unknown |= blank


def recognise(table: Table, scheme: LabelScheme, layout: Layout) -> Columns:
    """Find what the columns of a table mean.

    Raises:
        DataError: when a named column does not exist, or no column looks like the text or like labels; tells what to do.
    """
    taken = {column for column in table.columns if _find_group(scheme, column)}
    text = _text(table, layout, taken)
    columns = Columns(table, scheme, layout.blank, text)
    for what, named, names in (("context", layout.context_column, CONTEXT), ("group", layout.group_column, GROUP)):
        found = _column(table, named, f"--{what}-column") if named else _first(table, names, taken | {text})
        setattr(columns, what, found)
    rest = [name for name in table.columns if name not in (text, columns.context, columns.group)]
    if layout.label_columns:
        for column, target in _named(table, layout.label_columns):
            _assign(columns, column, target)
    else:
        columns.lists = [(column, group) for column in rest if (group := _find_group(scheme, column))]
        generic = [column for column in rest if fold(column) in ANY]
        whole = [group for _, group in columns.lists]
        if any(_resolves(table, column, scheme, layout.separator) for column in generic):
            whole += scheme.groups
        for column in rest:
            label = None if _find_group(scheme, column) else _find_label(scheme, column)
            # Beside a column of its group, or called like a column about the work, a label's name alone does not tell: predicting
            # writes scores under it.
            if label and _says_yes_or_no(table, column, sure=scheme.group_of(label.id) not in whole and fold(column) not in _ABOUT):
                columns.flags[column] = label
        if not columns.lists and not columns.flags:
            columns.lists = [
                (column, None) for column in generic or [one for one in rest if _resolves(table, one, scheme, layout.separator)]
            ]
    if not columns.lists and not columns.flags:
        groups = _some([group.id for group in scheme.groups], 8)
        raise UnknownLabelError(
            f"{table.path}: no column holds labels of the scheme, whose groups are {groups} (columns: {_some(table.columns, 20)}): "
            f"name them with --label-columns, or {own_labels(table.path)}",
            "",
        )
    columns.separator = layout.separator or _separator(columns)
    columns.study()
    return columns


def own_labels(path: object) -> str:
    """What to do when data has labels of its own."""
    return (
        f"if the labels are your own, run  classify labels new my-labels.yaml --from {path}  "
        f"and then  classify train --labels my-labels.yaml --data {path} ..."
    )


def _text(table: Table, layout: Layout, taken: set[str]) -> str:
    if layout.text_column:
        return _column(table, layout.text_column, "--text-column")
    found = _first(table, TEXT, taken)
    if found is None and table.form == LABEL_STUDIO:
        data = [one for one in table.columns if all(isinstance(cell, str) for cell in table.values(one)) and fold(one) not in _ABOUT]
        found = data[0] if len(data) == 1 else None
    if found is None:
        raise DataError(
            f"{table.path}: no column is called text, sentence, kalimat or the like (columns: {_some(table.columns, 20)}): "
            "name the one that holds the sentences with --text-column, or add a header if the first line is a sentence already"
        )
    return found


def _first(table: Table, names: Sequence[str], taken: set[str]) -> str | None:
    folded = {fold(column): column for column in reversed(table.columns) if column not in taken}
    return next((folded[name] for name in names if name in folded), None)


def _column(table: Table, name: str, flag: str) -> str:
    """The column of that name, case and spacing aside."""
    if name in table.columns:
        return name
    found = [column for column in table.columns if fold(column) == fold(name)]
    if len(found) == 1:
        return found[0]
    close = difflib.get_close_matches(name, table.columns, n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    raise DataError(f"{table.path} has no column '{name}', which {flag} names{hint}; its columns: {_some(table.columns, 20)}")


def _named(table: Table, entries: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """Column and target of each ``COLUMN``, ``COLUMN=TARGET`` or comma-separated several of them."""
    known = {fold(column) for column in table.columns}
    for entry in entries:
        for one in [entry] if fold(entry) in known or "," not in entry else entry.split(","):
            name, _, target = one.strip().rpartition("=") if fold(one) not in known and "=" in one else (one.strip(), "", "")
            yield _column(table, name.strip(), "--label-columns"), target.strip() or None


def _assign(columns: Columns, column: str, target: str | None) -> None:
    scheme, table = columns.scheme, columns.table
    group = _find_group(scheme, target or column)
    label = None if group else _find_label(scheme, target or column)
    if target and not group and not label:
        raise DataError(
            f"'{target}' (--label-columns {column}={target}) is no group and no label of the scheme; "
            f"its groups: {_some([one.id for one in scheme.groups], 8)}; its labels: {_some(scheme.ids, 12)}"
        )
    if label and (target or _says_yes_or_no(table, column, sure=True)):
        columns.flags[column] = label
    else:
        columns.lists.append((column, group))


def _find_group(scheme: LabelScheme, name: str) -> Group | None:
    for group in scheme.groups:
        if fold(name) in (fold(group.id), *(fold(str(one)) for one in group.names.values())):
            return group
    return None


def _find_label(scheme: LabelScheme, name: str) -> Label | None:
    found = scheme.find(name)
    if found is not None:
        return found
    signs = dict.fromkeys(map(ord, "/:."), " ")
    for group in scheme.groups:
        for label in group.labels:
            if fold(name.translate(signs)) == fold(f"{group.id} {label.id}".translate(signs)):
                return label
    return None


def _answer(cell: Any) -> str:
    """A cell of yes or no as one word; ``1.0`` is ``1``."""
    word = fold(str(cell)) if cell not in (None, "") else ""
    number = _POINT_NOUGHT.fullmatch(word)
    return number.group(1) if number else word


def _flag(cell: Any, minus: bool = False) -> bool | None:
    """Yes, no, or None for what is neither; ``minus``: whether -1 is a no here."""
    word = _answer(cell)
    return True if word in YES else False if word in NO or (minus and word == "-1") else None


def _minus_is_no(cells: Iterable[Any]) -> bool:
    """Whether -1 says no in a column: only where nothing but 1 stands beside it. With a 0 it is a third answer."""
    words = {_answer(cell) for cell in cells} - UNKNOWN
    return "-1" in words and words <= {"1", "-1"}


def _says_yes_or_no(table: Table, column: str, sure: bool) -> bool:
    """Whether a column with the name of a label says yes or no to it, odd cells aside, which are told when their row is read.

    Args:
        table: the table.
        column: a name of its columns.
        sure: whether the name tells, so that one yes or no is enough; else nearly all cells must be one.
    """
    cells = [cell for cell in table.values(column) if _answer(cell) not in UNKNOWN]
    minus = _minus_is_no(cells)
    flags = sum(_flag(cell, minus) is not None for cell in cells)
    return flags >= MOST * len(cells) or (sure and flags > 0)


def _looks_like_flags(cells: Sequence[Any], minus: bool) -> bool:
    """Whether a column whose name tells nothing says yes or no, odd cells aside."""
    answers = [_flag(cell, minus) for cell in cells]
    odd = {_answer(cell) for cell, answer in zip(cells, answers, strict=True) if answer is None}
    # Several other numbers are a count of something, and -1 beside 0 and 1 a third answer.
    counts = sum(map(_is_number, odd)) > 1 or "-1" in odd
    return any(answers) and not counts and sum(answer is not None for answer in answers) >= MOST * len(answers)


def pieces(cell: Any, separator: str | None, known: Callable[[str], bool]) -> list[str]:
    """The labels written in one cell: a list (also one in brackets, as JSON or Python write it), or a text with separators.

    Args:
        cell: a text, a list, or None.
        separator: None where a cell holds one label.
        known: whether a text is a label as a whole, whatever separators it holds.

    Raises:
        DataError: for what is neither.
    """
    if cell is None or cell == "":
        return []
    if isinstance(cell, str):
        if known(cell):
            return [cell]
        if cell[0] in "[{(" and len(cell) < 10_000:
            loaded = _literal(cell)
            if isinstance(loaded, dict) and isinstance(loaded.get("choices"), list):
                loaded = loaded["choices"]
            if isinstance(loaded, (list, tuple, set)):
                return pieces(list(loaded), separator, known)
        return [one.strip() for one in (cell.split(separator) if separator else [cell]) if one.strip()]
    if not isinstance(cell, list) or not all(isinstance(one, (str, int)) for one in cell):
        raise DataError(f"a list of labels was expected, not {str(cell)[:60]}")
    return [str(one).strip() for one in cell if str(one).strip()]


def _literal(cell: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        try:
            return read(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return None


def _separator(columns: Columns) -> str | None:
    """The separator with which most cells turn into labels of the scheme; none where that does as well."""
    best, most = None, -1
    for separator in (None, *SEPARATORS):
        count = 0
        for column, group in columns.lists:
            for number, cell in enumerate(columns.table.values(column)):
                if number == 5000:
                    break
                # A text in brackets may hold a list of anything, which is told when the row is read.
                if isinstance(cell, str) and cell[0] not in "[{(":
                    words = pieces(cell, separator, lambda one, group=group: columns.scheme.find(one, group) is not None)  # type: ignore[misc]
                    count += bool(words) and all(columns.scheme.find(word, group) is not None for word in words)
        if count > most:
            best, most = separator, count
    return best


def _resolves(table: Table, column: str, scheme: LabelScheme, separator: str | None) -> bool:
    """Whether nearly all cells of a column are labels of the scheme."""
    for one in [separator] if separator else [None, *SEPARATORS]:
        right = total = 0
        for cell in table.values(column):
            if not isinstance(cell, (str, list)):
                return False
            try:
                words = pieces(cell, one, lambda word: scheme.find(word) is not None)
            except DataError:
                return False
            total += 1
            right += all(scheme.find(word) is not None for word in words)
        if total and right >= MOST * total:
            return True
    return False


def _merged(rows: list[dict[str, Any]], scheme: LabelScheme) -> dict[str, Any]:
    """One row from the answers of several annotators: what most of them gave; a label on which they are even is disputed."""
    if len(rows) == 1:
        return rows[0]
    merged = dict(rows[0])
    disputed: list[str] = []
    for group in scheme.groups:
        answers = [set(row[group.id]) for row in rows if group.id in row]
        if not answers:
            continue
        counts = Counter(label for answer in answers for label in answer)
        even = [label for label, count in counts.items() if 2 * count == len(answers)]
        most = {label for label, count in counts.items() if 2 * count > len(answers)}
        if group.exclusive and not most:
            # No majority: the first answer stands, and all that were given are in doubt.
            most, even = answers[0], list(counts)
        merged[group.id] = sorted(most | (set(even) & answers[0]))
        disputed += even
    merged["disputed"] = sorted(disputed)
    if len(rows) == 2:
        # Two independent readers, whose answers differ just where they dispute.
        merged["annotation"] = "agreed"
    return merged


def _shown(separator: str | None) -> str:
    return "line break" if separator == "\n" else f"'{separator}'"


def _some(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


# --------------------------------------------------------------------------------------------------------------------
# A scheme from the data


@dataclass(frozen=True)
class Proposal:
    """A group of labels found in a table.

    Attributes:
        group: its id.
        counts: how often each label is given, commonest first.
        exclusive: whether no row has more than one.
        source: the columns, for people.
    """

    group: str
    counts: dict[str, int]
    exclusive: bool
    source: str


def propose(table: Table, layout: Layout) -> tuple[str, list[Proposal]]:
    """The column of the text, and the groups of labels that a table's other columns hold.

    Raises:
        DataError: when there is no text column, or no column looks like labels.
    """
    text = _text(table, layout, set())
    named = [column for column, _ in _named(table, layout.label_columns)]
    apart = {text, *(name for name in (_first(table, CONTEXT, {text}), _first(table, GROUP, {text})) if name)}
    proposals: list[Proposal] = []
    flags: dict[str, int] = {}
    odd: list[str] = []
    for column in named or [one for one in table.columns if one not in apart and fold(one) not in _ABOUT]:
        cells = [cell for cell in table.values(column) if fold(str(cell)) not in UNKNOWN]
        if not cells or not all(isinstance(cell, (str, list)) for cell in cells):
            continue
        minus = _minus_is_no(cells)
        if _looks_like_flags(cells, minus):
            flags[column] = sum(_flag(cell, minus) is True for cell in cells)
            odd += [str(cell) for cell in cells if _flag(cell, minus) is None]
            continue
        sure = bool(named) or fold(column) in ANY
        separator = layout.separator or _guess_separator(cells)
        try:
            lists = [pieces(cell, separator, lambda _: False) for cell in cells]
        except DataError:
            continue
        words = [word for given in lists for word in given if fold(word) not in NONE]
        counts = dict(sorted(Counter(words).items(), key=lambda item: (-item[1], item[0])))
        repeats = 2 <= len(counts) <= max(2, 0.7 * len(words)) and max(map(len, counts)) <= 60
        numbers = all(map(_is_number, counts)) and {_answer(word) for word in counts} != {"-1", "0", "1"}
        if not counts or not (sure or (repeats and not numbers)):
            continue
        exclusive = len(counts) > 1 and all(len(given) == 1 and fold(given[0]) not in NONE for given in lists if given)
        proposals.append(Proposal(_group_id(column), counts, exclusive, f"column '{column}'"))
    if flags:
        taken = {proposal.group for proposal in proposals} | set(flags)
        name = next(one for one in ("label", "labels_", "label_") if one not in taken)
        source = f"{len(flags)} yes-or-no column{'s' * (len(flags) > 1)}"
        if odd:
            shown = _some([f"'{one[:30]}'" for one in dict.fromkeys(odd)], 4)
            source += f" ({len(odd)} cell{'s' * (len(odd) > 1)} neither: {shown})"
        proposals.append(Proposal(name, flags, False, source))
    if not proposals:
        raise DataError(f"{table.path}: no column looks like labels (columns: {_some(table.columns, 20)}): name them with --label-columns")
    return text, proposals


def _is_number(word: str) -> bool:
    return word.replace(".", "", 1).lstrip("-").isdigit()


def _group_id(column: str) -> str:
    return f"{column}_" if column in RESERVED_GROUPS else column


def _guess_separator(cells: Sequence[Any]) -> str | None:
    """A separator that turns many different cells into few different words."""
    texts = [cell for cell in cells if isinstance(cell, str) and cell[0] not in "[{("]
    best, fewest = None, len(set(texts))
    for separator in SEPARATORS:
        if not any(separator in text for text in texts):
            continue
        words = {word.strip() for text in texts for word in text.split(separator)}
        # Each word also stands alone or with others somewhere; a comma inside names would make new words, not fewer.
        if len(words) < fewest or (len(words) == fewest and best is None and words & set(texts)):
            best, fewest = separator, len(words)
    return best
