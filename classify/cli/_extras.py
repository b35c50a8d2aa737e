"""A clear word when a command's packages are not installed."""

from __future__ import annotations

import importlib.util

from classify.errors import MissingExtraError


def need_training(purpose: str) -> None:
    """Check that the ``train`` extra is there, without importing it.

    Raises:
        MissingExtraError: naming the command that installs it.
    """
    if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "sklearn", "datasets", "evaluate")):
        raise MissingExtraError(purpose, "train")


def quiet_libraries() -> None:
    """Keep the libraries' banners out of a user's terminal and their caches small; call before torch is imported."""
    import logging
    import os
    import warnings

    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    # Batches differ in shape, and the processor's kernels are kept by shape: the usual thousand take many gigabytes.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
    warnings.filterwarnings("ignore", category=FutureWarning)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
