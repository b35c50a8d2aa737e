"""Pre-training a compact Indonesian BERT: vocabulary, knowledge carried over from a teacher, masked language modelling.

Two objectives share one loop. *Masked language modelling* with whole-word masking reads the Indonesian corpus.
*Distillation* draws the student's states to a teacher's, in one of two ways. A multilingual teacher reads the same
Indonesian text, and the two are compared word by word and layer by layer (:mod:`training.reading`). An English teacher
needs sentence pairs (Reimers & Gurevych 2020): it encodes the English side, the student the Indonesian one, and the
student's sentence vectors ([CLS] and mean) and aligned token states are drawn to the teacher's. Every step's batch and
mask follow from the seed and the step number alone, so a resumed run is exact.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import AutoConfig, AutoModel, AutoTokenizer, BertConfig, BertForMaskedLM, PreTrainedModel

from classify.errors import DataError, SettingsError
from classify.resources import processors
from training.corpus import HeldOut, Sequences, batches_of_similar_length, in_processes, read_pairs, read_texts, without
from training.precision import uses_bf16
from training.reading import SPECIAL, Passages, averaging, embeddings_of_pieces, layers_to_copy, spread
from training.settings import as_dict
from training.tokenizer import save_tokenizer, train_tokenizer
from training.transfer import Links, align, start_embeddings

logger = logging.getLogger(__name__)

# Sentence pairs never trained on, for the translation-retrieval check.
HELD_PAIRS = 500


@dataclass(frozen=True)
class Stage:
    """A stretch of training.

    Attributes:
        name: for the log.
        steps: optimiser steps.
        distil: share of the steps that distil from the teacher (and model masked words); the others only model masked words.
    """

    name: str
    steps: int
    distil: float = 0.0


@dataclass(frozen=True)
class PretrainSettings:
    """Everything that decides a pre-training run; see ``configs/pretrain.yaml`` for the recipe that is shipped.

    Attributes:
        corpus: text files to learn from; a file may be named twice to be read twice an epoch.
        held_out: texts never to train on; paragraphs sharing eight words in a row with them are dropped.
        teacher: directory of the BERT encoder whose body is the start and whose states are the target. It reads the corpus
            itself, or, where ``parallel`` is given, the English side of the pairs.
        parallel: English-Indonesian pairs, tab separated, for a teacher that reads English only.
        dictionary: English-Indonesian word pairs, used for alignment only.
        tokenizer: directory whose vocabulary is kept instead of training one of ``vocabulary_size`` on the corpus.
        output: directory the base model is written to.
        vocabulary_size, hidden_size, layers, heads, intermediate_size, max_positions: the model's shape.
        max_length: tokens of one training sequence, special tokens left out.
        tokens_per_batch: padded tokens of one optimiser step over all processes.
        mask: share of the words that are masked.
        distil_weight: weight of the distillation losses beside the masked-language-model loss.
        learning_rate, warmup, weight_decay: AdamW with linear warm-up (share of all steps) and linear decay to zero.
        precision: ``fp32``, ``bf16``, or ``auto``: bf16 where the device multiplies it natively.
        stages: what is trained, in order.
        checkpoint_every, log_every: in steps.
        seed: for everything drawn at random.
    """

    corpus: tuple[Path, ...]
    output: Path
    held_out: tuple[Path, ...] = ()
    teacher: Path | None = None
    parallel: Path | None = None
    dictionary: Path | None = None
    tokenizer: Path | None = None
    vocabulary_size: int = 12_000
    hidden_size: int = 384
    layers: int = 6
    heads: int = 12
    intermediate_size: int = 1536
    max_positions: int = 512
    max_length: int = 94
    tokens_per_batch: int = 6144
    gradient_accumulation: int = 1
    mask: float = 0.2
    distil_weight: float = 4.0
    learning_rate: float = 4e-4
    warmup: float = 0.03
    weight_decay: float = 0.01
    precision: str = "auto"
    stages: tuple[Stage, ...] = (Stage("mlm", 1000),)
    checkpoint_every: int = 500
    log_every: int = 20
    seed: int = 13

    def __post_init__(self) -> None:
        if self.precision not in ("auto", "fp32", "bf16"):
            raise SettingsError(f"setting 'precision' must be one of auto, fp32, bf16, not '{self.precision}'")
        if not 0 < self.mask < 1:
            raise SettingsError(f"setting 'mask' must lie between 0 and 1, not {self.mask}")
        if any(stage.distil > 0 for stage in self.stages) and not self.teacher:
            raise SettingsError("a stage with 'distil' above 0 needs a 'teacher'")
        if self.dictionary and not self.parallel:
            raise SettingsError("setting 'dictionary' only helps to align sentence pairs: give 'parallel', too, or leave it out")
        if self.parallel and not self.teacher:
            raise SettingsError("setting 'parallel' needs a 'teacher': the pairs carry its knowledge over")
        if self.hidden_size % self.heads:
            raise SettingsError(f"'hidden_size' ({self.hidden_size}) must be a multiple of 'heads' ({self.heads})")
        if self.vocabulary_size > 65_535:
            raise SettingsError("setting 'vocabulary_size' must be below 65536: token ids are stored in 16 bits")
        # A sentence of a pair, or a passage whose last word is endless, may be twice as long as a paragraph's part.
        longest = self.max_length * (2 if self.teacher else 1) + 2
        if longest > self.max_positions:
            raise SettingsError(
                f"setting 'max_length' ({self.max_length}) makes sequences of up to {longest} tokens, more than "
                f"'max_positions' ({self.max_positions})"
            )

    @property
    def longest(self) -> int:
        """Tokens of the longest passage that a teacher reading the corpus is shown."""
        return 2 * self.max_length

    @property
    def steps(self) -> int:
        """Optimiser steps of all stages."""
        return sum(stage.steps for stage in self.stages)


@dataclass(frozen=True)
class Prepared:
    """Everything tokenised, read back from ``output/prepared``."""

    tokenizer: Tokenizer
    train: Sequences
    validation: Sequences
    english: Sequences
    indonesian: Sequences
    links: Sequences  # flat (English index, Indonesian index) pairs
    # Of a teacher that reads the corpus itself: training and validation passages in both vocabularies.
    passages: tuple[Passages, Passages] | None = None


# --------------------------------------------------------------------------------------------------------------------
# Preparation


def prepare(settings: PretrainSettings) -> Prepared:
    """Train the vocabulary, tokenise the corpus and align the parallel text; done once, kept in ``output/prepared``."""
    folder = settings.output / "prepared"
    names = ("train", "validation", "english", "indonesian", "links")
    _same_recipe(settings, folder / "recipe.json")
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        paragraphs = _paragraphs(settings)
        # One paragraph in two hundred, by its own hash so that a copy never stands on both sides.
        digests = [hashlib.sha256(paragraph.encode()).digest() for paragraph in paragraphs]
        is_validation = [digest[0] == 0 for digest in digests]
        if digests and not any(is_validation):
            # Of very little text at least one paragraph.
            is_validation = [digest == min(digests) for digest in digests]
        if all(is_validation):
            raise DataError(f"there are too few paragraphs of four or more words to learn from in {', '.join(map(str, settings.corpus))}")
        pairs = read_pairs(settings.parallel) if settings.parallel else []
        train_part = [p for p, aside in zip(paragraphs, is_validation, strict=True) if not aside]
        if settings.tokenizer:
            tokenizer = _tokenizer_of(settings.tokenizer)
        else:
            tokenizer = train_tokenizer(train_part + [indonesian for _, indonesian in pairs], settings.vocabulary_size)
        tokenizer.save(str(folder / "tokenizer.json"))
        reader = _tokenizer_of(settings.teacher) if settings.teacher and not settings.parallel else None
        validation_part = [p for p, aside in zip(paragraphs, is_validation, strict=True) if aside]
        for name, chosen in (("train", train_part), ("validation", validation_part)):
            if reader:
                cut = partial(
                    Passages.from_texts, student=tokenizer, teacher=reader, max_length=settings.max_length, longest=settings.longest
                )
                Passages.joined(in_processes(cut, chosen)).save(folder, name)
            else:
                cut_alone = partial(Sequences.from_texts, tokenizer=tokenizer, max_length=settings.max_length)
                Sequences.concatenated(in_processes(cut_alone, chosen)).save(folder / f"{name}.npz")
        _prepare_pairs(settings, tokenizer, pairs, folder)
        (folder / "done").touch()
    loaded = {name: Sequences.load(folder / f"{name}.npz") for name in names}
    passages = None
    if settings.teacher and not settings.parallel:
        passages = Passages.load(folder, "train"), Passages.load(folder, "validation")
    return Prepared(tokenizer=Tokenizer.from_file(str(folder / "tokenizer.json")), passages=passages, **loaded)


def _paragraphs(settings: PretrainSettings) -> list[str]:
    """What there is to read, without paragraphs that share wording with held-out texts."""
    held_out = HeldOut(settings.held_out)
    texts = [text for path in settings.corpus for text in read_texts(path)]
    parts = in_processes(partial(without, held_out=held_out), texts)
    logger.info(
        "%d paragraphs; %d dropped because they share wording with held-out texts",
        sum(len(kept) for kept, _ in parts), sum(dropped for _, dropped in parts),
    )  # fmt: skip
    return [paragraph for kept, _ in parts for paragraph in kept]


def _check_teacher(settings: PretrainSettings) -> None:
    """Find out before hours of work what cannot be a teacher."""
    if settings.teacher is None:
        return
    try:
        shape, tokenizer = AutoConfig.from_pretrained(settings.teacher), AutoTokenizer.from_pretrained(settings.teacher)
    except (OSError, ValueError, KeyError) as error:
        raise SettingsError(f"the teacher {settings.teacher} cannot be loaded: {str(error).splitlines()[0]}") from None
    if shape.model_type != "bert" or not getattr(tokenizer, "is_fast", False):
        raise SettingsError(f"the teacher {settings.teacher} is not a BERT with a fast tokenizer (its model_type is '{shape.model_type}')")
    if settings.hidden_size != shape.hidden_size:
        raise SettingsError(f"'hidden_size' is {settings.hidden_size}, the teacher's is {shape.hidden_size}: they must be equal to distil")
    layers_to_copy(settings.layers, shape.num_hidden_layers)


def _check_tokenizer(settings: PretrainSettings) -> None:
    """Find out before the corpus is read what cannot be the vocabulary."""
    if settings.tokenizer is None:
        return
    try:
        vocabulary = _tokenizer_of(settings.tokenizer).get_vocab()
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise SettingsError(
            f"the tokenizer in {settings.tokenizer} cannot be loaded ({str(error).splitlines()[0]}): give the directory of a BERT, or "
            "leave 'tokenizer' out to train one"
        ) from None
    lacking = [token for token in SPECIAL if token not in vocabulary]
    if lacking or len(vocabulary) > 65_535 or not any(piece.startswith("##") for piece in vocabulary):
        why = f"lacks {', '.join(lacking)}" if lacking else f"has {len(vocabulary)} pieces, or none inside words"
        raise SettingsError(f"the tokenizer in {settings.tokenizer} {why}: a WordPiece vocabulary of at most 65535 pieces is needed")


def _tokenizer_of(directory: Path) -> Tokenizer:
    """The fast tokenizer of a model directory, set to neither pad nor truncate."""
    tokenizer: Tokenizer = AutoTokenizer.from_pretrained(directory).backend_tokenizer
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _same_recipe(settings: PretrainSettings, path: Path) -> None:
    """Note which texts and shape ``prepared`` and ``start`` are made for; refuse to go on with another recipe's."""
    paths = {name: getattr(settings, name) for name in ("corpus", "held_out", "parallel", "dictionary", "teacher", "tokenizer")}
    made_for: dict[str, Any] = {
        name: [str(one.resolve()) for one in ((value,) if isinstance(value, Path) else value or ())] for name, value in paths.items()
    }
    for name in ("vocabulary_size", "hidden_size", "layers", "heads", "intermediate_size", "max_positions", "max_length", "seed"):
        made_for[name] = getattr(settings, name)
    if path.exists():
        earlier = json.loads(path.read_text(encoding="utf-8"))
        differing = [name for name, value in made_for.items() if earlier.get(name) != value]
        if differing:
            raise SettingsError(
                f"{settings.output} holds a run begun with other settings ({', '.join(differing)}): "
                "choose another output, or remove it to begin anew"
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made_for, indent=1) + "\n", encoding="utf-8")


