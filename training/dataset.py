"""Labelled sentences: reading files, joining labels of real sentences with a pool of articles, target arrays."""

from __future__ import annotations

import csv
import difflib
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classify.copies import digest as digest
from classify.copies import normalise as normalise
from classify.errors import DataError
from classify.labels import RESERVED_GROUPS, LabelScheme
from classify.writers import replacing
from training.columns import Layout, UnknownLabelError, own_labels, recognise
from training.corpus import read_texts
from training.tables import SUFFIXES, Rejected, read_table

logger = logging.getLogger(__name__)

# Above this share of rows that cannot be used, a file is broken, not blemished.
MAX_REJECTED = 0.01
# So many of them are shown.
SHOWN = 20
SPLITS = ("train", "validation", "test", "development")
# Fields of a row besides its groups. A list of `labels` is none of them, but what other programs write.
FIELDS = RESERVED_GROUPS - {"labels"}
# So alike is a misspelt key to the group that is meant: as `topik` is to `topic`.
ALIKE = 0.8


@dataclass(frozen=True)
class Example:
    """One labelled sentence.

    Attributes:
        id: unique within its file.
        text, context: the sentence and the one before it, ``""`` where there is none.
        labels: for every group the row speaks of, the labels given; a group it does not name is unknown, not negative.
        group: document or paraphrase family; never divided over splits.
        origin: where the sentence comes from.
        split: fixed split, or ``""`` to let the splitter decide.
        disputed: labels on which two careful readers differed, or of which the only one was unsure; they neither teach nor count.
        read_twice: whether two readers labelled the row independently.
        real: whether it was joined from a pool of real articles.
        unknown: labels of the groups named that the row says nothing about.
        where: file and line, for messages.
    """

    id: str
    text: str
    context: str
    labels: dict[str, tuple[str, ...]]
    group: str
    origin: str = ""
    split: str = ""
    disputed: tuple[str, ...] = ()
    read_twice: bool = False
    real: bool = False
    unknown: tuple[str, ...] = ()
    where: str = field(default="", compare=False)

    @property
    def file(self) -> str:
        """Name of the file it was read from."""
        return Path(self.where.rsplit(":", 1)[0]).name

    @property
    def has_id(self) -> bool:
        """Whether its row gave the id; else what the sentence says did."""
        return self.id != content_id(self.text, self.context)


def content_id(text: str, context: str) -> str:
    """What a sentence is called that has no id."""
    return digest(f"{text}\n{context}")[:16]


def data_files(paths: Iterable[Path]) -> list[Path]:
    """The files of labelled sentences behind ``paths``, folders searched, in a stable order.

    Raises:
        DataError: when a path does not exist or a folder holds none.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(one for one in path.iterdir() if one.suffix.lower() in SUFFIXES and one.is_file())
            if not found:
                raise DataError(f"the folder {path} holds no {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} files")
            files.extend(found)
        elif path.is_file():
            files.append(path)
        else:
            raise DataError(f"there is no data file or folder at {path}")
    return files


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield ``(file:line, line)`` for every line of a file that is not blank.

    Raises:
        DataError: when the file is not UTF-8.
    """
    with path.open(encoding="utf-8-sig") as stream:
        try:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield f"{path}:{number}", line
        except UnicodeDecodeError:
            raise DataError(f"{path} is not UTF-8 text: convert it") from None


def decode(where: str, line: str) -> dict[str, Any]:
    """One line of JSON Lines.

    Raises:
        DataError: for a line that is not a JSON object; names the line.
    """
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: not a JSON object ({error})") from None
    except RecursionError:
        raise DataError(f"{where}: not a JSON object (nested too deeply)") from None
    if not isinstance(row, dict):
        raise DataError(f"{where}: not a JSON object (but {type(row).__name__})")
    return row


