import codecs
import io
import json
import os
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from classify import documents
from classify.documents import MAX_BYTES, MAX_LINE, PATIENCE, decode, find, kind_of, read, read_lines, read_passages, read_records
from classify.errors import DocumentError

TEXT = "Pyongyang – “tidak pernah” menjual peluru.\r\nMoskow membantah: café, naïve.\n"
# Letters, marks, emoji and every kind of line end, but no control characters: those mean a file that is no text.
readable = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffd\ufeff") | st.sampled_from("\r\n\t\x0b\f\u2028")
)


def refusal(act, *words):
    with pytest.raises(DocumentError) as caught:
        act()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode("utf-8"),
        TEXT.encode("utf-8-sig"),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("cp1252"),
    ],
    ids=["utf-8", "utf-8-bom", "utf-16-le-bom", "utf-16-be-bom", "utf-16-le", "utf-16-be", "cp1252"],
)
def test_the_encodings_of_text_files_are_told_apart(data, tmp_path):
    path = tmp_path / "berita.txt"
    path.write_bytes(data)
    document = read(str(path))
    assert document.name == str(path)
    assert document.text == TEXT
    lines = list(read_lines(str(path)))
    assert "".join(line for line, _ in lines) == TEXT
    assert all(TEXT[offset : offset + len(line)] == line for line, offset in lines)


@pytest.mark.parametrize("text", ["Ya.", "é", "🚀", "한국 정부는 부인했다.", "Йо, Москва!", "a\n"])
def test_short_and_foreign_utf8_is_text(text):
    assert decode(text.encode(), "x.txt") == text


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=readable, encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_any_text_survives_and_streamed_offsets_count_its_characters(text, encoding, tmp_path):
    path = tmp_path / "any.txt"
    path.write_bytes(text.encode(encoding))
    if not text.strip():
        refusal(lambda: read(str(path)), "is empty")
        refusal(lambda: list(read_lines(str(path))), "is empty")
        return
    assert read(str(path)).text == text
    lines = list(read_lines(str(path)))
    assert "".join(line for line, _ in lines) == text
    assert [offset for _, offset in lines] == [sum(len(line) for line, _ in lines[:i]) for i in range(len(lines))]


def test_a_character_across_the_judged_beginning_does_not_change_the_encoding(tmp_path):
    path = tmp_path / "long.txt"
    text = ("a" * 999 + "\n") * 1100
    start = 1024 * 1024 - 1
    text = text[:start] + "é" + text[start:]
    path.write_bytes(text.encode())
    assert "".join(line for line, _ in read_lines(str(path))) == text


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0",
        b"PK\x03\x04\x14\0\0\0\x08\0" + bytes(range(256)),
        bytes(range(1, 32)) * 40,
        bytes([0x81, 0x8D, 0x90, 0x9D]) * 100,
        b"\0" * 5000,
        b"\0",
        TEXT.encode("utf-32"),
    ],
    ids=["png", "zip", "controls", "undefined", "zeros", "one-zero", "utf-32"],
)
def test_what_is_not_text_is_refused(data, tmp_path):
    path = tmp_path / "gambar.txt"
    path.write_bytes(data)
    refusal(lambda: read(str(path)), str(path))
    refusal(lambda: list(read_lines(str(path))), str(path))


@pytest.mark.parametrize("data", [b"", b" \r\n\t\n", "\u2028\u00a0".encode(), codecs.BOM_UTF8, codecs.BOM_UTF16_LE])
def test_an_empty_document_is_refused(data, tmp_path):
    path = tmp_path / "kosong.txt"
    path.write_bytes(data)
    refusal(lambda: read(str(path)), str(path), "is empty")
    refusal(lambda: list(read_lines(str(path))), str(path), "is empty")


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_text_cut_off_inside_a_character_is_damaged_and_not_windows_1252(cut, tmp_path):
    path = tmp_path / "putus.txt"
    path.write_bytes("Rudal “Hwasong” meluncur 🚀".encode()[:-cut])
    message = refusal(lambda: read(str(path)), str(path), "damaged", "UTF-8")
    assert "byte 29" in message
    refusal(lambda: list(read_lines(str(path))), str(path), "UTF-8")


