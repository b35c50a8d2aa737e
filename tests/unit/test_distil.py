"""What teachers said, kept in a file, and which sentences of a pool they may be asked about."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest

from classify.errors import SettingsError
from classify.labels import LabelScheme
from training.corpus import HeldOut
from training.dataset import Example, Pool
from training.distil import SoftLabels, key, overruled, unlabelled

SCHEME = LabelScheme.from_ids(["trade", "war"])
ARTICLES = [
    "Menteri tiba di Moskow pada Senin pagi.\nIa membawa surat dari presiden untuk tuan rumah yang menunggu di bandara.",
    "Harga beras naik lagi di pasar induk.\nPedagang mengeluh karena pembeli berkurang sejak awal bulan ini di seluruh kota.",
    "Salinan: ia membawa surat dari presiden untuk tuan rumah yang menunggu di bandara.\nHujan turun sampai malam.",
]


def array_file() -> bytes:
    """A single array where an archive of them is wanted."""
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


def example(text, **changes):
    return Example(**{"id": text[:4], "text": text, "context": "", "labels": {}, "group": "g", **changes})


@pytest.fixture
def pool(tmp_path):
    path = tmp_path / "news.jsonl"
    path.write_text("".join(json.dumps({"title": "", "text": text}) + "\n" for text in ARTICLES), encoding="utf-8")
    return Pool([path])


def test_answers_survive_saving(tmp_path):
    path = tmp_path / "soft.npz"
    first, second = example("Kim tiba."), example("Kim tiba.", context="Putin menunggu.")
    SoftLabels(SCHEME.ids, {key(first): np.asarray([0.25, 1.0]), key(second): np.asarray([0.0, 0.5])}).save(path)
    read = SoftLabels.load(path, SCHEME)
    np.testing.assert_allclose(read.of([second, first]), [[0, 0.5], [0.25, 1]], atol=1 / 255)
    # An edited sentence has none, whatever its id.
    assert np.isnan(read.of([example("Kim telah tiba.", id=first.id)])).all()


def test_answers_for_other_labels_are_refused(tmp_path):
    path = tmp_path / "soft.npz"
    SoftLabels(["war", "trade"], {"a": np.asarray([0.25, 1.0])}).save(path)
    with pytest.raises(SettingsError, match=r"holds soft labels for war, trade, but the scheme's labels are trade, war"):
        SoftLabels.load(path, SCHEME)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off", array_file()])
def test_unreadable_answers_are_named(tmp_path, content):
    path = tmp_path / "soft.npz"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"soft\.npz cannot be read .*: make them with  python -m training.distil"):
        SoftLabels.load(path, SCHEME)


def test_missing_answers_are_named(tmp_path):
    with pytest.raises(SettingsError, match=r"soft\.npz cannot be read"):
        SoftLabels.load(tmp_path / "soft.npz", SCHEME)


def test_unlabelled_sentences_keep_their_context_and_leave_labelled_ones_out(pool):
    found = unlabelled(pool, [example("Harga beras naik lagi di pasar induk.")], [])
    texts = [one.text for one in found]
    assert "Harga beras naik lagi di pasar induk." not in texts
    assert len(texts) == 5
    assert found[texts.index("Hujan turun sampai malam.")].context.startswith("Salinan:")
    assert found[0].context == ""
    assert all(one.labels == {} and one.real for one in found)


def test_articles_kept_aside_and_their_copies_are_left_out(pool):
    aside = [example("Ia membawa surat dari presiden untuk tuan rumah yang menunggu di bandara.")]
    found = unlabelled(pool, aside, aside)
    texts = [one.text for one in found]
    # The whole first article, and of the third what was copied from it.
    assert texts == [
        "Harga beras naik lagi di pasar induk.",
        "Pedagang mengeluh karena pembeli berkurang sejak awal bulan ini di seluruh kota.",
        "Hujan turun sampai malam.",
    ]
    # Nor does the copy come back as what was said before.
    assert found[-1].context == ""


def test_texts_of_a_check_are_left_out_also_when_short(pool, tmp_path):
    gold = tmp_path / "gold.jsonl"
    gold.write_text(json.dumps({"title": "Judul", "text": "Hujan turun sampai malam."}) + "\n", encoding="utf-8")
    texts = [one.text for one in unlabelled(pool, [], [], HeldOut([gold], whole=True))]
    assert "Hujan turun sampai malam." not in texts
    assert len(texts) == 5


def test_command_names_a_missing_teacher(tmp_path, root):
    command = [sys.executable, "-m", "training.distil", "--teacher", tmp_path / "none", "--data", root / "data/sentences.jsonl"]
    result = subprocess.run([*command, "--output", tmp_path / "a.npz"], capture_output=True, text=True, cwd=root)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert str(tmp_path / "none") in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "a.npz").exists()


def test_labels_have_the_last_word_where_they_are_known_and_contradicted():
    rows = [
        example("Satu.", labels={"label": ("war",)}),
        example("Dua.", labels={"label": ("war",)}, disputed=("war",)),
        example("Tiga."),
        example("Empat.", labels={"label": ("trade",)}),
    ]
    taught = np.asarray([[0.7, 0.1], [0.2, 0.1], [0.9, 0.9], [np.nan, np.nan]], dtype=np.float32)
    kept, wrong = overruled(taught, rows, SCHEME)
    np.testing.assert_allclose(kept, [[0, 1], [0.2, 0.1], [0.9, 0.9], [np.nan, np.nan]])
    np.testing.assert_array_equal(wrong, [[True, True], [False, False], [False, False], [False, False]])


def test_one_answer_is_overruled_as_a_whole():
    scheme = LabelScheme.from_ids(["red", "green", "blue"], exclusive=True)
    rows = [example("Satu.", labels={"label": ("green",)}), example("Dua.", labels={"label": ("green",)})]
    taught = np.asarray([[0.3, 0.4, 0.3], [0.4, 0.3, 0.3]], dtype=np.float32)
    kept, wrong = overruled(taught, rows, scheme)
    np.testing.assert_allclose(kept, [[0.3, 0.4, 0.3], [0, 1, 0]])
    np.testing.assert_array_equal(wrong.all(axis=1), [False, True])
