"""What teachers said, kept in a file, and which sentences of a pool they may be asked about."""

import json
import subprocess
import sys

import numpy as np
import pytest

from classify.errors import SettingsError
from classify.labels import LabelScheme
from training.dataset import Example, Pool
from training.distil import Answers, unlabelled

SCHEME = LabelScheme.from_ids(["trade", "war"])
ARTICLES = [
    "Menteri tiba di Moskow pada Senin pagi.\nIa membawa surat dari presiden untuk tuan rumah yang menunggu di bandara.",
    "Harga beras naik lagi di pasar induk.\nPedagang mengeluh karena pembeli berkurang sejak awal bulan ini di seluruh kota.",
    "Salinan: ia membawa surat dari presiden untuk tuan rumah yang menunggu di bandara.\nHujan turun sampai malam.",
]


def example(text, **changes):
    return Example(**{"id": text[:4], "text": text, "context": "", "labels": {}, "group": "g", **changes})


@pytest.fixture
def pool(tmp_path):
    path = tmp_path / "news.jsonl"
    path.write_text("".join(json.dumps({"title": "", "text": text}) + "\n" for text in ARTICLES), encoding="utf-8")
    return Pool([path])


def test_answers_survive_saving(tmp_path):
    path = tmp_path / "answers.npz"
    Answers(SCHEME.ids, {"a": np.asarray([0.25, 1.0]), "b": np.asarray([0.0, 0.5])}).save(path)
    read = Answers.load(path, SCHEME)
    np.testing.assert_allclose(read.of([example("b", id="b"), example("a", id="a")]), [[0, 0.5], [0.25, 1]], atol=1 / 255)
    assert np.isnan(read.of([example("c", id="c")])).all()


def test_answers_for_other_labels_are_refused(tmp_path):
    path = tmp_path / "answers.npz"
    Answers(["war", "trade"], {"a": np.asarray([0.25, 1.0])}).save(path)
    with pytest.raises(SettingsError, match=r"answers for other labels \(war, trade\)"):
        Answers.load(path, SCHEME)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_unreadable_answers_are_named(tmp_path, content):
    path = tmp_path / "answers.npz"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"answers\.npz cannot be read"):
        Answers.load(path, SCHEME)


def test_missing_answers_are_named(tmp_path):
    with pytest.raises(SettingsError, match=r"answers\.npz cannot be read"):
        Answers.load(tmp_path / "answers.npz", SCHEME)


def test_unlabelled_sentences_keep_their_context_and_leave_labelled_ones_out(pool):
    found = unlabelled(pool, [example("Harga beras naik lagi di pasar induk.")], [])
    texts = [one.text for one in found]
    assert "Harga beras naik lagi di pasar induk." not in texts
    assert len(texts) == 5
    assert found[texts.index("Hujan turun sampai malam.")].context.startswith("Salinan:")
    assert all(one.labels == {} and one.real for one in found)


def test_articles_kept_aside_and_their_copies_are_left_out(pool):
    aside = [example("Ia membawa surat dari presiden untuk tuan rumah yang menunggu di bandara.")]
    texts = [one.text for one in unlabelled(pool, aside, aside)]
    # The whole first article, and of the third what was copied from it.
    assert texts == [
        "Harga beras naik lagi di pasar induk.",
        "Pedagang mengeluh karena pembeli berkurang sejak awal bulan ini di seluruh kota.",
        "Hujan turun sampai malam.",
    ]


def test_command_names_a_missing_teacher(tmp_path, root):
    command = [sys.executable, "-m", "training.distil", "--teacher", tmp_path / "none", "--data", root / "data/sentences.jsonl"]
    result = subprocess.run([*command, "--output", tmp_path / "a.npz"], capture_output=True, text=True, cwd=root)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert str(tmp_path / "none") in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "a.npz").exists()
