import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from classify.engine import OnnxEngine, TorchEngine, open_engine, padded
from classify.errors import ModelDirectoryError
from classify.modeldir import ModelDirectory
from classify.resources import processors

TASKS = Path("/proc/self/task")


@pytest.fixture(scope="module")
def two_inputs(tmp_path_factory, tiny_tokenizer):
    """A DistilBERT: its network takes no token types."""
    import torch
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    from training.export import export
    from training.tokenizer import save_tokenizer

    directory = tmp_path_factory.mktemp("models") / "distil"
    torch.manual_seed(3)
    config = DistilBertConfig(
        vocab_size=tiny_tokenizer.get_vocab_size(), dim=32, n_layers=2, n_heads=4, hidden_dim=64, max_position_embeddings=64,
        initializer_range=0.3, id2label={0: "ya", 1: "tidak"}, label2id={"ya": 0, "tidak": 1},
        problem_type="multi_label_classification",
    )  # fmt: skip
    DistilBertForSequenceClassification(config).eval().save_pretrained(directory)
    save_tokenizer(tiny_tokenizer, directory, 64)
    export(directory)
    return directory


def encode(directory, texts):
    return directory.tokenizer().encode_batch(texts)


def refusal(directory, *words):
    with pytest.raises(ModelDirectoryError) as caught:
        open_engine(ModelDirectory.open(directory))
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message


def test_padding_fills_up_to_the_longest_and_is_masked(tiny_model):
    directory = ModelDirectory.open(tiny_model)
    short, long = encode(directory, ["Kim", ("Kim tiba di Moskow.", "Ya.")])
    arrays = padded([short, long], 9)
    assert list(arrays) == ["input_ids", "attention_mask", "token_type_ids"]
    assert {array.shape for array in arrays.values()} == {(2, len(long))}
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.int64)}
    assert arrays["input_ids"][0].tolist() == short.ids + [9] * (len(long) - len(short))
    assert arrays["attention_mask"].sum(axis=1).tolist() == [len(short), len(long)]
    assert arrays["token_type_ids"][1].tolist() == long.type_ids
    assert max(long.type_ids) == 1


@pytest.mark.skipif(not TASKS.exists(), reason="threads are counted in /proc")
def test_no_more_threads_are_started_than_there_are_processors(tiny_model):
    directory = ModelDirectory.open(tiny_model)
    before = len(list(TASKS.iterdir()))
    engine = open_engine(directory, threads=5000)
    engine.logits(encode(directory, ["Kim", "Putin"]))
    assert len(list(TASKS.iterdir())) - before <= processors()


@pytest.mark.parametrize("which", ["tiny_model", "two_inputs"])
def test_the_graph_and_the_weights_agree(which, request, indonesian):
    directory = ModelDirectory.open(request.getfixturevalue(which))
    batch = encode(directory, indonesian[:7])
    onnx, torch = OnnxEngine(directory, 1).logits(batch), TorchEngine(directory, 1).logits(batch)
    assert onnx.shape == torch.shape == (7, len(directory.scheme))
    assert onnx.dtype == torch.dtype == np.float32
    np.testing.assert_allclose(onnx, torch, atol=1e-4)
    assert onnx.std(axis=0).min() > 0.1


def test_the_graph_is_preferred_and_torch_takes_over_without_it(model_copy):
    assert isinstance(open_engine(ModelDirectory.open(model_copy)), OnnxEngine)
    shutil.rmtree(model_copy / "onnx")
    assert isinstance(open_engine(ModelDirectory.open(model_copy)), TorchEngine)


def test_nothing_to_run(model_copy):
    shutil.rmtree(model_copy / "onnx")
    (model_copy / "model.safetensors").unlink()
    refusal(model_copy, model_copy, "model.safetensors", "save_pretrained")


def test_pickled_weights_are_never_opened(model_copy, tmp_path):
    import pickle

    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / "sprung"), "w")

    shutil.rmtree(model_copy / "onnx")
    (model_copy / "model.safetensors").unlink()
    (model_copy / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    refusal(model_copy, "other weight formats are not read")
    assert not (tmp_path / "sprung").exists()


def test_code_in_a_model_directory_is_never_run(model_copy, tmp_path):
    shutil.rmtree(model_copy / "onnx")
    config = json.loads((model_copy / "config.json").read_text())
    names = {"AutoConfig": "trap.Config", "AutoModelForSequenceClassification": "trap.Model"}
    (model_copy / "config.json").write_text(json.dumps({**config, "model_type": "jebakan", "auto_map": names}))
    (model_copy / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n")
    refusal(model_copy, "cannot be loaded")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x08\x08\x12\x07pytorch", None], ids=["empty", "text", "header", "cut"])
def test_a_damaged_graph(content, model_copy):
    path = model_copy / "onnx/model.onnx"
    path.write_bytes(path.read_bytes()[:3000] if content is None else content)
    refusal(model_copy, path, "cannot be loaded", "classify export")


def test_a_graph_with_another_number_of_labels(two_inputs, model_copy):
    shutil.copy(two_inputs / "onnx/model.onnx", model_copy / "onnx/model.onnx")
    refusal(model_copy, "2 scores", "7 labels")


def test_a_graph_with_inputs_nobody_can_fill(model_copy):
    import onnx

    path = model_copy / "onnx/model.onnx"
    graph = onnx.load(str(path))
    for one in graph.graph.input:
        one.name = one.name.replace("attention_mask", "pixel_values")
    for node in graph.graph.node:
        node.input[:] = [name.replace("attention_mask", "pixel_values") for name in node.input]
    onnx.save(graph, str(path))
    refusal(model_copy, path, "pixel_values")


@pytest.mark.parametrize("content", [b"", b"no tensors at all", b"\xff" * 100, None], ids=["empty", "text", "bytes", "cut"])
def test_damaged_weights(content, model_copy):
    shutil.rmtree(model_copy / "onnx")
    path = model_copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:2000] if content is None else content)
    refusal(model_copy, model_copy, "cannot be loaded")


def test_weights_of_another_shape(model_copy):
    shutil.rmtree(model_copy / "onnx")
    config = json.loads((model_copy / "config.json").read_text())
    (model_copy / "config.json").write_text(json.dumps({**config, "hidden_size": 64}))
    refusal(model_copy, model_copy, "cannot be loaded")


def test_a_base_model_has_no_head_to_predict_with(tiny_base, tmp_path):
    directory = tmp_path / "base"
    shutil.copytree(tiny_base, directory)
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, "id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}}))
    refusal(directory, directory, "classifier.bias", "trained to classify")
