"""Data to train and evaluate on, and one model trained through the command line that several tests look at."""

import hashlib
import io
import json
import os
import random
import re
import shutil
import unicodedata
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

# Networks this small gain nothing from threads, and lose much where processors are busy.
os.environ["OMP_NUM_THREADS"] = "1"

TOPICS = {
    "arms_transfer": ["mengirim senjata dan amunisi", "menjual rudal balistik", "memasok peluru artileri", "membeli senjata bekas"],
    "sanctions": [
        "terkena sanksi PBB",
        "melanggar sanksi dan embargo",
        "memperpanjang sanksi atas bank",
        "membekukan aset lewat sanksi",
    ],
    "diplomacy": [
        "bertemu menteri luar negeri",
        "menggelar perundingan damai",
        "bertemu utusan khusus",
        "membuka pertemuan puncak",
    ],
    "satellite_tech": [
        "meluncurkan satelit pengintai",
        "menguji mesin roket satelit",
        "membangun satelit cuaca",
        "mengorbitkan satelit baru",
    ],
}
STANCES = {
    "us_accusation": ["Washington menuduh", "Gedung Putih menuduh", "Amerika Serikat menuduh bahwa"],
    "dprk_denial": ["Pyongyang membantah", "Kim Yo Jong membantah", "Korea Utara membantah bahwa"],
    "russian_framing": ["Kremlin menyalahkan Barat", "Lavrov menyalahkan NATO", "Moskow menyalahkan hegemoni karena"],
}
WHO = [
    "perusahaan dagang",
    "kapal kargo",
    "pejabat tua",
    "dua jenderal",
    "menteri pertahanan",
    "sejumlah bank",
    "panel ahli",
    "tentara timur",
]
WHERE = ["di Jakarta", "di Vladivostok", "di pelabuhan Rajin", "di New York", "di laut lepas", "di kota Kharkiv", "di pantai barat"]
WHEN = ["pada Rabu pagi", "sejak pekan lalu", "sebelum akhir tahun", "pada malam hari", "selama tiga jam", "pada bulan November"]
OTHER = [
    "Harga beras naik",
    "Hujan lebat turun",
    "Tim sepak bola menang",
    "Warga desa menanam pohon",
    "Mahasiswa membersihkan sungai",
]


def sentence(source: random.Random, topic: str = "", stance: str = "") -> str:
    """A sentence that carries just these labels, in words that tell."""
    tail = source.sample([source.choice(WHERE), source.choice(WHEN), "bersama " + source.choice(WHO)], k=2)
    if topic:
        middle = [source.choice(WHO), source.choice(TOPICS[topic])]
    else:
        middle = [source.choice(OTHER)] if not stance else ["semua laporan tentang", source.choice(WHO)]
    words = " ".join([*([source.choice(STANCES[stance])] if stance else []), *middle, *tail])
    return words[0].upper() + words[1:] + "."


def mixed(count: int, seed: int) -> list[dict]:
    """Rows of every kind in turn, each a group of its own."""
    source = random.Random(seed)
    kinds = [("", ""), *((topic, "") for topic in TOPICS), ("", ""), *((topic, stance) for stance in STANCES for topic in TOPICS)]
    rows, seen = [], set()
    while len(rows) < count:
        topic, stance = kinds[len(rows) % len(kinds)]
        text = sentence(source, topic, stance)
        if text not in seen:
            seen.add(text)
            rows.append(
                {
                    "id": f"r{len(rows)}",
                    "text": text,
                    "context": "",
                    "topic": [topic] * bool(topic),
                    "stance": [stance] * bool(stance),
                }
            )
    return rows


