"""PDF, by pypdf: lines as they are set become paragraphs again. Runs in the sandbox's process."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from classify.errors import DocumentError
from classify.formats.docx import title_of

MAX_PAGES = 2000
# Lines at either end of a page where running heads and page numbers stand.
EDGE = 2

_PAGE_NUMBER = re.compile(r"(?:halaman|hal\.?|page)?\s*[-–]?\s*\d+\s*[-–]?(?:\s*(?:/|dari|of)\s*\d+)?", re.IGNORECASE)
_END = re.compile(r"[.!?:…][\"'”’)\]]*$")


@dataclass(frozen=True)
class Line:
    """A line of a page: its text, where it begins (points from the lower left) and the size of its letters."""

    text: str
    x: float
    y: float
    size: float


def extract(data: bytes) -> dict[str, str]:
    """The document's paragraphs, one a line; its title.

    Raises:
        DocumentError: when it is encrypted, has too many pages, or has no text because its pages are pictures.
    """
    import logging

    from pypdf import PdfReader
    from pypdf.errors import DependencyError

    logging.disable(logging.CRITICAL)
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise DocumentError("is encrypted: save it without a password, or save its text as .txt")
        pages = len(reader.pages)
    except DependencyError:
        raise DocumentError("is encrypted: save it without a password, or save its text as .txt") from None
    if pages > MAX_PAGES:
        raise DocumentError(f"has more than {MAX_PAGES:,} pages: divide it")
    text = "\n".join(paragraphs([_lines(page) for page in reader.pages]))
    if not text.strip():
        raise DocumentError("has no text, its pages are pictures: have their text recognised first, for example with ocrmypdf")
    return {"text": text + "\n", "title": title_of(reader.metadata.title if reader.metadata else None)}


def _lines(page: Any) -> list[Line]:
    lines: list[Line] = []
    held, place = "", (0.0, 0.0, 0.0)

    def take(text: str, cm: Sequence[float], tm: Sequence[float], font: Any, size: float) -> None:
        nonlocal held, place
        x, y = tm[4] * cm[0] + tm[5] * cm[2] + cm[4], tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
        scaled = size * abs(tm[3] or tm[1]) * abs(cm[3] or cm[1])
        for piece in text.splitlines(keepends=True):
            if not held.strip() and piece.strip():
                place = (x, y, scaled)
            held += piece
            if piece.endswith("\n"):
                end()

    def end() -> None:
        nonlocal held
        text = " ".join(held.split())
        if text:
            lines.append(Line(text, *place))
        held = ""

    page.extract_text(visitor_text=take)
    end()
    return lines


def _furniture(pages: Sequence[Sequence[Line]]) -> set[str]:
    """Lines, digits aside, that stand at the edge of at least two pages and of half of them: running heads."""
    edges: Counter[str] = Counter()
    for page in pages:
        edges.update({_digits(line.text) for line in (*page[:EDGE], *page[-EDGE:])})
    return {text for text, count in edges.items() if count >= max(2, len(pages) / 2)}


def _digits(text: str) -> str:
    return re.sub(r"\d+", "0", text)


def paragraphs(pages: Sequence[Sequence[Line]]) -> list[str]:
    """Lines joined to paragraphs: by the space above them, their indent, the size of their letters, and where a short one ends.

    A paragraph goes on over the end of a column or a page unless a sentence ends there. Page numbers and running heads are left out.
    """
    heads = _furniture(pages)
    kept = [
        [
            line for at, line in enumerate(page)
            if not ((at < EDGE or at >= len(page) - EDGE) and (_digits(line.text) in heads or _PAGE_NUMBER.fullmatch(line.text)))
        ]
        for page in pages
    ]  # fmt: skip
    gaps = Counter(round(a.y - b.y) for page in kept for a, b in pairwise(page) if 0 < a.y - b.y < 2.5 * max(a.size, 1))
    # The commonest distance, and of equally common ones the smallest, is that within a paragraph.
    leading = min(gaps, key=lambda gap: (-gaps[gap], gap)) if gaps else 0
    width = max((len(line.text) for page in kept for line in page), default=0)
    found: list[str] = []
    before: Line | None = None
    for page in kept:
        for at, line in enumerate(page):
            if before is None or _parted(before, line, at == 0, leading, width):
                found.append(line.text)
            else:
                # Words that are doubled have their hyphen at the line's end too, so it stays.
                found[-1] += line.text if re.search(r"\w-$", found[-1]) else " " + line.text
            before = line
    return found


def _parted(a: Line, b: Line, new_page: bool, leading: float, width: int) -> bool:
    """Whether a paragraph ends between two lines."""
    if abs(a.size - b.size) > 0.1 * max(a.size, b.size):
        return True
    ended = _END.search(a.text) is not None
    if new_page or b.y > a.y:
        return ended
    if leading and a.y - b.y > 1.25 * leading + 0.5:
        return True
    indented = 0.5 * a.size < b.x - a.x < 6 * a.size and a.y - b.y > 0.5 * a.size
    return ended and (indented or len(a.text) < 0.7 * width)
