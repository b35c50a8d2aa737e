import csv
import io
import json
import zipfile

import numpy as np
import pytest

from classify.errors import DataError, SettingsError
from classify.labels import LabelScheme
from training.columns import Layout, pieces, propose
from training.dataset import MAX_REJECTED, load, read_file, targets
from training.tables import read_table

SCHEME = LabelScheme.from_dict(
    {
        "groups": [
            {
                "id": "topic",
                "name": {"id": "Topik"},
                "labels": ["arms", {"id": "trade", "name": {"id": "dagang", "en": "Trade deals"}}, "a/b"],
            },
            {"id": "stance", "name": {"id": "Sikap"}, "labels": ["denial", "charge"]},
            {"id": "tone", "exclusive": True, "labels": ["calm", "angry", "sad"]},
        ]
    }
)


def save(path, content, encoding="utf-8"):
    path.write_bytes(content.encode(encoding))
    return path


def labels(path, **layout):
    """Labels by text, and what the columns were taken for."""
    read = read_file(path, SCHEME, layout=Layout(**layout))
    assert not read.rejected, read.rejected
    return {example.text: example.labels for example in read.examples}, read.columns


def reasons(path, **layout):
    read = read_file(path, SCHEME, layout=Layout(**layout))
    return [str(one).removeprefix(f"{path}:") for one in read.rejected]


def workbook(path, *rows, title="Data", before=()):
    import openpyxl

    book = openpyxl.Workbook()
    for name in before:
        book.create_sheet(name)
    book.active.title = "kosong" if before else title
    sheet = book.create_sheet(title) if before else book.active
    for row in rows:
        sheet.append(row)
    book.save(path)
    return path


# --------------------------------------------------------------------------------------------------------------------
# Delimiters and encodings

CELLS = [
    ["Kalimat", "TOPIK", "catatan"],
    ["Dagang, naik; café “besar”", "trade", "a|b"],
    ["Dua\nbaris", "arms", ""],
    ['Kata "kutip" saja', "a/b", "x, y; z"],
]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("line", ["\n", "\r\n"])
def test_delimiter_and_encoding_are_found(tmp_path, delimiter, encoding, line):
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator=line).writerows(CELLS)
    found, said = labels(save(tmp_path / "d.csv", stream.getvalue(), encoding))
    assert list(found) == [row[0] for row in CELLS[1:]]
    assert [one["topic"] for one in found.values()] == [("trade",), ("arms",), ("a/b",)]
    name = {"cp1252": "Windows-1252", "utf-16": "UTF-16"}.get(encoding, "UTF-8")
    shown = "tab" if delimiter == "\t" else f"'{delimiter}'"
    assert said == f"d.csv: text = 'Kalimat', topic from 'TOPIK', not read: catatan, delimiter {shown}, {name}"


def test_tabs_with_quotation_marks_left_as_they_are(tmp_path):
    path = save(tmp_path / "d.tsv", 'text\ttopic\n"Katanya begitu\ttrade\nDia bilang "ya" lalu\tarms\n')
    assert list(labels(path)[0]) == ['"Katanya begitu', 'Dia bilang "ya" lalu']


def test_a_line_that_names_the_delimiter_is_no_header(tmp_path):
    path = save(tmp_path / "d.csv", "sep=;\r\ntext;topic\r\nSatu, dua;trade\r\nTiga;salah\r\n")
    assert reasons(path)[0].startswith("4: column 'topic': unknown topic label 'salah'; the labels are: arms, trade, a/b")


def test_lines_are_those_of_the_file(tmp_path):
    path = save(tmp_path / "d.csv", 'text,topic\n\n"a\nb\nc",trade\nd,salah\n,trade\n')
    assert [one.split(":")[0] for one in reasons(path)] == ["6", "7"]
    assert read_file(path, SCHEME).examples[0].where == f"{path}:3"


