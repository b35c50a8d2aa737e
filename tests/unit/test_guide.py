"""The annotation guide is the label scheme, for people."""

from classify.labels import LabelScheme
from training.guide import guide


def test_the_guide_in_docs_is_that_of_the_shipped_scheme(root):
    scheme = LabelScheme.load(root / "configs/labels.yaml")
    assert (root / "docs/annotation-guide.md").read_text(encoding="utf-8") == guide(scheme)


def test_everything_the_scheme_says_of_a_label_is_in_it(root):
    scheme = LabelScheme.load(root / "configs/labels.yaml")
    text = guide(scheme)
    for label in scheme:
        said = [*label.names.values(), *label.definition.values(), *label.includes, *label.excludes, *label.yes, *label.no]
        said += [part for case in label.border_cases for part in case]
        assert all(one in text for one in said), label.id
    assert all(rule["en"] in text for rule in scheme.rules)


def test_a_scheme_of_bare_names_will_do():
    text = guide(LabelScheme.from_dict({"groups": [{"id": "tone", "exclusive": True, "labels": ["x", "y"]}]}))
    assert "### `x`: x" in text
    assert "Exactly one label a sentence." in text
