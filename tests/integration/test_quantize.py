"""Integer arithmetic: what it decides, when it is refused, and how a machine on which it goes wrong finds out."""

import json
import logging
import shutil

import numpy as np
import onnx
import pytest
from test_export import FAMILIES, batch, network
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from classify import canaries
from classify.classifier import Classifier
from classify.engine import Int8Engine, OnnxEngine, open_engine
from classify.errors import DataError
from classify.modeldir import ModelDirectory
from training.export import export, save_model
from training.quantize import RECIPES, Limits, Recipe, _write, fused, int8_graph, quantize

# Networks drawn at random blow every rounding up and, this small, gain no speed; what counts here is what happens after passing.
WIDE = Limits(changed=0.3, macro_f1=0.3, speedup=0.0)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory, write_rows):
    """Labelled sentences that no model here was trained on."""
    from conftest import mixed

    return write_rows(tmp_path_factory.mktemp("fresh") / "fresh.jsonl", mixed(220, seed=77))


@pytest.fixture(scope="module")
def proven(tiny_model, fresh, tmp_path_factory):
    """A model with compact weights and an integer graph that passed."""
    directory = tmp_path_factory.mktemp("proven") / "model"
    model = AutoModelForSequenceClassification.from_pretrained(tiny_model)
    save_model(model, AutoTokenizer.from_pretrained(tiny_model), directory, compact=True)
    for name in ("labels.yaml", "decisions.json"):
        shutil.copy(tiny_model / name, directory / name)
    before = export(directory).read_bytes()
    verdict = quantize(directory, [fresh], limits=WIDE)
    assert verdict.chosen == RECIPES[0].name
    assert (directory / "onnx/model.onnx").read_bytes() == before
    return directory


@pytest.fixture
def proven_copy(proven, tmp_path, monkeypatch):
    """The same, free to be changed, on a machine that has not seen it yet."""
    monkeypatch.setenv("CLASSIFY_CACHE", str(tmp_path / "cache"))
    return shutil.copytree(proven, tmp_path / "model")


def change(path, edit):
    record = json.loads(path.read_text(encoding="utf-8"))
    edit(record)
    path.write_text(json.dumps(record), encoding="utf-8")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_computes_nearly_the_same(family, tmp_path):
    network(family).save_pretrained(tmp_path)
    path = export(tmp_path)
    target = path.with_name("int8.onnx")
    _write(int8_graph(fused(path), RECIPES[0]), path, target)
    import onnxruntime

    exact, rough = (onnxruntime.InferenceSession(str(one), providers=["CPUExecutionProvider"]) for one in (path, target))
    pad = 1 if family == "roberta" else 0
    feed = {name: tensor.numpy() for name, tensor in batch(6, 30, pad).items() if name in {one.name for one in exact.get_inputs()}}
    wanted, got = exact.run(None, feed)[0], rough.run(None, feed)[0]
    # Networks drawn at random blow every rounding up.
    assert 0 < np.abs(wanted - got).mean() < 0.25 * wanted.std(axis=0).mean()
    products = [node.op_type for node in onnx.load(str(target)).graph.node].count("MatMulIntegerToFloat")
    assert products == 12 + (family in ("albert", "electra"))  # two layers of six, and the step from embeddings to states


@pytest.mark.parametrize(("outputs", "centred"), [(40, False), (128, True)])
def test_products_are_exact_but_for_rounding(outputs, centred, tmp_path):
    """Tokens of very different size, positive and mixed: each is rounded by its own range."""
    from onnx import TensorProto, helper, numpy_helper

    source = np.random.default_rng(2)
    matrix = source.normal(0, 0.05, (96, outputs)).astype(np.float32)
    x = source.normal(0, 1, (2, 5, 96)).astype(np.float32) * 10.0 ** np.arange(-3, 2, dtype=np.float32)[None, :, None]
    x[1] = np.abs(x[1])
    x[0, 3] = 0
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [value("x", TensorProto.FLOAT, ["a", "b", 96])],
        [value("y", TensorProto.FLOAT, ["a", "b", 40])], [numpy_helper.from_array(matrix, "w")],
    )  # fmt: skip
    path, target = tmp_path / "exact.onnx", tmp_path / "int8.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    _write(int8_graph(fused(path), RECIPES[0]), path, target)
    import onnxruntime

    (got,) = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"]).run(None, {"x": x})
    wanted = x.astype(np.float64) @ matrix
    # What 96 roundings of activations and of weights, evenly spread, amount to; six standard deviations.
    spans = np.maximum(x.max(-1), 0) - np.minimum(x.min(-1), 0) if not centred else 255 / 127 * np.abs(x).max(-1)
    by_activations = spans[..., None] / 255 / np.sqrt(12) * np.linalg.norm(matrix, axis=0)
    by_weights = np.linalg.norm(x, axis=-1)[..., None] * np.abs(matrix).max(axis=0) / 127 / np.sqrt(12)
    assert (np.abs(got - wanted) <= 6 * np.hypot(by_activations, by_weights) + 1e-7).all()
    assert np.abs(got[0, 3]).max() == 0


