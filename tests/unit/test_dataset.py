import json
from pathlib import Path

import numpy as np
import pytest

from classify.errors import DataError
from classify.labels import LabelScheme
from training.dataset import Example, Pool, data_files, digest, load, normalise, scored, targets

SCHEME = LabelScheme.from_dict(
    {
        "groups": [
            {"id": "topic", "labels": ["sanctions", "diplomacy"]},
            {"id": "stance", "labels": ["denial"]},
            {"id": "tone", "exclusive": True, "labels": ["calm", "angry"]},
        ]
    }
)
ARTICLE = {"title": "Kapal kargo", "text": "Kapal itu tiba di Rajin.  Korut membantah.\nMoskow diam."}
WHOLE = "Kapal kargo\nKapal itu tiba di Rajin.  Korut membantah.\nMoskow diam."


def write(path: Path, *rows, raw: str = "") -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows) + raw, encoding="utf-8")
    return path


def label_of(sentence: str, before: str = "", **more):
    """The labelled row for ``sentence`` of the article, its text left out."""
    start = WHOLE.index(sentence)
    row = {"sha256": digest(sentence), "article": digest(WHOLE)[:16], "start": start, "end": start + len(sentence), **more}
    if before:
        row["context"] = [WHOLE.index(before), WHOLE.index(before) + len(before)]
    return row


@pytest.fixture
def pool(tmp_path):
    return Pool([write(tmp_path / "articles.jsonl", {"title": "Lain", "text": "Artikel lain."}, ARTICLE)])


def read(path: Path, *rows, pool=None, raw: str = "") -> list[Example]:
    return load([write(path, *rows, raw=raw)], SCHEME, pool).examples


def test_article_is_the_group_of_its_sentences_unless_another_is_named(tmp_path, pool):
    rows = [label_of("Korut membantah.", topic=[], stance=["denial"]), label_of("Moskow diam.", topic=[], stance=[], group="copies")]
    assert [e.group for e in read(tmp_path / "data.jsonl", *rows, pool=pool)] == [f"n{digest(WHOLE)[:12]}", "copies"]


def test_row_becomes_an_example(tmp_path):
    row = {
        "id": "7", "text": " Sanksi baru. ", "context": "Sebelumnya.", "topic": ["diplomacy", "sanctions"], "stance": [],
        "tone": ["calm"], "group": "g1", "origin": "own", "split": "test", "disputed": ["denial"],
    }  # fmt: skip
    (example,) = read(tmp_path / "data.jsonl", row)
    assert example == Example(
        "7", "Sanksi baru.", "Sebelumnya.", {"topic": ("sanctions", "diplomacy"), "stance": (), "tone": ("calm",)},
        "g1", "own", "test", ("denial",),
    )  # fmt: skip
    assert example.where == f"{tmp_path / 'data.jsonl'}:1"
    assert example.file == "data.jsonl"


def test_little_is_needed(tmp_path):
    (example,) = read(tmp_path / "data.jsonl", {"text": "Korut membantah.", "stance": ["denial"]})
    assert (example.context, example.split, example.disputed) == ("", "", ())
    assert example.labels == {"stance": ("denial",)}
    # By what it says, so that it is the same wherever the file lies and whatever stands above it.
    other = {"text": "Kim tiba.", "stance": []}
    (tmp_path / "more").mkdir()
    _, again = read(tmp_path / "more/sorted.jsonl", other, {"text": "Korut membantah.", "stance": ["denial"]})
    assert example.id == example.group == again.id
    (elsewhere,) = read(tmp_path / "data.jsonl", {"text": "Korut membantah.", "context": "Kim tiba.", "stance": []})
    assert elsewhere.id != example.id


def test_ids_of_documents_do_not_mix_their_sentences_up(tmp_path):
    rows = [{"id": "artikel-1", "text": text, "stance": []} for text in ("Kim tiba.", "Kim pulang.")]
    one, two = read(tmp_path / "data.jsonl", *rows)
    assert one.id != two.id
    assert one.id.startswith("artikel-1#")
    assert one.group == two.group == "artikel-1"
    # Whichever comes first.
    assert {e.id for e in read(tmp_path / "turned.jsonl", *rows[::-1])} == {one.id, two.id}