def test_cut_off_utf16_is_damaged(tmp_path):
    path = tmp_path / "putus.txt"
    path.write_bytes(codecs.BOM_UTF16_LE + "Rudal".encode("utf-16-le")[:-1])
    refusal(lambda: read(str(path)), str(path), "damaged", "UTF-16")
    refusal(lambda: list(read_lines(str(path))), str(path), "UTF-16")


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_a_few_wrong_bytes_do_not_make_windows_1252_of_utf8(tmp_path, mark):
    path = tmp_path / "rusak.txt"
    begin = mark + "Café di Moskow – “tidak pernah”, ".encode()
    path.write_bytes(begin + b"\xff" + "kata Kim – naïve.\n".encode())
    assert refusal(lambda: read(str(path)), f"{path} is damaged", f"byte {len(begin)} is not valid UTF-8;")
    refusal(lambda: list(read_lines(str(path))), str(path), "not", "UTF-8")
    # A character that lost its last byte.
    path.write_bytes(begin + "–".encode()[:2] + "kata Kim, é\n".encode())
    assert refusal(lambda: read(str(path)), f"{path} is damaged", f"byte {len(begin)} is not valid UTF-8;")


@pytest.mark.parametrize(
    "text",
    [
        "“Tidak pernah,” kata Kim – café, naïve… dan ‘ya’",
        "Café",
        "Menlu mengatakan “É” dan “ya”.\n" * 50,
        "Harga: 5 €\n",
        "Ã© tertulis sekali, café tiga kali: café, café.",
    ],
)
def test_windows_1252_is_still_read(text, tmp_path):
    path = tmp_path / "lama.txt"
    path.write_bytes(f"{text} (selesai)".encode("cp1252"))
    assert read(str(path)).text == f"{text} (selesai)"
    assert "".join(line for line, _ in read_lines(str(path))) == f"{text} (selesai)"


def test_bytes_windows_1252_does_not_have_are_damage():
    refusal(lambda: decode(b"Moskow caf\xe9 membantah. " * 20 + b"\x81", "rusak.txt"), "rusak.txt", "damaged")


def test_another_encoding_further_down_ends_the_stream(tmp_path):
    path = tmp_path / "campur.txt"
    path.write_bytes(b"Moskow membantah.\n" * 70_000 + b"caf\xe9\n")
    lines = read_lines(str(path))
    assert next(lines) == ("Moskow membantah.\n", 0)
    refusal(lambda: list(lines), str(path), "UTF-8")


def test_paths_that_are_no_readable_file(tmp_path):
    missing, folder = tmp_path / "tidak-ada.txt", tmp_path / "folder"
    folder.mkdir()
    below = tmp_path / "berkas.txt"
    below.write_text("Ya.")
    for path in (missing, folder, below / "x.txt", tmp_path / ("panjang" * 60)):
        refusal(lambda path=path: read(str(path)), str(path))
        refusal(lambda path=path: list(read_lines(str(path))), str(path))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission_is_refused(tmp_path):
    path = tmp_path / "rahasia.txt"
    path.write_text("Rahasia.")
    path.chmod(0)
    refusal(lambda: read(str(path)), str(path), "Permission denied")
    refusal(lambda: list(read_lines(str(path))), str(path), "Permission denied")


def test_a_file_far_too_large_is_refused(tmp_path):
    path = tmp_path / "besar.txt"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    refusal(lambda: read(str(path)), str(path), "larger than 64 MB")


def test_a_line_that_is_no_sentence_is_refused(tmp_path):
    path = tmp_path / "satu-baris.txt"
    path.write_text("Ya.\n" + "a" * (MAX_LINE + 5))
    lines = read_lines(str(path))
    assert next(lines) == ("Ya.\n", 0)
    refusal(lambda: next(lines), str(path), "million characters")