def parse(where: str, row: dict[str, Any], scheme: LabelScheme) -> Example:
    """One row as an example.

    Raises:
        UnknownLabelError: for a label the scheme lacks; names the valid ones.
        DataError: for a missing text, a group that is no list and no label, an exclusive one without exactly one label, a group's
            misspelt key, and the like.
    """
    text = row.get("text")
    if not isinstance(text, str) or not text.strip():
        raise DataError(f'{where}: "text" is missing or empty')
    labels: dict[str, tuple[str, ...]] = {}
    for group in scheme.groups:
        given = row.get(group.id)
        # One label may stand by itself. Nothing and an empty text are how some programs write a blank.
        if isinstance(given, str):
            given = [given.strip()] if given.strip() else None
        if given is None:
            continue
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            raise DataError(f'{where}: "{group.id}" must be a list of label ids, not {given!r}')
        valid = [label.id for label in group.labels]
        for one in given:
            if one not in valid:
                raise UnknownLabelError(f"{where}: unknown {group.id} label '{one}'; the labels are: {', '.join(valid)}", one)
        labels[group.id] = tuple(label for label in valid if label in given)
        if group.exclusive and len(labels[group.id]) != 1:
            raise DataError(f'{where}: "{group.id}" is exclusive and needs exactly one label, not {given!r}')
    _no_misspelt_group(where, row, scheme)
    if not labels:
        raise DataError(f"{where}: none of the groups {', '.join(group.id for group in scheme.groups)} is given")
    split = str(row.get("split") or "")
    if split and split not in SPLITS:
        raise DataError(f"{where}: unknown split '{split}'; the splits are: {', '.join(SPLITS)}")
    disputed = row.get("disputed") or row.get("unsure") or ()
    unknown = row.get("unknown") or ()
    for key, value in (("disputed" if row.get("disputed") else "unsure", disputed), ("unknown", unknown)):
        if not isinstance(value, (list, tuple)):
            raise DataError(f'{where}: "{key}" must be a list of label ids, not {value!r}')
        _known_labels(where, key, value, row, scheme)
    context = str(row.get("context") or "")
    # By what it says, not by its line, so that what was kept aside is known again when rows were added or sorted.
    identity = str(row["id"] if row.get("id") not in (None, "") else content_id(text, context))
    return Example(
        id=identity,
        text=text.strip(),
        context=context,
        labels=labels,
        group=str(row.get("group") or identity),
        origin=str(row.get("origin") or row.get("source") or ""),
        split=split,
        unknown=tuple(str(one) for one in unknown),
        disputed=tuple(str(one) for one in disputed),
        read_twice=row.get("annotation") in ("agreed", "adjudicated"),
        where=where,
    )


@lru_cache(maxsize=1024)
def _meant(key: str, groups: tuple[str, ...]) -> str:
    """The group whose id a key nearly is, ``""`` where there is none."""
    folded = {group.casefold(): group for group in groups}
    close = difflib.get_close_matches(key.casefold(), folded, n=1, cutoff=ALIKE)
    return folded[close[0]] if close else next((group for one, group in folded.items() if key.casefold() == f"{one}s"), "")


def _no_misspelt_group(where: str, row: dict[str, Any], scheme: LabelScheme) -> None:
    """Refuse labels under a key that is nearly the name of a group, because nothing would read them.

    Raises:
        DataError: names the group. Beside the group itself, such a key is a field of somebody's own (an `instance` beside `stance`).
    """
    groups = tuple(group.id for group in scheme.groups)
    for key, value in row.items():
        if key not in groups and key not in FIELDS and isinstance(value, (list, str)):
            meant = _meant(key, groups)
            if meant and meant not in row:
                raise DataError(f'{where}: "{key}" is no group and no field of a row: did you mean the group "{meant}"?')


