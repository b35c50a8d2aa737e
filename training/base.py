"""Opening a base model: any BERT-family checkpoint, by directory or hub id, with a tokenizer that knows Indonesian."""

from __future__ import annotations

import functools
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError  # the error alone; weights are read with weights_only
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, BertTokenizer

from classify.errors import SettingsError
from classify.labels import LabelScheme
from classify.resources import file_digest
from training.calibrate import output_layer

logger = logging.getLogger(__name__)

# Everyday words of Indonesian news; a tokenizer that knows no way to spell a fifth of them is the wrong one.
SAMPLE_WORDS: Sequence[str] = (
    "pemerintah", "presiden", "menteri", "negara", "rakyat", "senjata", "sanksi", "satelit", "hubungan", "kerja", "sama",
    "mengatakan", "membantah", "menuduh", "menyebut", "rudal", "tentara", "perang", "damai", "kunjungan", "pertemuan",
    "kepala", "juru", "bicara", "pernyataan", "laporan", "minggu", "bulan", "tahun",
)  # fmt: skip
MAX_UNKNOWN = 0.2
# What the libraries raise for weights that are damaged, unsafe, or not those of the network.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, UnpicklingError, SafetensorError)

# What a base is made of; the other files of a hub repository (TensorFlow, Flax, graphs) are not fetched.
_SAFE = ("model.safetensors", "model-*.safetensors", "model.safetensors.index.json")
_PICKLED = ("pytorch_model.bin", "pytorch_model-*.bin", "pytorch_model.bin.index.json")
_SMALL = ("config.json", "vocab.*", "merges.txt", "tokenizer*", "*.model", "special_tokens_map.json", "added_tokens.json", "pretrain.json")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Base:
    """Where a base lies.

    Attributes:
        name: the hub id, or the directory's own name.
        path: the directory to read.
        revision: the branch, tag or commit that was asked for, of a hub id.
        commit: the commit of the hub that the files are of, where that is known.
    """

    name: str
    path: Path
    revision: str | None = None
    commit: str | None = None

    def record(self) -> dict[str, str]:
        """What names this base for good: name, revision, commit and digest of the weights, each where it is known."""
        files = weight_files(self.path)
        digest = file_digest(files) if files else None
        known = {"name": self.name, "revision": self.revision, "commit": self.commit, "sha256": digest}
        return {key: value for key, value in known.items() if value}


def resolve(base: str | Path) -> Base:
    """Find a base: a directory is taken as it is, anything else is ``id`` or ``id@revision`` of the hub or of its local cache.

    Raises:
        SettingsError: when it is neither; without a network the message holds the command that downloads it elsewhere.
    """
    path = Path(base)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise SettingsError(f"the base {base} has no config.json: give the directory that save_pretrained wrote")
        read_config(path)
        return Base(path.resolve().name, path, commit=_commit(path))
    name, _, revision = str(base).partition("@")
    if path.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise SettingsError(f"the base {base} is not a directory: give a model directory or a hub id such as owner/name")
    found = _fetch(name, revision or None)
    return Base(name, found, revision or None, _commit(found))


def read_config(path: Path) -> dict[str, Any]:
    """``config.json`` of a base.

    Raises:
        SettingsError: when it is damaged.
    """
    file = path / "config.json"
    try:
        loaded = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"the base {path} cannot be loaded: its config.json is damaged ({error})") from None
    if not isinstance(loaded, dict):
        raise SettingsError(f"the base {path} cannot be loaded: its config.json does not hold a JSON object")
    return loaded


