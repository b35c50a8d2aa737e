"""News pages as HTML: the article without menus, share bars and comments, by trafilatura. Runs in the sandbox's process."""

from __future__ import annotations

import codecs
import re
from typing import Any

from classify.errors import DocumentError

# Taken for a date of publication only if it lies between these; a fixed end, so that the answer does not depend on the day.
DATES = {"original_date": True, "extensive_search": False, "min_date": "1995-01-01", "max_date": "2100-01-01"}

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_CHARSET = re.compile(rb"<(?:meta[^>]{0,300}charset|\?xml[^>]{0,200}encoding)\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)


def decoded(data: bytes) -> str:
    """The page's text: by its mark, its UTF-8, or the encoding that it names."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data.decode(name, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    found = _CHARSET.search(data[:4096])
    try:
        name = codecs.lookup(found[1].decode("ascii")).name if found else "cp1252"
        # Browsers read Latin-1 as Windows-1252 too.
        return data.decode("cp1252" if name in ("iso8859-1", "ascii", "utf-8") else name, errors="replace")
    except (LookupError, ValueError):
        return data.decode("cp1252", errors="replace")


def extract(data: bytes) -> dict[str, str]:
    """Title, then the article's paragraphs, one a line; date and outlet as the page states them.

    Raises:
        DocumentError: when no article is found.
    """
    import logging

    from trafilatura import bare_extraction

    logging.disable(logging.CRITICAL)
    found: Any = bare_extraction(
        decoded(data).replace("\0", ""), include_comments=False, include_tables=True, with_metadata=True, date_extraction_params=DATES
    )
    body = [piece for line in (found.text if found and found.text else "").splitlines() for piece in _pieces(line.strip())]
    if not body:
        raise DocumentError("holds no article that could be told from the page around it: save its text as .txt")
    title = " ".join((found.title or "").split())
    if title and " ".join(body[0].split()) != title:
        body.insert(0, title)
    return {"text": "\n".join(body) + "\n", "title": title, "date": found.date or "", "outlet": found.hostname or found.sitename or ""}


def _pieces(line: str) -> list[str]:
    """A line as the library gives it; of a table's row, drawn with strokes, each cell by itself; a list's item without its dash."""
    cells = line.strip("|").split("|") if line.startswith("|") else [line.removeprefix("- ")]
    return [cell.strip() for cell in cells if cell.strip() and set(cell) - set("- ")]
