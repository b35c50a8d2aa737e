"""Exports of real, tiny networks of several families against the same weights in torch."""

import json
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    ByT5Tokenizer,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ElectraConfig,
    ElectraForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from classify.classifier import Classifier
from classify.errors import ModelDirectoryError
from training.export import export, save_model

SHAPE = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96, "initializer_range": 0.3}
LABELS = {"id2label": {0: "a", 1: "b", 2: "c"}, "label2id": {"a": 0, "b": 1, "c": 2}, "problem_type": "multi_label_classification"}
SIZES = {"vocab_size": 300, "max_position_embeddings": 80}
FAMILIES = {
    "bert": lambda: BertForSequenceClassification(BertConfig(**SIZES, **SHAPE, **LABELS)),
    "albert": lambda: AlbertForSequenceClassification(AlbertConfig(embedding_size=32, **SIZES, **SHAPE, **LABELS)),
    "roberta": lambda: RobertaForSequenceClassification(RobertaConfig(type_vocab_size=1, **SIZES, **SHAPE, **LABELS)),
    "electra": lambda: ElectraForSequenceClassification(ElectraConfig(embedding_size=32, **SIZES, **SHAPE, **LABELS)),
    "distilbert": lambda: DistilBertForSequenceClassification(
        DistilBertConfig(dim=64, n_layers=2, n_heads=4, hidden_dim=96, initializer_range=0.3, **SIZES, **LABELS)
    ),
}


def network(family):
    torch.manual_seed(6)
    return FAMILIES[family]().eval()