def test_broken_rows_are_named_and_none_is_swallowed(tmp_path):
    path = save(tmp_path / "d.csv", 'text,topic\nSatu,trade\nDua, lagi,trade\nTiga\n"Em"pat,arms\nLima,arms\n"Enam,arms\nTujuh,arms\n')
    read = read_file(path, SCHEME)
    found = [(one.where.rpartition(":")[2], one.reason.split(":")[0]) for one in read.rejected]
    assert found == [
        ("3", "3 cells where the header has 2"),
        ("4", "1 cells where the header has 2"),
        ("5", "a quotation mark stands inside a cell"),
        ("7", "the quotation mark opened here is never closed"),
    ]
    assert [example.text for example in read.examples] == ["Satu", "Lima"]
    # The line that went under with line 7 counts as well.
    assert (read.lost, read.size) == (5, 7)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b" \n\n", "is empty"),
        ("a.csv", b"text,topic\n", "holds a header (text, topic) and no rows"),
        ("a.csv", b"text,topic,topic\na,trade,arms\n", "two columns are called 'topic'"),
        ("a.csv", b"\x00\x01\x02\x03" * 50, "is no table"),
        ("a.csv", "text,topic\n“Satu” – dua,trade\n".encode() + b"\xff,trade\n", "a.csv is damaged: byte 36 is not valid UTF-8"),
        ("a.csv", b"Kremlin diam.,trade\nMoskow diam.,arms\n", "no column is called text, sentence, kalimat"),
        ("a.csv", b'"' + b"x" * 200_000, "a cell is longer than 131,072 characters"),
        ("a.xlsx", b"text,topic\na,trade\n", "cannot be read as an .xlsx workbook (BadZipFile)"),
        ("a.xls", b"\xd0\xcf\x11\xe0 old", "save it as .xlsx or .csv"),
        ("a.json", b"[]", "must hold a list of objects"),
        ("a.json", b'{"a": ', "is not valid JSON"),
        ("a.json", b"[" * 100_000, "is not valid JSON"),
        ("a.json", b'[{"id": 1, "data": {"text": "a"}, "annotations": []}]', "holds choices"),
        ("b.jsonl", b'{"label": ["trade"], "text": "caf\xe9"}\n', "is not UTF-8"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_file(path, SCHEME)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cell_beyond_any_sentence_is_a_rejected_row(tmp_path):
    path = save(tmp_path / "d.csv", f"text,topic\nbaik,trade\n{'x' * 200_000},arms\nlagi,arms\n")
    read = read_file(path, SCHEME)
    assert [one.where for one in read.rejected] == [f"{path}:3"]
    assert [example.text for example in read.examples] == ["baik", "lagi"]


# --------------------------------------------------------------------------------------------------------------------
# Workbooks


def test_workbook(tmp_path):
    rows = [["text", "arms", "trade", "a/b", "Tone"], ["Satu", 1, 0, None, "calm"], ["Dua", False, True, "tidak", "angry"], [None] * 5]
    found, said = labels(workbook(tmp_path / "d.xlsx", *rows, before=["satu"]))
    assert found == {"Satu": {"topic": ("arms",), "tone": ("calm",)}, "Dua": {"topic": ("trade",), "tone": ("angry",)}}
    assert "topic from one column a label (arms, trade, a/b)" in said
    assert said.endswith("xlsx, sheet 'Data' of 3")


def test_sheet_may_be_named(tmp_path):
    path = workbook(tmp_path / "d.xlsx", ["text", "topic"], ["Satu", "trade"], before=["satu"])
    assert list(labels(path, sheet="Data")[0]) == ["Satu"]
    with pytest.raises(DataError, match="has no sheet 'Lain'; it has: kosong, satu, Data"):
        read_file(path, SCHEME, layout=Layout(sheet="Lain"))
    with pytest.raises(DataError, match="holds no cells in the sheet 'satu'"):
        read_file(path, SCHEME, layout=Layout(sheet="satu"))


def test_formulas_are_values_or_refused(tmp_path):
    path = workbook(tmp_path / "d.xlsx", ["text", "topic"], ["Satu", "trade"], ['=A2&"!"', "arms"], ["#REF!", "arms"])
    assert reasons(path) == [
        "3: a formula without a value in column 1: open the file in a spreadsheet program and save it",
        "4: the text (column 'text') is the error #REF! of a formula",
    ]


def test_empty_and_damaged_workbooks(tmp_path):
    with pytest.raises(DataError, match="holds no cells"):
        read_file(workbook(tmp_path / "e.xlsx"), SCHEME)
    with zipfile.ZipFile(tmp_path / "z.xlsx", "w") as archive:
        archive.writestr("hello.txt", "not a workbook")
    with pytest.raises(DataError, match="cannot be read as an .xlsx workbook"):
        read_file(tmp_path / "z.xlsx", SCHEME)
    whole = workbook(tmp_path / "w.xlsx", ["text", "topic"], ["Satu", "trade"]).read_bytes()
    (tmp_path / "cut.xlsx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="cannot be read as an .xlsx workbook"):
        read_file(tmp_path / "cut.xlsx", SCHEME)


# --------------------------------------------------------------------------------------------------------------------
# What columns mean


@pytest.mark.parametrize("name", ["text", "Sentence", "KALIMAT", "teks", "tweet", "Content", "isi"])
def test_text_column_is_found(tmp_path, name):
    assert list(labels(save(tmp_path / "d.csv", f"no,{name},topic\n1,Satu,trade\n"))[0]) == ["Satu"]


@pytest.mark.parametrize("label", ["trade", "TRADE", " Dagang ", "trade_deals", "Trade-Deals"])
def test_labels_go_by_id_or_name_whatever_the_case(tmp_path, label):
    assert labels(save(tmp_path / "d.csv", f"text,topic\nSatu,{label}\n"))[0]["Satu"] == {"topic": ("trade",)}


@pytest.mark.parametrize("separator", [";", "|", ",", "#", "/", "\n"])
def test_separator_is_found(tmp_path, separator):
    stream = io.StringIO()
    csv.writer(stream).writerows([["text", "sikap"], ["Satu", f"denial{separator} charge"], ["Dua", "charge"]])
    found, said = labels(save(tmp_path / "d.csv", stream.getvalue()))
    assert found == {"Satu": {"stance": ("denial", "charge")}, "Dua": {"stance": ("charge",)}}
    assert "stance from 'sikap' (separator" in said


def test_a_label_that_holds_the_separator_stays_whole(tmp_path):
    path = save(tmp_path / "d.csv", "text,topic\nSatu,a/b\nDua,arms\n")
    assert labels(path, separator="/")[0]["Satu"] == {"topic": ("a/b",)}


@pytest.mark.parametrize("cell", ['["arms", "trade"]', "['arms', 'trade']", '{"choices": ["arms", "trade"]}', "('arms', 'trade')"])
def test_lists_as_programs_write_them(cell):
    assert pieces(cell, None, lambda _: False) == ["arms", "trade"]


def test_nothing_in_a_cell_is_run():
    cell = "[__import__('os').getcwd()]"
    assert pieces(cell, None, lambda _: False) == [cell]


def test_columns_may_be_named(tmp_path):
    path = save(tmp_path / "d.csv", "apa,mana,kata,tadi,berkas\ntrade,denial,Satu,Nol,b1\n")
    layout = Layout("kata", ("apa=topic", "MANA=stance"), "tadi", "berkas")
    (example,) = read_file(path, SCHEME, layout=layout).examples
    assert (example.text, example.context, example.group) == ("Satu", "Nol", "b1")
    assert example.labels == {"topic": ("trade",), "stance": ("denial",)}
    assert read_file(path, SCHEME, layout=Layout("kata", ("apa, mana",))).examples[0].labels == example.labels
    # One label's column of another name.
    flags = save(tmp_path / "e.csv", "text,senjata?\nSatu,ya\nDua,tidak\n")
    assert labels(flags, label_columns=("senjata?=arms",))[0] == {"Satu": {"topic": ("arms",)}, "Dua": {"topic": ()}}


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        ({"text_column": "kalimt"}, "has no column 'kalimt', which --text-column names (did you mean 'kalimat'?)"),
        ({"label_columns": ("topik=tema",)}, "'tema' (--label-columns topik=tema) is no group and no label of the scheme"),
        ({"group_column": "x"}, "its columns: kalimat, topik"),
    ],
)
def test_a_column_that_is_not_there_is_named(tmp_path, layout, words):
    with pytest.raises(DataError) as caught:
        read_file(save(tmp_path / "d.csv", "kalimat,topik\nSatu,trade\n"), SCHEME, layout=Layout(**layout))
    assert words in str(caught.value)


