"""The label scheme: groups of labels, read from ``labels.yaml`` or from a plain ``config.json``."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from classify.errors import LabelsError

# What a group of labels cannot be called, because rows of labelled data or of predictions have a field of that name.
RESERVED_GROUPS = frozenset((
    "annotation", "article", "citation", "context", "disputed", "document", "end", "evidence", "furniture", "group", "id", "index",
    "labels", "meta", "origin", "review", "scores", "sha256", "source", "split", "start", "text", "unknown", "unsure",
))  # fmt: skip
# Columns of the CSV that predicting writes; a label's score has a column as well.
RESERVED_LABELS = frozenset(("document", "end", "furniture", "index", "review", "start", "text"))
# What may stand in a scheme. `version` and `description` are for people.
_KEYS = {
    "a scheme": ("version", "groups", "rules"),
    "a group": ("id", "name", "description", "exclusive", "labels"),
    "a label": (
        "id", "name", "definition", "includes", "excludes", "border_cases", "examples", "renamed_from", "answers", "holders",
    ),
    "examples": ("yes", "no"),
}  # fmt: skip
# What joins words. A hyphen that begins a number is its sign: -1 is another answer than 1.
_JOINTS = re.compile(r"_|(?<=[^\s_-])-|-(?!\.?\d)")


@dataclass(frozen=True)
class Label:
    """One label.

    Attributes:
        id: stable identifier, used in data, scores and output.
        names: display names by language code (``id``, ``en``).
        definition: definitions by language code.
        includes, excludes: short phrases that mark the border.
        border_cases: pairs (case, decision).
        yes, no: example sentences.
        renamed_from: the id under which earlier models and data know the label, ``""`` where it never had another.
        answers: labels that this one answers, as a denial answers an accusation (:mod:`classify.exchange`).
        holders: whose position the label is, as keys of ``configs/actors.yaml`` (:mod:`classify.evidence`).
    """

    id: str
    names: Mapping[str, str] = field(default_factory=dict)
    definition: Mapping[str, str] = field(default_factory=dict)
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    border_cases: tuple[tuple[str, str], ...] = ()
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
    renamed_from: str = ""
    answers: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """Labels that answer one question; ``exclusive`` groups have exactly one answer a sentence."""

    id: str
    labels: tuple[Label, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    exclusive: bool = False


@dataclass(frozen=True)
class LabelScheme:
    """All groups, in order. The model's outputs are the groups' labels one after the other."""

    groups: tuple[Group, ...]
    rules: tuple[Mapping[str, str], ...] = ()

    @property
    def ids(self) -> list[str]:
        """Label ids in output order."""
        return [label.id for label in self]

    def __iter__(self) -> Iterator[Label]:
        return (label for group in self.groups for label in group.labels)

    def __len__(self) -> int:
        return sum(len(group.labels) for group in self.groups)

    def spans(self) -> Iterator[tuple[Group, slice]]:
        """Each group with the slice of the outputs that is its own."""
        start = 0
        for group in self.groups:
            yield group, slice(start, start + len(group.labels))
            start += len(group.labels)

    def group_of(self, label_id: str) -> Group:
        """The group that holds ``label_id``.

        Raises:
            LabelsError: when no group does.
        """
        for group in self.groups:
            if any(label.id == label_id for label in group.labels):
                return group
        raise LabelsError(f"unknown label '{label_id}'; the labels are: {', '.join(self.ids)}")

    def find(self, word: str, group: Group | None = None) -> Label | None:
        """The label whose id, or else one of its names, is ``word``, in ``group`` or anywhere; case and spacing do not matter.

        None where no label, or more than one, goes by that word.
        """
        labels = list(group.labels if group else self)
        exact = next((label for label in labels if label.id == word), None)
        if exact is not None:
            return exact
        wanted = fold(word)
        for called in ([fold(label.id)] for label in labels), ([fold(str(name)) for name in label.names.values()] for label in labels):
            found = [label for label, words in zip(labels, called, strict=True) if wanted in words]
            if found:
                return found[0] if len(found) == 1 else None
        return None

    @classmethod
    def load(cls, path: Path) -> LabelScheme:
        """Read ``labels.yaml``.

        Raises:
            LabelsError: when the file is missing, not YAML, or the scheme does not hold together.
        """
        try:
            loaded = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Loader)  # noqa: S506 (a SafeLoader)
        except OSError as error:
            raise LabelsError(f"cannot read the label scheme {path}: {error.strerror}") from None
        except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
            raise LabelsError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
        return cls.from_dict(loaded, str(path))

    @classmethod
    def from_dict(cls, data: Any, where: str = "the label scheme") -> LabelScheme:
        """Build and check a scheme from plain values (the structure of ``configs/labels.yaml``)."""
        groups_data = data.get("groups") if isinstance(data, Mapping) else None
        if not isinstance(groups_data, list) or not groups_data:
            raise LabelsError(f"{where} needs a list 'groups' with at least one group")
        _known_keys(data, "a scheme", where)
        groups: list[Group] = []
        seen: set[str] = set()
        for number, entry in enumerate(groups_data):
            group = _group(groups_data, number, where)
            names = [
                (group.id, _line(groups_data, number, where)),
                *((label.id, _line(entry["labels"], i, where)) for i, label in enumerate(group.labels)),
            ]
            for name, here in names:
                if name in seen:
                    raise LabelsError(f"{here}: the id '{name}' is used twice; every group and label needs its own")
                seen.add(name)
            groups.append(group)
        renamed = [label.renamed_from for group in groups for label in group.labels if label.renamed_from]
        for name in renamed:
            if name in seen or renamed.count(name) > 1:
                what = "is still the id of another" if name in seen else "is claimed by two labels"
                raise LabelsError(f"{where}: 'renamed_from: {name}' {what}; an old label goes on as one new label")
        known = {label.id for group in groups for label in group.labels}
        for label in (label for group in groups for label in group.labels):
            for name in label.answers:
                if name not in known or name == label.id:
                    what = "is itself" if name in known else "is not a label of this scheme"
                    raise LabelsError(f"{where}, label '{label.id}': it answers '{name}', which {what}: name another label")
        return cls(tuple(groups), _sequence(data, "rules", where))

    @classmethod
    def from_ids(cls, ids: Sequence[str], group: str = "label", exclusive: bool = False) -> LabelScheme:
        """A scheme of one group, for model directories that carry no ``labels.yaml``."""
        return cls((Group(group, tuple(Label(one) for one in ids), exclusive=exclusive),))


def fold(word: str) -> str:
    """The form under which two spellings of a label or column count as one: NFKC, case folded, ``_`` and ``-`` as spaces.

    The sign of a number stays.
    """
    folded = unicodedata.normalize("NFKC", word).casefold().replace("\N{MINUS SIGN}", "-")
    return " ".join(_JOINTS.sub(" ", folded).split()) or folded.strip()


class _List(list[Any]):
    """A list of a YAML file that knows the lines of its entries."""

    lines: Sequence[int] = ()


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """By libyaml where there is one; keeps line numbers, and refuses a key given twice, of which YAML would silently keep the last."""

    def mapping(self, node: yaml.MappingNode) -> Any:
        seen: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"the key '{key.value}' is given twice", key.start_mark)
                seen.add(key.value)
        made: dict[Any, Any] = {}
        yield made
        made |= self.construct_mapping(node)

    def sequence(self, node: yaml.SequenceNode) -> Any:
        made = _List()
        made.lines = [one.start_mark.line + 1 for one in node.value]
        yield made
        made.extend(self.construct_sequence(node))


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.mapping)
_Loader.add_constructor("tag:yaml.org,2002:seq", _Loader.sequence)


def _line(entries: Sequence[Any], number: int, where: str) -> str:
    """``where`` with the line of an entry, for what was read from a file."""
    return f"{where}, line {entries.lines[number]}" if isinstance(entries, _List) and number < len(entries.lines) else where


def _group(entries: list[Any], number: int, file: str) -> Group:
    entry, where = entries[number], f"{_line(entries, number, file)}, group {number + 1}"
    if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str) or not entry["id"].strip():
        raise LabelsError(f"{where} needs an 'id'")
    if entry["id"] in RESERVED_GROUPS:
        raise LabelsError(f"{where}: no group can be called '{entry['id']}', which is the name of another field of the data: rename it")
    _printable(entry["id"], where)
    _known_keys(entry, "a group", f"{where} ('{entry['id']}')")
    labels = entry.get("labels")
    if not isinstance(labels, list) or not labels:
        raise LabelsError(f"{where} ('{entry['id']}') needs a list 'labels' with at least one label")
    exclusive = entry.get("exclusive", False)
    if not isinstance(exclusive, bool):
        raise LabelsError(f"{where} ('{entry['id']}'): 'exclusive' must be true or false, not {exclusive!r}")
    if exclusive and len(labels) < 2:
        raise LabelsError(f"{where} ('{entry['id']}') is exclusive and needs at least two labels")
    return Group(
        entry["id"],
        tuple(_label(one, f"{_line(labels, i, file)}, group {number + 1} ('{entry['id']}')") for i, one in enumerate(labels)),
        _by_language(entry, "name", where),
        exclusive,
    )


def _known_keys(entry: Mapping[Any, Any], what: str, where: str) -> None:
    """Refuse a key that nothing would read, such as a misspelt ``exclusive``."""
    for key in entry:
        if key not in _KEYS[what]:
            close = difflib.get_close_matches(str(key).casefold(), _KEYS[what], n=1)
            hint = f" (did you mean '{close[0]}'?)" if close else ""
            raise LabelsError(f"{where}: unknown key '{key}'{hint}; the keys of {what} are: {', '.join(_KEYS[what])}")


def _printable(name: str, where: str) -> None:
    if name != name.strip() or any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in name):
        raise LabelsError(f"{where}: the id {name!r} has spaces around it, a line break or a control character: take them out")


def _by_language(entry: Mapping[str, Any], key: str, where: str) -> Mapping[str, str]:
    value = entry.get(key) or {}
    if not isinstance(value, (str, Mapping)):
        raise LabelsError(f"{where} ('{entry['id']}'): '{key}' must be a text, or texts by language, not {value!r}")
    return {"en": value} if isinstance(value, str) else dict(value)


def _sequence(entry: Mapping[str, Any], key: str, where: str) -> tuple[Any, ...]:
    value = entry.get(key) or []
    if not isinstance(value, list):
        raise LabelsError(f"{where}: '{key}' must be a list, not {value!r}")
    return tuple(value)


def _label(entry: Any, where: str) -> Label:
    if isinstance(entry, str):
        entry = {"id": entry}
    if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str) or not entry["id"].strip():
        found = entry.get("id", entry) if isinstance(entry, Mapping) else entry
        plain = dict(entry) if isinstance(entry, Mapping) else entry
        hint = ""
        if isinstance(found, (bool, int, float)) or found is None or (isinstance(found, Mapping) and "id" not in found and len(found) == 1):
            hint = ": put a label that is a number, yes, no, null or holds a colon in quotation marks"
        raise LabelsError(f"{where}: every label needs an 'id' that is a text, found {plain!r}{hint}")
    _printable(entry["id"], where)
    if entry["id"] in RESERVED_LABELS:
        raise LabelsError(f"{where}: no label can be called '{entry['id']}', which is a column of the predictions: rename it")
    here = f"{where}, label '{entry['id']}'"
    _known_keys(entry, "a label", here)
    examples = entry.get("examples") or {}
    if not isinstance(examples, Mapping):
        raise LabelsError(f"{here}: 'examples' must hold the lists 'yes' and 'no', not {examples!r}")
    # YAML reads a plain yes and no as true and false.
    examples = {{True: "yes", False: "no"}.get(key, key): value for key, value in examples.items()}
    _known_keys(examples, "examples", f"{here}, 'examples'")
    cases = _sequence(entry, "border_cases", here)
    if not all(isinstance(case, Mapping) and "case" in case and "decision" in case for case in cases):
        raise LabelsError(f"{here}: each of 'border_cases' needs a 'case' and a 'decision'")
    renamed_from = entry.get("renamed_from") or ""
    if not isinstance(renamed_from, str):
        raise LabelsError(f"{here}: 'renamed_from' must be the label's old id, not {renamed_from!r}")
    return Label(
        id=entry["id"],
        names=_by_language(entry, "name", where),
        definition=_by_language(entry, "definition", where),
        includes=_sequence(entry, "includes", here),
        excludes=_sequence(entry, "excludes", here),
        border_cases=tuple((case["case"], case["decision"]) for case in cases),
        yes=_sequence(examples, "yes", f"{here}, 'examples'"),
        no=_sequence(examples, "no", f"{here}, 'examples'"),
        renamed_from=renamed_from,
        answers=_names(entry, "answers", here),
        holders=_names(entry, "holders", here),
    )


def _names(entry: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = _sequence(entry, key, where)
    if not all(isinstance(one, str) and one for one in value):
        raise LabelsError(f"{where}: '{key}' must be a list of names, not {list(value)!r}")
    return value
