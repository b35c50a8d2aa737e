"""A teacher that reads the corpus itself: a multilingual encoder, copied word by word into a small Indonesian one.

Teacher and student cut text into different pieces, but both cut it within the same white-space words. So every word's
state (the mean over its pieces) can be compared: the student learns the teacher's states, layer by layer (Sun et al. 2019,
"Patient Knowledge Distillation"; Jiao et al. 2020, TinyBERT), while some words are masked, so that it learns the language,
too. Embeddings start from the teacher's own pieces of the same string, weighted by how likely each spelling is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from torch import Tensor
from torch.nn import functional

from classify.errors import SettingsError
from training.corpus import Sequences, in_batches

SPECIAL = {"[CLS]": "cls_token", "[SEP]": "sep_token", "[PAD]": "pad_token", "[UNK]": "unk_token", "[MASK]": "mask_token"}


@dataclass(frozen=True)
class Passages:
    """The same passages in two vocabularies; all four have one row a passage.

    Attributes:
        student: the student's token ids, without special tokens.
        student_words: for each of them the number of its word in the passage.
        teacher: the teacher's token ids.
        teacher_words: for each of them the number of its word.
    """

    student: Sequences
    student_words: Sequences
    teacher: Sequences
    teacher_words: Sequences

    @classmethod
    def load(cls, folder: Path, name: str) -> Passages:
        """Read what :meth:`save` wrote."""
        return cls(*(Sequences.load(folder / f"{name}{part}.npz") for part in ("", "_words", "_teacher", "_teacher_words")))

    def words(self, rows: Iterable[int]) -> int:
        """Words of the longest of these passages."""
        return 1 + max(int(words[i][-1]) for i in rows for words in (self.student_words, self.teacher_words))

    def save(self, folder: Path, name: str) -> None:
        """Write four files that begin with ``name``; the first is what :class:`~training.corpus.Sequences` alone would be."""
        parts = {"": self.student, "_words": self.student_words, "_teacher": self.teacher, "_teacher_words": self.teacher_words}
        for part, sequences in parts.items():
            sequences.save(folder / f"{name}{part}.npz")

    @classmethod
    def joined(cls, parts: Sequence[Passages]) -> Passages:
        """The passages of all ``parts`` after one another."""
        names = ("student", "student_words", "teacher", "teacher_words")
        return cls(*(Sequences.concatenated([getattr(part, name) for part in parts]) for name in names))

    @classmethod
    def from_texts(cls, texts: Iterable[str], student: Tokenizer, teacher: Tokenizer, max_length: int, longest: int) -> Passages:
        """Cut paragraphs between words into passages of about ``max_length`` student tokens.

        Args:
            texts: paragraphs whose words are separated by single spaces.
            student: the tokenizer of the model to train.
            teacher: the tokenizer of the model to learn from.
            max_length: of a passage, in student tokens; a word more where a word straddles the limit.
            longest: passages with more tokens than this on either side (endless words, lists of symbols) are left out.
        """
        rows: list[list[NDArray[np.integer]]] = [[], [], [], []]
        for batch in in_batches(texts):
            both = (tokenizer.encode_batch(batch, add_special_tokens=False) for tokenizer in (student, teacher))
            for text, left, right in zip(batch, *both, strict=True):
                spaces = np.flatnonzero(np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32) == 32)
                left_words, right_words = _words(left, spaces), _words(right, spaces)
                parts = max(1, -(-len(left_words) // max_length))
                # Where each part begins, moved to the beginning of the word there.
                cuts = sorted({int(left_words[len(left_words) * part // parts]) for part in range(1, parts)})
                for first, last in zip([0, *cuts], [*cuts, len(spaces) + 1], strict=True):
                    here = (left_words >= first) & (left_words < last)
                    there = (right_words >= first) & (right_words < last)
                    if 0 < here.sum() <= longest and 0 < there.sum() <= longest and last - first < 256:
                        rows[0].append(np.asarray(left.ids, dtype=np.uint16)[here])
                        rows[1].append((left_words[here] - first).astype(np.uint8))
                        rows[2].append(np.asarray(right.ids, dtype=np.uint32)[there])
                        rows[3].append((right_words[there] - first).astype(np.uint8))
        types = (np.uint16, np.uint8, np.uint32, np.uint8)
        return cls(*(Sequences.joined(parts, dtype) for parts, dtype in zip(rows, types, strict=True)))


def _words(encoding: Encoding, spaces: NDArray[np.int64]) -> NDArray[np.int64]:
    """For every token the number of its word: the spaces before its last character (its first may be the space itself)."""
    ends = np.asarray([end for _, end in encoding.offsets], dtype=np.int64)
    return np.searchsorted(spaces, np.maximum(ends - 1, 0), side="right")


def embeddings_of_pieces(
    pieces: Sequence[str], teacher: Tokenizer, special: dict[str, int], vectors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The student's embedding table to start from, ``(len(pieces), hidden)``.

    A piece that begins a word starts from the mean of the teacher's pieces of the same string, over its spellings in small
    letters, with a capital and in capitals, weighted by their likelihood under the teacher's unigram model. A piece inside
    a word (``##...``) starts from the teacher's pieces without the mark of a word's beginning, where there are such.

    Args:
        pieces: the student's vocabulary, by id.
        teacher: the teacher's tokenizer.
        special: the teacher's id for each of the student's special tokens.
        vectors: the teacher's embedding table.
    """
    scores = _unigram_scores(teacher)
    vocabulary = teacher.get_vocab()
    result = np.zeros((len(pieces), vectors.shape[1]), dtype=np.float32)
    for i, piece in enumerate(pieces):
        if piece in special:
            result[i] = vectors[special[piece]]
            continue
        inside = piece.startswith("##")
        text = piece[2:] if inside else piece
        spellings = sorted({text} if inside else {text, text.capitalize(), text.upper()})
        means, likelihoods, lengths = [], [], []
        for spelling in spellings:
            if inside and (piece in vocabulary or spelling in vocabulary):
                ids = [vocabulary.get(piece, vocabulary.get(spelling, 0))]
            else:
                ids = teacher.encode(spelling, add_special_tokens=False).ids
                if inside:
                    # The teacher marks a word's beginning with a character of its own; inside words there is none.
                    bare = [vocabulary.get((teacher.id_to_token(n) or "").lstrip("▁"), n) for n in ids]
                    ids = [n for n in bare if teacher.id_to_token(n) != "▁"] or ids
            ids = ids or [special["[UNK]"]]
            means.append(vectors[ids].mean(axis=0))
            lengths.append(np.linalg.norm(vectors[ids], axis=1).mean())
            likelihoods.append(sum(scores[n] for n in ids))
        weight = np.exp(np.asarray(likelihoods) - max(likelihoods))
        weight /= weight.sum()
        mean = weight @ np.stack(means)
        # A mean of vectors is shorter than its parts; layer norm and the tied output layer expect the usual length.
        result[i] = mean * (weight @ np.asarray(lengths) / max(float(np.linalg.norm(mean)), 1e-6))
    return result


