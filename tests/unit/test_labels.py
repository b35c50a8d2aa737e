import pytest
import yaml

from classify.errors import LabelsError
from classify.labels import LabelScheme, fold

GROUPS = {
    "groups": [
        {
            "id": "topic",
            "labels": ["trade", {"id": "war", "name": {"id": "perang", "en": "war"}, "examples": {"yes": ["a"], "no": ["b"]}}],
        },
        {"id": "tone", "name": "Tone", "exclusive": True, "labels": ["good", "bad", "none"]},
    ]
}


def refusal(data, *words):
    with pytest.raises(LabelsError) as caught:
        LabelScheme.from_dict(data, "labels.yaml")
    message = str(caught.value)
    assert "\n" not in message
    for word in ("labels.yaml", *words):
        assert word in message


def test_the_shipped_scheme_is_whole(root):
    scheme = LabelScheme.load(root / "configs/labels.yaml")
    assert [group.id for group in scheme.groups] == ["topic", "stance"]
    assert len(scheme) == len(scheme.ids) == len(set(scheme.ids)) == 7
    assert not any(group.exclusive for group in scheme.groups)
    for label in scheme:
        assert label.names.keys() == label.definition.keys() == {"id", "en"}
        assert label.includes
        assert label.excludes
        assert label.border_cases
        assert label.yes
        assert label.no
    assert scheme.rules


def test_outputs_follow_the_order_of_groups_and_labels():
    scheme = LabelScheme.from_dict(GROUPS)
    assert scheme.ids == ["trade", "war", "good", "bad", "none"]
    assert [(group.id, columns) for group, columns in scheme.spans()] == [("topic", slice(0, 2)), ("tone", slice(2, 5))]
    assert scheme.group_of("bad").id == "tone"
    assert [group.exclusive for group in scheme.groups] == [False, True]
    assert scheme.groups[1].names == {"en": "Tone"}
    war = scheme.groups[0].labels[1]
    assert (war.names["id"], war.yes, war.no) == ("perang", ("a",), ("b",))


def test_an_unknown_label_names_the_known_ones():
    with pytest.raises(LabelsError, match="unknown label 'wra'; the labels are: trade, war, good, bad, none"):
        LabelScheme.from_dict(GROUPS).group_of("wra")


def test_spellings_of_one_label_fold_to_one_but_a_sign_stays():
    assert {fold(one) for one in ("Trade-Deals", "trade_deals", " TRADE  deals", "trade - deals")} == {"trade deals"}
    assert fold("g20-2026") == fold("G20 2026") == "g20 2026"
    assert fold("-1") == fold(" \N{MINUS SIGN}1") == "-1"
    assert fold("tone_-1") == "tone -1"
    assert fold("tone-1") == "tone 1"
    assert fold("-") == "-"
    scheme = LabelScheme.from_dict({"groups": [{"id": "tone", "exclusive": True, "labels": ["0", "1"]}]})
    assert scheme.find("-1") is None
    assert scheme.find("1").id == "1"


def test_a_scheme_survives_yaml(tmp_path):
    path = tmp_path / "labels.yaml"
    path.write_text(yaml.safe_dump(GROUPS), encoding="utf-8")
    assert LabelScheme.load(path) == LabelScheme.from_dict(GROUPS)


@pytest.mark.parametrize("data", [None, [], "topic", 3, {}, {"groups": []}, {"groups": {"id": "topic"}}, {"groups": None}])
def test_no_groups(data):
    refusal(data, "'groups'")


@pytest.mark.parametrize("group", [None, "topic", {}, {"id": ""}, {"id": 3, "labels": ["a"]}, {"labels": ["a"]}])
def test_a_group_without_id(group):
    refusal({"groups": [{"id": "topic", "labels": ["a"]}, group]}, "group 2", "'id'")


@pytest.mark.parametrize("labels", [None, [], "a", {"a": 1}])
def test_a_group_without_labels(labels):
    refusal({"groups": [{"id": "topic", "labels": labels}]}, "topic", "'labels'")


@pytest.mark.parametrize("label", [None, 3, True, "", " ", {}, {"id": ""}, {"id": True}, {"name": "a"}, ["a"]])
def test_a_label_without_id(label):
    refusal({"groups": [{"id": "topic", "labels": ["a", label]}]}, "topic", "'id'")


