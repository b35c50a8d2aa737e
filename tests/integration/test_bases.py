"""Bases as other people publish them: old weight formats, missing tokenizer settings, labels of another task."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AlbertConfig, AlbertModel, AutoTokenizer, BertConfig, BertForPreTraining, pipeline

from classify.classifier import Classifier
from classify.errors import SettingsError
from classify.labels import LabelScheme
from training.base import load_model, load_tokenizer, unknown_share
from training.finetune import train

REAL = os.environ.get("INDOBERT_TOKENIZERS")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
STALE = {
    "id2label": {str(i): f"LABEL_{i}" for i in range(5)},
    "label2id": {f"LABEL_{i}": i for i in range(5)},
    "_num_labels": 5,
    "output_past": True,
}
SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}


@pytest.fixture(scope="module")
def vocabulary(tiny_tokenizer) -> list[str]:
    pieces = tiny_tokenizer.get_vocab()
    return sorted(pieces, key=pieces.__getitem__)


def write_config(folder: Path, config: dict) -> None:
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")


def bert_like(folder: Path, pieces: list[str], published: dict = {}) -> Path:  # noqa: B006
    """As IndoBERT-base: more embeddings than pieces, an empty tokenizer_config.json, a pickle, five labels of no meaning."""
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text("{}")
    torch.manual_seed(3)
    config = BertConfig(vocab_size=published.get("vocab_size", len(pieces) + 77), **SHAPE, initializer_range=0.3)
    torch.save(BertForPreTraining(config).state_dict(), folder / "pytorch_model.bin")
    kept = {key: value for key, value in config.to_dict().items() if key in SHAPE or key in ("vocab_size", "type_vocab_size")}
    write_config(folder, {**published, **kept, **STALE, "model_type": "bert", "architectures": ["BertForPreTraining"]})
    return folder


def albert_like(folder: Path, pieces: list[str], published: dict = {}) -> Path:  # noqa: B006
    """As IndoBERT-lite: an ALBERT with a WordPiece vocabulary, no SentencePiece model and no tokenizer settings at all."""
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    torch.manual_seed(4)
    size = published.get("vocab_size", len(pieces))
    config = AlbertConfig(vocab_size=size, embedding_size=16, **SHAPE, initializer_range=0.3)
    torch.save(AlbertModel(config).state_dict(), folder / "pytorch_model.bin")
    kept = {key: value for key, value in config.to_dict().items() if key in SHAPE or key in ("vocab_size", "embedding_size")}
    write_config(folder, {**published, **kept, **STALE, "model_type": "albert", "type_vocab_size": 2, "architectures": ["AlbertModel"]})
    return folder


MAKERS = {"bert": bert_like, "albert": albert_like}
CASES = [("bert", ""), ("albert", ""), *([("bert", "base"), ("albert", "lite")] if REAL else [])]


@pytest.fixture(scope="module", params=CASES, ids=[" ".join(filter(None, case)) for case in CASES])
def base(request, tmp_path_factory, vocabulary) -> Path:
    kind, real = request.param
    folder = tmp_path_factory.mktemp("bases") / f"indo-{kind}"
    if not real:
        return MAKERS[kind](folder, vocabulary)
    source = Path(REAL) / real
    pieces = (source / "vocab.txt").read_text(encoding="utf-8").splitlines()
    MAKERS[kind](folder, pieces, json.loads((source / "config.json").read_text(encoding="utf-8")))
    for extra in source.glob("*.json"):
        if extra.name != "config.json":
            shutil.copyfile(extra, folder / extra.name)
    return folder


@pytest.fixture(scope="module")
def fine_tuned(base, settings, labelled, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("fine_tuned") / base.name
    return train(settings(data=[labelled], base=str(base), output=output, epochs=2), quiet=True)


def test_tokenizer_reads_the_vocabulary_that_is_there(base, indonesian):
    tokenizer = load_tokenizer(base)
    assert unknown_share(tokenizer) < 0.2
    pieces = (base / "vocab.txt").read_text(encoding="utf-8").splitlines()
    encoded = tokenizer(indonesian[0])["input_ids"]
    assert [pieces[encoded[0]], pieces[encoded[-1]]] == ["[CLS]", "[SEP]"]
    words = "".join(pieces[i].removeprefix("##") for i in encoded[1:-1])
    assert words == indonesian[0].replace(" ", "").lower()


def test_weights_are_the_bases_and_the_head_is_new(base, root):
    scheme = LabelScheme.load(root / "configs/labels.yaml")
    model = load_model(base, scheme, dropout=0.0, seed=1)
    saved = torch.load(base / "pytorch_model.bin", weights_only=True)
    name = next(key for key in saved if key.endswith("word_embeddings.weight"))
    assert torch.equal(model.get_input_embeddings().weight, saved[name])
    assert model.config.id2label == dict(enumerate(scheme.ids))
    assert model.classifier.out_features == len(scheme)
    assert "LABEL_0" not in model.config.to_json_string()


def test_trained_directory_is_complete_and_predicts(fine_tuned, run_cli, rows, tmp_path):
    text = tmp_path / "article.txt"
    text.write_text(rows[3]["text"] + "\n", encoding="utf-8")
    result = run_cli("predict", text, "--model", fine_tuned, "--lines", "--format", "jsonl")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["text"] == rows[3]["text"]
    assert (fine_tuned / "onnx/model.onnx").is_file()
    assert (fine_tuned / "model.safetensors").is_file()
    assert not list(fine_tuned.rglob("*.bin"))


def test_graph_weights_and_pipeline_agree(fine_tuned, rows):
    texts = [row["text"] for row in rows[:12]]
    expected = Classifier.from_pretrained(fine_tuned).predict(texts)
    shown = pipeline("text-classification", model=str(fine_tuned), top_k=None)(texts)
    for scores, prediction in zip(shown, expected, strict=True):
        assert {one["label"]: one["score"] for one in scores} == pytest.approx(prediction.scores, abs=1e-4)
    assert len({tuple(prediction.scores.values()) for prediction in expected}) > 6


def test_saved_tokenizer_is_the_bases(fine_tuned, base, rows):
    for text in (rows[0]["text"], "Çirebon 1.200-an (“bukan” Rp5,5)", ""):
        assert AutoTokenizer.from_pretrained(fine_tuned)(text)["input_ids"] == load_tokenizer(base)(text)["input_ids"]


def test_it_reads_no_further_than_it_has_positions(fine_tuned, rows):
    (prediction,) = Classifier.from_pretrained(fine_tuned).predict([" ".join(row["text"] for row in rows)])
    assert np.isfinite(list(prediction.scores.values())).all()
    assert AutoTokenizer.from_pretrained(fine_tuned).model_max_length == 64


# --------------------------------------------------------------------------------------------------------------------
# Bases that cannot be used


@pytest.mark.parametrize("make", [bert_like, albert_like])
def test_vocabulary_of_another_language_is_refused_with_the_reason(make, tmp_path, settings, labelled):
    base = make(tmp_path / "latin", [*SPECIAL, "lorem", "ipsum", "dolor", "."])
    with pytest.raises(SettingsError, match="latin does not know 100% of .* common Indonesian words: its vocabulary file is"):
        train(settings(data=[labelled], base=str(base), output=tmp_path / "m"), quiet=True)
    assert not (tmp_path / "m").exists()


def test_lost_vocabulary_is_refused(tmp_path, vocabulary):
    for make in (bert_like, albert_like):
        base = make(tmp_path / make.__name__, vocabulary)
        (base / "vocab.txt").unlink()
        with pytest.raises(SettingsError) as caught:
            load_tokenizer(base)
        assert str(base) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_hub_id_without_a_hub_is_one_sentence(tmp_path, run_cli, labelled, recipe, assert_refused, cli_environment):
    flags = ["--config", recipe, "--data", labelled, "--output", tmp_path / "m", "--quiet"]
    result = run_cli("train", "--base", "nobody/no-such-model", *flags, env=cli_environment(HF_HUB_OFFLINE="1"))
    assert_refused(result, "nobody/no-such-model", "neither a directory nor can it be fetched", "--base DIR")


@pytest.mark.parametrize("name", ["./missing", "/no/where", "a/b/c"])
def test_path_that_leads_nowhere_is_not_looked_up_on_the_hub(name, tmp_path, settings, labelled):
    with pytest.raises(SettingsError, match=r"is not a directory: give a model directory or a hub id such as owner/name"):
        train(settings(data=[labelled], base=name, output=tmp_path / "m"), quiet=True)


def test_directory_without_config_is_refused(tmp_path, settings, labelled):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match=r"empty has no config.json: give the directory that save_pretrained wrote"):
        train(settings(data=[labelled], base=str(tmp_path / "empty"), output=tmp_path / "m"), quiet=True)


def damaged_pickle(base: Path) -> None:
    (base / "pytorch_model.bin").write_bytes(b"not a pickle at all")


def pickle_with_code(base: Path) -> None:
    class Code:
        def __reduce__(self):
            return (os.system, (f"touch {base / 'executed'}",))

    torch.save({"bert.embeddings.word_embeddings.weight": Code()}, base / "pytorch_model.bin")


def cut_off_safetensors(base: Path) -> None:
    (base / "pytorch_model.bin").unlink()
    (base / "model.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{}")


def no_weights(base: Path) -> None:
    (base / "pytorch_model.bin").unlink()


def damaged_config(base: Path) -> None:
    (base / "config.json").write_text("{", encoding="utf-8")


def unknown_architecture(base: Path) -> None:
    write_config(base, {"model_type": "no-such-network"})


def without_classification(base: Path) -> None:
    write_config(base, {"model_type": "vit"})


DAMAGES = [
    damaged_pickle, pickle_with_code, cut_off_safetensors, no_weights, damaged_config, unknown_architecture, without_classification,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_base_is_one_sentence(damage, tmp_path, vocabulary, root):
    base = bert_like(tmp_path / "base", vocabulary)
    damage(base)
    with pytest.raises(SettingsError) as caught:
        load_model(base, LabelScheme.load(root / "configs/labels.yaml"), dropout=0.1, seed=1)
    assert str(caught.value).startswith(f"the base {base} cannot be loaded: ")
    assert "\n" not in str(caught.value)
    assert not (base / "executed").exists()
