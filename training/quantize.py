"""8-bit integer arithmetic for an exported graph, kept only where it is shown to decide as 32-bit arithmetic does."""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, version_converter

from classify.canaries import Canary, distance, processor
from classify.classifier import Classifier, Prediction
from classify.engine import Engine, Int8Engine, OnnxEngine
from classify.errors import DataError, ModelDirectoryError
from classify.modeldir import INT8_FILE, INT8_RECORD, ModelDirectory
from classify.runtime import onnx_runtime
from classify.writers import replacing
from training.dataset import Example, Pool, load, scored, targets
from training.evaluate import parts
from training.export import SMALL, integers_of, optimised, replace, restored, shrink
from training.metrics import label_scores

logger = logging.getLogger(__name__)

# The first set of operators whose quantisation takes a scale a token.
OPSET = 21
# Fewer sentences cannot tell half a percent.
FEWEST = 200
MICROSOFT = "com.microsoft"
CANARIES = 24
# In characters, so that no tokenizer makes more tokens of one than the model reads.
LONGEST_CANARY = 240
TIMED = 64


@dataclass(frozen=True)
class Limits:
    """How far integer arithmetic may differ on held-out sentences.

    Attributes:
        changed: share of the sentences any of whose labels changes.
        macro_f1: macro-F1 of any group, upwards or downwards.
        speedup: times as fast as 32 bits it must be at least.
    """

    changed: float = 0.005
    macro_f1: float = 0.005
    speedup: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """One way to compute with integers.

    Attributes:
        name: for people.
        bits: of the weights; 7 where a processor without 8-bit dot products would overflow its 16-bit sums.
        tables: also store the embeddings as integers (what is looked up is 32-bit again).
        offset: which activations use all 256 integers from a token's smallest to its largest, at the cost of a correction after each
            product; the others lie about nought, in steps of the largest. ``"narrowing"``: those of matrices with more inputs than
            outputs, as come out of a GELU, which is hardly ever negative.
        kept: how many of the matrices whose rounding moves the scores most keep 32 bits.
    """

    name: str
    bits: int = 8
    tables: bool = True
    offset: Literal["narrowing", "all"] = "narrowing"
    kept: int = 0


RECIPES = (
    Recipe("8-bit weights, activations about nought but after a GELU"),
    Recipe("8-bit weights", offset="all"),
    Recipe("8-bit weights, embeddings kept", tables=False, offset="all"),
    Recipe("7-bit weights", bits=7, offset="all"),
    Recipe("8-bit weights, the 4 most sensitive matrices kept", offset="all", kept=4),
    Recipe("8-bit weights, the 12 most sensitive matrices kept", offset="all", kept=12),
)


@dataclass
class Trial:
    """What one recipe did on the held-out sentences.

    Attributes:
        recipe: its name.
        changed: share of the sentences whose labels changed.
        macro_f1: per group its macro-F1 in 32 bits and in integers.
        shift: mean and largest change of a score.
        parts: per set of held-out sentences how many there are and how many changed.
        speedup: times as fast as 32 bits, on one thread.
        passed: whether all limits were kept.
    """

    recipe: str
    changed: float
    macro_f1: dict[str, tuple[float, float]]
    shift: tuple[float, float]
    parts: dict[str, tuple[int, int]]
    speedup: float
    passed: bool


@dataclass
class Verdict:
    """All trials; ``chosen`` is the recipe kept, None where none passed."""

    chosen: str | None
    sentences: int
    trials: list[Trial]
    limits: Limits
    processor: str = ""
    onnxruntime: str = ""
    canaries: list[Canary] = field(default_factory=list)
    canary_distance: float = 0.0