def _fetch(name: str, revision: str | None) -> Path:
    """The snapshot of a hub id in the cache, fetched where that is needed and allowed."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    at = f"{name}@{revision}" if revision else name
    try:
        path = Path(snapshot_download(name, revision=revision, allow_patterns=list(_SMALL)))
        if not weight_files(path) and not constants.HF_HUB_OFFLINE:
            logger.warning("fetching the weights of %s from the hub", at)
        snapshot_download(name, revision=path.name, allow_patterns=list(_SAFE))
        if not weight_files(path):
            # A pickle only where there is nothing better, and of the same commit.
            snapshot_download(name, revision=path.name, allow_patterns=list(_PICKLED))
    except HFValidationError:
        raise SettingsError(f"the base {name!r} is neither a directory nor a hub id such as owner/name") from None
    except GatedRepoError:
        raise SettingsError(
            f"the hub gives {name} only to those whom its owner has let in: ask on its page, then run  hf auth login"
        ) from None
    except RepositoryNotFoundError:
        raise SettingsError(
            f"the base {name} is neither a directory nor a model of the hub; for a private one run  hf auth login"
        ) from None
    except RevisionNotFoundError:
        raise SettingsError(f"the hub's {name} has no revision '{revision}': give a branch, a tag or a commit of it") from None
    except Exception as error:  # the library lets through those of its HTTP client, which are of no common class
        pinned = f"{name} --revision {revision}" if revision else name
        folder = name.rpartition("/")[2]
        offline = "HF_HUB_OFFLINE is set and the cache lacks it" if constants.HF_HUB_OFFLINE else _reason(error)
        raise SettingsError(
            f"the base {at} is neither a directory nor can it be fetched from the hub ({offline}): where there is a network, "
            f"run  hf download {pinned} --local-dir {folder}  and give --base {folder}"
        ) from None
    return path


def _commit(path: Path) -> str | None:
    """The commit that a directory of the hub's cache, or one that ``hf download --local-dir`` wrote, is of."""
    if path.parent.name == "snapshots" and _COMMIT.fullmatch(path.name):
        return path.name
    note = path / ".cache/huggingface/download/config.json.metadata"
    first = note.read_text(encoding="utf-8", errors="replace").partition("\n")[0] if note.is_file() else ""
    return first if _COMMIT.fullmatch(first) else None


def weight_files(path: Path) -> list[Path]:
    """The files of weights that loading will read: safetensors before pickles."""
    for patterns in (_SAFE, _PICKLED):
        if files := sorted({file for pattern in patterns[:2] for file in path.glob(pattern)}):
            return files
    return []


def load_tokenizer(base: str | Path) -> Any:
    """The base's fast tokenizer.

    IndoBERT-lite is an ALBERT with a WordPiece ``vocab.txt``; ``AutoTokenizer`` would answer with an empty SentencePiece
    tokenizer that knows no word. So a ``vocab.txt`` without a SentencePiece model is read as what it is.

    Raises:
        SettingsError: when there is none, when more than a fifth of common Indonesian words are unknown to it, or when it
            does not fit the network.
    """
    path = resolve(base).path
    try:
        config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
        bare = (path / "vocab.txt").is_file() and not any((path / name).is_file() for name in ("tokenizer.json", "spiece.model"))
        way: Any = BertTokenizer if bare else AutoTokenizer
        tokenizer = way.from_pretrained(path, local_files_only=True, trust_remote_code=False, **_tokenizer_settings(path, bare, config))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise SettingsError(unavailable(base, error)) from None
    share = unknown_share(tokenizer)
    if share > MAX_UNKNOWN:
        raise SettingsError(
            f"the tokenizer of {base} does not know {share:.0%} of {len(SAMPLE_WORDS)} common Indonesian words: "
            "its vocabulary file is missing or belongs to another model"
        )
    if len(tokenizer) > config.vocab_size:
        raise SettingsError(
            f"the tokenizer of {base} has {len(tokenizer)} pieces but its network only {config.vocab_size}: they do not belong together"
        )
    if tokenizer.pad_token_id is None:
        raise SettingsError(f"the tokenizer of {base} has no padding token: give a base of the BERT family")
    return tokenizer


