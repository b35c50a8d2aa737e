import json
import random
import shutil
import threading
from itertools import pairwise

import numpy as np
import pytest

from classify import Classifier, Prediction
from classify.classifier import LOOK_AHEAD, TOKENS
from classify.errors import DocumentError, ModelDirectoryError
from classify.predict import Options, rows, rows_of

EXTRA = ["", "🚀", "[UNK] [MASK]", "rudal " * 400, "RUDAL\u2028SATELIT", "한국", "a"]


@pytest.fixture(scope="module")
def texts(indonesian):
    return [*indonesian, *EXTRA, *(f"{one} {other}" for one, other in pairwise(indonesian))]


@pytest.fixture(scope="module")
def classifier(tiny_model):
    return Classifier.from_pretrained(tiny_model, threads=1)


@pytest.fixture(scope="module")
def predictions(classifier, texts):
    return classifier.predict(texts)


@pytest.fixture(scope="module")
def in_context(tiny_model, tmp_path_factory):
    """The tiny model as one trained with the sentence before as second segment."""
    directory = shutil.copytree(tiny_model, tmp_path_factory.mktemp("models") / "context")
    path = directory / "decisions.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "context": True}))
    return Classifier.from_pretrained(directory)


def matrix(predictions):
    return np.array([list(prediction.scores.values()) for prediction in predictions])


def assert_same(some, others):
    np.testing.assert_allclose(matrix(some), matrix(others), rtol=0, atol=1e-5)
    assert [one.labels for one in some] == [other.labels for other in others]


def test_a_prediction_has_the_text_labels_by_group_and_every_score(classifier, predictions, texts):
    assert [prediction.text for prediction in predictions] == texts
    scheme = classifier.scheme
    for prediction in predictions:
        assert isinstance(prediction, Prediction)
        assert list(prediction.labels) == ["topic", "stance"]
        assert list(prediction.scores) == scheme.ids
        assert all(type(score) is float and 0 <= score <= 1 for score in prediction.scores.values())


def test_labels_are_those_whose_score_reaches_the_threshold(classifier, predictions):
    decisions = classifier.directory.decisions
    given = set()
    for prediction in predictions:
        for group in classifier.scheme.groups:
            reached = [label.id for label in group.labels if prediction.scores[label.id] >= decisions.threshold(label.id)]
            assert prediction.labels[group.id] == reached
            given.update(reached)
    assert given == set(classifier.scheme.ids)
    assert any(not any(prediction.labels.values()) for prediction in predictions)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_the_batch_size_changes_nothing(batch_size, classifier, predictions, texts):
    assert_same(classifier.predict(texts, batch_size=batch_size), predictions)


def test_the_number_of_threads_changes_nothing(tiny_model, predictions, texts):
    assert_same(Classifier.from_pretrained(tiny_model, threads=2).predict(texts), predictions)


def test_the_neighbours_change_nothing(classifier, predictions, texts):
    order = list(range(len(texts)))
    random.Random(5).shuffle(order)
    assert_same(classifier.predict([texts[i] for i in order], batch_size=7), [predictions[i] for i in order])
    assert_same([classifier.predict([text])[0] for text in texts[:12]], predictions[:12])


