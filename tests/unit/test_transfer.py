import importlib.util

import numpy as np
import pytest

from classify.errors import MissingExtraError
from training.corpus import Sequences
from training.transfer import align, start_embeddings

needs_gensim = pytest.mark.skipif(importlib.util.find_spec("gensim") is None, reason="gensim is not installed")
needs_eflomal = pytest.mark.skipif(importlib.util.find_spec("eflomal") is None, reason="eflomal is not installed")

ENGLISH = ["[PAD]", "[UNK]", "ship", "old", "sea", "7", ",", "stray", "radio"]
INDONESIAN = ["[PAD]", "[UNK]", "kapal", "tua", "laut", "7", ",", "radio"]
VECTORS = np.random.default_rng(1).normal(0, 1, (len(ENGLISH), 16)).astype(np.float32) * np.linspace(1, 3, len(ENGLISH))[:, None]


def corpus(rows):
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Sequences(np.asarray([piece for row in rows for piece in row], dtype=np.uint16), starts)


def parallel(*pairs):
    """Sentence pairs of one word each, linked: (English word, Indonesian word, how often)."""
    english, indonesian, links = [], [], []
    for source, target, count in pairs:
        english += [[ENGLISH.index(source)]] * count
        indonesian += [[INDONESIAN.index(target)]] * count
        links += [[(0, 0)]] * count
    return english, indonesian, links


def start(pairs, pieces=INDONESIAN, rows=(), **more):
    english, indonesian, links = parallel(*pairs)
    vectors = VECTORS.astype(np.float32)
    return start_embeddings(pieces, ENGLISH, vectors, english, indonesian, links, corpus(rows), seed=3, **more)


def mean_of(**shares):
    """The weighted mean of English vectors, as long as they are on average."""
    rows = np.stack([VECTORS[ENGLISH.index(word)] for word in shares])
    weights = np.asarray(list(shares.values()), dtype=float) / sum(shares.values())
    mean = weights @ rows
    return mean / np.linalg.norm(mean) * (weights @ np.linalg.norm(rows, axis=1))


ALL = (("ship", "kapal", 9), ("old", "kapal", 3), ("old", "tua", 5), ("sea", "laut", 4))


def test_every_piece_gets_the_mean_of_its_translations():
    found = start(ALL)
    np.testing.assert_allclose(found.vectors[2], mean_of(ship=9, old=3), rtol=1e-5)
    np.testing.assert_allclose(found.vectors[3], mean_of(old=1), rtol=1e-5)
    np.testing.assert_allclose(found.vectors[4], mean_of(sea=1), rtol=1e-5)
    assert found.vectors.dtype == np.float32
    assert (found.aligned, found.copied, found.neighbours, found.random) == (3, 5, 0, 0)


def test_rare_partners_are_noise():
    found = start([*ALL[1:], ("ship", "kapal", 29), ("stray", "kapal", 2)])
    np.testing.assert_allclose(found.vectors[2], mean_of(ship=29, old=3), rtol=1e-5)


def test_digits_marks_and_special_tokens_are_copied_even_when_links_say_otherwise():
    found = start([*ALL, ("stray", "7", 20), ("stray", ",", 20)])
    for piece in ("[PAD]", "[UNK]", "7", ","):
        np.testing.assert_array_equal(found.vectors[INDONESIAN.index(piece)], VECTORS[ENGLISH.index(piece)].astype(np.float32))


def test_same_spelling_is_copied_only_without_translations():
    np.testing.assert_allclose(start(ALL).vectors[7], VECTORS[8], rtol=1e-6)
    np.testing.assert_allclose(start([*ALL, ("ship", "radio", 3)]).vectors[7], mean_of(ship=1), rtol=1e-5)
    # Too few links are not believed.
    np.testing.assert_allclose(start([*ALL, ("ship", "radio", 2)]).vectors[7], VECTORS[8], rtol=1e-6)


