"""Running the network: token ids in, logits out. ONNX Runtime by default, torch for directories without an export."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from classify.errors import ModelDirectoryError
from classify.modeldir import ModelDirectory
from classify.runtime import onnx_runtime

if TYPE_CHECKING:
    from tokenizers import Encoding


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
    """The exported graph in ONNX Runtime."""

    def __init__(self, directory: ModelDirectory, threads: int | None = None) -> None:
        onnxruntime = onnx_runtime()

        assert directory.onnx is not None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(directory.onnx), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's exceptions share no public base class
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelDirectoryError(f"{directory.onnx} cannot be loaded ({reason}): run  classify export {directory.path}") from None
        outputs = self._session.get_outputs()[0].shape[-1]
        if isinstance(outputs, int) and outputs != len(directory.scheme):
            raise ModelDirectoryError(f"{directory.onnx} gives {outputs} scores but the model has {len(directory.scheme)} labels")
        self._inputs = {one.name for one in self._session.get_inputs()}
        unknown = sorted(self._inputs - {"input_ids", "attention_mask", "token_type_ids"})
        if unknown:
            raise ModelDirectoryError(f"{directory.onnx} asks for {', '.join(unknown)}: run  classify export {directory.path}")
        self._pad_id = int(directory.config.get("pad_token_id") or 0)

    def logits(self, batch: Sequence[Encoding]) -> NDArray[np.float32]:
        """Logits of shape ``(len(batch), labels)``."""
        feed = {name: array for name, array in padded(batch, self._pad_id).items() if name in self._inputs}
        result: NDArray[np.float32] = self._session.run(None, feed)[0]
        return result


@contextmanager
def _without_chatter() -> Iterator[None]:
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
            with _without_chatter():
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


def open_engine(directory: ModelDirectory, threads: int | None = None) -> Engine:
    """The engine for a directory.

    Raises:
        ModelDirectoryError: when the directory holds nothing that can be run here; the message says what to do.
    """
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
            f'{directory.path} has no onnx/model.onnx: where torch is installed (pip install "indonews-classify[train]"), '
            f"run  classify export {directory.path}"
        ) from None
    return TorchEngine(directory, threads)