def _unigram_scores(tokenizer: Tokenizer) -> NDArray[np.float64]:
    """Log-probability of every piece; nought for all where the tokenizer is not a unigram model."""
    model = json.loads(tokenizer.to_str())["model"]
    if model["type"] != "Unigram":
        return np.zeros(tokenizer.get_vocab_size())
    scores = np.zeros(tokenizer.get_vocab_size())
    for i, (_, score) in enumerate(model["vocab"]):
        scores[i] = score
    return scores


def layers_to_copy(student_layers: int, teacher_layers: int) -> list[int]:
    """For each of the student's layers, counted from 1, the teacher's layer it starts from and is compared to.

    Raises:
        SettingsError: when the teacher has fewer layers than the student.
    """
    if teacher_layers < student_layers:
        raise SettingsError(f"'layers' is {student_layers}, but the teacher has {teacher_layers} only")
    return [round(layer * teacher_layers / student_layers) for layer in range(1, student_layers + 1)]


def averaging(words: Tensor, count: int) -> Tensor:
    """The matrix that takes token states to word states.

    Args:
        words: the word number of every token ``(batch, length)``, -1 for special tokens and padding.
        count: words in the longest passage.

    Returns:
        ``(batch, count, length)``; each row sums to 1, or to 0 where the passage has no such word.
    """
    matrix = functional.one_hot(words + 1, count + 1)[..., 1:].transpose(1, 2).float()
    return matrix / matrix.sum(-1, keepdim=True).clamp(min=1)


def spread(states: Tensor) -> float:
    """Mean variance over the features of ``states`` ``(rows, hidden)``: what guessing the mean would miss."""
    return float((states - states.mean(0)).pow(2).mean())
