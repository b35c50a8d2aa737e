"""Progress on standard error, shown only on a terminal and only when the work is long."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

T = TypeVar("T")

PATIENCE = 2.0  # seconds before anything is shown


class Progress:
    """Counts documents and sentences; silent unless standard error is a terminal and ``PATIENCE`` has passed."""

    def __init__(self) -> None:
        self._visible = sys.stderr.isatty()
        self._begin = time.monotonic()
        self._bar: RichProgress | None = None
        self._documents = self._sentences = 0
        self._name = ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def document(self, name: str) -> None:
        """A new document begins."""
        self._documents += 1
        self._name = name
        self._show()

    def count(self, rows: Iterable[T]) -> Iterator[T]:
        """Pass the rows on, counting."""
        for row in rows:
            self._sentences += 1
            self._show()
            yield row

    def _show(self) -> None:
        elapsed = time.monotonic() - self._begin
        if not self._visible or elapsed < PATIENCE:
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import Progress as RichProgress
            from rich.progress import SpinnerColumn, TextColumn

            self._bar = RichProgress(SpinnerColumn(), TextColumn("{task.description}"), console=Console(stderr=True), transient=True)
            self._bar.add_task("")
            self._bar.start()
        rate = self._sentences / elapsed
        text = f"document {self._documents}, {self._sentences} sentences, {rate:.0f} a second: {self._name}"
        self._bar.update(self._bar.task_ids[0], description=text[:100])