def test_find_walks_folders_in_sorted_order_and_keeps_what_was_named(tmp_path):
    for name in ("b.txt", "a.txt", "c.md", "sub/z.txt", "sub/d/y.txt", "sub.txt"):
        (tmp_path / "berita" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "berita" / name).write_text("Ya.")
    (tmp_path / "berita" / "folder.txt").mkdir()
    folder = tmp_path / "berita"
    expected = [str(folder / name) for name in ("a.txt", "b.txt", "sub/d/y.txt", "sub/z.txt", "sub.txt")]
    assert list(find([str(folder)])) == expected
    named = ["-", str(folder / "c.md"), "tidak-ada.txt", str(folder / "a.txt"), str(folder / "a.txt")]
    assert list(find(named)) == named
    long = "panjang" * 60
    assert list(find([long])) == [long]


def test_links_to_files_are_read_and_links_to_folders_are_not_followed(tmp_path):
    folder = tmp_path / "berita"
    for name in ("berita/a.txt", "lain/b.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("Ya.")
    (folder / "c.txt").symlink_to(tmp_path / "lain" / "b.txt")
    (folder / "putus.txt").symlink_to(tmp_path / "tidak-ada")
    (folder / "lain").symlink_to(tmp_path / "lain")
    (folder / "lingkaran").symlink_to(folder)
    said = []
    assert list(find([str(folder)], said.append)) == [str(folder / "a.txt"), str(folder / "c.txt")]
    assert said == []


def test_a_folder_without_text_files_is_an_error(tmp_path):
    (tmp_path / "catatan.md").write_text("Ya.")
    (name,) = find([str(tmp_path)])
    refusal(lambda: read(name), str(tmp_path), ".txt")
    refusal(lambda: list(read_lines(name)), str(tmp_path), ".txt")


@pytest.fixture
def small(monkeypatch):
    """What is large begins at a hundred bytes."""
    monkeypatch.setattr(documents, "LARGE", 100)


def test_an_article_is_one_passage_and_a_large_file_many(tmp_path, small):
    path = tmp_path / "berita.txt"
    path.write_bytes(TEXT.encode())
    assert list(read_passages(str(path))) == [(TEXT, 0, True)]
    text = "Satu “kalimat”.\r\nDua.\r\n \r\n\r\nTiga.\nEmpat.\n\n" * 10
    counts = []
    for data in (text.encode(), text.encode("utf-16"), text.encode("cp1252")):
        path.write_bytes(data)
        counts.clear()
        passages = list(read_passages(str(path), counts.append))
        assert "".join(passage for passage, *_ in passages) == text
        assert [offset for _, offset, _ in passages] == [sum(len(p) for p, *_ in passages[:i]) for i in range(len(passages))]
        assert not any(whole for *_, whole in passages)
        assert passages[0][0] == "Satu “kalimat”.\r\nDua.\r\n \r\n"
        assert sum(counts) == len(data)


def test_a_large_file_has_one_encoding_wherever_it_shows(tmp_path, small):
    path = tmp_path / "besar.txt"
    text = "Moskow membantah.\n" * 10 + "café\n"
    path.write_bytes(text.encode("cp1252"))
    assert "".join(passage for passage, *_ in read_passages(str(path))) == text == read(str(path)).text
    path.write_bytes(text.encode()[:-2])
    refusal(lambda: list(read_passages(str(path))), str(path), "UTF-8")
    text = "Moskow – membantah.\n" * 10
    path.write_bytes(text.encode() + b"caf\xe9\n" + text.encode())
    refusal(lambda: list(read_passages(str(path))), f"{path} is damaged", f"byte {len(text.encode()) + 3} is not valid UTF-8")
    # Further down than one block is read at a time, with a character across two of them.
    ascii = "Moskow membantah.\n" * 100_000
    path.write_bytes((ascii + "ééé ").encode() + b"\xe9\n")
    refusal(lambda: list(read_passages(str(path))), f"{path} is damaged", f"byte {len(ascii) + 7} is not valid UTF-8")
    path.write_bytes(b" \n" * 100)
    refusal(lambda: list(read_passages(str(path))), str(path), "is empty")


def test_a_paragraph_without_end_is_cut_at_a_line_end(tmp_path, small, monkeypatch):
    monkeypatch.setattr(documents, "PARAGRAPH", 40)
    path = tmp_path / "rapat.txt"
    path.write_text("Sebuah kalimat.\n" * 20)
    passages = [passage for passage, *_ in read_passages(str(path))]
    assert set(passages[:-1]) == {"Sebuah kalimat.\n" * 3}
    assert "".join(passages) == "Sebuah kalimat.\n" * 20


@pytest.mark.parametrize("size", [3, 400])
def test_standard_input_is_read_the_same_way(size, monkeypatch, small):
    text = "Satu. “Dua.”\n\n" * size
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(text.encode()), 16)))
    passages = list(read_passages("-"))
    assert "".join(passage for passage, *_ in passages) == text
    assert len(passages) == (1 if size == 3 else size)


