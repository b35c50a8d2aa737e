import random

import pytest
from transformers import AutoTokenizer

from training.tokenizer import ALPHABET, SPECIAL_TOKENS, save_tokenizer, train_tokenizer


@pytest.fixture(scope="module")
def texts(indonesian):
    source = random.Random(2)
    return [" ".join(source.sample(sentence.split(), k=6)) for sentence in indonesian for _ in range(10)]


def test_same_texts_same_pieces(texts):
    # The library by itself numbers pieces anew in every run.
    vocabularies = [train_tokenizer(texts, 300).get_vocab() for _ in range(4)]
    assert all(one == vocabularies[0] for one in vocabularies)
    assert train_tokenizer(reversed(texts), 300).get_vocab() == vocabularies[0]


def test_size_and_special_tokens(texts):
    tokenizer = train_tokenizer(texts, 300)
    assert tokenizer.get_vocab_size() <= 300
    assert [tokenizer.id_to_token(i) for i in range(5)] == SPECIAL_TOKENS
    assert sorted(tokenizer.get_vocab().values()) == list(range(tokenizer.get_vocab_size()))


def test_words_are_cut_and_put_together(texts, indonesian):
    tokenizer = train_tokenizer(texts, 400)
    encoding = tokenizer.encode("Pyongyang MEMBANTAH, kata Lavrov.")
    assert encoding.tokens[0] == "[CLS]"
    assert encoding.tokens[-1] == "[SEP]"
    assert "[UNK]" not in encoding.tokens
    assert "," in encoding.tokens
    assert tokenizer.decode(encoding.ids) == "pyongyang membantah, kata lavrov."
    pair = tokenizer.encode("satu", "dua")
    assert pair.type_ids == [0] * (pair.tokens.index("[SEP]") + 1) + [1] * (len(pair) - pair.tokens.index("[SEP]") - 1)
    # A continuing piece in the text is text, not a piece; a special token's name is one.
    assert tokenizer.encode("##a", add_special_tokens=False).tokens[:2] == ["[UNK]", "[UNK]"] or "#" in tokenizer.get_vocab()
    assert tokenizer.encode("[MASK]", add_special_tokens=False).tokens == ["[MASK]"]


def test_rare_characters_are_unknown(texts):
    rare = "".join(chr(0x4E00 + i) for i in range(300))
    tokenizer = train_tokenizer([*texts, rare], 800)
    singles = [piece for piece in tokenizer.get_vocab() if len(piece) == 1]
    assert len(singles) == ALPHABET
    assert {"a", "z" if "z" in "".join(texts) else "a", "."} <= set(singles)
    assert tokenizer.encode(rare[-1], add_special_tokens=False).tokens == ["[UNK]"]


def test_it_is_read_back_by_transformers(texts, tmp_path, indonesian):
    tokenizer = train_tokenizer(texts, 300)
    save_tokenizer(tokenizer, tmp_path, 64)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.model_max_length == 64
    assert (loaded.pad_token, loaded.unk_token, loaded.cls_token, loaded.sep_token, loaded.mask_token) == (
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
    )  # fmt: skip
    for sentence in indonesian[:10]:
        assert loaded(sentence)["input_ids"] == tokenizer.encode(sentence).ids
    assert set(loaded("a")) == {"input_ids", "token_type_ids", "attention_mask"}
