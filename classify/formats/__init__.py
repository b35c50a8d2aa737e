"""The files that are read beside plain text, told by their suffix; a format's module is imported when such a file comes."""

from __future__ import annotations

from typing import Literal

TEXT = (".txt",)
RECORDS = (".jsonl", ".ndjson")
TABLES = (".csv", ".tsv")
PAGES = (".html", ".htm", ".docx", ".pdf")
ARCHIVES = (".zip",)
# In a folder, collections are as often labels or rows as documents; they are read where they are named, or packed into an archive.
IN_FOLDERS = (*TEXT, *PAGES, *ARCHIVES)
EVERY = (*TEXT, *RECORDS, *TABLES, *PAGES)

Kind = Literal["text", "records", "table", "html", "docx", "pdf", "archive"]
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(RECORDS, "records"),
    **dict.fromkeys(TABLES, "table"),
    **dict.fromkeys(ARCHIVES, "archive"),
    ".html": "html",
    ".htm": "html",
    ".docx": "docx",
    ".pdf": "pdf",
}


def kind_of(name: str) -> Kind:
    """How a file of this name is read; whatever has no suffix of ours is taken for plain text."""
    lower = name.lower()
    return next((kind for suffix, kind in _KINDS.items() if lower.endswith(suffix)), "text")


def listed(suffixes: tuple[str, ...]) -> str:
    """Suffixes for people: ``.txt, .html and .pdf``."""
    return ", ".join(suffixes[:-1]) + " and " + suffixes[-1]
