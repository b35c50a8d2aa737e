"""Several processes that classify chunks side by side; rows come back in the order of the input."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from classify.cache import LogitCache
from classify.classifier import Classifier, Prediction
from classify.errors import ClassifyError
from classify.predict import Item, Options, Scored, pairs, predictions
from classify.resources import processors

# Chunks each worker has waiting, so that it never idles.
AHEAD = 2


def classify(
    cut: Iterable[list[Item]], workers: int, model: Path | None, threads: int | None, profile: str, precision: str, options: Options
) -> Scored:
    """As :func:`classify.predict.classify`, by ``workers`` processes that each open the model.

    ``threads`` are those of one process; None shares the processor's cores among them.

    Raises:
        ClassifyError: what a worker raises, and when one is killed.
    """
    threads = threads or max(1, processors() // workers)
    waiting: deque[tuple[list[Item], Future[list[Prediction]]]] = deque()
    with _pool(workers) as pool:
        try:
            for chunk in cut:
                with _undisturbed():
                    # Some releases of Python start a process only when it is needed.
                    future = pool.submit(_classify, (model, threads, profile, precision), options, pairs(chunk))
                waiting.append((chunk, future))
                if len(waiting) >= AHEAD * workers:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        except BrokenProcessPool:
            raise ClassifyError(
                "a worker process was ended from outside, perhaps for want of memory: run again with fewer --workers"
            ) from None


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool whose processes all run when it is given and none when it is left."""
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
    done = False
    try:
        with _undisturbed():
            for _ in range(workers):
                pool.submit(_ready)
        yield pool
        done = True
    finally:
        if not done:
            # Nobody waits for what they are at.
            for process in multiprocessing.active_children():
                process.terminate()
        pool.shutdown(cancel_futures=True)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """What would end this process does so afterwards: a worker that was told half of what it needs to begin would say so at length.

    Processes started here never hear of Ctrl-C: it is the parent's, which ends them.
    """
    if threading.current_thread() is not threading.main_thread():
        # Signals are the main thread's.
        yield
        return
    heard: list[int] = []
    # Not by the mask alone: another thread may take the signal, and its handler still runs in this one.
    ends = (signal.SIGINT, signal.SIGTERM)
    handlers = {end: signal.signal(end, lambda number, frame: heard.append(number)) for end in ends}
    try:
        with _masked():
            yield
    finally:
        for end, handler in handlers.items():
            signal.signal(end, signal.SIG_DFL if handler is None else handler)
        for number in heard:
            signal.raise_signal(number)


@contextmanager
def _masked() -> Iterator[None]:
    """Without Ctrl-C, and so are the processes that are started."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    # Started here already, because starting it unblocks the signal.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """In a worker: leave Ctrl-C to the parent, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _ready() -> None:
    pass


@cache
def _open(model: Path | None, threads: int, profile: str, precision: str) -> tuple[Classifier, LogitCache]:
    return Classifier.from_pretrained(model, threads=threads, profile=profile, precision=precision), LogitCache()


def _classify(opening: tuple[Path | None, int, str, str], options: Options, texts: list[tuple[str, str]]) -> list[Prediction]:
    """In a worker: one chunk."""
    classifier, kept = _open(*opening)
    return predictions(classifier, texts, options, kept)