def records(path, rows, column=None):
    path.write_bytes(b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows))
    failed = []
    return [(one.name, one.text) for one in read_records(str(path), column, failed.append)], [str(error) for error in failed]


def test_json_lines_are_documents_with_a_name(tmp_path):
    path = tmp_path / "berita.jsonl"
    rows = [
        {"text": "Satu.", "body": "lain"}, {"id": "a-7", "content": "Dua 🚀."}, b"\n", {"id": 8, "body": "Tiga."},
        {"id": "", "text": None, "content": "Empat \ud83d\ude80 \ud800."},
    ]  # fmt: skip
    found, failed = records(path, rows)
    assert failed == []
    assert found == [(f"{path}:1", "Satu."), ("a-7", "Dua 🚀."), ("8", "Tiga."), (f"{path}:5", "Empat 🚀 \ufffd.")]
    assert records(path, [b"\xef\xbb\xbf" + b'{"isi": "Satu."}\n', {"isi": "Dua.", "text": "x"}], "isi")[0] == [
        (f"{path}:1", "Satu."),
        (f"{path}:2", "Dua."),
    ]


def test_a_bad_line_costs_one_sentence(tmp_path):
    path = tmp_path / "berita.jsonl"
    bad = [b"{\n", b"[1]\n", b'{"text": "caf\xe9"}\n', {"judul": "x"}, {"text": " "}, {"text": 3}, b"[" * 100_000 + b"\n"]
    found, failed = records(path, [{"text": "Awal."}, *bad, {"text": "Akhir."}])
    assert [text for _, text in found] == ["Awal.", "Akhir."]
    assert len(failed) == len(bad)
    for number, message in enumerate(failed, 2):
        assert message.startswith(f"{path} line {number} ")
        assert "\n" not in message
    assert "'text' or 'content' or 'body'" in failed[3]


def test_a_file_that_is_no_json_lines_is_given_up(tmp_path):
    path = tmp_path / "berita.jsonl"
    path.write_text("Bukan JSON.\n" * 500)
    failed = []
    refusal(lambda: list(read_records(str(path), "isi", failed.append)), str(path), "'isi'", "--text-column")
    assert len(failed) == PATIENCE
    path.write_text("\n")
    refusal(lambda: list(read_records(str(path), None, failed.append)), str(path), "is empty")
    refusal(lambda: list(read_records(str(tmp_path / "tidak-ada.jsonl"), None, failed.append)), "tidak-ada.jsonl")


def test_how_a_file_is_read_follows_from_its_name():
    kinds = {"a.jsonl": "records", "a.NDJSON": "records", "a.txt": "text", "a": "text", "a.md": "text", "-": "text", "x/a.CSV": "table"}
    kinds |= {"a.tsv": "table", "a.htm": "html", "a.HTML": "html", "a.docx": "docx", "a.pdf": "pdf", "a.zip": "archive", "zip": "text"}
    assert {name: kind_of(name, None) for name in kinds} == kinds
    assert kind_of("-", "isi") == "records"
    assert kind_of("a.txt", "isi") == "text"


def test_title_date_and_outlet_of_a_record(tmp_path):
    records = [
        {"text": "Satu.", "judul": "Moskwa\n menolak", "tanggal": "2023-09-13T07:00:00+07:00", "source": "contoh.id"},
        {"text": "Dua.", "date": "kemarin", "title": 5},
        {"text": "Tiga.", "date": "2023-13"},
        {"text": "Empat.", "date": "2019"},
    ]
    path = tmp_path / "kumpulan.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    found = [document.meta.as_dict() for document in read_records(str(path), None, pytest.fail)]
    assert found == [{"title": "Moskwa menolak", "date": "2023-09-13", "outlet": "contoh.id"}, {}, {}, {"date": "2019"}]
