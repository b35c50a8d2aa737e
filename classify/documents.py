"""From a path to text: finding documents, decoding them, refusing what is not text; whatever is large is streamed."""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import select
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from classify import formats
from classify.dates import iso_date
from classify.errors import DamagedTextError, DocumentError

if TYPE_CHECKING:
    from classify.formats.archive import Member

# Where a document lies: a path (``-``: standard input), or a file in an archive.
Source = Union[str, "Member"]

STANDARD_INPUT = "-"
# A file larger than this is not an article; reading it whole would only end in an out-of-memory kill.
MAX_BYTES = 64 * 1024 * 1024
MAX_LINE = 1_000_000
# A text file larger than this is a collection, not an article: it is read paragraph by paragraph.
LARGE = 4 * 1024 * 1024
# Characters of a paragraph after which the next line end counts as a blank line.
PARAGRAPH = 65536
TEXT_COLUMNS = ("text", "content", "body", "teks", "isi", "isi_berita", "konten", "artikel")
TITLE_COLUMNS = ("title", "headline", "judul")
DATE_COLUMNS = ("date", "published", "published_at", "publish_date", "tanggal")
OUTLET_COLUMNS = ("outlet", "source", "hostname", "site", "media", "sumber")
# So many bad records at the beginning of a file, and it is not what it seems.
PATIENCE = 20

HTML, PDF, ARCHIVE, OLD_OFFICE = "an HTML page", "a PDF", "a zip archive or an office document", "an old or protected office document"
_BEGINNINGS = (
    (b"%PDF-", PDF),
    (b"PK\x03\x04", ARCHIVE),
    (b"\xd0\xcf\x11\xe0", OLD_OFFICE),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"{\\rtf", "an RTF document"),
    (b"\x1f\x8b", "a gzip archive"),
)
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_CONTROL = {chr(code) for code in range(32)} - {"\n", "\r", "\t", "\f", "\v"}


@dataclass(frozen=True)
class Meta:
    """What is known of a document beside its text; ``""`` where it is not.

    Attributes:
        title: the headline.
        date: day, month or year of publication as ISO 8601 (``2023-09-13``, ``2023-09``, ``2023``).
        outlet: who published it, a domain where that is known.
    """

    title: str = ""
    date: str = ""
    outlet: str = ""

    def as_dict(self) -> dict[str, str]:
        """What is known."""
        every = {"title": self.title, "date": self.date, "outlet": self.outlet}
        return {name: value for name, value in every.items() if value}


NO_META = Meta()


@dataclass(frozen=True)
class Document:
    """One text.

    Attributes:
        name: how the user named it (path, or ``-``); goes into every row.
        text: as decoded, byte-order mark removed, line ends untouched; of a page or a table what was extracted. All offsets count its
            characters.
        meta: title, date and outlet.
    """

    name: str
    text: str
    meta: Meta = NO_META


def encoding_of(data: bytes, name: str) -> str:
    """The encoding of ``data`` (a whole file, or its beginning).

    Raises:
        DocumentError: for binary data and for encodings that are none of those this module reads.
    """
    if what := looks_like(data):
        raise DocumentError(f"{name} is {what}, not text: give the file the suffix of what it is, or its text as .txt")
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
        raise DocumentError(f"{name} is a binary file, not text: {formats.listed(formats.EVERY)} files are read")
    return _utf8_or_1252([data], name)


def _utf8_or_1252(blocks: Iterable[bytes], name: str) -> str:
    """``utf-8`` where all bytes are, but for a character cut at the very end; else ``cp1252``.

    Raises:
        DamagedTextError: where most of what is not ASCII is UTF-8: it is damaged then, and Windows-1252 would make nonsense of it.
    """
    # A byte that is wrong becomes a half character; one short of a character at the end is kept back.
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    good = wrong = size = first = 0
    for block in blocks:
        text = decoder.decode(block)
        if text.isascii():
            size += len(text)
            continue
        right = len(text.encode("utf-8", "ignore"))
        bad = len(text.encode("utf-8", "surrogateescape")) - right
        if bad and not wrong:
            first = size + len(re.split("[\udc80-\udcff]", text, maxsplit=1)[0].encode())
        wrong += bad
        good += len(text) - bad - len(text.encode("ascii", "ignore"))
        size += right + bad
    if good > wrong > 0:
        raise _damaged(name, first, "utf-8")
    return "cp1252" if wrong else "utf-8"


def _damaged(name: str, byte: int, encoding: str) -> DamagedTextError:
    return DamagedTextError(f"{name} is damaged: byte {byte} is not valid {_shown(encoding)}; copy the file again or convert it to UTF-8")


