"""The same article in every format gives the same rows; what a page, a table or an archive adds is known to the rows."""

import io
import json
import os
import textwrap
import zipfile
from pathlib import Path

import pytest

from classify.formats.pdf import Line, paragraphs
from classify.predict import Watch, whole_documents

TITLE = "Kremlin Tampik Kabar Kiriman Peluru"
PARAGRAPHS = [
    "MOSKOW - Kremlin menampik kabar bahwa Korea Utara mengirim peluru artileri kepada pasukan Rusia. Juru bicara menyebut kabar itu "
    "rekaan media Barat yang tidak disertai bukti apa pun.",
    "Gedung Putih sebelumnya menuduh Pyongyang mengapalkan ribuan kontainer amunisi lewat pelabuhan Rajin. Washington mengancam "
    "sanksi baru terhadap kapal-kapal yang terlibat.",
    "“Kami tidak pernah menjual senjata kepada Rusia dan tidak berencana menjualnya,” demikian bunyi pernyataan Pyongyang pada Rabu malam.",
    "Menteri luar negeri kedua negara dijadwalkan bertemu di Vladivostok pekan depan. Mereka akan membahas perdagangan dan satelit.",
]
TEXT = "\n".join([TITLE, *PARAGRAPHS]) + "\n"
PAGE = f"""<!DOCTYPE html>
<html lang="id"><head><meta charset="utf-8"><title>{TITLE} - Warta Contoh</title><meta property="og:title" content="{TITLE}">
<link rel="canonical" href="https://www.warta-contoh.example/dunia/kremlin-tampik">
<meta property="article:published_time" content="2023-09-14T08:12:00+07:00"><script>var iklan = [1, 2];</script></head>
<body><header><nav><ul><li><a href="/">Beranda</a></li><li><a href="/dunia">Dunia</a></li><li><a href="/bola">Bola</a></li></ul></nav></header>
<div class="breadcrumb"><a href="/">Beranda</a> &gt; <a href="/dunia">Dunia</a></div>
<main><article><h1>{TITLE}</h1><div class="byline">Oleh Redaksi | Kamis, 14 September 2023</div>
<div class="share"><a href="#">Bagikan</a> <a href="#">WhatsApp</a> <button>Salin tautan</button></div>
<div class="article-body"><p>{PARAGRAPHS[0]}</p><p>{PARAGRAPHS[1]}</p>
<p class="related">Baca juga: <a href="/dunia/a">Putin Terima Tamu dari Hanoi</a></p><p>{PARAGRAPHS[2]}</p><p>{PARAGRAPHS[3]}</p></div>
<div class="tags">Tag: <a href="/tag/rusia">rusia</a> <a href="/tag/korut">korut</a></div></article>
<aside><h3>Berita Terkait</h3><ul><li><a href="/b">Jepang Protes Uji Rudal</a></li><li><a href="/c">Harga Minyak Naik</a></li></ul>
<h3>Terpopuler</h3><ol><li><a href="/x">Jadwal Siaran Langsung</a></li></ol></aside></main>
<footer><p>Hak cipta 2023 Warta Contoh.</p><a href="/redaksi">Redaksi</a></footer></body></html>"""
META = {"title": TITLE, "date": "2023-09-14", "outlet": "warta-contoh.example"}


def read(*paths, column=None):
    """Documents by name, and what was said of those that could not be read."""
    failed = []
    found = {one.name: one for one in whole_documents([str(path) for path in paths], column, Watch(failed.append))}
    return found, [str(error) for error in failed]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_pdf, make_docx):
    folder = tmp_path_factory.mktemp("sama")
    (folder / "a.txt").write_text(TEXT, encoding="utf-8")
    (folder / "b.html").write_text(PAGE, encoding="utf-8")
    (folder / "c.docx").write_bytes(make_docx([TITLE, *PARAGRAPHS], title=TITLE))
    (folder / "d.pdf").write_bytes(make_pdf([[[TITLE], *(textwrap.wrap(one, 80) for one in PARAGRAPHS)]]))
    table = f'id;Judul;Tanggal;Isi\nberita-1;"{TITLE}";2023-09-14;"{TEXT}"\n'
    with zipfile.ZipFile(folder / "e.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.txt", "b.html", "c.docx", "d.pdf"):
            archive.write(folder / name, f"sub/{name}")
        archive.writestr("f.csv", table.encode("utf-16"))
        archive.writestr("foto.png", b"\x89PNG\0")
        archive.writestr("__MACOSX/sub/._a.txt", b"\0\5\x16\7")
    (folder / "catatan.xlsx").write_bytes(b"x")
    (folder / "label.jsonl").write_text('{"text": "Bukan dokumen."}\n')
    return folder


