"""From a path to text: finding documents, decoding them, refusing what is not text."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from classify.errors import DocumentError

STANDARD_INPUT = "-"
# A file larger than this is not an article; reading it whole would only end in an out-of-memory kill.
MAX_BYTES = 64 * 1024 * 1024
MAX_LINE = 1_000_000

_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_CONTROL = {chr(code) for code in range(32)} - {"\n", "\r", "\t", "\f", "\v"}


@dataclass(frozen=True)
class Document:
    """One text.

    Attributes:
        name: how the user named it (path, or ``-``); goes into every row.
        text: as decoded, byte-order mark removed, line ends untouched; all offsets count its characters.
    """

    name: str
    text: str


def _encoding(data: bytes, name: str) -> str:
    """The encoding of ``data`` (a whole file, or its beginning).

    Raises:
        DocumentError: for binary data and for encodings that are none of those this module reads.
    """
    marked = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if data.startswith(mark)), None)
    encoding = marked or _unmarked(data, name)
    start = data[:65536].decode(encoding, errors="replace")
    strange = sum(character in _CONTROL or character == "\ufffd" for character in start)
    if strange > max(1, 0.01 * len(start)):
        raise DocumentError(f"{name} is no text in UTF-8, UTF-16 or Windows-1252: convert it to UTF-8, or give a .txt file")
    return encoding


def _unmarked(data: bytes, name: str) -> str:
    head = data[:8192]
    if b"\0" in head:
        # UTF-16 without a mark, as some Windows programs write it: every other byte of the text is zero.
        for high, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
            if head[high::2].count(0) > 0.8 * (len(head) // 2) and 0 not in head[1 - high :: 2]:
                return encoding
        raise DocumentError(f"{name} is a binary file, not text: give plain-text files (.txt)")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        # A few bytes short of a character at the very end mean that the data was cut, not that it is not UTF-8.
        if error.reason != "unexpected end of data" or len(data) - error.start >= 4:
            return "cp1252"
    return "utf-8"


def decode(data: bytes, name: str) -> str:
    """Decode UTF-8 (with or without BOM), UTF-16 or Windows-1252; ``name`` stands in the error.

    Raises:
        DocumentError: for binary data, unknown encodings and text that is cut off or damaged.
    """
    return decode_as(data, name)[0]


def decode_as(data: bytes, name: str) -> tuple[str, str]:
    """As :func:`decode`, and with the text the encoding's name for people."""
    encoding = _encoding(data, name)
    try:
        return data.decode(encoding), {"utf-8-sig": "UTF-8", "cp1252": "Windows-1252"}.get(encoding, encoding.upper())
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"{name} is damaged: byte {error.start} is not valid {encoding.upper()}; copy the file again or convert it to UTF-8"
        ) from None


def find(paths: Iterable[str]) -> Iterator[str]:
    """Yield the names of the documents behind ``paths``: files as they are, ``.txt`` files below folders in sorted order.

    A folder without any is yielded itself, so that reading it says so.
    """
    for name in paths:
        # Unlike Path.is_dir, this answers for names that are too long and folders that may not be entered.
        if name == STANDARD_INPUT or not os.path.isdir(name):  # noqa: PTH112
            yield name
            continue
        files = [str(file) for file in sorted(Path(name).rglob("*.txt")) if file.is_file()]
        yield from files or [name]


def read(name: str) -> Document:
    """Read one document; ``-`` is standard input.

    Raises:
        DocumentError: when it is missing, unreadable, empty, too large or not text; the message names it.
    """
    if name == STANDARD_INPUT:
        data, shown = sys.stdin.buffer.read(MAX_BYTES + 1), "standard input"
    else:
        shown = name
        try:
            with open(name, "rb") as file:
                data = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            raise DocumentError(f"there is no file or folder named {name}: check the path") from None
        except IsADirectoryError:
            raise _folder(name) from None
        except OSError as error:
            raise DocumentError(f"cannot read {name}: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise DocumentError(f"{shown} is larger than {MAX_BYTES // 1024**2} MB: split it into articles, or use --lines")
    text = decode(data, shown)
    if not text.strip():
        raise DocumentError(f"{shown} is empty: there is nothing to classify")
    return Document(name, text)


def read_lines(name: str) -> Iterator[tuple[str, int]]:
    """Stream a one-sentence-a-line document as ``(line, character offset)``, without holding it in memory.

    The encoding is judged by the beginning. Offsets count characters after decoding, line ends as they stand.

    Raises:
        DocumentError: as :func:`read`.
    """
    if name == STANDARD_INPUT:
        # Standard input cannot be rewound; what peek shows is judged instead.
        stdin: Any = sys.stdin.buffer
        yield from _lines(stdin, stdin.peek(65536), "standard input")
        return
    try:
        with open(name, "rb") as file:
            head = file.read(1024 * 1024)
            file.seek(0)
            yield from _lines(file, head, name)
    except FileNotFoundError:
        raise DocumentError(f"there is no file or folder named {name}: check the path") from None
    except IsADirectoryError:
        raise _folder(name) from None
    except OSError as error:
        raise DocumentError(f"cannot read {name}: {error.strerror or error}") from None


def _folder(name: str) -> DocumentError:
    return DocumentError(f"{name} is a folder without .txt files: give text files, or a folder that holds some")


def _lines(file: BinaryIO, head: bytes, shown: str) -> Iterator[tuple[str, int]]:
    encoding = _encoding(head, shown)
    reader = io.TextIOWrapper(file, encoding=encoding, newline="")
    offset, any_text = 0, False
    try:
        while line := reader.readline(MAX_LINE):
            if len(line) == MAX_LINE:
                raise DocumentError(f"{shown} has a line of over a million characters: it is not one sentence a line")
            any_text = any_text or bool(line.strip())
            yield line, offset
            offset += len(line)
    except UnicodeDecodeError:
        raise DocumentError(f"{shown} is not {encoding.upper()} throughout: convert it to UTF-8 first") from None
    finally:
        reader.detach()
    if not any_text:
        raise DocumentError(f"{shown} is empty: there is nothing to classify")
