"""Labelled sentences: reading JSON Lines, joining labels of real sentences with a pool of articles, target arrays."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classify.copies import digest as digest
from classify.copies import normalise as normalise
from classify.errors import DataError
from classify.labels import LabelScheme
from training.corpus import read_texts

SPLITS = ("train", "validation", "test", "development")


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
    where: str = field(default="", compare=False)

    @property
    def file(self) -> str:
        """Name of the file it was read from."""
        return Path(self.where.rsplit(":", 1)[0]).name


def data_files(paths: Iterable[Path]) -> list[Path]:
    """The ``.jsonl`` files behind ``paths``, folders searched, in a stable order.

    Raises:
        DataError: when a path does not exist or a folder holds none.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(path.glob("*.jsonl"))
            if not found:
                raise DataError(f"the folder {path} holds no .jsonl files")
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
    if not isinstance(row, dict):
        raise DataError(f"{where}: not a JSON object (but {type(row).__name__})")
    return row


def parse(where: str, row: dict[str, Any], scheme: LabelScheme) -> Example:
    """One row as an example.

    Raises:
        DataError: for a missing text, a group that is not a list, an exclusive one without exactly one label, or an unknown
            label; names the valid ones.
    """
    text = row.get("text")
    if not isinstance(text, str) or not text.strip():
        raise DataError(f'{where}: "text" is missing or empty')
    labels: dict[str, tuple[str, ...]] = {}
    for group in scheme.groups:
        if group.id not in row:
            continue
        given = row[group.id]
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            raise DataError(f'{where}: "{group.id}" must be a list of label ids, not {given!r}')
        valid = [label.id for label in group.labels]
        for one in given:
            if one not in valid:
                raise DataError(f"{where}: unknown {group.id} label '{one}'; the labels are: {', '.join(valid)}")
        labels[group.id] = tuple(label for label in valid if label in given)
        if group.exclusive and len(labels[group.id]) != 1:
            raise DataError(f'{where}: "{group.id}" is exclusive and needs exactly one label, not {given!r}')
    if not labels:
        raise DataError(f"{where}: none of the groups {', '.join(group.id for group in scheme.groups)} is given")
    split = str(row.get("split") or "")
    if split and split not in SPLITS:
        raise DataError(f"{where}: unknown split '{split}'; the splits are: {', '.join(SPLITS)}")
    disputed = row.get("disputed") or row.get("unsure") or ()
    if not isinstance(disputed, (list, tuple)):
        raise DataError(f'{where}: "disputed" must be a list of label ids, not {disputed!r}')
    # Without the folder, so that the same file is recognised from wherever it is named.
    identity = str(row["id"] if row.get("id") not in (None, "") else Path(where).name)
    return Example(
        id=identity,
        text=text.strip(),
        context=str(row.get("context") or ""),
        labels=labels,
        group=str(row.get("group") or identity),
        origin=str(row.get("origin") or row.get("source") or ""),
        split=split,
        disputed=tuple(str(one) for one in disputed),
        read_twice=row.get("annotation") in ("agreed", "adjudicated"),
        where=where,
    )


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


@dataclass(frozen=True)
class Loaded:
    """Examples and what could not be had."""

    examples: list[Example]
    without_text: int = 0


def load(paths: Sequence[Path], scheme: LabelScheme, pool: Pool | None = None) -> Loaded:
    """Read all files; rows that carry a ``sha256`` instead of a text are joined with ``pool``.

    Raises:
        DataError: for unusable rows, or when nothing at all could be read.
    """
    examples: list[Example] = []
    missing = 0
    for path in data_files(paths):
        for where, line in lines(path):
            example = read_example(where, line, scheme, pool)
            if example is None:
                missing += 1
            else:
                examples.append(example)
    if not examples:
        hint = " (labels of real sentences need --pool, the articles they were drawn from)" if missing else ""
        raise DataError(f"no labelled sentence found in {', '.join(str(path) for path in paths)}{hint}")
    return Loaded(examples, missing)


def targets(examples: Sequence[Example], scheme: LabelScheme) -> NDArray[np.float32]:
    """Targets of shape ``(examples, labels)``: 1, 0, or NaN where a row does not speak of the label's group."""
    matrix = np.full((len(examples), len(scheme)), np.nan, dtype=np.float32)
    for group, columns in scheme.spans():
        ids = [label.id for label in group.labels]
        for i, example in enumerate(examples):
            if group.id in example.labels:
                matrix[i, columns] = [one in example.labels[group.id] for one in ids]
    return matrix


def scored(examples: Sequence[Example], scheme: LabelScheme) -> NDArray[np.bool_]:
    """Which entries of the targets count in an evaluation: known and not disputed; shape ``(examples, labels)``."""
    mask = ~np.isnan(targets(examples, scheme))
    for i, example in enumerate(examples):
        for label in example.disputed:
            if label in scheme.ids:
                mask[i, scheme.ids.index(label)] = False
    return mask