def test_an_id_may_be_a_number_even_zero(tmp_path):
    examples = read(tmp_path / "data.jsonl", *({"id": i, "text": f"Kalimat {i}.", "topic": []} for i in range(2)))
    assert [example.id for example in examples] == ["0", "1"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"topic": []}, ['"text" is missing']),
        ({"text": "  ", "topic": []}, ['"text" is missing or empty']),
        ({"text": 3, "topic": []}, ['"text"']),
        ({"text": "a", "topic": "sanction"}, ["unknown topic label 'sanction'", "sanctions, diplomacy"]),
        ({"text": "a", "topic": {"sanctions": 1}}, ['"topic" must be a list', "{'sanctions': 1}"]),
        ({"text": "a", "topic": [1]}, ['"topic" must be a list of label ids']),
        ({"text": "a", "topic": ["sanction"]}, ["unknown topic label 'sanction'", "sanctions, diplomacy"]),
        ({"text": "a", "topic": ["denial"]}, ["unknown topic label 'denial'"]),
        ({"text": "a"}, ["none of the groups topic, stance, tone"]),
        ({"text": "a", "topic": [], "split": "dev"}, ["unknown split 'dev'", "train, validation, test, development"]),
        ({"text": "a", "tone": []}, ['"tone" is exclusive and needs exactly one label', "[]"]),
        ({"text": "a", "tone": ["calm", "angry"]}, ['"tone" is exclusive and needs exactly one label']),
        ({"text": "a", "topic": [], "disputed": "denial"}, ['"disputed" must be a list', "'denial'"]),
        ({"text": "a", "topic": [], "disputed": ["denail"]}, ["unknown disputed label 'denail' (did you mean 'denial'?)", "calm, angry"]),
        ({"text": "a", "topic": [], "unsure": ["x"]}, ["unknown unsure label 'x'; the labels are"]),
        ({"text": "a", "topic": [], "unknown": ["sanction"]}, ["unknown unknown label 'sanction' (did you mean 'sanctions'?)"]),
        ({"text": "a", "stance": [], "topik": ["sanctions"]}, ['"topik" is no group', 'did you mean the group "topic"?']),
        ({"text": "a", "stance": [], "topics": []}, ['"topics" is no group', 'did you mean the group "topic"?']),
        ({"text": "a", "stance": [], "Tone": "calm"}, ['"Tone" is no group', 'did you mean the group "tone"?']),
        ({"text": "a", "stnce": ["denial"]}, ['"stnce" is no group', 'did you mean the group "stance"?']),
    ],
)
def test_unusable_row_is_named_with_file_line_and_what_is_valid(tmp_path, row, words):
    with pytest.raises(DataError) as caught:
        read(tmp_path / "data.jsonl", {"text": "baik", "topic": []}, row)
    assert str(caught.value).startswith(f"{tmp_path / 'data.jsonl'}:2: ")
    assert all(word in str(caught.value) for word in words)


def test_a_plain_text_is_a_list_of_one(tmp_path):
    rows = [{"text": "a", "topic": ["sanctions"], "tone": "calm"}, {"text": "b", "topic": "diplomacy", "tone": " "}]
    assert [one.labels for one in read(tmp_path / "data.jsonl", *rows)] == [
        {"topic": ("sanctions",), "tone": ("calm",)},
        {"topic": ("diplomacy",)},
    ]


def test_keys_of_somebodys_own_are_let_be(tmp_path):
    row = {"text": "a", "stance": [], "instance": ["x"], "why": "rare", "outlet": "detik", "judul": "b", "scores": {"denial": 0.1}}
    # A number is no label, and nothing is lost with a blank.
    assert len(read(tmp_path / "data.jsonl", row, {**row, "topic_": 3, "topics": None})) == 2


def test_labels_in_doubt_may_be_of_another_scheme(tmp_path):
    (example,) = read(tmp_path / "data.jsonl", {"text": "a", "topic": [], "genre": ["report"], "disputed": ["report"]})
    assert example.disputed == ("report",)
    later = LabelScheme.from_dict({"groups": [{"id": "topic", "labels": [{"id": "penalties", "renamed_from": "sanctions"}, "trade"]}]})
    path = write(tmp_path / "old.jsonl", {"text": "a", "topic": [], "disputed": ["sanctions"]})
    assert load([path], later).examples[0].disputed == ("sanctions",)


@pytest.mark.parametrize("line", ['{"text": ', "[1]", '"text"', "3", "[" * 100_000, '{"text": "a", "x": ' + "[" * 100_000])
def test_line_that_is_no_object_is_named(tmp_path, line):
    with pytest.raises(DataError, match=r"data.jsonl:3: not a JSON object"):
        read(tmp_path / "data.jsonl", {"text": "baik", "topic": []}, raw=f"\n{line}\n")


def test_byte_order_mark_and_blank_lines_are_no_matter(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "satu", "topic": []}\n\n   \n{"text": "dua", "topic": []}')
    assert [example.text for example in load([path], SCHEME).examples] == ["satu", "dua"]