def _flat(rows: list[list[int]]) -> Sequences:
    return Sequences.joined([np.asarray(row, dtype=np.uint16) for row in rows], np.uint16)


def _prepare_pairs(settings: PretrainSettings, tokenizer: Tokenizer, pairs: list[tuple[str, str]], folder: Path) -> None:
    """Tokenise both sides, align them piece by piece, and keep ids and links."""
    english: list[list[int]] = []
    indonesian: list[list[int]] = []
    links: list[Links] = []
    if pairs:
        assert settings.teacher is not None
        words = read_pairs(settings.dictionary) if settings.dictionary else []
        both = pairs + words
        teacher_tokenizer = _tokenizer_of(settings.teacher)
        left = teacher_tokenizer.encode_batch([pair[0] for pair in both], add_special_tokens=False)
        right = tokenizer.encode_batch([pair[1] for pair in both], add_special_tokens=False)
        usable = [bool(a.ids and b.ids) and len(b.ids) <= 2 * settings.max_length for a, b in zip(left, right, strict=True)]
        left = [a for a, good in zip(left, usable, strict=True) if good]
        right = [b for b, good in zip(right, usable, strict=True) if good]
        links = align([a.tokens for a in left], [b.tokens for b in right])
        english, indonesian = [a.ids for a in left], [b.ids for b in right]
        # The dictionary's single words help aligning and embedding; there is nothing to distil from them.
        (folder / "sentence_pairs").write_text(str(sum(usable[: len(pairs)])))
    _flat(english).save(folder / "english.npz")
    _flat(indonesian).save(folder / "indonesian.npz")
    _flat([[index for link in pair for index in link] for pair in links]).save(folder / "links.npz")


