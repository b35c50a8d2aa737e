"""Reading unlabelled and parallel text for pre-training, and cutting it into token sequences."""

from __future__ import annotations

import json
import lzma
import os
import re
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as SequenceOf
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from classify.errors import DataError
from classify.resources import processors

T = TypeVar("T")

_WORD = re.compile(r"\w+")
_SPACE = re.compile(r"\s+")


class SupportsEncodeBatch(Protocol):
    """What this module needs of a `tokenizers.Tokenizer`."""

    def encode_batch(self, input: list[str], *, add_special_tokens: bool = ...) -> list[Any]: ...  # noqa: D102


def read_texts(path: Path) -> Iterator[str]:
    """Yield one text after the other from ``.txt`` / ``.txt.xz`` (a paragraph a line) or ``.jsonl`` (title and text).

    Raises:
        DataError: when the file is missing, is not UTF-8, or a JSON line does not hold a ``text``.
    """
    if not path.is_file():
        raise DataError(f"there is no text file at {path}: point the setting at an existing .txt, .txt.xz or .jsonl file")
    try:
        with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as lines:
            if path.suffix != ".jsonl":
                yield from lines
                return
            for number, line in enumerate(lines, 1):
                yield _article(f"{path}:{number}", line)
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text: convert it") from None
    except (lzma.LZMAError, EOFError) as error:
        raise DataError(f"{path} cannot be unpacked ({error}): it is damaged or not an .xz file") from None


def _article(where: str, line: str) -> str:
    """Title and text of one JSON line."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise DataError(f'{where}: expected one JSON object with a "text" a line')
    return f"{row.get('title') or ''}\n{row['text']}".strip()


def clean_paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of ``text`` that are worth learning from: not broken encodings, not mere fragments."""
    for line in text.split("\n"):
        paragraph = _SPACE.sub(" ", line.replace("ï¿½", " ").replace("�", " ")).strip()
        if len(_WORD.findall(paragraph)) >= 4:
            yield paragraph


def shingles(text: str, words: int = 8) -> set[int]:
    """Hashes of every run of ``words`` words in ``text``: the measure of shared wording used throughout.

    The same in every process, which Python's own hashes are not.
    """
    tokens = _WORD.findall(text.lower())
    runs = (" ".join(tokens[i : i + words]).encode() for i in range(len(tokens) - words + 1))
    return {int.from_bytes(blake2b(run, digest_size=8).digest(), "little") for run in runs}


class HeldOut:
    """Texts that must never be trained on; recognises any paragraph sharing eight words in a row with one of them.

    Args:
        paths: files of texts.
        whole: also recognise lines of fewer words when they are the same.
    """

    def __init__(self, paths: Iterable[Path], whole: bool = False) -> None:
        self._known: set[int] = set()
        self._lines: set[str] = set()
        for path in paths:
            for text in read_texts(path):
                self._known |= shingles(text)
                if whole:
                    self._lines.update(_bare(line) for line in text.split("\n"))

    def __contains__(self, paragraph: str) -> bool:
        if self._lines and _bare(paragraph) in self._lines:
            return True
        return bool(self._known) and not self._known.isdisjoint(shingles(paragraph))


def _bare(line: str) -> str:
    return " ".join(_WORD.findall(line.lower()))


def without(texts: Iterable[str], held_out: HeldOut) -> tuple[list[str], int]:
    """The clean paragraphs of some texts that share no wording with ``held_out``, and how many others there were."""
    paragraphs = [paragraph for text in texts for paragraph in clean_paragraphs(text)]
    kept = [paragraph for paragraph in paragraphs if paragraph not in held_out]
    return kept, len(paragraphs) - len(kept)