def _shown(encoding: str) -> str:
    """An encoding's name for people."""
    return {"utf-8-sig": "UTF-8", "cp1252": "Windows-1252"}.get(encoding, encoding.upper())


def decode(data: bytes, name: str) -> str:
    """Decode UTF-8 (with or without BOM), UTF-16 or Windows-1252; ``name`` stands in the error.

    Raises:
        DocumentError: for binary data, unknown encodings and text that is cut off or damaged.
    """
    return decode_as(data, name)[0]


def decode_as(data: bytes, name: str) -> tuple[str, str]:
    """As :func:`decode`, and with the text the encoding's name for people."""
    encoding = encoding_of(data, name)
    try:
        return data.decode(encoding), _shown(encoding)
    except UnicodeDecodeError as error:
        # The codec does not count the byte-order mark.
        mark = len(codecs.BOM_UTF8) if encoding == "utf-8-sig" else 0
        raise _damaged(name, mark + error.start, encoding) from None


def find(paths: Iterable[str], failed: Callable[[DocumentError], None] = lambda error: None) -> Iterator[str]:
    """Yield the names of the documents behind ``paths``: files as they are, below folders what is read there, in sorted order.

    A folder without any is yielded itself, so that reading it says so. ``failed`` is told of folders that cannot be entered.
    Links to folders are not followed.
    """
    for name in paths:
        # Unlike Path.is_dir, this answers for names that are too long and folders that may not be entered.
        if name == STANDARD_INPUT or not os.path.isdir(name):  # noqa: PTH112
            yield name
            continue
        # Path.rglob would pass over a folder that cannot be entered without a word.
        closed: list[OSError] = []
        walk = os.walk(name, onerror=closed.append)
        files = [Path(folder, one) for folder, _, found in walk for one in found if one.lower().endswith(formats.IN_FOLDERS)]
        for error in sorted(closed, key=lambda error: str(error.filename)):
            failed(DocumentError(f"cannot enter the folder {error.filename}: {error.strerror or error}; what is in it was left out"))
        chosen = [str(file) for file in sorted(files) if _is_file(file)]
        yield from chosen or ([] if closed else [name])


