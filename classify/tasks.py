"""Files that go to annotators and the labelled ones that came back: CSV, JSON Lines, Label Studio, doccano."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO
from xml.etree import ElementTree

from classify.copies import digest
from classify.errors import DataError
from classify.labels import LabelScheme
from classify.writers import inert, plain

READABLE = (".jsonl", ".json", ".csv", ".tsv")


@dataclass(frozen=True)
class Suggestion:
    """A sentence to label.

    Attributes:
        id: digits of the digest of text and context.
        text, context: the sentence and the one before it.
        document: where it stands.
        group: what must stay together when data is split.
        labels: for every group the model's own answer.
        scores: for every label its score.
        why: why it was chosen, for people.
    """

    id: str
    text: str
    context: str
    document: str
    group: str
    labels: dict[str, list[str]]
    scores: dict[str, float]
    why: str


def write_csv(suggestions: Sequence[Suggestion], scheme: LabelScheme, model: str, stream: TextIO) -> None:
    """A column a label group, its labels joined by ``;``; scores are in columns ``score_...``, apart from labels."""
    groups = [group.id for group in scheme.groups]
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["id", "text", "context", *groups, "why", *(f"score_{label}" for label in scheme.ids), "group", "document"])
    for one in suggestions:
        labels = [";".join(one.labels[group]) for group in groups]
        texts = [inert(text) for text in (one.text, one.context)]
        scores = [one.scores[label] for label in scheme.ids]
        writer.writerow([one.id, *texts, *labels, one.why, *scores, inert(one.group), inert(one.document)])


def write_jsonl(suggestions: Sequence[Suggestion], scheme: LabelScheme, model: str, stream: TextIO) -> None:
    """The rows that ``classify train`` reads, with score and reason beside them."""
    for one in suggestions:
        row = {"id": one.id, "text": one.text, "context": one.context, **one.labels, "group": one.group, "document": one.document}
        stream.write(json.dumps({**row, "why": one.why, "scores": one.scores}, ensure_ascii=False) + "\n")


def write_doccano(suggestions: Sequence[Suggestion], scheme: LabelScheme, model: str, stream: TextIO) -> None:
    """JSON Lines for doccano's text classification: the labels of all groups in one list; other fields become metadata."""
    for one in suggestions:
        labels = [label for group in scheme.groups for label in one.labels[group.id]]
        row = {"text": one.text, "label": labels, "context": one.context, "why": one.why}
        stream.write(json.dumps({**row, "id": one.id, "group": one.group, "document": one.document}, ensure_ascii=False) + "\n")


def write_label_studio(suggestions: Sequence[Suggestion], scheme: LabelScheme, model: str, stream: TextIO) -> None:
    """Label Studio tasks with the model's answers as predictions; they fit the configuration of :func:`label_config`."""
    tasks = []
    for one in suggestions:
        data = {"text": one.text, "context": one.context, "why": one.why, "id": one.id, "group": one.group, "document": one.document}
        result = [
            {"from_name": group, "to_name": "text", "type": "choices", "value": {"choices": labels}}
            for group, labels in one.labels.items()
            if labels
        ]
        tasks.append({"data": data, "predictions": [{"model_version": model, "result": result}]})
    json.dump(tasks, stream, ensure_ascii=False, indent=1)
    stream.write("\n")


FORMATS: dict[str, Callable[[Sequence[Suggestion], LabelScheme, str, TextIO], None]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "label-studio": write_label_studio,
    "doccano": write_doccano,
}


