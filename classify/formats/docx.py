"""Word documents, by python-docx. Runs in the sandbox's process."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from classify.errors import DocumentError

MAX_UNPACKED = 256 * 1024**2

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
# What was deleted under review, and what is there a second time for older programs.
_SKIPPED = {f"{_W}del", f"{_W}moveFrom", "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"}
_BREAKS = {f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}tab": "\t", f"{_W}noBreakHyphen": "-"}


def extract(data: bytes) -> dict[str, str]:
    """The document's paragraphs, one a line, those of tables and text boxes included; its title.

    The dates of such a file say when it was saved, not when the article appeared, and are left out.

    Raises:
        DocumentError: when it is no Word document, unpacks to too much, or holds no text.
    """
    import docx

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > MAX_UNPACKED:
                raise DocumentError(f"unpacks to more than {MAX_UNPACKED // 1024**2} MB: save its text as .txt")
            parts = [info for info in archive.infolist() if info.filename.endswith((".xml", ".rels"))]
            if any(b"<!DOCTYPE" in archive.read(info)[:65536].replace(b"\0", b"") for info in parts):
                raise DocumentError("holds definitions that Word never writes and that are used for attacks: it is not read")
            if "word/document.xml" not in archive.namelist():
                raise DocumentError("is no Word document: save it as .docx or .txt")
    except (zipfile.BadZipFile, RuntimeError):
        raise DocumentError("is damaged or encrypted: save it anew without a password, or as .txt") from None
    document = docx.Document(io.BytesIO(data))
    lines = list(_paragraphs(document.element.body))
    if not any(line.strip() for line in lines):
        raise DocumentError("holds no text")
    return {"text": "\n".join(lines) + "\n", "title": title_of(document.core_properties.title)}


def title_of(title: str | None) -> str:
    """A title from a file's properties; ``""`` for what programs put there themselves."""
    title = " ".join((title or "").split())
    made = re.match(r"Microsoft Word - |(?:untitled|tanpa judul|document|dokumen)\s*\d*$", title, re.IGNORECASE)
    return "" if made or re.search(r"\.(?:docx?|pdf|odt|rtf|txt)$", title, re.IGNORECASE) else title


def _paragraphs(body: Any) -> Iterator[str]:
    for paragraph in body.iter(f"{_W}p"):
        if not any(ancestor.tag in _SKIPPED for ancestor in paragraph.iterancestors()):
            # A text box is a paragraph of its own, though it stands in another.
            yield "".join(_texts(paragraph))


def _texts(node: Any) -> Iterator[str]:
    for child in node:
        if child.tag == f"{_W}t":
            yield child.text or ""
        elif child.tag in _BREAKS:
            yield _BREAKS[child.tag]
        elif child.tag not in _SKIPPED and child.tag not in (f"{_W}p", f"{_W}pPr"):
            yield from _texts(child)