def test_one_article_gives_the_same_rows_in_every_format(run_cli, tiny_model, folder):
    run = [folder, "--model", tiny_model, "--threads", 1, "--format", "jsonl", "--all-scores"]
    result = run_cli("predict", *run)
    assert (result.returncode, result.stderr) == (0, "")
    rows = {}
    for line in result.stdout.splitlines():
        row = json.loads(line)
        rows.setdefault(row.pop("document"), []).append(row)
    inside = [f"{folder}/e.zip/sub/{name}" for name in ("a.txt", "b.html", "c.docx", "d.pdf")]
    assert list(rows) == [*(str(folder / name) for name in ("a.txt", "b.html", "c.docx", "d.pdf")), "berita-1", *inside]
    metas = {name: {json.dumps(row.pop("meta", {})) for row in mine} for name, mine in rows.items()}
    first = rows[str(folder / "a.txt")]
    assert len(first) == 8
    assert all(mine == first for mine in rows.values())
    known = {".txt": {}, "html": META, "docx": {"title": TITLE}, ".pdf": {}, "ta-1": {"title": TITLE, "date": "2023-09-14"}}
    assert {name: [json.dumps(known[name[-4:]])] for name in rows} == {name: list(meta) for name, meta in metas.items()}
    # Their text can be had, and gives the same rows again.
    texts = run_cli("extract", folder)
    assert (texts.returncode, texts.stderr) == (0, "")
    read_again = {one["id"]: one["text"] for one in map(json.loads, texts.stdout.splitlines())}
    assert list(read_again) == list(rows)
    assert all(read_again[name][row["start"] : row["end"]] == row["text"] for name, mine in rows.items() for row in mine)
    again = run_cli("predict", "-", "--text-column", "text", *run[1:], stdin=texts.stdout.encode())
    assert again.stdout == result.stdout


def test_lines_are_those_of_the_extracted_text(folder, run_cli, tiny_model):
    result = run_cli("predict", folder / "d.pdf", "--lines", "--model", tiny_model, "--format", "jsonl")
    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == [TITLE, *PARAGRAPHS]


