"""Several processes that train one model together, as ``accelerate launch`` and ``torchrun`` start them; usually there is one."""

from __future__ import annotations

import logging
from datetime import timedelta

import torch
from accelerate import PartialState

from classify.errors import SettingsError


def _state() -> PartialState:
    # While the first process reads data or fetches a base, the others wait; the usual ten minutes may be too few.
    return PartialState(cpu=not torch.cuda.is_available(), timeout=timedelta(hours=3))


def count() -> int:
    """How many processes train together, over all machines."""
    return int(_state().num_processes)


def first() -> bool:
    """Whether this process is the one that writes and speaks."""
    return bool(_state().is_main_process)


def meet() -> None:
    """Wait until all processes are here."""
    _state().wait_for_everyone()


def await_first() -> None:
    """Hold the other processes until the first calls :func:`release`: what it refuses, or fetches, need not be by each of them."""
    if not first():
        # Warnings that the first process gives as well.
        logging.getLogger("training").setLevel(logging.ERROR)
        try:
            meet()
        except RuntimeError:
            # The first process has gone, and said why.
            raise SystemExit(2) from None


def release() -> None:
    """Let the processes go on that :func:`await_first` holds."""
    if first():
        meet()


def share(batch_size: int) -> int:
    """How many sentences of a step are for each process.

    Raises:
        SettingsError: when the sentences of a step cannot be dealt out evenly.
    """
    if batch_size % count():
        raise SettingsError(f"setting 'batch_size' must be a multiple of the {count()} processes, not {batch_size}")
    return batch_size // count()


def leave() -> None:
    """Take leave of the other processes, where there are any."""
    if count() > 1:
        _state().destroy_process_group()