@pytest.mark.parametrize(
    "groups",
    [
        [{"id": "topic", "labels": ["war", "war"]}],
        [{"id": "topic", "labels": ["war"]}, {"id": "stance", "labels": ["war"]}],
        [{"id": "war", "labels": ["war"]}],
        [{"id": "war", "labels": ["a"]}, {"id": "war", "labels": ["b"]}],
    ],
)
def test_an_id_used_twice(groups):
    refusal({"groups": groups}, "'war' is used twice")


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_exclusive_must_be_true_or_false(value):
    refusal({"groups": [{"id": "tone", "labels": ["a", "b"], "exclusive": value}]}, "tone", "true or false")


def test_an_exclusive_group_needs_a_choice():
    refusal({"groups": [{"id": "tone", "labels": ["a"], "exclusive": True}]}, "tone", "at least two")


@pytest.mark.parametrize(
    "more",
    [
        {"name": ["perang"]},
        {"name": 3},
        {"definition": ["a", "b"]},
        {"includes": 3},
        {"includes": "one text instead of a list"},
        {"excludes": {"a": 1}},
        {"border_cases": ["a text"]},
        {"border_cases": [{"case": "no decision"}]},
        {"border_cases": 3},
        {"examples": ["a"]},
        {"examples": {"yes": "a"}},
        {"examples": {"no": 3}},
    ],
    ids=str,
)
def test_malformed_documentation_of_a_label_names_the_label_and_the_key(more):
    refusal({"groups": [{"id": "topic", "labels": [{"id": "war", **more}]}]}, "war", next(iter(more)))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"rule": []}, ["'rule' (did you mean 'rules'?)", "version, groups, rules"]),
        ({"groups": [{"id": "tone", "labels": ["a", "b"], "exclusiv": True}]}, ["group 1 ('tone')", "'exclusiv' (did you mean 'exclusive'?)"]),
        ({"groups": [{"id": "tone", "label": ["a"]}]}, ["group 1 ('tone')", "'label' (did you mean 'labels'?)"]),
        ({"groups": [{"id": "tone", "labels": [{"id": "a", "renamedfrom": "z"}]}]}, ["label 'a'", "(did you mean 'renamed_from'?)", "holders"]),
        ({"groups": [{"id": "tone", "labels": [{"id": "a", "Name": "z"}]}]}, ["label 'a'", "'Name' (did you mean 'name'?)"]),
        ({"groups": [{"id": "tone", "labels": [{"id": "a", "x": 1}]}]}, ["label 'a': unknown key 'x'; the keys of a label are: id, name"]),
        ({"groups": [{"id": "tone", "labels": [{"id": "a", "examples": {"ya": []}}]}]}, ["label 'a', 'examples': unknown key 'ya'", "yes, no"]),
    ],
)  # fmt: skip
def test_a_key_that_nothing_would_read_is_refused(data, words):
    refusal({"groups": [{"id": "topic", "labels": ["war"]}], **data}, *words)


def test_a_misspelt_key_is_told_with_its_line(tmp_path):
    path = tmp_path / "labels.yaml"
    path.write_text("groups:\n- id: topic\n  labels:\n  - war\n  - id: peace\n    renamedfrom: truce\n", encoding="utf-8")
    with pytest.raises(LabelsError, match="line 5, group 1 .*, label 'peace': unknown key 'renamedfrom'"):
        LabelScheme.load(path)


def test_examples_may_be_keyed_by_a_plain_yes_and_no(tmp_path):
    path = tmp_path / "labels.yaml"
    path.write_text("groups:\n- id: topic\n  labels:\n  - {id: war, examples: {yes: [a], no: [b]}}\n", encoding="utf-8")
    (war,) = LabelScheme.load(path)
    assert (war.yes, war.no) == (("a",), ("b",))


def test_the_scheme_of_the_shipped_model_loads(root):
    assert LabelScheme.load(root / "model/labels.yaml").ids == LabelScheme.load(root / "configs/labels.yaml").ids


def test_malformed_names_and_rules():
    refusal({"groups": [{"id": "topic", "name": ["a"], "labels": ["war"]}]}, "topic", "name")
    refusal({"groups": [{"id": "topic", "labels": ["war"]}], "rules": 3}, "rules")


@pytest.mark.parametrize("content", [b"groups: [", b"groups:\n\t- id: a", b"\xff\xfe\x00", b"a: b: c", b"!!python/object:os.system {}"])
def test_a_file_that_is_no_yaml(content, tmp_path):
    path = tmp_path / "labels.yaml"
    path.write_bytes(content)
    with pytest.raises(LabelsError) as caught:
        LabelScheme.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(LabelsError, match="No such file"):
        LabelScheme.load(tmp_path / "labels.yaml")
    with pytest.raises(LabelsError, match="directory"):
        LabelScheme.load(tmp_path)
