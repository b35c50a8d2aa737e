"""The model directory: what it must hold, and clear words when it does not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classify.decisions import Decisions
from classify.errors import ModelDirectoryError
from classify.labels import LabelScheme
from classify.resources import file_digest, resource

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ONNX_FILES = ("onnx/model.onnx", "onnx/model_quantized.onnx")
INT8_FILE, INT8_RECORD = "onnx/model_int8.onnx", "onnx/quantization.json"
_READ = ("config.json", "labels.yaml", "decisions.json", "tokenizer.json", "vocab.txt", "tokenizer_config.json")
WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json")
_NUMBERS = ("max_position_embeddings", "pad_token_id", "type_vocab_size", "vocab_size")
_MARKERS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class ModelDirectory:
    """An opened Hugging Face-style sequence-classification directory.

    Attributes:
        path: where it lies.
        config: ``config.json``.
        scheme: from ``labels.yaml``, else one group made of ``id2label``.
        decisions: from ``decisions.json``, else the defaults.
    """

    path: Path
    config: dict[str, Any]
    scheme: LabelScheme
    decisions: Decisions

    @classmethod
    def open(cls, path: str | Path | None = None) -> ModelDirectory:
        """Open and check ``path``; None means the model that came with the package.

        Raises:
            ModelDirectoryError: when something needed is missing or does not fit together.
        """
        shipped = path is None
        root = resource("model") if path is None else Path(path)
        if not root.is_dir():
            if shipped:
                raise ModelDirectoryError("this installation carries no model: give one with --model DIR")
            what = "is a file" if root.exists() else "does not exist"
            raise ModelDirectoryError(f"the model directory {root} {what}: give a directory that holds config.json")
        config = _config(root / "config.json")
        scheme = _scheme(root, config)
        return cls(root, config, scheme, Decisions.load(root / "decisions.json", scheme))

    @property
    def onnx(self) -> Path | None:
        """The exported graph to run, if there is one."""
        return next((self.path / name for name in ONNX_FILES if (self.path / name).is_file()), None)

    @property
    def int8(self) -> Path | None:
        """The graph in integer arithmetic, if there is one with the sentences to check it by and a 32-bit graph to fall back to."""
        complete = self.onnx is not None and (self.path / INT8_RECORD).is_file() and (self.path / INT8_FILE).is_file()
        return self.path / INT8_FILE if complete else None

    @property
    def has_weights(self) -> bool:
        """Whether there are safetensors weights that torch could run."""
        return any((self.path / name).is_file() for name in WEIGHT_FILES)

    @property
    def max_length(self) -> int:
        """Tokens the model can read at once, special tokens included."""
        return positions(self.config)

    def digest(self, integers: bool = False) -> str:
        """SHA-256 of the files that predicting reads, those of the graph in integers with them if ``integers``."""
        weights = [self.onnx] if self.onnx else sorted(self.path.glob("*.safetensors"))
        more = [self.path / INT8_FILE, self.path / INT8_RECORD] if integers else []
        digest = sha256()
        for path in [*(self.path / name for name in _READ), *weights, *more]:
            if path.is_file():
                digest.update(f"{path.name}\0{file_digest([path])}".encode())
        return digest.hexdigest()

    def tokenizer(self) -> Tokenizer:
        """The tokenizer, from ``tokenizer.json`` or a WordPiece ``vocab.txt``; truncates to :attr:`max_length`.

        Raises:
            ModelDirectoryError: when neither is there or it cannot be read.
        """
        from tokenizers import Tokenizer

        fast, vocabulary = self.path / "tokenizer.json", self.path / "vocab.txt"
        try:
            if fast.is_file():
                tokenizer = Tokenizer.from_file(str(fast))
            elif vocabulary.is_file():
                tokenizer = _wordpiece(vocabulary, self.path / "tokenizer_config.json")
            else:
                raise ModelDirectoryError(f"{self.path} has neither tokenizer.json nor vocab.txt: save the tokenizer there")
        except ModelDirectoryError:
            raise
        except Exception as error:  # the library raises bare Exception for a damaged file
            raise ModelDirectoryError(f"the tokenizer in {self.path} cannot be read: {error}") from None
        if tokenizer.get_vocab_size() > int(self.config.get("vocab_size", 1 << 30)):
            raise ModelDirectoryError(
                f"the tokenizer in {self.path} has {tokenizer.get_vocab_size()} pieces but the model only "
                f"{self.config['vocab_size']}: they do not belong together"
            )
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.max_length)
        return tokenizer


def positions(config: Mapping[str, Any]) -> int:
    """Tokens a model of this ``config.json`` can read at once, special tokens included."""
    count = config.get("max_position_embeddings")
    count = 512 if count is None else int(count)
    # RoBERTa's positions start after the padding index.
    if config.get("model_type") in ("roberta", "xlm-roberta", "camembert"):
        padding = config.get("pad_token_id")
        count -= (1 if padding is None else int(padding)) + 1
    return count


def _wordpiece(vocabulary: Path, settings_path: Path) -> Tokenizer:
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import BertProcessing

    settings = json.loads(settings_path.read_text(encoding="utf-8")) if settings_path.is_file() else {}
    tokenizer = Tokenizer(WordPiece.from_file(str(vocabulary), unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=bool(settings.get("do_lower_case", True)), strip_accents=settings.get("strip_accents"))
    tokenizer.pre_tokenizer = BertPreTokenizer()
    sep, cls = tokenizer.token_to_id("[SEP]"), tokenizer.token_to_id("[CLS]")
    if sep is None or cls is None:
        raise ModelDirectoryError(f"{vocabulary} lacks [CLS] or [SEP]: it is no BERT vocabulary")
    tokenizer.post_processor = BertProcessing(("[SEP]", sep), ("[CLS]", cls))
    # As transformers does: markers written out in a text are not spelled as words.
    tokenizer.add_special_tokens([marker for marker in _MARKERS if tokenizer.token_to_id(marker) is not None])
    return tokenizer


def _config(path: Path) -> dict[str, Any]:
    """``config.json``; of the numbers that this package reads, those that are null are left out."""
    config = _json(path)
    for key in _NUMBERS:
        value = config.get(key)
        if value is None:
            config.pop(key, None)
        elif not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ModelDirectoryError(f"{path} is damaged: {key} must be a whole number, not {value!r}")
    return config


def _json(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelDirectoryError(f"{path.parent} has no {path.name}: it is not a model directory") from None
    except (OSError, ValueError) as error:
        raise ModelDirectoryError(f"{path} cannot be read: {error}") from None
    if not isinstance(loaded, dict):
        raise ModelDirectoryError(f"{path} does not hold a JSON object: it is damaged")
    return loaded


def _scheme(root: Path, config: dict[str, Any]) -> LabelScheme:
    id2label = config.get("id2label")
    if not isinstance(id2label, dict) or not id2label:
        raise ModelDirectoryError(f"{root / 'config.json'} names no labels (id2label): it is not a classification model")
    try:
        numbers = {int(key): str(label) for key, label in id2label.items()}
    except ValueError:
        raise ModelDirectoryError(f"the id2label keys in {root / 'config.json'} must be numbers") from None
    names = [numbers[number] for number in sorted(numbers)]
    if sorted(numbers) != list(range(len(id2label))) or len(set(names)) < len(names):
        raise ModelDirectoryError(f"id2label in {root / 'config.json'} must number the labels from 0 on and name each once")
    if (root / "labels.yaml").is_file():
        scheme = LabelScheme.load(root / "labels.yaml")
        if scheme.ids != names:
            raise ModelDirectoryError(f"{root}: labels.yaml lists {', '.join(scheme.ids)} but config.json's outputs are {', '.join(names)}")
        return scheme
    # A directory somebody else trained: only an explicit multi-label problem has independent labels.
    exclusive = config.get("problem_type") != "multi_label_classification" and len(names) > 1
    return LabelScheme.from_ids(names, exclusive=exclusive)
