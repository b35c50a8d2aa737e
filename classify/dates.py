"""Dates as outlets write them, made comparable."""

from __future__ import annotations

import datetime
import re

# Indonesian and English, by what tells a month from the others.
_MONTHS = (
    ("jan",), ("feb", "peb"), ("mar",), ("apr",), ("mei", "may"), ("jun",), ("jul",), ("agu", "agt", "ags", "aug"), ("sep",),
    ("okt", "oct"), ("nov", "nop"), ("des", "dec"),
)  # fmt: skip
_YEAR_FIRST = re.compile(r"(\d{4})(?:([-/])(\d{1,2})(?:\2(\d{1,2}))?)?(?![\d/-])")
_NAMED = re.compile(r"(?<!\d)(\d{1,2})[ +.-]+([A-Za-z]{3,9})\.?[ +.,-]+(\d{4})(?!\d)")
_DAY_FIRST = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?!\d)")


def iso_date(text: str) -> str:
    """The date in ``text`` as ISO 8601, as precise as it is (``2023-09-13``, ``2023-09``, ``2023``); ``""`` where there is none.

    Read are ISO dates with or without a time, ``2023/9/13``, ``Rabu, 13 September 2023 10:26 WIB`` and the like in Indonesian or
    English, and ``13/9/2023``. Where ``9/10/2023`` could be of two months, nothing is read.
    """
    text = text.strip()
    if found := _YEAR_FIRST.match(text):
        return _iso(*(int(part) for part in found.group(1, 3, 4) if part))
    if found := _NAMED.search(text):
        month = next((number for number, names in enumerate(_MONTHS, 1) if found[2].lower().startswith(names)), None)
        return _iso(int(found[3]), month, int(found[1])) if month else ""
    if found := _DAY_FIRST.match(text):
        first, second, year = int(found[1]), int(found[3]), int(found[4])
        if first > 12 or first == second:
            return _iso(year, second, first)
        return _iso(year, first, second) if second > 12 else ""
    return ""


def _iso(*parts: int) -> str:
    """Year, and as far as known month and day; ``""`` where they are no date."""
    try:
        datetime.date(*[*parts, 1, 1][:3])
    except ValueError:
        return ""
    return "-".join(f"{part:0{width}}" for part, width in zip(parts, (4, 2, 2), strict=False))