def quantize(
    directory: Path,
    data: Sequence[Path],
    pool: Sequence[Path] = (),
    recipes: Sequence[Recipe] = RECIPES,
    limits: Limits | None = None,
) -> Verdict:
    """Write ``onnx/model_int8.onnx`` beside the exported graph if integer arithmetic proves itself.

    Weights are integers with a step an output, activations with a range a token, found while running (dynamic quantisation
    a token, as in ZeroQuant, Yao et al. 2022). Of the recipes that keep the limits the fastest is chosen. The verdict goes
    into ``onnx/quantization.json`` either way. Weights that the 32-bit graph stores as integers already are not stored twice:
    the new graph refers to the bytes in ``model.onnx``.

    Args:
        directory: a model directory with ``onnx/model.onnx``.
        data: labelled files or folders; only sentences that the model was not trained on are read.
        pool: articles that labels without text were drawn from.
        recipes: tried in this order.
        limits: None for half a percent of the sentences and 0.005 macro-F1.

    Raises:
        DataError: when there are too few held-out sentences, or none of them has its text in the data.
        ModelDirectoryError: when there is no graph.
    """
    onnxruntime = onnx_runtime()

    limits = limits or Limits()
    opened = ModelDirectory.open(directory)
    graph = directory / "onnx" / "model.onnx"
    if not graph.is_file():
        raise ModelDirectoryError(f"{directory} has no onnx/model.onnx: run  classify export {directory}  first")
    examples, names = held_out(opened, data, pool)
    target, trial_path = directory / INT8_FILE, graph.with_name(".model_int8.new")
    exact = OnnxEngine(opened, threads=1)
    wanted = _predict(opened, exact, examples)
    sample = examples[:: max(1, len(examples) // TIMED)][:TIMED]
    source = fused(graph)
    ranked: list[str] = []
    trials: list[Trial] = []
    best: tuple[float, bytes] | None = None
    try:
        for recipe in recipes:
            if recipe.kept and best is not None:
                break  # keeping matrices only makes it slower
            if not recipe.tables and not _tables(source):
                continue
            if recipe.kept and not ranked:
                ranked = _by_sensitivity(opened, source, graph, sample, exact, trial_path)
            _write(int8_graph(source, recipe, frozenset(ranked[: recipe.kept])), graph, trial_path)
            engine = Int8Engine(opened, trial_path, threads=1)
            got = _predict(opened, engine, examples)
            trial = _compare(recipe, opened, examples, names, wanted, got)
            trial.speedup = round(_speedup(opened, exact, engine, sample), 2)
            worst = max(abs(after - before) for before, after in trial.macro_f1.values())
            trial.passed = trial.changed <= limits.changed and worst <= limits.macro_f1 and trial.speedup >= limits.speedup
            trials.append(trial)
            if trial.passed and (best is None or trial.speedup > best[0]):
                best = (trial.speedup, trial_path.read_bytes())
                chosen = recipe.name
            if trial.passed and recipe is recipes[0]:
                break  # every other recipe gives up speed or bits for faithfulness
        verdict = Verdict(chosen if best else None, len(examples), trials, limits, processor(), onnxruntime.__version__)
        target.unlink(missing_ok=True)
        if best is not None:
            trial_path.write_bytes(best[1])
            verdict.canaries = _canaries(examples, wanted)
            verdict.canary_distance = distance(Int8Engine(opened, trial_path, threads=1), opened, verdict.canaries)
            trial_path.replace(target)
    finally:
        trial_path.unlink(missing_ok=True)
    with replacing(directory / INT8_RECORD) as stream:
        json.dump(asdict(verdict), stream, indent=1, ensure_ascii=False)
        stream.write("\n")
    return verdict


def report(verdict: Verdict) -> str:
    """The figures for people."""
    lines = [f"{verdict.sentences} held-out sentences, one thread, {verdict.processor}"]
    for trial in verdict.trials:
        f1 = ", ".join(f"{group} {before:.4f} -> {after:.4f}" for group, (before, after) in trial.macro_f1.items())
        lines.append(
            f"{'kept within' if trial.passed else 'beyond'} the limits: {trial.recipe}: labels change in {trial.changed:.2%} of the "
            f"sentences, macro-F1 {f1}, scores by {trial.shift[0]:.4f} on average ({trial.shift[1]:.3f} at most), "
            f"{trial.speedup:.2f} times as fast"
        )
    return "\n".join(lines)


def held_out(opened: ModelDirectory, data: Sequence[Path], pool: Sequence[Path]) -> tuple[list[Example], list[str]]:
    """Held-out examples, and for each the name of its set."""
    path = opened.path / "training.json"
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    loaded = load(data, opened.scheme, Pool(pool) if pool else None)
    if loaded.without_text:
        logger.warning("%d labels of real sentences were left out: their articles are not in the pool", loaded.without_text)
    found = [(example, part.name) for part in parts(loaded.examples, record) for example in part.examples]
    if len(found) < FEWEST:
        raise DataError(
            f"only {len(found)} held-out sentences: {FEWEST} are needed to tell whether integers decide alike; give more --data or --pool"
        )
    if all(example.real for example, _ in found):
        raise DataError("all held-out sentences come from the pool: give --data with sentences of its own to check the model by later")
    return [example for example, _ in found], [name for _, name in found]


def _predict(opened: ModelDirectory, engine: Engine, examples: Sequence[Example]) -> list[Prediction]:
    return Classifier(opened, engine).predict([e.text for e in examples], [e.context for e in examples])


def _scores(predictions: Sequence[Prediction], labels: Sequence[str]) -> NDArray[np.float64]:
    return np.asarray([[p.scores[label] for label in labels] for p in predictions])


def _given(predictions: Sequence[Prediction], labels: Sequence[str]) -> NDArray[np.bool_]:
    answers = [{label for given in p.labels.values() for label in given} for p in predictions]
    return np.asarray([[label in answer for label in labels] for answer in answers])


def _compare(
    recipe: Recipe, opened: ModelDirectory, examples: list[Example], names: list[str], wanted: list[Prediction], got: list[Prediction]
) -> Trial:
    scheme = opened.scheme
    before, after = _given(wanted, scheme.ids), _given(got, scheme.ids)
    changed = (before != after).any(axis=1)
    truth, mask = np.nan_to_num(targets(examples, scheme)) > 0.5, scored(examples, scheme)
    f1 = [label_scores(flags, truth, mask) for flags in (before, after)]
    macro = {}
    for group, columns in scheme.spans():
        inside = [i for i in range(columns.start, columns.stop) if f1[0]["support"][i]]
        macro[group.id] = tuple(round(float(np.mean([one["f1"][i] for i in inside] or [0.0])), 5) for one in f1)
    shift = np.abs(_scores(wanted, scheme.ids) - _scores(got, scheme.ids))
    counts = {name: [at for at, other in enumerate(names) if other == name] for name in dict.fromkeys(names)}
    return Trial(
        recipe.name,
        round(float(changed.mean()), 5),
        {group: (values[0], values[1]) for group, values in macro.items()},
        (round(float(shift.mean()), 5), round(float(shift.max()), 5)),
        {name: (len(rows), int(changed[rows].sum())) for name, rows in counts.items()},
        speedup=0.0,
        passed=False,
    )


def _speedup(opened: ModelDirectory, exact: Engine, engine: Engine, sample: Sequence[Example], runs: int = 5) -> float:
    """How many times faster; by processor time, which other programs disturb least, each in turn."""
    times: dict[Engine, list[float]] = {exact: [], engine: []}
    for _ in range(runs + 1):
        for one, taken in times.items():
            begin = time.process_time()
            _predict(opened, one, sample)
            taken.append(time.process_time() - begin)
    # The first run warms up.
    return float(np.median(times[exact][1:]) / np.median(times[engine][1:]))


def _canaries(examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[Canary]:
    """Sentences with scores nearest the middle, each label's in turn, whose text is nobody else's."""
    own = [i for i, example in enumerate(examples) if not example.real and len(example.text) + len(example.context) <= LONGEST_CANARY]
    labels = list(predictions[0].scores)
    chosen: list[int] = []
    for turn in range(CANARIES):
        label = labels[turn % len(labels)]
        left = [i for i in own if i not in chosen]
        if left:
            chosen.append(min(left, key=lambda i: abs(predictions[i].scores[label] - 0.5)))
    return [Canary(examples[i].text, examples[i].context, predictions[i].scores) for i in chosen]


def _by_sensitivity(
    opened: ModelDirectory, source: onnx.ModelProto, graph: Path, sample: Sequence[Example], exact: Engine, path: Path
) -> list[str]:
    """The products whose rounding alone moves the scores most, first."""
    labels = opened.scheme.ids
    few = sample[: TIMED // 4]
    wanted = _scores(_predict(opened, exact, few), labels)
    products = _products(source)
    shifts = {}
    for name in products:
        _write(int8_graph(source, Recipe(name, tables=False), frozenset(products) - {name}), graph, path)
        got = _scores(_predict(opened, Int8Engine(opened, path, threads=1), few), labels)
        shifts[name] = float(np.abs(got - wanted).mean())
    return sorted(shifts, key=lambda name: (-shifts[name], name))


# --- the graph


def int8_graph(source: onnx.ModelProto, recipe: Recipe, kept: frozenset[str] = frozenset()) -> onnx.ModelProto:
    """The 32-bit graph ``source`` (:func:`fused`) with its products in integers; ``kept`` names the weights left as they are.

    A token's activations ``x`` become ``q = round(x / s) + z`` in 0..255. Those about nought take ``s`` from the largest magnitude and 128
    for ``z``, so that ``x @ W = s * step * (q - 128) @ Q`` where ``W = Q * step``: one integer product. Those with an offset take both
    from the smallest and largest value, and ``s * (128 - z) * step * sum(Q)`` is added, whose last factors are constants. No token's
    result depends on another's.
    """
    graph = onnx.ModelProto()
    graph.CopyFrom(source)
    weights = _Weights(graph)
    constants = _Constants()
    nodes: list[onnx.NodeProto] = []
    ranges: set[tuple[str, bool]] = set()
    for node in graph.graph.node:
        if node.op_type == "MatMul" and node.input[1] in weights and node.input[1] not in kept:
            x, name, output = node.input[0], node.input[1], node.output[0]
            integers, step = weights.columns(name, recipe.bits)
            narrowing = integers.shape[0] > integers.shape[1]
            centred = recipe.offset == "narrowing" and not narrowing
            if (x, centred) not in ranges:
                ranges.add((x, centred))
                nodes += (_centred if centred else _with_offset)(x, integers.shape[0], constants)
            nodes += _product(x, name, output, integers, step, constants, centred)
        elif node.op_type == "Gather" and recipe.tables and weights.is_table(node.input[0]):
            integers, step = weights.rows(node.input[0])
            constants(node.input[0] + "_int8", integers)
            constants(node.input[0] + "_step", step)
            nodes += restored(node.input[0], node.output[0], rows=node.input[1])
        else:
            nodes.append(node)
    tensors = [one for one in graph.graph.initializer if one.name not in constants.tensors] + list(constants.tensors.values())
    _prune(graph, nodes, tensors)
    return graph


def fused(path: Path) -> onnx.ModelProto:
    """The graph at ``path`` with each attention, and each activation with its bias, as one operator of the runtime's.

    By the tool that comes with ONNX Runtime, which leaves alone what it does not recognise; the configuration beside the graph's folder
    says how many heads there are. Sums are not fused with the normalisation after them: the runtime takes four times as long for that
    as for both.
    """
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    beside = path.parent.parent / "config.json"
    config = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
    # The second names are DistilBERT's; of 0 the tool finds out by itself.
    heads = config.get("num_attention_heads") or config.get("n_heads") or 0
    width = config.get("hidden_size") or config.get("dim") or 0
    options = FusionOptions("bert")
    options.use_multi_head_attention = True
    options.enable_embed_layer_norm = options.enable_skip_layer_norm = options.enable_bias_skip_layer_norm = False
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        onnx.save(version_converter.convert_version(onnx.load(str(path)), OPSET), str(plain))
        # The stored integers, whose restoring would hide the patterns, back in 32 bits.
        onnx.save(optimised(plain, "basic"), str(plain))
        found = optimizer.optimize_model(str(plain), "bert", heads, width, optimization_options=options, opt_level=0).model
    if all(one.domain != MICROSOFT for one in found.opset_import):
        found.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    graph: onnx.ModelProto = found
    return graph


class _Constants:
    """New tensors by name, each made once."""

    def __init__(self) -> None:
        self.tensors: dict[str, onnx.TensorProto] = {}

    def __call__(self, name: str, value: Any) -> str:
        if name not in self.tensors:
            self.tensors[name] = numpy_helper.from_array(np.asarray(value), name)
        return name


class _Weights:
    """The matrices of a graph: 32-bit (``plain``), or integers with a step that nodes restore."""

    def __init__(self, graph: onnx.ModelProto) -> None:
        tensors = {tensor.name: tensor for tensor in graph.graph.initializer}
        self.plain = {
            name: tensor
            for name, tensor in tensors.items()
            if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2 and min(tensor.dims) > 1
        }
        self._stored = {
            name.removesuffix("_int8"): (tensor, tensors[name.removesuffix("_int8") + "_step"])
            for name, tensor in tensors.items()
            if name.endswith("_int8") and name.removesuffix("_int8") + "_step" in tensors
        }

    def __contains__(self, name: str) -> bool:
        return name in self.plain or name in self._stored

    def is_table(self, name: str) -> bool:
        """Whether ``name`` is in 32 bits and worth storing otherwise."""
        return name in self.plain and int(np.prod(self.plain[name].dims)) >= SMALL

    def columns(self, name: str, bits: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
        """Integers ``(inputs, outputs)`` and a step ``(outputs,)``; those stored, where they fit."""
        largest = 2 ** (bits - 1) - 1
        if name in self._stored:
            integers, step = (numpy_helper.to_array(tensor) for tensor in self._stored[name])
            if step.shape[0] == 1 and np.abs(integers).max(initial=0) <= largest:
                return integers, step.reshape(-1)
            values = integers * step
        else:
            values = numpy_helper.to_array(self.plain[name])
            if bits == 8 and (found := integers_of(values)) is not None and found[1].shape[0] == 1:
                return found[0], found[1].reshape(-1)
        return _rounded(values, 0, largest)

    def rows(self, name: str) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
        """A table as integers and a step ``(rows, 1)``."""
        integers, step = _rounded(numpy_helper.to_array(self.plain[name]), 1, 127)
        return integers, step.reshape(-1, 1)


def _rounded(values: NDArray[np.float32], over: int, largest: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    step = np.maximum(np.abs(values).max(axis=over, keepdims=True) / largest, np.float32(1e-12)).astype(np.float32)
    return np.round(values / step).astype(np.int8), step.reshape(-1)


def _products(graph: onnx.ModelProto) -> list[str]:
    """Names of the matrices that activations are multiplied with."""
    weights = _Weights(graph)
    return list(dict.fromkeys(n.input[1] for n in graph.graph.node if n.op_type == "MatMul" and n.input[1] in weights))


def _tables(graph: onnx.ModelProto) -> bool:
    """Whether there are embeddings in 32 bits."""
    weights = _Weights(graph)
    return any(node.op_type == "Gather" and weights.is_table(node.input[0]) for node in graph.graph.node)


def _centred(x: str, width: int, constants: Callable[[str, Any], str]) -> list[onnx.NodeProto]:
    """Nodes for ``x/c_q`` (integers about 128) and ``x/c_s`` (step a token)."""
    make = helper.make_node
    middle = numpy_helper.from_array(np.asarray([128], np.uint8))
    return [
        make("Abs", [x], [x + "/c_size"]),
        make("ReduceMax", [x + "/c_size", constants("int8/last", np.asarray([-1], np.int64))], [x + "/c_largest"], keepdims=1),
        make("Mul", [x + "/c_largest", constants("int8/half_step", np.float32(1 / 127))], [x + "/c_raw"]),
        make("Max", [x + "/c_raw", constants("int8/tiny", np.float32(1e-12))], [x + "/c_s"]),
        make("Shape", [x + "/c_s"], [x + "/c_shape"]),
        make("ConstantOfShape", [x + "/c_shape"], [x + "/c_z"], value=middle),
        make("QuantizeLinear", [x, x + "/c_s", x + "/c_z"], [x + "/c_q"], axis=-1, block_size=width),
    ]


def _with_offset(x: str, width: int, constants: Callable[[str, Any], str]) -> list[onnx.NodeProto]:
    """Nodes for ``x_q`` (integers), ``x_s`` (step a token) and ``x_t`` (``s * (128 - z)``)."""
    last = constants("int8/last", np.asarray([-1], np.int64))
    make = helper.make_node
    return [
        make("ReduceMax", [x, last], [x + "_max"], keepdims=1),
        make("ReduceMin", [x, last], [x + "_min"], keepdims=1),
        make("Max", [x + "_max", constants("int8/nought", np.float32(0))], [x + "_high"]),
        make("Min", [x + "_min", "int8/nought"], [x + "_low"]),
        make("Sub", [x + "_high", x + "_low"], [x + "_range"]),
        make("Mul", [x + "_range", constants("int8/step", np.float32(1 / 255))], [x + "_raw"]),
        make("Max", [x + "_raw", constants("int8/tiny", np.float32(1e-12))], [x + "_s"]),
        make("Div", [x + "_low", x + "_s"], [x + "_below"]),
        make("Round", [x + "_below"], [x + "_minus_z"]),
        make("Neg", [x + "_minus_z"], [x + "_float_z"]),
        make("Cast", [x + "_float_z"], [x + "_z"], to=TensorProto.UINT8),
        make("QuantizeLinear", [x, x + "_s", x + "_z"], [x + "_q"], axis=-1, block_size=width),
        make("Add", [x + "_minus_z", constants("int8/middle", np.float32(128))], [x + "_off"]),
        make("Mul", [x + "_off", x + "_s"], [x + "_t"]),
    ]


def _product(
    x: str,
    name: str,
    output: str,
    integers: NDArray[np.int8],
    step: NDArray[np.float32],
    constants: Callable[[str, Any], str],
    centred: bool,
) -> list[onnx.NodeProto]:
    make = helper.make_node
    q, scale = (x + "/c_q", x + "/c_s") if centred else (x + "_q", x + "_s")
    inputs = [
        q,
        constants(name + "_int8", integers),
        constants("int8/one", np.float32(1)),
        constants(name + "_steps", step),
        constants("int8/centre", np.uint8(128)),
        constants("int8/zero", np.int8(0)),
    ]
    product = make("MatMulIntegerToFloat", inputs, [output + "_product"], domain=MICROSOFT)
    if centred:
        return [product, make("Mul", [output + "_product", scale], [output])]
    sums = (integers.astype(np.int64).sum(axis=0) * step.astype(np.float64)).astype(np.float32)
    return [
        product,
        make("Mul", [output + "_product", scale], [output + "_scaled"]),
        make("Mul", [x + "_t", constants(name + "_sums", sums)], [output + "_correction"]),
        make("Add", [output + "_scaled", output + "_correction"], [output]),
    ]


def _prune(graph: onnx.ModelProto, nodes: list[onnx.NodeProto], tensors: list[onnx.TensorProto]) -> None:
    """Leave out nodes that nothing asks for any more."""
    wanted = {one.name for one in graph.graph.output}
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    replace(graph, kept[::-1], tensors)


def _shorten(graph: onnx.ModelProto) -> None:
    """Number what lies between inputs and outputs: the names that tracing makes take more room than the graph."""
    fixed = {one.name for one in (*graph.graph.input, *graph.graph.output)} | {""}
    numbers: dict[str, str] = {}

    def short(name: str) -> str:
        return name if name in fixed else numbers.setdefault(name, f"t{len(numbers)}")

    for node in graph.graph.node:
        node.name = ""
        for names in (node.input, node.output):
            names[:] = [short(name) for name in names]
    for tensor in graph.graph.initializer:
        tensor.name = short(tensor.name)


def _write(graph: onnx.ModelProto, original: Path, path: Path) -> None:
    """Fold what is constant and save the graph; integers that ``original`` holds are referred to by their place in that file."""
    onnx.save(graph, str(path))
    graph = optimised(path, "basic")
    shrink(graph)
    del graph.graph.value_info[:]
    _shorten(graph)
    content = original.read_bytes()
    for tensor in graph.graph.initializer:
        # Bytes need no alignment; wider numbers would.
        if tensor.data_type != TensorProto.INT8 or len(tensor.raw_data) < SMALL:
            continue
        at = content.find(tensor.raw_data)
        if at < 0:
            continue
        length = len(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", original.name), ("offset", at), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
    onnx.save(graph, str(path))
