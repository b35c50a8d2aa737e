"""The shipped model over the five sample documents, by the command a user types."""

import json

import pytest

# The five documents have about a hundred labelled sentences, so this only catches a model that is broken or badly trained;
# the model card has the figures.
FLOOR = 0.6


@pytest.fixture(scope="module")
def gold(root):
    return {
        str(path): [json.loads(line) for line in path.with_suffix(".gold.jsonl").read_text(encoding="utf-8").splitlines()]
        for path in sorted((root / "seeds").glob("*.txt"))
    }


@pytest.fixture(scope="module")
def rows(root, run_cli):
    if not (root / "model/config.json").is_file():
        pytest.skip("the checkout holds no trained model")
    result = run_cli("predict", root / "seeds", "--format", "jsonl", "--all-scores")
    assert (result.returncode, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_every_sentence_of_the_articles_is_found_and_no_furniture(gold):
    from classify.documents import read
    from classify.sentences import split

    assert len(gold) == 5
    for name, expected in gold.items():
        found = list(split(read(name).text))
        assert [(row.text, row.furniture) for row in found] == [(row["text"], row["furniture"]) for row in expected]


def test_rows_are_the_gold_sentences_in_order_with_exact_offsets(rows, gold):
    from classify.documents import read

    assert list(dict.fromkeys(row["document"] for row in rows)) == list(gold)
    for name, expected in gold.items():
        text = read(name).text
        mine = [row for row in rows if row["document"] == name]
        assert all(text[row["start"] : row["end"]] == row["text"] for row in mine)
        assert [row["text"] for row in mine] == [row["text"] for row in expected if not row["furniture"]]


def test_the_labels_agree_with_the_gold_ones(rows, gold):
    def labels(row):
        return {label for group in ("topic", "stance") for label in row[group]}

    wanted = [(name, row["text"], labels(row)) for name, expected in gold.items() for row in expected if not row["furniture"]]
    given = [(row["document"], row["text"], labels(row["labels"])) for row in rows]
    assert [one[:2] for one in given] == [one[:2] for one in wanted]
    hits = sum(len(got & want) for (*_, got), (*_, want) in zip(given, wanted, strict=True))
    micro_f1 = 2 * hits / (sum(len(got) for *_, got in given) + sum(len(want) for *_, want in wanted))
    assert micro_f1 >= FLOOR


def test_the_shipped_model_is_the_default_and_knows_the_shipped_labels(rows, root):
    from classify import Classifier
    from classify.labels import LabelScheme

    classifier = Classifier.from_pretrained(threads=1)
    assert classifier.scheme.ids == LabelScheme.load(root / "configs/labels.yaml").ids
    (prediction,) = classifier.predict([rows[0]["text"]])
    assert prediction.scores == pytest.approx(rows[0]["scores"], abs=1e-5)