def test_settings_of_tables_are_checked():
    with pytest.raises(SettingsError, match="'blank' must be one of unknown, none, not 'negative'"):
        Layout(blank="negative")


def test_a_column_of_labels_is_told_by_what_stands_in_it(tmp_path):
    found, said = labels(save(tmp_path / "d.csv", "text,jawaban,nomor\nSatu,trade; denial,3\nDua,angry,4\n"))
    assert found["Satu"] == {"topic": ("trade",), "stance": ("denial",)}
    assert found["Dua"] == {"topic": (), "stance": (), "tone": ("angry",)}
    assert "topic and stance and tone from 'jawaban'" in said


def test_labels_of_another_scheme_tell_the_commands_to_run(tmp_path):
    path = save(tmp_path / "d.csv", "text,rasa\nSatu,manis\nDua,pahit\n")
    with pytest.raises(DataError) as caught:
        load([path], SCHEME)
    assert f"classify labels new my-labels.yaml --from {path}" in str(caught.value)
    assert f"classify train --labels my-labels.yaml --data {path}" in str(caught.value)
    path = save(tmp_path / "e.csv", "text,topic\nSatu,manis\nDua,pahit\n")
    with pytest.raises(DataError, match="classify labels new my-labels.yaml --from"):
        load([path], SCHEME)


