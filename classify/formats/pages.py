"""HTML, Word and PDF: whole files whose text has to be extracted."""

from __future__ import annotations

import codecs
from collections.abc import Callable

from classify import documents
from classify.dates import iso_date
from classify.documents import ARCHIVE, HTML, OLD_OFFICE, PDF, Document, Meta, Source, looks_like
from classify.errors import DocumentError
from classify.formats import sandbox

# Such a file is held in memory; its text is a fraction of it.
MAX_BYTES = {"html": 16 * 1024**2, "docx": 64 * 1024**2, "pdf": 64 * 1024**2}
_CALLED = {"html": HTML, "docx": "a Word document (.docx)", "pdf": PDF}


def read_page(source: Source, kind: str, advance: Callable[[int], None]) -> Document:
    """The text of a file of kind ``html``, ``docx`` or ``pdf``, a paragraph a line, with what is known of it.

    Raises:
        DocumentError: when it cannot be read within the limits, or is not what its name says.
        MissingExtraError: when the library for its kind is not installed.
    """
    with documents.opened(source) as (file, shown):
        data = file.read(MAX_BYTES[kind] + 1)
    if len(data) > MAX_BYTES[kind]:
        raise DocumentError(f"{shown} is larger than {MAX_BYTES[kind] // 1024**2} MB: save its text as .txt")
    advance(len(data))
    if not data.strip():
        raise DocumentError(f"{shown} is empty: there is nothing to classify")
    _check(kind, data, shown)
    found = sandbox.extract(kind, data, shown)
    return Document(str(source), documents.whole_characters(found["text"]), Meta(found["title"], iso_date(found["date"]), found["outlet"]))


def _check(kind: str, data: bytes, shown: str) -> None:
    """Refuse what is of another kind than its name says."""
    what = looks_like(data)
    if kind == "docx" and what == OLD_OFFICE:
        raise DocumentError(f"{shown} is protected by a password, or of an old program: save it as .docx without one, or as .txt")
    # Some programs write a few bytes before a PDF. A page may begin with anything, but it is text.
    right = {
        "html": what in (HTML, None) and (b"\0" not in data[:8192] or data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))),
        "docx": what == ARCHIVE,
        "pdf": what == PDF or b"%PDF-" in data[:1024],
    }
    if not right[kind]:
        raise DocumentError(f"{shown} is not {_CALLED[kind]} but {what or 'something else'}: give the file the suffix of what it is")
