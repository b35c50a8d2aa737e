import csv
import io
import json
import os
import stat
import threading
from pathlib import Path

import openpyxl
import pytest

import classify.workbook
from classify.documents import NO_META, Meta
from classify.errors import ClassifyError
from classify.labels import LabelScheme
from classify.writers import FORMATS, Row, open_writer, replacing, write_all

SCHEME = LabelScheme.from_dict({"groups": [{"id": "topic", "labels": ["trade", "war"]}, {"id": "stance", "labels": ["pro", "con"]}]})


def row(text="Kim tiba.", document="a.txt", index=0, topic=("war",), stance=(), scores=None, furniture=False, review=(), meta=NO_META):
    labels = {"topic": list(topic), "stance": list(stance)}
    return Row(document, index, 0, len(text), text, labels, scores or {"war": 0.75}, furniture, review, meta)


def written(form, *rows):
    stream = io.StringIO(newline="")
    assert write_all(rows, FORMATS[form](stream, SCHEME)) == len(rows)
    return stream.getvalue()


def test_jsonl_has_one_object_a_line_with_its_keys_in_order():
    texts = ['“Kim” \\ "Un" 🚀', "baris\u2028pisah\u0085 dan\ttab", "ﬁ\u0301"]
    lines = written("jsonl", *(row(text, index=i) for i, text in enumerate(texts))).split("\n")
    assert lines.pop() == ""
    objects = [json.loads(line) for line in lines]
    assert [one["text"] for one in objects] == texts
    assert [one["index"] for one in objects] == [0, 1, 2]
    for one in objects:
        assert list(one) == ["document", "index", "start", "end", "text", "labels", "scores"]
        assert list(one["labels"]) == ["topic", "stance"]


def test_jsonl_and_csv_say_what_to_review():
    rows = [row(review=("war", "trade")), row()]
    first, second = (json.loads(line) for line in written("jsonl", *rows).splitlines())
    assert first["review"] == ["war", "trade"]
    assert "review" not in second
    records = list(csv.DictReader(io.StringIO(written("csv", *rows), newline="")))
    assert [record["review"] for record in records] == ["war;trade", ""]


def test_the_table_marks_what_to_review():
    shown = written("table", row(topic=("trade",), scores={"trade": 0.5, "war": 0.31}, review=("trade", "war")))
    assert "trade 0.50 ?" in shown
    assert "(war 0.31 ?)" in shown


def test_jsonl_marks_furniture_and_only_furniture():
    plain, marked = (json.loads(line) for line in written("jsonl", row(), row(topic=(), furniture=True)).splitlines())
    assert "furniture" not in plain
    assert list(marked)[-1] == "furniture"
    assert marked["furniture"] is True


def test_csv_parses_back():
    texts = ['koma, "kutip" dan; titik koma', "baris\u2028pisah", "biasa", "", "-", "'kutip"]
    rows = [row(text, index=i, topic=("trade", "war"), scores={"trade": 0.5, "war": 0.25}) for i, text in enumerate(texts)]
    records = list(csv.DictReader(io.StringIO(written("csv", *rows, row("Tags", topic=(), furniture=True)), newline="")))
    assert list(records[0]) == [
        "document",
        "index",
        "start",
        "end",
        "text",
        "topic",
        "stance",
        "trade",
        "war",
        "pro",
        "con",
        "review",
        "furniture",
        "title",
        "date",
        "outlet",
    ]
    assert [record["text"] for record in records] == [*texts, "Tags"]
    assert [record["furniture"] for record in records] == ["false"] * len(texts) + ["true"]
    assert records[0]["topic"].split(";") == ["trade", "war"]
    assert records[0]["stance"] == ""
    assert (float(records[0]["trade"]), float(records[0]["war"]), records[0]["pro"]) == (0.5, 0.25, "")
    assert (records[0]["start"], records[0]["end"]) == ("0", str(len(texts[0])))


@pytest.mark.parametrize("text", ['=HYPERLINK("http://x")', "+62 812", "-1+1", "@SUM(A1)", "\t=1"])
def test_csv_does_not_hand_formulas_to_a_spreadsheet(text):
    (record,) = csv.DictReader(io.StringIO(written("csv", row(text, document=text)), newline=""))
    assert record["text"] == record["document"] == "'" + text


def test_the_table_shows_every_sentence_with_labels_and_scores():
    table = written(
        "table",
        row("Kim tiba di Moskow.", topic=("trade", "war"), stance=("con",), scores={"trade": 0.5, "war": 0.625, "con": 0.999}),
        row("Putin diam [merah]tanpa gaya[/merah].", topic=()),
        row("Dokumen lain.", document="b.txt", topic=()),
        row("Tags", document="b.txt", topic=(), furniture=True),
    )
    for expected in (
        "a.txt",
        "b.txt",
        "topic",
        "stance",
        "Kim tiba di Moskow.",
        "trade 0.50",
        "war 0.62",
        "con 1.00",
        "[merah]tanpa",
        "Tags",
    ):
        assert expected in table
    assert "\x1b" not in table
    assert max(map(len, table.splitlines())) <= 120
    assert table.index("a.txt") < table.index("Kim tiba") < table.index("b.txt") < table.index("Dokumen lain.")


def test_a_document_cannot_steer_the_terminal_it_is_shown_in():
    table = written("table", row("Kim\x1b[2Jtiba\x9b31m\x07 di Moskow\x7f.", document="a\x1b]0;x.txt"))
    assert "Kim\ufffd[2Jtiba\ufffd31m\ufffd di Moskow\ufffd." in table
    assert "a\ufffd]0;x.txt" in table
    assert not {"\x1b", "\x9b", "\x07", "\x7f"} & set(table)


