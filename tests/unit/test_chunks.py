import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from classify import documents
from classify.classifier import LOOK_AHEAD
from classify.predict import FIRST_CHUNK, Options, Watch, chunks, items, items_of, pairs
from classify.sentences import split

LINES = [
    "Kim tiba di Moskow. Putin menyambutnya.", "Jakarta, CNN Indonesia -- Rusia membantah. \"Tidak benar,\" kata dia.", "Iklan",
    "Baca juga: Putin ke Hanoi", "  ", "", "\u2028", "Pada 24 Feb. 2022 pasukan bergerak 🚀!", "1. Rudal", "café\x0bnaïve. Ya.",
]  # fmt: skip


def fail(error):
    raise error


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(["\n", "\r\n", "\r", "\n\n"])), min_size=1),
    paragraph=st.sampled_from([30, 65536]),
)
def test_a_large_file_splits_as_it_would_in_one_piece(lines, paragraph, tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "LARGE", 20)
    monkeypatch.setattr(documents, "PARAGRAPH", paragraph)
    text = "Awal berita yang cukup panjang.\n\n" + "".join(line + end for line, end in lines)
    path = tmp_path / "besar.txt"
    path.write_bytes(text.encode())
    found = list(items_of(str(path), Options(furniture=True), Watch(fail)))
    assert [item.sentence for item in found] == list(split(text, whole=False))
    assert all(text[item.sentence.start : item.sentence.end] == item.sentence.text for item in found)
    assert [item.index for item in found] == list(range(len(found)))


def test_the_end_of_one_article_does_not_end_a_large_file(tmp_path, monkeypatch):
    article = "Kim tiba di Moskow.\nPutin menyambutnya.\nEditor: Budi\nKomentar\n\n"
    path = tmp_path / "berita.txt"
    path.write_text(article * 5)
    whole = [item.sentence.text for item in items_of(str(path), Options(), Watch(fail))]
    monkeypatch.setattr(documents, "LARGE", 20)
    assert [item.sentence.text for item in items_of(str(path), Options(), Watch(fail))] == [
        "Kim tiba di Moskow.",
        "Putin menyambutnya.",
    ] * 5
    assert len(whole) < 10


def test_a_large_file_is_nothing_but_furniture_only_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "LARGE", 20)
    path, said = tmp_path / "a.txt", []
    path.write_text("Baca juga: Putin ke Hanoi\n\n" * 5 + "Kim tiba di Moskow.\n\n" + "Baca juga: Putin ke Hanoi\n\n" * 5)
    assert [item.sentence.text for item in items_of(str(path), Options(), Watch(fail))] == ["Kim tiba di Moskow."]
    path.write_text("Baca juga: Putin ke Hanoi\n\n" * 5)
    assert list(items_of(str(path), Options(), Watch(said.append))) == []
    assert [str(error).split(" (")[0] for error in said] == [f"{path} holds nothing but page furniture"]


def test_chunks_grow_and_lose_nothing(tmp_path):
    for number in range(40):
        (tmp_path / f"{number:02}.txt").write_text(f"Kalimat pertama nomor {number}.\n" * 50)
    cut = list(chunks(items([str(tmp_path)], Options(), Watch(fail))))
    assert [len(chunk) for chunk in cut[:5]] == [FIRST_CHUNK, 128, 256, LOOK_AHEAD, LOOK_AHEAD]
    every = [item for chunk in cut for item in chunk]
    assert [(item.document, item.index) for item in every] == [(str(tmp_path / f"{n:02}.txt"), i) for n in range(40) for i in range(50)]
    assert [item.before == "" for item in every] == [item.index == 0 for item in every]


def test_furniture_is_a_row_but_is_not_classified(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("Kim tiba di Moskow.\nBaca juga: Putin ke Hanoi\nPutin menyambutnya.\n")
    (chunk,) = chunks(items([str(path)], Options(furniture=True), Watch(fail)))
    assert [item.index for item in chunk] == [0, 1, 2]
    assert pairs(chunk) == [("Kim tiba di Moskow.", ""), ("Putin menyambutnya.", "Kim tiba di Moskow.")]


@pytest.mark.parametrize("lines", [False, True])
def test_records_are_split_unless_they_are_lines(lines, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "x", "text": "Kim tiba. Putin diam.\\n Iklan "}\n{"text": "Rusia membantah."}\n')
    found = list(items([str(path)], Options(lines=lines), Watch(fail)))
    expected = [("x", "Kim tiba. Putin diam."), ("x", "Iklan")] if lines else [("x", "Kim tiba."), ("x", "Putin diam.")]
    assert [(item.document, item.sentence.text) for item in found] == [*expected, (f"{path}:2", "Rusia membantah.")]
    assert [item.before for item in found] == (["", "", ""] if lines else ["", "Kim tiba.", ""])


def test_what_is_read_before_the_damage_is_kept(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"Moskow membantah.\n" * 70_000 + b"caf\xe9\n")
    (tmp_path / "b.txt").write_text("Putin diam.\n")
    failed, read = [], []
    found = list(items([str(tmp_path)], Options(lines=True), Watch(failed.append, advance=read.append)))
    # Characters are decoded some thousands at a time.
    assert 69_000 < len(found) <= 70_001
    assert found[-1].sentence.text == "Putin diam."
    assert len(failed) == 1
    assert sum(read) == sum(path.stat().st_size for path in tmp_path.iterdir())