def test_a_classifier_can_be_used_from_several_threads_at_once(classifier, predictions, texts):
    results = {}
    threads = [threading.Thread(target=lambda i=i: results.update({i: classifier.predict(texts, batch_size=i + 1)})) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for result in results.values():
        assert_same(result, predictions)


def test_streaming_reads_no_further_ahead_than_it_says(classifier):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield f"Kalimat ke-{taken}."

    stream = classifier.stream(endless(), batch_size=64)
    assert [next(stream).text for _ in range(3)] == ["Kalimat ke-1.", "Kalimat ke-2.", "Kalimat ke-3."]
    assert taken == LOOK_AHEAD


def test_order_holds_across_windows(classifier):
    texts = [f"Kalimat ke-{i}" + " rudal" * (i % 7) for i in range(LOOK_AHEAD + 30)]
    assert [prediction.text for prediction in classifier.stream(texts, batch_size=64)] == texts


class Counting:
    """The real engine, noting what it is given."""

    def __init__(self, engine):
        self.engine, self.batches = engine, []

    def logits(self, batch):
        self.batches.append([tuple(encoding.ids) for encoding in batch])
        return self.engine.logits(batch)


def counting(classifier):
    engine = Counting(classifier._engine)
    copy = Classifier(classifier.directory, engine)
    return copy, engine


def test_equal_sentences_are_run_once_however_far_apart(classifier, in_context, texts):
    copy, engine = counting(classifier)
    many = [f"Kalimat ke-{i} tentang rudal." for i in range(LOOK_AHEAD)]
    some = texts[:20]
    found = copy.predict([*some, *some, *many, *some])
    # A model that does not read the sentence before has one answer for a sentence.
    assert_same(found[-20:], classifier.predict(some, ["Kremlin diam."] * 20))
    assert sum(map(len, engine.batches)) == 20 + len(many)
    copy, engine = counting(in_context)
    copy.predict([some[0]] * 4, ["", some[1], "", some[1]])
    assert sum(map(len, engine.batches)) == 2


def test_by_default_nothing_is_padded_and_no_run_is_large(classifier, texts):
    copy, engine = counting(classifier)
    copy.predict([*texts, *(f"{'rudal ' * (i % 9)}{i}" for i in range(300))])
    for batch in engine.batches:
        assert len({len(ids) for ids in batch}) == 1
        assert len(batch) == 1 or len(batch) * len(batch[0]) <= TOKENS
    assert max(map(len, engine.batches)) > 10


def test_nothing_in_nothing_out(classifier):
    assert classifier.predict([]) == []
    assert list(classifier.stream(iter(()))) == []


def test_predict_takes_any_iterable(classifier):
    chosen = ["Kim tiba.", "Moskow membantah."]
    expected = classifier.predict(chosen)
    assert classifier.predict(text for text in chosen) == expected
    assert classifier.predict(iter(chosen), (before for before in ["", "Kim tiba."])) == classifier.predict(chosen, ["", "Kim tiba."])
    assert classifier.predict(np.array(chosen)) == expected
    assert list(classifier.stream(text for text in chosen)) == expected
    with pytest.raises(ValueError, match="2 texts but 1 contexts"):
        classifier.predict(iter(chosen), iter(["c"]))
    with pytest.raises(TypeError, match="no string"):
        classifier.predict(one for one in ["a", 1])


def test_misuse_is_said_plainly(classifier):
    # At once, not only when the first prediction is asked for.
    with pytest.raises(TypeError, match=r"stream\(\[text\]\)"):
        classifier.stream("Kim tiba.")
    with pytest.raises(TypeError, match=r"predict\(\[text\]\)"):
        classifier.predict("Kim tiba.")
    with pytest.raises(ValueError, match="2 texts but 1 contexts"):
        classifier.predict(["a", "b"], ["c"])
    with pytest.raises(ValueError, match="batch_size must be at least 1, not 0"):
        classifier.predict(["a"], batch_size=0)


def test_a_model_without_context_ignores_the_sentence_before(classifier, predictions, texts):
    assert not classifier.uses_context
    assert_same(classifier.predict(texts, ["Kremlin diam."] * len(texts)), predictions)


def test_a_model_with_context_reads_it(in_context, predictions, texts):
    assert in_context.uses_context
    assert_same(in_context.predict(texts), predictions)
    assert_same(in_context.predict(texts, [""] * len(texts)), predictions)
    moved = in_context.predict(texts, ["Kremlin diam."] * len(texts))
    assert np.abs(matrix(moved) - matrix(predictions)).max() > 0.01
    # A sentence too long for the model is cut together with its context and still predicted.
    assert len(in_context.predict(["rudal " * 400], ["satelit " * 400])) == 1


def test_documents_give_each_sentence_the_one_before_but_lines_stand_alone(in_context, indonesian, tmp_path):
    path = tmp_path / "berita.txt"
    first, second, third = indonesian[:3]
    path.write_text(f"Tags: rusia\n{first} {second}\nBaca juga: Putin ke Hanoi\n{third}\n", encoding="utf-8")
    found = list(rows_of(str(path), in_context, Options(all_scores=True)))
    expected = in_context.predict([first, second, third], ["", first, second])
    assert [row.text for row in found] == [first, second, third]
    assert_same(found, expected)
    path.write_text(f"{first}\n{second}\n{third}\n", encoding="utf-8")
    assert_same(list(rows_of(str(path), in_context, Options(all_scores=True, lines=True))), in_context.predict([first, second, third]))


def test_rows_number_sentences_and_furniture_together(classifier, indonesian, tmp_path):
    path = tmp_path / "berita.txt"
    lines = ["Home > Dunia", "Iklan", indonesian[0], "Baca juga: Putin ke Hanoi", indonesian[1], "Tags: rusia", "© 2024 WartaNusa"]
    path.write_text("\n".join(lines), encoding="utf-8")
    every = list(rows_of(str(path), classifier, Options(furniture=True)))
    assert [row.text for row in every] == lines
    assert [row.index for row in every] == list(range(7))
    assert [row.furniture for row in every] == [True, True, False, True, False, True, True]
    for row in every:
        if row.furniture:
            assert row.labels == {"topic": [], "stance": []}
            assert row.scores == {}
    plain = list(rows_of(str(path), classifier, Options()))
    assert [(row.index, row.text) for row in plain] == [(0, indonesian[0]), (1, indonesian[1])]
    path.write_text("Iklan\nTags: rusia\n", encoding="utf-8")
    with pytest.raises(DocumentError, match="nothing but page furniture"):
        list(rows_of(str(path), classifier, Options()))
    assert len(list(rows_of(str(path), classifier, Options(furniture=True)))) == 2


def test_long_documents_with_much_furniture_lose_no_row(classifier, tmp_path):
    path = tmp_path / "panjang.txt"
    lines = [f"Kalimat {i} tentang rudal." if i % 5 == 0 else "Iklan" for i in range(6000)]
    path.write_text("\n".join(lines), encoding="utf-8")
    found = list(rows_of(str(path), classifier, Options(furniture=True, batch_size=64)))
    assert [row.text for row in found] == lines
    assert [row.index for row in found] == list(range(6000))


def test_rows_go_on_after_a_document_that_cannot_be_read(classifier, tmp_path):
    (tmp_path / "a.txt").write_text("Kim tiba di Moskow.")
    (tmp_path / "b.txt").write_bytes(b"\0\1\2" * 100)
    (tmp_path / "c.txt").write_text("Putin diam.")
    failed, started = [], []
    found = list(rows([str(tmp_path), str(tmp_path / "d.txt")], classifier, Options(), failed.append, started.append))
    assert [row.text for row in found] == ["Kim tiba di Moskow.", "Putin diam."]
    assert [row.index for row in found] == [0, 0]
    assert [str(tmp_path / name) for name in ("a.txt", "b.txt", "c.txt", "d.txt")] == started
    assert len(failed) == 2
    assert "b.txt" in str(failed[0])
    assert "d.txt" in str(failed[1])


def test_a_standard_single_label_directory_gives_exactly_one_label(standard_model, texts):
    classifier = Classifier.from_pretrained(standard_model, threads=1)
    found = classifier.predict(texts)
    assert_same(classifier.predict(texts, batch_size=1), found)
    winners = set()
    for prediction in found:
        (winner,) = prediction.labels["label"]
        assert sum(prediction.scores.values()) == pytest.approx(1, abs=1e-5)
        assert prediction.scores[winner] == max(prediction.scores.values())
        winners.add(winner)
    assert len(winners) > 1


def test_an_exclusive_group_beside_a_free_one(model_copy, texts, predictions):
    path = model_copy / "labels.yaml"
    before, after = path.read_text(encoding="utf-8").split("- id: stance", 1)
    path.write_text(before + "- id: stance" + after.replace("exclusive: false", "exclusive: true", 1), encoding="utf-8")
    for prediction, free in zip(Classifier.from_pretrained(model_copy).predict(texts), predictions, strict=True):
        assert prediction.labels["topic"] == free.labels["topic"]
        (winner,) = prediction.labels["stance"]
        stances = ["us_accusation", "dprk_denial", "russian_framing"]
        assert sum(prediction.scores[stance] for stance in stances) == pytest.approx(1, abs=1e-5)
        assert winner == max(stances, key=prediction.scores.get) == max(stances, key=free.scores.get)


def test_without_a_graph_torch_gives_the_same(model_copy, texts, predictions):
    shutil.rmtree(model_copy / "onnx")
    found = Classifier.from_pretrained(model_copy, threads=1).predict(texts)
    np.testing.assert_allclose(matrix(found), matrix(predictions), rtol=0, atol=1e-4)
    assert [one.labels for one in found] == [other.labels for other in predictions]


def test_a_bare_vocabulary_gives_the_same(model_copy, texts, predictions):
    pieces = json.loads((model_copy / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    (model_copy / "vocab.txt").write_text("\n".join(sorted(pieces, key=pieces.get)), encoding="utf-8")
    (model_copy / "tokenizer.json").unlink()
    assert_same(Classifier.from_pretrained(model_copy).predict(texts), predictions)


def test_transformers_reads_the_same_directory(tiny_model, indonesian, classifier):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    ours = classifier.predict(indonesian)
    pipe = pipeline("text-classification", model=str(tiny_model), top_k=None, device="cpu")
    for prediction, scores in zip(ours, pipe(indonesian), strict=True):
        assert {one["label"]: one["score"] for one in scores} == pytest.approx(prediction.scores, abs=1e-3)
    model = AutoModelForSequenceClassification.from_pretrained(tiny_model)
    batch = AutoTokenizer.from_pretrained(tiny_model)(indonesian, padding=True, return_tensors="pt")
    with torch.inference_mode():
        scores = model(**batch).logits.sigmoid().numpy()
    np.testing.assert_allclose(scores, matrix(ours), rtol=0, atol=1e-3)


def test_transformers_reads_single_label_directories_alike(standard_model, indonesian):
    from transformers import pipeline

    pipe = pipeline("text-classification", model=str(standard_model), top_k=None, device="cpu")
    for prediction, scores in zip(Classifier.from_pretrained(standard_model, threads=1).predict(indonesian), pipe(indonesian), strict=True):
        assert {one["label"]: one["score"] for one in scores} == pytest.approx(prediction.scores, abs=1e-3)
        assert prediction.labels["label"] == [scores[0]["label"]]


def test_a_missing_directory_is_an_error(tmp_path):
    with pytest.raises(ModelDirectoryError, match="does not exist"):
        Classifier.from_pretrained(tmp_path / "tidak-ada")