def _is_file(path: Path) -> bool:
    """Whether a path leads to a file, or to what may not be looked at: reading it says why."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except PermissionError:
        return True
    except OSError:
        return False


def read(name: Source) -> Document:
    """Read one document; ``-`` is standard input.

    Raises:
        DocumentError: when it is missing, unreadable, empty, too large or not text; the message names it.
    """
    with opened(name) as (file, shown):
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise DocumentError(f"{shown} is larger than {MAX_BYTES // 1024**2} MB: split it into articles, or use --lines")
    return Document(str(name), _text(data, shown))


def read_lines(name: Source, advance: Callable[[int], None] = lambda count: None) -> Iterator[tuple[str, int]]:
    """Stream a one-sentence-a-line document as ``(line, character offset)``, without holding it in memory.

    The encoding is judged by the beginning. Offsets count characters after decoding, line ends as they stand.
    ``advance`` is told how many bytes were read.

    Raises:
        DocumentError: as :func:`read`.
    """
    with opened(name) as (file, shown):
        # Standard input gives what it has: more may be long in coming.
        head = file.read1(65536) if name == STANDARD_INPUT else file.read(1024 * 1024)
        encoding = encoding_of(head, shown)
        yield from _not_empty(text_lines(counted(file, head, advance), encoding, shown, "it is not one sentence a line"), shown)


def read_passages(name: Source, advance: Callable[[int], None] = lambda count: None) -> Iterator[tuple[str, int, bool]]:
    """A document's text as ``(passage, character offset, whether it is the whole)``: by paragraphs where it has over ``LARGE`` bytes.

    Paragraphs end at blank lines, and so does a passage; together they are the text. ``advance`` is told how many bytes were read.

    Raises:
        DocumentError: as :func:`read`.
    """
    with opened(name) as (file, shown):
        head = file.read(LARGE + 1)
        if len(head) <= LARGE:
            advance(len(head))
            yield _text(head, shown), 0, True
            return
        encoding = encoding_of(head, shown)
        if encoding == "utf-8" and name != STANDARD_INPUT:
            encoding = encoding_throughout(file, head, shown)
        lines = text_lines(counted(file, head, advance), encoding, shown, "break it into paragraphs")
        for passage, offset in _not_empty(_paragraphs(lines), shown):
            yield passage, offset, False


def read_records(
    name: Source,
    column: str | None,
    failed: Callable[[DocumentError], None],
    advance: Callable[[int], None] = lambda count: None,
) -> Iterator[Document]:
    """Stream the documents of a JSON Lines file: a text in ``column`` (by default the first of ``TEXT_COLUMNS`` that is there).

    A document is called by its ``id``, else ``file:line``. A line that is no record with a text is handed to ``failed``.

    Raises:
        DocumentError: when the file cannot be read, holds no record, or nothing but bad ones at its beginning.
    """
    good = bad = 0
    with opened(name) as (file, shown):
        stream = counted(file, b"", advance)
        number = 0
        while raw := stream.readline(MAX_BYTES + 1):
            number += 1
            if len(raw) > MAX_BYTES:
                raise DocumentError(f"{shown} has a line of over {MAX_BYTES // 1024**2} MB: it is not one document a line")
            if not raw.strip() or raw == codecs.BOM_UTF8:
                continue
            try:
                document = _record(raw, column, f"{shown} line {number}", f"{name}:{number}")
            except DocumentError as error:
                bad += 1
                failed(error)
                if bad >= PATIENCE and not good:
                    raise DocumentError(
                        f"{shown} has no document in its first {number} lines: it needs one JSON object a line with a text in "
                        f"'{column or TEXT_COLUMNS[0]}' (--text-column names another)"
                    ) from None
                continue
            good += 1
            yield document
        if not good and not bad:
            raise DocumentError(f"{shown} is empty: there is nothing to classify")


def kind_of(name: Source, column: str | None) -> formats.Kind:
    """How a document is read: by its suffix; standard input as JSON Lines when a text column is named, else as text."""
    if name == STANDARD_INPUT:
        return "text" if column is None else "records"
    return formats.kind_of(str(name))


def read_documents(
    name: Source,
    column: str | None,
    failed: Callable[[DocumentError], None],
    advance: Callable[[int], None] = lambda count: None,
) -> Iterator[Document]:
    """The documents of a file of any kind but an archive, each whole; ``column``, ``failed`` and ``advance`` as :func:`read_records`.

    Raises:
        DocumentError, MissingExtraError: when the file cannot be read.
    """
    kind = kind_of(name, column)
    if kind == "records":
        yield from read_records(name, column, failed, advance)
    elif kind == "table":
        from classify.formats.tables import read_table

        yield from read_table(name, column, failed, advance)
    elif kind == "text":
        document = read(name)
        advance(len(document.text))
        yield document
    else:
        from classify.formats.pages import read_page

        yield read_page(name, kind, advance)


@contextmanager
def members(name: str, failed: Callable[[DocumentError], None]) -> Iterator[list[Member]]:
    """The files in an archive that can be read; what is wrong with others is handed to ``failed``.

    Raises:
        DocumentError: when it cannot be read as one.
    """
    from classify.formats import archive

    with opened(name) as (file, shown), archive.members(file, shown, failed) as found:
        yield found


def looks_like(data: bytes) -> str | None:
    """What a file's beginning says that it is, in words; None for text and for what is not known here."""
    head = data[:1024].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")) or (head.startswith((b"<?xml", b"<!--")) and b"<html" in head):
        return HTML
    return next((what for beginning, what in _BEGINNINGS if head.startswith(beginning.lower())), None)


def _text(data: bytes, shown: str) -> str:
    """A plain text that is not empty."""
    text = decode(data, shown)
    if not text.strip():
        raise DocumentError(f"{shown} is empty: there is nothing to classify")
    return text


def _record(raw: bytes, column: str | None, where: str, name: str) -> Document:
    try:
        record = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise DocumentError(f"{where} is not UTF-8: convert it first") from None
    except (ValueError, RecursionError):
        raise DocumentError(f"{where} is no JSON: one object a line is needed") from None
    if not isinstance(record, dict):
        raise DocumentError(f"{where} is no JSON object: one object a line is needed")
    columns = TEXT_COLUMNS if column is None else (column,)
    text = next((record[one] for one in columns if isinstance(record.get(one), str)), None)
    if text is None:
        raise DocumentError(f"{where} has no text in {' or '.join(repr(one) for one in columns)}: name its column with --text-column")
    if not text.strip():
        raise DocumentError(f"{where} is empty: there is nothing to classify")
    chosen = record.get("id")
    if isinstance(chosen, (str, int)) and not isinstance(chosen, bool) and str(chosen).strip():
        name = whole_characters(str(chosen))
    return Document(name, whole_characters(text), meta_of(record))


def meta_of(record: Mapping[str, Any]) -> Meta:
    """Title, date and outlet of a record, by their usual names; a date that is none is left out."""

    def first(names: tuple[str, ...]) -> str:
        given = (record.get(name) for name in names)
        return next((" ".join(whole_characters(value).split()) for value in given if isinstance(value, str) and value.strip()), "")

    return Meta(first(TITLE_COLUMNS), iso_date(first(DATE_COLUMNS)), first(OUTLET_COLUMNS))