# --------------------------------------------------------------------------------------------------------------------
# Blank cells


def known(path, **layout):
    """Targets by text; '.' for unknown."""
    read = read_file(path, SCHEME, layout=Layout(**layout))
    assert not read.rejected, read.rejected
    rows = targets(read.examples, SCHEME)
    return {e.text: "".join("." if np.isnan(one) else str(int(one)) for one in row) for e, row in zip(read.examples, rows, strict=True)}


def test_a_blank_cell_of_a_group_is_unknown(tmp_path):
    path = save(tmp_path / "d.csv", "text,topic,stance,tone\na,arms,,calm\nb,-,?,\nc,,denial,n/a\nd,,,\ne,tidak ada,NaN,-\n")
    assert known(path) == {"a": "100..100", "b": "000.....", "c": "...10...", "e": "000....."}
    assert read_file(path, SCHEME).unlabelled == 1
    # Whoever says so has read them; what is marked as unknown stays so, and an exclusive group has no none.
    assert known(path, blank="none") == {"a": "10000100", "b": "000.....", "c": "00010...", "d": "00000...", "e": "000....."}


def test_marks_alone_say_no_beside_a_mark_only(tmp_path):
    path = save(tmp_path / "d.csv", "text,arms,trade,topic: a/b\na,x,,\nb,,,\nc,,X,x\n")
    assert known(path) == {"a": "100.....", "c": "011....."}
    assert known(path, blank="none")["b"] == "000....."


def test_beside_a_spelt_out_no_a_blank_is_unknown(tmp_path):
    path = save(tmp_path / "d.csv", "text,arms,trade\na,1,\nb,0,0\nc,,ya\nd,tidak,1.0\n".replace("1.0", "1"))
    # Of `a/b`, which has no column, nothing is known.
    assert known(path) == {"a": "1.......", "b": "00......", "c": ".1......", "d": "01......"}


def test_exclusive_group_of_one_column_a_label(tmp_path):
    path = save(tmp_path / "d.csv", "text,calm,angry,topic\na,1,0,arms\nb,0,0,arms\nc,1,1,arms\n")
    read = read_file(path, SCHEME)
    # The third label has no column: denying two says nothing yet.
    assert [example.labels for example in read.examples] == [{"topic": ("arms",), "tone": ("calm",)}, {"topic": ("arms",)}]
    assert "exclusive and needs exactly one" in read.rejected[0].reason


@pytest.mark.parametrize("plus", ["1", "1.0"])
def test_minus_one_is_no_only_beside_one(tmp_path, plus):
    path = save(tmp_path / "d.csv", f"text,arms,trade\na,{plus},-{plus}\nb,-{plus},\nc,-{plus},{plus}\nd,,?\n")
    assert known(path) == {"a": "10......", "b": "0.......", "c": "01......"}
    # Beside a 0 it is a third answer, which a label's column has no room for.
    path = save(tmp_path / "e.csv", "text,arms\na,1\nb,-1\nc,0\n")
    assert reasons(path, label_columns=("arms=arms",)) == [
        "3: column 'arms': '-1' is neither yes (1, ya, true, x) nor no (0, tidak, false)"
    ]