@pytest.fixture(scope="module", params=FAMILIES)
def exported(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("exported") / request.param
    network(request.param).save_pretrained(directory)
    assert export(directory) == directory / "onnx/model.onnx"
    return directory


def batch(rows, length, pad):
    generator = torch.Generator().manual_seed(rows * 100 + length)
    ids = torch.randint(5, 300, (rows, length), generator=generator)
    mask = torch.ones_like(ids)
    types = torch.zeros_like(ids)
    for row in range(rows):
        cut = max(1, length - row * 3)
        ids[row, cut:], mask[row, cut:] = pad, 0
        types[row, cut // 2 : cut] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


@pytest.mark.parametrize(("rows", "length"), [(1, 1), (1, 3), (2, 11), (5, 40), (3, 78), (17, 8)])
def test_graph_gives_the_logits_of_torch(exported, rows, length):
    session = onnxruntime.InferenceSession(str(exported / "onnx/model.onnx"), providers=["CPUExecutionProvider"])
    model = AutoModelForSequenceClassification.from_pretrained(exported).eval()
    wanted = {one.name for one in session.get_inputs()}
    assert {"input_ids", "attention_mask"} <= wanted <= {"input_ids", "attention_mask", "token_type_ids"}
    assert ("token_type_ids" in wanted) == (exported.name not in ("roberta", "distilbert"))
    feed = {name: tensor for name, tensor in batch(rows, length, model.config.pad_token_id).items() if name in wanted}
    with torch.inference_mode():
        expected = model(**feed).logits.numpy()
    (found,) = session.run(["logits"], {name: tensor.numpy() for name, tensor in feed.items()})
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert found.shape == (rows, 3)


def test_graph_lies_alone_in_its_folder(exported):
    assert [path.name for path in (exported / "onnx").iterdir()] == ["model.onnx"]
    assert not list(exported.glob(".*"))
    onnx.checker.check_model(str(exported / "onnx/model.onnx"))


@pytest.mark.parametrize("family", ["bert", "albert", "roberta"])
def test_compact_weights_are_the_same_in_every_format(family, tmp_path, tiny_tokenizer, tiny_base):
    plain, compact = tmp_path / "plain", tmp_path / "compact"
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    save_model(network(family), tokenizer, plain, compact=False)
    save_model(network(family), tokenizer, compact, compact=True)
    for directory in (plain, compact):
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        assert config["dtype"] == "float32"
        export(directory)
    model = AutoModelForSequenceClassification.from_pretrained(compact).eval()
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    session = onnxruntime.InferenceSession(str(compact / "onnx/model.onnx"), providers=["CPUExecutionProvider"])
    feed = {name: tensor for name, tensor in batch(4, 20, 0).items() if name in {one.name for one in session.get_inputs()}}
    with torch.inference_mode():
        expected = model(**feed).logits.numpy()
        rough = network(family)(**feed).logits.numpy()
    np.testing.assert_allclose(session.run(None, {k: v.numpy() for k, v in feed.items()})[0], expected, atol=1e-4)
    # Rounding moves the scores a little, and the export is what it was measured on.
    assert 0 < np.abs(expected - rough).max() < 0.35 * np.abs(rough).max() + 0.1
    integers = [one for one in onnx.load(str(compact / "onnx/model.onnx")).graph.initializer if one.name.endswith("_int8")]
    assert len(integers) >= 3
    assert (compact / "onnx/model.onnx").stat().st_size < 0.6 * (plain / "onnx/model.onnx").stat().st_size
    assert (compact / "model.safetensors").stat().st_size < 0.75 * (plain / "model.safetensors").stat().st_size


def test_saving_a_compact_model_again_changes_nothing(tmp_path, tiny_base):
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    save_model(network("bert"), tokenizer, tmp_path / "a", compact=True)
    save_model(AutoModelForSequenceClassification.from_pretrained(tmp_path / "a"), tokenizer, tmp_path / "b", compact=True)
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()


def test_command_line_gives_a_standard_directory_a_graph(standard_model, tmp_path, run_cli, indonesian):
    directory = shutil.copytree(standard_model, tmp_path / "standard")
    with_torch = Classifier.from_pretrained(directory).predict(indonesian)
    result = run_cli("export", directory)
    assert (result.returncode, result.stdout) == (0, f"wrote {directory / 'onnx/model.onnx'}\n")
    assert result.stderr == ""
    for one, other in zip(Classifier.from_pretrained(directory).predict(indonesian), with_torch, strict=True):
        assert one.labels == other.labels
        assert one.scores == pytest.approx(other.scores, abs=1e-4)


def test_exporting_again_replaces_the_graph(model_copy):
    before = Classifier.from_pretrained(model_copy).predict(["Moskow diam."])
    (model_copy / "onnx/stray.bin").write_bytes(b"x")
    export(model_copy)
    assert [path.name for path in (model_copy / "onnx").iterdir()] == ["model.onnx"]
    assert Classifier.from_pretrained(model_copy).predict(["Moskow diam."]) == before


def test_weights_that_are_not_numbers_are_not_exported(model_copy):
    from safetensors.torch import load_file, save_file

    graph = (model_copy / "onnx/model.onnx").read_bytes()
    weights = load_file(model_copy / "model.safetensors")
    weights["classifier.bias"] = torch.full_like(weights["classifier.bias"], float("nan"))
    save_file(weights, model_copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelDirectoryError, match="differs from its weights .*not exported"):
        export(model_copy)
    assert (model_copy / "onnx/model.onnx").read_bytes() == graph
    assert sorted(path.name for path in model_copy.iterdir() if path.name.startswith(".")) == []


@pytest.mark.parametrize("damage", ["missing", "cut off", "other shape"])
def test_unusable_weights_are_one_sentence(model_copy, damage):
    weights = model_copy / "model.safetensors"
    if damage == "missing":
        weights.unlink()
    elif damage == "cut off":
        weights.write_bytes(weights.read_bytes()[:500])
    else:
        config = json.loads((model_copy / "config.json").read_text(encoding="utf-8"))
        (model_copy / "config.json").write_text(json.dumps({**config, "hidden_size": 64}), encoding="utf-8")
    with pytest.raises(ModelDirectoryError, match="the weights in .* cannot be loaded: ") as caught:
        export(model_copy)
    assert "\n" not in str(caught.value)


def test_directory_that_is_none_is_a_users_mistake(tmp_path, run_cli, assert_refused):
    assert_refused(run_cli("export", tmp_path / "absent"), "absent", "does not exist")


def test_tokenizer_without_a_fast_form_cannot_be_shipped(tmp_path):
    with pytest.raises(ModelDirectoryError, match="no fast form"):
        save_model(network("bert"), ByT5Tokenizer(), tmp_path / "m", compact=False)