def start_model(settings: PretrainSettings, prepared: Prepared, attention: str) -> BertForMaskedLM:
    """The model before training: body and embeddings carried over from the teacher where there is one."""
    torch.manual_seed(settings.seed)
    config = BertConfig(
        vocab_size=prepared.tokenizer.get_vocab_size(),
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        intermediate_size=settings.intermediate_size,
        max_position_embeddings=settings.max_positions,
        # A model this small, passing over the text a few times, underfits: dropout would only slow it.
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=prepared.tokenizer.token_to_id("[PAD]"),
    )
    model: BertForMaskedLM = BertForMaskedLM._from_config(  # type: ignore[no-untyped-call]
        config, attn_implementation=attention
    )
    if settings.teacher is None:
        return model
    teacher = AutoModel.from_pretrained(settings.teacher, dtype=torch.float32)
    _copy_body(model, teacher, settings)
    vectors = teacher.get_input_embeddings().weight.detach().numpy()
    start = _from_pairs(settings, prepared, vectors) if settings.parallel else _from_reader(settings, prepared, vectors)
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight.copy_(torch.from_numpy(start))
        # The output bias starts at each piece's log frequency, which saves the first few hundred steps.
        frequency = np.bincount(prepared.train.tokens, minlength=config.vocab_size) + 1.0
        model.cls.predictions.bias.copy_(torch.from_numpy(np.log(frequency / frequency.sum())))
        model.cls.predictions.transform.dense.weight.copy_(torch.eye(config.hidden_size))
    return model


def _copy_body(model: BertForMaskedLM, teacher: PreTrainedModel, settings: PretrainSettings) -> None:
    """Everything but the word embeddings from the teacher; of a deeper one, layers at even distances."""
    config, shape = model.config, teacher.config
    if (config.num_attention_heads, config.intermediate_size) != (shape.num_attention_heads, shape.intermediate_size):
        return
    if config.max_position_embeddings > shape.max_position_embeddings:
        raise SettingsError(f"'max_positions' is {config.max_position_embeddings}, the teacher knows {shape.max_position_embeddings} only")
    copied = layers_to_copy(config.num_hidden_layers, shape.num_hidden_layers)
    # Layers are counted from 1 there, from 0 in the parameters' names.
    of_layer = {f"encoder.layer.{theirs - 1}.": f"encoder.layer.{ours}." for ours, theirs in enumerate(copied)}
    body = {}
    for name, values in teacher.state_dict().items():
        prefix = ".".join(name.split(".")[:3]) + "."
        if "word_embeddings" in name or "pooler" in name or (name.startswith("encoder.layer.") and prefix not in of_layer):
            continue
        body[name.replace(prefix, of_layer.get(prefix, prefix))] = values
    for name, size in (("position_embeddings", config.max_position_embeddings), ("token_type_embeddings", config.type_vocab_size)):
        key = f"embeddings.{name}.weight"
        if key in body:
            # A teacher that knows one kind of segment only lends it to both.
            rows = body[key] if len(body[key]) >= size else body[key][:1].repeat(size, 1)
            body[key] = rows[:size]
    missing, unexpected = model.bert.load_state_dict(body, strict=False)
    if unexpected or any("word_embeddings" not in key for key in missing):
        raise SettingsError(f"the teacher in {settings.teacher} is not a BERT: {sorted(unexpected)[:3]} do not fit")


def _pieces(vocabulary: dict[str, int]) -> list[str]:
    return sorted(vocabulary, key=vocabulary.__getitem__)