def _known_labels(where: str, key: str, labels: Sequence[Any], row: dict[str, Any], scheme: LabelScheme) -> None:
    """Refuse a label in doubt that the scheme lacks, unless it goes on under another id or may belong to a group that the scheme lacks.

    Raises:
        UnknownLabelError: names the closest label.
    """
    known = {*scheme.ids, *(label.renamed_from for label in scheme)}
    strange = [str(one) for one in labels if str(one) not in known]
    if not strange or any(isinstance(row[one], list) and one not in FIELDS for one in row.keys() - {group.id for group in scheme.groups}):
        return
    close = difflib.get_close_matches(strange[0], scheme.ids, n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    raise UnknownLabelError(f"{where}: unknown {key} label '{strange[0]}'{hint}; the labels are: {', '.join(scheme.ids)}", strange[0])


class Pool:
    """Real articles a user has; turns labels kept without their text back into examples."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._articles: dict[str, str] = {}
        for path in paths:
            files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
            if not files:
                raise DataError(f"the pool {path} holds no .jsonl files")
            for file in files:
                for text in read_texts(file):
                    self._articles[digest(text)[:16]] = text

    def articles(self) -> Iterator[tuple[str, str]]:
        """Name and text of every article, in the order of the files."""
        yield from self._articles.items()

    def resolve(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """The row with ``text`` and ``context`` filled in, or None when the pool lacks the sentence.

        Raises:
            DataError: when the row does not say where the sentence stands, or another sentence stands there.
        """
        try:
            article, start, end, wanted = str(row["article"]), int(row["start"]), int(row["end"]), str(row["sha256"])
            before, after = map(int, row.get("context") or (0, 0))
        except KeyError as error:
            raise DataError(f"a row without text needs {error}") from None
        except (TypeError, ValueError):
            raise DataError('"start", "end" and the two of "context" must be whole numbers') from None
        if article not in self._articles:
            return None
        whole = self._articles[article]
        text = whole[start:end]
        if digest(text) != wanted:
            raise DataError(f"the article {article} in the pool differs from the labelled one at {start}")
        # Unless a copy of it stands elsewhere, an article is a group of its own.
        return {"group": f"n{article[:12]}", **row, "text": text, "context": whole[before:after], "id": wanted[:16]}


def read_example(where: str, line: str, scheme: LabelScheme, pool: Pool | None) -> Example | None:
    """The example on one line, or None when its text is in an article that ``pool`` does not hold.

    Raises:
        DataError: for an unusable row; names the line.
    """
    row = decode(where, line)
    real = "text" not in row and "sha256" in row
    if real:
        try:
            found = pool.resolve(row) if pool else None
        except DataError as error:
            raise DataError(f"{where}: {error}") from None
        if found is None:
            return None
        row = found
    return replace(parse(where, row, scheme), real=real)


@dataclass
class FileRows:
    """What one file holds.

    Attributes:
        path: the file.
        examples: its usable rows.
        rejected: rows that cannot be used.
        without_text: labels of sentences whose article is not in the pool.
        unlabelled: sentences of a table that nobody labelled.
        columns: what the columns of a table were taken for, ``""`` for rows in the project's own JSON Lines.
        unknown_labels: labels the scheme lacks, and how often each made a row unusable.
    """

    path: Path
    examples: list[Example] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    without_text: int = 0
    unlabelled: int = 0
    columns: str = ""
    unknown_labels: Counter[str] = field(default_factory=Counter)

    @property
    def size(self) -> int:
        """Rows of any kind."""
        return len(self.examples) + self.lost + self.without_text + self.unlabelled

    @property
    def lost(self) -> int:
        """Rows that cannot be used, those counted that went under with a broken one."""
        return sum(one.rows for one in self.rejected)

    @property
    def broken(self) -> bool:
        """Whether too many rows cannot be used."""
        return self.lost > MAX_REJECTED * self.size

    def reject(self, where: str, error: DataError) -> None:
        """Note a row that cannot be used."""
        if isinstance(error, UnknownLabelError):
            self.unknown_labels[error.label] += 1
        self.rejected.append(Rejected(where, str(error).removeprefix(f"{where}: ")))


def is_own_format(path: Path, scheme: LabelScheme) -> bool:
    """Whether a JSON Lines file is in the project's own format, whose fields need no guessing: named by its first rows."""
    if path.suffix.lower() != ".jsonl":
        return False
    found = ordinary = 0
    for number, (_, line) in enumerate(lines(path)):
        if number == 100:
            break
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            # Label Studio and doccano call their field label or labels, and mean by an empty list that nobody looked.
            keys = [group.id for group in scheme.groups if group.id not in ("label", "labels")]
            found += "sha256" in row or any(key in row and isinstance(row[key], list) for key in keys)
            ordinary += 1
    # A file without any usable row is read in that format too, whose errors are the plainer ones.
    return found > 0 or ordinary == 0


def read_file(path: Path, scheme: LabelScheme, pool: Pool | None = None, layout: Layout | None = None) -> FileRows:
    """Read one file of labelled sentences, unusable rows set apart.

    Raises:
        DataError: when the file as a whole cannot be used.
    """
    layout = layout or Layout()
    read = FileRows(path)
    if not layout.names_columns and is_own_format(path, scheme):
        for where, line in lines(path):
            try:
                example = read_example(where, line, scheme, pool)
            except DataError as error:
                read.reject(where, error)
                continue
            if example is None:
                read.without_text += 1
            else:
                read.examples.append(example)
        return read
    table = read_table(path, layout.sheet)
    read.rejected += table.rejected
    if not table.rows:
        return read
    columns = recognise(table, scheme, layout)
    read.columns = str(columns)
    for number, row in columns.rows():
        where = f"{path}:{number}"
        if row is None:
            read.unlabelled += 1
            continue
        try:
            if isinstance(row, DataError):
                raise row
            read.examples.append(parse(where, row, scheme))
        except DataError as error:
            read.reject(where, error)
    return read


def write_rejected(path: Path, rejected: Iterable[Rejected]) -> None:
    """Write all rows that cannot be used as a CSV of ``file``, ``line`` and ``reason``."""
    with replacing(path, encoding="utf-8-sig") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["file", "line", "reason"])
        for one in rejected:
            file, _, line = one.where.rpartition(":")
            writer.writerow([file, line, one.reason])