def test_a_sign_tells_labels_apart(tmp_path):
    scheme = LabelScheme.from_dict({"groups": [{"id": "tone", "exclusive": True, "labels": ["0", "1"]}]})
    read = read_file(save(tmp_path / "d.csv", "text,tone\na,1\nb,-1\n"), scheme)
    assert [example.labels for example in read.examples] == [{"tone": ("1",)}]
    assert "unknown tone label '-1'" in read.rejected[0].reason
    table = read_table(save(tmp_path / "e.csv", "text,sentimen,suka\n" + "".join(f"{i},{i % 3 - 1},{i % 2 * 2 - 1}\n" for i in range(12))))
    found = {one.group: (one.counts, one.exclusive) for one in propose(table, Layout())[1]}
    assert found == {"sentimen": ({"-1": 4, "0": 4, "1": 4}, True), "label": ({"suka": 6}, False)}


def test_flags_as_pandas_writes_them(tmp_path):
    path = save(tmp_path / "d.csv", "text,arms,trade\na,1.0,0.0\nb,,1.0\nc,0.0,0.0\n")
    assert known(path) == {"a": "10......", "b": ".1......", "c": "00......"}
    (found,) = propose(read_table(path), Layout())[1]
    assert found.counts == {"arms": 1, "trade": 1}


def test_a_mark_that_is_neither_yes_nor_no_is_refused(tmp_path):
    path = save(tmp_path / "d.csv", "text,arms\na,1\nb,mungkin\n")
    assert reasons(path, label_columns=("arms=arms",)) == [
        "3: column 'arms': 'mungkin' is neither yes (1, ya, true, x) nor no (0, tidak, false)"
    ]


@pytest.mark.parametrize("odd", ["2", "mungkin", "-1"])
def test_an_odd_cell_is_a_rejected_row_and_its_column_is_read(tmp_path, odd):
    rows = "".join(f"Kalimat {i},{i % 2},0\n" for i in range(100))
    path = save(tmp_path / "d.csv", f"text,arms,trade\n{rows}Satu,{odd},0\n")
    assert reasons(path) == [f"102: column 'arms': '{odd}' is neither yes (1, ya, true, x) nor no (0, tidak, false)"]
    assert sum(example.labels["topic"] == ("arms",) for example in load([path], SCHEME).examples) == 50
    # However many there are, a label's column is not passed over.
    path = save(tmp_path / "e.csv", f"text,arms,trade\na,1,0\nb,{odd},0\nc,{odd},1\nd,0,1\n")
    with pytest.raises(DataError, match=r"2 of 4 rows .* cannot be used"):
        load([path], SCHEME)


@pytest.mark.parametrize(("odd", "found"), [("2", {"arms": 50}), ("mungkin", {"arms": 50}), ("-1", None)])
def test_an_odd_cell_does_not_hide_flags_from_a_proposal(tmp_path, odd, found):
    rows = "".join(f"Kalimat {i},{i % 2},{[0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3][i % 12]}\n" for i in range(100))
    table = read_table(save(tmp_path / "d.csv", f"text,arms,dibagikan\n{rows}Satu,{odd},0\n"))
    _, proposals = propose(table, Layout()) if found else ("", propose(table, Layout(label_columns=("arms",)))[1])
    assert [one.counts for one in proposals] == [found or {"0": 50, "1": 50, "-1": 1}]
    if found:
        assert proposals[0].source == f"1 yes-or-no column (1 cell neither: '{odd}')"