def digest(text: str) -> str:
    """The hash by which a real sentence is known, computed as its documentation says."""
    folded = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip().casefold()
    return hashlib.sha256(folded.encode()).hexdigest()


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """The same for torch in this process, which may have been imported before."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def write_rows() -> Callable[[Path, Iterable[dict]], Path]:
    """Write rows as JSON Lines and give the path back."""

    def write(path: Path, rows: Iterable[dict]) -> Path:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def rows() -> list[dict]:
    """Eighty labelled sentences; the last sixteen are kept for testing, two labels are disputed."""
    made = mixed(80, seed=4)
    for number, row in enumerate(made):
        row |= {"group": f"g{number}", "origin": "own"} | ({"split": "test"} if number >= 64 else {})
    made[70]["disputed"] = ["sanctions"]
    made[71]["disputed"] = ["dprk_denial"]
    return made


@pytest.fixture(scope="session")
def labelled(tmp_path_factory, rows, write_rows) -> Path:
    """The labelled sentences as a file."""
    return write_rows(tmp_path_factory.mktemp("labelled") / "own.jsonl", rows)


@pytest.fixture(scope="session")
def real(tmp_path_factory, write_rows) -> SimpleNamespace:
    """Articles (`pool`) and labels of their sentences without text (`labels`), one of them of an article that is absent."""
    folder = tmp_path_factory.mktemp("real")
    made = mixed(24, seed=9)
    articles, labels = [], []
    for number in range(8):
        own = made[3 * number : 3 * number + 3]
        title, text = f"Judul berita nomor {number}", " ".join(row["text"] for row in own)
        whole = f"{title}\n{text}"
        articles.append({"title": title, "text": text, "outlet": "contoh"})
        before = None
        for row in own:
            start = whole.index(row["text"])
            labels.append(
                {
                    "sha256": digest(row["text"]), "article": digest(whole)[:16], "start": start, "end": start + len(row["text"]),
                    "topic": row["topic"], "stance": row["stance"], "disputed": [], "group": f"n{number}",
                    "split": "development" if number < 4 else "train", "origin": "contoh", **({"context": before} if before else {}),
                }
            )  # fmt: skip
            before = [start, start + len(row["text"])]
    labels[5]["disputed"] = ["arms_transfer"]
    absent = {**labels[0], "sha256": digest("Tidak ada."), "article": "0123456789abcdef", "group": "n99"}
    pool = folder / "pool"
    pool.mkdir()
    write_rows(pool / "articles.jsonl", articles)
    return SimpleNamespace(pool=pool, labels=write_rows(folder / "real_labels.jsonl", [*labels, absent]), rows=labels, sentences=made)


@pytest.fixture(scope="session")
def recipe(tmp_path_factory, tiny_base, root) -> Path:
    """A recipe that a tiny base can follow in seconds."""
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    values = {
        "base": str(tiny_base), "labels": str(root / "configs/labels.yaml"), "epochs": 25, "patience": 25, "batch_size": 8,
        "learning_rate": 5e-3, "validation": 0.2, "test": 0.0, "precision": "fp32", "seed": 5,
    }  # fmt: skip
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def settings(recipe) -> Callable:
    """`settings(output=..., data=[...], ...)`: the recipe with some settings changed."""
    from training.settings import load
    from training.train_settings import TrainSettings

    return lambda **changes: load(TrainSettings, recipe, changes)


@pytest.fixture(scope="session")
def trained(tmp_path_factory, run_cli, recipe, labelled, real) -> SimpleNamespace:
    """A model trained through the command line: its directory (`path`) and what was said (`result`)."""
    path = tmp_path_factory.mktemp("trained") / "model"
    flags = ["--config", recipe, "--data", labelled, "--data", real.labels, "--pool", real.pool, "--output", path, "--quiet"]
    result = run_cli("train", *flags)
    return SimpleNamespace(path=path, result=result)


@pytest.fixture
def trained_copy(trained, tmp_path) -> Path:
    """The trained model, free to be changed."""
    assert trained.result.returncode == 0, trained.result.stderr
    return Path(shutil.copytree(trained.path, tmp_path / "model"))


@pytest.fixture(scope="session")
def make_pdf() -> Callable[..., bytes]:
    """A PDF of pages of paragraphs of lines, in Helvetica at 11 points; `body` replaces what the first page draws."""

    def make(pages: list[list[list[str]]], body: bytes | None = None, gap: int = 10) -> bytes:
        objects = [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"",
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        ]
        kids = []
        for paragraphs in pages:
            drawn, height = [b"BT /F1 11 Tf"], 770
            for lines in paragraphs:
                for line in lines:
                    text = re.sub(rb"([\\()])", rb"\\\1", line.encode("cp1252"))
                    drawn.append(b"1 0 0 1 72 %d Tm (%s) Tj" % (height, text))
                    height -= 14
                height -= gap
            stream, body = body or b"\n".join([*drawn, b"ET"]), None
            form = b"/Filter /FlateDecode" if stream.startswith(b"\x78") else b""
            objects.append(b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(stream), form, stream))
            resources = b"<< /Font << /F1 3 0 R >> >>"
            objects.append(
                b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R /Resources %s >>" % (len(objects), resources)
            )
            kids.append(len(objects))
        objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids))
        made, places = b"%PDF-1.4\n", []
        for number, one in enumerate(objects, 1):
            places.append(len(made))
            made += b"%d 0 obj\n%s\nendobj\n" % (number, one)
        table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(b"%010d 00000 n \n" % place for place in places)
        return made + table + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(made))

    return make


@pytest.fixture(scope="session")
def make_docx() -> Callable[..., bytes]:
    """A Word document of paragraphs; `xml` replaces what the main part holds."""
    import docx

    def make(paragraphs: Iterable[str], title: str = "", xml: str | bytes | None = None) -> bytes:
        document = docx.Document()
        document.core_properties.title = title
        for paragraph in paragraphs:
            document.add_paragraph(paragraph)
        first, last = io.BytesIO(), io.BytesIO()
        document.save(first)
        with zipfile.ZipFile(first) as old, zipfile.ZipFile(last, "w", zipfile.ZIP_DEFLATED) as new:
            for part in old.infolist():
                new.writestr(part.filename, xml if xml is not None and part.filename == "word/document.xml" else old.read(part))
        return last.getvalue()

    return make