@dataclass(frozen=True)
class Sequences:
    """Token sequences of differing length in one flat array.

    Attributes:
        tokens: all token ids after one another, shape ``(total,)``.
        starts: where each sequence begins, shape ``(count + 1,)``; the last entry is ``total``.
    """

    tokens: NDArray[np.integer]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> NDArray[np.integer]:
        return self.tokens[self.starts[index] : self.starts[index + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Length of every sequence in tokens, shape ``(count,)``."""
        return np.diff(self.starts)

    def save(self, path: Path) -> None:
        """Write both arrays to ``path`` (``.npz``)."""
        np.savez(path, tokens=self.tokens, starts=self.starts)

    @classmethod
    def load(cls, path: Path) -> Sequences:
        """Read what :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["tokens"], arrays["starts"])

    @classmethod
    def from_texts(cls, texts: Iterable[str], tokenizer: SupportsEncodeBatch, max_length: int) -> Sequences:
        """Encode paragraphs without special tokens; longer ones are cut, and no sequence crosses from one to the next."""
        pieces: list[NDArray[np.uint16]] = []
        for batch in in_batches(texts):
            for encoding in tokenizer.encode_batch(batch, add_special_tokens=False):
                ids = np.asarray(encoding.ids, dtype=np.uint16)
                # Equal parts, so that no cut leaves a stump of three tokens.
                parts = max(1, -(-len(ids) // max_length))
                pieces.extend(part for part in np.array_split(ids, parts) if len(part))
        return cls.joined(pieces, np.uint16)

    @classmethod
    def concatenated(cls, parts: SequenceOf[Sequences]) -> Sequences:
        """The sequences of all ``parts``, of which there is at least one, after one another."""
        shifts = np.cumsum([0, *(len(part.tokens) for part in parts)])
        starts = [part.starts[1:] + shift for part, shift in zip(parts, shifts[:-1], strict=True)]
        return cls(np.concatenate([part.tokens for part in parts]), np.concatenate([np.zeros(1, np.int64), *starts]))

    @classmethod
    def joined(cls, rows: SequenceOf[NDArray[np.integer]], dtype: type[np.unsignedinteger]) -> Sequences:
        """The rows after one another; ``dtype`` is that of no rows at all."""
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(row) for row in rows], dtype=np.int64)])
        return cls(np.concatenate(rows) if len(rows) else np.zeros(0, dtype), starts)


def in_processes(work: Callable[[list[str]], T], texts: SequenceOf[str], size: int = 8192) -> list[T]:
    """``work`` on every ``size`` texts, in order; of many texts on all cores, each process with a share.

    Args:
        work: must not depend on what came before; what it returns is sent between processes.
        texts: what to work on.
        size: texts handed over at once.
    """
    batches = list(in_batches(texts, size))
    if len(batches) < 2 or processors() < 2:
        return [work(batch) for batch in batches] or [work([])]
    # The processes are the parallelism: threads of the tokenizers library inside them would only get in each other's way.
    before = os.environ.get("TOKENIZERS_PARALLELISM")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    try:
        with ProcessPoolExecutor(min(processors(), len(batches))) as pool:
            return list(pool.map(work, batches))
    finally:
        if before is None:
            del os.environ["TOKENIZERS_PARALLELISM"]
        else:
            os.environ["TOKENIZERS_PARALLELISM"] = before


def in_batches(texts: Iterable[str], size: int = 4096) -> Iterator[list[str]]:
    """Lists of ``size`` texts, the last one shorter: as many as are worth handing to a tokenizer at once."""
    source = iter(texts)
    while batch := list(islice(source, size)):
        yield batch


def batches_of_similar_length(lengths: NDArray[np.int64], tokens_per_batch: int, seed: int, pool: int = 20_000) -> list[NDArray[np.int64]]:
    """One pass over all sequences in random order, as batches of index arrays with little padding.

    Sequences are shuffled, sorted by length within pools of ``pool`` and cut where the padded batch would exceed
    ``tokens_per_batch``. The same arguments give the same batches, which is what makes resuming exact.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(lengths))
    batches: list[NDArray[np.int64]] = []
    for begin in range(0, len(order), pool):
        part = order[begin : begin + pool]
        part = part[np.argsort(lengths[part], kind="stable")]
        first = 0
        for i in range(1, len(part) + 1):
            if i == len(part) or (i + 1 - first) * (int(lengths[part[i]]) + 2) > tokens_per_batch:
                batches.append(part[first:i])
                first = i
    return [batches[i] for i in random.permutation(len(batches))]


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Sentence pairs (English, Indonesian) from ``score<TAB>source<TAB>english<TAB>indonesian``, also ``.xz``."""
    pairs = []
    for number, line in enumerate(read_texts(path), 1):
        fields = line.rstrip("\n").split("\t")
        if len(fields) < 2:
            if line.strip():
                raise DataError(f"{path}:{number}: expected tab-separated English and Indonesian text")
            continue
        pairs.append((fields[-2].strip(), fields[-1].strip()))
    return [(english, indonesian) for english, indonesian in pairs if english and indonesian]
