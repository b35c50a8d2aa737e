"""Writing model directories: safetensors, ONNX, and compact weights that both formats hold exactly."""

from __future__ import annotations

import logging
import shutil
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from classify.errors import ModelDirectoryError
from classify.modeldir import ModelDirectory
from classify.runtime import onnx_runtime

OPSET = 17
# Matrices of fewer values are not worth storing in another form.
SMALL = 4096


def compact_scale(weights: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Step sizes that map each slice along ``axis`` onto -127..127, rounded up to four significant bits.

    With so short a step every product ``integer * step`` fits a 16-bit float, so that half-precision safetensors and
    8-bit ONNX weights stand for the very same numbers.
    """
    others = tuple(i for i in range(weights.ndim) if i != axis)
    step = np.abs(weights).max(axis=others, keepdims=True) / 127
    mantissa, exponent = np.frexp(np.maximum(step, 2.0**-20))
    rounded: NDArray[np.float32] = np.ldexp(np.ceil(mantissa * 16) / 16, exponent).astype(np.float32)
    return rounded


def round_weights(model: torch.nn.Module) -> None:
    """Round every weight matrix to 8-bit integers times a step per output row, in place; such a matrix stays as it is."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = parameter.detach().numpy()
            if parameter.ndim == 2 and "classifier" not in name and integers_of(values) is None:
                step = compact_scale(values, axis=0)
                parameter.copy_(torch.from_numpy(np.clip(np.round(values / step), -127, 127) * step))


def save_model(model: Any, tokenizer: Any, directory: Path, compact: bool) -> None:
    """Save weights and tokenizer; ``compact`` rounds the weights and stores them in half precision, without loss."""
    model = model.to("cpu", torch.float32).eval()
    model.config.dtype = torch.float32
    if compact:
        round_weights(model)
    model.save_pretrained(directory)
    if compact:
        _halve(model, directory / "model.safetensors")
    tokenizer.save_pretrained(directory)
    if not (directory / "tokenizer.json").exists():
        raise ModelDirectoryError(f"the tokenizer of {directory} has no fast form and cannot be used without transformers")


def _halve(model: Any, path: Path) -> None:
    """Store rounded matrices in 16 bits; what 16 bits would change (biases, norms, the head) keeps 32."""
    state: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        half = tensor.to(torch.float16)
        state[name] = half if tensor.ndim == 2 and torch.equal(half.float(), tensor) else tensor
        state[name] = state[name].contiguous()
    save_file(state, path, metadata={"format": "pt"})


def export(directory: Path, quiet: bool = True) -> Path:
    """Write ``onnx/model.onnx`` from the safetensors weights of ``directory`` and check it against them.

    Weights that are 8-bit integers times a step (see :func:`round_weights`) are stored so; arithmetic is 32-bit always.

    Returns:
        the graph's path.

    Raises:
        ModelDirectoryError: when the directory cannot be loaded, or the graph's scores differ from the weights'.
    """
    opened = ModelDirectory.open(directory)
    try:
        model = AutoModelForSequenceClassification.from_pretrained(
            directory, local_files_only=True, use_safetensors=True, dtype=torch.float32, attn_implementation="eager"
        ).eval()
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelDirectoryError(f"the weights in {directory} cannot be loaded: {str(error).splitlines()[0]}") from None
    folder = directory / "onnx"
    partial = directory / ".onnx.new"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    names = ["input_ids", "attention_mask"]
    if int(getattr(model.config, "type_vocab_size", 1)) > 1:
        names.append("token_type_ids")
    path = partial / "model.onnx"
    try:
        _trace(model, names, path)
        graph = optimised(path, "basic")
        shrink(graph)
        onnx.save(graph, str(path))
        for stray in partial.iterdir():
            if stray != path:
                stray.unlink()
        _verify(opened, model, names, path)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder / "model.onnx"


class _Logits(torch.nn.Module):
    """The network as a plain function of its tensors."""

    def __init__(self, model: Any, names: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names
        # The exporter restores the mode it found, and a fresh module is in training mode.
        self.eval()

    def forward(self, *tensors: Tensor) -> Tensor:
        logits: Tensor = self.model(**dict(zip(self.names, tensors, strict=True))).logits
        return logits


def _sample(names: list[str], vocabulary: int) -> tuple[Tensor, ...]:
    """Two rows of differing length, so that nothing about the shape is baked in."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, min(vocabulary, 1000), (2, 11), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, 7:] = 0
    tensors = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    return tuple(tensors[name] for name in names)


def _trace(model: Any, names: list[str], path: Path) -> None:
    axes = {name: {0: "batch", 1: "length"} for name in names} | {"logits": {0: "batch"}}
    noisy = logging.getLogger("torch.onnx")
    level = noisy.level
    noisy.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                _Logits(model, names), _sample(names, model.config.vocab_size), str(path), input_names=names,
                output_names=["logits"], dynamic_axes=axes, opset_version=OPSET, dynamo=False,
            )  # fmt: skip
    finally:
        noisy.setLevel(level)


def optimised(path: Path, level: Literal["basic", "extended"]) -> onnx.ModelProto:
    """The graph at ``path`` as ONNX Runtime rewrites it, so that this need not be done again at every start.

    ``basic`` folds constants and leaves a graph of standard operators; ``extended`` also fuses them into the runtime's own.
    """
    onnxruntime = onnx_runtime()

    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_BASIC if level == "basic" else levels.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3
    rewritten = path.with_suffix(".optimised.onnx")
    options.optimized_model_filepath = str(rewritten)
    try:
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        graph = onnx.load(str(rewritten))
    finally:
        rewritten.unlink(missing_ok=True)
    # The runtime lists every operator set it knows.
    needed = {node.domain for node in graph.graph.node} | {""}
    kept = [one for one in graph.opset_import if one.domain in needed]
    del graph.opset_import[:]
    graph.opset_import.extend(kept)
    return graph


def shrink(graph: onnx.ModelProto) -> None:
    """Store 8-bit-representable matrices as integers with a step.

    Of tables that are looked up, only the rows asked for are restored; the other matrices are when the session is made.
    """
    tensors = {}
    for tensor in graph.graph.initializer:
        matrix = tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2 and min(tensor.dims) > 1
        found = integers_of(numpy_helper.to_array(tensor)) if matrix and np.prod(tensor.dims) >= SMALL else None
        if found is not None:
            tensors[tensor.name] = found
    before: list[onnx.NodeProto] = []
    after: list[onnx.NodeProto] = []
    whole = {name for node in graph.graph.node for name in node.input if name in tensors and not looks_up(node, name, tensors[name][1])}
    for name in sorted(whole):
        before += restored(name, name)
    for node in graph.graph.node:
        name = node.input[0] if node.input else ""
        if name in tensors and name not in whole:
            after += restored(name, node.output[0], rows=node.input[1])
        else:
            after.append(node)
    kept = [tensor for tensor in graph.graph.initializer if tensor.name not in tensors]
    for name, (integers, step) in tensors.items():
        kept += [numpy_helper.from_array(integers, name + "_int8"), numpy_helper.from_array(step, name + "_step")]
    replace(graph, before + after, kept)


def looks_up(node: onnx.NodeProto, name: str, step: NDArray[np.float32]) -> bool:
    """Whether ``node`` takes rows out of the table ``name``, and the table has a step a row."""
    along = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
    return node.op_type == "Gather" and node.input[0] == name and name not in node.input[1:] and along == 0 and step.shape[1] == 1


def restored(name: str, output: str, rows: str | None = None) -> list[onnx.NodeProto]:
    """Nodes that make 32-bit ``output`` of the integers and steps of ``name``: of all, or of the ``rows`` looked up."""
    nodes, integers, step = [], name + "_int8", name + "_step"
    if rows is not None:
        nodes.append(helper.make_node("Gather", [integers, rows], [output + "_int8"]))
        nodes.append(helper.make_node("Gather", [step, rows], [output + "_step"]))
        integers, step = output + "_int8", output + "_step"
    nodes.append(helper.make_node("Cast", [integers], [output + "_float"], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("Mul", [output + "_float", step], [output]))
    return nodes


def replace(graph: onnx.ModelProto, nodes: list[onnx.NodeProto], tensors: list[onnx.TensorProto]) -> None:
    """Give the graph these nodes and, of these tensors, the ones that they use."""
    used = {name for node in nodes for name in node.input}
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(tensor for tensor in tensors if tensor.name in used)


def integers_of(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]] | None:
    """``values`` as integers and steps when they are exactly that along either axis, else None."""
    for axis in (0, 1):
        step = compact_scale(values, axis)
        # Rounding the step up leaves the largest integer below 127, so the step found again can be one notch short.
        mantissa, exponent = np.frexp(step)
        notch = np.ldexp((mantissa * 16 + 1) / 16, exponent).astype(np.float32)
        wrong = (np.round(values / step) * step != values).any(axis=1 - axis, keepdims=True)
        step = np.where(wrong, notch, step)
        integers = np.round(values / step)
        if np.abs(integers).max() <= 127 and np.array_equal(integers * step, values):
            return integers.astype(np.int8), step
    return None


def _verify(directory: ModelDirectory, model: Any, names: list[str], path: Path) -> None:
    onnxruntime = onnx_runtime()

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    tensors = _sample(names, model.config.vocab_size)
    got = session.run(None, {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)})[0]
    with torch.inference_mode():
        wanted = _Logits(model, names)(*tensors).numpy()
    worst = float(np.abs(got - wanted).max())
    if not worst < 1e-3:
        raise ModelDirectoryError(f"the exported graph of {directory.path} differs from its weights by {worst:.4f}: not exported")