def test_another_encoding_is_refused(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_bytes('{"text": "caf\xe9", "topic": []}\n'.encode("latin-1"))
    with pytest.raises(DataError, match="data.jsonl is not UTF-8 text"):
        load([path], SCHEME)


def test_folders_are_searched_in_order(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("b.jsonl", "a.jsonl"):
        write(folder / name, {"text": name, "topic": []})
    (folder / "README.md").write_text("not data")
    single = write(tmp_path / "c.jsonl", {"text": "c", "topic": []})
    assert data_files([single, folder]) == [single, folder / "a.jsonl", folder / "b.jsonl"]


def test_missing_and_empty_places_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"the folder .*empty holds no \.jsonl, .* or \.xlsx files"):
        load([tmp_path / "empty"], SCHEME)
    with pytest.raises(DataError, match=r"no data file or folder at .*absent"):
        load([tmp_path / "absent"], SCHEME)
    with pytest.raises(DataError, match="no labelled sentence found in .*nothing.jsonl"):
        load([write(tmp_path / "nothing.jsonl")], SCHEME)


def test_pool_gives_text_and_context_back(tmp_path, pool):
    row = label_of("Korut membantah.", "Kapal itu tiba di Rajin.", stance=["denial"], topic=[], group="n1")
    (example,) = read(tmp_path / "labels.jsonl", row, pool=pool)
    assert (example.text, example.context) == ("Korut membantah.", "Kapal itu tiba di Rajin.")
    assert example.id == row["sha256"][:16]
    assert example.real
    assert not read(tmp_path / "own.jsonl", {"text": "Sendiri.", "topic": []})[0].real
    assert (example.group, example.labels) == ("n1", {"stance": ("denial",), "topic": ()})


def test_title_belongs_to_the_article(tmp_path, pool):
    (example,) = read(tmp_path / "labels.jsonl", label_of("Kapal kargo", topic=[]), pool=pool)
    assert (example.text, example.context) == ("Kapal kargo", "")


def test_pool_may_be_a_folder_and_spacing_of_a_copy_is_no_matter(tmp_path):
    folder = tmp_path / "pool"
    folder.mkdir()
    write(folder / "a.jsonl", {"title": "Lain", "text": "Artikel lain."})
    write(folder / "b.jsonl", ARTICLE)
    assert len(read(tmp_path / "labels.jsonl", label_of("Moskow diam.", topic=[]), pool=Pool([folder]))) == 1
    assert normalise(" KAPAL\u00a0itu\n tiba ") == "kapal itu tiba"
    assert digest("Kapal  ITU tiba") == digest("kapal itu tiba")


def test_other_text_at_the_place_is_an_error(tmp_path, pool):
    row = label_of("Korut membantah.", topic=[])
    row["start"] += 1
    with pytest.raises(DataError, match=rf"labels.jsonl:1: the article {row['article']} in the pool differs .* at {row['start']}"):
        read(tmp_path / "labels.jsonl", row, pool=pool)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"article": None}, "needs 'article'"),
        ({"start": None}, "needs 'start'"),
        ({"end": "end"}, '"start", "end" .* whole numbers'),
        ({"context": [1]}, "whole numbers"),
        ({"context": "Kapal"}, "whole numbers"),
    ],
)
def test_row_without_text_must_say_where_it_stands(tmp_path, pool, change, message):
    row = {key: value for key, value in {**label_of("Korut membantah.", topic=[]), **change}.items() if value is not None}
    with pytest.raises(DataError, match=rf"labels.jsonl:1: .*{message}"):
        read(tmp_path / "labels.jsonl", row, pool=pool)


def test_missing_articles_are_counted(tmp_path, pool):
    absent = {**label_of("Moskow diam.", topic=[]), "article": "0" * 16}
    path = write(tmp_path / "labels.jsonl", label_of("Korut membantah.", topic=[]), absent, absent)
    loaded = load([path], SCHEME, pool)
    assert (len(loaded.examples), loaded.without_text) == (1, 2)
    own = write(tmp_path / "own.jsonl", {"text": "Sendiri.", "topic": []})
    assert load([path, own], SCHEME).without_text == 3


def test_only_missing_articles_say_what_to_give(tmp_path):
    path = write(tmp_path / "labels.jsonl", label_of("Korut membantah.", topic=[]))
    with pytest.raises(DataError, match="no labelled sentence found .*--pool"):
        load([path], SCHEME)


def test_empty_or_absent_pool_is_named(tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"the pool .*none holds no \.jsonl files"):
        Pool([tmp_path / "none"])
    with pytest.raises(DataError, match="no text file at .*absent.jsonl"):
        Pool([tmp_path / "absent.jsonl"])


def test_targets_know_positive_negative_and_unknown():
    examples = [
        Example("1", "a", "", {"topic": ("diplomacy",), "stance": ("denial",), "tone": ("angry",)}, "1"),
        Example("2", "b", "", {"stance": ()}, "2"),
        Example("3", "c", "", {"topic": ()}, "3"),
    ]
    nan = float("nan")
    expected = [[0, 1, 1, 0, 1], [nan, nan, 0, nan, nan], [0, 0, nan, nan, nan]]
    found = targets(examples, SCHEME)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.asarray(expected, dtype=np.float32))


def test_disputed_and_unknown_labels_do_not_count():
    examples = [
        Example("1", "a", "", {"topic": ("diplomacy",), "stance": ()}, "1", disputed=("denial", "diplomacy")),
        Example("2", "b", "", {"topic": ()}, "2", disputed=("denial", "a label of another scheme")),
    ]
    expected = [[True, False, False, False, False], [True, True, False, False, False]]
    assert scored(examples, SCHEME).tolist() == expected
    # Training still learns from the adjudicated answer.
    assert targets(examples, SCHEME)[0, 1] == 1


def test_an_article_nested_too_deeply_is_named(tmp_path):
    path = tmp_path / "articles.jsonl"
    path.write_text("[" * 100_000 + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"articles.jsonl:1: expected one JSON object"):
        Pool([path])
