"""A teacher that reads the corpus itself: words matched over two vocabularies, embeddings from its pieces."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import Unigram, WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer, Metaspace

from classify.errors import SettingsError
from training.reading import Passages, averaging, embeddings_of_pieces, layers_to_copy, spread

LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,-"'
TEXTS = [
    'Korea Utara membantah: "Tak ada senjata," kata KCNA.',
    "Peluncuran-peluncuran itu  gagal.".replace("  ", " "),
    "Menlu Rusia tiba di Pyongyang pada pagi hari yang sangat dingin untuk membahas kerja sama dua negara bertetangga itu lagi.",
]


@pytest.fixture(scope="module")
def student():
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "korea", "mem", "##bantah", "senjata", "rusia", "itu", ":"]
    small = LETTERS[:26] + LETTERS[52:]
    pieces += [*small, *(f"##{c}" for c in LETTERS[:26])]
    tokenizer = Tokenizer(WordPiece({piece: i for i, piece in enumerate(dict.fromkeys(pieces))}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = BertNormalizer(lowercase=True), BertPreTokenizer()
    return tokenizer


@pytest.fixture(scope="module")
def teacher():
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -4.0), ("▁Korea", -8.0), ("▁korea", -11.0),
              ("▁mem", -7.0), ("bantah", -9.0), ("▁senjata", -9.0), ("kan", -6.0), ("▁Rusia", -8.0)]  # fmt: skip
    pieces += [(c, -12.0) for c in LETTERS + ":"]
    tokenizer = Tokenizer(Unigram(pieces, unk_id=3, byte_fallback=False))
    tokenizer.pre_tokenizer = Metaspace(replacement="▁", prepend_scheme="always")
    return tokenizer


def words_of(tokenizer, ids, words, marks):
    """The text of each word, put together from its pieces."""
    put = {}
    for token, word in zip(ids, words, strict=True):
        piece = tokenizer.id_to_token(int(token))
        for mark in marks:
            piece = piece.replace(mark, "")
        put[int(word)] = put.get(int(word), "") + piece
    return put


def test_both_sides_hold_the_same_words(student, teacher):
    passages = Passages.from_texts(TEXTS, student, teacher, max_length=200, longest=400)
    assert len(passages.student) == len(TEXTS)
    for i, text in enumerate(TEXTS):
        ours = words_of(student, passages.student[i], passages.student_words[i], ["##"])
        theirs = words_of(teacher, passages.teacher[i], passages.teacher_words[i], ["▁"])
        assert list(ours.values()) == [word.lower() for word in text.split()]
        assert list(theirs.values()) == text.split()


def test_long_paragraphs_are_cut_between_words_and_lose_none(student, teacher):
    passages = Passages.from_texts(TEXTS, student, teacher, max_length=20, longest=60)
    assert len(passages.student) > len(TEXTS)
    found = []
    for i in range(len(passages.student)):
        ours = words_of(student, passages.student[i], passages.student_words[i], ["##"])
        theirs = words_of(teacher, passages.teacher[i], passages.teacher_words[i], ["▁"])
        assert list(ours) == list(theirs) == list(range(len(ours)))
        assert passages.words([i]) == len(ours)
        found += theirs.values()
    assert found == " ".join(TEXTS).split()


def test_an_endless_word_is_left_out(student, teacher):
    passages = Passages.from_texts(["a" * 300, TEXTS[0]], student, teacher, max_length=80, longest=100)
    assert len(passages.student) == 1


def test_passages_are_read_back(student, teacher, tmp_path):
    made = Passages.from_texts(TEXTS, student, teacher, max_length=20, longest=60)
    made.save(tmp_path, "train")
    read = Passages.load(tmp_path, "train")
    for name in ("student", "student_words", "teacher", "teacher_words"):
        assert np.array_equal(getattr(read, name).tokens, getattr(made, name).tokens)
        assert np.array_equal(getattr(read, name).starts, getattr(made, name).starts)


def test_embeddings_come_from_the_teachers_pieces(teacher):
    vectors = np.random.default_rng(0).normal(size=(teacher.get_vocab_size(), 16)).astype(np.float32)
    pieces = ["[CLS]", "korea", "senjata", "##bantah", "##kan", "membantah"]
    table = embeddings_of_pieces(pieces, teacher, {"[CLS]": 0}, vectors)
    known = teacher.get_vocab()

    def alike(row, *names):
        wanted = vectors[[known[name] for name in names]].mean(axis=0)
        return float(row @ wanted / np.linalg.norm(row) / np.linalg.norm(wanted))

    assert np.array_equal(table[0], vectors[0])
    # The spelling with a capital is e³ times as likely, so it weighs about twenty times as much.
    assert alike(table[1], "▁Korea") > 0.99
    assert alike(table[1], "▁Korea") > alike(table[1], "▁korea")
    assert alike(table[2], "▁senjata") > 0.99
    assert alike(table[3], "bantah") > 0.999
    assert alike(table[4], "kan") > 0.999
    assert alike(table[5], "▁mem", "bantah") > 0.99
    # As long as the teacher's, although means are shorter.
    assert np.linalg.norm(table[5]) == pytest.approx(np.linalg.norm(vectors[[known["▁mem"], known["bantah"]]], axis=1).mean(), rel=0.1)


def test_layers_are_copied_at_even_distances():
    assert layers_to_copy(6, 12) == [2, 4, 6, 8, 10, 12]
    assert layers_to_copy(6, 6) == [1, 2, 3, 4, 5, 6]
    with pytest.raises(SettingsError, match="'layers' is 6, but the teacher has 4"):
        layers_to_copy(6, 4)


def test_word_states_are_means_over_the_words_pieces():
    words = torch.tensor([[-1, 0, 0, 1, -1, -1], [-1, 0, 1, 2, 2, -1]])
    states = torch.arange(12.0).reshape(2, 6, 1)
    means = torch.bmm(averaging(words, 3), states).squeeze(-1)
    assert means.tolist() == [[1.5, 3.0, 0.0], [7.0, 8.0, 9.5]]


def test_spread_is_what_guessing_the_mean_misses():
    states = torch.tensor([[0.0, 1.0], [2.0, 1.0]])
    assert spread(states) == pytest.approx(0.5)