def test_a_missing_library_is_one_sentence_a_file_and_the_others_go_on(folder, run_cli, cli_environment, tiny_model, tmp_path):
    for name in ("trafilatura", "docx"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('No module named {name}')")
    names = [folder / name for name in ("b.html", "c.docx", "d.pdf", "a.txt")]
    result = run_cli("predict", *names, "--model", tiny_model, "--format", "csv", env=cli_environment(tmp_path))
    assert result.returncode == 2
    first, second = result.stderr.splitlines()
    assert str(names[0]) in first
    assert first.endswith('run  pip install ".[web]"  in the checkout')
    assert str(names[1]) in second
    assert second.endswith('run  pip install ".[office]"  in the checkout')
    assert {line.split(",")[0] for line in result.stdout.splitlines()[1:]} == {str(folder / "d.pdf"), str(folder / "a.txt")}


def test_a_workbook_through_the_command_line(folder, run_cli, tiny_model, tmp_path, assert_refused, cli_environment):
    import openpyxl

    run = ["predict", folder / "b.html", "--model", tiny_model]
    assert run_cli(*run, "--output", tmp_path / "x.xlsx").returncode == 0
    header, *rows = openpyxl.load_workbook(tmp_path / "x.xlsx")["rows"].iter_rows(values_only=True)
    assert rows[0][4] == TITLE
    assert {row[-3:] for row in rows} == {tuple(META.values())}
    assert header[-3:] == tuple(META)
    assert_refused(run_cli(*run, "--format", "xlsx"), "--output FILE.xlsx")
    assert_refused(run_cli(*run, "--format", "xlsx", "--output", tmp_path / "x.csv"), "--output FILE.xlsx")
    assert_refused(run_cli(*run, "--resume", "--output", tmp_path / "x.xlsx"), "--format jsonl or csv")
    (tmp_path / "openpyxl.py").write_text("raise ImportError")
    assert_refused(run_cli(*run, "--output", tmp_path / "y.xlsx", env=cli_environment(tmp_path)), 'pip install ".[office]"')


def test_plain_text_imports_none_of_it(folder, cli_environment, tiny_model):
    import subprocess
    import sys

    command = [sys.executable, "-X", "importtime", "-m", "classify", "predict", str(folder / "a.txt"), "--model", str(tiny_model)]
    done = subprocess.run(command, capture_output=True, text=True, env=cli_environment(), check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "classify.documents" in imported
    assert (
        not {"trafilatura", "lxml", "docx", "pypdf", "openpyxl", "zipfile", "classify.formats.sandbox", "classify.formats.archive"}
        & imported
    )


def test_a_folder_without_documents_says_what_it_can_read(tmp_path):
    (tmp_path / "tabel.xlsx").write_bytes(b"x")
    found, (message,) = read(tmp_path)
    assert not found
    assert message.startswith(f"{tmp_path} is a folder without documents: ")
    assert all(suffix in message for suffix in (".txt", ".html", ".docx", ".pdf", ".zip", ".csv", ".jsonl"))


# ---------------------------------------------------------------------------------------------------------------- tables


def test_tables_of_every_kind(tmp_path):
    rows = [("Teks", "judul", "SOURCE"), ("Moskow, kata dia, “membantah”.\nBaris dua.", "Satu", "x.example"), ("Café.", "", "")]
    for number, (delimiter, encoding) in enumerate([(",", "utf-8"), (";", "cp1252"), ("\t", "utf-16"), ("|", "utf-8-sig")]):
        path = tmp_path / f"{number}.{'tsv' if delimiter == chr(9) else 'csv'}"
        lines = [delimiter.join(f'"{cell}"' for cell in row) for row in rows]
        path.write_bytes("\r\n".join(lines).encode(encoding))
        found, failed = read(path)
        assert failed == []
        assert [(one.name, one.text, one.meta.as_dict()) for one in found.values()] == [
            (f"{path}:2", rows[1][0], {"title": "Satu", "outlet": "x.example"}),
            (f"{path}:4", "Café.", {}),
        ]


def test_a_bad_row_of_a_table_costs_one_sentence(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('id,isi\n1,Satu.\n2\n3, \n4,"tak "benar"\n5,Lima.\n')
    found, failed = read(path)
    assert [(one.name, one.text) for one in found.values()] == [("1", "Satu."), ("5", "Lima.")]
    assert [message.split(":")[0] for message in failed] == [f"{path} line {n}{' is empty' if n == 4 else ''}" for n in (3, 4, 5)]
    found, (message,) = read(path, column="berita")
    assert "has no column 'berita', but 'id', 'isi'" in message
    assert "--text-column" in message
    path.write_text("isi,b\n" + "Satu.\n" * 100)
    found, failed = read(path)
    assert len(failed) == 21
    assert "no document in its first 20 rows" in failed[-1]
    path.write_text("isi,b\n")
    assert "a header and no rows" in read(path)[1][0]


def test_a_long_table_streams(tmp_path):
    import tracemalloc

    path = tmp_path / "panjang.csv"
    cell = "Kapal itu mengirim peluru ke Moskow, kata seorang saksi. " * 70
    path.write_text("isi,judul\n" + f'"{cell}",J\n' * 3000)
    tracemalloc.start()
    count = sum(1 for _ in whole_documents([str(path)], None, Watch(pytest.fail)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 3000
    assert peak < 8 * 1024**2 < 11 * 1024**2 < path.stat().st_size


# ----------------------------------------------------------------------------------------------------------------- pages


def test_tables_and_lists_of_a_page_are_lines(tmp_path):
    path = tmp_path / "x.htm"
    more = "<table><tr><th>Negara</th><th>Isi</th></tr><tr><td>Rusia</td><td>Kena sanksi sejak 2022.</td></tr></table><ul><li>Satu butir.</li></ul>"
    path.write_text(PAGE.replace("</p></div>", f"</p>{more}</div>", 1), encoding="cp1252", errors="xmlcharrefreplace")
    found, failed = read(path)
    assert failed == []
    lines = found[str(path)].text.splitlines()
    assert lines[: len(PARAGRAPHS) + 1] == [TITLE, *PARAGRAPHS]
    assert lines[len(PARAGRAPHS) + 1 :] == ["Negara", "Isi", "Rusia", "Kena sanksi sejak 2022.", "Satu butir."]


@pytest.mark.parametrize(("declared", "encoding"), [("windows-1252", "cp1252"), ("utf-8", "utf-8"), ("koi8-r", "koi8-r")])
def test_a_page_is_read_in_the_encoding_it_names(declared, encoding, tmp_path):
    word = "Москва" if encoding == "koi8-r" else "café"
    page = PAGE.replace('"utf-8"', f'"{declared}"').replace("“", '"').replace("”", '"').replace("Juru bicara", f"Juru bicara {word}")
    (tmp_path / "x.html").write_bytes(page.encode(encoding))
    assert f"Juru bicara {word}" in read(tmp_path)[0][str(tmp_path / "x.html")].text


def test_a_page_without_a_date_has_none(tmp_path):
    page = PAGE.replace('<meta property="article:published_time" content="2023-09-14T08:12:00+07:00">', "").replace(
        "Kamis, 14 September 2023", ""
    )
    (tmp_path / "x.html").write_text(page.replace("Hak cipta 2023", "Hak cipta"))
    assert "date" not in read(tmp_path)[0][str(tmp_path / "x.html")].meta.as_dict()


def test_word_text_is_what_a_reader_sees(make_docx, tmp_path):
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    run = "<w:r><w:t>{}</w:t></w:r>"
    xml = (
        f'<?xml version="1.0"?><w:document xmlns:w="{word}"><w:body>'
        f"<w:p>{run.format('Awal')}<w:del><w:r><w:delText>x</w:delText></w:r></w:del><w:ins>{run.format(' sisipan.')}</w:ins></w:p>"
        f"<w:sdt><w:sdtContent><w:p><w:hyperlink>{run.format('Dalam kotak.')}</w:hyperlink><w:r><w:br/></w:r>{run.format('Baris.')}</w:p></w:sdtContent></w:sdt>"
        f"<w:tbl><w:tr><w:tc><w:p>{run.format('Sel.')}</w:p></w:tc></w:tr></w:tbl>"
        f"<w:p>{run.format('Luar.')}<w:r><w:txbxContent><w:p>{run.format('Kotak teks.')}</w:p></w:txbxContent></w:r></w:p></w:body></w:document>"
    )
    (tmp_path / "x.docx").write_bytes(make_docx([], title="Microsoft Word - x.doc", xml=xml))
    document = read(tmp_path)[0][str(tmp_path / "x.docx")]
    assert document.text == "Awal sisipan.\nDalam kotak.\nBaris.\nSel.\nLuar.\nKotak teks.\n"
    assert document.meta.as_dict() == {}


def set_in(lines, top=700.0, leading=14.0, x=72.0, size=11.0):
    return [Line(text, x, top - i * leading, size) for i, text in enumerate(lines)]


def test_pdf_paragraphs_come_back():
    long = [textwrap.wrap(one, 60) for one in PARAGRAPHS]
    # By the space above them.
    page = [line for i, lines in enumerate(long) for line in set_in(lines, 700 - 100 * i)]
    assert paragraphs([page]) == PARAGRAPHS
    # By the indent of their first lines, and by letters of another size above.
    flush = set_in([line for lines in long for line in lines])
    firsts = {lines[0] for lines in long}
    indented = [Line(one.text, one.x + 20 * (one.text in firsts), one.y, one.size) for one in flush]
    assert paragraphs([[Line(TITLE, 72, 714, 18), *indented]]) == [TITLE, *PARAGRAPHS]
    # Over the end of a page, whose number and running head are left out.
    cut = len(long[0]) - 1
    pages = [
        [Line("Warta, halaman 1", 72, 800, 9), *set_in([*long[0][:cut]]), Line("1", 300, 30, 9)],
        [Line("Warta, halaman 2", 72, 800, 9), *set_in([long[0][cut]]), *set_in(long[1], 600), Line("2", 300, 30, 9)],
    ]
    assert paragraphs(pages) == PARAGRAPHS[:2]
    # Doubled words keep their hyphen.
    assert paragraphs([set_in(["Menurut laporan itu, kapal-", "kapal Rusia berlayar."])]) == [
        "Menurut laporan itu, kapal-kapal Rusia berlayar."
    ]


def test_a_page_reaches_no_network_and_starts_nothing():
    from classify.formats import sandbox

    for event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system"):
        with pytest.raises(PermissionError):
            sandbox._refuse(event, ())
    with pytest.raises(PermissionError):
        sandbox._refuse("open", ("x", "w", os.O_WRONLY | os.O_CREAT))
    sandbox._refuse("open", ("x", "r", os.O_RDONLY))
    assert sandbox.extract("html", PAGE.encode(), "x.html")["text"] == TEXT


def test_documents_are_read_by_one_process_after_the_other(monkeypatch):
    from classify.formats import sandbox

    monkeypatch.setattr(sandbox, "TERM", 2)
    assert {sandbox.extract("html", PAGE.encode(), "x.html")["text"] for _ in range(5)} == {TEXT}


def test_an_archive_in_a_folder(folder, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.ZIP").write_bytes((folder / "e.zip").read_bytes())
    found, failed = read(tmp_path)
    assert failed == []
    assert [Path(name).name for name in found] == ["berita-1", "a.txt", "b.html", "c.docx", "d.pdf"]


def test_large_texts_in_an_archive_stream(tmp_path, monkeypatch):
    from classify import documents
    from classify.documents import read_passages

    monkeypatch.setattr(documents, "LARGE", 100)
    text = "Satu “kalimat”.\n\n" * 40
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", text.encode("cp1252"))
    (tmp_path / "a.zip").write_bytes(held.getvalue())
    with documents.members(str(tmp_path / "a.zip"), pytest.fail) as (member,):
        passages = list(read_passages(member))
    assert "".join(passage for passage, *_ in passages) == text
    assert len(passages) == 40