def test_scores_beside_a_groups_own_column_are_no_flags(tmp_path):
    # As predicting writes them, one of them rounded to a flag.
    path = save(tmp_path / "d.csv", "text,topic,arms,trade\na,arms,0.93,0.2\nb,-,0.4,0.0\nc,trade,0.1,1.0\n")
    found, said = labels(path)
    assert [one["topic"] for one in found.values()] == [("arms",), (), ("trade",)]
    assert "not read: arms, trade" in said
    path = save(tmp_path / "e.csv", "text,label,arms,trade\na,arms,0.93,0.2\nb,arms,0.4,0.0\nc,trade,0.1,1.0\n")
    assert [one["topic"] for one in labels(path)[0].values()] == [("arms",), ("arms",), ("trade",)]


# --------------------------------------------------------------------------------------------------------------------
# Annotation tools


def test_doccano(tmp_path):
    rows = [
        {"id": 5, "text": "a", "label": ["arms", "denial"], "Comments": []},
        {"id": 6, "text": "b", "label": []},
        {"id": 7, "text": "c", "label": ["trade"]},
    ]
    path = save(tmp_path / "admin.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert known(path) == {"a": "10010...", "c": "01000..."}
    assert known(path, blank="none")["b"] == "00000..."
    assert [example.id for example in read_file(path, SCHEME).examples] == ["5", "7"]
    older = save(tmp_path / "old.jsonl", json.dumps({"doc_id": 1, "text": "a", "labels": ["arms"], "username": "x"}))
    assert known(older) == {"a": "100....."}
    joined = save(tmp_path / "all.csv", "id,text,label\n1,a,arms#denial\n2,b,arms\n")
    assert known(joined) == {"a": "10010...", "b": "10000..."}
    spans = save(tmp_path / "spans.jsonl", json.dumps({"id": 1, "text": "a", "label": [[0, 1, "arms"]]}))
    assert "a list of labels was expected" in reasons(spans)[0]


def studio(identity, text, *annotations):
    made = [
        {"id": 10 * identity + n, "was_cancelled": given is None,
         "result": [{"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": labels}} for name, labels in (given or {}).items()]}
        for n, given in enumerate(annotations)
    ]  # fmt: skip
    return {"id": identity, "data": {"berita": text}, "annotations": made, "predictions": []}


def test_label_studio(tmp_path):
    tasks = [
        studio(1, "a", {"topic": ["arms", "trade"], "sikap": ["denial"]}),
        studio(2, "b", {}),  # submitted without a choice
        studio(3, "c"),  # nobody looked
        studio(4, "d", None),  # skipped
        studio(5, "e", {"topic": ["arms"]}, {"topic": ["arms", "trade"]}),  # two readers
        studio(6, "f", {"topic": ["arms"]}, {"topic": []}, {"topic": ["arms"], "sikap": ["charge"]}),  # three
    ]
    path = save(tmp_path / "project.json", json.dumps(tasks))
    read = read_file(path, SCHEME)
    assert known(path) == {"a": "11010...", "b": "00000...", "e": "10000...", "f": "10000..."}
    assert read.unlabelled == 2
    disputed = {example.text: example.disputed for example in read.examples}
    assert disputed == {"a": (), "b": (), "e": ("trade",), "f": ()}
    assert [example.text for example in read.examples if example.read_twice] == ["e"]
    assert "text = 'berita'" in read.columns
    assert [example.id for example in read.examples] == ["1", "2", "5", "6"]


def test_label_studio_min(tmp_path):
    rows = [
        {
            "id": 1,
            "text": "a",
            "topic": {"choices": ["arms", "trade"]},
            "tone": "calm",
            "annotation_id": 1,
            "annotator": 1,
            "lead_time": 2.5,
        },
        {"id": 2, "text": "b", "annotation_id": 2, "annotator": 1},
        {"id": 1, "text": "a", "topic": "arms", "tone": "sad", "annotation_id": 3, "annotator": 2},
    ]
    path = save(tmp_path / "min.json", json.dumps(rows))
    (first, second) = sorted(read_file(path, SCHEME).examples, key=lambda example: example.id)
    assert first.labels == {"topic": ("arms", "trade"), "tone": ("calm",)}
    assert set(first.disputed) == {"trade", "calm", "sad"}
    # Submitted: no topic. The tone has no none.
    assert second.labels == {"topic": ()}
    table = 'id,text,topic,annotation_id\n1,a,"{""choices"":[""arms"",""trade""]}",1\n2,b,arms,2\n3,c,,3\n'
    assert known(save(tmp_path / "min.csv", table)) == {"a": "110.....", "b": "100.....", "c": "000....."}