def whole_characters(text: str) -> str:
    """``text`` with half characters, which JSON escapes can name, replaced by the mark for damage."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


@contextmanager
def opened(name: Source) -> Iterator[tuple[Any, str]]:
    """The document's bytes and what to call it in messages; errors of the file system become a DocumentError."""
    if not isinstance(name, str):
        with name.opened() as member:
            yield member, str(name)
        return
    if name == STANDARD_INPUT:
        yield _standard_input(sys.stdin.buffer), "standard input"
        return
    try:
        with open(name, "rb") as file:
            yield file, name
    except FileNotFoundError:
        raise DocumentError(f"there is no file or folder named {name}: check the path") from None
    except IsADirectoryError:
        raise _folder(name) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise DocumentError(f"cannot read {name}: {error.strerror or error}") from None


class _Patient(io.RawIOBase):
    """A pipe or terminal that is waited for a second at a time: what comes between Python's look for signals and a read that waits,
    or comes to another thread, would be heard of only after the read.
    """

    def __init__(self, raw: io.FileIO) -> None:
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        while not select.select([self._raw], [], [], 1.0)[0]:
            pass
        return self._raw.readinto(buffer)


@cache
def _standard_input(stream: Any) -> Any:
    # One reader for all who read it: it may hold more than the first has asked for. Windows can wait for sockets alone.
    raw = getattr(stream, "raw", None)
    return io.BufferedReader(_Patient(raw), 65536) if isinstance(raw, io.FileIO) and os.name != "nt" else stream


class _Rest(io.RawIOBase):
    """What was read of a file already, and then the rest, counted."""

    def __init__(self, file: Any, head: bytes, advance: Callable[[int], None]) -> None:
        self._file, self._head, self._advance = file, head, advance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = len(buffer)
        data, self._head = (self._head[:count], self._head[count:]) if self._head else (self._file.read1(count), b"")
        buffer[: len(data)] = data
        self._advance(len(data))
        return len(data)


def counted(file: Any, head: bytes, advance: Callable[[int], None]) -> io.BufferedReader:
    """A file from which ``head`` was read already, from its beginning; ``advance`` is told how many bytes are read."""
    return io.BufferedReader(_Rest(file, head, advance), 65536)


def encoding_throughout(file: Any, head: bytes, shown: str) -> str:
    """The encoding of a file whose ``head``, read already, is UTF-8 or plain ASCII; reads on and comes back to behind the head.

    Raises:
        DamagedTextError: where it is UTF-8 that is damaged further down.
    """
    begin = file.tell()
    try:
        return _utf8_or_1252(chain([head], iter(lambda: file.read(1024 * 1024), b"")), shown)
    finally:
        file.seek(begin)


def _paragraphs(lines: Iterable[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    held: list[str] = []
    size = start = 0
    for line, offset in lines:
        if not held:
            start = offset
        held.append(line)
        size += len(line)
        if size >= PARAGRAPH or not line.strip():
            yield "".join(held), start
            held, size = [], 0
    if held:
        yield "".join(held), start


def _not_empty(pieces: Iterable[tuple[str, int]], shown: str) -> Iterator[tuple[str, int]]:
    any_text = False
    for piece, offset in pieces:
        any_text = any_text or bool(piece.strip())
        yield piece, offset
    if not any_text:
        raise DocumentError(f"{shown} is empty: there is nothing to classify")


def _folder(name: str) -> DocumentError:
    return DocumentError(
        f"{name} is a folder without documents: {formats.listed(formats.IN_FOLDERS)} files are read there, and "
        f"{formats.listed((*formats.RECORDS, *formats.TABLES))} files where they are named themselves"
    )


def text_lines(file: Any, encoding: str, shown: str, too_long: str) -> Iterator[tuple[str, int]]:
    """The lines of a file with their character offsets; ``too_long`` tells what to do about one of over ``MAX_LINE``.

    Raises:
        DocumentError: for such a line, and where the file is not in ``encoding``.
    """
    reader = io.TextIOWrapper(file, encoding=encoding, newline="")
    offset = 0
    try:
        while line := reader.readline(MAX_LINE):
            if len(line) == MAX_LINE:
                raise DocumentError(f"{shown} has a line of over a million characters: {too_long}")
            yield line, offset
            offset += len(line)
    except UnicodeDecodeError:
        raise DocumentError(f"{shown} is not {_shown(encoding)} throughout: convert it to UTF-8 first") from None
