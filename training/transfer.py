"""Carrying an English encoder's word meanings over to an Indonesian vocabulary, before any training.

Pieces of the parallel text are word-aligned, and each Indonesian piece starts from the weighted mean of the English
pieces it translates to (WECHSEL, Minixhofer et al. 2022); pieces the parallel text does not cover start from their
neighbours in a word2vec space of the Indonesian corpus (FOCUS, Dobler & de Melo 2023).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classify.errors import MissingExtraError
from training.corpus import Sequences

logger = logging.getLogger(__name__)

Links = list[tuple[int, int]]


@dataclass(frozen=True)
class Transfer:
    """The start of an embedding table.

    Attributes:
        vectors: shape ``(vocabulary, hidden)``.
        aligned: pieces that start from their translations.
        copied: pieces copied because the same string stands in the English vocabulary.
        neighbours: pieces that start from distributional neighbours.
        random: pieces without any evidence.
    """

    vectors: NDArray[np.float32]
    aligned: int
    copied: int
    neighbours: int
    random: int


def align(source: Sequence[Sequence[str]], target: Sequence[Sequence[str]]) -> list[Links]:
    """Word-align token sequences with eflomal (Östling & Tiedemann 2016), both directions, links of either kept.

    Returns:
        for every pair the links ``(source index, target index)``; a link both directions found stands twice.

    Raises:
        MissingExtraError: when eflomal is not installed.
    """
    try:
        from eflomal import Aligner
    except ImportError:
        raise MissingExtraError("aligning parallel text", "pretrain") from None
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("source", "target", "forward", "reverse")]
        for path, sentences in zip(paths, (source, target), strict=False):
            path.write_text("".join(" ".join(sentence) + "\n" for sentence in sentences), encoding="utf-8")
        with paths[0].open(encoding="utf-8") as left, paths[1].open(encoding="utf-8") as right:
            Aligner().align(left, right, links_filename_fwd=str(paths[2]), links_filename_rev=str(paths[3]), quiet=True)
        links: list[Links] = []
        with paths[2].open() as forward, paths[3].open() as reverse:
            for one, other in zip(forward, reverse, strict=True):
                pairs = (link.split("-") for link in one.split() + other.split())
                links.append([(int(i), int(j)) for i, j in pairs])
    return links


def start_embeddings(
    pieces: Sequence[str],
    english_pieces: Sequence[str],
    english_vectors: NDArray[np.float32],
    english_ids: Sequence[Sequence[int]],
    indonesian_ids: Sequence[Sequence[int]],
    links: Sequence[Links],
    corpus: Sequences,
    seed: int,
    min_count: int = 3,
) -> Transfer:
    """The embedding table to start from.

    Args:
        pieces: the Indonesian vocabulary, by id.
        english_pieces: the English vocabulary, by id.
        english_vectors: shape ``(English vocabulary, hidden)``.
        english_ids: for every pair the English token ids.
        indonesian_ids: for every pair the Indonesian token ids.
        links: for every pair ``(English index, Indonesian index)``, as :func:`align` gives them.
        corpus: the tokenised Indonesian corpus, for the neighbours.
        seed: for word2vec and for the pieces without evidence.
        min_count: links a piece needs before its translations are believed.
    """
    from scipy.sparse import coo_matrix, diags

    rows = np.fromiter((ids[j] for ids, ls in zip(indonesian_ids, links, strict=True) for _, j in ls), dtype=np.int64)
    columns = np.fromiter((ids[i] for ids, ls in zip(english_ids, links, strict=True) for i, _ in ls), dtype=np.int64)
    counts = coo_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), (len(pieces), len(english_pieces))).tocsr()
    total = np.asarray(counts.sum(axis=1)).ravel()
    top = np.asarray(counts.max(axis=1).todense()).ravel()
    # Rare partners are mostly alignment noise: keep those within a tenth of the best one.
    coo = counts.tocoo()
    keep = coo.data >= 0.1 * top[coo.row]
    kept = coo_matrix((coo.data[keep], (coo.row[keep], coo.col[keep])), counts.shape).tocsr()
    mass = np.maximum(np.asarray(kept.sum(axis=1)).ravel(), 1e-9)
    weights = diags(1.0 / mass) @ kept
    vectors = np.asarray(weights @ english_vectors, dtype=np.float32)
    # A mean of vectors is shorter than its parts; layer norm and tied output weights expect the usual length.
    norms = np.linalg.norm(english_vectors, axis=1)
    wanted = np.asarray(weights @ norms).ravel()
    vectors *= (wanted / np.maximum(np.linalg.norm(vectors, axis=1), 1e-6))[:, None]

    believed = total >= min_count
    english_index = {piece: i for i, piece in enumerate(english_pieces)}
    copied = np.zeros(len(pieces), dtype=bool)
    for i, piece in enumerate(pieces):
        twin = english_index.get(piece)
        if twin is not None and (not believed[i] or not any(character.isalpha() for character in piece)):
            vectors[i] = english_vectors[twin]
            copied[i] = True
    aligned = believed & ~copied
    known = aligned | copied

    from_neighbours = np.zeros(len(pieces), dtype=bool)
    if not known.all():
        space, seen = _word2vec(corpus, len(pieces), seed)
        space /= np.maximum(np.linalg.norm(space, axis=1, keepdims=True), 1e-6)
        anchors = np.flatnonzero(known & seen)
        nearest = min(10, len(anchors))
        for missing in np.flatnonzero(~known & seen) if nearest else ():
            i = int(missing)
            likeness = space[anchors] @ space[i]
            best = np.argpartition(-likeness, nearest - 1)[:nearest]
            weight = np.exp((likeness[best] - likeness[best].max()) / 0.1)
            weight /= weight.sum()
            mean = weight @ vectors[anchors[best]]
            length = weight @ np.linalg.norm(vectors[anchors[best]], axis=1)
            vectors[i] = mean * (length / max(float(np.linalg.norm(mean)), 1e-6))
            from_neighbours[i] = True
    random = ~(known | from_neighbours)
    generator = np.random.default_rng(seed)
    vectors[random] = generator.normal(0, english_vectors.std(), (int(random.sum()), vectors.shape[1]))
    assert np.isfinite(vectors).all()
    return Transfer(vectors, int(aligned.sum()), int(copied.sum()), int(from_neighbours.sum()), int(random.sum()))


def _word2vec(corpus: Sequences, vocabulary: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """CBOW vectors ``(vocabulary, 100)`` of the pieces, and which of them occurred often enough to have one."""
    try:
        from gensim.models import Word2Vec
    except ImportError:
        raise MissingExtraError("starting uncovered pieces from their neighbours", "pretrain") from None

    vectors = np.zeros((vocabulary, 100), dtype=np.float32)
    seen = np.bincount(corpus.tokens, minlength=vocabulary) >= 5
    if not seen.any():
        return vectors, seen

    class Sentences:
        def __iter__(self) -> Iterator[list[str]]:
            for i in range(len(corpus)):
                yield corpus[i].astype(str).tolist()

    model = Word2Vec(Sentences(), vector_size=100, window=5, min_count=5, sg=0, negative=5, epochs=2, seed=seed, workers=2)
    for word, i in model.wv.key_to_index.items():
        vectors[int(word)] = model.wv.vectors[i]
    return vectors, seen
