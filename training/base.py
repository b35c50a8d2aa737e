"""Opening a base model: any BERT-family checkpoint, by directory or hub id, with a tokenizer that knows Indonesian."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError  # the error alone; weights are read with weights_only
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, BertTokenizer

from classify.errors import SettingsError
from classify.labels import LabelScheme

logger = logging.getLogger(__name__)

# Everyday words of Indonesian news; a tokenizer that knows no way to spell a fifth of them is the wrong one.
SAMPLE_WORDS: Sequence[str] = (
    "pemerintah", "presiden", "menteri", "negara", "rakyat", "senjata", "sanksi", "satelit", "hubungan", "kerja", "sama",
    "mengatakan", "membantah", "menuduh", "menyebut", "rudal", "tentara", "perang", "damai", "kunjungan", "pertemuan",
    "kepala", "juru", "bicara", "pernyataan", "laporan", "minggu", "bulan", "tahun",
)  # fmt: skip
MAX_UNKNOWN = 0.2


def is_directory(base: str | Path) -> bool:
    """Whether ``base`` is a local directory rather than a hub id."""
    return Path(base).is_dir()


def _check(base: str | Path) -> None:
    path = Path(base)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise SettingsError(f"the base {base} has no config.json: give the directory that save_pretrained wrote")
    elif path.exists() or str(base).startswith((".", "/", "~")) or str(base).count("/") > 1:
        raise SettingsError(f"the base {base} is not a directory: give a model directory or a hub id such as owner/name")


def load_tokenizer(base: str | Path) -> Any:
    """The base's fast tokenizer.

    IndoBERT-lite is an ALBERT with a WordPiece ``vocab.txt``; ``AutoTokenizer`` would answer with an empty SentencePiece
    tokenizer that knows no word. So a ``vocab.txt`` without a SentencePiece model is read as what it is.

    Raises:
        SettingsError: when there is none, or more than a fifth of common Indonesian words are unknown to it.
    """
    _check(base)
    path = Path(base)
    pieces = path / "vocab.txt"
    try:
        if pieces.is_file() and not (path / "tokenizer.json").is_file() and not (path / "spiece.model").is_file():
            tokenizer = BertTokenizer.from_pretrained(str(base))
        else:
            tokenizer = AutoTokenizer.from_pretrained(str(base), use_fast=True)
            if not is_directory(base) and unknown_share(tokenizer) > MAX_UNKNOWN:
                tokenizer = BertTokenizer.from_pretrained(str(base))
    except (OSError, ValueError, KeyError) as error:
        raise SettingsError(_unavailable(base, error)) from None
    share = unknown_share(tokenizer)
    if share > MAX_UNKNOWN:
        raise SettingsError(
            f"the tokenizer of {base} does not know {share:.0%} of {len(SAMPLE_WORDS)} common Indonesian words: "
            "its vocabulary file is missing or belongs to another model"
        )
    return tokenizer


def unknown_share(tokenizer: Any) -> float:
    """Share of common Indonesian words that become the unknown token."""
    unknown = sum(tokenizer.unk_token_id in tokenizer(word, add_special_tokens=False)["input_ids"] for word in SAMPLE_WORDS)
    return unknown / len(SAMPLE_WORDS)


def load_model(base: str | Path, scheme: LabelScheme, dropout: float, seed: int) -> Any:
    """A sequence classifier on the base, with one output a label and a fresh head where the labels differ.

    Raises:
        SettingsError: when the base cannot be read; weights are read as safetensors, else with ``weights_only``.
    """
    _check(base)
    torch.manual_seed(seed)
    names = dict(enumerate(scheme.ids))
    single = len(scheme.groups) == 1 and scheme.groups[0].exclusive
    try:
        config = AutoConfig.from_pretrained(str(base))
        config.id2label, config.label2id = names, {name: i for i, name in names.items()}
        config.problem_type = "single_label_classification" if single else "multi_label_classification"
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout_prob"):
            if hasattr(config, name):
                setattr(config, name, dropout)
        model = AutoModelForSequenceClassification.from_pretrained(
            str(base),
            config=config,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            # At the length of a sentence the fused kernel gains nothing on a CPU, and one export is like another with plain products;
            # on a GPU the library knows which kernel each kind of model has.
            **({} if torch.cuda.is_available() else {"attn_implementation": "eager"}),
        )
    except (OSError, ValueError, KeyError, RuntimeError, UnpicklingError, SafetensorError) as error:
        raise SettingsError(_unavailable(base, error)) from None
    model.config.dtype = torch.float32
    return model


def _unavailable(base: str | Path, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if is_directory(base):
        return f"the base {base} cannot be loaded: {reason}"
    return (
        f"the base {base} is neither a directory nor can it be fetched from the hub ({reason}); "
        f"for offline use, download it where there is a network (hf download {base} --local-dir DIR) and give --base DIR"
    )