def test_only_what_comes_out_of_a_gelu_costs_a_correction(tmp_path):
    network("bert").save_pretrained(tmp_path)
    path = export(tmp_path)
    nodes = {recipe.offset: list(int8_graph(fused(path), recipe).graph.node) for recipe in RECIPES[:2]}
    corrections = {offset: sum(name.endswith("_sums") for node in found for name in node.input) for offset, found in nodes.items()}
    # Two layers, each with six products, one of which has more inputs than outputs.
    assert corrections == {"narrowing": 2, "all": 12}
    for found in nodes.values():
        kinds = [node.op_type for node in found]
        assert kinds.count("MultiHeadAttention") == kinds.count("BiasGelu") == 2
        assert "Softmax" not in kinds


def test_a_matrix_can_keep_32_bits(tmp_path):
    network("bert").save_pretrained(tmp_path)
    path = export(tmp_path)
    weights = [node.input[1] for node in int8_graph(fused(path), RECIPES[0]).graph.node if node.op_type == "MatMulIntegerToFloat"]
    kept = int8_graph(fused(path), RECIPES[0], frozenset(name.removesuffix("_int8") for name in weights[:3]))
    assert [node.input[1] for node in kept.graph.node if node.op_type == "MatMulIntegerToFloat"] == weights[3:]
    few = int8_graph(fused(path), Recipe("few bits", bits=7))
    values = [onnx.numpy_helper.to_array(t) for t in few.graph.initializer if t.name in weights]
    assert max(np.abs(one).max() for one in values) == 63


def test_what_passed_is_used_and_decides_alike(proven_copy, indonesian):
    directory = ModelDirectory.open(proven_copy)
    record = json.loads((proven_copy / "onnx/quantization.json").read_text(encoding="utf-8"))
    assert record["chosen"] == record["trials"][-1]["recipe"]
    trial = record["trials"][-1]
    assert trial["passed"]
    assert trial["changed"] <= record["limits"]["changed"] == 0.3
    assert sum(count for count, _ in trial["parts"].values()) == record["sentences"] == 220
    assert trial["changed"] == round(sum(changed for _, changed in trial["parts"].values()) / 220, 5)
    assert len({canary["text"] for canary in record["canaries"]}) == 24
    engine = open_engine(directory)
    assert isinstance(engine, Int8Engine)
    rough, exact = Classifier(directory, engine).predict(indonesian), Classifier(directory, OnnxEngine(directory, 1)).predict(indonesian)
    shifts = [abs(one.scores[label] - other.scores[label]) for one, other in zip(rough, exact, strict=True) for label in one.scores]
    assert 0 < np.mean(shifts) < 0.05


def test_batches_and_threads_change_no_bit(proven_copy, indonesian):
    directory = ModelDirectory.open(proven_copy)
    encodings = directory.tokenizer().encode_batch(indonesian)
    one_by_one = Int8Engine(directory, directory.int8, threads=1)
    alone = np.concatenate([one_by_one.logits([encoding]) for encoding in encodings])
    for threads in (1, 3):
        engine = Int8Engine(directory, directory.int8, threads=threads)
        assert np.array_equal(engine.logits(encodings), alone)
        assert np.array_equal(engine.logits(encodings[::-1]), alone[::-1])