# --------------------------------------------------------------------------------------------------------------------
# Few bad rows are left out, many stop


def test_one_in_a_hundred_may_be_unusable(tmp_path, caplog):
    good = [f"Kalimat {i},arms\n" for i in range(99)]
    path = save(tmp_path / "d.csv", "text,topic\n" + "".join(good) + "Satu,salah\n")
    listing = tmp_path / "rejected.csv"
    with caplog.at_level("WARNING"):
        loaded = load([path], SCHEME, rejected=listing)
    assert len(loaded.examples) == 99
    assert len(loaded.rejected) == 1 <= MAX_REJECTED * 100
    assert "d.csv: text = 'text', topic from 'topic', delimiter ',', UTF-8" in caplog.text
    assert f"{path}:101: column 'topic': unknown topic label 'salah'" in caplog.text
    with listing.open(encoding="utf-8-sig", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["file"], row["line"]) == (str(path), "101")
    with pytest.raises(DataError, match=r"d.csv:100: column 'topic': unknown"):
        load([save(path, "text,topic\n" + "".join(good[:98]) + "Satu,salah\n")], SCHEME)


def test_many_unusable_rows_are_listed_up_to_a_number(tmp_path):
    path = save(tmp_path / "d.csv", "text,topic\n" + "".join(f"Kalimat {i},arms\n,arms\n" for i in range(50)))
    listing = tmp_path / "rejected.csv"
    with pytest.raises(DataError) as caught:
        load([path], SCHEME, rejected=listing)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"50 of 100 rows of {path} cannot be used, and more than 1% stops:"
    assert lines[1] == f"  {path}:3: the text (column 'text') is missing or empty"
    assert len(lines) == 1 + 20 + 1
    assert lines[-1] == "  ... and 30 more (--rejected FILE lists all)"
    assert len(listing.read_text(encoding="utf-8-sig").splitlines()) == 51


def test_a_blemish_in_json_lines_is_left_out_too(tmp_path):
    rows = [{"text": f"Kalimat {i}", "topic": []} for i in range(100)]
    path = save(tmp_path / "d.jsonl", "".join(json.dumps(row) + "\n" for row in rows) + '{"text": "x", "topic": ["salah"]}\n')
    loaded = load([path], SCHEME)
    assert (len(loaded.examples), len(loaded.rejected)) == (100, 1)


def test_folder_of_tables(tmp_path):
    save(tmp_path / "b.csv", "text,topic\nSatu,arms\n")
    save(tmp_path / "a.tsv", "text\tstance\nDua\tdenial\n")
    save(tmp_path / "c.jsonl", '{"text": "Tiga", "tone": ["calm"]}\n')
    save(tmp_path / "notes.txt", "not data")
    assert [example.text for example in load([tmp_path], SCHEME).examples] == ["Dua", "Satu", "Tiga"]


def test_proposals_find_labels_and_nothing_else(tmp_path):
    rows = ["nomor,kalimat,rubrik,nada,hoaks,waktu"]
    rows += [
        f'{i},"Kalimat {i}, ya",{["ekonomi", "cuaca"][i % 2]},"{["baik, cepat", "baik", "lambat"][i % 3]}",{i % 2},{i * 7}'
        for i in range(12)
    ]
    text, found = propose(read_table(save(tmp_path / "d.csv", "\n".join(rows) + "\n")), Layout())
    assert text == "kalimat"
    assert [(one.group, one.counts, one.exclusive) for one in found] == [
        ("rubrik", {"cuaca": 6, "ekonomi": 6}, True),
        ("nada", {"baik": 8, "cepat": 4, "lambat": 4}, False),
        ("label", {"hoaks": 6}, False),
    ]


def test_apostrophe_that_keeps_a_spreadsheet_from_computing_is_taken_off(tmp_path):
    path = tmp_path / "saran.csv"
    path.write_text("text,topic\n'-5 derajat di Pyongyang,-\n'Kim' tiba,-\n", encoding="utf-8")
    assert [row["text"] for _, row in read_table(path).rows] == ["-5 derajat di Pyongyang", "'Kim' tiba"]