def label_config(scheme: LabelScheme, language: str = "en") -> str:
    """Label Studio's labelling configuration: the sentence, the one before it and a list of choices a label group."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Text", name="context", value="$context")
    ElementTree.SubElement(view, "Text", name="text", value="$text")
    ElementTree.SubElement(view, "Text", name="why", value="$why")
    for group in scheme.groups:
        ElementTree.SubElement(view, "Header", value=group.names.get(language, group.id))
        choices = ElementTree.SubElement(view, "Choices", name=group.id, toName="text", choice="single" if group.exclusive else "multiple")
        if group.exclusive:
            choices.set("required", "true")
        for label in group.labels:
            choice = ElementTree.SubElement(choices, "Choice", value=label.id)
            if hint := label.definition.get(language, label.names.get(language, "")):
                choice.set("hint", " ".join(hint.split()))
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


@dataclass
class Labelled:
    """Sentences that need no more labelling.

    Attributes:
        digests: of their texts, also of those known by digest alone.
        texts: those whose text is known.
        positives: by label, how often it was given.
    """

    digests: set[str] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)
    positives: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, paths: Iterable[Path], scheme: LabelScheme) -> Labelled:
        """Read labelled files of every format above, and folders of them; a task that nobody has answered counts as labelled.

        Raises:
            DataError: for a path that does not exist, is of none of these formats, or holds no sentence.
        """
        result = cls(positives=dict.fromkeys(scheme.ids, 0))
        for path in _files(paths):
            found = False
            for row in _rows(path):
                text, known = row.get("text"), row.get("sha256")
                if isinstance(text, str) and text.strip():
                    result.digests.add(digest(text))
                    result.texts.append(text.strip())
                elif isinstance(known, str):
                    result.digests.add(known)
                else:
                    continue
                found = True
                given = {label for key in (*(group.id for group in scheme.groups), "label", "labels") for label in _list(row.get(key))}
                for label in given & result.positives.keys():
                    result.positives[label] += 1
            if not found:
                raise DataError(f'{path} holds no labelled sentence: its rows need a "text"')
        return result


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = sorted(file for file in path.iterdir() if file.suffix in READABLE)
            if not found:
                raise DataError(f"the folder {path} holds no labelled data ({', '.join(READABLE)})")
            yield from found
        elif not path.is_file():
            raise DataError(f"there is no data file or folder at {path}")
        elif path.suffix not in READABLE:
            raise DataError(f"{path} is no labelled data: give a file that ends in {', '.join(READABLE)}")
        else:
            yield path


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of one file as plain dictionaries."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            if path.suffix == ".jsonl":
                for number, line in enumerate(stream, 1):
                    if line.strip():
                        yield _object(f"{path}:{number}", json.loads(line))
            elif path.suffix == ".json":
                tasks = json.load(stream)
                for number, task in enumerate(tasks if isinstance(tasks, list) else [tasks], 1):
                    yield _answers(_object(f"{path}, task {number}", task))
            else:
                for row in csv.DictReader(stream, delimiter=_delimiter(path, stream)):
                    yield {key: plain(value) if key == "text" else value for key, value in row.items()}
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text: convert it") from None
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as {path.suffix[1:].upper()} ({error})") from None
    except RecursionError:
        raise DataError(f"{path} cannot be read as {path.suffix[1:].upper()} (nested too deeply)") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None


def _delimiter(path: Path, stream: TextIO) -> str:
    """What divides the columns: spreadsheets of many countries write semicolons into a .csv."""
    head = stream.readline()
    stream.seek(0)
    return "\t" if path.suffix == ".tsv" else max(",;\t", key=head.count)


def _object(where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{where}: not a JSON object (but {type(value).__name__})")
    return value


def _answers(task: dict[str, Any]) -> dict[str, Any]:
    """A Label Studio task as a row: its data, and the choices of its first annotation."""
    row = task["data"] if isinstance(task.get("data"), dict) else task
    annotations = task.get("annotations")
    if isinstance(annotations, list) and annotations and isinstance(annotations[0], dict):
        for one in annotations[0].get("result") or ():
            if isinstance(one, dict) and isinstance(one.get("value"), dict):
                row = {**row, str(one.get("from_name")): one["value"].get("choices")}
    return row


def _list(value: Any) -> list[str]:
    """Label ids of a list, or of a cell that joins them."""
    if isinstance(value, str):
        value = value.replace(",", ";").replace("|", ";").split(";")
    return [one.strip() for one in value if isinstance(one, str)] if isinstance(value, list) else []