def test_stored_integers_are_not_stored_twice(proven_copy):
    graph = onnx.load(str(proven_copy / "onnx/model_int8.onnx"), load_external_data=False)
    shared = [t for t in graph.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    assert shared  # the vocabulary's table at least
    whole = (proven_copy / "onnx/model.onnx").read_bytes()
    for tensor in shared:
        place = {entry.key: entry.value for entry in tensor.external_data}
        assert place["location"] == "model.onnx"
        assert int(place["offset"]) + int(place["length"]) <= len(whole)
        assert int(place["length"]) == np.prod(tensor.dims)


def test_integers_that_decide_otherwise_are_refused(model_copy, fresh, run_cli):
    # For every label half of the sentences lie on either side, many of them near.
    scores = [p.scores for p in Classifier.from_pretrained(model_copy).predict([json.loads(x)["text"] for x in fresh.open()])]
    labels = {label: {"threshold": sorted(one[label] for one in scores)[len(scores) // 2]} for label in scores[0]}
    (model_copy / "decisions.json").write_text(json.dumps({"labels": labels, "context": False}), encoding="utf-8")
    before = (model_copy / "onnx/model.onnx").read_bytes()
    result = run_cli("export", model_copy, "--quantize", "--data", fresh)
    assert result.returncode == 1, result.stderr
    assert "220 held-out sentences" in result.stdout
    assert result.stdout.count("labels change in") == len(RECIPES)
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: no way to compute in integers stays within the limits")
    assert (model_copy / "onnx/model.onnx").read_bytes() == before
    assert sorted(path.name for path in (model_copy / "onnx").iterdir()) == ["model.onnx", "quantization.json"]
    record = json.loads((model_copy / "onnx/quantization.json").read_text(encoding="utf-8"))
    assert record["chosen"] is None
    assert not any(trial["passed"] for trial in record["trials"])
    assert isinstance(open_engine(ModelDirectory.open(model_copy)), OnnxEngine)


def wrong_scores(directory):
    def edit(record):
        for canary in record["canaries"]:
            canary["scores"] = {label: 1 - score for label, score in canary["scores"].items()}

    change(directory / "onnx/quantization.json", edit)


def no_canaries(directory):
    change(directory / "onnx/quantization.json", lambda record: record.update(canaries=[]))


def other_labels(directory):
    change(directory / "onnx/quantization.json", lambda record: record["canaries"][0]["scores"].pop("sanctions"))


def cut_off(directory):
    path = directory / "onnx/model_int8.onnx"
    path.write_bytes(path.read_bytes()[:2000])


def wrong_steps(directory):
    """As if the products came out wrong."""
    path = directory / "onnx/model_int8.onnx"
    graph = onnx.load(str(path), load_external_data=False)
    steps = {node.input[3] for node in graph.graph.node if node.op_type == "MatMulIntegerToFloat"}
    for tensor in graph.graph.initializer:
        if tensor.name in steps:
            values = onnx.numpy_helper.to_array(tensor) * np.float32(0.7)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    onnx.save(graph, str(path))


def other_weights(directory):
    """The 32-bit graph, whose integers the other one borrows, was replaced."""
    path = directory / "onnx/model.onnx"
    graph = onnx.load(str(path))
    for tensor in graph.graph.initializer:
        if tensor.data_type == onnx.TensorProto.INT8:
            values = onnx.numpy_helper.to_array(tensor)
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(values[::-1]), tensor.name))
    onnx.save(graph, str(path))


@pytest.mark.parametrize("damage", [wrong_scores, no_canaries, other_labels, cut_off, wrong_steps, other_weights])
def test_where_it_goes_wrong_32_bits_take_over(damage, proven_copy, caplog):
    assert isinstance(open_engine(ModelDirectory.open(proven_copy)), Int8Engine)  # and that is remembered
    damage(proven_copy)
    with caplog.at_level(logging.WARNING):
        assert isinstance(open_engine(ModelDirectory.open(proven_copy)), OnnxEngine)
    assert len(caplog.messages) == 1
    assert "model_int8.onnx is not used, the slower model.onnx is: " in caplog.messages[0]


def test_the_user_gets_rows_and_one_warning(proven_copy, run_cli, cli_environment, tmp_path):
    wrong_scores(proven_copy)
    article = tmp_path / "artikel.txt"
    article.write_text("Pyongyang membantah telah mengirim peluru kepada Rusia.\n", encoding="utf-8")
    result = run_cli(
        "predict", article, "--model", proven_copy, "--format", "jsonl", env=cli_environment(CLASSIFY_CACHE=str(tmp_path / "c"))
    )
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr.count("\n") == 1
    assert "on this machine" in result.stderr


def test_a_machine_checks_once(proven_copy, monkeypatch):
    asked = []
    original = canaries.distance
    monkeypatch.setattr(canaries, "distance", lambda *args: asked.append(1) or original(*args))
    directory = ModelDirectory.open(proven_copy)
    for expected in (1, 1):
        assert isinstance(open_engine(directory), Int8Engine)
        assert len(asked) == expected
    monkeypatch.setattr("onnxruntime.__version__", "99.0")
    open_engine(directory)
    assert len(asked) == 2
    monkeypatch.setattr(canaries, "_cpuinfo", lambda: ("another processor", "avx2"))
    open_engine(directory)
    assert len(asked) == 3


def test_where_nothing_can_be_remembered_it_checks_every_time(proven_copy, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("CLASSIFY_CACHE", str(tmp_path / "file" / "cache"))
    asked = []
    original = canaries.distance
    monkeypatch.setattr(canaries, "distance", lambda *args: asked.append(1) or original(*args))
    for _ in range(2):
        assert isinstance(open_engine(ModelDirectory.open(proven_copy)), Int8Engine)
    assert len(asked) == 2


def test_exporting_again_takes_the_integers_back_and_says_so(proven_copy, run_cli, assert_refused):
    there = sorted(path.name for path in (proven_copy / "onnx").iterdir())
    # What they are to be tested on is looked at before anything is replaced.
    assert_refused(run_cli("export", proven_copy, "--quantize", "--data", "nowhere"), "nowhere")
    assert sorted(path.name for path in (proven_copy / "onnx").iterdir()) == there
    assert "--quantize makes it anew" in run_cli("export", proven_copy).stderr
    assert [path.name for path in (proven_copy / "onnx").iterdir()] == ["model.onnx"]


def test_32_bits_on_demand(proven_copy, run_cli, assert_refused):
    arguments = ["predict", "-", "--all-scores", "--format", "jsonl", "--model", proven_copy]
    text = b"Kremlin menyebut laporan itu khayalan.\nHujan turun di Bogor.\n"
    integers = run_cli(*arguments, stdin=text).stdout
    exact = [run_cli(*arguments, "--precision", "fp32", *more, stdin=text).stdout for more in ((), ("--workers", 2))]
    for name in ("model_int8.onnx", "quantization.json"):
        (proven_copy / "onnx" / name).unlink()
    assert exact == [run_cli(*arguments, stdin=text).stdout] * 2
    assert exact[0] != integers
    assert_refused(run_cli(*arguments, "--precision", "fp16", stdin=text), "fp16", "auto or fp32")


def test_too_few_sentences_cannot_tell(model_copy, labelled):
    with pytest.raises(DataError, match="only 80 held-out sentences: 200 are needed"):
        quantize(model_copy, [labelled])
    assert [path.name for path in (model_copy / "onnx").iterdir()] == ["model.onnx"]


def test_data_without_the_question(model_copy, labelled, run_cli, assert_refused):
    assert_refused(run_cli("export", model_copy, "--data", labelled), "--quantize")


def test_only_real_sentences_leave_nothing_to_ship(model_copy, real, monkeypatch):
    monkeypatch.setattr("training.quantize.FEWEST", 5)
    with pytest.raises(DataError, match="come from the pool"):
        quantize(model_copy, [real.labels], [real.pool])


def test_rows_read_in_integers_are_cited_and_computed_again_as_such(proven_copy, run_cli, indonesian):
    rows = run_cli("predict", "-", "--citable", "--format", "jsonl", "--model", proven_copy, stdin=" ".join(indonesian[:6]).encode())
    assert {json.loads(row)["citation"]["engine"] for row in rows.stdout.splitlines()} == {"int8"}
    same = run_cli("verify", "-", "--model", proven_copy, stdin=rows.stdout.encode())
    assert (same.returncode, same.stdout) == (0, "6 of 6 rows confirmed\n")
    (proven_copy / "onnx/model_int8.onnx").unlink()
    other = run_cli("verify", "-", "--model", proven_copy, stdin=rows.stdout.encode())
    assert other.returncode == 1
    assert "row 1: made by another model" in other.stdout
    assert "row 1: made in 8-bit integers, which this machine does not run for this model" in other.stdout
