"""A WordPiece vocabulary of our own, trained with the `tokenizers` library."""

from __future__ import annotations

import string
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import WordPieceTrainer
from transformers import PreTrainedTokenizerFast

# Characters that get a piece of their own; the rarer ones are unknown.
ALPHABET = 200
SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> Tokenizer:
    """Train an uncased BERT WordPiece tokenizer of ``vocabulary_size`` pieces on ``texts``: the same texts give the same pieces."""
    texts = list(texts)
    normalizer = BertNormalizer(lowercase=True, strip_accents=True)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text))
    frequent = sorted((c for c in counts if not c.isspace()), key=lambda c: (-counts[c], c))[:ALPHABET]
    # The library numbers the characters inside words in the order of a hash table, which differs from run to run and decides
    # between merges of equal count. Named beforehand, they have their numbers before it looks at the text.
    inner = [f"##{c}" for c in sorted(frequent) if not (c in string.punctuation or unicodedata.category(c).startswith("P"))]
    trainer = WordPieceTrainer(
        vocab_size=vocabulary_size, special_tokens=SPECIAL_TOKENS + inner, initial_alphabet=frequent, limit_alphabet=len(frequent),
        min_frequency=5, show_progress=False,
    )  # fmt: skip
    learner = Tokenizer(WordPiece(unk_token="[UNK]"))
    learner.normalizer, learner.pre_tokenizer = normalizer, BertPreTokenizer()
    learner.train_from_iterator(texts, trainer)

    tokenizer = Tokenizer(WordPiece(learner.get_vocab(), unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = normalizer, BertPreTokenizer(), WordPieceDecoder()
    tokenizer.add_special_tokens(SPECIAL_TOKENS)
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", cls), ("[SEP]", sep)]
    )
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, directory: Path, max_length: int) -> None:
    """Write ``tokenizer.json`` and ``tokenizer_config.json`` so that ``AutoTokenizer`` reads them back."""
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        model_max_length=max_length,
        unk_token="[UNK]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    ).save_pretrained(directory)
