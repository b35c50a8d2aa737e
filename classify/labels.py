"""The label scheme: groups of labels, read from ``labels.yaml`` or from a plain ``config.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from classify.errors import LabelsError
from classify.resources import load_yaml


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
    """

    id: str
    names: Mapping[str, str] = field(default_factory=dict)
    definition: Mapping[str, str] = field(default_factory=dict)
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    border_cases: tuple[tuple[str, str], ...] = ()
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()


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

    @classmethod
    def load(cls, path: Path) -> LabelScheme:
        """Read ``labels.yaml``.

        Raises:
            LabelsError: when the file is missing, not YAML, or the scheme does not hold together.
        """
        try:
            loaded = load_yaml(path)
        except OSError as error:
            raise LabelsError(f"cannot read the label scheme {path}: {error.strerror}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise LabelsError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
        return cls.from_dict(loaded, str(path))

    @classmethod
    def from_dict(cls, data: Any, where: str = "the label scheme") -> LabelScheme:
        """Build and check a scheme from plain values (the structure of ``configs/labels.yaml``)."""
        groups_data = data.get("groups") if isinstance(data, Mapping) else None
        if not isinstance(groups_data, list) or not groups_data:
            raise LabelsError(f"{where} needs a list 'groups' with at least one group")
        groups: list[Group] = []
        seen: set[str] = set()
        for number, entry in enumerate(groups_data, 1):
            group = _group(entry, f"{where}, group {number}")
            names = [group.id, *(label.id for label in group.labels)]
            for name in names:
                if name in seen:
                    raise LabelsError(f"{where}: the id '{name}' is used twice; every group and label needs its own")
                seen.add(name)
            groups.append(group)
        return cls(tuple(groups), _sequence(data, "rules", where))

    @classmethod
    def from_ids(cls, ids: Sequence[str], group: str = "label", exclusive: bool = False) -> LabelScheme:
        """A scheme of one group, for model directories that carry no ``labels.yaml``."""
        return cls((Group(group, tuple(Label(one) for one in ids), exclusive=exclusive),))


def _group(entry: Any, where: str) -> Group:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str) or not entry["id"]:
        raise LabelsError(f"{where} needs an 'id'")
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
        tuple(_label(one, f"{where} ('{entry['id']}')") for one in labels),
        _by_language(entry, "name", where),
        exclusive,
    )


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
        raise LabelsError(f"{where}: every label needs an 'id', found {entry!r}")
    here = f"{where}, label '{entry['id']}'"
    examples = entry.get("examples") or {}
    if not isinstance(examples, Mapping):
        raise LabelsError(f"{here}: 'examples' must hold the lists 'yes' and 'no', not {examples!r}")
    cases = _sequence(entry, "border_cases", here)
    if not all(isinstance(case, Mapping) and "case" in case and "decision" in case for case in cases):
        raise LabelsError(f"{here}: each of 'border_cases' needs a 'case' and a 'decision'")
    return Label(
        id=entry["id"],
        names=_by_language(entry, "name", where),
        definition=_by_language(entry, "definition", where),
        includes=_sequence(entry, "includes", here),
        excludes=_sequence(entry, "excludes", here),
        border_cases=tuple((case["case"], case["decision"]) for case in cases),
        yes=_sequence(examples, "yes", f"{here}, 'examples'"),
        no=_sequence(examples, "no", f"{here}, 'examples'"),
    )