def _from_reader(settings: PretrainSettings, prepared: Prepared, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embeddings from those of a teacher that reads Indonesian."""
    assert settings.teacher is not None
    known = AutoTokenizer.from_pretrained(settings.teacher)
    tokens = {ours: getattr(known, theirs) or known.unk_token for ours, theirs in SPECIAL.items()}
    special = {ours: int(known.get_vocab()[token]) for ours, token in tokens.items()}
    return embeddings_of_pieces(_pieces(prepared.tokenizer.get_vocab()), _tokenizer_of(settings.teacher), special, vectors)


def _from_pairs(settings: PretrainSettings, prepared: Prepared, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embeddings from the English translations of each piece."""
    flat_links = [prepared.links[i].reshape(-1, 2) for i in range(len(prepared.links))]
    transfer = start_embeddings(
        pieces=_pieces(prepared.tokenizer.get_vocab()),
        english_pieces=_pieces(AutoTokenizer.from_pretrained(settings.teacher).get_vocab()),
        english_vectors=vectors,
        english_ids=[prepared.english[i].tolist() for i in range(len(prepared.english))],
        indonesian_ids=[prepared.indonesian[i].tolist() for i in range(len(prepared.indonesian))],
        links=[[(int(a), int(b)) for a, b in pair] for pair in flat_links],
        corpus=prepared.train,
        seed=settings.seed,
    )
    logger.info(
        "embeddings: %d from translations, %d copied, %d from neighbours, %d random",
        transfer.aligned, transfer.copied, transfer.neighbours, transfer.random,
    )  # fmt: skip
    return transfer.vectors


# --------------------------------------------------------------------------------------------------------------------
# Batches


def pad(rows: Sequence[NDArray[np.integer]], cls: int, sep: int, padding: int) -> tuple[Tensor, Tensor]:
    """Rows with [CLS] and [SEP] around them as ids and attention mask, both ``(batch, width)``."""
    # Few distinct widths: the processor's kernels are cached by shape, and thousands of shapes fill the memory.
    width = -(-(max(len(row) for row in rows) + 2) // 8) * 8
    ids = np.full((len(rows), width), padding, dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, 0], ids[i, 1 : len(row) + 1], ids[i, len(row) + 1] = cls, row, sep
    mask = np.arange(width)[None, :] < np.asarray([len(row) + 2 for row in rows])[:, None]
    return torch.from_numpy(ids), torch.from_numpy(mask.astype(np.int64))


def mask_whole_words(
    ids: Tensor, continues: Tensor, special: Tensor, mask_id: int, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mask whole words: of the chosen ones 80 % become [MASK], 10 % random pieces, 10 % stay (Devlin et al. 2019).

    Args:
        ids: token ids ``(batch, length)``.
        continues: for every vocabulary entry, whether it continues a word (``##...``).
        special: for every vocabulary entry, whether it is a special token.
        mask_id: id of ``[MASK]``.
        share: share of the words to mask; of very few words at least one.
        generator: source of randomness.

    Returns:
        the masked ids and a boolean mask of the positions to predict, both ``(batch, length)``.
    """
    word = (~continues[ids]).cumsum(dim=1) - 1
    drawn = torch.rand(ids.shape, generator=generator).gather(1, word.clamp(min=0))
    chosen = (drawn < share) & ~special[ids]
    if not chosen.any():
        drawn = drawn.masked_fill(special[ids], 1.0)
        chosen = (drawn == drawn.min()) & ~special[ids]
    fate = torch.rand(ids.shape, generator=generator)
    anything = torch.randint(len(special), ids.shape, generator=generator)
    masked = torch.where(chosen & (fate < 0.8), torch.full_like(ids, mask_id), ids)
    masked = torch.where(chosen & (fate >= 0.9), anything, masked)
    return masked, chosen


@dataclass(frozen=True)
class Teacher:
    """What the data must know of a teacher.

    Attributes:
        special: its ids for the beginning, the end and padding.
        longest: tokens of the longest passage it reads, these two left out.
    """

    special: tuple[int, int, int]
    longest: int

    @classmethod
    def of(cls, directory: Path) -> Teacher:
        """Read them from a model directory."""
        known, shape = AutoTokenizer.from_pretrained(directory), AutoConfig.from_pretrained(directory)
        return cls((known.cls_token_id, known.sep_token_id, known.pad_token_id), min(254, shape.max_position_embeddings - 2))


class Batches:
    """Batch number ``step`` of an endless, seeded run over sequences of similar length."""

    def __init__(self, lengths: NDArray[np.int64], tokens_per_batch: int, seed: int) -> None:
        self._lengths, self._tokens, self._seed = lengths, tokens_per_batch, seed
        self._epoch = -1
        self._plan: list[NDArray[np.int64]] = []
        self._begin = 0

    def __getitem__(self, step: int) -> NDArray[np.int64]:
        if step < self._begin:
            self._epoch, self._begin, self._plan = -1, 0, []
        if not len(self._lengths):
            raise IndexError("there are no sequences to draw batches from")
        while step >= self._begin + len(self._plan):
            self._begin += len(self._plan)
            self._epoch += 1
            self._plan = batches_of_similar_length(self._lengths, self._tokens, self._seed + self._epoch)
        return self._plan[step - self._begin]


# --------------------------------------------------------------------------------------------------------------------
# Training


def _relative_error(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared error as a share of the target's mean square: 0 is perfect, 1 is predicting nothing."""
    return functional.mse_loss(student.float(), teacher.float()) / teacher.float().pow(2).mean()


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    weight = mask.unsqueeze(-1).to(states.dtype)
    return (states * weight).sum(1) / weight.sum(1)


def _share(rows: NDArray[np.int64], part: slice) -> NDArray[np.int64]:
    """The share of one process in a batch, never empty: of fewer rows than processes, some go to several."""
    return np.resize(rows, max(len(rows), part.step or 1))[part]


class Assembler:
    """Makes the tensors of any step out of the data; knows no model, so that processes beside the training one can do it."""

    def __init__(self, settings: PretrainSettings, prepared: Prepared, teacher: Teacher | None) -> None:
        self.settings, self.prepared, self.teacher = settings, prepared, teacher
        vocabulary = prepared.tokenizer.get_vocab()
        pieces = _pieces(vocabulary)
        self._cls, self._sep, self._pad, self._mask = (vocabulary[t] for t in ("[CLS]", "[SEP]", "[PAD]", "[MASK]"))
        self._continues = torch.tensor([piece.startswith("##") for piece in pieces])
        self._special = torch.tensor([piece in ("[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]") for piece in pieces])
        counted = settings.output / "prepared" / "sentence_pairs"
        self.pairs = int(counted.read_text()) if counted.exists() else 0
        self._mlm = Batches(prepared.train.lengths, settings.tokens_per_batch, settings.seed)
        # A teacher that reads the corpus is shown the same passages in the same order.
        lengths, shift = (prepared.train.lengths, 0) if prepared.passages else (prepared.indonesian.lengths[: self.held_pairs], 1)
        self._distil = Batches(lengths, settings.tokens_per_batch, settings.seed + shift)
        if teacher is not None and settings.parallel and not self.held_pairs:
            raise DataError(
                f"{settings.parallel} has {self.pairs} usable sentence pairs: distilling needs more than {HELD_PAIRS}, which are kept "
                "aside for the check"
            )

    @property
    def held_pairs(self) -> int:
        """Pairs to train on; the last ones are kept for the translation-retrieval check."""
        return max(0, self.pairs - HELD_PAIRS)

    def mlm(self, number: int, part: slice) -> dict[str, Tensor]:
        """Masked-language-model batch ``number``; ``part`` is this process's share."""
        rows = [self.prepared.train[i] for i in _share(self._mlm[number], part)]
        return self.masked(rows, self.settings.seed * 1_000_003 + number)

    def distil(self, number: int, part: slice) -> dict[str, Tensor]:
        """Distillation batch ``number``."""
        chosen, seed = _share(self._distil[number], part), self.settings.seed * 1_000_033 + number
        if self.prepared.passages:
            return self.passages(self.prepared.passages[0], chosen, seed)
        return self.translations(chosen, seed)

    def masked(self, rows: Sequence[NDArray[np.integer]], seed: int) -> dict[str, Tensor]:
        """Sequences with words masked.

        Returns:
            ``ids`` (masked) and ``attention``, both ``(batch, length)``; ``places``, flat positions of what was masked, and
            ``wanted``, the ids that stood there.
        """
        ids, attention = pad(rows, self._cls, self._sep, self._pad)
        generator = torch.Generator().manual_seed(seed)
        masked, chosen = mask_whole_words(ids, self._continues, self._special, self._mask, self.settings.mask, generator)
        places = chosen.flatten().nonzero().squeeze(1)
        return {"ids": masked, "attention": attention, "places": places, "wanted": ids.flatten()[places]}

    def passages(self, passages: Passages, rows: NDArray[np.int64], seed: int) -> dict[str, Tensor]:
        """Passages for both readers: what :meth:`masked` and :meth:`for_teacher` return, and the number of every token's word."""
        words, _ = pad([passages.student_words[i] for i in rows], -1, -1, -1)
        return self.masked([passages.student[i] for i in rows], seed) | {"words": words} | self.for_teacher(passages, rows)

    def for_teacher(self, passages: Passages, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        """Passages in the teacher's vocabulary: ids, attention and words, all ``(batch, its length)``, and the longest's words."""
        assert self.teacher is not None
        ids, attention = pad([passages.teacher[i] for i in rows], *self.teacher.special)
        words, _ = pad([passages.teacher_words[i] for i in rows], -1, -1, -1)
        count = torch.tensor(passages.words(rows))
        return {"teacher_ids": ids, "teacher_attention": attention, "teacher_words": words, "count": count}

    def pair(self, rows: Sequence[int] | NDArray[np.int64]) -> dict[str, Tensor]:
        """Both sides of sentence pairs, unmasked."""
        assert self.teacher is not None
        ids, attention = pad([self.prepared.indonesian[i] for i in rows], self._cls, self._sep, self._pad)
        english = [self.prepared.english[i][: self.teacher.longest] for i in rows]
        teacher_ids, teacher_attention = pad(english, *self.teacher.special)
        return {"ids": ids, "attention": attention, "teacher_ids": teacher_ids, "teacher_attention": teacher_attention}

    def translations(self, rows: NDArray[np.int64], seed: int) -> dict[str, Tensor]:
        """Sentence pairs, the Indonesian side masked, and their alignment ``(batch, length, teacher's length)``."""
        assert self.teacher is not None
        batch = self.pair(rows) | self.masked([self.prepared.indonesian[i] for i in rows], seed)
        # Alignment as a row-stochastic matrix: student position -> mean of the teacher's positions.
        alignment = torch.zeros(*batch["ids"].shape, batch["teacher_ids"].shape[1])
        for row, pair in enumerate(rows):
            links = torch.from_numpy(self.prepared.links[pair].astype(np.int64)).reshape(-1, 2) + 1
            links = links[links[:, 0] <= self.teacher.longest]
            alignment[row].index_put_((links[:, 1], links[:, 0]), torch.ones(len(links)), accumulate=True)
        total = alignment.sum(-1, keepdim=True)
        return batch | {"alignment": alignment / total.clamp(min=1), "linked": total.squeeze(-1) > 0}


class Steps(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """The batches of every step, by the step's number."""

    def __init__(self, assembler: Assembler, settings: PretrainSettings, part: slice) -> None:
        self._assembler, self._part = assembler, part
        self._plan: list[tuple[bool, int]] = []
        used = {True: 0, False: 0}
        for _, distils in plan(settings.stages):
            for _ in range(settings.gradient_accumulation):
                self._plan.append((distils, used[distils]))
                used[distils] += 1

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        distils, number = self._plan[index]
        return (self._assembler.distil if distils else self._assembler.mlm)(number, self._part)


class Objectives:
    """Computes the losses of one step; knows the student's shape of work and the teacher."""

    def __init__(self, assembler: Assembler, teacher: PreTrainedModel | None, device: torch.device) -> None:
        self.assembler, self.teacher, self.device = assembler, teacher, device
        self.settings, self.prepared = assembler.settings, assembler.prepared
        if teacher is not None and self.prepared.passages:
            self._spread = self._measure_spread()

    def _to_device(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        # The count is a number to the program, not to the device.
        return {key: value if key == "count" else value.to(self.device, non_blocking=True) for key, value in batch.items()}

    def loss(self, model: BertForMaskedLM, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of one batch that the assembler made, and its parts."""
        batch = self._to_device(batch)
        if "teacher_words" in batch:
            loss, parts = self._imitate(model, batch)
        elif "teacher_ids" in batch:
            loss, parts = self._translate(model, batch)
        else:
            states = model.bert(input_ids=batch["ids"], attention_mask=batch["attention"]).last_hidden_state
            loss, accuracy = self._mlm_loss(model, states, batch)
            parts = {"mlm": loss, "accuracy": accuracy}
        return loss, {key: value.detach() for key, value in parts.items()}

    def _mlm_loss(self, model: BertForMaskedLM, states: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        logits = model.cls(states.flatten(0, 1).index_select(0, batch["places"])).float()
        return functional.cross_entropy(logits, batch["wanted"]), (logits.argmax(-1) == batch["wanted"]).float().mean()

    def _word_states(self, batch: dict[str, Tensor]) -> tuple[list[Tensor], Tensor, Tensor]:
        """What the teacher makes of some passages.

        Returns:
            word states of every layer ``(passages, words, hidden)``, sentence vectors ``(passages, hidden)``, and which
            words there are ``(passages, words)``.
        """
        assert self.teacher is not None
        attention = batch["teacher_attention"]
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            states = self.teacher(input_ids=batch["teacher_ids"], attention_mask=attention, output_hidden_states=True).hidden_states
            to_words = averaging(batch["teacher_words"], int(batch["count"]))
            layers = [torch.bmm(to_words, one.float()) for one in states]
            return layers, _mean(states[-1].float(), attention), to_words.sum(-1) > 0

    def _measure_spread(self) -> tuple[list[float], float]:
        """The variance of the teacher's word states in every layer, and of its sentence vectors: the losses' unit."""
        assert self.prepared.passages is not None
        passages = self.prepared.passages[0]
        count = len(passages.student)
        if count < 2:
            raise DataError("the corpus has fewer than two passages: there is nothing to compare with the teacher")
        rows = np.random.default_rng(self.settings.seed).permutation(count)[:256]
        layers: list[list[Tensor]] = []
        sentences = []
        for part in np.array_split(rows, max(1, len(rows) // 64)):
            states, vectors, there = self._word_states(self._to_device(self.assembler.for_teacher(passages, part)))
            layers.append([layer[there] for layer in states])
            sentences.append(vectors)
        return [spread(torch.cat(parts)) for parts in zip(*layers, strict=True)], spread(torch.cat(sentences))

    def _imitate(self, model: BertForMaskedLM, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Some words masked: model them, and draw every word's states and the sentence's to the teacher's.

        The parts ``word`` (last layer), ``inner`` (mean of the others) and ``cls`` are shares of the teacher's variance
        that the student misses: 0 is perfect, 1 is guessing the mean.
        """
        targets, sentences, there = self._word_states(batch)
        to_words = averaging(batch["words"], there.shape[1])
        # A word made of characters that one side's tokenizer drops has no state there.
        shared = (to_words.sum(-1) > 0) & there
        states = model.bert(input_ids=batch["ids"], attention_mask=batch["attention"], output_hidden_states=True).hidden_states
        errors = []
        with torch.autocast(self.device.type, enabled=False):
            for ours, their in enumerate(layers_to_copy(len(states) - 1, len(targets) - 1), 1):
                # Masked rather than indexed: indexing's way back is several times slower on a CPU.
                missed = (torch.bmm(to_words, states[ours].float()) - targets[their]).square().mean(-1) * shared
                errors.append(missed.sum() / shared.sum() / self._spread[0][their])
            cls_loss = functional.mse_loss(states[-1][:, 0].float(), sentences) / self._spread[1]
        word_loss, inner_loss = errors[-1], torch.stack(errors[:-1] or errors).mean()
        mlm_loss, accuracy = self._mlm_loss(model, states[-1], batch)
        loss = mlm_loss + self.settings.distil_weight * (word_loss + inner_loss + cls_loss)
        return loss, {"word": word_loss, "inner": inner_loss, "cls": cls_loss, "mlm": mlm_loss, "accuracy": accuracy}

    def _translate(self, model: BertForMaskedLM, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        assert self.teacher is not None
        with torch.no_grad():
            target = self.teacher(input_ids=batch["teacher_ids"], attention_mask=batch["teacher_attention"]).last_hidden_state.float()
        states = model.bert(input_ids=batch["ids"], attention_mask=batch["attention"]).last_hidden_state
        sentence = _mean(target, batch["teacher_attention"])
        mean_loss = _relative_error(_mean(states.float(), batch["attention"]), sentence)
        cls_loss = _relative_error(states[:, 0], sentence)
        linked = batch["linked"]
        token_loss = _relative_error(states[linked], torch.bmm(batch["alignment"], target)[linked])
        mlm_loss, _ = self._mlm_loss(model, states, batch)
        loss = mlm_loss + self.settings.distil_weight * (mean_loss + cls_loss + token_loss)
        return loss, {"sentence": mean_loss, "cls": cls_loss, "token": token_loss, "pair_mlm": mlm_loss}

    @torch.inference_mode()
    def validate(self, model: BertForMaskedLM) -> dict[str, float]:
        """Held-out masked-word loss and accuracy, and how near the teacher is.

        Of a teacher that reads the corpus: the parts of :meth:`_imitate`. Of an English one: how many of 500 unseen sentences
        find their English translation among 500.
        """
        model.train(False)
        assembler = self.assembler
        batches = batches_of_similar_length(self.prepared.validation.lengths, self.settings.tokens_per_batch, 0)[:24]
        sums: dict[str, list[Tensor]] = {}
        for number, rows in enumerate(batches):
            batch = self._to_device(assembler.masked([self.prepared.validation[i] for i in rows], number))
            states = model.bert(input_ids=batch["ids"], attention_mask=batch["attention"]).last_hidden_state
            for key, value in zip(("mlm", "accuracy"), self._mlm_loss(model, states, batch), strict=True):
                sums.setdefault(key, []).append(value)
            if self.teacher is not None and self.prepared.passages:
                parts = self._imitate(model, self._to_device(assembler.passages(self.prepared.passages[1], rows, number)))[1]
                for key in ("word", "inner", "cls"):
                    sums.setdefault(key, []).append(parts[key])
        result = {f"validation_{key}": float(torch.stack(values).mean()) for key, values in sums.items()}
        if self.teacher is not None and not self.prepared.passages:
            left, right = [], []
            for begin in range(assembler.held_pairs, assembler.pairs, 50):
                batch = self._to_device(assembler.pair(range(begin, min(begin + 50, assembler.pairs))))
                states = model.bert(input_ids=batch["ids"], attention_mask=batch["attention"]).last_hidden_state
                left.append(_mean(states.float(), batch["attention"]))
                their = self.teacher(input_ids=batch["teacher_ids"], attention_mask=batch["teacher_attention"]).last_hidden_state
                right.append(_mean(their.float(), batch["teacher_attention"]))
            likeness = functional.normalize(torch.cat(left)) @ functional.normalize(torch.cat(right)).T
            hits = likeness.argmax(1) == torch.arange(len(likeness), device=likeness.device)
            result["retrieval"] = float(hits.float().mean())
        model.train()
        return result


class Learner(torch.nn.Module):
    """All that is trained, as one module whose forward pass is the loss: so `accelerate` can share the work out."""

    def __init__(self, model: BertForMaskedLM, objectives: Objectives) -> None:
        super().__init__()
        self.model, self._objectives = model, objectives

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """See :meth:`Objectives.loss`."""
        return self._objectives.loss(self.model, batch)


def _schedule(settings: PretrainSettings) -> Callable[[int], float]:
    warmup = max(1, round(settings.warmup * settings.steps))

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return max(0.0, (settings.steps - step) / max(1, settings.steps - warmup))

    return factor


def plan(stages: tuple[Stage, ...]) -> list[tuple[Stage, bool]]:
    """For every step its stage and whether it distils, the distilling steps spread evenly."""
    steps = []
    for stage in stages:
        for i in range(stage.steps):
            steps.append((stage, math.floor((i + 1) * stage.distil) > math.floor(i * stage.distil)))
    return steps


def pretrain(settings: PretrainSettings, progress: Callable[[str], None] | None = None) -> Path:
    """Run (or resume) the recipe and write a Hugging Face-style masked-language-model directory.

    Returns:
        the directory: ``config.json``, ``model.safetensors``, tokenizer files, ``pretrain.json`` (settings, machine,
        figures), ``log.jsonl`` and ``loss.png``.

    Raises:
        SettingsError, DataError: for impossible settings or unreadable texts.
        MissingExtraError: when alignment is wanted and its packages are not installed.
    """
    say = progress or logger.info
    settings.output.mkdir(parents=True, exist_ok=True)
    device_probe = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    bf16 = uses_bf16(settings.precision, device_probe)
    accelerator = Accelerator(mixed_precision="bf16" if bf16 else "no")
    _check_teacher(settings)
    _check_tokenizer(settings)
    with accelerator.main_process_first():
        prepared = prepare(settings)
    # The CPU's fused kernel is slower backwards than plain batched products at these lengths.
    attention = "sdpa" if accelerator.device.type == "cuda" else "eager"
    start = settings.output / "start"
    with accelerator.main_process_first():
        if not (start / "model.safetensors").exists():
            start_model(settings, prepared, attention).save_pretrained(start)
    model = BertForMaskedLM.from_pretrained(start, dtype=torch.float32, attn_implementation=attention)
    teacher = None
    if settings.teacher is not None and any(stage.distil for stage in settings.stages):
        teacher = AutoModel.from_pretrained(settings.teacher, dtype=torch.float32, attn_implementation=attention)
        # Nothing is learnt in the teacher, so it need not be kept in full precision.
        teacher = teacher.to(accelerator.device, torch.bfloat16 if bf16 else torch.float32).eval().requires_grad_(False)
    assembler = Assembler(settings, prepared, Teacher.of(settings.teacher) if settings.teacher and teacher is not None else None)
    objectives = Objectives(assembler, teacher, accelerator.device)
    learner: Any = Learner(model, objectives)
    decayed = [p for p in learner.parameters() if p.ndim > 1]
    others = [p for p in learner.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98), fused=True)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, _schedule(settings))
    learner, optimizer = accelerator.prepare(learner, optimizer)
    accelerator.register_for_checkpointing(scheduler)

    steps = plan(settings.stages)
    checkpoint, log_path = settings.output / "checkpoint", settings.output / "log.jsonl"
    with accelerator.main_process_first():
        _recover(checkpoint)
    done, tokens, seconds = 0, 0, 0.0
    if (checkpoint / "progress.json").exists():
        accelerator.load_state(str(checkpoint))
        state = json.loads((checkpoint / "progress.json").read_text())
        done, tokens, seconds = state["step"], state["tokens"], state["seconds"]
        say(f"resuming after step {done}")
        kept = [line for line in log_path.read_text().splitlines() if json.loads(line)["step"] <= done]
        log_path.write_text("".join(line + "\n" for line in kept))
    elif accelerator.is_main_process:
        log_path.write_text("")
        first = _validated(accelerator, objectives, learner)
        _append(log_path, {"step": 0, "stage": "start", "tokens": 0, "seconds": 0.0, **first})
        say(f"before training: {_figures(first)}")
    part = slice(accelerator.process_index, None, accelerator.num_processes)
    sums: dict[str, list[Tensor]] = {}
    batches = _batches(Steps(assembler, settings, part), done * settings.gradient_accumulation, accelerator.device)
    tick = time.perf_counter()
    learner.train()
    for step in range(done, settings.steps):
        stage, _ = steps[step]
        for turn in range(settings.gradient_accumulation):
            batch = next(batches)
            tokens += int(batch["attention"].sum()) * accelerator.num_processes
            # Gradients travel between processes once a step.
            with accelerator.no_sync(learner) if turn + 1 < settings.gradient_accumulation else nullcontext():
                loss, parts = learner(batch)
                accelerator.backward(loss / settings.gradient_accumulation)
            for key, value in parts.items():
                sums.setdefault(key, []).append(value)
        accelerator.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
        now = step + 1
        last_of_stage = now == settings.steps or steps[now][0] is not stage
        if now % settings.log_every == 0 or last_of_stage:
            elapsed = time.perf_counter() - tick
            figures = {key: float(torch.stack(values).mean()) for key, values in sums.items()}
            sums.clear()
            row = {"step": now, "stage": stage.name, "tokens": tokens, "seconds": seconds + elapsed, **figures}
            if accelerator.is_main_process:
                if last_of_stage or now % settings.checkpoint_every == 0:
                    row.update(_validated(accelerator, objectives, learner))
                _append(log_path, row)
                say(f"{stage.name} {now}/{settings.steps}: {_figures(row)}; {tokens / max(1e-9, seconds + elapsed):,.0f} tokens/s")
        if now % settings.checkpoint_every == 0 and now < settings.steps:
            _checkpoint(accelerator, checkpoint, now, tokens, seconds + time.perf_counter() - tick)
    seconds += time.perf_counter() - tick
    if accelerator.is_main_process:
        _publish(settings, accelerator.unwrap_model(learner).model, prepared, tokens, seconds, accelerator)
    accelerator.wait_for_everyone()
    return settings.output


def _batches(steps: Steps, begin: int, device: torch.device) -> Iterator[dict[str, Tensor]]:
    """The batches from number ``begin`` on; beside a fast device, other processes make them ahead of time."""
    order = range(begin, len(steps))
    if device.type != "cuda":
        return (steps[index] for index in order)
    workers = max(1, min(6, processors() - 1))
    return iter(DataLoader(steps, batch_size=None, sampler=order, num_workers=workers, prefetch_factor=8, pin_memory=True))


def _validated(accelerator: Accelerator, objectives: Objectives, learner: torch.nn.Module) -> dict[str, float]:
    with accelerator.autocast():
        return objectives.validate(accelerator.unwrap_model(learner).model)


def _append(path: Path, row: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()}) + "\n")


def _figures(row: dict[str, Any]) -> str:
    skipped = ("step", "stage", "tokens", "seconds")
    return ", ".join(f"{key} {value:.3f}" for key, value in row.items() if key not in skipped)


def _checkpoint(accelerator: Accelerator, folder: Path, step: int, tokens: int, seconds: float) -> None:
    """Write beside the earlier checkpoint and swap, so that a crash half-way leaves one whole."""
    fresh, old = _neighbours(folder)
    if accelerator.is_main_process:
        shutil.rmtree(fresh, ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(fresh))
    if accelerator.is_main_process:
        (fresh / "progress.json").write_text(json.dumps({"step": step, "tokens": tokens, "seconds": seconds}))
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    accelerator.wait_for_everyone()


def _neighbours(folder: Path) -> tuple[Path, Path]:
    """Where a checkpoint is written and where the one before it waits to be removed."""
    return folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")


def _recover(folder: Path) -> None:
    """Finish a swap of checkpoints that was cut off between its two renames."""
    fresh, _ = _neighbours(folder)
    if not folder.exists() and (fresh / "progress.json").exists():
        fresh.rename(folder)


# Sequences that the pooler's whitening is measured on.
WHITENED = 4096


@torch.inference_mode()
def whitening_pooler(model: BertForMaskedLM, sequences: Sequences, special: tuple[int, int, int], seed: int) -> tuple[Tensor, Tensor]:
    """Weight ``(hidden, hidden)`` and bias of a pooler that gives [CLS] states a mean of nought and like spread all over.

    Encoders trained by contrast crowd their states into a narrow cone: what they share is several times what tells them
    apart, and a random pooler passes mostly the former on, so that fine-tuning on a few hundred sentences does not get off
    the ground. Whitening (Su et al. 2021) takes the shared part away before training starts.

    Args:
        model: the base.
        sequences: text to measure on.
        special: ids of ``[CLS]``, ``[SEP]`` and ``[PAD]``.
        seed: for the draw of the sequences.
    """
    device = model.device
    rows = np.random.default_rng(seed).permutation(len(sequences))[:WHITENED]
    rows = rows[np.argsort(sequences.lengths[rows], kind="stable")]
    parts = []
    for begin in range(0, len(rows), 64):
        ids, attention = pad([sequences[i] for i in rows[begin : begin + 64]], *special)
        parts.append(model.bert(input_ids=ids.to(device), attention_mask=attention.to(device)).last_hidden_state[:, 0].double().cpu())
    states = torch.cat(parts)
    mean = states.mean(0)
    centred = states - mean
    values, vectors = torch.linalg.eigh(centred.T @ centred / max(1, len(states) - 1))
    # Directions in which almost nothing varies are noise: they are not blown up to the size of the others.
    values = values.clamp(min=max(0.05 * float(values.mean()), 1e-12))
    # Half a standard deviation keeps the tanh behind it nearly linear.
    weight = 0.5 * (vectors * values.rsqrt()) @ vectors.T
    return weight.float().contiguous(), (-weight @ mean).float().contiguous()


def add_pooler(directory: Path, weight: Tensor, bias: Tensor) -> None:
    """Store a pooler beside the masked-language-model's weights; classification models of `transformers` load it."""
    path = directory / "model.safetensors"
    tensors = load_file(path)
    tensors |= {"bert.pooler.dense.weight": weight, "bert.pooler.dense.bias": bias}
    save_file(tensors, path, metadata={"format": "pt"})


def _publish(
    settings: PretrainSettings, model: BertForMaskedLM, prepared: Prepared, tokens: int, seconds: float, accelerator: Accelerator
) -> None:
    model.config.dtype = torch.float32
    model.save_pretrained(settings.output)
    vocabulary = prepared.tokenizer.get_vocab()
    special = vocabulary["[CLS]"], vocabulary["[SEP]"], vocabulary["[PAD]"]
    with accelerator.autocast():
        add_pooler(settings.output, *whitening_pooler(model, prepared.train, special, settings.seed))
    save_tokenizer(prepared.tokenizer, settings.output, settings.max_positions)
    rows = [json.loads(line) for line in (settings.output / "log.jsonl").read_text().splitlines()]
    facts = {
        # Paths of this machine mean nothing elsewhere; names do.
        "settings": _names_only(as_dict(settings)),
        "machine": {"processor": platform.processor() or platform.machine(), "threads": torch.get_num_threads(),
                    "device": accelerator.device.type, "precision": accelerator.mixed_precision,
                    "name": torch.cuda.get_device_name() if accelerator.device.type == "cuda" else None,
                    "processes": accelerator.num_processes},
        "torch": torch.__version__,
        "tokens": tokens,
        "seconds": round(seconds),
        "parameters": sum(p.numel() for p in model.parameters()),
        "figures": {"before": {k: v for k, v in rows[0].items() if k.startswith(("validation", "retrieval"))},
                    "after": {k: v for k, v in rows[-1].items() if k.startswith(("validation", "retrieval"))}},
    }  # fmt: skip
    (settings.output / "pretrain.json").write_text(json.dumps(facts, indent=2) + "\n")
    _draw(rows, settings.output / "loss.png")
    checkpoint = settings.output / "checkpoint"
    for folder in (checkpoint, *_neighbours(checkpoint)):
        shutil.rmtree(folder, ignore_errors=True)


def _names_only(settings: dict[str, Any]) -> dict[str, Any]:
    paths = ("corpus", "held_out", "parallel", "dictionary", "teacher", "tokenizer", "output")
    return {
        key: ([Path(one).name for one in value] if isinstance(value, list) else Path(value).name) if key in paths and value else value
        for key, value in settings.items()
    }


def _draw(rows: list[dict[str, Any]], path: Path) -> None:
    """The losses over tokens as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    for key in ("mlm", "pair_mlm", "validation_mlm", "sentence", "token", "word", "inner"):
        points = [(row["tokens"] / 1e6, row[key]) for row in rows if key in row]
        if points:
            axis.plot(*zip(*points, strict=True), label=key, marker="o" if key == "validation_mlm" else None, linewidth=1)
    axis.set_xlabel("million tokens")
    axis.set_ylabel("loss")
    axis.legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