def test_a_table_of_a_long_document_loses_no_row():
    table = written("table", *(row(f"kalimat-{i:04}", index=i) for i in range(2345)))
    assert all(f"kalimat-{i:04}" in table for i in range(2345))


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_to_write(form):
    output = written(form)
    assert output == (
        "document,index,start,end,text,topic,stance,trade,war,pro,con,review,furniture,title,date,outlet\n" if form == "csv" else ""
    )


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "hasil.jsonl"
    path.write_text("lama")
    path.chmod(0o640)
    with replacing(path) as stream:
        stream.write("baru 🚀\n")
        assert path.read_text() == "lama"
    assert path.read_bytes() == "baru 🚀\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_ordinary_permissions(tmp_path):
    with replacing(tmp_path / "hasil.jsonl") as stream:
        stream.write("x")
    (tmp_path / "biasa").write_text("x")
    assert (tmp_path / "hasil.jsonl").stat().st_mode == (tmp_path / "biasa").stat().st_mode


def test_after_a_failure_the_earlier_file_is_there_and_nothing_else(tmp_path):
    path = tmp_path / "hasil.jsonl"
    path.write_text("lama")

    def fail():
        with replacing(path) as stream:
            stream.write("baru")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "lama"
    assert list(tmp_path.iterdir()) == [path]


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "berkas").write_text("x")
    for path in (tmp_path / "tidak-ada/hasil.csv", tmp_path / "berkas/hasil.csv", tmp_path):
        with pytest.raises(ClassifyError) as caught, replacing(path) as stream:
            stream.write("x")
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert [one.name for one in tmp_path.iterdir()] == ["berkas"]


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    target, link = tmp_path / "asli.csv", tmp_path / "tautan.csv"
    target.write_text("lama")
    link.symlink_to(target)
    with replacing(link) as stream:
        stream.write("baru")
    assert link.is_symlink()
    assert target.read_text() == "baru"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_written_into_and_not_replaced(tmp_path):
    path = tmp_path / "pipa"
    os.mkfifo(path)
    received = []
    reader = threading.Thread(target=lambda: received.append(path.read_text()), daemon=True)
    reader.start()
    with replacing(path) as stream:
        stream.write("baru")
    reader.join(timeout=10)
    assert received == ["baru"]
    assert path.is_fifo()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_device_is_an_error():
    with pytest.raises(ClassifyError, match="cannot write /dev/full: No space left"), replacing(Path("/dev/full")) as stream:
        stream.write("x")
    assert Path("/dev/full").is_char_device()


def test_a_file_name_that_is_no_unicode_does_not_stop_the_output(tmp_path):
    name = os.fsdecode(b"berita-\xff.txt")
    with replacing(tmp_path / "hasil.jsonl") as stream:
        FORMATS["jsonl"](stream, SCHEME).write(row(document=name))
    assert json.loads((tmp_path / "hasil.jsonl").read_text(encoding="utf-8"))["document"] == "berita-?.txt"


META = Meta("=Judul\nbaris", "2023-09-14", "warta.example")


def workbook(path, *rows):
    with replacing(path) as stream:
        write_all(rows, open_writer("xlsx", stream, SCHEME))
    return openpyxl.load_workbook(path)


def test_title_date_and_outlet_are_columns_at_the_end():
    (record,) = csv.DictReader(io.StringIO(written("csv", row(meta=META)), newline=""))
    assert list(record.values())[-3:] == ["'=Judul\nbaris", "2023-09-14", "warta.example"]


def test_a_workbook_holds_what_csv_holds(tmp_path):
    rows = [
        row("=1+1", document="@a", topic=("trade", "war"), scores={"trade": 0.5, "war": 0.25}, review=("trade",), meta=META),
        row("Rudal \x00\x0b 🚀 \ud800", index=1, furniture=True, topic=()),
        row(" y" * 40_000, index=2),
    ]
    book = workbook(tmp_path / "x.xlsx", *rows)
    (sheet,) = book.worksheets
    header, *found = sheet.iter_rows()
    assert [cell.value for cell in header] == next(csv.reader(io.StringIO(written("csv"))))
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == f"A1:{header[-1].column_letter}4"
    assert not any(cell.data_type == "f" for cells in found for cell in cells)
    first = {name.value: cell.value for name, cell in zip(header, found[0], strict=True)}
    assert (first["document"], first["text"], first["index"], first["start"]) == ("@a", "=1+1", 0, 0)
    assert (first["topic"], first["trade"], first["war"], first["pro"]) == ("trade;war", 0.5, 0.25, None)
    assert (first["title"], first["date"], first["outlet"]) == ("=Judul\nbaris", "2023-09-14", "warta.example")
    assert found[1][4].value.startswith("Rudal \ufffd\ufffd 🚀 \ufffd")
    assert found[2][4].value == (" y" * 40_000)[: 32_767 - 1] + "…"


def test_a_full_sheet_is_followed_by_another(tmp_path, monkeypatch):
    monkeypatch.setattr(classify.workbook, "MAX_ROWS", 4)
    book = workbook(tmp_path / "x.xlsx", *(row(f"Kalimat {i}.", index=i) for i in range(7)))
    assert book.sheetnames == ["rows", "rows 2", "rows 3"]
    assert [sheet.max_row for sheet in book] == [4, 4, 2]
    assert [cells[1] for sheet in book for cells in sheet.iter_rows(min_row=2, values_only=True)] == list(range(7))
    assert {sheet["A1"].value for sheet in book} == {"document"}


def test_a_workbook_without_rows_has_its_header(tmp_path):
    assert [sheet.max_row for sheet in workbook(tmp_path / "x.xlsx")] == [1]