def test_links_point_at_positions():
    # "old ship , 7" - "kapal tua , 7": the order differs.
    english = [[3, 2, 6, 5]] * 3 + [[4]] * 3
    indonesian = [[2, 3, 6, 5]] * 3 + [[4]] * 3
    links = [[(1, 0), (0, 1), (2, 2)]] * 3 + [[(0, 0)]] * 3
    found = start_embeddings(INDONESIAN, ENGLISH, VECTORS.astype(np.float32), english, indonesian, links, corpus([]), seed=3)
    np.testing.assert_allclose(found.vectors[2], VECTORS[2], rtol=1e-5)
    np.testing.assert_allclose(found.vectors[3], VECTORS[3], rtol=1e-5)


# Pieces 8, 9 and 10 have no translation; 8 stands where "kapal" does, 9 is rare, 10 never occurs.
MORE = [*INDONESIAN, "bahtera", "langka", "nihil"]


def sailing(count=400):
    generator = np.random.default_rng(5)
    rows = []
    for _ in range(count):
        rows.append([int(generator.choice([2, 8])), 3, 4, 6, 3, 4])
        rows.append([5, 7, 5, 7, 6, 7])
    return [*rows, [9, 3, 4]]


@needs_gensim
def test_pieces_without_translation_start_from_neighbours_or_at_random():
    found = start(ALL, MORE, sailing())
    assert (found.aligned, found.copied, found.neighbours, found.random) == (3, 5, 1, 2)
    assert np.isfinite(found.vectors).all()

    def likeness(i, j):
        one, other = found.vectors[i], found.vectors[j]
        return one @ other / np.linalg.norm(one) / np.linalg.norm(other)

    assert likeness(8, 2) > likeness(8, 5)
    assert likeness(8, 2) > likeness(8, 7)
    lengths = np.linalg.norm(found.vectors, axis=1)
    assert lengths[[2, 3, 4, 5, 6, 7]].min() <= lengths[8] <= lengths[[2, 3, 4, 5, 6, 7]].max()
    assert lengths[9] > 0
    assert lengths[10] > 0


@needs_gensim
def test_more_anchors_than_neighbours():
    pieces = [*MORE, *(f"kata{i}" for i in range(30))]
    english = [[i % 7 + 2] for i in range(30) for _ in range(3)]
    indonesian = [[11 + i] for i in range(30) for _ in range(3)]
    generator = np.random.default_rng(6)
    rows = [generator.integers(2, len(pieces), size=12).tolist() for _ in range(300)]
    found = start_embeddings(pieces, ENGLISH, VECTORS.astype(np.float32), english, indonesian, [[(0, 0)]] * 90, corpus(rows), seed=3)
    assert found.aligned == 30
    assert found.neighbours == 6
    assert np.isfinite(found.vectors).all()


@needs_gensim
@pytest.mark.parametrize("rows", [[], [[8, 9, 10]]], ids=["nothing", "hardly anything"])
def test_corpus_that_shows_nothing_leaves_the_rest_random(rows):
    found = start(ALL, MORE, rows)
    assert (found.neighbours, found.random) == (0, 3)
    assert np.isfinite(found.vectors).all()
    assert (np.linalg.norm(found.vectors[8:], axis=1) > 0).all()


@needs_gensim
def test_no_links_at_all():
    found = start([], ["kapal", "tua", "laut", "bahtera"], [[0, 1, 2, 3]] * 50)
    assert (found.aligned, found.copied, found.neighbours, found.random) == (0, 0, 0, 4)
    assert np.isfinite(found.vectors).all()


@needs_eflomal
def test_alignment_finds_the_words_that_go_together():
    pairs = {"ship": "kapal", "old": "tua", "sea": "laut", "war": "perang", "bank": "bendungan", "rice": "beras"}
    generator = np.random.default_rng(8)
    chosen = [generator.permutation(list(pairs))[:4].tolist() for _ in range(300)]
    source = chosen
    target = [[pairs[word] for word in reversed(sentence)] for sentence in chosen]
    links = align(source, target)
    assert len(links) == 300
    right = sum(pairs[source[n][i]] == target[n][j] for n, pair in enumerate(links) for i, j in pair)
    total = sum(map(len, links))
    assert right > 0.9 * total
    # Both directions find most of 1,200 words.
    assert total > 1800


def test_missing_aligner_says_what_to_install():
    if importlib.util.find_spec("eflomal") is not None:
        pytest.skip("eflomal is installed")
    with pytest.raises(MissingExtraError, match=r"aligning parallel text .*\[pretrain\]"):
        align([["a"]], [["b"]])
