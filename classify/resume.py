"""Runs that can be interrupted: rows go to a partial file, and a journal beside it says which chunks are in there.

``rows.jsonl`` is written as ``.rows.jsonl.partial`` with the journal ``.rows.jsonl.journal``: a first line that identifies the run,
then a line a chunk with the bytes of rows so far and a digest of the sentences read so far. To resume, the input is read again
from its beginning (reading is a hundred times faster than classifying), checked against the digest, and classified from the first
chunk that is missing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from classify.errors import ClassifyError
from classify.modeldir import ModelDirectory
from classify.predict import Item
from classify.writers import is_device, publish


class Partial:
    """An output file in the making.

    Attributes:
        stream: where rows are written.
        rows: rows that are in it for good.
        empty: whether nothing is in it yet.
    """

    def __init__(self, output: Path, stream: TextIO, journal: BinaryIO, last: dict[str, Any] | None) -> None:
        self.stream = stream
        self.rows = int(last["rows"]) if last else 0
        self.empty = not last or last["bytes"] == 0
        self._output, self._journal = output, journal
        self._done = int(last["chunks"]) if last else 0
        self._expected = last["digest"] if last else ""
        self._chunks = 0
        self._digest = blake2b(digest_size=16)

    def missing(self, cut: Iterable[list[Item]]) -> Iterator[list[Item]]:
        """The chunks that are not in the file yet.

        Raises:
            ClassifyError: when those that are do not come from this input.
        """
        rest = iter(cut)
        for _ in range(self._done):
            chunk = next(rest, None)
            if chunk is None:
                break
            self._count(chunk)
        if self._chunks < self._done or (self._done and self._digest.hexdigest() != self._expected):
            raise ClassifyError(
                f"the input has changed since {self._output} was begun: delete {_partial(self._output)} to start again, or bring it back"
            )
        yield from rest

    def commit(self, chunk: list[Item], rows: int) -> None:
        """Note that the rows of ``chunk`` have been written."""
        self._count(chunk)
        self.rows += rows
        self.stream.flush()
        os.fsync(self.stream.fileno())
        state = {
            "chunks": self._chunks,
            "rows": self.rows,
            "bytes": os.fstat(self.stream.fileno()).st_size,
            "digest": self._digest.hexdigest(),
        }
        self._journal.write(json.dumps(state).encode() + b"\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())

    def _count(self, chunk: list[Item]) -> None:
        for item in chunk:
            sentence = item.sentence
            fields = (item.document, item.index, sentence.start, sentence.end, sentence.text, sentence.furniture, item.before)
            self._digest.update(repr(fields).encode("utf-8", "surrogatepass"))
        self._chunks += 1


def identity(directory: ModelDirectory, **options: Any) -> dict[str, Any]:
    """What two runs must share to give the same rows."""
    from classify import __version__

    # Through JSON, as it will be read back.
    whole: dict[str, Any] = json.loads(json.dumps({"version": __version__, "model": directory.digest(), **options}))
    return whole


def _partial(output: Path) -> Path:
    return output.with_name(f".{output.name}.partial")


@contextmanager
def resumable(output: Path, run: dict[str, Any]) -> Iterator[Partial]:
    """An output file that is begun or gone on with, and appears under its name when all went well.

    Raises:
        ClassifyError: when it cannot be written, is being written, or what is there comes from another run than ``run``.
    """
    if is_device(output):
        raise ClassifyError(f"{output} is no file: --resume needs one")
    shown, output = output, Path(os.path.realpath(output))
    if output.is_dir():
        raise ClassifyError(f"cannot write {shown}: it is a directory")
    rows, log = _partial(output), output.with_name(f".{output.name}.journal")
    keep = True
    try:
        with open(log, "a+b") as journal:
            _lock(journal, shown)
            last = _last(journal, rows, run, shown)
            # "replace" for file names that are no Unicode; everything else in a row is.
            with open(rows, "a", encoding="utf-8", errors="replace", newline="") as stream:
                stream.truncate(last["bytes"] if last else 0)
                partial = Partial(shown, stream, journal, last)
                try:
                    yield partial
                    stream.flush()
                    os.fsync(stream.fileno())
                except BaseException:
                    # Without rows there is nothing to go on with.
                    keep = partial.rows > 0
                    raise
        publish(rows, output)
        keep = False
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ClassifyError(f"cannot write {shown}: {error.strerror or error}") from None
    finally:
        if not keep:
            rows.unlink(missing_ok=True)
            log.unlink(missing_ok=True)


def _last(journal: BinaryIO, rows: Path, run: dict[str, Any], shown: Path) -> dict[str, Any] | None:
    """The last chunk whose rows are all there; None where there is nothing to go on with, and then a new journal is begun."""
    journal.seek(0)
    size = rows.stat().st_size if rows.is_file() else 0
    lines = journal.read().split(b"\n")
    torn = lines.pop()
    entries: list[dict[str, Any]] = []
    for line in lines:
        try:
            entries.append(json.loads(line))
        except ValueError:
            raise ClassifyError(f"{journal.name} is damaged: delete it to start again") from None
    whole = [entry for entry in entries[1:] if entry["bytes"] <= size]
    if whole:
        if different := sorted(key for key in {*entries[0], *run} if entries[0].get(key) != run.get(key)):
            raise ClassifyError(
                f"the unfinished {rows} is of a run with another {' and '.join(different)}: delete it to start again, "
                "or give what that run was given"
            )
        if torn:
            journal.truncate(sum(len(line) + 1 for line in lines))
        return whole[-1]
    journal.truncate(0)
    journal.write(json.dumps(run).encode() + b"\n")
    journal.flush()
    return None


def _lock(journal: BinaryIO, shown: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ClassifyError(f"another run is writing {shown}: wait for it") from None