def _tokenizer_settings(path: Path, bare: bool, config: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if int(getattr(config, "type_vocab_size", 1) or 0) < 2:
        # DistilBERT and RoBERTa do not tell first from second segment; a bare vocab.txt does not say so.
        settings["model_input_names"] = ["input_ids", "attention_mask"]
    if bare:
        said = (
            json.loads((path / "tokenizer_config.json").read_text(encoding="utf-8")) if (path / "tokenizer_config.json").is_file() else {}
        )
        if "do_lower_case" not in said:
            # Nobody said whether case matters: the pieces themselves show it.
            with (path / "vocab.txt").open(encoding="utf-8") as lines:
                pieces = [line.strip() for line in lines if not line.startswith("[")]
            settings["do_lower_case"] = sum(piece != piece.lower() for piece in pieces) < len(pieces) / 20
    return settings


def unknown_share(tokenizer: Any) -> float:
    """Share of common Indonesian words that become the unknown token, or nothing at all."""
    spelled = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in SAMPLE_WORDS]
    return sum(not ids or tokenizer.unk_token_id in ids for ids in spelled) / len(SAMPLE_WORDS)


def load_model(base: str | Path, scheme: LabelScheme, dropout: float, seed: int) -> Any:
    """A sequence classifier on the base, with one output a label and a fresh head where the labels differ.

    What the base lacks beside the head can only be a pooler; like the head it starts at random by ``seed``, and a note is logged.

    Raises:
        SettingsError: when the base cannot be read or its weights are not those of its network; weights are read as
            safetensors, else with ``weights_only``, so that code in a pickle is refused, not run.
    """
    path = resolve(base).path
    torch.manual_seed(seed)
    names = dict(enumerate(scheme.ids))
    single = len(scheme.groups) == 1 and scheme.groups[0].exclusive
    try:
        config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
        other_labels = config.id2label != names
        config.id2label, config.label2id = names, {name: i for i, name in names.items()}
        config.problem_type = "single_label_classification" if single else "multi_label_classification"
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout_prob", "dropout", "attention_dropout",
                     "seq_classif_dropout"):  # fmt: skip
            if hasattr(config, name):
                setattr(config, name, dropout)
        model, found = AutoModelForSequenceClassification.from_pretrained(
            path,
            config=config,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            local_files_only=True,
            trust_remote_code=False,
            # At the length of a sentence the fused kernel gains nothing on a CPU, and one export is like another with plain products;
            # on a GPU the library knows which kernel each kind of model has.
            **({} if torch.cuda.is_available() else {"attn_implementation": "eager"}),
        )
    except UNREADABLE as error:
        raise SettingsError(unavailable(base, error)) from None
    prefix = model.base_model_prefix + "."
    inner = [name for name, _ in model.named_parameters() if name.startswith(prefix)]
    lacking = sorted({*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])})
    poolers = [name for name in lacking if name.startswith(prefix) and ".pooler." in name]
    wrong = [name for name in lacking if name in inner and name not in poolers]
    if wrong:
        # The library would fill these in at random as well, and nobody would see why the model learns nothing.
        raise SettingsError(
            f"the base {base} cannot be loaded: {len(wrong)} of the {len(inner)} tensors of its network are missing from its weights or of "
            f"another shape, {wrong[0]} among them, so config.json and weights do not belong together"
        )
    if poolers:
        _note(f"the base {base} has no weights for its pooler, which starts at random like the head (seed {seed})")
    fresh = any(not name.startswith(prefix) for name in lacking)
    if other_labels and not fresh and (layer := output_layer(model, len(names))) is not None:
        # The base's output rows are as many, but were trained for other labels.
        torch.nn.init.normal_(layer.weight, 0.0, float(getattr(config, "initializer_range", 0.02)))
        torch.nn.init.zeros_(layer.bias)
    model.config.dtype = torch.float32
    return model


@functools.cache
def _note(message: str) -> None:
    """Say it once, not in every fold."""
    logger.warning(message)


def _reason(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0].removeprefix("Got: ").rstrip(" .") if text else type(error).__name__


def unavailable(base: str | Path, error: Exception) -> str:
    """Why a base cannot be loaded, in one sentence."""
    reason = _reason(error)
    if isinstance(error, UnpicklingError):
        # The library's own advice here is to run the file anyway.
        code = re.search(r"GLOBAL (\S+)", str(error))
        asks = f"asks to run {code[1]}, which is never done" if code else "is damaged or holds more than weights"
        reason = f"its pytorch_model.bin {asks}; get it from a source you trust, best as safetensors"
    return f"the base {base} cannot be loaded: {reason}"
