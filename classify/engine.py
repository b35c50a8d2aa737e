"""Running the network: token ids in, logits out.

ONNX Runtime by default, in integers where ``classify export --quantize`` found that they decide alike; torch for directories
without an export.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from classify.errors import ModelDirectoryError, SettingsError
from classify.modeldir import INT8_RECORD, ModelDirectory
from classify.resources import processors
from classify.runtime import onnx_runtime

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from tokenizers import Encoding


logger = logging.getLogger(__name__)

PRECISIONS = ("auto", "fp32")


class Engine(Protocol):
    """Anything that turns encoded sentences into logits."""

    def logits(self, batch: Sequence[Encoding]) -> NDArray[np.float32]:
        """Logits of shape ``(len(batch), labels)``."""
        ...


def padded(batch: Sequence[Encoding], pad_id: int) -> dict[str, NDArray[np.int64]]:
    """The batch as ``input_ids``, ``attention_mask`` and ``token_type_ids``, each ``(len(batch), longest)``."""
    width = max(len(encoding) for encoding in batch)
    ids = np.full((len(batch), width), pad_id, dtype=np.int64)
    mask = np.zeros((len(batch), width), dtype=np.int64)
    types = np.zeros((len(batch), width), dtype=np.int64)
    for row, encoding in enumerate(batch):
        ids[row, : len(encoding)] = encoding.ids
        mask[row, : len(encoding)] = 1
        types[row, : len(encoding)] = encoding.type_ids
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


class OnnxEngine:
    """The exported graph in ONNX Runtime, a batch at a time, in 32-bit arithmetic."""

    def __init__(self, directory: ModelDirectory, threads: int | None = None) -> None:
        assert directory.onnx is not None
        self._session, self._inputs = _session(directory, directory.onnx, threads or 0)
        self._pad_id = int(directory.config.get("pad_token_id") or 0)

    def logits(self, batch: Sequence[Encoding]) -> NDArray[np.float32]:
        """Logits of shape ``(len(batch), labels)``."""
        feed = {name: array for name, array in padded(batch, self._pad_id).items() if name in self._inputs}
        result: NDArray[np.float32] = self._session.run(None, feed)[0]
        return result


class Int8Engine:
    """A graph in 8-bit integer arithmetic. Each sentence runs alone, several side by side.

    Integer products gain little from batches, and rounding would turn what batch mates change in the last bit of an
    activation into a difference one can see.
    """

    def __init__(self, directory: ModelDirectory, path: Path, threads: int | None = None) -> None:
        self._session, self._inputs = _session(directory, path, 1, optimised=True)
        self._threads = threads or processors()
        self._pool: ThreadPoolExecutor | None = None

    def logits(self, batch: Sequence[Encoding]) -> NDArray[np.float32]:
        """Logits of shape ``(len(batch), labels)``."""
        if self._threads == 1 or len(batch) == 1:
            return np.concatenate([self._one(encoding) for encoding in batch])
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="classify")
        return np.concatenate(list(self._pool.map(self._one, batch)))

    def _one(self, encoding: Encoding) -> NDArray[np.float32]:
        feed = {name: array for name, array in padded([encoding], 0).items() if name in self._inputs}
        result: NDArray[np.float32] = self._session.run(None, feed)[0]
        return result


def _session(directory: ModelDirectory, path: Path, threads: int, optimised: bool = False) -> tuple[Any, set[str]]:
    """A session and the names of its inputs.

    Raises:
        ModelDirectoryError: when the file is no graph, or not one of this model.
    """
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if optimised:  # only constants are left to be folded
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions share no public base class
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelDirectoryError(f"{path} cannot be loaded ({reason}): run  classify export {directory.path}") from None
    outputs = session.get_outputs()[0].shape[-1]
    if isinstance(outputs, int) and outputs != len(directory.scheme):
        raise ModelDirectoryError(f"{path} gives {outputs} scores but the model has {len(directory.scheme)} labels")
    inputs = {one.name for one in session.get_inputs()}
    unknown = sorted(inputs - {"input_ids", "attention_mask", "token_type_ids"})
    if unknown:
        raise ModelDirectoryError(f"{path} asks for {', '.join(unknown)}: run  classify export {directory.path}")
    return session, inputs


def _checked_int8(directory: ModelDirectory, path: Path, threads: int | None) -> Engine | None:
    """The engine in integers if it agrees with the canaries on this machine, else None and a warning."""
    from classify import canaries

    assert directory.onnx is not None
    record = directory.path / INT8_RECORD
    try:
        engine = Int8Engine(directory, path, threads)
        key = canaries.fingerprint([directory.onnx, path, record])
        if canaries.agreed_before(key):
            return engine
        if canaries.agree(engine, directory, record):
            canaries.remember(key)
            return engine
        reason = "on this machine its scores are farther from those in 32 bits than where it was made"
    except ModelDirectoryError as error:
        reason = str(error)
    logger.warning("%s is not used, the slower %s is: %s", path, directory.onnx.name, reason)
    return None


@contextmanager
def without_chatter() -> Iterator[None]:
    """Keep transformers' progress bars and loading reports out of the user's terminal."""
    from transformers.utils import logging as module

    logging: Any = module  # its functions carry no types
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


class TorchEngine:
    """The safetensors weights in torch, where no export exists."""

    def __init__(self, directory: ModelDirectory, threads: int | None = None, device: str = "cpu") -> None:
        import torch
        from transformers import AutoModelForSequenceClassification

        if threads:
            torch.set_num_threads(threads)
        try:
            with without_chatter():
                model, found = AutoModelForSequenceClassification.from_pretrained(
                    directory.path, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32,
                    output_loading_info=True,
                )  # fmt: skip
        except Exception as error:  # besides its own, the library lets through those of every file format it reads
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelDirectoryError(f"the weights in {directory.path} cannot be loaded: {reason}") from None
        # The library would fill these in at random.
        if missing := sorted(found["missing_keys"]):
            raise ModelDirectoryError(
                f"the weights in {directory.path} lack {', '.join(missing[:3])}: give a model that was trained to classify"
            )
        self._model: Any = model.to(device).eval()
        self._device = device
        self._torch = torch
        self._pad_id = int(directory.config.get("pad_token_id") or 0)
        self._types = int(directory.config.get("type_vocab_size", 1)) > 1

    def logits(self, batch: Sequence[Encoding]) -> NDArray[np.float32]:
        """Logits of shape ``(len(batch), labels)``."""
        arrays = padded(batch, self._pad_id)
        if not self._types:
            del arrays["token_type_ids"]
        with self._torch.inference_mode():
            output = self._model(**{name: self._torch.from_numpy(array).to(self._device) for name, array in arrays.items()})
        logits: NDArray[np.float32] = output.logits.cpu().numpy()
        return logits


def open_engine(directory: ModelDirectory, threads: int | None = None, precision: str = "auto") -> Engine:
    """The engine for a directory.

    Args:
        directory: the model.
        threads: processor threads to use, of which no more than there are processors; None leaves the choice to the runtime.
        precision: one of ``PRECISIONS``: 8-bit integers where they proved themselves (``auto``), or 32-bit arithmetic always (``fp32``).

    Raises:
        SettingsError: for an unknown precision.
        ModelDirectoryError: when the directory holds nothing that can be run here; the message says what to do.
    """
    if precision not in PRECISIONS:
        raise SettingsError(f"unknown precision '{precision}': choose {' or '.join(PRECISIONS)}")
    if threads:
        # The runtime would start any number it is told, until the machine stands still.
        threads = min(threads, processors())
    if precision == "auto" and directory.int8 is not None and (engine := _checked_int8(directory, directory.int8, threads)):
        return engine
    if directory.onnx is not None:
        return OnnxEngine(directory, threads)
    if not directory.has_weights:
        raise ModelDirectoryError(
            f"{directory.path} has neither onnx/model.onnx nor model.safetensors; other weight formats are not read: "
            "save it again with save_pretrained"
        )
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError:
        raise ModelDirectoryError(
            f'{directory.path} has no onnx/model.onnx: where torch is installed (pip install ".[train]" in the checkout), '
            f"run  classify export {directory.path}"
        ) from None
    return TorchEngine(directory, threads)