@dataclass(frozen=True)
class Loaded:
    """Examples and what could not be had."""

    examples: list[Example]
    without_text: int = 0
    rejected: tuple[Rejected, ...] = ()
    unlabelled: int = 0


def load(
    paths: Sequence[Path],
    scheme: LabelScheme,
    pool: Pool | None = None,
    layout: Layout | None = None,
    rejected: Path | None = None,
) -> Loaded:
    """Read all files; rows that carry a ``sha256`` instead of a text are joined with ``pool``.

    Args:
        paths: files and folders.
        scheme: the labels.
        pool: articles.
        layout: what the user says about the columns of tables.
        rejected: file to list unusable rows in.

    Raises:
        DataError: when more than one in a hundred rows of a file cannot be used, or nothing at all could be read.
    """
    files = [read_file(path, scheme, pool, layout) for path in data_files(paths)]
    lost = [one for file in files for one in file.rejected]
    if rejected is not None:
        write_rejected(rejected, lost)
    for file in files:
        if file.columns:
            logger.warning("%s", file.columns)
    for file in files:
        if file.broken:
            raise DataError(_broken(file))
    for file in files:
        if file.unlabelled:
            hint = "  (--blank none, if they were read and have none)" if not layout or layout.blank == "unknown" else ""
            logger.warning("%s: %d sentences without any label were left out%s", file.path.name, file.unlabelled, hint)
        if file.rejected:
            logger.warning("%s: %d of %d rows cannot be used and were left out:", file.path.name, file.lost, file.size)
            for text in shown(file.rejected):
                logger.warning("  %s", text)
    examples = [example for file in files for example in _told_apart(file.examples)]
    missing = sum(file.without_text for file in files)
    if not examples:
        hint = " (labels of real sentences need --pool, the articles they were drawn from)" if missing else ""
        raise DataError(f"no labelled sentence found in {', '.join(str(path) for path in paths)}{hint}")
    return Loaded(examples, missing, tuple(lost), sum(file.unlabelled for file in files))


def _told_apart(examples: Sequence[Example]) -> list[Example]:
    """The examples of a file, each under an id of its own: ids that name documents, say, stand at several sentences."""
    times = Counter(example.id for example in examples)
    return [
        example
        if times[example.id] == 1 or not example.has_id
        else replace(example, id=f"{example.id}#{content_id(example.text, example.context)}")
        for example in examples
    ]


def shown(rejected: Sequence[Rejected]) -> list[str]:
    """The first unusable rows, a line each, and how many more there are."""
    more = [f"... and {len(rejected) - SHOWN} more (--rejected FILE lists all)"] if len(rejected) > SHOWN else []
    return [*(str(one) for one in rejected[:SHOWN]), *more]


def _broken(file: FileRows) -> str:
    hint = f"\n{own_labels(file.path)}" if 2 * sum(file.unknown_labels.values()) > file.lost else ""
    if len(file.rejected) == 1 and file.lost == 1:
        return f"{file.rejected[0]}{hint if file.columns else ''}"
    listed = "".join(f"\n  {text}" for text in shown(file.rejected))
    share = f"{file.lost} of {file.size} rows of {file.path} cannot be used, and more than {MAX_REJECTED:.0%} stops:"
    return f"{share}{listed}{hint}"


def targets(examples: Sequence[Example], scheme: LabelScheme) -> NDArray[np.float32]:
    """Targets of shape ``(examples, labels)``: 1, 0, or NaN where a row does not speak of the label."""
    matrix = np.full((len(examples), len(scheme)), np.nan, dtype=np.float32)
    for group, columns in scheme.spans():
        ids = [label.id for label in group.labels]
        for i, example in enumerate(examples):
            if group.id in example.labels:
                given = example.labels[group.id]
                matrix[i, columns] = [float("nan") if one in example.unknown else one in given for one in ids]
    return matrix


def scored(examples: Sequence[Example], scheme: LabelScheme) -> NDArray[np.bool_]:
    """Which entries of the targets count in an evaluation: known and not disputed; shape ``(examples, labels)``."""
    mask = ~np.isnan(targets(examples, scheme))
    for i, example in enumerate(examples):
        for label in example.disputed:
            if label in scheme.ids:
                mask[i, scheme.ids.index(label)] = False
    return mask
