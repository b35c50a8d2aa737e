"""Progress on standard error, shown only on a terminal and only when the work is long."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

T = TypeVar("T")

PATIENCE = 2.0  # seconds before anything is shown
PAUSE = 0.1  # seconds between two looks at the clock's hand


class Progress:
    """Counts documents, sentences and bytes; silent unless standard error is a terminal and ``PATIENCE`` has passed."""

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._visible = sys.stderr.isatty()
        self._begin = self._shown = time.monotonic()
        self._bar: RichProgress | None = None
        self._documents = self._sentences = self._bytes = 0
        self._name = ""
        self._paths = list(paths)

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

    def advance(self, count: int) -> None:
        """So many bytes more have been read."""
        self._bytes += count
        self._show()

    def count(self, rows: Iterable[T]) -> Iterator[T]:
        """Pass the rows on, counting."""
        for row in rows:
            self._sentences += 1
            self._show()
            yield row

    def say(self, message: str) -> None:
        """A line on standard error that the bar does not run over."""
        if self._bar is not None:
            self._bar.console.print(message, markup=False, highlight=False, soft_wrap=True)
        else:
            print(message, file=sys.stderr, flush=True)

    def _total(self) -> int | None:
        """Bytes of all files; None where that cannot be known."""
        from classify.documents import STANDARD_INPUT, find

        if STANDARD_INPUT in self._paths:
            return None
        try:
            return sum(os.stat(name).st_size for name in find(self._paths) if os.path.isfile(name))  # noqa: PTH113, PTH116
        except OSError:
            return None

    def _show(self) -> None:
        if not self._visible:
            return
        now = time.monotonic()
        elapsed = now - self._begin
        if elapsed < PATIENCE or now - self._shown < PAUSE:
            return
        self._shown = now
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(20),
                TaskProgressColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[name]}"),
                console=Console(stderr=True),
                transient=True,
                speed_estimate_period=300,
            )
            self._bar.add_task("", total=self._total() or None, name="")
            self._bar.start()
        rate = self._sentences / elapsed
        text = f"document {self._documents}, {self._sentences} sentences, {rate:.0f} a second"
        self._bar.update(self._bar.task_ids[0], description=text, completed=self._bytes, name=self._name[-40:])
