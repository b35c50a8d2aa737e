"""Every case of docs/hostile-files.md: what a file gets, and that its neighbours are read."""

import io
import json
import re
import zipfile
import zlib
from pathlib import Path

import pytest

from classify.formats import sandbox
from classify.predict import Options, Watch, items

GOOD = "Kremlin menampik kabar itu."
PARAGRAPH = "<p>Kremlin menampik kabar bahwa Korea Utara mengirim peluru artileri kepada pasukan Rusia, kata juru bicara pada Rabu.</p>"
WORD = '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>{}</w:body></w:document>'
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(100)
MEGA = 1024**2


def page(body):
    return f"<!DOCTYPE html><html><head><title>Judul</title></head><body><article><h1>Judul</h1>{body}</article></body></html>".encode()


def packed(*members):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return held.getvalue()


def changed(data, at, value, here=0):
    """An archive of one member with bytes of its directory entry (and its header, where given) set."""
    data = bytearray(data)
    start = data.index(b"PK\1\2") + at
    data[start : start + len(value)] = value
    if here:
        data[here : here + len(value)] = value
    return bytes(data)


@pytest.fixture(scope="module")
def cases(make_pdf, make_docx):
    """File name and content by case; what is to be said stands in the table."""
    one, text = packed(("a.txt", GOOD)), ("baik.txt", GOOD)
    entities = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "lol"}">' for i in range(10))
    lol = f"<!DOCTYPE d [{entities}]>" + WORD.format("<w:p><w:r><w:t>&l9;</w:t></w:r></w:p>")
    other = '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]>' + WORD.format("<w:p><w:r><w:t>&x;</w:t></w:r></w:p>")
    pdf, docx = make_pdf([[[GOOD]]]), make_docx([GOOD])
    unpacking = zlib.compressobj(1)
    bomb = b"".join(unpacking.compress(b"(Ya. ) Tj " * MEGA) for _ in range(8)) + unpacking.flush()
    crc = bytearray(one)
    crc[crc.index(b"a.txt") + 7] ^= 0xFF
    return {
        "zip: member over 200 times its packed size": ("a.zip", packed(text, ("b.txt", b"a" * 30 * MEGA))),
        "zip: all members over 4 GB": ("b.zip", changed(packed(text, ("c.txt", GOOD)), 24, b"\xf0\xff\xff\xff")),
        "zip: over 10,000 members": ("c.zip", packed(*((f"{i}.txt", b"") for i in range(10_001)))),
        "zip: archive within an archive": ("d.zip", packed(text, ("dalam.zip", one))),
        "zip: name that leads out of the archive": ("e.zip", packed(text, ("../../x.txt", GOOD), ("/y.txt", GOOD), ("..\\z.txt", GOOD))),
        "zip: name with control characters": ("f.zip", packed(("a\x1b[2J.txt", GOOD))),
        "zip: encrypted member": ("g.zip", changed(one, 8, b"\1", 6)),
        "zip: damaged member": ("h.zip", bytes(crc)),
        "zip: unknown compression": ("i.zip", changed(one, 10, b"\x63", 8)),
        "zip: two members of one name": ("j.zip", packed(text, ("baik.txU", GOOD)).replace(b"baik.txU", b"baik.txt")),
        "zip: nothing to read in it": ("k.zip", packed(("foto.png", PICTURE))),
        "zip: cut off": ("l.zip", one[:60]),
        "docx: entities that multiply": ("a.docx", make_docx([], xml=lol)),
        "docx: entities that multiply, in UTF-16": ("b.docx", make_docx([], xml=lol.encode("utf-16"))),
        "docx: entity from another file": ("c.docx", make_docx([], xml=other)),
        "docx: unpacks to over 256 MB": ("d.docx", changed(docx, 24, (257 * MEGA).to_bytes(4, "little"))),
        "docx: elements nested 100,000 deep": ("e.docx", make_docx([], xml=WORD.format("<w:r>" * 100_000 + "</w:r>" * 100_000))),
        "docx: password, or old .doc": ("f.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)),
        "docx: cut off": ("g.docx", docx[: len(docx) // 2]),
        "docx: another zip": ("h.docx", one),
        "html: 100,000 nested elements": ("a.html", b"<html><body>" + b"<div>" * 100_000 + PARAGRAPH.encode() * 5),
        "html: larger than 16 MB": ("b.html", page("a" * 16 * MEGA)),
        "html: entity from another file": (
            "c.html",
            page(PARAGRAPH * 3 + "<p>Isi &x; teks.</p>").replace(b"html>", b'html [<!ENTITY x SYSTEM "file:///etc/passwd">]>', 1),
        ),
        "html: a paragraph of a megabyte": ("d.html", page(PARAGRAPH + f"<p>{'Kapal itu tiba. ' * 65536}</p>")),
        "html: cut off": ("e.html", page(PARAGRAPH * 3)[:400]),
        "html: a picture by another name": ("f.html", PICTURE),
        "pdf: encrypted": ("a.pdf", encrypted(pdf)),
        "pdf: page tree in a circle": ("b.pdf", pdf.replace(b"/Kids [5 0 R]", b"/Kids [2 0 R]")),
        "pdf: no text, scanned": ("c.pdf", make_pdf([[], []])),
        "pdf: stream that unpacks to over 75 MB": ("d.pdf", make_pdf([[]], body=bomb)),
        "pdf: cut off": ("e.pdf", pdf[: len(pdf) // 2]),
        "pdf: a picture by another name": ("f.pdf", PICTURE),
        "txt: an HTML page by another name": ("a.txt", page(PARAGRAPH)),
        "txt: a PDF by another name": ("b.txt", pdf),
        "txt: a byte that is wrong in UTF-8": ("e.txt", f"{GOOD} “Ya.” – ".encode() + b"\xff selesai."),
        "txt: nothing but page furniture": ("f.txt", b"Home > Dunia\nBaca juga: Putin ke Hanoi\n"),
        "txt: a line of a megabyte": ("c.txt", b"Kapal itu tiba. " * 65536),
        "txt: a line of over a million characters, with `--lines` or in a file over 4 MB": ("d.txt", b"a" * (5 * MEGA)),
        "csv: a line of over a million characters": ("a.csv", f"isi,b\n{GOOD},1\n".encode() + b"a" * (2 * MEGA)),
        "csv: a quotation mark that is never closed": ("b.csv", f'isi,b\n{GOOD},1\n"Moskow,2\n'.encode()),
        "csv: a workbook by another name": ("c.csv", one),
        "jsonl: brackets nested 100,000 deep": ("a.jsonl", f'{{"text": "{GOOD}"}}\n'.encode() + b"[" * 100_000),
    }  # fmt: skip


def encrypted(pdf):
    from pypdf import PdfReader, PdfWriter

    writer, held = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf))), io.BytesIO()
    writer.encrypt("rahasia", algorithm="RC4-128")
    writer.write(held)
    return held.getvalue()


DOCUMENT = (Path(__file__).resolve().parents[2] / "docs/hostile-files.md").read_text(encoding="utf-8")
TABLE = dict(re.findall(r"^\| (\w+: .*?) \| (.*) \|$", DOCUMENT, flags=re.MULTILINE))
LIMITS = {"html: takes too long", "html: takes too much memory"}


def test_the_table_is_whole(cases):
    assert {*cases, *LIMITS} == set(TABLE)


@pytest.mark.parametrize("case", [case for case in TABLE if case not in LIMITS])
def test_every_case_gets_what_the_table_says(case, cases, tmp_path):
    name, content = cases[case]
    path = tmp_path / name
    path.write_bytes(content)
    said = []
    found = [item.sentence.text for item in items([str(path)], Options(), Watch(said.append))]
    expected = re.match(r"`(.*?)`", TABLE[case])
    if expected is None:
        assert TABLE[case].startswith("read")
        assert said == []
        assert found
    else:
        assert said
        assert all(str(error).startswith(str(path)) and expected[1] in str(error) and "\n" not in str(error) for error in said)
        # What stands in the file before the case, or beside it.
        others = "are read" in TABLE[case] or "is read" in TABLE[case] or name in ("a.csv", "a.jsonl")
        assert found == [GOOD] * others


def test_their_neighbours_are_read_and_nothing_comes_out(cases, run_cli, tiny_model, tmp_path):
    chosen = [case for case in cases if case.split(":")[0] in ("docx", "pdf") or "name" in case or "encrypted" in case]
    (tmp_path / "masuk").mkdir()
    for case in chosen:
        name, content = cases[case]
        (tmp_path / "masuk" / name).write_bytes(content)
    (tmp_path / "masuk" / "z.txt").write_text(GOOD)
    result = run_cli("predict", tmp_path / "masuk", "--model", tiny_model, "--format", "jsonl", "--output", tmp_path / "rows.jsonl")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "\x1b" not in result.stderr
    lines = result.stderr.splitlines()
    assert all(line.startswith(f"error: {tmp_path / 'masuk'}") for line in lines)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["text"] for row in rows} == {GOOD}
    assert str(tmp_path / "masuk" / "z.txt") in [row["document"] for row in rows]
    assert not any("\x1b" in row["document"] or ".." in row["document"] for row in rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["masuk", "rows.jsonl"]


@pytest.mark.skipif(not hasattr(sandbox.signal, "SIGXCPU"), reason="limits of a process are Unix's")
def test_time_and_memory_have_an_end(monkeypatch, tmp_path):
    path = tmp_path / "x.html"
    path.write_bytes(b"<html><body " + b" ".join(b"a%d=1" % i for i in range(300_000)) + b">" + PARAGRAPH.encode() * 3)
    for name, value, case in (("SECONDS", 1.0, "html: takes too long"), ("MEMORY", 100 * MEGA, "html: takes too much memory")):
        said = []
        if name == "MEMORY":
            path.write_bytes(page(PARAGRAPH * 60_000))
        with monkeypatch.context() as patch:
            patch.setattr(sandbox, name, value)
            assert list(items([str(path)], Options(), Watch(said.append))) == []
        (message,) = map(str, said)
        words = re.match(r"`(.*?)`", TABLE[case])[1].replace("30 seconds", "1 seconds").replace("2048", "100")
        assert words in message
        # The next document is read as if nothing had happened.
        path.write_bytes(page(PARAGRAPH * 3))
        assert list(items([str(path)], Options(), Watch(pytest.fail)))


def test_external_entities_are_not_read(cases, tmp_path):
    (tmp_path / "x.html").write_bytes(cases["html: entity from another file"][1])
    texts = [item.sentence.text for item in items([str(tmp_path)], Options(), Watch(pytest.fail))]
    assert not any("root" in text for text in texts)
