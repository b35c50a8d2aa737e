import json
from collections import Counter, defaultdict

import pytest

from classify.labels import LabelScheme
from training.checkdata import check
from training.dataset import data_files, digest, load
from training.splits import clusters

GROUPS = {
    "topic": ["arms_transfer", "sanctions", "diplomacy", "satellite_tech"],
    "stance": ["us_accusation", "dprk_denial", "russian_framing"],
}


@pytest.fixture(scope="module")
def scheme(root):
    return LabelScheme.load(root / "configs/labels.yaml")


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def own(root):
    return read(root / "data/sentences.jsonl")


@pytest.fixture(scope="module")
def real(root):
    return [{"group": f"n{row['article'][:12]}", **row} for row in read(root / "data/news_labels.jsonl")]


def labels(row):
    return [label for group in GROUPS for label in row[group]]


def test_scheme_has_the_two_groups_in_order(scheme):
    assert {group.id: [label.id for label in group.labels] for group in scheme.groups} == GROUPS
    assert [group.id for group in scheme.groups] == list(GROUPS)
    assert not any(group.exclusive for group in scheme.groups)


def test_every_label_is_named_defined_and_shown_in_both_languages(scheme):
    for label in scheme:
        assert set(label.names) == set(label.definition) == {"id", "en"}
        assert label.includes
        assert label.excludes
        assert label.border_cases
        assert len(label.yes) >= 5
        assert len(label.no) >= 5
    examples = [digest(example) for label in scheme for example in (*label.yes, *label.no)]
    assert len(examples) == len(set(examples))


def test_all_files_parse_and_have_no_errors(root, scheme):
    files = data_files([root / "data"])
    assert {"sentences.jsonl", "news_labels.jsonl"} <= {file.name for file in files}
    report = check(files, scheme)
    assert [str(finding) for finding in report.findings if finding.error] == []
    loaded = load(files, scheme)
    assert len(loaded.examples) == len(report.examples)
    assert loaded.without_text == report.without_text


def test_there_is_enough_of_everything(own):
    counts = Counter(label for row in own for label in labels(row))
    assert len(own) >= 2500
    assert {label: counts[label] for group in GROUPS.values() for label in group if counts[label] < 200} == {}
    assert sum(not labels(row) for row in own) >= 700


def test_own_sentences_say_everything(own):
    for row in own:
        assert set(GROUPS) <= set(row)
        assert row["text"] == row["text"].strip()
        assert isinstance(row["context"], str)
        assert row["group"]
        assert row.get("split", "") in ("", "train", "test")
    assert len({row["id"] for row in own}) == len(own)


def test_test_split_has_every_label(own):
    counts = Counter(label for row in own if row.get("split") == "test" for label in labels(row))
    assert {label for group in GROUPS.values() for label in group} <= set(counts)


def test_real_sentences_come_without_their_text(real):
    assert len(real) >= 800
    for row in real:
        assert not {"text", "title", "sentence"} & set(row)
        assert len(row["sha256"]) == 64
        assert len(row["article"]) == 16
        assert 0 <= row["start"] < row["end"]
        assert all(isinstance(value, int) for value in row.get("context", []))
        assert set(GROUPS) <= set(row)


def test_labels_are_known_and_disputed_ones_too(own, real):
    for row in own + real:
        for group, known in GROUPS.items():
            assert set(row[group]) <= set(known)
        assert set(row.get("disputed", [])) <= {label for known in GROUPS.values() for label in known}


def divided(rows, key):
    """What stands in two splits, and in which."""
    sides = defaultdict(set)
    for row in rows:
        sides[row[key]].add(row.get("split", ""))
    return {name: found for name, found in sides.items() if len(found) > 1}


def test_no_group_is_on_two_sides(own, real):
    assert divided(own, "group") == {}
    assert divided(real, "group") == {}
    assert not {row["group"] for row in own} & {row["group"] for row in real}


def test_no_real_article_is_on_two_sides(real):
    assert divided(real, "article") == {}


def test_held_out_sentences_are_near_no_others(root, scheme):
    examples = load([root / "data/sentences.jsonl"], scheme).examples
    sides = defaultdict(set)
    for name, example in zip(clusters(examples), examples, strict=True):
        sides[name].add(example.split == "test")
    assert {name: found for name, found in sides.items() if len(found) > 1} == {}
