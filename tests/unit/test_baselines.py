import numpy as np
import pytest

from classify.errors import SettingsError
from classify.labels import LabelScheme
from training.baselines import Keywords, TfidfLogistic

SCHEME = LabelScheme.from_ids(["sanctions", "diplomacy", "denial"])
TEXTS = [
    "Dewan Keamanan menjatuhkan sanksi baru kepada bank itu",
    "Sanksi terhadap perusahaan kapal diperpanjang setahun",
    "Jepang menambah sanksi atas tiga pejabat partai",
    "Kedua menteri bertemu di Jakarta membahas perdamaian",
    "Presiden bertemu utusan khusus di istana",
    "Mereka bertemu lagi pekan depan di Wina",
    "Harga beras naik di pasar induk",
    "Hujan turun sore ini",
    "Tim nasional menang tiga gol",
]
WANTED = np.asarray([[1, 0, 0]] * 3 + [[0, 1, 0]] * 3 + [[0, 0, 0]] * 3, dtype=np.float32)


def keyword_list(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_a_rule_needs_all_its_patterns_and_a_label_one_rule(tmp_path):
    rules = keyword_list(tmp_path / "words.yaml", "sanctions:\n- [sanksi]\n- [resolusi, 'dk pbb|dewan keamanan']\ndenial:\n- [bantah]\n")
    found = Keywords(rules, SCHEME).predict(
        ["SANKSI dibantah", "Resolusi dibahas", "Resolusi Dewan Keamanan", "Mereka bertemu", "kabar itu dibantah"]
    )
    assert found.dtype == bool
    assert found.tolist() == [
        [True, False, True], [False, False, False], [True, False, False], [False, False, False], [False, False, True],
    ]  # fmt: skip
    assert Keywords(rules, SCHEME).predict([]).shape == (0, 3)


def test_shipped_list_knows_every_shipped_label(root):
    scheme = LabelScheme.load(root / "configs/labels.yaml")
    words = Keywords(root / "configs/keywords.yaml", scheme)
    found = words.predict([example for label in scheme for example in label.yes])
    assert found.any(axis=0).all()
    assert not words.predict(["Harga beras naik di pasar induk."]).any()


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [1\n", "is not valid YAML"), ("- sanksi\n", "label: list of rules"), ("sanctions: [['(']]\n", "'\\('")],
)
def test_unusable_list_is_named(tmp_path, text, message):
    with pytest.raises(SettingsError, match=f"words.yaml.*{message}"):
        Keywords(keyword_list(tmp_path / "words.yaml", text), SCHEME)


def test_missing_list_is_named(tmp_path):
    with pytest.raises(SettingsError, match="cannot read the keyword list .*absent.yaml"):
        Keywords(tmp_path / "absent.yaml", SCHEME)


def test_list_for_other_labels_covers_nothing(tmp_path):
    rules = keyword_list(tmp_path / "words.yaml", "sanctions:\n- [sanksi]\n")
    assert Keywords(rules, SCHEME).covers_any
    other = Keywords(rules, LabelScheme.from_ids(["olahraga", "cuaca"]))
    assert not other.covers_any
    assert other.predict(["sanksi"]).tolist() == [[False, False]]


def test_tfidf_learns_what_words_tell():
    model = TfidfLogistic().fit(TEXTS, WANTED)
    assert (model.predict(TEXTS) == (WANTED > 0.5)).all()
    found = model.predict(["Sanksi baru atas perusahaan itu", "Menteri bertemu presiden", "Beras dan hujan"])
    assert found.tolist() == [[True, False, False], [False, True, False], [False, False, False]]


def test_labels_never_or_always_seen_are_constant():
    wanted = WANTED.copy()
    wanted[:, 1] = 1
    found = TfidfLogistic().fit(TEXTS, wanted).predict(["Apa saja", "Sanksi baru"])
    assert found[:, 2].tolist() == [False, False]
    assert found[:, 1].tolist() == [True, True]


def test_rows_that_say_nothing_of_a_label_are_left_out_of_it():
    wanted = WANTED.copy()
    wanted[:, 2] = np.nan
    wanted[0, 0] = np.nan
    contrary = np.concatenate([wanted, np.full((3, 3), np.nan, dtype=np.float32)])
    found = TfidfLogistic().fit([*TEXTS, "sanksi", "bertemu", "sanksi bertemu"], contrary).predict(TEXTS)
    assert (found == TfidfLogistic().fit(TEXTS, wanted).predict(TEXTS)).all()
    assert not found[:, 2].any()


def test_tfidf_repeats_itself():
    held = ["Sanksi dibahas saat mereka bertemu", "Menang lagi"]
    assert (TfidfLogistic(3).fit(TEXTS, WANTED).predict(held) == TfidfLogistic(3).fit(TEXTS, WANTED).predict(held)).all()
